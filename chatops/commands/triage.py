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
    return Reply(_view(report, machine), {"machine": machine, **triage.document(report)})


def _view(report: Report, machine: str) -> Stack:
    from incidents import clock

    fits = report.by("fits")
    names = tuple(dict.fromkeys(found.runbook for found in fits))
    looked = f"{machine}, looked at for {clock.words(report.took)}"
    parts: list[Part] = [Text(f"{joined(names, last='and')}: fits {looked}" if fits else _nothing(report, looked),
                              "bad" if fits else "good" if _all_seen(report) else "warn")]  # fmt: skip
    parts += [_fitting(found) for found in fits]
    if rest := _rest(report):
        parts.append(Card("Looked at as well", rest))
    return Stack(tuple(parts))


def _all_seen(report: Report) -> bool:
    return not report.by("unknown") and not report.broken


def _nothing(report: Report, looked: str) -> str:
    if not report.found and not report.broken:
        return f"No runbook here can look: none has a diagnose. ({looked})"
    if _all_seen(report):
        return f"Nothing that a runbook knows: {looked}"
    return f"Nothing was seen that a runbook knows, but not all could be looked at: {looked}"


def _fitting(found: Found) -> Card:
    fields = [
        Field("seen", tuple(found.says.split("\n"))),
        *([Field("but", (found.why,), "warn")] if found.why else []),
        Field("run it", (found.command,), "name", exact=True),
        *([Field("left behind", found.left, "warn")] if found.left else []),
    ]
    return Card(found.runbook, tuple(fields), state=found.severity, under=found.description, tone="bad")


def _rest(report: Report) -> tuple[Field, ...]:
    from incidents.visible import one_line

    fields = [
        Field(
            f"{found.runbook}/{found.step}", (one_line(found.says.partition("\n")[0]), *_left(found)), "good"
        )
        for found in report.by("healthy")
    ]
    fields += [
        Field(f"{found.runbook}/{found.step}", (f"not seen: {found.why}", *_left(found)), "warn")
        for found in report.by("unknown")
    ]
    fields += [Field(one.runbook, (f"cannot be read: {one.why}",), "warn") for one in report.broken]
    if report.silent:
        fields.append(Field("no diagnose", (", ".join(report.silent),), "quiet"))
    return tuple(fields)


def _left(found: Found) -> list[str]:
    return [f"left behind, it cannot be ended now: {one}" for one in found.left]
