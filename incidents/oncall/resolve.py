"""The answer: who is on call at an instant, and in which segments over a span.

In this order, each on what the one before gave: the people of each layer by turn and window; taken swaps; absences;
the highest level that has somebody (or the union of all); overrides, the higher level last. A temporary schedule
stands in place of all of it. Who is absent is never in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from incidents.oncall import rotation as turns
from incidents.oncall import windows
from incidents.oncall.schedule import Absence, Group, Layer, Override, Schedule, Segment, Swap, Temporary
from incidents.oncall.spans import Spans
from incidents.oncall.zones import Zone, zone

_IN_A_LEVEL = {
    kind: number for number, kind in enumerate(("replace_all", "replace_user", "remove_user", "add_user"))
}


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
        self._overrides = Spans(sorted(schedule.overrides, key=_rank))
        self._temporary = Spans(schedule.temporary)

    def on_call(self, at: int) -> Group:
        absent = _absent(self._absences, at)
        if self._temporary and (standing := self._temporary.at(at)):
            return tuple(sorted(_of_temporary(standing, at) - absent))
        swaps = self._swaps.at(at)
        readings: dict[Zone, tuple[int, int]] = {}
        levels: dict[int, set[str]] = {}
        for ready in self._layers:
            people = self._people(ready, at, readings)
            if swaps:
                people = swapped(people, swaps)
            if people:
                level = 0 if self.schedule.union else ready.layer.level
                levels.setdefault(level, set()).update(people)
        if absent:
            levels = {level: left for level, people in levels.items() if (left := people - absent)}
        found = levels[max(levels)] if levels else set()
        if self._overrides and (overrides := self._overrides.at(at)):
            found = overridden(found, overrides, absent)
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
        standing = [self._standing(ready, at, swaps, absent) for ready in self._layers]
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

    def _standing(self, ready: _Ready, at: int, swaps: Sequence[Swap], absent: set[str]) -> Standing:
        layer = ready.layer
        turn = turns.turn_at(layer.rotation, ready.days, at) if layer.rotation else None
        by_turn = turn.people if turn else layer.users
        people = self._people(ready, at, {})
        left = tuple(user for user in swapped(people, swaps) if user not in absent)
        within = layer.since <= at < layer.until
        return Standing(
            layer, within, windows.open_at(layer.windows, *ready.zone.reach(at)), turn, by_turn, left
        )

    def shifts(self, start: int, end: int) -> list[Segment]:
        """The final schedule over the whole of [start, end), neighbours with equal people joined."""
        if start >= end:
            return []
        absences, swaps = self._absences.touching(start, end), self._swaps.touching(start, end)
        layers = []
        for ready in self._layers:
            pieces = _without(_swapped_pieces(self._pieces(ready, start, end), swaps), absences)
            layers.append((0 if self.schedule.union else ready.layer.level, pieces))
        found = _top(layers, start, end)
        if overrides := self._overrides.touching(start, end):
            found = list(_overridden_pieces(found, Spans(overrides), Spans(absences)))
        if temporary := self._temporary.touching(start, end):
            found = _without(list(_replaced(found, Spans(temporary))), absences)
        return _joined(found)

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


# -- the rules, each once ------------------------------------------------------------------------------------


def swapped(people: Group, swaps: Sequence[Swap]) -> Group:
    """Each swap in turn gives the time of its giver away."""
    for swap in swaps:
        if swap.giver in people:
            people = tuple(dict.fromkeys(swap.to if user == swap.giver else user for user in people))
    return people


def overridden(people: set[str], overrides: Iterable[Override], absent: set[str]) -> set[str]:
    """`overrides` in the order of `_rank`: a replace_all starts anew, the others change what there is. Who is absent
    is not put on call, not even for the next one to replace."""
    top: int | None = None
    found = set(people)
    for override in overrides:
        if override.kind == "replace_all":
            found = found | set(override.users) if top == override.level else set(override.users)
            top = override.level
        elif override.kind == "add_user":
            found.add(override.add)
        elif override.remove in found:
            found.discard(override.remove)
            if override.kind == "replace_user":
                found.add(override.add)
        found -= absent
    return found


def _absent(absences: Spans[Absence], at: int) -> set[str]:
    return {absence.user for absence in absences.at(at)}


def _rank(override: Override) -> tuple[int, int]:
    return override.level, _IN_A_LEVEL[override.kind]


def _of_temporary(standing: Iterable[Temporary], at: int) -> set[str]:
    return {
        user
        for one in standing
        for shift in one.shifts
        if shift.start <= at < shift.end
        for user in shift.users
    }


# -- segments ------------------------------------------------------------------------------------------------


def _cut(
    start: int, end: int, things: Iterable[Override | Swap | Absence | Temporary]
) -> Iterator[tuple[int, int]]:
    """[start, end) cut at every edge of these."""
    edges = {edge for thing in things for edge in (thing.start, thing.end) if start < edge < end}
    at = start
    for edge in [*sorted(edges), end]:
        yield at, edge
        at = edge


def _swapped_pieces(pieces: list[Segment], swaps: list[Swap]) -> list[Segment]:
    if not swaps:
        return pieces
    spans = Spans(swaps)
    return [
        Segment(a, b, tuple(sorted(swapped(piece.people, spans.at(a)))))
        for piece in pieces
        for a, b in _cut(piece.start, piece.end, spans.touching(piece.start, piece.end))
    ]


def _without(pieces: list[Segment], absences: list[Absence]) -> list[Segment]:
    if not absences:
        return pieces
    spans = Spans(absences)
    found = []
    for piece in pieces:
        for a, b in _cut(piece.start, piece.end, spans.touching(piece.start, piece.end)):
            absent = _absent(spans, a)
            found.append(Segment(a, b, tuple(user for user in piece.people if user not in absent)))
    return found


def _top(layers: list[tuple[int, list[Segment]]], start: int, end: int) -> list[Segment]:
    """Of the pieces of each layer, with its level: who of the highest level that has somebody, over all of
    [start, end), joined."""
    edges = [(piece.start, i, piece.people) for i, (_, pieces) in enumerate(layers) for piece in pieces]
    edges += [(piece.end, i, ()) for i, (_, pieces) in enumerate(layers) for piece in pieces]
    edges.sort()  # of one layer and instant an end comes first
    bands = [
        [i for i, (level, _) in enumerate(layers) if level == band]
        for band in sorted({level for level, _ in layers}, reverse=True)
    ]
    now: list[Group] = [()] * (len(layers) + 1)
    found, since, people, at = [], start, _highest(bands, now), start
    for edge, i, group in (*edges, (end, len(layers), ())):
        if edge > at:
            shown = _highest(bands, now)
            if shown != people:
                if at > since:
                    found.append(Segment(since, at, people))
                since, people = at, shown
            at = edge
        now[i] = group
    return [*found, Segment(since, end, people)]


def _highest(bands: list[list[int]], now: list[Group]) -> Group:
    """The people of the first band of layers that has some."""
    for band in bands:
        people: Group = ()
        for i in band:
            if now[i]:
                people = tuple(sorted({*people, *now[i]})) if people else now[i]
        if people:
            return people
    return ()


def _overridden_pieces(
    found: list[Segment], overrides: Spans[Override], absences: Spans[Absence]
) -> Iterator[Segment]:
    for one in found:
        standing = overrides.touching(one.start, one.end)
        if not standing:
            yield one
            continue
        for a, b in _cut(one.start, one.end, [*standing, *absences.touching(one.start, one.end)]):
            people = overridden(set(one.people), overrides.at(a), _absent(absences, a))
            yield Segment(a, b, tuple(sorted(people)))


def _replaced(found: list[Segment], temporary: Spans[Temporary]) -> Iterator[Segment]:
    """Where a temporary schedule lasts, its shifts instead."""
    for one in found:
        touching = temporary.touching(one.start, one.end)
        shifts = [shift for standing in touching for shift in standing.shifts]
        for a, b in _cut(one.start, one.end, [*touching, *(Temporary(s.start, s.end) for s in shifts)]):
            standing_now = [standing for standing in touching if standing.start <= a < standing.end]
            people = tuple(sorted(_of_temporary(standing_now, a))) if standing_now else one.people
            yield Segment(a, b, people)


def _joined(found: Iterable[Segment]) -> list[Segment]:
    result: list[Segment] = []
    for one in found:
        if result and result[-1].people == one.people:
            result[-1] = Segment(result[-1].start, one.end, one.people)
        else:
            result.append(one)
    return result
