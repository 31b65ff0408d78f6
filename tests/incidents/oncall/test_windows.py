"""When a layer is open: docs/oncall.md, rule 5."""

from __future__ import annotations

from incidents import clock
from incidents.oncall import windows, zones
from incidents.oncall.schedule import EVERY_DAY, Window
from tests.incidents.oncall.asking import at, iso, shifts, who


def layer(window: str, zone: str = "UTC", **more: str) -> str:
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{{timezone: {zone}, layers: [{{id: a, users: [ana], windows: [{window}]{rest}}}]}}"


def opened(text: str, start: str, end: str) -> list[tuple[str, str]]:
    return [(begin, until) for begin, until, people in shifts(text, start, end) if people]


def test_a_window_is_open_from_its_start_until_before_its_end() -> None:
    text = layer("{start: '09:00', end: '17:00'}", "Europe/Berlin")
    times = ("2022-11-09T07:59Z", "2022-11-09T08:00Z", "2022-11-09T15:59Z", "2022-11-09T16:00Z")
    assert who(text, *times) == ["", "ana", "ana", ""]


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    text = layer("{days: [fri], start: '22:00', end: '06:00'}")
    assert opened(text, "2022-11-07T00:00Z", "2022-11-14T00:00Z") == [
        ("2022-11-11T22:00Z", "2022-11-12T06:00Z")
    ]


def test_without_times_a_window_is_the_whole_day_and_neighbours_join() -> None:
    text = layer("{days: [sat, sun]}")
    assert opened(text, "2022-11-07T00:00Z", "2022-11-15T00:00Z") == [
        ("2022-11-12T00:00Z", "2022-11-14T00:00Z")
    ]


def test_without_an_end_it_lasts_until_24_00_as_when_it_says_so() -> None:
    for text in (
        layer("{start: '18:00'}"),
        layer("{start: '18:00', end: '24:00'}"),
        layer("{start: '18:00', end: '00:00'}"),
    ):
        assert opened(text, "2022-11-09T12:00Z", "2022-11-10T12:00Z") == [
            ("2022-11-09T18:00Z", "2022-11-10T00:00Z")
        ]


def test_without_a_start_it_begins_at_midnight() -> None:
    assert opened(layer("{end: '06:00'}"), "2022-11-09T00:00Z", "2022-11-09T12:00Z") == [
        ("2022-11-09T00:00Z", "2022-11-09T06:00Z")
    ]


def test_several_windows_are_open_together_and_joined_where_they_meet() -> None:
    text = layer(
        "{start: '08:00', end: '12:00'}, {start: '12:00', end: '13:00'}, {start: '12:30', end: '14:00'}"
    )
    assert opened(text, "2022-11-09T00:00Z", "2022-11-10T00:00Z") == [
        ("2022-11-09T08:00Z", "2022-11-09T14:00Z")
    ]


def test_the_zone_of_a_window_is_its_layers_else_the_rotations_else_the_schedules() -> None:
    window = "{start: '09:00', end: '10:00'}"
    turns = (
        '{unit: week, length: 1, start: "2022-11-07T09:00", participants: [[ana]], timezone: Asia/Kolkata}'
    )
    rotation = f"{{timezone: Europe/Berlin, layers: [{{id: a, rotation: {turns}, windows: [{window}]}}]}}"
    span = ("2022-11-09T00:00Z", "2022-11-10T00:00Z")
    assert opened(layer(window, "Europe/Berlin"), *span)[0][0] == "2022-11-09T08:00Z"
    assert opened(rotation, *span)[0][0] == "2022-11-09T03:30Z"
    assert (
        opened(layer(window, "Europe/Berlin", timezone="America/New_York"), *span)[0][0]
        == "2022-11-09T14:00Z"
    )


def test_a_window_in_the_skipped_hour_begins_or_ends_with_the_first_instant_after_it() -> None:
    span = ("2022-03-26T22:00Z", "2022-03-27T22:00Z")
    assert opened(layer("{days: [sun], start: '02:15', end: '04:00'}", "Europe/Berlin"), *span) == [
        ("2022-03-27T01:00Z", "2022-03-27T02:00Z")
    ]
    assert opened(layer("{days: [sun], start: '01:00', end: '02:45'}", "Europe/Berlin"), *span) == [
        ("2022-03-27T00:00Z", "2022-03-27T01:00Z")
    ]


def test_a_window_inside_the_skipped_hour_is_none() -> None:
    text = layer("{days: [sun], start: '02:15', end: '02:45'}", "Europe/Berlin")
    assert opened(text, "2022-03-26T22:00Z", "2022-03-27T22:00Z") == []


def test_a_window_ends_with_the_last_pass_also_where_that_is_the_change_itself() -> None:
    span = ("2022-10-29T12:00Z", "2022-10-30T12:00Z")
    assert (
        opened(layer("{start: '22:00', end: '02:30'}", "Europe/Berlin"), *span)[0][1] == "2022-10-30T01:30Z"
    )
    assert (
        opened(layer("{start: '22:00', end: '02:00'}", "Europe/Berlin"), *span)[0][1] == "2022-10-30T01:00Z"
    )
    assert (
        opened(layer("{start: '22:00', end: '03:00'}", "Europe/Berlin"), *span)[0][1] == "2022-10-30T02:00Z"
    )


def test_a_window_of_the_skipped_day_of_apia_is_none_and_one_that_reaches_out_of_it_is_cut() -> None:
    span = ("2011-12-29T12:00Z", "2012-01-01T10:00Z")
    assert opened(layer("{days: [fri], start: '09:00', end: '17:00'}", "Pacific/Apia"), *span) == []
    assert opened(layer("{days: [fri], start: '22:00', end: '06:00'}", "Pacific/Apia"), *span) == [
        ("2011-12-30T10:00Z", "2011-12-30T16:00Z")
    ]
    assert opened(layer("{days: [thu], start: '22:00', end: '06:00'}", "Pacific/Apia"), *span) == [
        ("2011-12-30T08:00Z", "2011-12-30T10:00Z")
    ]


def test_spans_are_those_that_touch_and_are_not_cut() -> None:
    night = (Window(EVERY_DAY, 22 * clock.HOUR, 30 * clock.HOUR),)
    found = windows.spans(night, zones.zone("UTC"), at("2022-11-09T06:00Z"), at("2022-11-09T22:00Z"))
    assert found == []
    found = windows.spans(night, zones.zone("UTC"), at("2022-11-09T05:59Z"), at("2022-11-09T22:01Z"))
    assert [(iso(a), iso(b)) for a, b in found] == [
        ("2022-11-08T22:00Z", "2022-11-09T06:00Z"),
        ("2022-11-09T22:00Z", "2022-11-10T06:00Z"),
    ]
