"""What the clocks of a zone show, as integers: first and last passes, gaps, and the two readings that never go back."""

from __future__ import annotations

import datetime
import importlib.resources
import os
import struct
import zoneinfo
from typing import NamedTuple

import pytest

from incidents import clock
from incidents.errors import BadInput
from incidents.oncall import zones
from incidents.oncall.schedule import wall_of

MICRO = datetime.timedelta(microseconds=1)
FROM, TO = (int(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC).timestamp()) for year in (1970, 2037))


def instant(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * clock.SECOND


def wall(text: str) -> int:
    return wall_of(datetime.datetime.fromisoformat(text))


class Pass(NamedTuple):
    zone: str
    shown: str
    first: str
    last: str


PASSES = (
    Pass("Europe/Berlin", "2022-10-30T01:59", "2022-10-29T23:59Z", "2022-10-29T23:59Z"),
    Pass("Europe/Berlin", "2022-10-30T02:00", "2022-10-30T00:00Z", "2022-10-30T01:00Z"),
    Pass("Europe/Berlin", "2022-10-30T02:30", "2022-10-30T00:30Z", "2022-10-30T01:30Z"),
    Pass("Europe/Berlin", "2022-10-30T03:00", "2022-10-30T02:00Z", "2022-10-30T02:00Z"),
    Pass("Europe/Berlin", "2022-03-27T02:00", "2022-03-27T01:00Z", "2022-03-27T01:00Z"),
    Pass("Europe/Berlin", "2022-03-27T02:30", "2022-03-27T01:00Z", "2022-03-27T01:00Z"),
    Pass("Europe/Berlin", "2022-03-27T03:00", "2022-03-27T01:00Z", "2022-03-27T01:00Z"),
    Pass("Australia/Lord_Howe", "2022-04-03T01:30", "2022-04-02T14:30Z", "2022-04-02T15:00Z"),
    Pass("Australia/Lord_Howe", "2022-10-02T02:15", "2022-10-01T15:30Z", "2022-10-01T15:30Z"),
    Pass("America/St_Johns", "1988-10-29T22:01", "1988-10-29T23:31Z", "1988-10-30T01:31Z"),  # two hours back
    Pass("America/St_Johns", "2010-11-06T23:30", "2010-11-07T02:00Z", "2010-11-07T03:00Z"),
    Pass("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00Z", "2011-12-30T10:00Z"),  # a day that never was
    Pass("Pacific/Kwajalein", "1993-08-21T08:00", "1993-08-21T12:00Z", "1993-08-21T12:00Z"),
    Pass("UTC", "2022-10-30T02:30", "2022-10-30T02:30Z", "2022-10-30T02:30Z"),
)  # fmt: skip


@pytest.mark.parametrize("case", PASSES, ids=lambda case: f"{case.zone} {case.shown}")
def test_a_wall_time_has_a_first_and_a_last_pass_and_in_a_gap_both_are_the_instant_after_it(
    case: Pass,
) -> None:
    zone = zones.zone(case.zone)
    assert zone.first(wall(case.shown)) == instant(case.first)
    assert zone.last(wall(case.shown)) == instant(case.last)


def test_an_unknown_zone_is_told() -> None:
    with pytest.raises(BadInput):
        zones.zone("Europe/Atlantis")


def test_what_the_clocks_show_is_what_zoneinfo_says_hour_by_hour() -> None:
    for name in ("Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"):
        zone, tz = zones.zone(name), zoneinfo.ZoneInfo(name)
        for hour in range(instant("2009-01-01T00:00Z"), instant("2013-01-01T00:00Z"), clock.HOUR):
            shown = datetime.datetime.fromtimestamp(hour // clock.SECOND, tz).replace(tzinfo=None)
            assert zone.wall(hour) == wall_of(shown), (name, shown)


# -- all zones, beside the tables of their files ----------------------------------------------------------------


def table_of(name: str) -> list[tuple[int, int, int]]:
    """(second, offset before, offset after) of each change from 1970 to 2036, read from the zone's own file (RFC 8536)."""
    data = _file_of(name)
    times, types = struct.unpack(">4s16x6l", data[:44])[4:6]
    isut, isstd, leap = struct.unpack(">3l", data[20:32])
    chars = struct.unpack(">l", data[40:44])[0]
    data = data[44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut :]  # past the block of 32 bits
    times, types = struct.unpack(">2l", data[32:40])
    at = struct.unpack(f">{times}q", data[44 : 44 + times * 8])
    of = data[44 + times * 8 : 44 + times * 9]
    offsets = [struct.unpack(">l", data[44 + times * 9 + i * 6 :][:4])[0] for i in range(types)]
    found, before = [], offsets[0]
    for second, number in zip(at, of, strict=True):
        if FROM <= second < TO and offsets[number] != before:
            found.append((second, before, offsets[number]))
        before = offsets[number]
    return found


def _file_of(name: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    return importlib.resources.files("tzdata.zoneinfo").joinpath(name).read_bytes()


NAMES = sorted(name for name in zoneinfo.available_timezones() if name not in ("Factory", "localtime"))


def has_the_changes_of_its_table(name: str) -> None:
    found = zones.Zone(name).changes(FROM * clock.SECOND, TO * clock.SECOND)
    assert [(at // clock.SECOND, a // clock.SECOND, b // clock.SECOND) for at, a, b in found] == table_of(
        name
    )


def keeps_the_laws(name: str) -> None:
    """Around each change: first, last and reach are monotone, and say the same of every wall time and instant; what
    `plain` says is shown once is."""
    zone = zones.Zone(name)
    for at, before, after in zone.changes(FROM * clock.SECOND, TO * clock.SECOND):
        edges = {at, at + after - before, at - after + before}
        instants = sorted({e + off for e in edges for off in (-clock.HOUR, -1, 0, 1, 17 * clock.MINUTE)})
        walls = sorted({t + offset + off for t in edges for offset in (before, after) for off in (-1, 0, 1)})
        firsts, lasts = [zone.first(w) for w in walls], [zone.last(w) for w in walls]
        reaches = [zone.reach(t) for t in instants]
        assert firsts == sorted(firsts) and lasts == sorted(lasts), (name, at)
        assert reaches == sorted(reaches, key=lambda r: r[0]) == sorted(reaches, key=lambda r: r[1]), (
            name,
            at,
        )
        for w, first, last in zip(walls, firsts, lasts, strict=True):
            assert first <= last, (name, at, w)
            low, high, offset = zone.plain(w)
            for plain in (low, high - 1, w):
                if low <= plain < high:
                    assert zone.first(plain) == zone.last(plain) == plain - offset, (name, at, w, plain)
            for t, (high, low) in zip(instants, reaches, strict=True):
                assert (first <= t) == (w <= high), (name, w, t)
                assert (last > t) == (w > low), (name, w, t)


@pytest.mark.parametrize("name", NAMES[::25])
def test_the_changes_of_a_zone_are_those_of_its_file_and_its_readings_keep_the_laws(name: str) -> None:
    has_the_changes_of_its_table(name)
    keeps_the_laws(name)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(10))
def test_the_changes_of_all_zones_are_those_of_their_files(part: int) -> None:
    for name in NAMES[part::10]:
        has_the_changes_of_its_table(name)
        keeps_the_laws(name)
