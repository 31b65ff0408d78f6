"""Laws of who is on call: the answer is that of an oracle which walks minute by minute and reads the wall clock."""

from __future__ import annotations

import datetime
import functools
import itertools
import zoneinfo
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from incidents.oncall import resolve
from incidents.oncall.schedule import (
    EVERY_DAY,
    FIRST,
    LAST,
    OVERRIDES,
    SWAP_STATUSES,
    Absence,
    Layer,
    Override,
    Rotation,
    Schedule,
    Segment,
    Shift,
    Swap,
    Temporary,
    Window,
)  # fmt: skip
from tests.laws import oncall_oracle as oracle
from tests.laws.oncall_oracle import DAY, HOUR, MINUTE, WEEK

ZONES = (
    "Africa/Casablanca", "America/Los_Angeles", "America/New_York", "America/Santiago", "America/St_Johns",
    "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Berlin", "Europe/London", "Pacific/Apia", "UTC",
)  # fmt: skip
NOTABLE = (  # a change of the clocks that is worth more than one visit
    ("Pacific/Apia", 2011), ("Asia/Kathmandu", 1986), ("America/St_Johns", 1988), ("America/St_Johns", 2010),
    ("Europe/London", 1971), ("America/New_York", 1974), ("Africa/Casablanca", 2018), ("Australia/Lord_Howe", 1985),
)  # fmt: skip
WEEKDAYS = (True,) * 5 + (False,) * 2
PEOPLE = ("ana", "bo", "cy")  # so few that they collide
PARTS = 200


class Case(NamedTuple):
    """A schedule, and a span of whole minutes."""

    schedule: Schedule
    start: int
    end: int


@functools.lru_cache(maxsize=4_000)
def changes(zone: str, year: int) -> tuple[int, ...]:
    """The minutes of that year at which the zone's clocks jump, found by looking at every minute of such a day."""
    tz = zoneinfo.ZoneInfo(zone)
    first = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
    days = [first + datetime.timedelta(days=day) for day in range(367)]
    found = []
    for day, after in itertools.pairwise(days):
        if day.astimezone(tz).utcoffset() != after.astimezone(tz).utcoffset():
            at = int(day.timestamp()) // 60
            shown = oracle.readings(zone, at // DAY).shown + oracle.readings(zone, at // DAY + 1).shown[:1]
            found += [at + i for i in range(1, DAY + 1) if shown[i] != shown[i - 1] + 1]
    return tuple(found)


class Place(NamedTuple):
    """Where a case is: about a minute of UTC, best one at which the clocks of a zone jump."""

    zone: str
    minute: int

    def wall(self) -> int:
        """What was to be shown, had the clocks not jumped."""
        day, minute = divmod(self.minute - 1, DAY)
        return oracle.readings(self.zone, day).shown[minute] + 1


def places() -> st.SearchStrategy[Place]:
    anywhere = st.tuples(st.sampled_from(ZONES), st.integers(1970, 2099))
    years = st.one_of(anywhere, anywhere, st.sampled_from(NOTABLE))

    @st.composite
    def place(draw: st.DrawFn) -> Place:
        zone, year = draw(years)
        if jumps := changes(zone, year):
            return Place(zone, draw(st.sampled_from(jumps)))
        return Place(zone, (year - 1970) * 365 * DAY + draw(st.integers(2, 300)) * DAY)

    return place()


def near(around: int) -> st.SearchStrategy[int]:
    """A minute about this one; often the same, so that edges meet."""
    half_hours = st.integers(-6, 8).map(lambda n: n * 30)
    return st.one_of(half_hours, half_hours, st.integers(-2 * DAY, 2 * DAY)).map(lambda off: around + off)


def walls(place: Place) -> st.SearchStrategy[int]:
    """A wall minute that the jump skips or repeats, or one beside it."""
    half_hours = st.integers(-3, 3).map(lambda n: n * 30)
    return st.one_of(half_hours, half_hours, st.integers(-90, 90)).map(lambda off: place.wall() + off)


def zones(place: Place) -> st.SearchStrategy[str]:
    return st.one_of(*[st.just(place.zone)] * 4, st.sampled_from(ZONES))


@st.composite
def rotations(draw: st.DrawFn, place: Place) -> Rotation:
    """One of whose turns starts about the place, often very long after the rotation's start."""
    unit = draw(st.sampled_from(("hour", "day", "week", "month")))
    length = draw(st.sampled_from((1, 1, 1, 2, 3, 5, 8)))
    back = draw(st.sampled_from((0, 1, 2, 3, 7, -1, -3, 20, 1_000, 50_000))) * length
    elapsed = unit != "month" and draw(st.integers(0, 3)) == 0
    # An elapsed rotation's start is walked to as well: before 1970 some clocks differ from UTC by seconds.
    furthest = max(place.minute, 0) if elapsed else 100 * 365 * DAY
    start = draw(walls(place))
    if unit == "month":
        start = oracle.months_later(start, -min(back, 1_200))
    else:
        lasts = {"hour": HOUR, "day": DAY, "week": WEEK}[unit]
        start -= min(back, furthest // lasts) * lasts
    return Rotation(
        unit, length, start * MINUTE, tuple(draw(st.lists(groups(), min_size=1, max_size=3, unique=True))),
        draw(zones(place)), active_day=not elapsed and draw(st.integers(0, 2)) == 0, elapsed=elapsed,
    )  # fmt: skip


def groups() -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2, unique=True).map(tuple)


@st.composite
def windows(draw: st.DrawFn, place: Place) -> Window:
    some_days = st.tuples(*[st.booleans()] * 7).filter(any)
    days = draw(st.one_of(*[st.just(EVERY_DAY)] * 3, st.just(WEEKDAYS), some_days))
    starts, ends = draw(walls(place)) % DAY, draw(walls(place)) % DAY
    starts, ends = draw(
        st.sampled_from(((starts, ends), (0, ends), (starts, DAY), ((ends - 300) % DAY, ends)))
    )
    return Window(days, starts * MINUTE, (ends if ends > starts else ends + DAY) * MINUTE)


@st.composite
def layers(draw: st.DrawFn, place: Place, name: str) -> Layer:
    rotation = draw(st.one_of(rotations(place), rotations(place), st.none()))
    bounds = st.one_of(st.none(), st.none(), st.none(), near(place.minute))
    since, until = draw(bounds), draw(bounds)
    if since is not None and until is not None and since >= until:
        since = None
    return Layer(
        name, draw(zones(place)), draw(st.integers(-1, 1)), rotation, () if rotation else draw(groups()),
        tuple(draw(st.lists(windows(place), min_size=draw(st.integers(0, 1)), max_size=2))),
        FIRST if since is None else since * MINUTE, LAST if until is None else until * MINUTE,
    )  # fmt: skip


Span = tuple[int, int]


def spans(place: Place) -> st.SearchStrategy[Span]:
    """Most of them last long, so that they stand together."""
    lasting = st.sampled_from((1, 30, 90, 720, DAY, 2 * DAY, 3 * DAY, 4 * DAY))
    begin = st.one_of(near(place.minute), near(place.minute - DAY))
    return st.tuples(begin, lasting).map(lambda span: (span[0] * MINUTE, (span[0] + span[1]) * MINUTE))


@st.composite
def overrides(draw: st.DrawFn, span: st.SearchStrategy[Span]) -> Override:
    start, end = draw(span)
    kind = draw(st.sampled_from(OVERRIDES))
    level = draw(st.integers(0, 2))
    one, other = draw(st.permutations(PEOPLE))[:2]
    if kind == "replace_all":
        return Override(kind, start, end, level, users=draw(groups()))
    remove, add = "" if kind == "add_user" else one, "" if kind == "remove_user" else other
    return Override(kind, start, end, level, remove=remove, add=add)


def agreeing(found: list[Override]) -> tuple[Override, ...]:
    """Without those that the reader refuses: of one level, at one time, about one person."""
    kept: list[Override] = []
    for one in found:
        clash = any(
            one.level == other.level
            and one.start < other.end
            and other.start < one.end
            and {one.add, one.remove} & {other.add, other.remove} - {""}
            for other in kept
        )
        if not clash:
            kept.append(one)
    return tuple(kept)


@st.composite
def swaps(draw: st.DrawFn, span: st.SearchStrategy[Span]) -> Swap:
    one, other = draw(st.permutations(PEOPLE))[:2]
    return Swap(one, other, *draw(span), draw(st.sampled_from(("taken", "taken", *SWAP_STATUSES))))


@st.composite
def temporaries(draw: st.DrawFn, span: st.SearchStrategy[Span]) -> Temporary:
    shifts = draw(st.lists(st.tuples(groups(), span), max_size=3))
    return Temporary(*draw(span), tuple(Shift(users, *lasting) for users, lasting in shifts))


@st.composite
def changed(draw: st.DrawFn, schedule: Schedule, span: st.SearchStrategy[Span]) -> Schedule:
    """With everything that may change what the layers say."""
    away = draw(st.lists(st.tuples(st.sampled_from(PEOPLE), span), max_size=2))
    return schedule._replace(
        overrides=agreeing(draw(st.lists(overrides(span), max_size=6))),
        swaps=tuple(draw(st.lists(swaps(span), max_size=3))),
        temporary=tuple(draw(st.lists(temporaries(span), max_size=2))),
        absences=tuple(Absence(user, *lasting) for user, lasting in away),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    place = draw(places())
    several = tuple(draw(layers(place, f"l{n}")) for n in range(draw(st.integers(1, 3))))
    schedule = Schedule("law", place.zone, draw(st.booleans()), several)
    if draw(st.integers(0, 2)) == 0:  # layers alone show more of turns and windows
        schedule = draw(changed(schedule, spans(place)))
    before = draw(st.one_of(st.sampled_from((30, 300, DAY // 2, DAY)), st.integers(-DAY, 3 * DAY)))
    lasts = draw(st.sampled_from((2 * DAY, DAY, 3 * DAY, 90, 4 * DAY)))
    return Case(schedule, place.minute - before, place.minute - before + lasts)


@st.composite
def crowds(draw: st.DrawFn) -> Case:
    """Fixed people and six minutes: all that matters is what stands beside what."""
    fixed = draw(st.lists(st.tuples(st.integers(-1, 1), groups()), max_size=3))
    several = tuple(Layer(f"l{n}", "UTC", level, users=users) for n, (level, users) in enumerate(fixed))
    edges = st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda span: span[0] < span[1])
    whole = st.just((0, 6 * MINUTE))
    span = st.one_of(whole, whole, edges.map(lambda one: (one[0] * MINUTE, one[1] * MINUTE)))
    return Case(draw(changed(Schedule("law", "UTC", draw(st.booleans()), several), span)), 0, 6)


def agree(case: Case) -> None:
    """What the code says of a case is what the oracle says: of each minute, of the segments, of the handoffs."""
    schedule, start, end = case
    expected = oracle.on_call(schedule, start, end)
    answers = resolve.Resolver(schedule)
    assert answers.shifts(start * MINUTE, end * MINUTE) == joined(expected, start)
    for minute in range(start, end, 15):
        assert answers.on_call(minute * MINUTE) == expected[minute - start], minute
    for minute in beside_edges(expected, start):
        people = expected[minute - start]
        assert answers.on_call(minute * MINUTE) == people, minute
        assert answers.on_call(minute * MINUTE + MINUTE - 1) == people, minute
        assert answers.explain(minute * MINUTE).people == people, minute
    edges = {
        name: [at * MINUTE for at in found] for name, found in oracle.handoffs(schedule, start, end).items()
    }
    assert answers.handoffs(start * MINUTE, end * MINUTE) == edges


def joined(people: list[tuple[str, ...]], start: int) -> list[Segment]:
    found = []
    for group, minutes in itertools.groupby(range(len(people)), people.__getitem__):
        lasting = list(minutes)
        found.append(Segment((start + lasting[0]) * MINUTE, (start + lasting[-1] + 1) * MINUTE, group))
    return found


def beside_edges(people: list[tuple[str, ...]], start: int) -> list[int]:
    """The minutes on both sides of every edge, the first and the last."""
    edges = [at for at in range(1, len(people)) if people[at] != people[at - 1]]
    return [start + at for at in sorted({0, len(people) - 1, *edges, *(edge - 1 for edge in edges)})]


QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@settings(QUIET, max_examples=200)
@given(cases())
def test_the_answer_is_that_of_a_walk_minute_by_minute(case: Case) -> None:
    agree(case)


@settings(QUIET, max_examples=400)
@given(crowds())
def test_what_changes_the_layers_is_applied_in_the_order_of_the_rules(case: Case) -> None:
    agree(case)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_twenty_thousand_schedules_are_answered_as_by_a_walk(part: int) -> None:
    seed(part)(settings(QUIET, max_examples=20_000 // PARTS)(given(cases())(agree)))()
