"""Which limits a duty would break: each of the rules of docs/burnout.md, at its edge."""

from __future__ import annotations

from incidents import clock
from incidents.oncall import strain
from incidents.oncall.limits import Limits
from incidents.oncall.strain import Facts

H, DAY = clock.HOUR, clock.DAY
T = clock.parse_iso("2022-11-09T00:00:00Z")  # a Wednesday
LIMITS = Limits()


def at(hours: float) -> int:
    return T + int(hours * H)


def span(start: float, end: float) -> tuple[int, int]:
    return at(start), at(end)


def names(facts: Facts, start: float, end: float, limits: Limits = LIMITS, **about: bool) -> list[str]:
    return [breach.limit for breach in strain.broken(facts, limits, at(start), at(end), **about)]


def test_who_has_nothing_behind_them_breaks_nothing() -> None:
    assert names(Facts("nova"), 8, 16) == []


def test_active_hours_count_since_the_last_rest() -> None:
    worked = Facts("nova", work=(span(8, 12),))
    assert names(worked, 13, 17) == []
    assert names(worked, 13, 17.1) == ["active"]
    assert names(Facts("nova", work=(span(-4, 2),)), 13, 21) == []  # 11 hours between
    assert names(worked, 13, 21, work=False) == []  # standby is no work


def test_a_day_of_work_is_at_most_24_hours_less_the_rest() -> None:
    worked = Facts("nova", work=(span(7, 8),))
    assert names(worked, 16, 20) == []
    (breach,) = strain.broken(worked, LIMITS, at(16), at(20.5))
    assert (breach.limit, breach.until) == ("rest", at(19))
    assert names(worked, 19, 26) == []  # rested: 11 hours after 08:00


def test_after_work_at_night_nobody_takes_a_duty_until_rested() -> None:
    woken = Facts("nova", work=(span(3, 3.5),))
    (breach,) = strain.broken(woken, LIMITS, at(9), at(12))
    assert (breach.limit, breach.until) == ("rest", at(14.5))
    assert breach.words == "rested 5 h 30 min, limit 11 h"
    assert names(woken._replace(zone="Australia/Sydney"), 9, 12) == []  # 14:00 there


def test_a_shift_counts_as_a_day_of_work_and_standby_does_not() -> None:
    assert names(Facts("nova", duties=(span(8, 20),)), 20, 24) == ["rest"]
    assert names(Facts("nova", duties=(span(-144, 20),)), 20, 24) == []


def test_nobody_comes_to_their_own_duty_unrested() -> None:
    assert names(Facts("nova", duties=(span(20, 100),)), 8, 9) == []
    assert names(Facts("nova", duties=(span(20, 190),)), 8, 9.5) == ["rest", "consecutive_days"]
    assert names(Facts("nova", duties=(span(20, 100),)), 8, 9.5) == ["rest"]


def test_pages_of_a_night_are_those_between_22_and_6_of_the_persons_own_clock() -> None:
    paged = Facts("nova", pages=(at(22.5), at(25)))
    assert names(paged, 29, 29.1) == ["pages_per_night"]
    assert names(paged, 30, 30.1) == []
    assert names(paged._replace(zone="America/Los_Angeles"), 29, 29.1) == []  # 21:00 there
    assert [b.until for b in strain.of_pages(paged, LIMITS, at(29))] == [at(30)]


def test_pages_of_a_long_shift_are_counted_over_a_day() -> None:
    duty = (span(0, 168),)
    six = tuple(at(10 + i) for i in range(6))
    assert names(Facts("nova", duties=duty, pages=six), 17, 17.1, work=False) == ["pages_per_shift"]
    assert names(Facts("nova", duties=duty, pages=six), 34.1, 34.2, work=False) == []
    assert names(Facts("nova", duties=(span(-20, 9), span(16, 168)), pages=six), 17, 17.1, work=False) == []


def test_a_week_with_a_clock_change_is_a_week_and_eight_days_are_too_many() -> None:
    assert strain.days_of(0, 7 * DAY + H) == 7
    week = Facts("nova", duties=((at(-24 * 7), at(0)),))
    assert names(week, 0, 3, work=False) == ["consecutive_days"]
    assert names(week, 23, 26, work=False) == ["consecutive_days"]
    assert names(week, 24, 27, work=False) == []


def test_a_duty_inside_of_ones_own_does_not_make_its_days_more() -> None:
    assert names(Facts("nova", duties=(span(-24 * 8, 24 * 8),)), 0, 5) == []


def test_a_limit_that_is_switched_off_is_never_broken() -> None:
    none = Limits(None, None, None, None, None)
    tired = Facts(
        "nova", work=(span(-100, 0),), duties=(span(-1000, 1000),), pages=tuple(at(-i) for i in range(99))
    )
    assert names(tired, 0, 24, none) == []
    assert names(tired, 0, 24) == ["rest", "active", "pages_per_night", "pages_per_shift"]


def test_the_night_is_as_long_as_the_clocks_make_it() -> None:
    start, end = strain.night_at("Europe/Berlin", clock.parse_iso("2022-10-29T22:00:00Z")) or (0, 0)
    assert end - start == 9 * H  # the night in which the clocks go back
    assert strain.night_at("Europe/Berlin", clock.parse_iso("2022-11-09T12:00:00Z")) is None


def test_touching_a_night_is_by_any_part_of_it() -> None:
    assert strain.touches_night("UTC", *span(20, 31))
    assert strain.touches_night("UTC", *span(5.9, 7))
    assert not strain.touches_night("UTC", *span(6, 22))


def test_a_schedule_breaks_limits_without_any_incident() -> None:
    late_and_early = [span(14, 22), span(30, 38)]
    assert [(at_, b.limit) for at_, b in strain.in_schedule("nova", late_and_early, LIMITS)] == [
        (at(30), "rest")
    ]
    lunch = [span(8, 12), span(13, 18), span(32, 36), span(37, 42)]
    assert strain.in_schedule("nova", lunch, LIMITS) == []
    weeks = [(at(0), at(24 * 14))]
    assert [(at_, b.words) for at_, b in strain.in_schedule("nova", weeks, LIMITS)] == [
        (at(24 * 7), "14 days in a row, limit 7")
    ]


def test_who_is_at_work_reaches_the_limit_of_active_hours_or_the_end_of_the_day() -> None:
    assert strain.limit_at(Facts("nova", work=(span(8, 12),)), LIMITS, at(12)) == ("active", at(16))
    assert strain.limit_at(Facts("nova", work=(span(0, 1), span(9, 10))), LIMITS, at(10)) == ("rest", at(13))
    assert strain.limit_at(Facts("nova", work=(span(8, 12),)), Limits(active=None, rest=None), at(12)) is None
