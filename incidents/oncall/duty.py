"""Who carries duty now: another fact than who is on the schedule. A pure fold of the stream `oncall`.

At an edge of the final schedule those who come and those who go both have it, until one of the former says "I have it"
(`handoff.acknowledged`), or for `limits.overrun` at most: then those who go are let go in any case. Who was asked
because those who come did not answer, and said so, has it beside them as long as that. Who rests has no pages: their
cover has them, and who rests gets them only where nobody else is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from incidents import clock
from incidents.oncall.limits import Limits
from incidents.oncall.schedule import STREAM as STREAM
from incidents.oncall.schedule import Group, Segment

if TYPE_CHECKING:
    from incidents.events import Event


class Shifts(Protocol):
    """What is asked of the schedules: `versions.Rota` has it."""

    def on_call(self, name: str, at: int) -> Group: ...

    def shifts(self, name: str, start: int, end: int) -> list[Segment]: ...


class Edge(NamedTuple):
    """At `at` (µs) the schedule passes from those who go to those who come. `acknowledged` is who said "I have it"."""

    schedule: str
    at: int
    outgoing: Group
    incoming: Group
    acknowledged: str = ""

    @property
    def name(self) -> str:
        return edge_name(self.schedule, self.at)


class Duty(NamedTuple):
    """`people` are whom pages go to: `scheduled` and, while a handoff waits, `outgoing`, without those who rest.
    `waiting` are the handoffs that nobody has acknowledged, `since` the last edge, `covers` who stands in for whom."""

    schedule: str
    at: int
    people: Group
    scheduled: Group
    outgoing: Group = ()
    incoming: Group = ()
    since: int | None = None
    waiting: tuple[Edge, ...] = ()
    covers: Mapping[str, str] = {}

    @property
    def acknowledged(self) -> bool:
        return not self.waiting


class Shield(NamedTuple):
    person: str
    since: int
    until: int
    cover: str = ""


def edge_name(schedule: str, at: int) -> str:
    """`infra@2022-11-14T08:00Z`."""
    return f"{schedule}@{clock.iso(at, precision='minutes')}"


def on_duty(name: str, rota: Shifts, events: Iterable[Event], at: int, limits: Limits) -> Duty:
    """Who has the duty of the schedule `name` at `at`; `events` are those of the stream `oncall`. Raises NotFound."""
    events = [event for event in events if event.at <= at]
    scheduled = rota.on_call(name, at)
    passed = edges(name, rota, events, at - limits.overrun, at)
    said = limits.handoff is None
    waiting = tuple(e for e in passed if not (e.acknowledged or said) and e.outgoing and e.incoming)
    going = {one for edge in waiting for one in edge.outgoing} - set(scheduled)
    outgoing = tuple(sorted(going - _sleeping(name, events, scheduled, at)))
    incoming = tuple(sorted({one for edge in waiting for one in edge.incoming} & set(scheduled)))
    instead = {e.acknowledged for e in passed if e.acknowledged and e.acknowledged not in e.incoming}
    people, covers = covered(
        (*scheduled, *outgoing, *sorted(instead - set(scheduled) - set(outgoing))), shields(events, at), at
    )
    since = passed[-1].at if passed else None
    return Duty(name, at, people, scheduled, outgoing, incoming, since, waiting, covers)


def edges(name: str, rota: Shifts, events: Iterable[Event], start: int, end: int) -> list[Edge]:
    """Where the people of the final schedule change in (start, end]."""
    if start >= end:
        return []
    acknowledged = {
        str(event.data["handoff"]): str(event.data["person"])
        for event in events
        if event.kind == "handoff.acknowledged" and event.data
    }
    found = []
    for before, after in pairwise(rota.shifts(name, start, end + 1)):
        going = tuple(sorted(set(before.people) - set(after.people)))
        coming = tuple(sorted(set(after.people) - set(before.people)))
        by = acknowledged.get(edge_name(name, after.start), "")
        found.append(Edge(name, after.start, going, coming, by))
    return found


def shields(events: Iterable[Event], at: int) -> dict[str, Shield]:
    """Who rests at `at`, and until when; whoever said that they stay does not."""
    found: dict[str, Shield] = {}
    for event in events:
        if event.at > at or not event.data:
            continue
        if event.kind == "relief.shielded":
            data = event.data
            shield = Shield(str(data["person"]), event.at, int(data["until"]), str(data.get("cover", "")))
            found[shield.person] = shield
        elif event.kind == "duty.stayed":
            found.pop(str(event.data["person"]), None)
    return {person: shield for person, shield in found.items() if shield.until > at}


def _sleeping(name: str, events: Iterable[Event], scheduled: Group, at: int) -> set[str]:
    """Those whose morning cover has the schedule now: they are not kept up until the cover says so."""
    covers = [event.data for event in events if event.kind == "relief.cover" and event.data]
    return {
        str(data["person"])
        for data in covers
        if data["schedule"] == name and data["cover"] in scheduled and data["start"] <= at < data["end"]
    }


def staying(events: Iterable[Event]) -> dict[str, int]:
    """person -> until when (µs) they last said that they stay, whatever limit is reached."""
    return {
        str(event.data["person"]): int(event.data["until"])
        for event in events
        if event.kind == "duty.stayed" and event.data
    }


def covered(people: Iterable[str], resting: Mapping[str, Shield], at: int) -> tuple[Group, dict[str, str]]:
    """Whom pages go to in the place of `people`, and who stands in for whom. Where nobody is left, they themselves."""
    people = list(people)
    found: set[str] = set()
    covers: dict[str, str] = {}
    for person in people:
        one, seen = person, {person}
        while one in resting and resting[one].cover and resting[one].cover not in seen:
            one = resting[one].cover
            seen.add(one)
        if one not in resting:
            found.add(one)
            if one != person:
                covers[person] = one
    return tuple(sorted(found or people)), covers
