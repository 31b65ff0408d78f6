"""Where nobody is on call, with the reason where there is one, and who could help. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from incidents import clock
from incidents.oncall import stints
from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import Absence, Group, Schedule, Segment
from incidents.oncall.zones import Zone, zone

_FREE = 11 * clock.HOUR  # so long on either side somebody who is asked to help should be free
_ASKED = 3  # how many are proposed


class Gap(NamedTuple):
    """Nobody in [start, end) (µs). `because` may be empty; `absent` are those whose absence it is; `do` the cure."""

    start: int
    end: int
    because: str = ""
    do: str = ""
    absent: Group = ()


def explained(schedule: Schedule, segments: Sequence[Segment], start: int, end: int) -> Iterator[Gap]:
    """Every gap of the final `segments` of [start, end)."""
    found = stints.gaps(segments)
    if not found:
        return
    present = Resolver(schedule._replace(absences=())) if schedule.absences else None
    apart = _apart(schedule, start, end)
    for a, b in found:
        absent = _absent(schedule, present, a, b) if present else []
        if absent:
            why = "; ".join(f"{one.user} is absent" + (f" ({one.why})" if one.why else "") for one in absent)
            people = tuple(sorted({one.user for one in absent}))
            yield Gap(a, b, why, _help(schedule, segments, a, b), people)
        else:
            why = next((one.says for one in apart if one.start <= a < one.end and b - a <= one.by), "")
            yield Gap(a, b, why)


def _absent(schedule: Schedule, present: Resolver, start: int, end: int) -> list[Absence]:
    """The absences without which somebody would be on call in this gap."""
    missed = [one for one in present.shifts(start, end) if one.people]
    return [
        one
        for one in schedule.absences
        if any(
            one.user in shift.people and one.start < shift.end and one.end > shift.start for shift in missed
        )
    ]


def _help(schedule: Schedule, segments: Sequence[Segment], start: int, end: int) -> str:
    """Who is not absent and best rested around the gap, in words."""
    busy = stints.by_person(
        stints.stints(one for one in segments if one.end > start - _FREE and one.start < end + _FREE)
    )
    away = {one.user for one in schedule.absences if one.start < end and one.end > start}
    able = [who for who in on_layers(schedule) if who not in away]
    free = [who for who in able if who not in busy]
    asked = (free or able)[:_ASKED]
    if not asked:
        return "nobody of this schedule is there then"
    words = " or ".join(filter(None, (", ".join(asked[:-1]), asked[-1])))
    begin = "" if start == segments[0].start else f" --from {_stamp(start)}"
    command = f"howdah override {schedule.name} --add {asked[0]}{begin} --to {_stamp(end)}"
    return f"{words} could take it{'' if free else ', but not rested'}: {command}"


def _stamp(at: int) -> str:
    return clock.iso(at, precision="seconds")


def on_layers(schedule: Schedule) -> list[str]:
    """Who has turns, sorted."""
    return schedule._replace(overrides=(), swaps=(), temporary=(), absences=()).people()


class _Apart(NamedTuple):
    """In [start, end) two zones are by `by` nearer or farther than they are for most of the time."""

    start: int
    end: int
    by: int
    says: str


def _apart(schedule: Schedule, start: int, end: int) -> list[_Apart]:
    names = sorted({layer.zone for layer in schedule.layers if layer.windows})
    return [
        one
        for i, first in enumerate(names)
        for second in names[i + 1 :]
        for one in _apart_of(zone(first), zone(second), start, end)
    ]


def _apart_of(first: Zone, second: Zone, start: int, end: int) -> list[_Apart]:
    """Where their distance is not the usual one, that of most of the half year on either side."""
    begin, until = start - 183 * clock.DAY, end + 183 * clock.DAY
    edges = sorted({begin, until, *(at for one in (first, second) for at, _, _ in one.changes(begin, until))})
    spans = [(a, b, first.wall(a) - second.wall(a)) for a, b in pairwise(edges)]
    lasting: dict[int, int] = {}
    for a, b, distance in spans:
        lasting[distance] = lasting.get(distance, 0) + b - a
    usual = max(lasting, key=lambda distance: lasting[distance])
    return [
        _Apart(a, b, abs(distance - usual),
               f"{first.name} and {second.name} are {clock.words(abs(distance))} apart then, usually {clock.words(abs(usual))}")
        for a, b, distance in spans
        if distance != usual
    ]  # fmt: skip
