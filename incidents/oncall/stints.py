"""Segments of a schedule seen from the people: when one person is on call without a break, and when nobody is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from incidents.oncall import windows
from incidents.oncall.schedule import Segment, Span


class Stint(NamedTuple):
    """One person on call in [start, end) (µs), whoever is on call with them."""

    start: int
    end: int
    person: str


def stints(segments: Iterable[Segment]) -> list[Stint]:
    """Of everybody, sorted by start. `segments` stand in order and do not overlap."""
    found: list[Stint] = []
    running: dict[str, int] = {}  # person -> start
    at = 0
    for start, end, people in segments:
        if running:
            for who in [who for who in running if who not in people or start != at]:
                found.append(Stint(running.pop(who), at, who))
        for who in people:
            running.setdefault(who, start)
        at = end
    found += [Stint(start, at, who) for who, start in running.items()]
    found.sort()
    return found


def by_person(found: Iterable[Stint]) -> dict[str, list[Span]]:
    """Each person's spans, sorted as they came; where they come from several schedules they may overlap."""
    spans: dict[str, list[Span]] = {}
    for one in found:
        spans.setdefault(one.person, []).append((one.start, one.end))
    return spans


def gaps(segments: Iterable[Segment]) -> list[Span]:
    """Where nobody is on call, neighbours joined."""
    return windows.joined(
        [(one.start, one.end) for one in segments if not one.people and one.start < one.end]
    )


def cut(segments: Iterable[Segment], start: int, end: int) -> list[Segment]:
    """What of the segments lies in [start, end)."""
    return [
        Segment(max(one.start, start), min(one.end, end), one.people)
        for one in segments
        if one.end > start and one.start < end
    ]


def minus(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What of the first is in none of the second; both sorted and without overlap."""
    found, i = [], 0
    for start, end in spans:
        while i < len(others) and others[i][1] <= start:
            i += 1
        j, at = i, start
        while j < len(others) and others[j][0] < end:
            if others[j][0] > at:
                found.append((at, others[j][0]))
            at = max(at, others[j][1])
            j += 1
        if at < end:
            found.append((at, end))
    return found


class Doubled(NamedTuple):
    """One person on call by two schedules at once."""

    start: int
    end: int
    person: str
    schedules: tuple[str, str]


def doubled(by_schedule: Mapping[str, Sequence[Stint]]) -> list[Doubled]:
    """Who has to be in two schedules at once, and when; sorted."""
    found = []
    everything = sorted((one, name) for name, mine in by_schedule.items() for one in mine)
    running: dict[str, list[tuple[int, str]]] = {}  # person -> (end, schedule) of what still runs
    for one, name in everything:
        mine = [(end, other) for end, other in running.get(one.person, ()) if end > one.start]
        found += [
            Doubled(one.start, min(one.end, end), one.person, (min(name, other), max(name, other)))
            for end, other in mine
            if other != name
        ]
        running[one.person] = [*mine, (one.end, name)]
    return sorted(found)
