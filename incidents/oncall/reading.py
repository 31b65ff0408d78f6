"""Schedules from YAML: the `schedules:` section of howdah.yaml, or a file of their own. docs/oncall.md has the form.

Everything that is wrong is told at once, each with its place; what can be meant but hardly is, is a doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incidents import yamlfile
from incidents.errors import Mistake, Mistakes
from incidents.near import near, near_hint
from incidents.oncall import fields, reading_changes, reading_layers
from incidents.oncall.fields import Fields, Form
from incidents.oncall.schedule import RESOLUTIONS, Schedule
from incidents.sections import SECTIONS

if TYPE_CHECKING:
    from incidents.yamlfile import Node


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
        if not any(near(name, ("schedules",)) for name in root.value):
            mistakes.append(Mistake(path, root.line, root.column, "there is no `schedules:` here", hint))
        raise Mistakes(mistakes)
    read = parse(root.value["schedules"], path)
    if mistakes or read.mistakes:
        raise Mistakes([*mistakes, *read.mistakes])
    return read


def parse(node: Node, path: str) -> Read:
    """The value of `schedules:`, and all that is wrong with it."""
    notes = Fields(path)
    if node.kind != "map":
        notes.wrong(
            node,
            f"schedules: is a map, not {fields.shown(node)}",
            "write `schedules: {infra: {layers: [...]}}`",
        )
        return Read({}, notes.mistakes, [])
    if not node.value:
        notes.doubt(node, "schedules: is empty", "nobody is on call")
    found = {}
    for name, value in node.value.items():
        notes.name, before = fields.short(name), len(notes.mistakes)
        if not fields.is_name(name):
            notes.wrong(node.keys[name], "a schedule cannot be called so", fields.LETTERS)
        schedule = _schedule(notes, name, value, node.keys[name])
        if len(notes.mistakes) == before:
            found[name] = schedule
    return Read(found, sorted(set(notes.mistakes)), sorted(set(notes.doubts)))


def _schedule(notes: Fields, name: str, node: Node, key: Node) -> Schedule:
    given = {} if node.kind == "null" else notes.map(node, _SCHEDULE)
    if node.kind == "null" or (node.kind == "map" and "layers" not in node.value):
        notes.doubt(key, "it has no layers", "nobody is on call but by override; write `layers: [...]`")
    zone = given.get("timezone", "UTC")
    return Schedule(
        name,
        zone,
        given.get("resolution") == "union",
        tuple(reading_layers.settled(layer, zone) for layer in given.get("layers", ())),
        given.get("overrides", ()),
        given.get("swaps", ()),
        given.get("temporary", ()),
        given.get("absences", ()),
    )


_SCHEDULE = Form(
    "a schedule",
    "`infra: {layers: [{id: primary, users: [nova]}]}`",
    {
        "timezone": fields.zone,
        "resolution": fields.one_of(RESOLUTIONS),
        "layers": reading_layers.layers,
        "overrides": reading_changes.overrides,
        "swaps": fields.many(reading_changes.swap),
        "temporary": reading_changes.temporaries,
        "absences": fields.many(reading_changes.absence),
    },
)
