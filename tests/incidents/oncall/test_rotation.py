"""Whose turn it is: docs/oncall.md, rules 1 to 4. Clock changes beside other tools' answers: test_peers."""

from __future__ import annotations

import pytest

from incidents import clock
from incidents.oncall import rotation
from incidents.oncall.schedule import EVERY_DAY, FIRST, LAST, Rotation
from tests.incidents.oncall.asking import at, handoffs, iso, who

WEEKDAYS = (True,) * 5 + (False,) * 2
THREE = (("ana",), ("bo",), ("cy",))


def wall(text: str) -> int:
    return at(text + "Z")


def turns(unit: str, start: str, zone: str = "UTC", length: int = 1, **more: bool) -> str:
    """A schedule of one layer whose turns are ana's, bo's, cy's."""
    flags = "".join(
        f", {key}: {'active_day' if key == 'advance' else 'true'}" for key, value in more.items() if value
    )
    days = ", windows: [{days: [mon, tue, wed, thu, fri]}]" if more.get("advance") else ""
    return (
        f"{{timezone: {zone}, layers: [{{id: a{days}, rotation: {{unit: {unit}, length: {length},"
        f' start: "{start}", participants: [[ana], [bo], [cy]]{flags}}}}}]}}'
    )


def test_a_turn_starts_at_its_instant_and_ends_before_the_next() -> None:
    text = turns("day", "2022-11-07T09:00", "Europe/Berlin")
    assert who(text, "2022-11-07T07:59Z", "2022-11-07T08:00Z", "2022-11-08T07:59Z", "2022-11-08T08:00Z") == [
        "cy", "ana", "ana", "bo",
    ]  # fmt: skip


def test_a_rotation_reaches_back_before_its_start_and_far_ahead() -> None:
    text = turns("week", "2022-11-07T09:00")
    assert who(text, "2022-10-24T09:00Z", "2022-10-31T09:00Z", "2022-11-14T09:00Z") == ["bo", "cy", "bo"]
    weeks = (at("2060-11-08T09:00Z") - at("2022-11-07T09:00Z")) // (7 * clock.DAY)
    assert who(text, "2060-11-08T09:00Z") == [THREE[weeks % 3][0]]


def test_the_length_counts_units() -> None:
    edges = handoffs(turns("hour", "2022-11-07T09:00", length=12), "2022-11-08T00:00Z", "2022-11-09T00:00Z")
    assert edges == ["2022-11-07T21:00Z", "2022-11-08T09:00Z", "2022-11-08T21:00Z", "2022-11-09T09:00Z"]


def test_a_group_is_on_call_together() -> None:
    text = '{layers: [{id: a, rotation: {unit: day, length: 1, start: "2022-11-07T00:00", participants: [[bo, ana], [cy]]}}]}'
    assert who(text, "2022-11-07T12:00Z", "2022-11-08T12:00Z") == ["ana+bo", "cy"]


def test_days_are_handed_over_at_the_same_wall_time_through_a_change_of_the_clocks() -> None:
    text = turns("day", "2022-10-01T09:00", "Europe/Berlin")
    edges = handoffs(text, "2022-10-29T07:00Z", "2022-10-31T08:00Z")
    assert edges == ["2022-10-29T07:00Z", "2022-10-30T08:00Z", "2022-10-31T08:00Z"]


def test_elapsed_days_are_24_hours_each_so_that_the_wall_time_moves() -> None:
    text = turns("day", "2022-10-01T09:00", "Europe/Berlin", elapsed=True)
    edges = handoffs(text, "2022-10-29T07:00Z", "2022-10-31T07:00Z")
    assert edges == ["2022-10-29T07:00Z", "2022-10-30T07:00Z", "2022-10-31T07:00Z"]


def test_an_elapsed_rotation_reads_its_start_once_also_where_that_is_skipped_or_comes_twice() -> None:
    skipped = turns("hour", "2022-03-27T02:30", "Europe/Berlin", elapsed=True)
    assert handoffs(skipped, "2022-03-27T01:00Z", "2022-03-27T02:00Z") == [
        "2022-03-27T01:00Z",
        "2022-03-27T02:00Z",
    ]
    twice = turns("hour", "2022-10-30T02:30", "Europe/Berlin", elapsed=True)
    assert handoffs(twice, "2022-10-30T00:30Z", "2022-10-30T01:31Z") == [
        "2022-10-30T00:30Z", "2022-10-30T01:30Z", "2022-10-30T02:30Z",
    ]  # fmt: skip


def test_the_skipped_day_of_apia_is_nobodys_turn() -> None:
    text = turns("day", "2011-12-29T09:00", "Pacific/Apia")
    assert handoffs(text, "2011-12-29T19:00Z", "2011-12-31T18:59Z") == [
        "2011-12-29T19:00Z",  # the 29th, 09:00
        "2011-12-30T10:00Z",  # the 30th, of which there is nothing: the first instant after it
        "2011-12-30T19:00Z",  # the 31st, 09:00
        "2011-12-31T19:00Z",
    ]
    assert who(text, "2011-12-30T09:59Z", "2011-12-30T10:00Z", "2011-12-30T19:00Z") == ["ana", "bo", "cy"]


def test_months_are_clamped_from_the_anchor_so_that_no_day_is_lost_for_good() -> None:
    text = turns("month", "2023-01-31T09:00")
    edges = handoffs(text, "2023-01-31T09:00Z", "2023-05-31T09:01Z")
    assert edges == [
        "2023-01-31T09:00Z", "2023-02-28T09:00Z", "2023-03-31T09:00Z", "2023-04-30T09:00Z", "2023-05-31T09:00Z",
        "2023-06-30T09:00Z",
    ]  # fmt: skip
    assert handoffs(turns("month", "2023-12-30T09:00", length=2), "2024-02-29T09:00Z", "2024-03-01T00:00Z") == [
        "2024-02-29T09:00Z", "2024-04-30T09:00Z",
    ]  # fmt: skip


def test_months_go_back_before_the_start_as_well() -> None:
    edges = handoffs(turns("month", "2023-03-31T09:00"), "2022-12-31T09:00Z", "2023-02-28T09:00Z")
    assert edges == ["2022-12-31T09:00Z", "2023-01-31T09:00Z", "2023-02-28T09:00Z"]


def test_of_active_days_fridays_turn_lasts_until_mondays() -> None:
    text = turns("day", "2022-11-07T09:00", advance=True)
    edges = handoffs(text, "2022-11-10T09:00Z", "2022-11-14T09:01Z")
    assert edges == ["2022-11-10T09:00Z", "2022-11-11T09:00Z", "2022-11-14T09:00Z", "2022-11-15T09:00Z"]


def test_active_days_count_back_before_the_start_and_from_a_start_that_is_none() -> None:
    text = turns("day", "2022-11-12T09:00", advance=True)  # a Saturday: turn 0 is Monday's
    assert who(text, "2022-11-14T10:00Z", "2022-11-11T10:00Z", "2022-11-10T10:00Z") == ["ana", "cy", "bo"]


def test_hours_of_active_days_are_counted_too() -> None:
    text = turns("hour", "2022-11-07T00:00", length=24, advance=True)
    edges = handoffs(text, "2022-11-11T00:00Z", "2022-11-14T00:01Z")
    assert edges == ["2022-11-11T00:00Z", "2022-11-14T00:00Z", "2022-11-15T00:00Z"]


@pytest.mark.parametrize("unit", ["week", "month"])
def test_weeks_and_months_always_count(unit: str) -> None:
    saturday = "2022-11-12T09:00"
    both = [
        handoffs(turns(unit, saturday, advance=advance), "2023-01-01T00:00Z", "2023-06-01T00:00Z")
        for advance in (False, True)
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("length", [1, 7, 9_000])
@pytest.mark.parametrize("flags", [(False, False), (True, False), (False, True)])
def test_the_number_of_a_turn_and_its_edges_agree_for_every_turn(
    unit: str, length: int, flags: tuple[bool, bool]
) -> None:
    active, elapsed = flags[0], flags[1] and unit != "month"
    start = wall("2022-10-30T02:30")
    one = Rotation(unit, length, start, THREE, "Europe/Berlin", active_day=active, elapsed=elapsed)
    for k in (-9, -2, -1, 0, 1, 2, 3, 50):
        begin, end = rotation.start_of(one, WEEKDAYS, k), rotation.start_of(one, WEEKDAYS, k + 1)
        if not FIRST < begin < end < LAST:
            continue
        turn = rotation.turn_at(one, WEEKDAYS, begin)
        assert turn == (k, begin, end, THREE[k % 3]), iso(begin)
        assert rotation.turn_at(one, WEEKDAYS, end - 1).k == k
        assert rotation.turn_at(one, WEEKDAYS, end).k > k


def test_no_edge_is_so_far_away_that_it_has_no_date() -> None:
    for elapsed in (False, True):
        one = Rotation("week", 9_000, wall("2022-01-01T00:00"), THREE, "UTC", elapsed=elapsed)
        assert (rotation.start_of(one, EVERY_DAY, -99), rotation.start_of(one, EVERY_DAY, 99)) == (
            FIRST,
            LAST,
        )


def test_the_last_turns_of_time_end() -> None:
    one = Rotation("month", 9_000, wall("2022-01-01T00:00"), THREE, "UTC")
    assert [turn.k for turn in rotation.turns(one, EVERY_DAY, wall("2022-06-01T00:00"), wall("9980-01-01T00:00"))] == list(
        range(11)
    )  # fmt: skip
