"""The feed is a calendar that others read; an event keeps its name while its times move."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import icalendar
import pytest

from incidents import clock
from incidents.errors import BadInput
from incidents.oncall import feed
from incidents.oncall.feed import Duty
from tests.incidents.oncall.asking import at, iso, resolver

NOW = at("2022-11-09T12:00Z")


def duties(text: str, now: int = NOW) -> list[Duty]:
    since = now - feed.HISTORY
    schedule = resolver(text)
    zone, until = schedule.schedule.zone, now + 5 * 7 * clock.DAY
    segments = schedule.shifts(*feed.window(zone, since, until))
    return feed.duties("infra", zone, segments, since=since, until=until)


def weekly(start: str, more: str = "") -> str:
    return (
        f'{{timezone: Europe/Berlin, layers: [{{id: a, rotation: {{unit: week, start: "{start}",'
        f" participants: [[ada, bob], [cyd]]}}}}]{more}}}"
    )


def by_uid(found: list[Duty]) -> dict[str, tuple[str, str]]:
    return {one.uid: (iso(one.start), iso(one.end)) for one in found}


def test_each_person_of_a_shift_has_an_event_named_by_the_day_on_which_it_begins() -> None:
    found = by_uid(duties(weekly("2022-11-07T09:00")))
    assert found["infra-ada-20221107@howdah"] == ("2022-11-07T08:00Z", "2022-11-14T08:00Z")
    assert found["infra-bob-20221107@howdah"] == found["infra-ada-20221107@howdah"]
    assert found["infra-cyd-20221114@howdah"] == ("2022-11-14T08:00Z", "2022-11-21T08:00Z")


def test_a_feed_that_is_read_again_has_the_same_names_also_weeks_later() -> None:
    first, later = (
        duties(weekly("2022-11-07T09:00")),
        duties(weekly("2022-11-07T09:00"), NOW + 3 * 7 * clock.DAY),
    )
    alive = {one.uid for one in first if one.end > NOW}
    assert alive <= {one.uid for one in later}
    kept = by_uid(first).items() & by_uid(later).items()
    assert len(kept) >= len(alive)


def test_a_feed_that_is_read_a_second_later_has_every_event_as_it_was() -> None:
    for text in (weekly("2022-11-07T09:00"), "{layers: [{id: a, users: [ada]}]}"):
        assert duties(text) == duties(text, NOW + clock.SECOND)


def test_the_last_shift_of_a_feed_is_whole() -> None:
    monthly = (
        '{layers: [{id: a, rotation: {unit: month, start: "2022-11-01T09:00", participants: [ada, bob]}}]}'
    )
    last = max(duties(monthly), key=lambda one: one.start)
    assert (iso(last.start), iso(last.end)) == ("2022-12-01T09:00Z", "2023-01-01T09:00Z")


def test_a_shift_whose_hours_move_keeps_its_name() -> None:
    before, after = (by_uid(duties(weekly(start))) for start in ("2022-11-07T09:00", "2022-11-07T11:30"))
    assert before.keys() == after.keys()
    assert after["infra-ada-20221107@howdah"] == ("2022-11-07T10:30Z", "2022-11-14T10:30Z")


def test_two_shifts_that_begin_on_one_day_have_two_names() -> None:
    more = ', overrides: [{kind: remove_user, remove: ada, start: "2022-11-07T10:00:00Z", end: "2022-11-07T12:00:00Z"}]'
    found = by_uid(duties(weekly("2022-11-07T09:00", more)))
    assert found["infra-ada-20221107@howdah"] == ("2022-11-07T08:00Z", "2022-11-07T10:00Z")
    assert found["infra-ada-20221107-2@howdah"] == ("2022-11-07T12:00Z", "2022-11-14T08:00Z")


def test_who_is_on_call_for_ever_has_one_event_that_never_gets_another_name() -> None:
    always = "{layers: [{id: a, users: [ada]}]}"
    names = {one.uid for now in (NOW, NOW + 90 * clock.DAY) for one in duties(always, now)}
    assert names == {"infra-ada-always@howdah"}


def test_what_is_long_over_is_left_out_and_what_was_last_week_is_not() -> None:
    found = duties(weekly("2022-11-07T09:00"))
    assert min(one.end for one in found) > NOW - feed.HISTORY
    assert any(one.end < NOW for one in found)


def test_a_reader_of_calendars_reads_the_feed() -> None:
    made = duties(weekly("2022-11-07T09:00"))
    text = feed.calendar(made, "on call: infra", NOW)
    assert text.startswith("BEGIN:VCALENDAR\r\n") and text.endswith("END:VCALENDAR\r\n")
    read: Any = icalendar.Calendar.from_ical(text)
    assert str(read["x-wr-calname"]) == "on call: infra" and str(read["version"]) == "2.0"
    events = {str(one["uid"]): one for one in read.walk("VEVENT")}
    assert events.keys() == {one.uid for one in made}
    one = events["infra-cyd-20221114@howdah"]
    assert one["dtstart"].dt == datetime.datetime(2022, 11, 14, 8, tzinfo=datetime.UTC)
    assert one["dtend"].dt == datetime.datetime(2022, 11, 21, 8, tzinfo=datetime.UTC)
    assert str(one["summary"]) == "cyd on call: infra"
    assert one["dtstamp"].dt == datetime.datetime(2022, 11, 9, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize("name", ["a,b;c", "x" * 200, "日勤"])
def test_a_title_of_any_letters_comes_back_as_it_was(name: str) -> None:
    read: Any = icalendar.Calendar.from_ical(feed.calendar([], name, NOW))
    assert str(read["x-wr-calname"]) == name


def test_without_the_library_it_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "icalendar", None)
    with pytest.raises(BadInput) as error:
        feed.calendar([], "x", NOW)
    assert error.value.hint == "pip install 'howdah[calendar]'"
