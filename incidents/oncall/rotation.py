"""Whose turn it is: turn k starts when the clocks first show `start` + k · `length` units, for every integer k.

So a rotation has no state, and none of this depends on how far an instant is from `start`. Rules and peers' answers:
docs/oncall.md.
"""

from __future__ import annotations

import datetime
import functools
from bisect import bisect_right
from typing import NamedTuple

from incidents import clock
from incidents.oncall import zones
from incidents.oncall.schedule import DAYS, EVERY_DAY, FIRST, LAST, Group, Rotation, moment_of, wall_of

_WALL = {"hour": clock.HOUR, "day": clock.DAY, "week": 7 * clock.DAY}
_MONDAY = 4 * clock.DAY  # 1970-01-05 was one
_FIRST_MONTH, _LAST_MONTH = 12 * 5, 12 * 9987


class Turn(NamedTuple):
    """Turn `k` of a rotation: [start, end) in µs."""

    k: int
    start: int
    end: int
    people: Group


def turn_at(rotation: Rotation, days: tuple[bool, ...], at: int) -> Turn:
    """The turn of that instant. `days` are the weekdays of the layer's windows."""
    k = number_at(rotation, days, at)
    return Turn(k, start_of(rotation, days, k), start_of(rotation, days, k + 1), people_of(rotation, k))


def people_of(rotation: Rotation, k: int) -> Group:
    return rotation.participants[k % len(rotation.participants)]


def number_at(rotation: Rotation, days: tuple[bool, ...], at: int, high: int | None = None) -> int:
    """The number of that turn; `high` is `reach(at)[0]` in the rotation's zone, where the caller has it."""
    if rotation.elapsed:
        return (at - _anchor(rotation)) // (rotation.length * _WALL[rotation.unit])
    if high is None:
        high = zones.zone(rotation.zone).reach(at)[0]
    if rotation.unit == "month":
        return _months_until(rotation, high) // rotation.length
    step = _WALL[rotation.unit]
    if not _counted(rotation, days):
        return (high - rotation.start) // (step * rotation.length)
    return (
        _week(rotation.unit, rotation.start, days).rank((high - rotation.start) // step)
    ) // rotation.length


def start_of(rotation: Rotation, days: tuple[bool, ...], k: int) -> int:
    """The instant at which turn k begins, never outside of FIRST to LAST."""
    if rotation.elapsed:
        return min(max(_anchor(rotation) + k * rotation.length * _WALL[rotation.unit], FIRST), LAST)
    if rotation.unit == "month":
        wall = _month_after(rotation.start, k * rotation.length)
    elif _counted(rotation, days):
        step = _week(rotation.unit, rotation.start, days).step(k * rotation.length)
        wall = rotation.start + step * _WALL[rotation.unit]
    else:
        wall = rotation.start + k * rotation.length * _WALL[rotation.unit]
    return zones.zone(rotation.zone).first(min(max(wall, FIRST), LAST))


def turns(rotation: Rotation, days: tuple[bool, ...], start: int, end: int) -> list[Turn]:
    """Every turn that touches [start, end), in order. One that a gap of the clocks swallows whole touches nothing."""
    k = number_at(rotation, days, start)
    at = start_of(rotation, days, k)
    found = []
    while at < end:
        after = start_of(rotation, days, k + 1)
        if after > at:
            found.append(Turn(k, at, after, people_of(rotation, k)))
        elif after >= LAST:
            break
        k, at = k + 1, after
    return found


@functools.lru_cache(maxsize=4096)
def _anchor(rotation: Rotation) -> int:
    return zones.zone(rotation.zone).first(rotation.start)


# -- months --------------------------------------------------------------------------------------------------


def _months_until(rotation: Rotation, high: int) -> int:
    """How many whole months after `start` the clocks have shown."""
    begin, now = moment_of(rotation.start), moment_of(high)
    months = 12 * (now.year - begin.year) + now.month - begin.month
    return months if _month_after(rotation.start, months) <= high else months - 1


def _month_after(start: int, months: int) -> int:
    """`start` so many months later, on the same day of the month or the last that there is."""
    begin = moment_of(start)
    number = min(max(12 * begin.year + begin.month - 1 + months, _FIRST_MONTH), _LAST_MONTH)
    year, month = divmod(number, 12)
    return wall_of(begin.replace(year=year, month=month + 1, day=min(begin.day, _days_in(year, month + 1))))


def _days_in(year: int, month: int) -> int:
    after = datetime.date(year + month // 12, month % 12 + 1, 1)
    return (after - datetime.date(year, month, 1)).days


# -- active days ---------------------------------------------------------------------------------------------


def _counted(rotation: Rotation, days: tuple[bool, ...]) -> bool:
    """Are there units that do not count?"""
    return rotation.active_day and rotation.unit in ("hour", "day") and days != EVERY_DAY


class _Week(NamedTuple):
    """Which of the units of one week count, seen from the unit 0: `upto[i]` of the first i, `places` their numbers."""

    upto: tuple[int, ...]
    places: tuple[int, ...]

    def rank(self, step: int) -> int:
        """How many units that count came before the last one that counts up to and with `step`; negative before 0."""
        weeks, rest = divmod(step, len(self.upto) - 1)
        return weeks * len(self.places) + self.upto[rest + 1] - 1

    def step(self, rank: int) -> int:
        """The number of the unit that has this rank."""
        weeks, rest = divmod(rank, len(self.places))
        return weeks * (len(self.upto) - 1) + self.places[rest]


@functools.lru_cache(maxsize=4096)
def _week(unit: str, start: int, days: tuple[bool, ...]) -> _Week:
    step = _WALL[unit]
    active = [days[weekday(start + i * step)] for i in range(7 * clock.DAY // step)]
    places = tuple(i for i, counts in enumerate(active) if counts)
    return _Week(tuple(bisect_right(places, i - 1) for i in range(len(active) + 1)), places)


def weekday(wall: int) -> int:
    """0 is Monday."""
    return (wall - _MONDAY) // clock.DAY % len(DAYS)
