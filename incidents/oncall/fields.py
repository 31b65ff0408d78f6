"""One value of a file of schedules: read, or what is wrong with it and where. docs/oncall.md has the forms.

A reader takes the Fields that keep the mistakes, the node and its key, and gives None where it is wrong.
"""

from __future__ import annotations

import datetime
import functools
import re
import zoneinfo
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput, Mistake
from incidents.near import near, near_hint
from incidents.oncall.schedule import Group, wall_of

if TYPE_CHECKING:
    from incidents.yamlfile import Node

EARLIEST, LATEST = 1900, 9000  # years
LARGEST = (1 << 53) - 1  # of an integer, as yamlfile has it
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_LETTERS = "letters, digits and . _ -, at most 64"
_INT = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_DATE, _TIME = r"(\d{4})-(\d\d)-(\d\d)", r"(\d\d):(\d\d)(?::(\d\d))?"
_OFFSET = r"(Z|[+-]\d\d:?\d\d)"
_WALL = re.compile(f"{_DATE}T{_TIME}", re.ASCII)
_INSTANT = re.compile(rf"{_DATE}T{_TIME}(?:\.(\d{{1,6}}))?{_OFFSET}", re.ASCII)
_WITHOUT_T = re.compile(rf"{_DATE}(?:[ t]+{_TIME}(?:\.\d+)? ?{_OFFSET}?)?", re.ASCII)
_OF_DAY = re.compile(_TIME, re.ASCII)
_OF_DAY_OFFSET = re.compile(rf"{_TIME} ?{_OFFSET}", re.ASCII)

Reader = Callable[["Fields", "Node", str], Any]


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
            self.wrong(node, f"{form.what} is a map", f"write {form.example}")
            return {}
        given, strange = {}, []
        for key, value in node.value.items():
            read = form.keys.get(key)
            if read is None:
                strange.append(key)
                what = f"{form.what} has no {short(key)!r}"
                self.wrong(node.keys[key], what, near_hint(key, form.keys))
            elif (found := read(self, value, key)) is not None:
                given[key] = found
        for key in form.needed:
            if key not in node.value and not any(near(word, [key]) for word in strange):
                self.wrong(node, f"{form.what} needs `{key}`", f"write {form.example}")
        return given

    def list(self, node: Node, key: str, example: str) -> list[Node] | None:
        if node.kind == "list":
            return list(node.value)
        self.wrong(node, f"`{key}` is a list", f"write {example}")
        return None

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


# -- words ---------------------------------------------------------------------------------------------------


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def name(fields: Fields, node: Node, what: str) -> str | None:
    """The name of a person, a layer: text, so that `on` and 42 are not mistaken for one."""
    if node.kind in ("int", "number", "bool"):
        fields.wrong(node, f"{what} is a name, and {short(node.text)} is none", f'quote it: "{node.text}"')
    elif node.kind != "text":
        fields.wrong(node, f"{what} is one name", _LETTERS)
    elif not is_name(node.text):
        fields.wrong(node, f"{what} cannot be {short(node.text)!r}", _LETTERS)
    else:
        return node.text
    return None


def person(fields: Fields, node: Node, key: str) -> str | None:
    return name(fields, node, f"`{key}`")


def people(fields: Fields, node: Node, key: str) -> Group | None:
    """`[hazel, nova]`; somebody who stands twice is doubtful, and so is nobody."""
    nodes = fields.list(node, key, f"`{key}: [hazel, nova]`")
    if nodes is None:
        return None
    found = [name(fields, one, "a person") for one in nodes]
    if not nodes:
        fields.doubt(node, f"`{key}` has nobody", "then nobody is on call by it")
    for i, one in enumerate(found):
        if one is not None and one in found[:i]:
            fields.doubt(nodes[i], f"{one} stands here twice", "once is enough")
    return tuple(dict.fromkeys(one for one in found if one is not None))


def text(fields: Fields, node: Node, key: str) -> str | None:
    if scalar(node):
        return node.text
    fields.wrong(node, f"`{key}` is a text", f"write `{key}: holiday`, or leave it out")
    return None


def one_of(choices: Collection[str]) -> Reader:
    def read(fields: Fields, node: Node, key: str) -> str | None:
        if scalar(node) and node.text in choices:
            return node.text
        shown = repr(short(node.text)) if scalar(node) else _kind(node)
        hint = near_hint(node.text, choices) if scalar(node) else f"there is {', '.join(choices)}"
        fields.wrong(node, f"`{key}` cannot be {shown}", hint)
        return None

    return read


def flag(fields: Fields, node: Node, key: str) -> bool | None:
    if scalar(node) and node.text in ("true", "false"):
        return node.text == "true"
    fields.wrong(node, f"`{key}` is true or false", "write it as one of these words")
    return None


def whole(lowest: int, highest: int) -> Reader:
    def read(fields: Fields, node: Node, key: str) -> int | None:
        if scalar(node) and _INT.fullmatch(node.text) and lowest <= int(node.text) <= highest:
            return int(node.text)
        bounds = f" from {lowest:,} to {highest:,}" if highest < LARGEST else ""
        shown = short(node.text) if scalar(node) else _kind(node)
        fields.wrong(node, f"`{key}` cannot be {shown}", f"it is a whole number{bounds}, 1 unless given")
        return None

    return read


def level(fields: Fields, node: Node, key: str) -> int | None:
    if scalar(node) and _INT.fullmatch(node.text) and abs(int(node.text)) <= LARGEST:
        return int(node.text)
    shown = short(node.text) if scalar(node) else _kind(node)
    fields.wrong(node, f"`{key}` cannot be {shown}", "it is a whole number, 0 unless given; the higher wins")
    return None


def zone(fields: Fields, node: Node, key: str) -> str | None:
    if not scalar(node):
        fields.wrong(node, f"`{key}` is the name of a time zone", "write Europe/Berlin, or leave it out")
        return None
    hint = _zone_hint(node.text)
    if hint is None:
        return node.text
    fields.wrong(node, f"`{key}`: {short(node.text)!r} is not a time zone", hint)
    return None


@functools.lru_cache(maxsize=1024)
def _zone_hint(text: str) -> str | None:
    """None: there is such a zone; else which was meant."""
    try:
        clock.find_zone(text)
    except BadInput as error:
        known = sorted(zoneinfo.available_timezones())
        wanted = text.lower().replace(" ", "_")[:64]
        meant = next((one for one in known if one.lower() == wanted), None)
        meant = meant or next((one for one in known if one.lower().rpartition("/")[2] == wanted), None)
        meant = meant or near(text[:64], known)
        return f"did you mean {meant}?" if meant else error.hint or ""
    return None


def _kind(node: Node) -> str:
    return {"map": "a map", "list": "a list", "null": "nothing"}[node.kind]


# -- times ---------------------------------------------------------------------------------------------------


def wall(fields: Fields, node: Node, key: str) -> int | None:
    """`2022-11-07T09:00` as wall µs."""
    if scalar(node) and (match := _WALL.fullmatch(node.text)):
        return _moment(fields, node, key, match)
    example = '"2022-11-07T09:00"'
    if not scalar(node):
        fields.wrong(node, f"`{key}` is a wall time", f"write {example}")
    elif match := _INSTANT.fullmatch(node.text):
        what = f"`{key}` is a wall time and has no offset: {node.text!r}"
        fields.wrong(node, what, f'write "{node.text[:16]}", as clocks in the zone show it')
    elif match := _WITHOUT_T.fullmatch(node.text):
        meant = f"{node.text[:10]}T{match[4] or '00'}:{match[5] or '00'}"
        fields.wrong(node, f"`{key}` has no T: {node.text!r}", f'write "{meant}"')
    else:
        fields.wrong(node, f"`{key}` is not a wall time: {short(node.text)!r}", f"write {example}")
    return None


def instant(fields: Fields, node: Node, key: str) -> int | None:
    """`2022-11-09T18:00:00Z` as µs since the epoch."""
    if scalar(node) and (match := _INSTANT.fullmatch(node.text)):
        offset = _offset(match[8])
        if offset is not None:
            shown = _moment(fields, node, key, match)
            return None if shown is None else shown + int((match[7] or "").ljust(6, "0")) - offset
    example = "write 2022-11-09T18:00:00Z or 2022-11-09T19:00:00+01:00"
    if not scalar(node):
        fields.wrong(node, f"`{key}` is an instant, a time with its offset", example)
    elif _WALL.fullmatch(node.text):
        what = f"`{key}` is an instant and needs an offset: {node.text!r}"
        fields.wrong(node, what, f'write "{node.text}Z", or with +01:00')
    elif _WITHOUT_T.fullmatch(node.text):
        fields.wrong(node, f"`{key}` has no T: {node.text!r}", example)
    else:
        fields.wrong(node, f"`{key}` is not an instant: {short(node.text)!r}", example)
    return None


def _moment(fields: Fields, node: Node, key: str, match: re.Match[str]) -> int | None:
    """Wall µs of year to second; a mistake where the calendar has no such time."""
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not EARLIEST <= year <= LATEST:
        hint = f"a year from {EARLIEST} to {LATEST}"
        fields.wrong(node, f"`{key}` is too far away: {node.text!r}", hint)
        return None
    try:
        return wall_of(datetime.datetime(year, month, day, hour, minute, second))  # noqa: DTZ001 - wall time
    except ValueError as error:
        fields.wrong(node, f"`{key}`: there is no {node.text!r}", f"{error}")
        return None


def _offset(text: str) -> int | None:
    """µs east of UTC."""
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        return None
    size = hours * clock.HOUR + minutes * clock.MINUTE
    return -size if text[0] == "-" else size


def time_of_day(fields: Fields, node: Node, key: str) -> int | None:
    """`22:00` as µs after midnight."""
    return _of_day(fields, node, key, 86_399)


def end_of_day(fields: Fields, node: Node, key: str) -> int | None:
    """`06:00`, and also `24:00`."""
    return _of_day(fields, node, key, 86_400)


def _of_day(fields: Fields, node: Node, key: str, latest: int) -> int | None:
    hint = 'write "09:00", or 24:00 for the end of the day' if latest == 86_400 else 'write "09:00"'
    if not scalar(node):
        fields.wrong(node, f"`{key}` is a time of day", hint)
        return None
    if match := _OF_DAY.fullmatch(node.text):
        hour, minute, second = (int(part or 0) for part in match.groups())
        total = hour * 3600 + minute * 60 + second
        if minute < 60 and second < 60 and total <= latest:
            return total * clock.SECOND
        fields.wrong(node, f"`{key}`: there is no {node.text!r}", hint)
    elif _OF_DAY_OFFSET.fullmatch(node.text):
        what = f"`{key}` is a wall time and has no offset: {node.text!r}"
        fields.wrong(node, what, f'write "{node.text[:5]}"; `timezone` says whose clock')
    else:
        fields.wrong(node, f"`{key}` is not a time of day: {short(node.text)!r}", hint)
    return None
