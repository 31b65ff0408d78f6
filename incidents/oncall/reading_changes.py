"""What changes a schedule's answer: `overrides:`, `swaps:`, `temporary:`, `absences:`."""

from __future__ import annotations

from bisect import bisect, insort
from typing import TYPE_CHECKING

from incidents.oncall import fields, times
from incidents.oncall.fields import Fields, Form, Reader
from incidents.oncall.schedule import OVERRIDES, SWAP_STATUSES, Absence, Override, Shift, Swap, Temporary

if TYPE_CHECKING:
    from incidents.yamlfile import Node


def overrides(notes: Fields, node: Node, key: str) -> tuple[Override, ...] | None:
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
    line = _beside(override.start, override.end, node.line, taken)
    if line is not None:
        what = f"this override of {person} overlaps the one in line {line}"
        notes.wrong(node, what, "end one before the other begins, or give them different levels")


def _override(notes: Fields, node: Node) -> Override | None:
    kind = node.value.get("kind") if node.kind == "map" else None
    form = _OVERRIDES.get(kind.text if kind is not None and fields.scalar(kind) else "", _OVERRIDE)
    given = notes.map(node, form)
    sound = notes.ordered(node, given) and given.keys() >= node.value.keys() & form.keys.keys()
    if given.get("kind") == "replace_user" and "add" in given and given["add"] == given.get("remove"):
        notes.wrong(node.value["add"], f"{given['add']} is put in their own place", "name two people")
    if not sound or not given.keys() >= set(form.needed):
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


def swap(notes: Fields, node: Node) -> Swap | None:
    given = notes.map(node, _SWAP)
    sound = notes.ordered(node, given)
    if "from" in given and given["from"] == given.get("to"):
        notes.wrong(node.value["to"], f"{given['to']} swaps with themself", "name two people")
    if not sound or not {"from", "to"} <= given.keys():
        return None
    return Swap(given["from"], given["to"], given["start"], given["end"], given.get("status", "taken"))


def temporaries(notes: Fields, node: Node, key: str) -> tuple[Temporary, ...] | None:
    """Two at once are doubtful: the people of both are on call then."""
    nodes = notes.list(node, key, f"`{key}: [{{…}}]`")
    if nodes is None:
        return None
    taken: list[tuple[int, int, int]] = []  # (start, end, line), none overlaps another
    found = []
    for one in nodes:
        temporary = _temporary(notes, one)
        if temporary is None:
            continue
        found.append(temporary)
        line = _beside(temporary.start, temporary.end, one.line, taken)
        if line is not None:
            what = f"this temporary schedule overlaps the one in line {line}"
            notes.doubt(one, what, "while both last, the people of both are on call")
    return tuple(found)


def _beside(start: int, end: int, line: int, taken: list[tuple[int, int, int]]) -> int | None:
    """The line of one of `taken` that overlaps it; else it is put among them."""
    at = bisect(taken, (start, end, line))
    for other_start, other_end, other in taken[max(0, at - 1) : at + 1]:
        if other_start < end and other_end > start:
            return other
    insort(taken, (start, end, line))
    return None


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


def absence(notes: Fields, node: Node) -> Absence | None:
    given = notes.map(node, _ABSENCE)
    if not notes.ordered(node, given) or "user" not in given:
        return None
    return Absence(given["user"], given["start"], given["end"], given.get("why", ""))


_SPAN: dict[str, Reader] = {"start": times.instant, "end": times.instant}
_ENDS = "start: …, end: …}`"


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
    {**_SPAN, "shifts": fields.many(_shift)},
    ("start", "end"),
)
_ABSENCE = Form(
    "an absence",
    f"`{{user: hazel, {_ENDS}",
    {"user": fields.person, **_SPAN, "why": fields.text},
    ("user", "start", "end"),
)
