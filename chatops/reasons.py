"""Why these people are on call: the stages of an answer as sentences, in the order in which they decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chatops import rota
from chatops.views import Card, Field
from incidents import clock
from incidents.oncall import jumps, windows
from incidents.oncall.jumps import time_of
from incidents.oncall.rotation import weekday
from incidents.oncall.schedule import DAYS, FIRST, Override, Rotation, Schedule
from incidents.oncall.zones import zone

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.oncall.resolve import Explanation, Standing
    from incidents.oncall.schedule import Segment

_AHEAD = 15 * clock.DAY  # so far ahead the next opening of a window is looked for
_EDGE = 3 * clock.HOUR  # a change of the clocks so near to an edge can be what moved it
_NAMES = {"hour": "hours", "day": "days", "week": "weeks", "month": "months"}


def card(call: Call, schedule: Schedule, found: Explanation, change: Segment | None) -> Card:
    """The whole answer for people."""
    fields = [Field("because", (summary(schedule, found),), "" if found.people else "bad")]
    for name, lines in stages(call, schedule, found):
        fields.append(Field(name, tuple(lines), "warn" if name == "clocks" else ""))
    fields.append(Field("next", (_next(call, found.at, change),)))
    return Card(
        f"{schedule.name}: {rota.names(found.people)}",
        tuple(fields),
        state=rota.told(call, found.at),
        under=f"times of {call.zone}",
        tone="good" if found.people else "bad",
    )


def document(call: Call, schedule: Schedule, found: Explanation, change: Segment | None) -> dict[str, Any]:
    """The same for programs."""
    stage = dict(stages(call, schedule, found))
    counting = _counting(found)
    layers = [
        {
            "id": one.layer.id,
            "level": one.layer.level,
            "people": sorted(one.people),
            "turn": _turn_document(one),
            "counts": one in counting,
        }
        for one in found.layers
    ]
    following = {"at": rota.stamp(change.start), "on_call": list(change.people)} if change else None
    return {
        "at": rota.stamp(found.at),
        "on_call": list(found.people),
        "because": [summary(schedule, found), *(line for lines in stage.values() for line in lines)],
        "layers": layers,
        "hidden": [one.layer.id for one in found.layers if one.people and one not in counting],
        "next": following,
    }


def _turn_document(one: Standing) -> dict[str, Any] | None:
    turn = one.turn
    if turn is None:
        return None
    return {
        "k": turn.k,
        "start": rota.stamp(turn.start),
        "end": rota.stamp(turn.end),
        "people": list(turn.people),
    }


def summary(schedule: Schedule, found: Explanation) -> str:
    """The rule that decided, in one sentence."""
    who = rota.names(found.people)
    if found.temporary:
        return f"a temporary schedule stands in place of layers and overrides: {who}"
    shown = _shown(found)
    if found.overrides and found.people != found.by_layers:
        return f"an override makes it {who} instead of {rota.names(found.by_layers)}"
    if not shown:
        missed = [one for one in found.layers if one.within and one.open and one.by_turn]
        if missed and found.absences:
            whom = "; ".join(f"{one.layer.id} would have {rota.names(one.by_turn)}" for one in missed)
            return f"{whom}: absent"
        return "no layer has anybody, and no override adds somebody"
    ids = " and ".join(one.layer.id for one in shown)
    if schedule.union:
        return f"union: everybody whom a layer has, which is {ids}"
    if found.hidden:
        return f"{ids} {'has' if len(shown) == 1 else 'have'} the highest level that has somebody"
    return f"{ids} {'is the only layer that has' if len(shown) == 1 else 'have'} somebody"


def _shown(found: Explanation) -> list[Standing]:
    """The layers that the answer of the layers is made of."""
    return [one for one in found.layers if one.people and one.layer not in found.hidden]


def _counting(found: Explanation) -> list[Standing]:
    """Those of them that nothing stands in place of."""
    return [] if found.temporary or _replaced(found) else _shown(found)


def _replaced(found: Explanation) -> bool:
    return any(one.kind == "replace_all" for one in found.overrides)


def stages(call: Call, schedule: Schedule, found: Explanation) -> Iterator[tuple[str, list[str]]]:
    """What each stage had to say; one that said nothing is left out."""
    at = found.at
    if found.temporary:
        yield "temporary", [f"stands {rota.span_words(call, one.start, one.end)}" for one in found.temporary]
    if found.layers:
        yield "layers", [_layer(call, schedule, found, one) for one in found.layers]
    if found.swaps:
        yield (
            "swaps",
            [
                f"{one.giver} gives {one.to} what they would have, {rota.span_words(call, one.start, one.end)}"
                + _name(one.name)
                for one in found.swaps
            ],
        )
    if found.absences:
        yield (
            "absences",
            [
                f"{one.user} is absent{f' ({one.why})' if one.why else ''}, {rota.span_words(call, one.start, one.end)}"
                + _name(one.name)
                for one in found.absences
            ],
        )
    if found.overrides:
        yield "overrides", [_override(call, one) for one in found.overrides]
    remarks = list(dict.fromkeys(_clocks(call, schedule, found, at)))
    if remarks:
        yield "clocks", remarks


def _name(name: str) -> str:
    return f" ({name})" if name else ""


def _override(call: Call, one: Override) -> str:
    does = {
        "replace_all": f"{rota.names(one.users)} instead of every layer",
        "replace_user": f"{one.add} instead of {one.remove}",
        "add_user": f"{one.add} as well",
        "remove_user": f"without {one.remove}",
    }[one.kind]
    level = f", level {one.level}" if one.level else ""
    return f"{does}{level}, {rota.span_words(call, one.start, one.end)}{_name(one.name)}"


# -- a layer -------------------------------------------------------------------------------------------------


def _layer(call: Call, schedule: Schedule, found: Explanation, one: Standing) -> str:
    layer = one.layer
    counts = one in _counting(found)
    levels = len({other.layer.level for other in found.layers}) > 1 and not schedule.union
    name = f"{'✓' if counts else '·'} {layer.id}{f' (level {layer.level})' if levels else ''}"
    return f"{name}: {'; '.join(_said(call, found, one))}"


def _said(call: Call, found: Explanation, one: Standing) -> Iterator[str]:
    layer, at = one.layer, found.at
    if not one.within:
        if at < layer.since:
            yield f"does not count before {rota.told(call, layer.since)}"
        else:
            yield f"ended {rota.told(call, layer.until)}"
        return
    if not one.open:
        opening = next(
            (a for a, _ in windows.spans(layer.windows, zone(layer.zone), at, at + _AHEAD) if a > at), None
        )
        yield f"closed, opens {rota.told(call, opening)}" if opening is not None else "closed"
        return
    if one.turn is not None:
        yield f"turn {one.turn.k} of {rota.names(one.turn.people)}, {_turn_span(call, one)}"
        assert layer.rotation is not None
        yield rule(layer.rotation)
    else:
        yield f"always {rota.names(layer.users)}"
    if layer.windows:
        for a, b in windows.spans(layer.windows, zone(layer.zone), at, at + 1):
            yield f"open {rota.span_words(call, a, b)}"
    if sorted(one.people) != sorted(one.by_turn):
        yield f"after swaps and absences {rota.names(sorted(one.people))}"
    if one.people and found.temporary:
        yield "hidden by the temporary schedule"
    elif one.people and _replaced(found):
        yield "hidden by an override"
    elif layer in found.hidden:
        yield "hidden by a higher level"


def _turn_span(call: Call, one: Standing) -> str:
    assert one.turn is not None
    if one.turn.start <= FIRST:
        return f"until {rota.told(call, one.turn.end)}"
    return rota.span_words(call, one.turn.start, one.turn.end)


def rule(rotation: Rotation) -> str:
    """How a rotation turns: `every week, Mon 09:00 America/Los_Angeles`."""
    unit = rotation.unit if rotation.length == 1 else f"{rotation.length} {_NAMES[rotation.unit]}"
    time = time_of(rotation.start)
    if rotation.unit == "week":
        time = f"{DAYS[weekday(rotation.start)].capitalize()} {time}"
    elif rotation.unit == "month":
        time = f"on day {clock.iso(rotation.start)[8:10].lstrip('0')} {time}"
    exact = ", counted in exact hours" if rotation.elapsed else ""
    days = ", on days with a window only" if rotation.active_day else ""
    return f"every {unit}, {time} {rotation.zone}{exact}{days}"


def _clocks(call: Call, schedule: Schedule, found: Explanation, at: int) -> Iterator[str]:
    """What changes of the clocks do to the turns and windows in which this instant lies."""
    for one in found.layers:
        if not one.within or not one.by_turn:
            continue
        spans = windows.spans(one.layer.windows, zone(one.layer.zone), at - clock.DAY, at + clock.DAY)
        if one.turn is not None:
            spans.append((one.turn.start, one.turn.end))
        alone = schedule._replace(layers=(one.layer,))
        for start, end in spans:
            if end - start > 62 * clock.DAY:
                continue
            for jump in jumps.jumps(alone, start - _EDGE, end + _EDGE):
                if jump.edge in (start, end) or (jump.what == "length" and jump.edge == start):
                    yield f"{rota.told(call, jump.at).rpartition(' ')[0]}: {jumps.words(jump)}"


def _next(call: Call, at: int, change: Segment | None) -> str:
    if change is None:
        return "nothing changes in the two years after"
    later = clock.words(change.start - at)
    return f"{rota.told(call, change.start)}, {later} later: {rota.names(change.people)}"
