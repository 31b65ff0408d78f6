"""What a change of the clocks does to turns and windows is said where it shows, and nowhere else.

Berlin goes forward on 2022-03-27 at 02:00 and back on 2022-10-30 at 03:00.
"""

from __future__ import annotations

import pytest

from incidents import clock
from incidents.oncall import jumps
from tests.incidents.oncall.asking import at, resolver

START, END = at("2022-01-01T00:00Z"), at("2023-01-01T00:00Z")


def found(layer: str, zone: str = "Europe/Berlin") -> list[str]:
    """The sentences of a year, the zone left out."""
    schedule = resolver(f"{{timezone: {zone}, layers: [{layer}]}}").schedule
    return [jumps.words(one).partition(": ")[2] for one in jumps.jumps(schedule, START, END)]


def test_a_turn_that_starts_in_the_gap_starts_right_after_it_and_one_that_starts_twice_starts_first() -> None:
    assert found('{id: a, rotation: {unit: week, start: "2022-01-02T02:30", participants: [ada, bob]}}') == [
        "the turn of ada in a starts at 03:00, because there is no 02:30",
        "the turn of bob in a starts at the first of two 02:30",
    ]


def test_a_turn_of_a_day_gets_longer_or_shorter_but_a_week_is_a_week() -> None:
    assert found('{id: a, rotation: {unit: day, start: "2022-01-01T09:00", participants: [ada, bob]}}') == [
        "the turn of ada in a lasts 23 h instead of 1 d",
        "the turn of bob in a lasts 1 d 1 h instead of 1 d",
    ]
    assert found('{id: a, rotation: {unit: week, start: "2022-01-03T09:00", participants: [ada, bob]}}') == []


def test_an_hour_that_is_skipped_is_a_turn_that_is_lost() -> None:
    assert found('{id: a, rotation: {unit: hour, start: "2022-01-01T00:00", participants: [ada, bob]}}') == [
        "the turn of ada in a falls into the skipped time, so there is none",
        "the turn of ada in a lasts 2 h instead of 1 h",
        "the turn of ada in a starts at the first of two 02:00",
    ]


def test_exact_hours_are_handed_over_at_another_time_from_then_on() -> None:
    layer = (
        '{id: a, rotation: {unit: day, start: "2022-01-01T09:00", elapsed: true, participants: [ada, bob]}}'
    )
    assert found(layer) == [
        "a counts exact hours, so it is handed over at 10:00 from then on",
        "a counts exact hours, so it is handed over at 09:00 from then on",
    ]


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ('{start: "22:00", end: "06:00"}', ["lasts 7 h instead of 8 h", "lasts 9 h instead of 8 h"]),
        ('{start: "02:15", end: "02:45"}', [
            "falls into the skipped time, so there is none", "ends at the last of two 02:45",
            "lasts 1 h 30 min instead of 30 min", "starts at the first of two 02:15",
        ]),
        ('{days: [sat], start: "20:00", end: "02:30"}', [
            "ends at 03:00, because there is no 02:30",
            "ends at the last of two 02:30", "lasts 7 h 30 min instead of 6 h 30 min",
        ]),
        ('{days: [mon, tue], start: "22:00", end: "06:00"}', []),
        ('{start: "09:00", end: "17:00"}', []),
        ("{}", []),
    ],
)  # fmt: skip
def test_a_window_that_a_change_touches(window: str, said: list[str]) -> None:
    mine = [
        one.removeprefix("a window of a ") for one in found(f"{{id: a, users: [ada], windows: [{window}]}}")
    ]
    assert mine == said


def test_a_layer_that_does_not_count_then_feels_nothing() -> None:
    layer = '{id: a, users: [x], until: "2022-03-01T00:00:00Z", windows: [{start: "22:00", end: "06:00"}]}'
    assert found(layer) == []


def test_a_zone_without_changes_has_none() -> None:
    assert found('{id: a, users: [ada], windows: [{start: "02:30", end: "06:00"}]}', "Asia/Tokyo") == []


def test_a_day_that_is_skipped_whole_is_told() -> None:
    schedule = resolver(
        '{timezone: Pacific/Apia, layers: [{id: a, rotation: {unit: day, start: "2011-01-01T09:00",'
        " participants: [ada, bob]}}]}"
    ).schedule
    one, *_ = (
        one
        for one in jumps.jumps(schedule, at("2011-12-01T00:00Z"), at("2012-01-15T00:00Z"))
        if one.by == clock.DAY
    )
    assert (one.what, one.thing) in {("start", "turn"), ("length", "turn"), ("lost", "turn")}
