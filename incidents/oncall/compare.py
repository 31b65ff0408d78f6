"""Two versions of the schedules side by side: whose shift moves, and what breaks that was whole before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from incidents import clock
from incidents.oncall import stints, strain
from incidents.oncall.changes import Moved, moved
from incidents.oncall.limits import Limits
from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import Schedule, Segment, Span
from incidents.oncall.stints import Stint

DEFAULT = Limits()
_NEAR = 2 * clock.HOUR  # two shifts that differ by a change of the clocks are of one length
_FAR = 15 * clock.DAY  # a shift that is farther away is not the same one, moved
_ROUND = 8 * clock.DAY  # what of the past and of the time after counts for who rests


class Shift(NamedTuple):
    """What happens to one shift of one person: from `old` to `new`, either may be None. Spans are µs."""

    schedule: str
    person: str
    old: Span | None
    new: Span | None

    @property
    def what(self) -> str:
        """gains, loses, moves, or changes where the two overlap."""
        if self.old is None or self.new is None:
            return "gains" if self.old is None else "loses"
        return "changes" if self.old[0] < self.new[1] and self.new[0] < self.old[1] else "moves"


class Break(NamedTuple):
    """What is worse now: `kind` is gap, doubled, rest or consecutive_days."""

    kind: str
    schedule: str
    start: int
    end: int
    says: str
    person: str = ""


class Difference(NamedTuple):
    """Over one span: the shifts that are other ones, where the answer differs, what breaks."""

    shifts: tuple[Shift, ...]
    spans: Mapping[str, tuple[Moved, ...]]
    breaks: tuple[Break, ...]


def compare(
    old: Mapping[str, Schedule], new: Mapping[str, Schedule], start: int, end: int, *, rules: Limits = DEFAULT
) -> Difference:
    """What `new` changes in [start, end). A schedule that is only in one of them has nobody in the other."""
    names = list(dict.fromkeys([*old, *new]))
    was = {name: _segments(old.get(name), start, end) for name in names}
    now = {name: _segments(new.get(name), start, end) for name in names}
    spans, shifts, breaks = {}, list[Shift](), list[Break]()
    for name in names:
        before, after = (stints.cut(one[name], start, end) for one in (was, now))
        if differing := moved(before, after):
            spans[name] = tuple(differing)
            shifts += _shifts(name, stints.stints(was[name]), stints.stints(now[name]), start, end)
        breaks += [
            Break("gap", name, a, b, f"nobody for {clock.words(b - a)}")
            for a, b in stints.minus(stints.gaps(after), stints.gaps(before))
        ]
    breaks += _people(was, now, start, end, rules)
    return Difference(tuple(shifts), spans, tuple(sorted(breaks, key=lambda one: (one.start, one))))


def _segments(schedule: Schedule | None, start: int, end: int) -> list[Segment]:
    if schedule is None:
        return [Segment(start - _ROUND, end + _ROUND, ())]
    return Resolver(schedule).shifts(start - _ROUND, end + _ROUND)


# -- whose shift -----------------------------------------------------------------------------------------------


def _shifts(name: str, old: list[Stint], new: list[Stint], start: int, end: int) -> list[Shift]:
    """Each shift that is another one: with what it overlaps, else with the nearest of its length, else alone."""

    def inside(span: Span | None) -> Span | None:
        cut = (max(span[0], start), min(span[1], end)) if span else None
        return cut if cut and cut[0] < cut[1] else None

    kept = set(old) & set(new)
    lost = stints.by_person(one for one in old if one not in kept and one.end >= start and one.start <= end)
    gained = stints.by_person(one for one in new if one not in kept and one.end >= start and one.start <= end)
    found = [
        Shift(name, who, a, b)
        for who in sorted({*lost, *gained})
        for a, b in _pairs(lost.get(who, []), gained.get(who, []))
        if inside(a) != inside(b)
    ]
    return sorted(found, key=lambda one: (one.old or one.new or (0, 0), one.person))


def _pairs(lost: list[Span], gained: list[Span]) -> list[tuple[Span | None, Span | None]]:
    pairs: list[tuple[Span | None, Span | None]] = []
    left = list(gained)
    alone = []
    for one in lost:
        beside = next((other for other in left if other[0] < one[1] and one[0] < other[1]), None)
        if beside is None:
            alone.append(one)
            continue
        left.remove(beside)
        pairs.append((one, beside))
    for one in alone:
        like = [
            other
            for other in left
            if abs((other[1] - other[0]) - (one[1] - one[0])) <= _NEAR and abs(other[0] - one[0]) <= _FAR
        ]
        nearest = min(like, key=lambda other: abs(other[0] - one[0]), default=None)
        if nearest is not None:
            left.remove(nearest)
        pairs.append((one, nearest))
    return [*pairs, *((None, other) for other in left)]


# -- what breaks -----------------------------------------------------------------------------------------------


def _people(
    was: Mapping[str, list[Segment]], now: Mapping[str, list[Segment]], start: int, end: int, rules: Limits
) -> list[Break]:
    """Limits that are broken, and people in two places at once, that were not before."""
    before, after = ({name: stints.stints(found) for name, found in one.items()} for one in (was, now))
    seen = (start - _ROUND, end + _ROUND)
    known = _broken(before, rules, seen)
    found = [
        Break(limit, schedule, at, until, f"{who}: {says}", who)
        for (limit, who, at), (until, says, schedule) in _broken(after, rules, seen).items()
        if (limit, who, at) not in known and start <= at < end
    ]
    twice: dict[tuple[str, tuple[str, str]], list[Span]] = {}
    for one in stints.doubled(before):
        twice.setdefault((one.person, one.schedules), []).append((one.start, one.end))
    for one in stints.doubled(after):
        for a, b in stints.minus([(one.start, one.end)], twice.get((one.person, one.schedules), [])):
            if a < end and b > start:
                first, second = one.schedules
                says = f"{one.person} is on call for {second} as well"
                found.append(Break("doubled", first, max(a, start), min(b, end), says, one.person))
    return found


def _broken(
    by_schedule: Mapping[str, Sequence[Stint]], rules: Limits, seen: Span
) -> dict[tuple[str, str, int], tuple[int, str, str]]:
    """(limit, person, at) -> until when, in words, of which schedules."""
    everything = [one for found in by_schedule.values() for one in found]
    found = {}
    for who, spans in stints.by_person(everything).items():
        mine = ", ".join(name for name, all_ in by_schedule.items() if any(one.person == who for one in all_))
        last = 0  # days in a row are told once, where they become too many
        for at, breach in strain.in_schedule(who, spans, rules, seen=seen):
            until = breach.until or at
            if breach.limit != "consecutive_days" or at > last:
                found[breach.limit, who, at] = (until, breach.words, mine)
            if breach.limit == "consecutive_days":
                last = until
    return found
