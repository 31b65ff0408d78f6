"""What a person has behind them, and which limits a duty would break. Pure; docs/burnout.md has the rules in words.

Work and shifts with no rest between them are one day of work. It is over after a rest; before that nobody takes a
duty that would make it longer than 24 h less the rest, nor any duty when some of it was at night. A duty that is longer
by itself is standby: its person sleeps in it, and only what woke them counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from incidents import clock
from incidents.oncall import windows
from incidents.oncall.limits import Limits
from incidents.oncall.schedule import Span
from incidents.oncall.zones import zone

NIGHT = (22 * clock.HOUR, 6 * clock.HOUR)  # on the wall
SHIFT = clock.DAY  # pages of a longer one are counted over the last so many hours
_SLACK = 2 * clock.HOUR  # a week in which the clocks change is a week


class Facts(NamedTuple):
    """What one person did and has before them, each sorted: work in incidents, duties (planned ones too), pages,
    absences. Spans are half-open µs."""

    person: str
    zone: str = "UTC"
    work: tuple[Span, ...] = ()
    duties: tuple[Span, ...] = ()
    pages: tuple[int, ...] = ()
    absences: tuple[Span, ...] = ()

    def absent(self, start: int, end: int) -> bool:
        return any(a < end and b > start for a, b in self.absences)


class Breach(NamedTuple):
    """A limit that would be broken. `over` is by how many thousandths of it, `until` when it no longer would be."""

    limit: str
    person: str
    over: int
    until: int | None
    words: str


def broken(
    facts: Facts, limits: Limits, start: int, end: int, *, pages: int = 1, work: bool = True
) -> list[Breach]:
    """The limits that this person would break by the duty [start, end), which begins with so many pages.

    `work`: they will be at work all the time, as a relief in an incident is; else they are on standby.
    """
    found = [
        _rest(facts, limits, start, end, work),
        _rest_after(facts, limits, start, end),
        _active(facts, limits, start, end - start if work else 0),
        _days(facts, limits, start, end),
        *of_pages(facts, limits, start, pages),
    ]
    return [breach for breach in found if breach is not None]


def called(facts: Facts, limits: Limits, at: int, end: int) -> list[Breach]:
    """The limits that a page at `at` would break, which is reckoned with work until `end`. Whoever is at work is awake:
    no page takes a rest from them."""
    found = broken(facts, limits, at, end)
    return [one for one in found if one.limit != "rest"] if at_work(facts, at) else found


def at_work(facts: Facts, at: int) -> bool:
    """Whether work that began before `at` is going on then."""
    return any(a < at <= b for a, b in facts.work)


def of_pages(facts: Facts, limits: Limits, at: int, pages: int = 1) -> list[Breach]:
    """The limits that so many more pages at `at` would break."""
    found = []
    night = night_at(facts.zone, at)
    if limits.pages_per_night is not None and night is not None:
        had = _count(facts.pages, night[0], at)
        if had + pages > limits.pages_per_night:
            words = f"{had} page{'s' if had != 1 else ''} this night, limit {limits.pages_per_night}"
            over = _over(had + pages - limits.pages_per_night, limits.pages_per_night)
            found.append(Breach("pages_per_night", facts.person, over, night[1], words))
    if limits.pages_per_shift is not None:
        since = at - SHIFT
        for duty in windows.joined(list(facts.duties)):
            if duty[0] <= at < duty[1]:
                since = max(since, duty[0])
        had = _count(facts.pages, since, at)
        if had + pages > limits.pages_per_shift:
            words = f"{had} pages in this shift, limit {limits.pages_per_shift}"
            over = _over(had + pages - limits.pages_per_shift, limits.pages_per_shift)
            found.append(Breach("pages_per_shift", facts.person, over, since + SHIFT, words))
    return found


def in_schedule(
    person: str, duties: Sequence[Span], limits: Limits, zone_name: str = "UTC", seen: Span | None = None
) -> list[tuple[int, Breach]]:
    """What these duties break by themselves, without any incident: rest between shifts, days in a row; with the
    instant at which it begins. Days that reach an end of `seen`, where the duties are known, may be more. Linear in
    their number."""
    found: list[tuple[int, Breach]] = []
    joined = windows.joined(sorted(duties))
    chain: list[Span] = []
    stretch: list[Span] = []
    for duty in joined:
        chain = [*chain[:1], duty] if chain and duty[0] - chain[-1][1] < clock.DAY else [duty]
        days = days_of(chain[0][0], duty[1])
        if limits.consecutive_days is not None and days > limits.consecutive_days:
            at = chain[0][0] + limits.consecutive_days * clock.DAY
            whole = seen is None or (seen[0] + clock.DAY <= chain[0][0] and duty[1] + clock.DAY <= seen[1])
            row = _days_breach(person, limits.consecutive_days, days, duty[1], whole=whole)
            found.append((max(at, duty[0]), row))
        if limits.rest is None or duty[1] - duty[0] > clock.DAY - limits.rest:
            stretch = []
            continue
        if stretch and duty[0] - stretch[-1][1] < limits.rest:
            breach = _too_long(person, zone_name, stretch, limits.rest, duty)
            if breach is not None:
                found.append((duty[0], breach))
            stretch = [*stretch[-8:], duty]
        else:
            stretch = [duty]
    return found


# -- one limit each ------------------------------------------------------------------------------------------------


def _rest(facts: Facts, limits: Limits, start: int, end: int, work: bool) -> Breach | None:
    if limits.rest is None:
        return None
    behind = stretch(facts, limits.rest, start)
    if not behind:
        return None
    return _too_long(facts.person, facts.zone, behind, limits.rest, (start, end if work else start + 1))


def _too_long(person: str, zone_name: str, behind: Sequence[Span], rest: int, duty: Span) -> Breach | None:
    """A day of work is over when 24 h less the rest have passed since its begin, or when some of it was at night."""
    last = max(end for _, end in behind)
    woken = any(touches_night(zone_name, *span) for span in behind)
    if not woken and duty[1] - behind[0][0] <= clock.DAY - rest:
        return None
    if last + rest <= duty[0]:
        return None
    had = max(0, duty[0] - last)
    minutes = had // clock.MINUTE * clock.MINUTE
    words = (
        f"rested {clock.words(minutes)}" if minutes else "still at work"
    ) + f", limit {clock.words(rest)}"
    return Breach("rest", person, _over(rest - had, rest), last + rest, words)


def _rest_after(facts: Facts, limits: Limits, start: int, end: int) -> Breach | None:
    """Whoever works until shortly before their next duty comes to it unrested."""
    if limits.rest is None or end - start > clock.DAY - limits.rest:
        return None
    nexts = [duty for duty in windows.joined(list(facts.duties)) if start < duty[0] < end + limits.rest]
    if not nexts:
        return None
    left = max(0, nexts[0][0] - end)
    begins = f"begins {clock.words(left)} afterwards" if left else "begins before it ends"
    words = f"own duty {begins}, limit {clock.words(limits.rest)}"
    return Breach("rest", facts.person, _over(limits.rest - left, limits.rest), None, words)


def _active(facts: Facts, limits: Limits, at: int, more: int) -> Breach | None:
    if limits.active is None:
        return None
    had = worked(facts, limits, at)
    if had + max(more, 1) <= limits.active:
        return None
    words = f"{clock.words(had)} in incidents without a rest"
    words += f" and {clock.words(more)} more, limit {clock.words(limits.active)}" if more else ""
    until = (
        None if limits.rest is None else max((b for a, b in facts.work if a < at), default=at) + limits.rest
    )
    return Breach("active", facts.person, _over(had + more - limits.active, limits.active), until, words)


def _days(facts: Facts, limits: Limits, start: int, end: int) -> Breach | None:
    if limits.consecutive_days is None:
        return None
    before = _chain(facts.duties, start, end)
    after = _chain((*facts.duties, (start, end)), start, end)
    assert after is not None
    days = days_of(*after)
    if days <= limits.consecutive_days or (before is not None and days <= days_of(*before)):
        return None
    return _days_breach(facts.person, limits.consecutive_days, days, after[1])


def _days_breach(person: str, limit: int, days: int, end: int, *, whole: bool = True) -> Breach:
    words = f"{'' if whole else 'at least '}{days} days in a row, limit {limit}"
    return Breach("consecutive_days", person, _over(days - limit, limit), end + clock.DAY, words)


def _chain(duties: Iterable[Span], start: int, end: int) -> Span | None:
    """The days in a row that touch [start, end): duties without a day off between them."""
    first: int | None = None
    last = 0
    for a, b in sorted(duties):
        if first is None or a - last >= clock.DAY:
            if first is not None and first < end and last > start:
                return first, last
            first, last = a, b
        else:
            last = max(last, b)
    return (first, last) if first is not None and first < end and last > start else None


def days_of(start: int, end: int) -> int:
    """How many days a chain of duties takes; the first two hours of a day make none."""
    return max(1, -(-(end - start - _SLACK) // clock.DAY))


# -- what stands behind a person -------------------------------------------------------------------------------------


def stretch(facts: Facts, rest: int, at: int) -> list[Span]:
    """The day of work that is not over at `at`: work and shifts behind it with no rest between; [] when rested."""
    spans = [(a, b) for a, b in facts.work if a < at]
    spans += [(a, b) for a, b in windows.joined(list(facts.duties)) if a < at and b - a <= clock.DAY - rest]
    behind = windows.joined(sorted(spans))
    found: list[Span] = []
    begin = at
    for a, b in reversed(behind):
        if begin - b >= rest:
            break
        found.append((a, b))
        begin = a
    return found[::-1]


def worked(facts: Facts, limits: Limits, at: int) -> int:
    """µs of work in incidents before `at` since the last rest (without one: in the last 24 hours)."""
    if limits.rest is None:
        return sum(
            min(b, at) - max(a, at - clock.DAY) for a, b in facts.work if a < at and b > at - clock.DAY
        )
    begin, total = at, 0
    for a, b in reversed(windows.joined([(a, min(b, at)) for a, b in facts.work if a < at])):
        if begin - b >= limits.rest:
            break
        total += b - a
        begin = a
    return total


def rested_at(facts: Facts, limits: Limits, at: int) -> int:
    """From when on this person is rested, if nothing more happens; `at` where they are."""
    if limits.rest is None:
        return at
    behind = stretch(facts, limits.rest, at)
    return max(at, max(b for _, b in behind) + limits.rest) if behind else at


def limit_at(facts: Facts, limits: Limits, now: int) -> tuple[str, int] | None:
    """Which limit somebody who is at work reaches next, and when, if they go on: (name, µs); it may be behind us."""
    found = []
    if limits.active is not None:
        found.append((now + limits.active - worked(facts, limits, now), "active"))
    if limits.rest is not None and (behind := stretch(facts, limits.rest, now)):
        found.append((behind[0][0] + clock.DAY - limits.rest, "rest"))
    at, name = min(found, default=(0, ""))
    return (name, at) if name else None


def night_at(zone_name: str, at: int) -> Span | None:
    """The night of that zone in which `at` lies, or None by day."""
    clocks = zone(zone_name)
    day, time = divmod(clocks.wall(at), clock.DAY)
    if NIGHT[1] <= time < NIGHT[0]:
        return None
    begin = (day if time >= NIGHT[0] else day - 1) * clock.DAY + NIGHT[0]
    return clocks.first(begin), clocks.last(begin - NIGHT[0] + clock.DAY + NIGHT[1])


def touches_night(zone_name: str, start: int, end: int) -> bool:
    """Does some of [start, end) lie between 22:00 and 06:00 on this zone's clocks?"""
    if end <= start:
        return False
    clocks = zone(zone_name)
    day, time = divmod(clocks.wall(start), clock.DAY)
    return not NIGHT[1] <= time < NIGHT[0] or clocks.first(day * clock.DAY + NIGHT[0]) < end


def in_nights(zone_name: str, start: int, end: int) -> int:
    """How many µs of [start, end) lie between 22:00 and 06:00 on this zone's clocks."""
    return sum(max(0, min(end, dawn) - max(start, dusk)) for dusk, dawn in nights(zone_name, start, end))


def nights(zone_name: str, start: int, end: int) -> Iterator[Span]:
    """Every night of that zone of which some may lie in [start, end)."""
    clocks = zone(zone_name)
    for day in range(clocks.wall(start) // clock.DAY - 1, clocks.wall(end) // clock.DAY + 1):
        yield clocks.first(day * clock.DAY + NIGHT[0]), clocks.last((day + 1) * clock.DAY + NIGHT[1])


def _count(pages: Sequence[int], start: int, end: int) -> int:
    return sum(start <= page < end for page in pages)


def _over(by: int, limit: int) -> int:
    return max(1, by * 1000 // limit) if limit else 1000 * by
