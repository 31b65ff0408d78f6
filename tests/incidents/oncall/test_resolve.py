"""How layers, swaps, absences, overrides and temporary schedules make one answer: docs/oncall.md, rules 6 to 11."""

from __future__ import annotations

import pytest

from incidents.oncall.resolve import Resolver
from incidents.oncall.schedule import Schedule
from tests.incidents.oncall.asking import at, handoffs, resolver, shifts, who

DAY = 'start: "2022-11-09T00:00Z", end: "2022-11-10T00:00Z"'
NOON, AFTER = "2022-11-09T12:00Z", "2022-11-10T00:00Z"


def over(*changes: str, layers: str = "{id: a, users: [hazel]}") -> str:
    """A schedule of these layers with these changes, one a day of November."""
    return f"{{layers: [{layers}], {', '.join(changes)}}}"


def test_nobody_is_an_answer() -> None:
    assert who("{layers: []}", NOON) == [""]
    assert shifts("{layers: []}", NOON, AFTER) == [("2022-11-09T12:00Z", "2022-11-10T00:00Z", "")]


def test_no_time_has_no_segments_and_no_handoffs() -> None:
    text = '{layers: [{id: a, rotation: {unit: day, length: 1, start: "2022-11-01T09:00", participants: [[hazel]]}}]}'
    assert resolver(text).shifts(at(NOON), at(NOON)) == []
    assert handoffs(text, NOON, NOON) == []


def test_from_is_inside_of_a_layer_and_until_outside() -> None:
    text = '{layers: [{id: a, users: [hazel], from: "2022-11-09T12:00Z", until: "2022-11-09T13:00Z"}]}'
    assert who(text, "2022-11-09T11:59Z", "2022-11-09T12:00Z", "2022-11-09T12:59Z", "2022-11-09T13:00Z") == [
        "", "hazel", "hazel", "",
    ]  # fmt: skip


def test_the_highest_level_that_has_somebody_wins_and_layers_of_one_level_share() -> None:
    layers = (
        "{id: low, users: [nova]}, {id: one, level: 2, users: [hazel], windows: [{start: '09:00', end: '17:00'}]},"
        " {id: two, level: 2, users: [malte], windows: [{start: '12:00', end: '20:00'}]}"
    )
    times = [f"2022-11-09T{hour}:00Z" for hour in ("08", "09", "12", "17", "20")]
    assert who(f"{{layers: [{layers}]}}", *times) == ["nova", "hazel", "hazel+malte", "malte", "nova"]
    assert who(f"{{resolution: union, layers: [{layers}]}}", *times) == [
        "nova", "hazel+nova", "hazel+malte+nova", "malte+nova", "nova",
    ]  # fmt: skip


def test_a_negative_level_is_under_one_that_is_not_named() -> None:
    assert who("{layers: [{id: a, level: -1, users: [nova]}, {id: b, users: [hazel]}]}", NOON) == ["hazel"]


@pytest.mark.parametrize(
    ("kinds", "answer"),
    [
        ("{kind: add_user, add: nova, DAY}", "hazel+nova"),
        ("{kind: remove_user, remove: hazel, DAY}", ""),
        ("{kind: remove_user, remove: nova, DAY}", "hazel"),
        ("{kind: replace_user, remove: hazel, add: nova, DAY}", "nova"),
        ("{kind: replace_user, remove: malte, add: nova, DAY}", "hazel"),
        ("{kind: replace_all, users: [nova, malte], DAY}", "malte+nova"),
        ("{kind: add_user, add: nova, DAY}, {kind: replace_all, users: [malte], DAY}", "malte+nova"),
        ("{kind: add_user, add: nova, DAY}, {kind: replace_all, users: [malte], level: 1, DAY}", "malte"),
        ("{kind: add_user, add: nova, level: 1, DAY}, {kind: replace_all, users: [malte], DAY}", "malte+nova"),
        ("{kind: replace_all, users: [nova], DAY}, {kind: replace_all, users: [malte], DAY}", "malte+nova"),
        (
            "{kind: replace_user, remove: nova, add: malte, DAY}, {kind: replace_all, users: [nova], DAY}",
            "malte",
        ),
        (
            "{kind: replace_user, remove: nova, add: malte, level: 1, DAY}, {kind: add_user, add: nova, DAY}",
            "hazel+malte",
        ),
        ("{kind: remove_user, remove: nova, level: 1, DAY}, {kind: add_user, add: nova, DAY}", "hazel"),
        ("{kind: remove_user, remove: nova, DAY}, {kind: add_user, add: nova, level: 1, DAY}", "hazel+nova"),
    ],
)  # fmt: skip
def test_overrides_change_the_answer_level_by_level_and_in_a_level_by_their_kind(
    kinds: str, answer: str
) -> None:
    text = over(f"overrides: [{kinds.replace('DAY', DAY)}]")
    assert who(text, NOON, AFTER) == [answer, "hazel"]


def test_swaps_are_applied_in_the_order_in_which_they_stand() -> None:
    there = f"{{from: hazel, to: nova, status: taken, {DAY}}}"
    on = f"{{from: nova, to: malte, status: taken, {DAY}}}"
    assert who(over(f"swaps: [{there}, {on}]"), NOON) == ["malte"]
    assert who(over(f"swaps: [{on}, {there}]"), NOON) == ["nova"]


def test_a_swap_gives_the_time_of_every_layer() -> None:
    layers = "{id: a, level: 1, users: [hazel, malte]}, {id: b, users: [hazel]}"
    swap = f"swaps: [{{from: hazel, to: nova, status: taken, {DAY}}}]"
    assert who(over(swap, layers=layers), NOON) == ["malte+nova"]
    assert who(over(swap, "resolution: union", layers=layers), NOON) == ["malte+nova"]


def test_a_swap_does_not_touch_an_override() -> None:
    swap = f"swaps: [{{from: nova, to: malte, status: taken, {DAY}}}]"
    assert who(over(swap, f"overrides: [{{kind: replace_all, users: [nova], {DAY}}}]"), NOON) == ["nova"]


def test_who_is_absent_leaves_their_time_to_the_next_level() -> None:
    layers = "{id: a, level: 1, users: [hazel]}, {id: b, users: [nova]}"
    assert who(over(f"absences: [{{user: hazel, {DAY}}}]", layers=layers), NOON, AFTER) == ["nova", "hazel"]


def test_who_takes_a_swap_and_is_absent_leaves_it_to_the_next_level() -> None:
    layers = "{id: a, level: 1, users: [hazel]}, {id: b, users: [nova]}"
    swap = f"swaps: [{{from: hazel, to: malte, status: taken, {DAY}}}]"
    assert who(over(swap, f"absences: [{{user: malte, {DAY}}}]", layers=layers), NOON) == ["nova"]


@pytest.mark.parametrize(
    "kinds",
    [
        "{kind: add_user, add: nova, DAY}",
        "{kind: replace_user, remove: hazel, add: nova, DAY}, {kind: add_user, add: hazel, level: 1, DAY}",
        "{kind: replace_all, users: [nova, hazel], DAY}",
        "{kind: add_user, add: nova, DAY}, {kind: replace_user, remove: nova, add: malte, level: 1, DAY}",
        "{kind: replace_all, users: [nova, hazel], DAY}, {kind: replace_user, remove: nova, add: malte, DAY}",
    ],
)
def test_no_override_puts_an_absent_person_back_not_even_for_another_to_replace(kinds: str) -> None:
    text = over(f"absences: [{{user: nova, {DAY}}}]", f"overrides: [{kinds.replace('DAY', DAY)}]")
    assert who(text, NOON) == ["hazel"]


def test_a_temporary_schedule_stands_in_place_of_all_but_absences() -> None:
    text = over(
        f"temporary: [{{{DAY}, shifts: [{{users: [nova, malte], {DAY}}}]}}]",
        f"overrides: [{{kind: add_user, add: preston, {DAY}}}]",
        f"swaps: [{{from: nova, to: hazel, status: taken, {DAY}}}]",
        'absences: [{user: malte, start: "2022-11-09T12:00Z", end: "2022-11-10T00:00Z"}]',
    )
    assert who(text, "2022-11-09T00:00Z", NOON, AFTER) == ["malte+nova", "nova", "hazel"]


def test_segments_are_cut_where_the_answer_changes_and_nowhere_else() -> None:
    text = over(
        'overrides: [{kind: add_user, add: hazel, start: "2022-11-09T01:00Z", end: "2022-11-09T02:00Z"}]',
        'absences: [{user: nova, start: "2022-11-09T03:00Z", end: "2022-11-09T04:00Z"}]',
        'swaps: [{from: hazel, to: nova, status: open, start: "2022-11-09T05:00Z", end: "2022-11-09T06:00Z"}]',
    )
    assert shifts(text, "2022-11-09T00:00Z", "2022-11-09T12:00Z") == [
        ("2022-11-09T00:00Z", "2022-11-09T12:00Z", "hazel")
    ]


def test_a_handoff_is_an_edge_of_a_turn_whatever_the_windows_and_the_other_layers_say() -> None:
    text = (
        '{timezone: Europe/Berlin, layers: [{id: a, rotation: {unit: day, length: 1, start: "2022-11-01T09:00",'
        " participants: [[hazel]]}, windows: [{start: '10:00', end: '11:00'}]}],"
        f" overrides: [{{kind: replace_all, users: [nova], {DAY}}}]}}"
    )
    assert handoffs(text, NOON, "2022-11-10T07:59Z") == ["2022-11-09T08:00Z", "2022-11-10T08:00Z"]
    assert handoffs(text, NOON, "2022-11-10T08:00Z") == ["2022-11-09T08:00Z", "2022-11-10T08:00Z"]
    assert handoffs(text, NOON, "2022-11-10T08:01Z")[-1] == "2022-11-11T08:00Z"


def test_a_layer_of_fixed_people_has_no_handoffs() -> None:
    assert handoffs("{layers: [{id: a, users: [hazel]}]}", NOON, AFTER) == []


def test_every_layer_has_its_handoffs_under_its_name() -> None:
    assert Resolver(Schedule("empty")).handoffs(0, 1) == {}


LAYERS = "{id: a, level: 1, users: [hazel]}, {id: cover, users: [malte]}"
AWAY = f"absences: [{{user: hazel, {DAY}}}]"


def test_an_absent_person_whom_an_override_replaces_is_replaced_and_not_missed() -> None:
    overrides = f"overrides: [{{kind: replace_user, remove: hazel, add: nova, {DAY}}}]"
    assert who(over(AWAY, layers=LAYERS), NOON) == ["malte"]
    text = over(AWAY, overrides, layers=LAYERS)
    assert who(text, NOON, AFTER) == ["nova", "hazel"]
    assert shifts(text, "2022-11-08T00:00Z", "2022-11-11T00:00Z") == [
        ("2022-11-08T00:00Z", "2022-11-09T00:00Z", "hazel"), ("2022-11-09T00:00Z", "2022-11-10T00:00Z", "nova"),
        ("2022-11-10T00:00Z", "2022-11-11T00:00Z", "hazel"),
    ]  # fmt: skip


def test_an_absent_person_is_not_replaced_by_another_who_is_absent() -> None:
    overrides = f"overrides: [{{kind: replace_user, remove: hazel, add: nova, {DAY}}}]"
    away = f"absences: [{{user: hazel, {DAY}}}, {{user: nova, {DAY}}}]"
    assert who(over(away, overrides, layers=LAYERS), NOON) == ["malte"]


def test_of_two_overrides_that_take_the_same_person_away_the_higher_level_counts() -> None:
    low = f"{{kind: replace_user, remove: hazel, add: nova, {DAY}}}"
    high = f"{{kind: replace_user, remove: hazel, add: preston, level: 1, {DAY}}}"
    gone = f"{{kind: remove_user, remove: hazel, level: 1, {DAY}}}"
    assert who(over(f"overrides: [{low}, {high}]"), NOON) == ["preston"]
    assert who(over(f"overrides: [{low}, {gone}]"), NOON) == [""]
    assert who(over(f"overrides: [{high}, {low}]", AWAY), NOON) == ["preston"]
