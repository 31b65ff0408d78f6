"""Who takes over is the least loaded of those who may, and the reason says who was passed over and why."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import clock
from incidents.oncall import relief, strain
from incidents.oncall.limits import Limits
from incidents.oncall.strain import Facts

H, DAY = clock.HOUR, clock.DAY
T = clock.parse_iso("2022-11-09T12:00:00Z")
LIMITS = Limits()
NIGHT = clock.parse_iso("2022-11-02T02:00:00Z")


def choose(*people: Facts, start: int = T, hours: int = 8) -> relief.Choice:
    return relief.choose(
        [p.person for p in people], {p.person: p for p in people}, LIMITS, start, start + hours * H
    )


def test_the_least_loaded_is_chosen_and_the_reason_is_printed() -> None:
    choice = choose(
        Facts("hazel", work=((T - 9 * H - 30 * clock.MINUTE, T - 8 * H),), pages=(NIGHT,)),
        Facts("preston", work=((T - 32 * H, T - 31 * H),), pages=(NIGHT, NIGHT + DAY)),
        Facts("malte", pages=(NIGHT, NIGHT + DAY, NIGHT + 2 * DAY)),
        hours=6,
    )
    assert choice.person == "preston"
    assert choice.breaches == ()
    assert choice.reason == (
        "preston: 2 night pages in 8 weeks, rested 31 h, 12:00 there; passed over: "
        "hazel: rest (rested 8 h, limit 11 h, until 15:00 there)"
    )


def test_every_time_is_by_the_clock_of_whom_it_is_about_and_says_so() -> None:
    choice = choose(
        Facts("hazel", "Europe/Berlin", work=((T - 2 * H, T),)),
        Facts("max", "Asia/Tokyo", work=((T - 8 * H, T - 2 * clock.SECOND),)),
        hours=13,
    )
    assert (
        "hazel breaks least: rest (still at work, limit 11 h, until Thu 10 Nov 00:00 there)" in choice.reason
    )
    assert "max: rest (still at work, limit 11 h, until Thu 10 Nov 07:59 there)" in choice.reason
    just = choose(Facts("preston", work=((T - H, T),)), hours=2)
    assert just.reason == "preston: 0 night pages in 8 weeks, at work until now, 12:00 there"


def test_by_day_before_by_night_then_few_night_pages_then_few_pages() -> None:
    sydney, berlin = Facts("ada", "Australia/Sydney"), Facts("berta", "Europe/Berlin", pages=(T - 5 * DAY,))
    assert choose(sydney, berlin).person == "berta"
    assert choose(Facts("a", pages=(T - 5 * DAY,)), Facts("b")).person == "b"
    assert choose(Facts("b"), Facts("a")).person == "a"


def test_who_is_absent_is_never_chosen() -> None:
    away = Facts("ada", absences=((T + 7 * H, T + DAY),))
    choice = choose(away)
    assert (choice.person, choice.reason) == ("", "there is nobody else to take it: ada: absent")


def test_when_nobody_may_the_least_bad_is_chosen_and_said() -> None:
    choice = choose(
        Facts("hazel", work=((T - 16 * H, T - 10 * H),)),
        Facts("preston", work=((T - 9 * H, T),)),
        Facts("malte", absences=((T, T + H),)),
    )
    assert choice.person == "hazel"
    assert [breach.limit for breach in choice.breaches] == ["rest", "active"]
    assert choice.reason.startswith(
        "nobody may take it without breaking a limit; hazel breaks least: rest (rested 10 h"
    )
    assert "preston: rest" in choice.reason and "malte: absent" in choice.reason


SPANS = st.lists(st.tuples(st.integers(-60, 30), st.integers(1, 10)), max_size=4)


@st.composite
def people(draw: st.DrawFn) -> list[Facts]:
    found = []
    for name in "abcd"[: draw(st.integers(1, 4))]:

        def spans() -> tuple[tuple[int, int], ...]:
            return tuple(sorted((T + a * H, T + (a + n) * H) for a, n in draw(SPANS)))

        zone = draw(st.sampled_from(["UTC", "Asia/Kathmandu", "America/Los_Angeles"]))
        worked = tuple(s for s in spans() if s[1] <= T)
        pages = tuple(sorted(T - h * H for h in draw(st.lists(st.integers(0, 99), max_size=8))))
        found.append(Facts(name, zone, worked, spans(), pages))
    return found


@settings(deadline=None)
@given(people(), st.integers(1, 12))
def test_no_limit_is_broken_while_somebody_may_take_it_without(everyone: list[Facts], hours: int) -> None:
    choice = choose(*everyone, hours=hours)
    might = [one for one in everyone if not strain.broken(one, LIMITS, T, T + hours * H)]
    assert bool(choice.breaches) == (not might)
    chosen = next(one for one in everyone if one.person == choice.person)
    assert list(choice.breaches) == strain.broken(chosen, LIMITS, T, T + hours * H)
    for one in everyone:
        if one.person != choice.person and one not in might:
            assert one.person in choice.reason


def relieve(person: Facts, *others: Facts) -> relief.Choice:
    everyone = {one.person: one for one in (person, *others)}
    return relief.relieving(person.person, [one.person for one in others], everyone, LIMITS, T, T + 8 * H)


def test_a_relief_who_breaks_less_than_going_on_does_comes_and_one_who_breaks_more_does_not() -> None:
    tired = Facts("nova", work=((T - 8 * H, T),))
    assert relieve(tired, Facts("hazel")).person == "hazel"
    assert relieve(tired, Facts("hazel", work=((T - 14 * H, T - 10 * H),))).person == "hazel"
    worse = relieve(tired, Facts("hazel", work=((T - 14 * H, T - H),)))
    assert worse.person == "" and worse.breaches
    assert worse.reason.startswith(
        "nobody can relieve nova without breaking more than going on does; hazel: rest"
    )
    assert relieve(tired).reason == "nobody can relieve nova without breaking more than going on does"


def test_a_page_is_the_schedules_where_that_breaks_no_limit() -> None:
    woken = Facts("nova", work=((T - 11 * H, T - 10 * H),))
    everyone = {"nova": woken, "hazel": Facts("hazel")}
    mine = relief.answering("hazel", everyone, everyone, LIMITS, T)
    assert (mine.person, mine.reason) == ("hazel", "")
    other = relief.answering("nova", everyone, everyone, LIMITS, T)
    assert other.person == "hazel" and "nova: rest (rested 10 h, limit 11 h" in other.reason
    alone = relief.answering("nova", ["nova"], {"nova": woken}, LIMITS, T)
    assert alone.person == "nova" and [breach.limit for breach in alone.breaches] == ["rest"]
