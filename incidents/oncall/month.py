"""What a month on the wall holds: its weeks of days, each day's pieces of the schedule, where the clocks change."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Sequence
from typing import NamedTuple

from incidents import clock
from incidents.oncall.schedule import Segment
from incidents.oncall.zones import Zone, zone

_EPOCH = datetime.date(1970, 1, 1)


class Day(NamedTuple):
    """One day of a zone, [start, end) in µs; `by` µs is how far its clocks jump (0: not), `pieces` fill it whole.

    A day that the clocks skip has no length.
    """

    date: datetime.date
    start: int
    end: int
    pieces: tuple[Segment, ...] = ()
    by: int = 0


Week = tuple[Day | None, ...]  # seven, Monday first; None is a day of another month


def span(zone_name: str, year: int, month: int) -> tuple[int, int]:
    """[start, end) of the month on that zone's clocks."""
    clocks = zone(zone_name)
    days = _days(year, month)
    return _begin(clocks, days[0]), _begin(clocks, days[-1] + datetime.timedelta(days=1))


def weeks(segments: Sequence[Segment], zone_name: str, year: int, month: int) -> list[Week]:
    """The month; `segments` in order cover its span."""
    clocks = zone(zone_name)
    found: list[Day | None] = [None] * _days(year, month)[0].weekday()
    i = 0
    for date in _days(year, month):
        start, end = _begin(clocks, date), _begin(clocks, date + datetime.timedelta(days=1))
        while i < len(segments) and segments[i].end <= start:
            i += 1
        pieces, j = [], i
        while j < len(segments) and segments[j].start < end:
            one = segments[j]
            pieces.append(Segment(max(one.start, start), min(one.end, end), one.people))
            j += 1
        by = sum(after - before for _, before, after in clocks.changes(start, end))
        found.append(Day(date, start, end, tuple(pieces), by))
    found += [None] * (-len(found) % 7)
    return [tuple(found[i : i + 7]) for i in range(0, len(found), 7)]


def hours(segments: Sequence[Segment]) -> dict[str, int]:
    """µs that each person is on call, the most first."""
    found: dict[str, int] = {}
    for one in segments:
        for who in one.people:
            found[who] = found.get(who, 0) + one.end - one.start
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _days(year: int, month: int) -> list[datetime.date]:
    return [datetime.date(year, month, day + 1) for day in range(calendar.monthrange(year, month)[1])]


def _begin(clocks: Zone, date: datetime.date) -> int:
    return clocks.first((date - _EPOCH).days * clock.DAY)
