"""Times of any day as a person types them: past or to come, in their zone, also where the clocks jump."""

from __future__ import annotations

import pytest

from incidents import clock
from incidents.errors import BadInput

NOW = clock.parse_iso("2022-11-09T12:00:00Z")


@pytest.mark.parametrize(
    ("typed", "zone", "meant"),
    [
        ("now", "UTC", "2022-11-09T12:00:00Z"),
        ("+3h", "UTC", "2022-11-09T15:00:00Z"),
        ("-10m", "UTC", "2022-11-09T11:50:00Z"),
        (" 14:05 ", "Europe/Berlin", "2022-11-09T13:05:00Z"),
        ("23:30", "America/New_York", "2022-11-10T04:30:00Z"),
        ("2022-11-09", "America/New_York", "2022-11-09T05:00:00Z"),
        ("2022-11-09T18:00", "Asia/Kathmandu", "2022-11-09T12:15:00Z"),
        ("2022-11-09T18:00+01:00", "Asia/Kathmandu", "2022-11-09T17:00:00Z"),
        ("2060-01-01T00:00Z", "UTC", "2060-01-01T00:00:00Z"),
        ("2022-10-30T02:30", "Europe/Berlin", "2022-10-30T00:30:00Z"),  # comes twice: the first
        ("2022-03-27T02:30", "Europe/Berlin", "2022-03-27T01:00:00Z"),  # does not exist: right after
        ("2022-10-02T02:15", "Australia/Lord_Howe", "2022-10-01T15:30:00Z"),  # a gap of half an hour
        ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T10:00:00Z"),  # a day that was skipped whole
        ("2022-11-06", "America/Havana", "2022-11-06T04:00:00Z"),  # midnight comes twice there
    ],
)
def test_a_time_of_any_day_is_understood(typed: str, zone: str, meant: str) -> None:
    assert clock.parse_instant(typed, zone, NOW) == clock.parse_iso(meant)


@pytest.mark.parametrize(
    "typed", ["", "soon", "24:00", "12:61", "+", "-", "+3", "2022-13-01", "12.11.2022", "+1y", "٣:٠٠"]
)
def test_what_is_no_time_is_refused_with_the_forms_there_are(typed: str) -> None:
    with pytest.raises(BadInput) as error:
        clock.parse_instant(typed, "Europe/Berlin", NOW)
    assert error.value.hint


@pytest.mark.parametrize(
    "typed", ["0001-01-01", "1899-12-31T23:59Z", "9000-01-01T00:00Z", "9999-12-31", "0001-01-01T00:00+14:00"]
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Apia", "America/Los_Angeles"])
def test_a_year_that_no_calendar_of_ours_has_is_refused(typed: str, zone: str) -> None:
    with pytest.raises(BadInput, match="too far away"):
        clock.parse_instant(typed, zone, NOW)


def test_a_whole_second_is_the_begin_of_the_one_that_runs_also_before_1970() -> None:
    assert [clock.whole(at) for at in (0, 1, 999_999, 1_000_000, -1)] == [0, 0, 0, 1_000_000, -1_000_000]
