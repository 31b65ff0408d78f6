"""One value of a file of schedules: read, or what is wrong with it and where. docs/oncall.md has the forms.

A reader takes the Fields that keep the mistakes, the node and its key, and gives None where it is wrong.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from incidents import clock
from incidents.errors import BadInput, Mistake
from incidents.near import near, near_hint
from incidents.oncall.schedule import LONGEST_TURN, Group

if TYPE_CHECKING:
    from incidents.yamlfile import Node

LARGEST = (1 << 53) - 1  # of an integer, as yamlfile has it
MANY = 200  # mistakes; nobody asks of each of more than these which word was meant, and it takes its time
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
LETTERS = "a name is letters, digits and . _ -, at most 64"
_DIGITS = re.compile(r"-?[1-9][0-9]*", re.ASCII)
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,15})", re.ASCII)

_OF_THIS_MACHINE = ("localtime", "posix", "right/")  # names that another may lack or mean otherwise

Reader = Callable[["Fields", "Node", str], Any]
T = TypeVar("T")


class Form(NamedTuple):
    """A map: how each key is read, and which must be there."""

    what: str
    example: str
    keys: Mapping[str, Reader]
    needed: tuple[str, ...] = ()


class Fields:
    """What is wrong, and what is doubtful, with the values of one file. `name` is the schedule being read."""

    def __init__(self, path: str):
        self.path, self.name = path, ""
        self.mistakes: list[Mistake] = []
        self.doubts: list[Mistake] = []

    def wrong(self, node: Node, what: str, hint: str) -> None:
        self.mistakes.append(self._told(node, what, hint))

    def doubt(self, node: Node, what: str, hint: str) -> None:
        self.doubts.append(self._told(node, what, hint))

    def _told(self, node: Node, what: str, hint: str) -> Mistake:
        place = f"{self.name}: " if self.name else ""
        return Mistake(self.path, node.line, node.column, f"{place}{what}", hint)

    def map(self, node: Node, form: Form) -> dict[str, Any]:
        """The values that could be read, by key."""
        if node.kind != "map":
            self.wrong(node, f"{form.what} is a map, not {shown(node)}", f"write {form.example}")
            return {}
        given, strange = {}, []
        for key, value in node.value.items():
            read = form.keys.get(key)
            if read is None:
                strange.append(key)
                what = f"{form.what} has no {short(key)!r}"
                self.wrong(node.keys[key], what, self.near_hint(key, form.keys))
            elif (found := read(self, value, key)) is not None:
                given[key] = found
        missing = [key for key in form.needed if key not in node.value]
        missing = [key for key in missing if not any(near(word, [key]) for word in strange[:9])]
        if missing:
            self.wrong(node, f"{form.what} needs `{'`, `'.join(missing)}`", f"write {form.example}")
        return given

    def list(self, node: Node, key: str, example: str) -> list[Node] | None:
        if node.kind == "list":
            return list(node.value)
        self.wrong(node, f"`{key}` is a list, not {shown(node)}", f"write {example}")
        return None

    def near_hint(self, word: str, known: Collection[str]) -> str:
        return near_hint(word if len(self.mistakes) < MANY else "", known)

    def ordered(self, node: Node, given: Mapping[str, Any], first: str = "start", last: str = "end") -> bool:
        """Is `first` before `last`? A mistake where both are there and it is not."""
        if first not in given or last not in given:
            return False
        if given[first] < given[last]:
            return True
        self.wrong(node.value[last], f"`{last}` is not after `{first}`", f"`{first}` comes before `{last}`")
        return False


def scalar(node: Node) -> bool:
    return node.kind not in ("map", "list", "null")


def short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


def shown(node: Node) -> str:
    """The value in a message."""
    kinds = {"map": "a map", "list": "a list", "null": "nothing", "text": repr(short(node.text))}
    return kinds.get(node.kind, short(node.text))


def many(read: Callable[[Fields, Node], T | None]) -> Reader:
    """A reader of a list of such things; those that are wrong are left out."""

    def read_all(notes: Fields, node: Node, key: str) -> tuple[T, ...] | None:
        nodes = notes.list(node, key, f"`{key}: [{{…}}]`")
        return None if nodes is None else tuple(one for n in nodes if (one := read(notes, n)) is not None)

    return read_all


# -- words ---------------------------------------------------------------------------------------------------


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def name(notes: Fields, node: Node, what: str) -> str | None:
    """The name of a person or a layer: a text, so that 42 and `true` are not mistaken for one."""
    if node.kind == "text" and is_name(node.text):
        return node.text
    hint = LETTERS if scalar(node) else "write one name"
    if node.kind in ("int", "number", "bool") and is_name(node.text):
        hint = f'quote it: "{node.text}"'
    notes.wrong(node, f"{what} cannot be {shown(node)}", hint)
    return None


def person(notes: Fields, node: Node, key: str) -> str | None:
    return name(notes, node, f"`{key}`")


def people(notes: Fields, node: Node, key: str) -> Group | None:
    """`[hazel, nova]`; nobody is doubtful."""
    nodes = notes.list(node, key, f"`{key}: [hazel, nova]`")
    if nodes is None:
        return None
    if not nodes:
        notes.doubt(node, f"`{key}` has nobody", "nobody is on call by it")
    return group(notes, nodes)


def group(notes: Fields, nodes: Iterable[Node]) -> Group:
    """The names that are names; one that stands twice is doubtful."""
    found: dict[str, None] = {}
    for node in nodes:
        one = name(notes, node, "a person")
        if one in found:
            notes.doubt(node, f"{one} stands here twice", "once is enough")
        elif one is not None:
            found[one] = None
    return tuple(found)


def text(notes: Fields, node: Node, key: str) -> str | None:
    if scalar(node):
        return node.text
    notes.wrong(node, f"`{key}` is a text, not {shown(node)}", f"write `{key}: holiday`, or leave it out")
    return None


def one_of(choices: Collection[str]) -> Reader:
    def read(notes: Fields, node: Node, key: str) -> str | None:
        if scalar(node) and node.text in choices:
            return node.text
        meant = notes.near_hint(node.text if scalar(node) else "", choices)
        notes.wrong(node, f"`{key}` cannot be {shown(node)}", meant)
        return None

    return read


def flag(notes: Fields, node: Node, key: str) -> bool | None:
    if scalar(node) and node.text in ("true", "false"):
        return node.text == "true"
    notes.wrong(node, f"`{key}` cannot be {shown(node)}", "it is true or false")
    return None


def length(notes: Fields, node: Node, key: str) -> int | None:
    return _whole(notes, node, key, 1, LONGEST_TURN, f"it is a whole number from 1 to {LONGEST_TURN:,}")


def level(notes: Fields, node: Node, key: str) -> int | None:
    hint = "it is a whole number, also negative; the higher wins"
    if scalar(node) and _DIGITS.fullmatch(node.text):
        hint = f"it is too large: from -{LARGEST:,} to {LARGEST:,}"
    return _whole(notes, node, key, -LARGEST, LARGEST, hint)


def _whole(notes: Fields, node: Node, key: str, lowest: int, highest: int, hint: str) -> int | None:
    if scalar(node) and _INT.fullmatch(node.text) and lowest <= int(node.text) <= highest:
        return int(node.text)
    notes.wrong(node, f"`{key}` cannot be {shown(node)}", hint)
    return None


def zone(notes: Fields, node: Node, key: str) -> str | None:
    if not scalar(node):
        notes.wrong(
            node, f"`{key}` is a time zone, not {shown(node)}", "write Europe/Berlin, or leave it out"
        )
        return None
    if _is_zone(node.text):
        return node.text
    letters = node.text.isascii() and node.text.isalpha() and node.text.isupper() and len(node.text) <= 5
    meant = _zone_meant(short(node.text)) if len(notes.mistakes) < MANY and not letters else None
    hint = "use an IANA name such as Europe/Berlin" + ("; an abbreviation is none" if letters else "")
    hint = f"did you mean {meant}?" if meant else hint
    notes.wrong(node, f"`{key}`: {shown(node)} is not a time zone", hint)
    return None


@functools.lru_cache(maxsize=1024)
def _is_zone(text: str) -> bool:
    if text.startswith(_OF_THIS_MACHINE):
        return False
    try:
        clock.find_zone(text)
    except BadInput:
        return False
    return True


@functools.cache
def _zones() -> list[str]:
    return sorted(one for one in zoneinfo.available_timezones() if not one.startswith(_OF_THIS_MACHINE))


def _zone_meant(text: str) -> str | None:
    """By its spelling, by its city alone, or by likeness."""
    wanted = text.lower().replace(" ", "_")
    for zone in _zones():
        if wanted in (zone.lower(), zone.lower().rpartition("/")[2]):
            return zone
    return near(text, _zones())
