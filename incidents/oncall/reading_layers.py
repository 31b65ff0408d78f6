"""`layers:` of a schedule, with their rotations and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incidents import clock
from incidents.near import near, near_hint
from incidents.oncall import fields, times
from incidents.oncall.fields import Fields, Form
from incidents.oncall.schedule import (  # fmt: skip
    ADVANCES,
    DAYS,
    EVERY_DAY,
    FIRST,
    LAST,
    UNITS,
    Group,
    Layer,
    Rotation,
    Window,
)

if TYPE_CHECKING:
    from incidents.yamlfile import Node


def layers(notes: Fields, node: Node, key: str) -> tuple[Layer, ...] | None:
    nodes = notes.list(node, key, "`layers: [{id: primary, users: [nova]}]`")
    if nodes is None:
        return None
    if not nodes:
        notes.doubt(node, "it has no layers", "nobody is on call but by override")
    seen: dict[str, int] = {}
    for one in nodes:
        place = one.value.get("id") if one.kind == "map" else None
        if place is None or place.kind != "text":
            continue
        if place.text in seen:
            hint = f"the first is in line {seen[place.text]}; each layer has an id of its own"
            notes.wrong(place, f"there are two layers {fields.short(place.text)!r}", hint)
        seen.setdefault(place.text, place.line)
    return tuple(layer for one in nodes if (layer := _layer(notes, one)) is not None)


def settled(layer: Layer, zone: str) -> Layer:
    """With the zones that it has from its rotation or from the schedule."""
    rotation = layer.rotation
    own = layer.zone or (rotation.zone if rotation else "") or zone
    if rotation and not rotation.zone:
        rotation = rotation._replace(zone=zone)
    return layer._replace(zone=own, rotation=rotation)


def _layer(notes: Fields, node: Node) -> Layer | None:
    given = notes.map(node, _LAYER)
    if node.kind != "map":
        return None
    if "rotation" in node.value and "users" in node.value:
        notes.wrong(node.keys["users"], "a layer has a rotation or users, not both", "take one of them out")
    elif "rotation" not in node.value and "users" not in node.value:
        hint = "write `users: [nova]` or `rotation: {…}`"
        notes.wrong(node, "a layer has a rotation or users, and here is neither", hint)
    notes.ordered(node, given, "from", "until")
    return Layer(
        given.get("id", ""),
        given.get("timezone", ""),
        given.get("level", 0),
        given.get("rotation"),
        given.get("users", ()),
        given.get("windows", ()),
        given.get("from", FIRST),
        given.get("until", LAST),
    )


def _rotation(notes: Fields, node: Node, key: str) -> Rotation | None:
    given = notes.map(node, _ROTATION)
    if given.get("elapsed") and given.get("unit") == "month":
        hint = "take it out, or turn every 4 weeks"
        notes.wrong(node.value["elapsed"], "a month has no exact length, so `elapsed` cannot be true", hint)
    if given.get("elapsed") and given.get("advance") == "active_day":
        hint = "active days are counted on the wall; take one of the two out"
        notes.wrong(node.value["elapsed"], "`elapsed: true` does not go with `advance: active_day`", hint)
    if not {"unit", "start", "participants"} <= given.keys():
        return None
    return Rotation(
        given["unit"],
        given.get("length", 1),
        given["start"],
        given["participants"],
        given.get("timezone", ""),
        given.get("advance") == "active_day",
        given.get("elapsed", False),
    )


def _participants(notes: Fields, node: Node, key: str) -> tuple[Group, ...] | None:
    """`[[hazel], [preston, malte]]`; a name alone is a group of one."""
    example = "`participants: [[hazel], [preston, malte]]`"
    nodes = notes.list(node, key, example)
    if nodes is None:
        return None
    if not nodes:
        notes.wrong(node, "`participants` has nobody", f"write {example}, or `users: []` for nobody")
        return None
    found: list[Group] = []
    for one in nodes:
        if one.kind == "list":
            if not one.value:
                notes.doubt(one, "a group of nobody", "nobody is on call in its turn")
            found.append(fields.group(notes, one.value))
        elif one.kind in ("map", "null"):
            what = f"a participant is a person or a group, and cannot be {fields.shown(one)}"
            notes.wrong(one, what, f"write {example}")
        elif (person := fields.name(notes, one, "a person")) is not None:
            found.append((person,))
    return tuple(found)


def _window(notes: Fields, node: Node) -> Window | None:
    given = notes.map(node, _WINDOW)
    wrong = {key for key in _WINDOW.keys if node.kind != "map" or (key in node.value and key not in given)}
    start, end = given.get("start", 0), given.get("end", clock.DAY)
    if start == end and not wrong & {"start", "end"}:
        place = node.value.get("end") or node.value["start"]
        what = "a window of no length: it ends when it starts"
        notes.wrong(place, what, "leave both out for the whole day")
    if wrong:
        return None
    return Window(given.get("days", EVERY_DAY), start, end if end > start else end + clock.DAY)


def _days(notes: Fields, node: Node, key: str) -> tuple[bool, ...] | None:
    nodes = notes.list(node, key, "`days: [mon, tue]`")
    if nodes is None:
        return None
    if not nodes:
        notes.wrong(node, "a window on no day is never open", "name days, or leave `days` out for every day")
        return None
    words: set[str] = set()
    for one in nodes:
        word = one.text if fields.scalar(one) else ""
        if word not in DAYS:
            meant = near(word[:4].lower(), DAYS, cutoff=0.5) or ""
            notes.wrong(one, f"a day cannot be {fields.shown(one)}", near_hint(meant, DAYS))
        elif word in words:
            notes.doubt(one, f"{word} stands here twice", "once is enough")
        words.add(word)
    return tuple(day in words for day in DAYS) if words <= set(DAYS) else None


_WINDOW = Form(
    "a window",
    '`{days: [mon, tue], start: "22:00", end: "06:00"}`',
    {"days": _days, "start": times.time_of_day, "end": times.end_of_day},
)
_ROTATION = Form(
    "a rotation",
    '`rotation: {unit: week, start: "2022-11-07T09:00", participants: [[hazel], [nova]]}`',
    {
        "unit": fields.one_of(UNITS),
        "length": fields.length,
        "start": times.wall,
        "participants": _participants,
        "timezone": fields.zone,
        "advance": fields.one_of(ADVANCES),
        "elapsed": fields.flag,
    },
    ("unit", "start", "participants"),
)
_LAYER = Form(
    "a layer",
    "`{id: primary, users: [nova]}`",
    {
        "id": lambda notes, node, key: fields.name(notes, node, "the id of a layer"),
        "level": fields.level,
        "rotation": _rotation,
        "users": fields.people,
        "windows": fields.many(_window),
        "timezone": fields.zone,
        "from": times.instant,
        "until": times.instant,
    },
    ("id",),
)
