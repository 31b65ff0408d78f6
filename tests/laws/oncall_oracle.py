"""Who is on call, by walking: an oracle written from docs/oncall.md and from nothing else.

It reads the wall clock of every zone through zoneinfo at every minute of UTC, and decides from these readings alone:
when a wall time is shown first and last, which turn it is, which windows are open. Everything is in whole minutes.
It is slow, and it has no idea of offsets, transitions or segments: where it and the code agree, they agree about the
rules.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import zoneinfo
from collections.abc import Iterator
from typing import NamedTuple

from incidents.oncall.schedule import Layer, Override, Rotation, Schedule, Window

MINUTE = 60_000_000  # µs
HOUR, DAY, WEEK = 60, 1440, 10_080  # minutes
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - wall time has no zone


# -- what the clocks show ---------------------------------------------------------------------------------------


class Readings(NamedTuple):
    """What the clocks of one zone show at each minute of one day of UTC."""

    shown: list[int]
    first: dict[int, int]  # wall minute -> the first minute of that day which shows it
    last: dict[int, int]


@functools.lru_cache(maxsize=4_000)
def readings(zone: str, day: int) -> Readings:
    tz = zoneinfo.ZoneInfo(zone)
    shown = []
    for minute in range(day * DAY, (day + 1) * DAY):
        moment = datetime.datetime.fromtimestamp(minute * 60, tz)
        shown.append(moment.toordinal() * DAY - 719_163 * DAY + moment.hour * HOUR + moment.minute)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for minute, wall in enumerate(shown, day * DAY):
        first.setdefault(wall, minute)
        last[wall] = minute
    return Readings(shown, first, last)


def first(zone: str, wall: int) -> int:
    """The minute at which the clocks first show it; where they never do, the first one after the gap."""
    found = [
        readings(zone, day).first[wall] for day in _days_about(wall) if wall in readings(zone, day).first
    ]
    return min(found) if found else _after_gap(zone, wall)


def last(zone: str, wall: int) -> int:
    """The minute at which the clocks show it for the last time; where they never do, the first one after the gap."""
    found = [readings(zone, day).last[wall] for day in _days_about(wall) if wall in readings(zone, day).last]
    return max(found) if found else _after_gap(zone, wall)


def _days_about(wall: int) -> range:
    return range(wall // DAY - 1, wall // DAY + 2)


@functools.lru_cache(maxsize=4_000)
def _after_gap(zone: str, wall: int) -> int:
    before = None
    for day in range(wall // DAY - 2, wall // DAY + 3):
        for minute, shown in enumerate(readings(zone, day).shown, day * DAY):
            if before is not None and before < wall < shown:
                return minute
            before = shown
    raise AssertionError(f"{zone} neither shows nor skips the wall minute {wall}")


# -- turns ------------------------------------------------------------------------------------------------------


def turn_starts(rotation: Rotation, days: set[int], start: int, end: int) -> list[tuple[int, int]]:
    """(minute, k) of each turn's start, in order: from one that begins at or before `start` to one after `end`."""
    found: list[tuple[int, int]] = []
    for k, wall in _walls(rotation, days, start, end):
        found.append((_begins(rotation, wall), k))
    assert found[0][0] <= start and found[-1][0] > end
    return found


def _begins(rotation: Rotation, wall: int) -> int:
    """With `elapsed` the wall times are counted from the first turn's as if the clocks never changed."""
    if not rotation.elapsed:
        return first(rotation.zone, wall)
    anchor = rotation.start // MINUTE
    return first(rotation.zone, anchor) + (wall - anchor)


def _walls(rotation: Rotation, days: set[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Each k with the wall minute `start` + k · `length` units, from two days and a turn before `start` on."""
    low, high = start - 2 * DAY, end + 2 * DAY
    before: tuple[int, int] | None = None
    for k, wall in _all_walls(rotation, days, low):
        if wall < low:
            before = k, wall
            continue
        if before:
            yield before
            before = None
        yield k, wall
        if wall > high:
            return


def _all_walls(rotation: Rotation, days: set[int], low: int) -> Iterator[tuple[int, int]]:
    """Turn after turn, beginning with one whose wall time is under `low`, or long before."""
    anchor = rotation.start // MINUTE
    if rotation.unit == "month":
        years = (anchor - low) // (365 * DAY) + 2 if low <= anchor else 0
        k = -(12 * years // rotation.length + 1)
        while True:
            yield k, months_later(anchor, k * rotation.length)
            k += 1
    unit = {"hour": HOUR, "day": DAY, "week": WEEK}[rotation.unit]
    if rotation.active_day and unit < WEEK:
        yield from _active_walls(anchor, unit, rotation.length, days, low)
        return
    k = (low - anchor) // (unit * rotation.length) - 1
    while True:
        yield k, anchor + k * unit * rotation.length
        k += 1


def _active_walls(anchor: int, unit: int, length: int, days: set[int], low: int) -> Iterator[tuple[int, int]]:
    """Only units that start on one of `days` count. Unit 0 is the first that counts, at the start or after it."""
    in_a_week = sum(weekday(anchor + i * unit) in days for i in range(WEEK // unit))
    # In whole weeks to a turn before `low`; `length` weeks hold a whole number of turns.
    weeks = length * ((low - anchor) // (length * WEEK) - 1)
    number, wall = weeks * in_a_week, anchor + weeks * WEEK
    while True:
        if weekday(wall) in days:
            if number % length == 0:
                yield number // length, wall
            number += 1
        wall += unit


def months_later(wall: int, months: int) -> int:
    moment = _EPOCH + datetime.timedelta(minutes=wall)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in (moment.day, 30, 29, 28):
        if day <= moment.day:
            try:
                later = moment.replace(year=year, month=month + 1, day=day)
            except ValueError:
                continue
            return (later - _EPOCH) // datetime.timedelta(minutes=1)
    raise AssertionError("every month has 28 days")


def weekday(wall: int) -> int:
    """0 is Monday."""
    return (_EPOCH + datetime.timedelta(minutes=wall)).weekday()


# -- layers -----------------------------------------------------------------------------------------------------


def named_days(layer: Layer) -> set[int]:
    """The weekdays that its windows name."""
    if not layer.windows:
        return set(range(7))
    return {day for window in layer.windows for day in range(7) if window.days[day]}


def open_minutes(layer: Layer, start: int, end: int) -> list[bool]:
    found = [not layer.windows] * (end - start)
    for window in layer.windows:
        for opens, closes in _openings(window, layer.zone, start, end):
            for minute in range(max(opens, start), min(closes, end)):
                found[minute - start] = True
    return found


def _openings(window: Window, zone: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Of every date about the span whose weekday is one of the window's."""
    for date in range(start // DAY - 4, end // DAY + 4):
        if window.days[weekday(date * DAY)]:
            opens = date * DAY + window.start // MINUTE
            closes = date * DAY + window.end // MINUTE
            yield first(zone, opens), last(zone, closes)


def layer_people(layer: Layer, start: int, end: int) -> list[frozenset[str]]:
    """Who has it by turn and window, minute by minute; swaps and absences come later."""
    is_open = open_minutes(layer, start, end)
    turns = turn_starts(layer.rotation, named_days(layer), start, end) if layer.rotation else []
    groups = [
        frozenset(group) for group in (layer.rotation.participants if layer.rotation else [layer.users])
    ]
    found, turn, nobody, people = [], -1, frozenset[str](), groups[0]
    for minute in range(start, end):
        while turns and turns[turn + 1][0] <= minute:
            turn += 1
            people = groups[turns[turn][1] % len(groups)]
        counts = is_open[minute - start] and layer.since <= minute * MINUTE < layer.until
        found.append(people if counts else nobody)
    return found


# -- the answer -------------------------------------------------------------------------------------------------


def on_call(schedule: Schedule, start: int, end: int) -> list[tuple[str, ...]]:
    """The people of each minute of [start, end)."""
    layers = [layer_people(layer, start, end) for layer in schedule.layers]
    shifts = tuple(shift for one in schedule.temporary for shift in one.shifts)
    changes = (schedule.overrides, schedule.swaps, schedule.temporary, shifts, schedule.absences)
    spans = [(one.start // MINUTE, one.end // MINUTE) for group in changes for one in group]
    known: dict[object, tuple[str, ...]] = {}
    found = []
    for minute in range(start, end):
        by_layer = tuple([people[minute - start] for people in layers])
        key = by_layer, tuple([a <= minute < b for a, b in spans])
        if key not in known:
            known[key] = _answer(schedule, minute * MINUTE, by_layer)
        found.append(known[key])
    return found


def _answer(schedule: Schedule, at: int, by_layer: tuple[frozenset[str], ...]) -> tuple[str, ...]:
    absent = {one.user for one in schedule.absences if one.start <= at < one.end}
    temporary = [one for one in schedule.temporary if one.start <= at < one.end]
    if temporary:
        shifts = [shift for one in temporary for shift in one.shifts if shift.start <= at < shift.end]
        return tuple(sorted({user for shift in shifts for user in shift.users} - absent))
    had = [(layer.level, _present(schedule, at, _swapped(schedule, at, people), absent))
           for layer, people in zip(schedule.layers, by_layer, strict=True)]  # fmt: skip
    manned = [level for level, people in had if people]
    counted = {
        user for level, people in had if schedule.union or level == max(manned, default=0) for user in people
    }
    return tuple(sorted(_overridden(schedule, at, counted, absent)))


def _swapped(schedule: Schedule, at: int, people: frozenset[str]) -> set[str]:
    has = set(people)
    for swap in schedule.swaps:
        if swap.status == "taken" and swap.start <= at < swap.end and swap.giver in has:
            has = (has - {swap.giver}) | {swap.to}
    return has


def _counting(schedule: Schedule, at: int) -> list[Override]:
    """Of two that take the same person away only the higher level counts."""
    standing = [one for one in schedule.overrides if one.start <= at < one.end]
    return [
        one
        for one in standing
        if not one.remove
        or not any(other.remove == one.remove and other.level > one.level for other in standing)
    ]


def _present(schedule: Schedule, at: int, people: set[str], absent: set[str]) -> set[str]:
    """Who is absent is replaced where an override says by whom, else missing."""
    found = people - absent
    for one in _counting(schedule, at):
        if one.kind == "replace_user" and one.remove in people & absent:
            found = found | ({one.add} - absent)
    return found


def _overridden(schedule: Schedule, at: int, people: set[str], absent: set[str]) -> set[str]:
    standing = _counting(schedule, at)
    for level in sorted({one.level for one in standing}):
        people = _one_level([one for one in standing if one.level == level], people, absent)
    return people


def _one_level(standing: list[Override], people: set[str], absent: set[str]) -> set[str]:
    """Who is absent is not put back, not even for the next rule to take away."""
    of_kind = {
        kind: [one for one in standing if one.kind == kind]
        for kind in ("replace_all", "replace_user", "remove_user", "add_user")
    }
    if of_kind["replace_all"]:
        people = {user for one in of_kind["replace_all"] for user in one.users} - absent
    for one in of_kind["replace_user"]:
        if one.remove in people:
            people = (people - {one.remove}) | ({one.add} - absent)
    people = people - {one.remove for one in of_kind["remove_user"]}
    return people | ({one.add for one in of_kind["add_user"]} - absent)


def handoffs(schedule: Schedule, start: int, end: int) -> dict[str, list[int]]:
    """By layer the edges of every turn of some length that touches [start, end)."""
    found = {}
    for layer in schedule.layers:
        edges: set[int] = set()
        if layer.rotation:
            turns = turn_starts(layer.rotation, named_days(layer), start, end)
            for (begins, _), (ends, _) in itertools.pairwise(turns):
                if begins < ends and begins < end and ends > start:
                    edges |= {begins, ends}
        found[layer.id] = sorted(edges)
    return found
