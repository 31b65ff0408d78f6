"""Can I act now?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.views import Card
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from incidents.store.protocol import Store


@command(
    "doctor",
    "Can I act now? The record, its disk, runbooks, tools, people, tokens, the clock.",
    params.flag("night", "Before a night on call: also the whole record is verified."),
    permission="read",
    unconfigured=True,
    writes=False,
    surfaces=("terminal",),
    because="it looks at the machine that you sit at",
    details="Nothing is changed. Exit 1 where something is missing; what is marked with a dot is worth knowing.",
)
def doctor(call: Call, night: bool) -> Reply:
    import threading

    from chatops import cards, fitness
    from incidents.config import Config
    from incidents.errors import HowdahError
    from incidents.store import place

    checks: list[fitness.Check] = []
    config = Config()
    try:
        config = call.config
    except HowdahError as error:
        checks.append(fitness.Check("configuration", "lack", error.message, error.hint or ""))
    else:
        checks.append(fitness.Check("configuration", "ok", config.path or "there is none; nothing needs one"))
    try:
        path = place.resolve(call.places.store)
    except HowdahError as error:
        checks.append(fitness.Check("record", "lack", error.message, error.hint or ""))
        path = ""
    if path:
        lock = threading.Lock()

        def opened() -> Store:
            with lock:  # several looks want it at once, and it is opened once
                return call.store

        machine = fitness.Machine(path, config, config.path or None, night, opened)
        checks += fitness.examine(machine)
    lacks = [check for check in checks if check.state == "lack"]
    say = "you can act" if not lacks else f"first: {lacks[0].says.splitlines()[0]}"
    card = Card("Can I act now?", tuple(cards.checks(checks)), state="yes" if not lacks else "NO", under=say,
                tone="bad" if lacks else "good")  # fmt: skip
    document = {"fine": not lacks, "checks": [check._asdict() for check in checks]}
    return Reply(card, {"doctor": document}, exit=1 if lacks else 0)
