"""What on call has cost each person: hours, pages by their own clock, nights, weekends, rest, work in incidents.

Pure: `facts` makes of the log and the schedules what `strain` and `relief` decide on, `report` what people read.
Drills and what was recorded afterwards are in none of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from incidents import clock
from incidents.oncall import active, strain, windows
from incidents.oncall.rotation import weekday
from incidents.oncall.schedule import Span
from incidents.oncall.strain import Facts
from incidents.oncall.zones import zone

if TYPE_CHECKING:
    from incidents.events import Event

BRIEF = "brief"  # the policy by which the brief of a shift goes out: nobody is called after it
REMINDER = "reminder"  # that of a reminder, in the same way
TELLING = (BRIEF, REMINDER)
HALF_A_NIGHT = 4 * clock.HOUR  # whoever has duty so long in a night has it that night


class Row(NamedTuple):
    """One person in the asked weeks. `duty` and `active` are µs; `nights` are those on duty, `weekends` the days of
    weekends; `rest` is the longest rest in the worst 24 hours, `longest_rest` in all of the time, µs."""

    person: str
    duty: int
    nights: int
    weekends: int
    pages: int
    night_pages: int
    active: int
    rest: int
    longest_rest: int


MEASURES = Row._fields[1:]


class Report(NamedTuple):
    """`heat[weekday][hour]` are pages by the clock of whoever was paged, Monday first. `gini` has one figure a
    measure: 0 where all carry the same, towards 1 where one carries everything."""

    start: int
    end: int
    rows: tuple[Row, ...]
    heat: tuple[tuple[int, ...], ...]
    gini: Mapping[str, float]


def report(facts: Iterable[Facts], start: int, end: int) -> Report:
    everyone = sorted(facts)
    heat = [[0] * 24 for _ in range(7)]
    for one in everyone:
        clocks = zone(one.zone)
        for page in one.pages:
            if start <= page < end:
                wall = clocks.wall(page)
                heat[weekday(wall)][wall % clock.DAY // clock.HOUR] += 1
    rows = tuple(_row(one, start, end) for one in everyone)
    ginis = {name: gini([getattr(row, name) for row in rows]) for name in MEASURES}
    return Report(start, end, rows, tuple(map(tuple, heat)), ginis)


def gini(values: Sequence[int]) -> float:
    """The Gini coefficient of these amounts, none of them negative; 0 where there is nothing to share."""
    total, n = sum(values), len(values)
    if not total:
        return 0.0
    return sum((2 * i - n + 1) * value for i, value in enumerate(sorted(values))) / (n * total)


def _row(one: Facts, start: int, end: int) -> Row:
    duties = [
        (max(a, start), min(b, end)) for a, b in windows.joined(list(one.duties)) if a < end and b > start
    ]
    pages = [page for page in one.pages if start <= page < end]
    work = [(max(a, start), min(b, end)) for a, b in one.work if a < end and b > start]
    least, longest = rests([*work, *((page, page + 1) for page in pages)], start, end)
    nights, weekends = _nights_and_weekends(one.zone, duties)
    return Row(
        one.person,
        sum(b - a for a, b in duties),
        nights,
        weekends,
        len(pages),
        sum(strain.night_at(one.zone, page) is not None for page in pages),
        sum(b - a for a, b in windows.joined(sorted(work))),
        least,
        longest,
    )


def _nights_and_weekends(zone_name: str, duties: Sequence[Span]) -> tuple[int, int]:
    """On how many nights, and on how many days of a weekend, by this zone's clocks."""
    clocks = zone(zone_name)
    nights: set[int] = set()
    days: set[int] = set()
    for start, end in duties:
        nights |= {
            dusk
            for dusk, dawn in strain.nights(zone_name, start, end)
            if min(end, dawn) - max(start, dusk) >= HALF_A_NIGHT
        }
        for day in range(clocks.wall(start) // clock.DAY - 1, clocks.wall(end) // clock.DAY + 1):
            midnight = day * clock.DAY
            touched = min(end, clocks.last(midnight + clock.DAY)) - max(start, clocks.first(midnight))
            if weekday(midnight) >= 5 and touched >= clock.HOUR:
                days.add(day)
    return len(nights), len(days)


def rests(disturbed: Iterable[Span], start: int, end: int) -> tuple[int, int]:
    """The longest undisturbed time in the worst 24 hours of [start, end), and in all of it."""
    spans = windows.joined(sorted(disturbed))
    edges = [(start, start), *spans, (end, end)]
    gaps = [(before[1], after[0]) for before, after in itertools.pairwise(edges)]
    longest = max(b - a for a, b in gaps)
    least = min(clock.DAY, longest)
    for begin, _ in spans:
        upto = begin + clock.DAY
        if upto <= end:
            least = min(least, max((min(b, upto) - a for a, b in gaps if begin <= a < upto), default=0))
    return max(0, least), longest


# -- from the log ------------------------------------------------------------------------------------------------------


def facts(people: Mapping[str, str], duties: Mapping[str, Sequence[Span]], log: Iterable[Sequence[Event]],
          now: int, *, absences: Mapping[str, Sequence[Span]] | None = None) -> dict[str, Facts]:  # fmt: skip
    """person -> Facts, of everybody who is named anywhere. `people` are names with their zones, `duties` on call past
    and planned, `log` the events of each stream that may hold work or pages."""
    work: dict[str, list[Span]] = {}
    paged: dict[str, set[int]] = {}
    for events in log:
        for person, spans in active.at_work(events, now).items():
            work.setdefault(person, []).extend(spans)
        for person, at in pages(events):
            paged.setdefault(person, set()).add(at)
    away = absences or {}
    names = {*people, *duties, *work, *paged}
    return {
        name: Facts(
            name,
            people.get(name) or "UTC",
            tuple(windows.joined(sorted(work.get(name, ())))),
            tuple(sorted(duties.get(name, ()))),
            tuple(sorted(paged.get(name, ()))),
            tuple(sorted(away.get(name, ()))),
        )
        for name in sorted(names)
    }


def pages(events: Iterable[Event]) -> list[tuple[str, int]]:
    """(person, instant) of each page of this stream; the same page on another channel or once more is no other, and
    the brief of a shift is none, nor a reminder, nor what reached nobody: its sends failed."""
    found: dict[tuple[str, int], dict[tuple[object, ...], int]] = {}
    briefs: set[int] = set()
    for event in events:
        if event.mode != "real" or not event.data:
            continue
        if event.kind == "page.started" and event.actor.type == "system":
            briefs |= {event.seq} if event.data["policy"].get("name") in TELLING else set()
        elif event.kind == "page.sending" and event.data["page"] not in briefs:
            found.setdefault(_whose(event), {}).setdefault(_way(event), event.at)
        elif event.kind == "page.failed":
            found.get(_whose(event), {}).pop(_way(event), None)
    return [(person, min(sends.values())) for (person, _), sends in found.items() if sends]


def _whose(event: Event) -> tuple[str, int]:
    return str(event.data["person"]), int(event.data["page"])


def _way(event: Event) -> tuple[object, ...]:
    return tuple(event.data.get(name) for name in ("n", "channel", "attempt"))
