"""What other on-call tools got wrong, or answer in other ways, and what is answered here. Each docstring names the
tool and its issue. Grafana OnCall's issues now stand at grafana-cold-storage/oncall.
"""

from __future__ import annotations

import datetime

import pytest

from incidents.errors import Mistakes
from incidents.oncall import check, zones
from tests.incidents.oncall.asking import at, handoffs, resolver, shifts, who

BERLIN, CHICAGO, LORD_HOWE, NEW_YORK = (
    "Europe/Berlin",
    "America/Chicago",
    "Australia/Lord_Howe",
    "America/New_York",
)
WEEKDAYS = "windows: [{days: [mon, tue, wed, thu, fri]}]"


def turning(
    unit: str,
    start: str,
    people: str = "[ana], [bo], [cy]",
    zone: str = "UTC",
    more: str = "",
    length: int = 1,
) -> str:
    """A layer of turns. `more` are further keys of the layer, or with a leading `/` of the rotation."""
    of_rotation, of_layer = (
        (f", {more[1:]}", "") if more.startswith("/") else ("", f", {more}" if more else "")
    )
    return (
        f'{{id: a{of_layer}, rotation: {{unit: {unit}, length: {length}, start: "{start}", timezone: {zone},'
        f" participants: [{people}]{of_rotation}}}}}"
    )


def alone(layer: str, more: str = "") -> str:
    return f"{{layers: [{layer}]{more}}}"


def days_from(first: str, count: int) -> list[str]:
    """Noon of so many days in UTC."""
    begin = datetime.datetime.fromisoformat(first + "T12:00+00:00")
    return [(begin + datetime.timedelta(days=day)).isoformat() for day in range(count)]


# -- clocks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "start", "edges"),
    [  # a day before, the day of the change, a day after
        (BERLIN, "2022-03-01T02:30", ["2022-03-26T01:30Z", "2022-03-27T01:00Z", "2022-03-28T00:30Z"]),  # 03:00
        (LORD_HOWE, "2022-09-01T02:15", ["2022-09-30T15:45Z", "2022-10-01T15:30Z", "2022-10-02T15:15Z"]),  # 02:30
        (NEW_YORK, "2022-03-01T02:30", ["2022-03-12T07:30Z", "2022-03-13T07:00Z", "2022-03-14T06:30Z"]),
    ],
)  # fmt: skip
def test_a_turn_in_the_spring_gap_starts_with_the_first_instant_after_it(
    zone: str, start: str, edges: list[str]
) -> None:
    """A daily handover at 02:30: Grafana OnCall says 03:30 that day, LinkedIn's oncall 01:30."""
    assert handoffs(alone(turning("day", start, zone=zone)), edges[0], edges[-1]) == edges


@pytest.mark.parametrize(
    ("zone", "start", "edges"),
    [
        (NEW_YORK, "2022-11-01T01:30", ["2022-11-05T05:30Z", "2022-11-06T05:30Z", "2022-11-07T06:30Z"]),
        (BERLIN, "2022-10-01T02:30", ["2022-10-29T00:30Z", "2022-10-30T00:30Z", "2022-10-31T01:30Z"]),
        (LORD_HOWE, "2022-03-01T01:45", ["2022-04-01T14:45Z", "2022-04-02T14:45Z", "2022-04-03T15:15Z"]),
    ],
)
def test_a_turn_in_the_repeated_hour_starts_with_its_first_pass(
    zone: str, start: str, edges: list[str]
) -> None:
    """GoAlert, Grafana OnCall and LinkedIn's oncall agree; once, not at both passes."""
    assert handoffs(alone(turning("day", start, zone=zone)), edges[0], edges[-1]) == edges


def test_turns_of_an_hour_last_two_where_it_is_repeated_and_have_none_where_it_is_skipped() -> None:
    """Grafana OnCall makes an event of no length of the skipped hour."""
    text = alone(turning("hour", "2022-10-01T00:00", zone=BERLIN))
    assert handoffs(text, "2022-10-30T00:00Z", "2022-10-30T02:00Z") == [
        "2022-10-30T00:00Z",
        "2022-10-30T02:00Z",
    ]
    assert handoffs(text, "2022-03-27T00:00Z", "2022-03-27T02:00Z") == [
        "2022-03-27T00:00Z", "2022-03-27T01:00Z", "2022-03-27T02:00Z",
    ]  # fmt: skip
    names = who(text, "2022-03-27T00:30Z", "2022-03-27T01:30Z")
    assert names in (["ana", "cy"], ["bo", "ana"], ["cy", "bo"])  # the one between has lost the turn
    for segment in resolver(text).shifts(at("2022-03-26T00:00Z"), at("2022-03-28T00:00Z")):
        assert segment.start < segment.end


def test_turns_of_an_hour_may_be_exact_where_that_is_asked_for() -> None:
    """A choice by name, where other tools have one rule for all or none that they tell."""
    text = alone(turning("hour", "2022-10-01T00:00", zone=BERLIN, more="/elapsed: true"))
    assert handoffs(text, "2022-10-30T00:00Z", "2022-10-30T02:00Z") == [
        "2022-10-30T00:00Z", "2022-10-30T01:00Z", "2022-10-30T02:00Z",
    ]  # fmt: skip


def test_a_window_in_the_repeated_hour_starts_with_its_first_pass_and_ends_with_its_last() -> None:
    """As GoAlert does; shorter by the repeated hour, or cut in two, elsewhere."""
    text = f"{{timezone: {NEW_YORK}, layers: [{{id: a, users: [ana], windows: [{{start: '01:15', end: '01:45'}}]}}]}}"
    assert shifts(text, "2022-11-06T05:15Z", "2022-11-06T06:45Z") == [
        ("2022-11-06T05:15Z", "2022-11-06T06:45Z", "ana")
    ]


def test_a_week_that_holds_a_change_of_the_clocks_leaves_neither_a_gap_nor_an_overlap() -> None:
    """Grafana OnCall 5247: an hour's gap in autumn and an hour's overlap in spring, in America/Chicago."""
    text = alone(turning("week", "2024-10-01T09:00", "[ana], [bo]", CHICAGO))
    assert shifts(text, "2024-10-29T14:00Z", "2024-11-12T15:00Z") == [
        ("2024-10-29T14:00Z", "2024-11-05T15:00Z", "ana"),
        ("2024-11-05T15:00Z", "2024-11-12T15:00Z", "bo"),
    ]
    assert shifts(text, "2025-03-04T15:00Z", "2025-03-18T14:00Z") == [
        ("2025-03-04T15:00Z", "2025-03-11T14:00Z", "ana"),
        ("2025-03-11T14:00Z", "2025-03-18T14:00Z", "bo"),
    ]


def test_a_shift_over_the_spring_change_ends_when_the_wall_clock_says() -> None:
    """Grafana OnCall 5455: a shift made across the change is shortened, and leaves an hour to nobody."""
    text = alone(turning("day", "2025-03-08T09:00", "[ana], [bo]", CHICAGO))
    assert shifts(text, "2025-03-08T15:00Z", "2025-03-10T14:00Z") == [
        ("2025-03-08T15:00Z", "2025-03-09T14:00Z", "ana"),
        ("2025-03-09T14:00Z", "2025-03-10T14:00Z", "bo"),
    ]


def test_office_hours_stay_office_hours_after_the_clocks_change() -> None:
    """Grafana OnCall 3261, 3576, 2950: what was set in summer for 08:30 to 17:30 in London is an hour off in winter."""
    text = "{timezone: Europe/London, layers: [{id: a, users: [ana], windows: [{start: '08:30', end: '17:30'}]}]}"
    assert who(text, "2023-10-27T07:29Z", "2023-10-27T07:30Z", "2023-10-27T16:29Z", "2023-10-27T16:30Z") == [
        "", "ana", "ana", "",
    ]  # fmt: skip
    assert who(text, "2023-10-30T08:29Z", "2023-10-30T08:30Z", "2023-10-30T17:29Z", "2023-10-30T17:30Z") == [
        "", "ana", "ana", "",
    ]  # fmt: skip


def test_the_zone_of_a_layer_is_written_beside_it_and_holds_for_nobody_else() -> None:
    """OneUptime 1890, "timezone hell": whose zone a time is in cannot be seen."""
    window = "windows: [{start: '09:00', end: '17:00'}]"
    text = (
        f"{{timezone: {BERLIN}, resolution: union, layers: [{{id: here, users: [ana], {window}}},"
        f" {{id: there, users: [bo], {window}, timezone: {NEW_YORK}}}]}}"
    )
    assert who(text, "2022-11-09T08:00Z", "2022-11-09T14:00Z", "2022-11-09T16:00Z", "2022-11-09T21:59Z") == [
        "ana", "ana+bo", "bo", "bo",
    ]  # fmt: skip


def test_the_weeks_in_which_two_zones_have_changed_only_one_of_their_clocks_show_as_gaps() -> None:
    """Shown by no tool that was looked at: 17:00 in Berlin is 11:00 in New York, but 12:00 for some weeks a year."""
    text = (
        f"{{layers: [{{id: east, users: [ana], timezone: {BERLIN}, windows: [{{start: '09:00', end: '17:00'}}]}},"
        f" {{id: west, users: [bo], timezone: {NEW_YORK}, windows: [{{start: '11:00', end: '19:00'}}]}}]}}"
    )
    usual = shifts(text, "2022-11-09T08:00Z", "2022-11-10T00:00Z")
    assert [people for _, _, people in usual] == ["ana", "bo"]
    overlap = shifts(text, "2022-11-02T08:00Z", "2022-11-02T23:00Z")
    assert [people for _, _, people in overlap] == ["ana", "ana+bo", "bo"]
    gap = text.replace("11:00", "12:00")
    assert ("2022-11-09T16:00Z", "2022-11-09T17:00Z", "") in shifts(
        gap, "2022-11-09T08:00Z", "2022-11-10T00:00Z"
    )


def test_a_zone_under_its_old_name_is_known() -> None:
    """US/Pacific is missing where only the system's zones of today are asked."""
    assert zones.zone("US/Pacific").wall(at("2022-11-07T00:00Z")) == zones.zone("America/Los_Angeles").wall(
        at("2022-11-07T00:00Z")
    )


# -- turns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "length", "edges"),
    [
        ("hour", 12, ["2022-11-07T12:00Z", "2022-11-08T00:00Z"]),
        ("day", 1, ["2022-11-07T00:00Z", "2022-11-08T00:00Z"]),
        ("day", 10, ["2022-11-07T00:00Z", "2022-11-17T00:00Z"]),
        ("week", 2, ["2022-11-07T00:00Z", "2022-11-21T00:00Z"]),
        ("month", 3, ["2022-11-07T00:00Z", "2023-02-07T00:00Z"]),
    ],
)
def test_turns_are_of_hours_days_weeks_or_months_and_of_any_number_of_them(
    unit: str, length: int, edges: list[str]
) -> None:
    """LinkedIn oncall 215 and 424: whole weeks alone, a shorter rotation is rounded up to one."""
    text = alone(turning(unit, "2022-11-07T00:00", length=length))
    assert handoffs(text, "2022-11-07T13:00Z", "2022-11-07T14:00Z") == edges


def test_whose_turn_it_is_is_not_stored_so_that_nothing_has_to_advance_it() -> None:
    """GoAlert keeps the position of a rotation and moves it on; LinkedIn's oncall writes its events some months ahead."""
    text = alone(turning("week", "2022-11-07T09:00"))
    assert who(text, "2022-11-07T09:00Z", "2082-11-09T09:00Z", "1999-11-08T09:00Z") == ["ana", "cy", "ana"]


def test_a_rotation_that_starts_in_the_future_has_somebody_until_then() -> None:
    """As GoAlert's future start; `from` is there for who wants nobody."""
    layer = turning("week", "2030-01-07T09:00")
    assert who(alone(layer), "2029-12-31T08:59Z", "2029-12-31T09:00Z", "2030-01-07T09:00Z") == [
        "bo",
        "cy",
        "ana",
    ]
    bounded = layer.replace("{id: a", '{id: a, from: "2030-01-07T09:00Z"')
    assert who(alone(bounded), "2030-01-07T08:59Z", "2030-01-07T09:00Z") == ["", "ana"]


def test_a_turn_of_a_month_from_the_31st_ends_with_the_month() -> None:
    """GoAlert goes on to 3 March; a recurrence rule (Grafana OnCall) leaves February out."""
    edges = handoffs(alone(turning("month", "2023-01-31T09:00")), "2023-02-01T00:00Z", "2023-04-01T00:00Z")
    assert edges == ["2023-01-31T09:00Z", "2023-02-28T09:00Z", "2023-03-31T09:00Z", "2023-04-30T09:00Z"]


def test_a_turn_of_a_month_lasts_until_the_same_day_of_the_next_whatever_days_are_open() -> None:
    """Grafana OnCall hands a monthly rotation over weekends on with the calendar's month, in the middle of a weekend;
    its own test keeps that answer (custom_shift_test_cases.py, the last case)."""
    layer = turning("month", "2024-08-29T00:00", more="windows: [{days: [sat, sun]}]")
    names = who(
        alone(layer), *[f"{day}T12:00Z" for day in ("2024-08-31", "2024-09-01", "2024-09-28", "2024-09-29")]
    )
    assert names == ["ana", "ana", "ana", "bo"]


def fourteen(more: str) -> str:
    people = ", ".join(f"[p{number:02}]" for number in range(14))
    layer = turning("day", "2022-11-07T09:00", people, more="/" + more).replace(
        "{id: a", f"{{id: a, {WEEKDAYS}"
    )
    return alone(layer)


def test_of_fourteen_people_on_weekdays_four_never_have_a_turn_by_the_calendar() -> None:
    """GoAlert 55 and 4447: it knows nothing else. Here it is a choice, and the other one stands beside it."""
    found = {*who(fourteen("advance: calendar"), *days_from("2022-11-07", 364))} - {""}
    assert len(found) == 10


def test_of_fourteen_people_on_weekdays_all_have_a_turn_by_active_days() -> None:
    """GoAlert 55 and 4447, OneUptime 2413 (Monday is the next one's after Friday), Grafana OnCall 733."""
    names = who(fourteen("advance: active_day"), *days_from("2022-11-07", 364))
    assert [name for name in names if name] == [f"p{number % 14:02}" for number in range(260)]
    assert not any(names[5::7]) and not any(names[6::7])


def test_two_people_on_weekdays_take_turns_and_are_not_both_there() -> None:
    """Grafana OnCall 4197: with days and a zone other than UTC both have every day."""
    layer = turning("day", "2024-01-01T08:00", "[ana], [bo]", "Europe/Paris", "/advance: active_day")
    text = alone(
        layer.replace("{id: a", f"{{id: a, {WEEKDAYS.replace('fri]', 'fri], start: 08:00, end: 18:00')}")
    )
    assert who(text, *days_from("2024-01-01", 9)) == ["ana", "bo", "ana", "bo", "ana", "", "", "bo", "ana"]


def test_one_turn_of_several_active_days_goes_on_over_the_weekend() -> None:
    """OneUptime 2413: the turn is counted through days that are closed."""
    layer = turning(
        "day", "2024-08-05T00:00", "[ana], [bo], [cy], [dee]", more="/advance: active_day", length=2
    )
    names = who(alone(layer.replace("{id: a", f"{{id: a, {WEEKDAYS}")), *days_from("2024-08-05", 12))
    assert names == ["ana", "ana", "bo", "bo", "cy", "", "", "cy", "dee", "dee", "ana", "ana"]


def test_a_dated_change_of_the_roster_moves_nobody_before_it() -> None:
    """GoAlert 2196 and 1973, Grafana OnCall 5353: an edit of the participants silently moves everybody, also what has
    been. Two layers that meet say from when on the roster is another."""
    old = turning("week", "2022-11-07T09:00", "[ana], [bo]", more='until: "2022-12-05T09:00Z"')
    new = turning("week", "2022-12-05T09:00", "[cy], [ana], [bo]", more='from: "2022-12-05T09:00Z"')
    both = f"{{layers: [{old}, {new.replace('id: a', 'id: b')}]}}"
    weeks = days_from("2022-11-07", 70)[::7]
    assert who(both, *weeks)[:4] == who(alone(old), *weeks)[:4] == ["ana", "bo", "ana", "bo"]
    assert who(both, *weeks)[4:7] == ["cy", "ana", "bo"]


# -- layers ---------------------------------------------------------------------------------------------------

TWO = (
    "{id: all, users: [ana]}, {id: nights, level: 1, users: [bo], windows: [{start: '22:00', end: '06:00'}]}"
)
NIGHT, NOON = "2022-11-09T23:00Z", "2022-11-09T12:00Z"


def test_the_higher_level_wins_or_all_are_there_as_the_schedule_says() -> None:
    """PagerDuty and Grafana OnCall know only the first, GoAlert and Opsgenie only the second."""
    assert who(f"{{layers: [{TWO}]}}", NOON, NIGHT) == ["ana", "bo"]
    assert who(f"{{resolution: union, layers: [{TWO}]}}", NOON, NIGHT) == ["ana", "ana+bo"]


def test_several_of_one_level_share_and_several_of_one_group_are_there_together() -> None:
    """PagerDuty has one person a schedule."""
    assert who(f"{{layers: [{TWO}, {{id: more, users: [cy, dee], level: 1}}]}}", NIGHT) == ["bo+cy+dee"]


def test_a_higher_level_cuts_the_lower_one_in_two_and_no_rest_of_it_stays_hidden() -> None:
    """What Grafana OnCall's tests of splitting are about."""
    assert shifts(f"{{layers: [{TWO}]}}", "2022-11-09T21:00Z", "2022-11-10T07:00Z") == [
        ("2022-11-09T21:00Z", "2022-11-09T22:00Z", "ana"),
        ("2022-11-09T22:00Z", "2022-11-10T06:00Z", "bo"),
        ("2022-11-10T06:00Z", "2022-11-10T07:00Z", "ana"),
    ]


def test_a_higher_level_with_nobody_in_its_turn_hides_nothing() -> None:
    """A gap of the upper layer falls through to the lower one, and a gap of all is a segment with nobody."""
    upper = '{id: up, level: 2, users: [cy], windows: [{days: [mon]}], until: "2022-11-14T12:00Z"}'
    assert who(f"{{layers: [{TWO}, {upper}]}}", "2022-11-14T11:00Z", "2022-11-14T13:00Z") == ["cy", "ana"]


def test_a_layer_that_is_hidden_all_the_time_is_told() -> None:
    """Grafana OnCall 2797: overlapping regions, and one layer never works."""
    hidden = resolver("{layers: [{id: up, level: 1, users: [ana]}, {id: down, users: [bo]}]}").schedule
    found = check.check(hidden, at("2022-11-07T00:00Z"), at("2022-12-07T00:00Z"))
    assert any(one.kind == "hidden" and "down" in one.says for one in found)


def test_a_window_of_whole_days_joins_its_neighbours_and_one_of_no_length_is_refused() -> None:
    """GoAlert takes 09:00 to 09:00 for a whole day; a person may have meant none."""
    text = "{layers: [{id: a, users: [ana], windows: [{days: [mon, tue]}]}]}"
    assert ("2022-11-07T00:00Z", "2022-11-09T00:00Z", "ana") in shifts(
        text, "2022-11-06T00:00Z", "2022-11-10T00:00Z"
    )
    with pytest.raises(Mistakes, match="no length"):
        resolver("{layers: [{id: a, users: [ana], windows: [{start: '09:00', end: '09:00'}]}]}")


def test_a_primary_and_a_secondary_of_one_roster_are_never_the_same_person() -> None:
    """PagerDuty's schedule per role; LinkedIn's oncall fills its roles one by one."""
    second = turning("week", "2022-11-07T09:00", "[bo], [cy], [ana]")
    first = turning("week", "2022-11-07T09:00")
    weeks = days_from("2022-11-07", 364)
    assert all(
        one != other for one, other in zip(who(alone(first), *weeks), who(alone(second), *weeks), strict=True)
    )


def test_a_gap_is_a_segment_with_nobody() -> None:
    """GoAlert 2878, Grafana OnCall 4846: coverage that is empty and does not show."""
    text = "{layers: [{id: a, users: [ana], windows: [{start: '09:00', end: '17:00'}]}]}"
    assert shifts(text, "2022-11-09T00:00Z", "2022-11-10T00:00Z") == [
        ("2022-11-09T00:00Z", "2022-11-09T09:00Z", ""),
        ("2022-11-09T09:00Z", "2022-11-09T17:00Z", "ana"),
        ("2022-11-09T17:00Z", "2022-11-10T00:00Z", ""),
    ]


# -- changes --------------------------------------------------------------------------------------------------

SPAN = 'start: "2022-11-09T12:00Z", end: "2022-11-09T18:00Z"'
IN_TURNS = turning("week", "2022-11-07T09:00")


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("{kind: replace_user, remove: ana, add: dee, SPAN}", "dee"),
        ("{kind: add_user, add: dee, SPAN}", "ana+dee"),
        ("{kind: remove_user, remove: ana, SPAN}", ""),
        ("{kind: replace_all, users: [dee], SPAN}", "dee"),
    ],
)
def test_an_override_replaces_adds_or_removes_a_person_or_stands_for_everything(
    override: str, answer: str
) -> None:
    """GoAlert knows the first three, Grafana OnCall the last; LinkedIn's oncall edits the stored events, so that
    nothing is as before when it ends."""
    text = alone(IN_TURNS, f", overrides: [{override.replace('SPAN', SPAN)}]")
    assert who(text, "2022-11-09T11:59Z", NOON, "2022-11-09T17:59Z", "2022-11-09T18:00Z") == [
        "ana", answer, answer, "ana",
    ]  # fmt: skip


def test_an_override_of_a_person_reaches_them_on_whatever_layer_they_are() -> None:
    """Opsgenie's overrides are of one rotation or of the whole schedule."""
    text = f"{{resolution: union, layers: [{{id: x, users: [ana]}}, {{id: y, users: [ana, bo]}}], overrides: [{{kind: replace_user, remove: ana, add: dee, {SPAN}}}]}}"
    assert who(text, NOON) == ["bo+dee"]


def test_overrides_of_one_person_that_overlap_are_refused_and_those_of_two_levels_have_an_order() -> None:
    """GoAlert refuses them too (overrideconflict_test.go); which one wins is anybody's guess elsewhere."""
    two = f"{{kind: add_user, add: dee, {SPAN}}}, {{kind: replace_user, remove: dee, add: bo, {SPAN}}}"
    with pytest.raises(Mistakes, match="dee"):
        resolver(alone(IN_TURNS, f", overrides: [{two}]"))
    assert who(alone(IN_TURNS, f", overrides: [{two.replace('add: bo', 'add: bo, level: 1')}]"), NOON) == [
        "ana+bo"
    ]


def test_a_temporary_schedule_with_nobody_is_nobody() -> None:
    """As in GoAlert's state_test.go; it must not fall back to the layers."""
    text = alone(IN_TURNS, f", temporary: [{{{SPAN}}}]")
    assert shifts(text, "2022-11-09T11:00Z", "2022-11-09T19:00Z") == [
        ("2022-11-09T11:00Z", "2022-11-09T12:00Z", "ana"),
        ("2022-11-09T12:00Z", "2022-11-09T18:00Z", ""),
        ("2022-11-09T18:00Z", "2022-11-09T19:00Z", "ana"),
    ]


def test_the_hours_that_a_temporary_schedule_leaves_open_are_told_before() -> None:
    """GoAlert 3511: who makes one wants to see that a shift of it is missing."""
    shift = '{users: [dee], start: "2022-11-09T12:00Z", end: "2022-11-09T15:00Z"}'
    text = alone(IN_TURNS, f", temporary: [{{{SPAN}, shifts: [{shift}]}}]")
    found = check.check(resolver(text).schedule, at("2022-11-09T00:00Z"), at("2022-11-10T00:00Z"))
    assert [(one.start, one.end) for one in found if one.kind == "gap"] == [
        (at("2022-11-09T15:00Z"), at("2022-11-09T18:00Z"))
    ]


def swapped(status: str, span: str = SPAN) -> str:
    return alone(IN_TURNS, f", swaps: [{{from: ana, to: dee, status: {status}, {span}}}]")


@pytest.mark.parametrize("status", ["open", "past_due", "deleted"])
def test_a_swap_that_nobody_took_changes_nothing(status: str) -> None:
    """As in Grafana OnCall: whoever offers a shift has it until somebody takes it."""
    assert shifts(swapped(status), "2022-11-07T09:00Z", "2022-11-14T09:00Z") == [
        ("2022-11-07T09:00Z", "2022-11-14T09:00Z", "ana")
    ]


def test_a_taken_swap_cuts_a_shift_that_has_begun() -> None:
    """Grafana OnCall 4538: the shift of somebody who is busy in an incident cannot be taken over while it runs."""
    assert shifts(swapped("taken"), "2022-11-07T09:00Z", "2022-11-14T09:00Z") == [
        ("2022-11-07T09:00Z", "2022-11-09T12:00Z", "ana"),
        ("2022-11-09T12:00Z", "2022-11-09T18:00Z", "dee"),
        ("2022-11-09T18:00Z", "2022-11-14T09:00Z", "ana"),
    ]


def test_a_swap_gives_only_the_time_of_who_gave_it() -> None:
    """Over the end of a shift the next person keeps theirs."""
    text = swapped("taken", 'start: "2022-11-13T00:00Z", end: "2022-11-16T00:00Z"')
    assert who(text, "2022-11-13T12:00Z", "2022-11-14T12:00Z") == ["dee", "bo"]


def test_a_swap_is_applied_before_levels_are_compared() -> None:
    """As in Grafana OnCall: who takes the time has it on the same layer."""
    lower = "{id: low, users: [eve]}"
    layers = f"{IN_TURNS.replace('id: a', 'id: a, level: 1')}, {lower}"
    assert who(f"{{layers: [{layers}], swaps: [{{from: ana, to: dee, status: taken, {SPAN}}}]}}", NOON) == [
        "dee"
    ]


def test_who_is_absent_is_not_on_call_whatever_names_them() -> None:
    """LinkedIn oncall 125, Grafana OnCall 322 and 395; LinkedIn's round robin assigns people on vacation."""
    away = f", absences: [{{user: ana, {SPAN}, why: holiday}}"
    assert who(alone(IN_TURNS, away + "]"), "2022-11-09T11:59Z", NOON, "2022-11-09T18:00Z") == [
        "ana",
        "",
        "ana",
    ]
    named = f"], overrides: [{{kind: replace_all, users: [ana, dee], {SPAN}}}]"
    assert who(alone(IN_TURNS, away + named), NOON) == ["dee"]
    lower = alone(f"{IN_TURNS.replace('id: a', 'id: a, level: 1')}, {{id: b, users: [eve]}}", away + "]")
    assert who(lower, NOON) == ["eve"]


def test_an_absence_does_not_move_the_turns_of_the_others() -> None:
    """Unlike leaving somebody out of the roster for their holiday."""
    away = ', absences: [{user: bo, start: "2022-11-14T00:00Z", end: "2022-11-22T00:00Z"}]'
    assert who(alone(IN_TURNS, away), *days_from("2022-11-07", 28)[::7]) == ["ana", "", "cy", "ana"]
