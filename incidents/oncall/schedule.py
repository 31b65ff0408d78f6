"""The shape of a schedule. Instants are µs since the epoch; wall times are µs too, counted as if the zone were UTC.

`ALWAYS` bounds what has no end, so that every span is a pair of integers.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import NamedTuple

from incidents import clock

STREAM = "oncall"  # of the events about schedules and duty
Group = tuple[str, ...]  # people who are on call together
Span = tuple[int, int]  # [start, end)

FIRST, LAST = -62_000_000_000 * clock.SECOND, 253_000_000_000 * clock.SECOND  # years 5 and 9987
UNITS = ("hour", "day", "week", "month")
ADVANCES = ("calendar", "active_day")
RESOLUTIONS = ("highest_level", "union")
OVERRIDES = ("replace_all", "replace_user", "add_user", "remove_user")
SWAP_STATUSES = ("open", "taken", "past_due", "deleted")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = (True,) * 7
LONGEST_TURN = 9_000  # units


class Rotation(NamedTuple):
    """Turn k starts when the clocks of `zone` first show `start` + k · `length` units; its people are
    `participants[k mod n]`. `start` is wall time; with `elapsed` it is read once, and units are exact lengths.

    `active_day`: only units that start on a weekday of the layer's windows count.
    """

    unit: str
    length: int
    start: int
    participants: tuple[Group, ...]
    zone: str
    active_day: bool = False
    elapsed: bool = False


class Window(NamedTuple):
    """Open on `days` (True a weekday, Monday first) from `start` to `end`, µs after that day's midnight on the wall.

    `end` is more than `start`; beyond 24 h it is the next day's.
    """

    days: tuple[bool, ...]
    start: int
    end: int


class Layer(NamedTuple):
    """People by a rotation or always the same `users`, while a window is open (none: always), in [since, until)."""

    id: str
    zone: str  # of its windows
    level: int = 0
    rotation: Rotation | None = None
    users: Group = ()
    windows: tuple[Window, ...] = ()
    since: int = FIRST
    until: int = LAST


class Override(NamedTuple):
    """`kind` is one of OVERRIDES. `users` is for replace_all, `remove` and `add` for the others."""

    kind: str
    start: int
    end: int
    level: int = 0
    users: Group = ()
    remove: str = ""
    add: str = ""
    name: str = ""  # of one that was made by command


class Swap(NamedTuple):
    """While `taken`, `to` has the time that `giver` would have by the layers."""

    giver: str
    to: str
    start: int
    end: int
    status: str = "taken"
    name: str = ""


class Shift(NamedTuple):
    users: Group
    start: int
    end: int


class Temporary(NamedTuple):
    """In [start, end) these shifts stand in place of layers and overrides, also where there is none."""

    start: int
    end: int
    shifts: tuple[Shift, ...] = ()


class Absence(NamedTuple):
    """Whoever is absent is not on call, whatever names them."""

    user: str
    start: int
    end: int
    why: str = ""
    name: str = ""


class Schedule(NamedTuple):
    name: str
    zone: str = "UTC"
    union: bool = False  # all layers together, instead of the highest level that has somebody
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    swaps: tuple[Swap, ...] = ()
    temporary: tuple[Temporary, ...] = ()
    absences: tuple[Absence, ...] = ()

    def people(self) -> list[str]:
        """Everybody who is named, sorted."""
        found = {user for layer in self.layers for user in layer.users}
        found |= {
            user
            for layer in self.layers
            if layer.rotation
            for group in layer.rotation.participants
            for user in group
        }
        for override in self.overrides:
            found |= {*override.users, override.remove, override.add}
        found |= {user for swap in self.swaps for user in (swap.giver, swap.to)}
        found |= {user for one in self.temporary for shift in one.shifts for user in shift.users}
        found |= {absence.user for absence in self.absences}
        return sorted(found - {""})


Schedules = Mapping[str, Schedule]


class Segment(NamedTuple):
    """The people of [start, end), sorted; nobody is a gap."""

    start: int
    end: int
    people: Group


_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - wall time has no zone
_MICRO = datetime.timedelta(microseconds=1)


def wall_of(moment: datetime.datetime) -> int:
    """Wall µs of a datetime without a zone."""
    return (moment - _EPOCH) // _MICRO


def moment_of(wall: int) -> datetime.datetime:
    return _EPOCH + wall * _MICRO
