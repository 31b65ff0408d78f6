"""The only reader of time.

Instants are integers: microseconds since 1970-01-01T00:00:00Z ("µs"). A `Reading` is what the clocks said at
one moment; within one boot the monotonic clock decides, because the wall clock may be stepped.
Tests move time through `freeze`; a child process follows `$HOWDAH_TEST_CLOCK_OFFSET` (µs), which moves
the wall clock alone; with `$HOWDAH_TEST_BOOT` it believes to be in another boot, so that the wall clock decides.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import re
import time
import zoneinfo
from collections.abc import Iterator
from typing import NamedTuple

from incidents.errors import BadInput

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_offset = int(os.environ.get("HOWDAH_TEST_CLOCK_OFFSET", "0"))
_frozen: int | None = None


class Reading(NamedTuple):
    """What the clocks said at one moment: wall µs, the boot's id, monotonic µs of that boot."""

    at: int
    boot: str
    mono: int


class Span(NamedTuple):
    """A duration. `micros` is None when the clocks cannot tell; `exact` is False for a wall-clock difference."""

    micros: int | None
    exact: bool


@functools.cache
def boot_id() -> str:
    """The kernel's random id of this boot (proc(5), random/boot_id), or `unknown` where there is none."""
    if boot := os.environ.get("HOWDAH_TEST_BOOT"):
        return boot
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            return f.read().strip()
    except OSError:
        return "unknown"


def read() -> Reading:
    return Reading(wall(), boot_id(), monotonic())


def wall() -> int:
    """Now, in µs since the epoch."""
    return (time.time_ns() // 1000 if _frozen is None else _frozen) + _offset


def monotonic() -> int:
    """µs of the monotonic clock, comparable within one boot and across processes."""
    return time.monotonic_ns() // 1000 if _frozen is None else _frozen


def sleep(micros: int) -> None:
    time.sleep(max(0, micros) / SECOND)


@contextlib.contextmanager
def freeze(at: int) -> Iterator[None]:
    """Hold both clocks at `at` (µs) inside the block; for tests."""
    global _frozen
    before, _frozen = _frozen, at
    try:
        yield
    finally:
        _frozen = before


def advance(micros: int) -> None:
    """Lets so much time pass on frozen clocks."""
    global _frozen
    assert _frozen is not None, "only frozen clocks can be advanced"
    _frozen += micros


def between(start: Reading, end: Reading) -> Span:
    """How long from start to end: same boot by monotonic, else by wall and inexact, negative is unknown."""
    if start.boot == end.boot != "unknown":
        micros = end.mono - start.mono
        return Span(micros if micros >= 0 else None, True)
    micros = end.at - start.at
    return Span(micros if micros >= 0 else None, False)


def iso(at: int, zone: str | None = None, *, precision: str = "microseconds") -> str:
    """RFC 3339 text of an instant: `…Z`, or with the offset of `zone`."""
    moment = datetime.datetime.fromtimestamp(at // SECOND, tz=datetime.UTC) + datetime.timedelta(
        microseconds=at % SECOND
    )
    if zone is None or zone == "UTC":
        return moment.isoformat(timespec=precision).replace("+00:00", "Z")
    return moment.astimezone(find_zone(zone)).isoformat(timespec=precision)


def whole(at: int) -> int:
    """The second in which `at` lies, by its begin."""
    return at - at % SECOND


def parse_iso(text: str) -> int:
    """µs of an RFC 3339 text that carries an offset. Raises BadInput."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a time", hint="write 2022-12-13T18:53:00Z") from None
    if moment.tzinfo is None:
        raise BadInput(f"{text!r} has no offset", hint="add Z or +01:00")
    return _micros(moment)


def find_zone(name: str) -> zoneinfo.ZoneInfo:
    """The IANA zone of that name. Raises BadInput."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(
            f"{name!r} is not a time zone", hint="use an IANA name such as Europe/Berlin"
        ) from None


def local_zone() -> str:
    """The IANA name of this account's zone: $TZ, else /etc/localtime, else /etc/timezone, else UTC.

    $TZ may be a name, or a path to a zone's file (`:/etc/localtime`); other forms (`CET-1CEST`) name no zone.
    """
    name = os.environ.get("TZ", "").lstrip(":")
    for candidate in (_zone_of_file(name) if name.startswith("/") else name, _zone_of_file("/etc/localtime")):
        if candidate and _is_zone(candidate):
            return _canonical(candidate)
    try:
        with open(
            "/etc/timezone", encoding="ascii", errors="replace"
        ) as f:  # where localtime is a copy, no link
            candidate = f.readline().strip()
    except OSError:
        return "UTC"
    return _canonical(candidate) if _is_zone(candidate) else "UTC"


def _zone_of_file(path: str) -> str:
    return os.path.realpath(path).partition("/zoneinfo/")[2]


def _is_zone(name: str) -> bool:
    try:
        find_zone(name)
    except BadInput:
        return False
    return True


def _canonical(name: str) -> str:
    return (
        "UTC"
        if name in ("Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal", "UCT", "Zulu", "Universal")
        else name
    )


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_name(date: str) -> str:
    """`Tue 13 Dec 2022` for `2022-12-13`, in English whatever the locale."""
    day = datetime.date.fromisoformat(date)
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


_UNITS = {"us": 1, "ms": 1000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:us|ms|s|m|h|d|w))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)", re.ASCII)
LONGEST = 10_000 * DAY


def parse_duration(text: str) -> int:
    """µs of `90s`, `5m`, `1h30m`, `250ms`. A number without a unit is refused. Raises BadInput."""
    if not _DURATION.fullmatch(text):
        raise BadInput(f"{text!r} is not a duration", hint="write 90s, 5m or 1h30m")
    micros = sum(_part(number, _UNITS[unit]) for number, unit in _PART.findall(text))
    if micros > LONGEST:
        raise BadInput(f"{text!r} is longer than 10,000 days")
    return micros


def _part(number: str, unit: int) -> int:
    """`1.5` of a unit of µs, exactly; what is finer than a µs is dropped."""
    whole, _, fraction = number.partition(".")
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def words(micros: int | None) -> str:
    """A duration for people: `4.2 s`, `7 min 12 s`, `3 h 5 min`, `2 d 4 h`; None is `unknown`."""
    if micros is None:
        return "unknown"
    if micros < 0:
        return "-" + words(-micros)
    if micros < MINUTE:
        return f"{micros / SECOND:.1f} s" if micros < 10 * SECOND else f"{micros // SECOND} s"
    for big, small, name, subname in (
        (DAY, HOUR, "d", "h"),
        (HOUR, MINUTE, "h", "min"),
        (MINUTE, SECOND, "min", "s"),
    ):
        if micros >= big:
            whole, rest = divmod(micros, big)
            return f"{whole} {name} {rest // small} {subname}" if rest >= small else f"{whole} {name}"
    raise AssertionError("unreachable")


_WALL = re.compile(r"(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}))?", re.ASCII)


def parse_when(text: str, zone: str, now: int) -> int:
    """µs of what a person typed as a time in the past.

    `14:05` is the latest such wall time in `zone` that is not in the future (in a repeated hour the later pass
    that is not in the future); `-10m` counts back from now; RFC 3339 with offset is taken as it is, without
    offset as wall time in `zone`. The future is refused. Raises BadInput.
    """
    at = _parse_when(text.strip(), zone, now)
    if at > now:
        raise BadInput(f"{text} is in the future", hint="an event is recorded when it has happened")
    return at


def _parse_when(text: str, zone: str, now: int) -> int:
    if text == "now":
        return now
    if text.startswith("-"):
        return now - parse_duration(text[1:])
    if match := _WALL.fullmatch(text):
        hour, minute, second = int(match["h"]), int(match["m"]), int(match["s"] or 0)
        if hour > 23 or minute > 59 or second > 59:
            raise BadInput(f"{text!r} is not a time of day", hint="00:00 to 23:59")
        return _latest_wall(datetime.time(hour, minute, second), zone, now, text)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a time", hint="write 14:05, -10m or 2022-12-13T18:53Z") from None
    if moment.tzinfo is not None:
        return _micros(moment)
    passes = [at for at in _wall_passes(moment, zone) if at <= now] or _wall_passes(moment, zone)
    if not passes:
        raise BadInput(
            f"{text} did not exist in {zone}: the clocks went forward over it",
            hint="give it with Z or an offset",
        )
    return passes[-1]


EARLIEST, LATEST = (
    -2_208_988_800 * SECOND,
    221_845_392_000 * SECOND,
)  # 1900 and 9000: all that is ever asked about


def parse_instant(text: str, zone: str, now: int) -> int:
    """µs of what a person typed as a time of any day, past or to come.

    `now`; `+3h` and `-10m` count from now; `14:05` is today's in `zone`; a date is its midnight; RFC 3339 with
    offset is taken as it is, without offset as wall time in `zone`. A wall time that comes twice is its first pass;
    one that does not exist the first instant after it. Raises BadInput.
    """
    typed = text.strip()
    if typed == "now":
        return now
    if typed[:1] in ("+", "-") and typed[1:]:
        micros = parse_duration(typed[1:])
        return _within(now + micros if typed[0] == "+" else now - micros, text)
    if match := _WALL.fullmatch(typed):
        hour, minute, second = int(match["h"]), int(match["m"]), int(match["s"] or 0)
        if hour > 23 or minute > 59 or second > 59:
            raise BadInput(f"{text!r} is not a time of day", hint="00:00 to 23:59")
        today = datetime.datetime.fromtimestamp(now // SECOND, tz=find_zone(zone)).date()
        return first_pass(datetime.datetime.combine(today, datetime.time(hour, minute, second)), zone)
    try:
        moment = datetime.datetime.fromisoformat(typed)
    except ValueError:
        raise BadInput(
            f"{text!r} is not a time", hint="write 2022-11-09T18:00, a date, 14:05, +3h or 2022-11-09T18:00Z"
        ) from None
    if moment.tzinfo is not None:
        return _within(_micros(moment), text)
    if not 1900 <= moment.year < 9000:
        return _within(LATEST + 1, text)
    return _within(first_pass(moment, zone), text)


def first_pass(moment: datetime.datetime, zone: str) -> int:
    """When clocks in `zone` first show this wall time, or have passed it without."""
    passes = _wall_passes(moment, zone)
    if passes:
        return passes[0]
    tz = find_zone(zone)
    low, high = _micros(moment.replace(tzinfo=tz, fold=1)), _micros(moment.replace(tzinfo=tz, fold=0))
    while high - low > SECOND:  # the clocks jump at a whole second between these two
        middle = (low + high) // (2 * SECOND) * SECOND
        shown = datetime.datetime.fromtimestamp(middle // SECOND, tz=tz).replace(tzinfo=None)
        low, high = (low, middle) if shown >= moment else (middle, high)
    return high


def _within(at: int, text: str) -> int:
    if not EARLIEST <= at < LATEST:
        raise BadInput(f"{text!r} is too far away", hint="the years 1900 to 9000 can be asked about")
    return at


def _latest_wall(time_of_day: datetime.time, zone: str, now: int, text: str) -> int:
    today = datetime.datetime.fromtimestamp(now // SECOND, tz=find_zone(zone)).date()
    for back in (0, 1, 2):
        day = today - datetime.timedelta(days=back)
        passes = _wall_passes(datetime.datetime.combine(day, time_of_day), zone)
        past = [at for at in passes if at <= now]
        if past:
            return past[-1]
    raise BadInput(f"{text} cannot be placed in {zone}", hint="give it with Z or an offset")


def _wall_passes(naive: datetime.datetime, zone: str) -> list[int]:
    """The instants at which clocks in `zone` showed `naive`: none in a gap, two in a repeated hour, else one."""
    tz = find_zone(zone)
    found = set()
    for fold in (0, 1):
        moment = naive.replace(tzinfo=tz, fold=fold)
        back = moment.astimezone(datetime.UTC).astimezone(tz).replace(tzinfo=None)
        if back == naive:
            found.add(_micros(moment))
    return sorted(found)


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _micros(moment: datetime.datetime) -> int:
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
