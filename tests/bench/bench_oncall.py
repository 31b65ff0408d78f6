"""Who is on call, beside icalendar with recurring-ical-events (the engine of Grafana OnCall) on the same schedule.

- `who` on 10 layers with windows, overrides and clock changes: under 50 µs once loaded, 20 times as fast as the peer
- a year of final shifts of 10 layers: under 20 ms, 8 times as fast as the peer expands its events, which it then had
  still to resolve
- time grows with layers and with the span, no faster, and not at all with the distance from the rotations' start
- 1,000 schedules checked for a year in under 10 s

Ratios are of wall times in turn; what has a bound in seconds is decided by the CPU time of this one process, which
neither writes nor waits. The peer gets a parsed calendar, one VEVENT a person and layer. Before anything is timed both are asked at the same
instants: they must agree, but in the hours about a change of the clocks, where the peer has other rules.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from incidents import clock
from incidents.oncall import check, zones
from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import (
    EVERY_DAY,
    Layer,
    Override,
    Rotation,
    Schedule,
    Window,
    wall_of,
)
from tests.bench import measure
from tests.bench.measure import Cost, Figure

WHO_MOST, WHO_FASTER = 50.0, 20.0  # µs
YEAR_MOST, YEAR_FASTER = 20.0, 8.0  # ms
LINEAR = 1.5  # the time of one layer or year, among eight times as many, to its time among the fewest
FAR = 1.5
CHECKED, CHECK_MOST = 1_000, 10.0  # schedules, s
ROUNDS = 21
LAYERS, PEOPLE = 10, 6
ZONE = "America/New_York"
START = datetime.datetime(2022, 1, 3)  # noqa: DTZ001 - wall time; a Monday
WEEKDAYS = (True,) * 5 + (False,) * 2
DAY, YEAR = clock.DAY, 365 * clock.DAY
NEXT = 60 * DAY  # from the start to the year that is asked about


def figures(folder: str) -> list[Figure]:
    peer = Peer()
    resolver = Resolver(schedule(LAYERS))
    asked = instants()
    _agree(resolver, peer, asked)
    return [
        *_who(resolver, peer, asked),
        *_year(resolver, peer),
        *_linear(),
        *_far(resolver, asked),
        _checks(),
    ]


# -- the schedule, twice --------------------------------------------------------------------------------------


def _opens(number: int) -> int:
    """The minute of the day at which layer `number` opens for 12 hours; layer 1 in the hour that spring skips."""
    return (number * 120 + 30) % 1440


def _days(number: int) -> tuple[bool, ...]:
    """Layer 1's window is open every day; no window lasts over a Sunday's midnight, where a turn ends, which here ends
    the shift and at the peer does not."""
    return EVERY_DAY if number == 1 else WEEKDAYS


def _name(number: int, person: int) -> str:
    return f"l{number:02}p{person}"


def _overrides(years: int = 1) -> list[tuple[datetime.datetime, datetime.datetime, str]]:
    """A day in every fortnight."""
    begin = START.replace(tzinfo=datetime.UTC) + datetime.timedelta(hours=15)
    fortnights = [begin + datetime.timedelta(days=14 * number) for number in range(26 * years + 6)]
    return [
        (one, one + datetime.timedelta(days=1), f"o{number % 5}") for number, one in enumerate(fortnights)
    ]


def schedule(count: int, name: str = "bench", start: datetime.datetime = START, zone: str = ZONE) -> Schedule:
    """Layer 0 always, by weeks; each other one 12 hours a day, the higher hiding the lower."""
    layers = []
    for number in range(count):
        people = tuple((_name(number, person),) for person in range(PEOPLE))
        opens = _opens(number) * clock.MINUTE
        windows = (Window(_days(number), opens, opens + DAY // 2),) if number else ()
        layers.append(
            Layer(
                f"l{number}", zone, number, Rotation("week", 1, wall_of(start), people, zone), windows=windows
            )
        )
    overrides = tuple(
        Override("replace_all", _micros(begin), _micros(end), users=(who,))
        for begin, end, who in _overrides()
    )
    return Schedule(name, zone, layers=tuple(layers), overrides=overrides)


class Peer:
    """The same in iCalendar: the layer is the event's PRIORITY, overrides are above all."""

    def __init__(self) -> None:
        import icalendar
        import recurring_ical_events  # type: ignore[import-untyped]

        self.query = recurring_ical_events.of(icalendar.Calendar.from_ical(_ics()))
        self.version = f"recurring-ical-events {importlib.metadata.version('recurring-ical-events')}"

    def who(self, at: datetime.datetime) -> tuple[str, ...]:
        found = self.between(at, at + datetime.timedelta(seconds=1))
        highest = max((event["PRIORITY"] for event in found), default=0)
        return tuple(sorted({str(event["SUMMARY"]) for event in found if event["PRIORITY"] == highest}))

    def between(self, start: datetime.datetime, end: datetime.datetime) -> list[Any]:
        found: list[Any] = self.query.between(start, end)
        return found


def _ics() -> str:
    events = []
    for number in range(LAYERS):
        for person in range(PEOPLE):
            week = START + datetime.timedelta(weeks=person)
            begin = week + datetime.timedelta(minutes=_opens(number) if number else 0)
            end = begin + (datetime.timedelta(hours=12) if number else datetime.timedelta(weeks=1))
            days = "" if not number else ";BYDAY=MO,TU,WE,TH,FR" + (",SA,SU" if number == 1 else "")
            rule = f"RRULE:FREQ=WEEKLY;INTERVAL={PEOPLE};WKST=MO{days}\n"
            times = f"DTSTART;TZID={ZONE}:{begin:%Y%m%dT%H%M%S}\nDTEND;TZID={ZONE}:{end:%Y%m%dT%H%M%S}\n"
            events.append(_event(f"{number}-{person}", _name(number, person), number, times + rule))
    for number, (begin, end, who) in enumerate(_overrides()):
        times = f"DTSTART:{begin:%Y%m%dT%H%M%SZ}\nDTEND:{end:%Y%m%dT%H%M%SZ}\n"
        events.append(_event(f"o-{number}", who, LAYERS, times))
    return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:bench\n" + "".join(events) + "END:VCALENDAR\n"


def _event(uid: str, who: str, level: int, times: str) -> str:
    return f"BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20220101T000000Z\nSUMMARY:{who}\nPRIORITY:{level}\n{times}END:VEVENT\n"


def _micros(moment: datetime.datetime) -> int:
    return int(moment.timestamp()) * clock.SECOND


def _aware(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at // clock.SECOND, datetime.UTC)


# -- what is asked --------------------------------------------------------------------------------------------


def instants(since: int = NEXT) -> list[int]:
    """200 of one year, one in ten within three hours of a change of the clocks."""
    choose = random.Random(8)
    begin = wall_of(START) + since
    found = [begin + choose.randrange(YEAR // clock.SECOND) * clock.SECOND for _ in range(180)]
    changes = [at for at, _, _ in zones.zone(ZONE).changes(begin, begin + YEAR)]
    found += [choose.choice(changes) + choose.randrange(-180, 180) * clock.MINUTE for _ in range(20)]
    choose.shuffle(found)
    return found


def _agree(resolver: Resolver, peer: Peer, asked: Iterable[int]) -> None:
    """Raises RuntimeError where the two answer differently far from a change of the clocks."""
    begin = wall_of(START)
    changes = [at for at, _, _ in zones.zone(ZONE).changes(begin, begin + 2 * YEAR)]
    other = 0
    for at in asked:
        if resolver.on_call(at) != peer.who(_aware(at)):
            other += 1
            if all(abs(at - change) > 12 * clock.HOUR for change in changes):
                raise RuntimeError(f"{_aware(at)}: {resolver.on_call(at)}, the peer {peer.who(_aware(at))}")
    print(
        f"\nthe same answer at 200 instants of a year, but for {other} in the hours about a change of the clocks"
    )


# -- figures --------------------------------------------------------------------------------------------------


def timed(action: Callable[[], object], times: int = 1) -> Callable[[], Cost]:
    """What one of `times` calls takes."""

    def run() -> Cost:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(times):
            action()
        return Cost((time.perf_counter() - wall) / times, (time.process_time() - cpu) / times)

    return run


def _table(title: str, found: dict[str, list[Cost]], unit: float, word: str) -> None:
    print(f"\n{title} ({len(next(iter(found.values())))} in turn; {word})")
    print(f"  {'':44} {'min':>9} {'median':>9} {'max':>9} {'CPU':>9}")
    for name, costs in found.items():
        walls = [cost.wall * unit for cost in costs]
        cpu = statistics.median(cost.cpu for cost in costs) * unit
        print(f"  {name:44} {min(walls):9.1f} {statistics.median(walls):9.1f} {max(walls):9.1f} {cpu:9.1f}")
    sys.stdout.flush()


def _under(name: str, limit: float, costs: list[Cost], unit: float, word: str) -> Figure:
    """The median CPU time decides, the wall time is shown."""
    cpu, wall = (
        statistics.median(times) * unit for times in zip(*((c.cpu, c.wall) for c in costs), strict=True)
    )
    return Figure(name, f"< {limit:g} {word}", f"{cpu:.1f} {word} CPU, {wall:.1f} wall", cpu < limit)


def _times(name: str, limit: float, ours: list[Cost], theirs: list[Cost]) -> Figure:
    """The median of the rounds' ratios decides."""
    median = statistics.median(measure.ratios(theirs, ours))
    fastest = measure.of_minima(theirs, ours)
    return Figure(
        name, f">= {limit:g}x", f"{median:.0f}x (fastest to fastest {fastest:.0f}x)", median >= limit
    )


def _who(resolver: Resolver, peer: Peer, asked: list[int]) -> list[Figure]:
    moments = [_aware(at) for at in asked]
    found = measure.in_turn(
        ROUNDS,
        {
            "howdah": timed(lambda: [resolver.on_call(at) for at in asked], 5),
            peer.version: timed(lambda: [peer.who(at) for at in moments[:20]]),
        },
    )
    ours, theirs = (
        [Cost(c.wall / n, c.cpu / n) for c in costs]
        for costs, n in zip(found.values(), (200, 20), strict=True)
    )
    _table("who, 10 layers", {"howdah": ours, peer.version: theirs}, 1e6, "µs a question")
    return [
        _under("who, 10 layers, once loaded", WHO_MOST, ours, 1e6, "µs"),
        _times("who, 10 layers, to the peer", WHO_FASTER, ours, theirs),
    ]


def _year(resolver: Resolver, peer: Peer) -> list[Figure]:
    begin = wall_of(START) + NEXT
    found = measure.in_turn(
        ROUNDS,
        {
            "howdah, final shifts": timed(lambda: resolver.shifts(begin, begin + YEAR)),
            f"{peer.version}, events alone": timed(lambda: peer.between(_aware(begin), _aware(begin + YEAR))),
        },
    )
    _table("a year of 10 layers", found, 1e3, "ms")
    ours, theirs = found.values()
    return [
        _under("a year of final shifts, 10 layers", YEAR_MOST, ours, 1e3, "ms"),
        _times("a year of shifts, to the peer's events", YEAR_FASTER, ours, theirs),
    ]


def _linear() -> list[Figure]:
    begin, asked = wall_of(START) + NEXT, instants()
    by_layers = {count: Resolver(schedule(count)) for count in (5, 10, 20, 40)}
    years = {count: Resolver(schedule(LAYERS)) for count in (1, 2, 4, 8)}
    return [
        _steady("who", by_layers, lambda one, _: [one.on_call(at) for at in asked], "layers"),
        _steady("a year", by_layers, lambda one, _: one.shifts(begin, begin + YEAR), "layers"),
        _steady("shifts", years, lambda one, count: one.shifts(begin, begin + count * YEAR), "years"),
    ]  # fmt: skip


def _steady(
    name: str, sizes: dict[int, Resolver], action: Callable[[Resolver, int], object], what: str
) -> Figure:
    """The time of one of `what` among 2, 4 and 8 times as many, to its time among the fewest."""

    def of(count: int) -> Callable[[], Cost]:
        return timed(lambda: action(sizes[count], count))

    for count in sizes:
        action(sizes[count], count)
    found = measure.in_turn(ROUNDS, {f"{count} {what}": of(count) for count in sizes})
    each = {
        key: [Cost(c.wall / n, c.cpu / n) for c in costs]
        for (key, costs), n in zip(found.items(), sizes, strict=True)
    }
    _table(f"{name}, time for each of its {what}", each, 1e6, "µs")
    fewest, *others = each.values()
    grows = [statistics.median(measure.ratios(one, fewest)) for one in others]
    measured = ", ".join(f"{one:.2f}" for one in grows)
    return Figure(
        f"{name}, each of 2, 4, 8 times the {what}", f"<= {LINEAR:g}x", measured, max(grows) <= LINEAR
    )


def _far(resolver: Resolver, asked: list[int]) -> list[Figure]:
    """About 2060 as about tomorrow. The first question about some years reads the zone's clocks for them, once."""
    away = wall_of(datetime.datetime(2060, 1, 5)) - wall_of(START)  # noqa: DTZ001 - wall time; a Monday
    far = instants(away)
    first = []
    for _ in range(ROUNDS):
        zones.zone.cache_clear()
        new = Resolver(schedule(LAYERS))
        first.append(timed(lambda new=new: new.on_call(far[0]))())  # type: ignore[misc]
    plain = Resolver(resolver.schedule._replace(overrides=()))
    for at in (*asked, *far):
        plain.on_call(at)
    near, distant = wall_of(START) + NEXT, wall_of(START) + away
    found = measure.in_turn(
        ROUNDS,
        {
            "who, the next year": timed(lambda: [plain.on_call(at) for at in asked], 5),
            "who, 2060": timed(lambda: [plain.on_call(at) for at in far], 5),
            "shifts, the next year": timed(lambda: plain.shifts(near, near + YEAR)),
            "shifts, 2060": timed(lambda: plain.shifts(distant, distant + YEAR)),
        },
    )
    _table(
        "tomorrow and 2060 (who: 200 questions)", {**found, "the first question about 2060": first}, 1e3, "ms"
    )
    who, far_who, shifts, far_shifts = found.values()
    result = []
    for name, one, other in (("who", far_who, who), ("a year of shifts", far_shifts, shifts)):
        median = statistics.median(measure.ratios(one, other))
        result.append(Figure(f"{name}, 2060 to tomorrow", f"< {FAR:g}x", f"{median:.2f}x", median < FAR))
    read = statistics.median(cost.wall for cost in first) * 1e3
    return [*result, Figure("the first question about 2060", "reported", f"{read:.1f} ms", None)]


# -- a thousand schedules -------------------------------------------------------------------------------------

_ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "UTC")


def _of_a_team(number: int) -> Schedule:
    """Three layers: all the time, the office's hours, the nights; no two schedules are the same."""
    choose = random.Random(number)
    start = START + datetime.timedelta(days=choose.randrange(365), hours=choose.randrange(24))
    made = schedule(choose.choice((1, 2, 3, 3, 4)), f"team{number}", start, choose.choice(_ZONES))
    return made._replace(overrides=made.overrides[: choose.randrange(6)])


def _checks() -> Figure:
    made = [_of_a_team(number) for number in range(CHECKED)]
    begin, found = wall_of(START) + YEAR, list[check.Finding]()
    cost = timed(
        lambda: found.extend(one for each in made for one in check.check(each, begin, begin + YEAR))
    )()
    layers = sum(len(one.layers) for one in made)
    print(f"\n{CHECKED:,} schedules of {layers:,} layers: {len(found):,} findings in {cost.wall:.1f} s")
    return _under(f"{CHECKED:,} schedules checked for a year", CHECK_MOST, [cost], 1, "s")
