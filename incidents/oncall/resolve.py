"""The answer: who is on call at an instant, and in which segments over a span.

In this order, each on what the one before gave: the people of each layer by turn and window; taken swaps; absences;
the highest level that has somebody (or the union of all); overrides, the higher level last. A temporary schedule
stands in place of all of it. Who is absent is never in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from incidents.oncall import applied, windows
from incidents.oncall import rotation as turns
from incidents.oncall.schedule import Absence, Group, Layer, Override, Schedule, Segment, Swap, Temporary
from incidents.oncall.spans import Spans
from incidents.oncall.zones import Zone, zone


class Standing(NamedTuple):
    """A layer as it stands at an instant. `by_turn` are the people of its turn, `people` those after swaps and
    absences; `open` says whether a window is, `within` whether the instant lies in its [since, until)."""

    layer: Layer
    within: bool
    open: bool
    turn: turns.Turn | None
    by_turn: Group
    people: Group


class Explanation(NamedTuple):
    """Why these are the people: what each stage had to say. `hidden` are the layers that gave nobody to the answer
    although they had somebody."""

    at: int
    temporary: tuple[Temporary, ...]
    layers: tuple[Standing, ...]
    hidden: tuple[Layer, ...]
    by_layers: Group
    swaps: tuple[Swap, ...]
    absences: tuple[Absence, ...]
    overrides: tuple[Override, ...]
    people: Group


class _Ready(NamedTuple):
    """A layer with what is asked of it again and again."""

    layer: Layer
    zone: Zone
    turning: Zone
    days: tuple[bool, ...]
    groups: tuple[Group, ...]  # of its turns, or its fixed people alone; sorted


class Resolver:
    """One schedule, made ready for many questions. Instants are µs; people come sorted."""

    def __init__(self, schedule: Schedule):
        self.schedule = schedule
        self._layers = [_ready(layer) for layer in schedule.layers]
        self._swaps = Spans([swap for swap in schedule.swaps if swap.status == "taken"])
        self._absences = Spans(schedule.absences)
        self._overrides = Spans(sorted(schedule.overrides, key=applied.rank))
        self._temporary = Spans(schedule.temporary)

    def on_call(self, at: int) -> Group:
        absent = applied.absent_at(self._absences, at)
        if self._temporary and (standing := self._temporary.at(at)):
            return tuple(sorted(applied.of_temporary(standing, at) - absent))
        swaps = self._swaps.at(at)
        overrides = applied.counting(self._overrides.at(at)) if self._overrides else []
        readings: dict[Zone, tuple[int, int]] = {}
        levels: dict[int, set[str]] = {}
        for ready in self._layers:
            people = self._people(ready, at, readings)
            if swaps:
                people = applied.swapped(people, swaps)
            if absent:
                people = tuple(applied.present(people, absent, overrides))
            if people:
                level = 0 if self.schedule.union else ready.layer.level
                levels.setdefault(level, set()).update(people)
        found = levels[max(levels)] if levels else set()
        if overrides:
            found = applied.overridden(found, overrides, absent)
        return tuple(sorted(found))

    def _people(self, ready: _Ready, at: int, readings: dict[Zone, tuple[int, int]]) -> Group:
        layer = ready.layer
        if not layer.since <= at < layer.until:
            return ()
        if layer.windows:
            reach = readings.get(ready.zone)
            if reach is None:
                reach = readings[ready.zone] = ready.zone.reach(at)
            if not windows.open_at(layer.windows, reach[0], reach[1]):
                return ()
        rotation = layer.rotation
        if rotation is None:
            return layer.users
        reach = readings.get(ready.turning)
        if reach is None:
            reach = readings[ready.turning] = ready.turning.reach(at)
        return turns.people_of(rotation, turns.number_at(rotation, ready.days, at, reach[0]))

    def explain(self, at: int) -> Explanation:
        absences, swaps, overrides = self._absences.at(at), self._swaps.at(at), self._overrides.at(at)
        absent = {absence.user for absence in absences}
        counting = applied.counting(overrides)
        standing = [self._standing(ready, at, swaps, absent, counting) for ready in self._layers]
        manned = [one for one in standing if one.people]
        top = max((one.layer.level for one in manned), default=0)
        shown = manned if self.schedule.union else [one for one in manned if one.layer.level == top]
        by_layers = {user for one in shown for user in one.people}
        return Explanation(
            at,
            tuple(self._temporary.at(at)),
            tuple(standing),
            tuple(one.layer for one in manned if one not in shown),
            tuple(sorted(by_layers)),
            tuple(swaps),
            tuple(absences),
            tuple(overrides),
            self.on_call(at),
        )

    def _standing(
        self, ready: _Ready, at: int, swaps: Sequence[Swap], absent: set[str], overrides: Sequence[Override]
    ) -> Standing:
        layer = ready.layer
        turn = turns.turn_at(layer.rotation, ready.days, at) if layer.rotation else None
        by_turn = turn.people if turn else layer.users
        people = self._people(ready, at, {})
        left = tuple(applied.present(applied.swapped(people, swaps), absent, overrides))
        within = layer.since <= at < layer.until
        return Standing(
            layer, within, windows.open_at(layer.windows, *ready.zone.reach(at)), turn, by_turn, left
        )

    def shifts(self, start: int, end: int) -> list[Segment]:
        """The final schedule over the whole of [start, end), neighbours with equal people joined."""
        if start >= end:
            return []
        absences, swaps = self._absences.touching(start, end), self._swaps.touching(start, end)
        overrides = self._overrides.touching(start, end)
        layers = []
        for ready in self._layers:
            pieces = applied.swapped_pieces(self._pieces(ready, start, end), swaps)
            pieces = applied.without(pieces, absences, overrides)
            layers.append((0 if self.schedule.union else ready.layer.level, pieces))
        found = applied.top(layers, start, end)
        if overrides:
            found = list(applied.overridden_pieces(found, Spans(overrides), Spans(absences)))
        if temporary := self._temporary.touching(start, end):
            found = applied.without(list(applied.replaced(found, Spans(temporary))), absences)
        return applied.joined(found)

    def _pieces(self, ready: _Ready, start: int, end: int) -> list[Segment]:
        """Where this layer has somebody in [start, end), by turn and window."""
        layer, groups = ready.layer, ready.groups
        start, end = max(start, layer.since), min(end, layer.until)
        if start >= end:
            return []
        spans = windows.spans(layer.windows, ready.zone, start, end) if layer.windows else [(start, end)]
        if layer.rotation is None:
            turning = [(start, end, groups[0])]
        else:
            touching = turns.turns(layer.rotation, ready.days, start, end) if spans else []
            turning = [(turn.start, turn.end, groups[turn.k % len(groups)]) for turn in touching]
        found, i = [], 0
        for begin, until, people in turning:
            begin, until = max(begin, start), min(until, end)
            while i < len(spans) and spans[i][0] < until:
                a, b = spans[i]
                if b > begin and people:
                    found.append(Segment(a if a > begin else begin, b if b < until else until, people))
                if b > until:
                    break
                i += 1
        return found

    def handoffs(self, start: int, end: int) -> dict[str, list[int]]:
        """By layer, every edge of every turn that touches [start, end), sorted; a layer without rotation has none."""
        found: dict[str, list[int]] = {}
        for ready in self._layers:
            rotation = ready.layer.rotation
            touching = turns.turns(rotation, ready.days, start, end) if rotation and start < end else []
            found[ready.layer.id] = sorted({edge for turn in touching for edge in (turn.start, turn.end)})
        return found


def _ready(layer: Layer) -> _Ready:
    own, rotation = zone(layer.zone), layer.rotation
    groups = tuple(
        tuple(sorted(set(group))) for group in (rotation.participants if rotation else (layer.users,))
    )
    return _Ready(layer, own, zone(rotation.zone) if rotation else own, windows.days(layer), groups)
