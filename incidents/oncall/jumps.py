"""What a change of the clocks does to a schedule: edges at wall times that do not exist or come twice, turns and
windows that get longer or shorter, turns that a gap swallows. The rules are in docs/oncall.md; this says where they
show.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from incidents import clock
from incidents.oncall import rotation as turns
from incidents.oncall import windows
from incidents.oncall.schedule import Group, Layer, Rotation, Schedule, Window
from incidents.oncall.zones import Zone, zone

_SHORT = clock.DAY  # whoever has a longer turn does not notice an hour
_STEP = {"hour": clock.HOUR, "day": clock.DAY, "week": clock.DAY, "month": clock.DAY}


class Jump(NamedTuple):
    """At `at` (µs) the clocks of `zone` jump by `by` µs (negative: back), and `layer` feels it.

    `what`: `start` or `end` of a `thing` (turn, window) stands at the wall time `wall`, which does not exist or comes
    twice, and is at `edge`; `length`: the thing lasts `lasts` instead of `usual`; `lost`: there is none; `moves`: the
    exact turns (`elapsed`) are handed over at another wall time from then on.
    """

    at: int
    zone: str
    by: int
    layer: str
    thing: str
    what: str
    wall: int = 0
    edge: int = 0
    lasts: int = 0
    usual: int = 0
    people: Group = ()

    @property
    def forward(self) -> bool:
        return self.by > 0


def jumps(schedule: Schedule, start: int, end: int) -> list[Jump]:
    """All in [start, end), sorted."""
    found: list[Jump] = []
    for layer in schedule.layers:
        begin, until = max(start, layer.since), min(end, layer.until)
        if begin >= until:
            continue
        if layer.rotation is not None:
            clocks = zone(layer.rotation.zone)
            for change in clocks.changes(begin, until):
                found += _of_turns(layer, layer.rotation, clocks, change)
        if layer.windows:
            clocks = zone(layer.zone)
            for change in clocks.changes(begin, until):
                found += _of_windows(layer, clocks, change)
    return sorted(found)


def _of_turns(layer: Layer, rotation: Rotation, clocks: Zone, change: tuple[int, int, int]) -> Iterator[Jump]:
    at, before, after = change
    about = Jump(at, clocks.name, after - before, layer.id, "turn", "")
    days = windows.days(layer)
    last, first = turns.turn_at(rotation, days, at - 1), turns.turn_at(rotation, days, at)
    if rotation.elapsed:
        if len(rotation.participants) > 1:
            yield about._replace(
                what="moves", edge=first.start if first.start >= at else first.end, people=first.people
            )
        return
    step = rotation.length * clock.HOUR if rotation.unit == "hour" else _STEP[rotation.unit]
    for wall in _walls(rotation.start, step, at, before, after):
        edge = clocks.first(wall)
        turn = turns.turn_at(rotation, days, edge)
        if turn.start == edge and not (about.forward and step < clock.DAY and first.k - last.k > 1):
            yield about._replace(what="start", wall=wall, edge=edge, people=turn.people)
    for k in range(last.k + 1, first.k):
        yield about._replace(what="lost", people=turns.people_of(rotation, k))
    if first.start < at < first.end:
        lasts = first.end - first.start
        usual = lasts + after - before
        if 0 < usual <= _SHORT:
            yield about._replace(
                what="length", lasts=lasts, usual=usual, edge=first.start, people=first.people
            )


def _of_windows(layer: Layer, clocks: Zone, change: tuple[int, int, int]) -> Iterator[Jump]:
    at, before, after = change
    about = Jump(at, clocks.name, after - before, layer.id, "window", "")
    for window in layer.windows:
        for day in _days(window, at, before, after):
            begin, until = day * clock.DAY + window.start, day * clock.DAY + window.end
            first, last = clocks.first(begin), clocks.last(until)
            if first >= last:
                yield about._replace(what="lost", wall=begin, edge=first)
                continue
            if _strange(begin, at, before, after):
                yield about._replace(what="start", wall=begin, edge=first)
            if _strange(until, at, before, after):
                yield about._replace(what="end", wall=until, edge=last)
            usual, lasts = until - begin, last - first
            if first < at < last and usual < _SHORT and lasts != usual:
                yield about._replace(what="length", edge=first, lasts=lasts, usual=usual)


def _days(window: Window, at: int, before: int, after: int) -> list[int]:
    """The days whose window may touch the change."""
    low, high = at + min(before, after), at + max(before, after)
    first = (low - window.end) // clock.DAY
    return [
        day
        for day in range(first, (high - window.start) // clock.DAY + 1)
        if window.days[(day + 3) % 7] and day * clock.DAY + window.end >= low
    ]


def _strange(wall: int, at: int, before: int, after: int) -> bool:
    """Does this wall time not exist, or come twice, by this change?"""
    return at + min(before, after) <= wall < at + max(before, after)


def _walls(start: int, step: int, at: int, before: int, after: int) -> list[int]:
    """The wall times `start` + n · `step` that do not exist or come twice."""
    low, high = at + min(before, after), at + max(before, after)
    return list(range(low + (start - low) % step, high, step))


def words(jump: Jump) -> str:
    """What the change does, in a sentence without a date."""
    clocks = (
        f"the clocks of {jump.zone} go {'forward' if jump.forward else 'back'} {clock.words(abs(jump.by))}"
    )
    whose = f"a {jump.thing} of {jump.layer}"
    if jump.people:
        whose = f"the {jump.thing} of {' and '.join(jump.people)} in {jump.layer}"
    if jump.what == "lost":
        return f"{clocks}: {whose} falls into the skipped time, so there is none"
    if jump.what == "length":
        return f"{clocks}: {whose} lasts {clock.words(jump.lasts)} instead of {clock.words(jump.usual)}"
    shown = time_of(zone(jump.zone).wall(jump.edge))
    if jump.what == "moves":
        return f"{clocks}: {jump.layer} counts exact hours, so it is handed over at {shown} from then on"
    does = "starts" if jump.what == "start" else "ends"
    if jump.forward:
        return f"{clocks}: {whose} {does} at {shown}, because there is no {time_of(jump.wall)}"
    which = "first" if jump.what == "start" else "last"
    return f"{clocks}: {whose} {does} at the {which} of two {time_of(jump.wall)}"


def time_of(wall: int) -> str:
    """The time of day of a wall time: `02:30`."""
    minutes = wall % clock.DAY // clock.MINUTE
    return f"{minutes // 60:02}:{minutes % 60:02}"
