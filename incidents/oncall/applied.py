"""What swaps, absences, overrides and temporary schedules make of the people of the layers: at an instant, and over
segments. `resolve` calls these in the order of the rules of docs/oncall.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from incidents.oncall.schedule import Absence, Group, Override, Segment, Swap, Temporary
from incidents.oncall.spans import Spans

_IN_A_LEVEL = {
    kind: number for number, kind in enumerate(("replace_all", "replace_user", "remove_user", "add_user"))
}


def swapped(people: Group, swaps: Sequence[Swap]) -> Group:
    """Each swap in turn gives the time of its giver away."""
    for swap in swaps:
        if swap.giver in people:
            people = tuple(dict.fromkeys(swap.to if user == swap.giver else user for user in people))
    return people


def counting(overrides: Sequence[Override]) -> list[Override]:
    """Of those that take the same person away only the highest level."""
    highest: dict[str, int] = {}
    for override in overrides:
        highest[override.remove] = max(override.level, highest.get(override.remove, override.level))
    return [one for one in overrides if not one.remove or one.level == highest[one.remove]]


def present(people: Iterable[str], absent: set[str], overrides: Iterable[Override]) -> list[str]:
    """Without those who are absent; whom an override replaces then is replaced, so that their level is not missed."""
    instead = {
        one.remove: one.add
        for one in overrides
        if one.kind == "replace_user" and one.remove in absent and one.add not in absent
    }
    return [user for user in (instead.get(one, one) for one in people) if user not in absent]


def overridden(people: set[str], overrides: Iterable[Override], absent: set[str]) -> set[str]:
    """`overrides` that are `counting`, in the order of `rank`: a replace_all starts anew, the others change what
    there is. Who is absent is not put on call, not even for the next one to replace."""
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


def absent_at(absences: Spans[Absence], at: int) -> set[str]:
    return {absence.user for absence in absences.at(at)}


def rank(override: Override) -> tuple[int, int]:
    return override.level, _IN_A_LEVEL[override.kind]


def of_temporary(standing: Iterable[Temporary], at: int) -> set[str]:
    return {
        user
        for one in standing
        for shift in one.shifts
        if shift.start <= at < shift.end
        for user in shift.users
    }


# -- segments ------------------------------------------------------------------------------------------------


def cut(
    start: int, end: int, things: Iterable[Override | Swap | Absence | Temporary]
) -> Iterator[tuple[int, int]]:
    """[start, end) cut at every edge of these."""
    edges = {edge for thing in things for edge in (thing.start, thing.end) if start < edge < end}
    at = start
    for edge in [*sorted(edges), end]:
        yield at, edge
        at = edge


def swapped_pieces(pieces: list[Segment], swaps: list[Swap]) -> list[Segment]:
    if not swaps:
        return pieces
    spans = Spans(swaps)
    return [
        Segment(a, b, tuple(sorted(swapped(piece.people, spans.at(a)))))
        for piece in pieces
        for a, b in cut(piece.start, piece.end, spans.touching(piece.start, piece.end))
    ]


def without(
    pieces: list[Segment], absences: list[Absence], overrides: Sequence[Override] = ()
) -> list[Segment]:
    """The pieces of who is `present`."""
    if not absences:
        return pieces
    spans, replacing = Spans(absences), Spans([one for one in overrides if one.remove])
    found = []
    for piece in pieces:
        start, end = piece.start, piece.end
        for a, b in cut(start, end, [*spans.touching(start, end), *replacing.touching(start, end)]):
            people = present(piece.people, absent_at(spans, a), counting(replacing.at(a)))
            found.append(Segment(a, b, tuple(sorted(set(people)))))
    return found


def top(layers: list[tuple[int, list[Segment]]], start: int, end: int) -> list[Segment]:
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


def overridden_pieces(
    found: list[Segment], overrides: Spans[Override], absences: Spans[Absence]
) -> Iterator[Segment]:
    for one in found:
        standing = overrides.touching(one.start, one.end)
        if not standing:
            yield one
            continue
        for a, b in cut(one.start, one.end, [*standing, *absences.touching(one.start, one.end)]):
            people = overridden(set(one.people), counting(overrides.at(a)), absent_at(absences, a))
            yield Segment(a, b, tuple(sorted(people)))


def replaced(found: list[Segment], temporary: Spans[Temporary]) -> Iterator[Segment]:
    """Where a temporary schedule lasts, its shifts instead."""
    for one in found:
        touching = temporary.touching(one.start, one.end)
        shifts = [shift for standing in touching for shift in standing.shifts]
        for a, b in cut(one.start, one.end, [*touching, *(Temporary(s.start, s.end) for s in shifts)]):
            standing_now = [standing for standing in touching if standing.start <= a < standing.end]
            people = tuple(sorted(of_temporary(standing_now, a))) if standing_now else one.people
            yield Segment(a, b, people)


def joined(found: Iterable[Segment]) -> list[Segment]:
    result: list[Segment] = []
    for one in found:
        if result and result[-1].people == one.people:
            result[-1] = Segment(result[-1].start, one.end, one.people)
        else:
            result.append(one)
    return result
