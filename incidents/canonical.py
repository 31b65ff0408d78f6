"""Canonical JSON: RFC 8785, restricted to strings, integers, booleans, null, arrays and objects."""

from __future__ import annotations

import json
from typing import Any

from incidents.errors import BadInput

LARGEST_INTEGER = 2**53 - 1  # RFC 8785 section 3.2.2.3: beyond it a JSON number is not exact
DEEPEST = 64  # levels of lists and objects

quote = json.encoder.encode_basestring  # escapes exactly what RFC 8785 section 3.2.2.2 escapes


def canonical(value: Any) -> str:
    """The canonical JSON of `value`. Raises BadInput for floats, inexact integers, other types, too deep."""
    return _write(value, 0)


def _write(value: Any, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return quote(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        if -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            return str(value)
        raise BadInput(f"the number {value} is too large to be exact in JSON", hint="write it as a string")
    if depth > DEEPEST:
        raise BadInput(f"data is nested deeper than {DEEPEST} levels")
    if kind is dict:
        return _write_object(value, depth)
    if kind is list:
        return "[" + ",".join([_write(item, depth + 1) for item in value]) + "]"
    raise BadInput(
        f"the record cannot hold a {kind.__name__}",
        hint="only text, integers, true, false, null, lists and objects; a ratio is a string, a duration µs",
    )


def _write_object(value: dict[Any, Any], depth: int) -> str:
    try:
        ascii_only = "".join(value).isascii()
    except TypeError:
        raise BadInput("the keys of an object must be strings") from None
    # RFC 8785 section 3.2.3 sorts by UTF-16 code units, Python by code points: equal below U+D800
    names = sorted(value) if ascii_only else sorted(value, key=_utf16)
    return "{" + ",".join([f"{quote(name)}:{_write(value[name], depth + 1)}" for name in names]) + "}"


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
