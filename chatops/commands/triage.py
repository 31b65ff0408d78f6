"""What is it? Every runbook's diagnosis at once, read-only, before anybody has decided anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.views import Card, Field, Stack, Text, joined
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from chatops.views import Part
    from runbooks.triage import Found, Report


@command(
    "triage",
    "Which runbook fits what this machine has? Looks for five seconds, changes nothing.",
    params.runbook("runbooks", "Only these runbooks; all unless given.", place=True, repeat=True),
    params.duration("timeout", "How long it may look, 5s unless given."),
    group="run",
    permission="read",
    writes=False,
    details="It needs no store and leaves nothing in one. What does not answer in time is named, with the process "
    "that could not be ended. The exit is 0 whatever is found.",
)
def triage(call: Call, runbooks: tuple[str, ...], timeout: int | None) -> Reply:
    import os

    from runbooks import triage

    within = triage.WITHIN if timeout is None else timeout
    report = triage.triage(runbooks, beside=call.config.path or None, within=within)
    machine = os.uname().nodename
    document = {"machine": machine, **triage.document(report, _also(call))}
    return Reply(_view(call, report, machine), document)


def _also(call: Call) -> list[str]:
    """The places that were given at the terminal: the run needs them too."""
    places = call.places
    given = {"--config": places.config, "--store": places.store} if call.terminal is not None else {}
    return [word for name, value in given.items() if value is not None for word in (name, value)]


def _view(call: Call, report: Report, machine: str) -> Stack:
    from incidents import clock

    fits, unknown = report.by("fits"), report.by("unknown")
    whole = not unknown and not report.broken
    if names := tuple(dict.fromkeys(found.runbook for found in fits)):
        what = f"{joined(names, last='and')} {'fits' if len(names) == 1 else 'fit'}"
    elif not whole:
        what = "nothing was seen that a runbook knows, but not all could be looked at"
    else:
        what = "nothing that a runbook knows" if report.found else "no runbook has a diagnose"
    head = f"{machine}: {what}. Looked at for {clock.words(report.took)}."
    parts: list[Part] = [Text(head, "bad" if fits else "good" if whole else "warn")]
    parts += [_fitting(call, found) for found in fits]
    lacking = [
        *(_seen(found) for found in unknown),
        *(Field(b.runbook, tuple(b.why.split("\n")), "warn") for b in report.broken),
    ]
    if lacking:
        parts.append(Card("Could not be looked at", tuple(lacking)))
    if healthy := report.by("healthy"):
        parts.append(Card("Looked at, and healthy", tuple(_seen(found) for found in healthy)))
    if report.silent:
        parts.append(Text(f"Without a diagnose: {', '.join(report.silent)}", "quiet"))
    return Stack(tuple(parts))


def _fitting(call: Call, found: Found) -> Card:
    """In a chat the command is no exact text: it is said as it is typed there."""
    run = Field("run it", (found.command(_also(call)),), "name", exact=not call.in_chat)
    fields = [
        Field("seen", tuple(found.says.split("\n"))),
        *([Field("but", (found.why,), "warn")] if found.why else []),
        run,
        *([Field("left behind", found.left, "warn")] if found.left else []),
    ]
    return Card(found.runbook, tuple(fields), state=found.severity, under=found.description, tone="bad")


def _seen(found: Found) -> Field:
    """One line of what does not fit, and who was left behind by looking."""
    from incidents.visible import one_line

    left = (f"left behind, it cannot be ended now: {', '.join(found.left)}",) if found.left else ()
    said = found.why or found.says.partition("\n")[0]
    return Field(f"{found.runbook}/{found.step}", (one_line(said), *left), "warn" if found.why else "")
