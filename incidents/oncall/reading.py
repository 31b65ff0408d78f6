"""Schedules from YAML: the `schedules:` section of howdah.yaml, or a file of their own. docs/oncall.md has the form.

Everything that is wrong is told at once, each with its place; what can be meant but hardly is, is a doubt.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from incidents import clock, yamlfile
from incidents.errors import Mistake, Mistakes
from incidents.near import near, near_hint
from incidents.oncall import fields
from incidents.oncall.fields import Fields, Form, Reader
from incidents.oncall.schedule import (
    ADVANCES,
    DAYS,
    EVERY_DAY,
    FIRST,
    LAST,
    LONGEST_TURN,
    OVERRIDES,
    RESOLUTIONS,
    SWAP_STATUSES,
    UNITS,
    Absence,
    Group,
    Layer,
    Override,
    Rotation,
    Schedule,
    Shift,
    Swap,
    Temporary,
    Window,
)
from incidents.sections import SECTIONS

if TYPE_CHECKING:
    from incidents.yamlfile import Node

T = TypeVar("T")


class Read(NamedTuple):
    """The schedules that are sound, by name; what is wrong with the others; what is doubtful."""

    schedules: dict[str, Schedule]
    mistakes: list[Mistake]
    doubts: list[Mistake]


def load(path: str) -> Read:
    """The schedules of a file, which may be a howdah.yaml. Raises Mistakes, all of them."""
    return loads(yamlfile.read_text(path, max_bytes=yamlfile.CONFIG_BYTES), path)


def loads(text: str, path: str) -> Read:
    """The same of its text."""
    root = yamlfile.parse(text, path, max_bytes=yamlfile.CONFIG_BYTES, max_values=yamlfile.CONFIG_VALUES)
    hint = "write `schedules: {infra: {layers: [...]}}`"
    if root.kind != "map":
        raise Mistakes([Mistake(path, root.line, root.column, "a file of schedules is a map", hint)])
    mistakes = [
        Mistake(path, key.line, key.column, f"there is no section {fields.short(name)!r}", near_hint(name, SECTIONS))
        for name, key in root.keys.items()
        if name not in SECTIONS
    ]  # fmt: skip
    if "schedules" not in root.value:
        raise Mistakes(
            [*mistakes, Mistake(path, root.line, root.column, "there is no `schedules:` here", hint)]
        )
    read = parse(root.value["schedules"], path)
    if mistakes or read.mistakes:
        raise Mistakes([*mistakes, *read.mistakes])
    return read


def parse(node: Node, path: str) -> Read:
    """The value of `schedules:`, and all that is wrong with it."""
    notes = Fields(path)
    if node.kind != "map":
        notes.wrong(node, "schedules: is a map", "write `schedules: {infra: {layers: [...]}}`")
        return Read({}, notes.mistakes, [])
    if not node.value:
        notes.doubt(node, "schedules: is empty", "nobody is on call")
    found = {}
    for name, value in node.value.items():
        notes.name, before = fields.short(name), len(notes.mistakes)
        if not fields.is_name(name):
            hint = "letters, digits and . _ -, at most 64"
            notes.wrong(node.keys[name], "a schedule cannot be called so", hint)
        schedule = _schedule(notes, name, value, node.keys[name])
        if len(notes.mistakes) == before:
            found[name] = schedule
    return Read(found, list(dict.fromkeys(notes.mistakes)), list(dict.fromkeys(notes.doubts)))


def _schedule(notes: Fields, name: str, node: Node, key: Node) -> Schedule:
    given = {} if node.kind == "null" else notes.map(node, _SCHEDULE)
    if node.kind in ("map", "null") and ("layers" not in node.value if node.value else True):
        notes.doubt(key, "it has no layers", "nobody is on call but by override; write `layers: [...]`")
    zone = given.get("timezone", "UTC")
    return Schedule(
        name,
        zone,
        given.get("resolution") == "union",
        tuple(_settled(layer, zone) for layer in given.get("layers", ())),
        given.get("overrides", ()),
        given.get("swaps", ()),
        given.get("temporary", ()),
        given.get("absences", ()),
    )


def _settled(layer: Layer, zone: str) -> Layer:
    """With the zones that it has from the schedule or from its rotation."""
    rotation = layer.rotation
    own = layer.zone or (rotation.zone if rotation else "") or zone
    if rotation and not rotation.zone:
        rotation = rotation._replace(zone=zone)
    return layer._replace(zone=own, rotation=rotation)


def _many(read: Callable[[Fields, Node], T | None]) -> Reader:
    """A list of such things; those that are wrong are left out."""

    def read_all(notes: Fields, node: Node, key: str) -> tuple[T, ...] | None:
        nodes = notes.list(node, key, f"`{key}: [{{…}}]`")
        return None if nodes is None else tuple(one for n in nodes if (one := read(notes, n)) is not None)

    return read_all


# -- layers --------------------------------------------------------------------------------------------------


def _layers(notes: Fields, node: Node, key: str) -> tuple[Layer, ...] | None:
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
            found.append(fields.people(notes, one, "a group") or ())
        elif one.kind in ("map", "null"):
            notes.wrong(one, "a participant is a person or a group", f"write {example}")
        elif (person := fields.name(notes, one, "a person")) is not None:
            found.append((person,))
    return tuple(found)


def _window(notes: Fields, node: Node) -> Window | None:
    given = notes.map(node, _WINDOW)
    if node.kind != "map" or any(key in node.value and key not in given for key in _WINDOW.keys):
        return None
    start, end = given.get("start", 0), given.get("end", clock.DAY)
    if start == end:
        place = node.value.get("end") or node.value["start"]
        notes.wrong(
            place, "a window of no length: it ends when it starts", "leave both out for the whole day"
        )
    return Window(given.get("days", EVERY_DAY), start, end if end > start else end + clock.DAY)


def _days(notes: Fields, node: Node, key: str) -> tuple[bool, ...] | None:
    nodes = notes.list(node, key, "`days: [mon, tue]`")
    if nodes is None:
        return None
    if not nodes:
        notes.wrong(node, "a window on no day is never open", "name days, or leave `days` out for every day")
        return None
    words = [one.text if fields.scalar(one) else "" for one in nodes]
    for i, (one, word) in enumerate(zip(nodes, words, strict=True)):
        if word not in DAYS:
            meant = word[:3].lower() if word[:3].lower() in DAYS else near(word, DAYS)
            hint = f"did you mean {meant}?" if meant else f"there is {', '.join(DAYS)}"
            notes.wrong(one, f"there is no day {fields.short(word)!r}", hint)
        elif word in words[:i]:
            notes.doubt(one, f"{word} stands here twice", "once is enough")
    return tuple(day in words for day in DAYS) if set(words) <= set(DAYS) else None


# -- what changes the answer ---------------------------------------------------------------------------------


def _overrides(notes: Fields, node: Node, key: str) -> tuple[Override, ...] | None:
    nodes = notes.list(node, key, "`overrides: [{kind: add_user, add: nova, start: …, end: …}]`")
    if nodes is None:
        return None
    taken: dict[tuple[int, str], list[tuple[int, int, int]]] = {}  # (start, end, line), none overlaps another
    found = []
    for one in nodes:
        override = _override(notes, one)
        if override is None:
            continue
        found.append(override)
        for person in {override.remove, override.add} - {""}:
            _placed(notes, one, person, override, taken.setdefault((override.level, person), []))
    return tuple(found)


def _placed(
    notes: Fields, node: Node, person: str, override: Override, taken: list[tuple[int, int, int]]
) -> None:
    span = (override.start, override.end, node.line)
    at = bisect(taken, span)
    for start, end, line in taken[max(0, at - 1) : at + 1]:
        if start < override.end and end > override.start:
            what = f"this override of {person} overlaps the one in line {line}"
            notes.wrong(node, what, "end one before the other begins, or give them different levels")
            return
    insort(taken, span)


def _override(notes: Fields, node: Node) -> Override | None:
    before = len(notes.mistakes)
    kind = node.value.get("kind") if node.kind == "map" else None
    form = _OVERRIDES.get(kind.text if kind is not None and fields.scalar(kind) else "", _OVERRIDE)
    given = notes.map(node, form)
    notes.ordered(node, given)
    if given.get("kind") == "replace_user" and "add" in given and given["add"] == given.get("remove"):
        notes.wrong(node.value["add"], f"{given['add']} is put in their own place", "name two people")
    if len(notes.mistakes) > before:
        return None
    return Override(
        given["kind"],
        given["start"],
        given["end"],
        given.get("level", 0),
        given.get("users", ()),
        given.get("remove", ""),
        given.get("add", ""),
    )


def _swap(notes: Fields, node: Node) -> Swap | None:
    given = notes.map(node, _SWAP)
    sound = notes.ordered(node, given)
    if "from" in given and given["from"] == given.get("to"):
        notes.wrong(node.value["to"], f"{given['to']} swaps with themself", "name two people")
    if not sound or not {"from", "to"} <= given.keys():
        return None
    return Swap(given["from"], given["to"], given["start"], given["end"], given.get("status", "taken"))


def _temporary(notes: Fields, node: Node) -> Temporary | None:
    given = notes.map(node, _TEMPORARY)
    if not notes.ordered(node, given):
        return None
    start, end = given["start"], given["end"]
    for shift, line in given.get("shifts", ()):
        if shift.start < start or shift.end > end:
            what = "this shift lasts longer than its temporary schedule"
            notes.doubt(line, what, "outside of it the shift has no effect")
    return Temporary(start, end, tuple(shift for shift, _ in given.get("shifts", ())))


def _shift(notes: Fields, node: Node) -> tuple[Shift, Node] | None:
    given = notes.map(node, _SHIFT)
    if not notes.ordered(node, given) or "users" not in given:
        return None
    return Shift(given["users"], given["start"], given["end"]), node


def _absence(notes: Fields, node: Node) -> Absence | None:
    given = notes.map(node, _ABSENCE)
    if not notes.ordered(node, given) or "user" not in given:
        return None
    return Absence(given["user"], given["start"], given["end"], given.get("why", ""))


# -- the forms -----------------------------------------------------------------------------------------------

_SPAN: dict[str, Reader] = {"start": fields.instant, "end": fields.instant}
_ENDS = "start: …, end: …}`"
_WINDOW = Form(
    "a window",
    '`{days: [mon, tue], start: "22:00", end: "06:00"}`',
    {"days": _days, "start": fields.time_of_day, "end": fields.end_of_day},
)
_ROTATION = Form(
    "a rotation",
    '`rotation: {unit: week, start: "2022-11-07T09:00", participants: [[hazel], [nova]]}`',
    {
        "unit": fields.one_of(UNITS),
        "length": fields.whole(1, LONGEST_TURN),
        "start": fields.wall,
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
        "windows": _many(_window),
        "timezone": fields.zone,
        "from": fields.instant,
        "until": fields.instant,
    },
    ("id",),
)


def _override_form(kind: str, who: dict[str, Reader], example: str) -> Form:
    keys = {"kind": fields.one_of(OVERRIDES), **who, **_SPAN, "level": fields.level}
    return Form(kind, f"`{{kind: {kind}, {example}, {_ENDS}", keys, ("kind", "start", "end", *who))


_OVERRIDES = {
    "replace_all": _override_form("replace_all", {"users": fields.people}, "users: [nova]"),
    "replace_user": _override_form(
        "replace_user", {"remove": fields.person, "add": fields.person}, "remove: hazel, add: nova"
    ),
    "add_user": _override_form("add_user", {"add": fields.person}, "add: nova"),
    "remove_user": _override_form("remove_user", {"remove": fields.person}, "remove: hazel"),
}
_OVERRIDE = Form(
    "an override",
    _OVERRIDES["add_user"].example,
    {key: read for form in _OVERRIDES.values() for key, read in form.keys.items()},
    ("kind", "start", "end"),
)
_SWAP = Form(
    "a swap",
    f"`{{from: hazel, to: nova, {_ENDS}",
    {"from": fields.person, "to": fields.person, **_SPAN, "status": fields.one_of(SWAP_STATUSES)},
    ("from", "to", "start", "end"),
)
_SHIFT = Form(
    "a shift", f"`{{users: [nova], {_ENDS}", {"users": fields.people, **_SPAN}, ("users", "start", "end")
)
_TEMPORARY = Form(
    "a temporary schedule",
    "`{start: …, end: …, shifts: [{users: [nova], start: …, end: …}]}`",
    {**_SPAN, "shifts": _many(_shift)},
    ("start", "end"),
)
_ABSENCE = Form(
    "an absence",
    f"`{{user: hazel, {_ENDS}",
    {"user": fields.person, **_SPAN, "why": fields.text},
    ("user", "start", "end"),
)
_SCHEDULE = Form(
    "a schedule",
    "`infra: {layers: [{id: primary, users: [nova]}]}`",
    {
        "timezone": fields.zone,
        "resolution": fields.one_of(RESOLUTIONS),
        "layers": _layers,
        "overrides": _overrides,
        "swaps": _many(_swap),
        "temporary": _many(_temporary),
        "absences": _many(_absence),
    },
)
