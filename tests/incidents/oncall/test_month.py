"""A month on the wall: every day has its pieces, and they fill it whole, also where the clocks jump."""

from __future__ import annotations

import datetime

import pytest

from incidents import clock
from incidents.oncall import month
from incidents.oncall.month import Day
from tests.incidents.oncall.asking import resolver

WEEKLY = '{layers: [{id: a, rotation: {unit: week, start: "2022-11-07T09:00", participants: [ada, bob]}}]}'


def days(zone: str, year: int, number: int, text: str = WEEKLY) -> list[Day]:
    segments = resolver(text).shifts(*month.span(zone, year, number))
    weeks = month.weeks(segments, zone, year, number)
    assert all(len(week) == 7 for week in weeks)
    found = [day for week in weeks for day in week if day is not None]
    for i, week in enumerate(weeks):
        assert all(day is None or day.date.weekday() == j for j, day in enumerate(week)), i
    return found


@pytest.mark.parametrize(
    ("zone", "year", "number"),
    [("Europe/Berlin", 2022, 3), ("Europe/Berlin", 2022, 10), ("UTC", 2024, 2), ("Australia/Lord_Howe", 2022, 10),
     ("America/Havana", 2022, 11), ("Pacific/Apia", 2011, 12), ("Asia/Kathmandu", 1986, 1)],
)  # fmt: skip
def test_the_days_fill_the_month_and_the_pieces_fill_the_days(zone: str, year: int, number: int) -> None:
    found = days(zone, year, number)
    assert (found[0].start, found[-1].end) == month.span(zone, year, number)
    assert [day.start for day in found[1:]] == [day.end for day in found[:-1]]
    for day in found:
        edges = [edge for piece in day.pieces for edge in (piece.start, piece.end)]
        if day.start < day.end:
            assert (edges[0], edges[-1]) == (day.start, day.end) and edges[1:-1:2] == edges[2::2]


def test_a_day_on_which_the_clocks_change_says_by_how_much() -> None:
    assert [(day.date.day, day.by // clock.MINUTE) for day in days("Europe/Berlin", 2022, 3) if day.by] == [
        (27, 60)
    ]
    assert [
        (day.date.day, day.by // clock.MINUTE) for day in days("Australia/Lord_Howe", 2022, 4) if day.by
    ] == [(3, -30)]


def test_a_day_that_the_clocks_skip_has_no_length() -> None:
    (one,) = (day for day in days("Pacific/Apia", 2011, 12) if day.start == day.end)
    assert one.date == datetime.date(2011, 12, 30)


def test_who_takes_over_inside_a_day_is_its_second_piece() -> None:
    (one,) = (day for day in days("UTC", 2022, 11) if day.date.day == 7)
    assert [piece.people for piece in one.pieces] == [("bob",), ("ada",)]


def test_hours_are_summed_and_the_most_come_first() -> None:
    segments = resolver(WEEKLY).shifts(*month.span("UTC", 2022, 11))
    found = month.hours(segments)
    assert list(found) == ["bob", "ada"] and sum(found.values()) == 30 * clock.DAY
