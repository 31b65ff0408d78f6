"""The filters of expressions: `value | name(argument)`. One function each; the docstring is what a person reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput
from runbooks import typed
from runbooks.exact import Trouble, decimal_text, describe, from_record, is_number, to_record

MAX_PLACES = 9


class Filter(NamedTuple):
    function: Callable[..., Any]
    least: int  # arguments besides the value
    most: int
    gives: str  # bool number text list or any


def apply(name: str, value: Any, arguments: list[Any]) -> Any:
    """Raises Trouble for an unknown filter, the wrong number of arguments, and a value that it cannot take."""
    found = FILTERS.get(name)
    if found is None:
        raise Trouble(f"there is no filter `{name}`", hint="there are " + ", ".join(FILTERS))
    if not found.least <= len(arguments) <= found.most:
        raise Trouble(f"| {name} takes {counted(found)}, not {len(arguments)}")
    return found.function(value, *arguments)


def counted(found: Filter) -> str:
    """How many arguments it takes, in words."""
    many = str(found.least) if found.least == found.most else f"{found.least} to {found.most}"
    return f"{many} argument" + ("" if many == "1" else "s")


def _need(name: str, value: Any, kinds: tuple[type, ...], what: str) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise Trouble(f"| {name} needs {what}, not {describe(value)}")


def _number(name: str, value: Any) -> None:
    if not is_number(value):
        raise Trouble(
            f"| {name} needs a number, not {describe(value)}", hint="| number makes a number of a text"
        )


def length(value: Any) -> int:
    """How many characters, items or keys."""
    _need("length", value, (str, list, dict), "a text or a list")
    return len(value)


def human_bytes(value: Any) -> str:
    """A number of bytes for people: `2.0 GiB`."""
    _number("bytes", value)
    size = int(value)
    if abs(size) < 1024:
        return f"{size} B"
    power = min((abs(size).bit_length() - 1) // 10, 5)
    tenths = (abs(size) * 10 + (1 << 10 * power) // 2) >> 10 * power
    if tenths >= 10240 and power < 5:  # 1023.96 KiB is 1.0 MiB
        power, tenths = power + 1, 10
    return f"{'-' if size < 0 else ''}{tenths // 10}.{tenths % 10} {' KMGTP'[power]}iB"


def human_duration(value: Any) -> str:
    """A number of seconds for people: `7 min 12 s`."""
    _number("duration", value)
    return clock.words(int(value * clock.SECOND))


def default(value: Any, instead: Any) -> Any:
    """Another value where there is none (null)."""
    return instead if value is None else value


def lower(value: Any) -> str:
    """In small letters."""
    _need("lower", value, (str,), "a text")
    return str(value).lower()


def upper(value: Any) -> str:
    """In capital letters."""
    _need("upper", value, (str,), "a text")
    return str(value).upper()


def trim(value: Any) -> str:
    """Without spaces and newlines at both ends."""
    _need("trim", value, (str,), "a text")
    return str(value).strip()


def join(value: Any, between: Any = "") -> str:
    """The items of a list as one text."""
    _need("join", value, (list,), "a list")
    _need("join", between, (str,), "a text between the items")
    return str(between).join(string(item) for item in value)


def split(value: Any, at: Any) -> list[Any]:
    """A text cut into a list wherever `at` stands."""
    _need("split", value, (str,), "a text")
    if not isinstance(at, str) or not at:
        raise Trouble("| split needs a text to cut at", hint="such as | split(',')")
    return list(str(value).split(at))


def replace(value: Any, old: Any, new: Any) -> str:
    """Every `old` in a text replaced by `new`."""
    for part in (value, old, new):
        _need("replace", part, (str,), "texts")
    if not old:
        raise Trouble("| replace needs a text to look for")
    if len(value) + value.count(old) * (len(new) - len(old)) > 1 << 20:
        raise Trouble("the result is too large", hint="compute it in a step")
    return str(value).replace(old, new)


def first(value: Any) -> Any:
    """The first item of a list, null where it is empty."""
    _need("first", value, (list,), "a list")
    return value[0] if value else None


def last(value: Any) -> Any:
    """The last item of a list, null where it is empty."""
    _need("last", value, (list,), "a list")
    return value[-1] if value else None


def sort(value: Any) -> list[Any]:
    """A list of numbers or of texts in order."""
    return sorted(_uniform("sort", value))


def smallest(value: Any) -> Any:
    """The smallest item of a list, null where it is empty."""
    return min(_uniform("min", value), default=None)


def largest(value: Any) -> Any:
    """The largest item of a list, null where it is empty."""
    return max(_uniform("max", value), default=None)


def total(value: Any) -> Any:
    """The sum of a list of numbers."""
    items = _uniform("sum", value)
    if items and not is_number(items[0]):
        raise Trouble(f"| sum needs numbers, not {describe(items[0])}", hint="give the output `type: int`")
    return sum(items)


def _uniform(name: str, value: Any) -> list[Any]:
    _need(name, value, (list,), "a list")
    if not (all(map(is_number, value)) or all(isinstance(item, str) for item in value)):
        raise Trouble(f"| {name} needs a list of numbers or a list of texts")
    return list(value)


def integer(value: Any) -> int:
    """A text of digits as a number; a number without its fraction."""
    if isinstance(value, str):
        return int(_typed("int", value.strip()))
    _number("int", value)
    return int(value)


def number(value: Any) -> Any:
    """A text as an exact number."""
    if isinstance(value, str):
        return from_record("number", _typed("number", value.strip()))
    _number("number", value)
    return value


def _typed(kind: str, text: str) -> Any:
    try:
        return typed.parse_typed(kind, text)
    except BadInput as error:
        raise Trouble(f"| {kind}: {error.message}", hint=error.hint or "") from None


def string(value: Any) -> str:
    """Any value as text."""
    try:
        return typed.as_text(to_record(value))
    except BadInput as error:
        raise Trouble(f"| string: {error.message}", hint=error.hint or "") from None


def rounded(value: Any, places: Any = 0) -> Any:
    """A number with at most that many digits after the point, halves to the even digit."""
    _number("round", value)
    if not isinstance(places, int) or isinstance(places, bool) or not 0 <= places <= MAX_PLACES:
        raise Trouble(f"| round takes 0 to {MAX_PLACES} digits, not {describe(places)}")
    if isinstance(value, int):
        return value
    return from_record("number", decimal_text(round(value, places)))


def absolute(value: Any) -> Any:
    """A number without its sign."""
    _number("abs", value)
    return abs(value)


def tojson(value: Any) -> str:
    """Any value as JSON."""
    return json.dumps(to_record(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


FILTERS: dict[str, Filter] = {
    "abs": Filter(absolute, 0, 0, "number"),
    "bytes": Filter(human_bytes, 0, 0, "text"),
    "default": Filter(default, 1, 1, "any"),
    "duration": Filter(human_duration, 0, 0, "text"),
    "first": Filter(first, 0, 0, "any"),
    "int": Filter(integer, 0, 0, "number"),
    "join": Filter(join, 0, 1, "text"),
    "last": Filter(last, 0, 0, "any"),
    "length": Filter(length, 0, 0, "number"),
    "lower": Filter(lower, 0, 0, "text"),
    "max": Filter(largest, 0, 0, "any"),
    "min": Filter(smallest, 0, 0, "any"),
    "number": Filter(number, 0, 0, "number"),
    "replace": Filter(replace, 2, 2, "text"),
    "round": Filter(rounded, 0, 1, "number"),
    "sort": Filter(sort, 0, 0, "list"),
    "split": Filter(split, 1, 1, "list"),
    "string": Filter(string, 0, 0, "text"),
    "sum": Filter(total, 0, 0, "number"),
    "tojson": Filter(tojson, 0, 0, "text"),
    "trim": Filter(trim, 0, 0, "text"),
    "upper": Filter(upper, 0, 0, "text"),
}
