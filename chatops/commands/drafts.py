"""From what was done to a runbook."""

from __future__ import annotations

from chatops import params
from chatops.views import Text
from chatops.vocabulary import Call, Reply, command


@command(
    "runbook from",
    "A draft of a runbook, from what was done in an incident.",
    params.incident(place=True, required=True),
    params.path("output", "Into this file, which must not be there yet; else it is printed.", short="o"),
    group="run",
    permission="read",
    writes=False,
    details="The commands in their order, with what came of them; values that several of them share become inputs. "
    "It says at its top what to check before it is kept.",
)
def runbook_from(call: Call, incident: str, output: str | None) -> Reply:
    from chatops import which
    from incidents import telling, timeline
    from incidents.errors import BadInput, HowdahError
    from runbooks import drafting, recover

    one = which.named(call, incident)
    runs, lost = [], []
    for row in call.store.runs(stream=one.name):
        try:
            runs.append(recover.read(call.store, row.run))
        except HowdahError as error:  # redacted, or of another howdah
            lost.append(f"{row.run} is left out: {error.message}")
    for line in lost:
        call.warn(line)
    notes = [
        drafting.Note(entry.at, telling.who(entry.event), entry.body)
        for entry in timeline.entries(call.store, one.name)
        if entry.event.kind == "note" and not (entry.retracted or entry.redacted)
    ]
    text = drafting.draft(one.name, one.title, runs, notes, call.zone)
    if output is None:
        return Reply(
            Text(text.rstrip("\n"), exact=True), {"text": text, "file": None}, file=f"from-{one.name}.yaml"
        )
    try:
        with open(output, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{output} cannot be written: {error.strerror}", hint="-o names a new file") from None
    return Reply(f"{output}: read it, then howdah runbook lint {output}", {"text": text, "file": output})
