"""A run is started, at a terminal or in a chat: one way for everything that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops.views import Choice, Option
from chatops.vocabulary import Reply

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from runbooks.orders import Start


def fork(call: Call, start: Start, *, detach: bool, plain: bool = False) -> Reply:
    """At a terminal: this process becomes the run's first viewer. With a key, a run that was started is watched."""
    from runbooks import driver, starting

    if call.places.key is None:
        call.close()
        return watch(call, start.store, start.run, driver.fork(start, detach=detach), plain=plain)
    with starting.one_at_a_time(start.store):
        known = _started_before(call, start)
        call.close()
        handle = None if known else driver.fork(start, detach=detach)
        if handle is not None:
            handle.hear_start()
    return watch(call, start.store, start.run, handle, plain=plain)


def begin(call: Call, start: Start) -> Reply:
    """In a chat: the run has begun when this returns, and its thread shows how it goes on."""
    import os

    from incidents.errors import BadInput
    from runbooks import driver, starting

    for name, reference in start.secrets.items():
        if reference == "prompt":
            raise BadInput(
                f"the secret {name} cannot be typed in a chat", hint="give it as env:NAME or file:/PATH"
            )
        if reference.startswith(("env:HOWDAH_", "file:/proc/")) or _is_ours(reference.removeprefix("file:")):
            raise BadInput(f"the secret {name} is howdah's own", hint="name one that is made for it")
    with starting.one_at_a_time(start.store):
        known = _started_before(call, start)
        if not known:
            handle = driver.spawn(start)
            try:
                handle.hear_start()
            finally:
                os.close(handle.pipe)
    row = call.store.run(start.run)
    incident = row.stream if row is not None else None
    said = "was started before, in" if known else "has begun in"
    return Reply(
        f"{start.run}: {start.title} {said} {incident}",
        {"run": start.run, "runbook": start.title, "incident": incident},
        public=True,
    )


def _is_ours(path: str) -> bool:
    """Whether this file holds a token of a chat; whoever may start a run has no business with it."""
    import os

    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    own = [
        value for name, value in os.environ.items() if name.startswith("HOWDAH_") and name.endswith("_FILE")
    ]
    real = os.path.realpath(path)
    inside = credentials is not None and real.startswith(os.path.realpath(credentials) + "/")
    return inside or real in map(os.path.realpath, own)


def _started_before(call: Call, start: Start) -> bool:
    """Whether this key started this run. Raises KeyConflict where it stands for another."""
    from hashlib import sha256

    from incidents.errors import KeyConflict
    from runbooks import consent

    row = call.store.run(start.run)
    if row is None:
        return False
    before = consent.read_run(call.store, start.run).started
    same = (row.runbook, row.by) == (start.title, start.actor["id"])
    if same and before is not None:  # its start may be redacted
        pinned = (before.digest, dict(before.inputs), dict(before.secrets), dict(before.subs))
        same = pinned == (sha256(start.text.encode()).hexdigest(), start.inputs, start.secrets, start.subs)
    if not same:
        raise KeyConflict(
            f"this key has started {row.run} before: {row.runbook}, by {row.by}, with other inputs or another text"
        )
    return True


def watch(call: Call, store: str, run_id: str, handle: Any, *, plain: bool = False) -> Reply:
    from runbooks.approving import Approver
    from runbooks.player import watch as player

    code = player.watch(
        store, run_id, handle=handle, terminal=call.terminal, json=call.json, actor=call.actor, plain=plain,
        updates=call.config.updates, approver=Approver(call.actor, call.config.people, call.who.shared),
    )  # fmt: skip
    return Reply(exit=code)


def choose_incident(call: Call, drill: bool) -> str | None:
    """At a terminal a choice where several are open; else the driver decides, in the run's first transaction."""
    if drill or not call.attended or call.json:
        return None
    rows = call.store.incidents(status="open", mode="real")
    if len(rows) < 2:
        return None
    options = tuple(Option(row.name, row.title) for row in rows)
    return call.choose(Choice("Several incidents are open. Which one is this run for?", options, "incident"))


def prompt(call: Call) -> Any:
    if not call.attended:
        return None
    import getpass

    return lambda name: getpass.getpass(f"{name}: ")
