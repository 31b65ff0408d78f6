"""The types of inputs and outputs: from text to a value, from a value to the text that a program gets.

A Value is what the record can hold: None, bool, int, str, and lists and maps of these. Nothing is a float: `number`
and `percent` are decimal text in one form (`1.5`, `-0.25`), `duration` is whole µs, `bytes` a whole number of bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias, Union

from incidents import clock
from incidents.errors import BadInput
from incidents.yamlfile import LARGEST_INT

Value: TypeAlias = Union[bool, int, str, list["Value"], dict[str, "Value"], None]  # noqa: UP007 - it refers to itself

INPUT_TYPES = (
    "string", "int", "number", "bool", "choice", "duration", "bytes", "percent", "path", "host", "list", "secret",
)  # fmt: skip
OUTPUT_TYPES = ("string", "int", "number", "bool", "duration", "bytes", "percent", "path", "host", "list")
TEXT_TYPES = ("string", "path", "host", "list")  # those that take `pattern`
ORDERED_TYPES = ("int", "number", "duration", "bytes", "percent")  # those that take `min` and `max`

MAX_TEXT = 100_000  # bytes; Linux takes at most 131,072 in one argument or variable (execve(2))

_INT = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"([+-]?)([0-9]{1,30})(?:\.([0-9]{1,30}))?(?:[eE]([+-]?[0-9]{1,2}))?", re.ASCII)
_BYTES = re.compile(
    r"([0-9]{1,18})(?:\.([0-9]{1,9}))?\s?(B|kB|KB|MB|GB|TB|PB|KiB|MiB|GiB|TiB|PiB)?", re.ASCII
)
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
_IPV6 = re.compile(r"[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?", re.ASCII)
_UNIT = {"": 1, "B": 1, "kB": 10**3, "KB": 10**3}
_UNIT |= {letter + "B": 1000**power for power, letter in enumerate("MGTP", 2)}
_UNIT |= {letter + "iB": 1024**power for power, letter in enumerate("KMGTP", 1)}


def parse_typed(type: str, text: str) -> Value:
    """The value that `text` means as `type`. Raises BadInput saying what is wrong and what would be right."""
    return _PARSERS[type](check_text(text))


def check_text(text: str) -> str:
    """`text` where a program can receive it. Raises BadInput for NUL, bytes that are no text, and too much of it."""
    if "\0" in text:
        raise BadInput("holds NUL", hint="no program can receive it")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise BadInput("is not UTF-8 text", hint="the record holds only text") from None
    if size > MAX_TEXT:
        raise BadInput(
            f"is {size} bytes long", hint=f"at most {MAX_TEXT}; put it into a file and give its path"
        )
    return text


def _int(text: str) -> int:
    if not _INT.fullmatch(text) or abs(int(text)) > LARGEST_INT:
        raise BadInput(f"{show(text)} is not a whole number", hint="write digits only, such as 42")
    return int(text)


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise BadInput(f"{show(text)} is neither true nor false", hint="write true or false")
    return text == "true"


def decimal(text: str) -> str:
    """The one form of a decimal number: no exponent, no leading or trailing zeros, no `-0`. Raises BadInput."""
    match = _DECIMAL.fullmatch(text)
    if not match:
        raise BadInput(f"{show(text)} is not a number", hint="write a decimal number such as 0.75")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    digits, point = whole + fraction, len(whole) + exponent
    if point < 0:
        digits, point = "0" * -point + digits, 0
    digits = digits.ljust(point, "0")
    left, right = digits[:point].lstrip("0") or "0", digits[point:].rstrip("0")
    if left == "0" and not right:
        return "0"
    return ("-" if sign == "-" else "") + left + ("." + right if right else "")


def _duration(text: str) -> int:
    return clock.parse_duration(text)


def _bytes(text: str) -> int:
    match = _BYTES.fullmatch(text)
    if not match:
        hint = "write 2GiB (1024³), 2GB (1000³) or a plain number of bytes"
        raise BadInput(f"{show(text)} is not an amount of bytes", hint=hint)
    fraction = match[2] or ""
    unit = _UNIT[match[3] or ""]
    amount: int = int(match[1] + fraction) * unit // 10 ** len(fraction)
    if amount > LARGEST_INT:
        raise BadInput(f"{show(text)} is more than {LARGEST_INT} bytes")
    return amount


def _percent(text: str) -> str:
    number = text[:-1].rstrip() if text.endswith("%") else text
    try:
        return decimal(number)
    except BadInput:
        raise BadInput(f"{show(text)} is not a percentage", hint="write 90% or 90") from None


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise BadInput(f"{show(text)} is not an absolute path", hint="begin it with /")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadInput(f"{show(text)} goes up with ..", hint="write the path that you mean")
    return "/" + "/".join(parts)


def _host(text: str) -> str:
    name = text.lower()
    if len(name) > 253 or not (_NAME.fullmatch(name) or _IPV6.fullmatch(name)):
        raise BadInput(
            f"{show(text)} is not the name or address of a host", hint="such as db1.example.org or 10.0.0.7"
        )
    return name.rstrip(".")


def _list(text: str) -> list[Value]:
    if not text.strip():
        return []
    if not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",")]
    try:
        items = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise BadInput(f"{show(text)} is not a JSON list", hint='write ["a", "b"], or a,b') from None
    return list_items(items)


def list_items(items: list[Any]) -> list[Value]:
    """Items of a list as texts; lists and maps inside are refused. Raises BadInput."""
    texts: list[Value] = []
    for item in items:
        if isinstance(item, bool):
            texts.append("true" if item else "false")
        elif isinstance(item, str | int):
            texts.append(check_text(str(item)))
        else:
            raise BadInput("an item of a list must be a text", hint='write ["a", "b"], or a,b')
    return texts


def _string(text: str) -> str:
    return text


_PARSERS: dict[str, Callable[[str], Value]] = {
    "string": _string,
    "choice": _string,
    "int": _int,
    "number": decimal,
    "bool": _bool,
    "duration": _duration,
    "bytes": _bytes,
    "percent": _percent,
    "path": _path,
    "host": _host,
    "list": _list,
}


def as_text(value: Value) -> str:
    """The text that a program gets for a value: true|false, decimal digits, JSON for lists and maps; no value is
    an error (BadInput), because an empty argument is seldom what was meant."""
    if isinstance(value, str):
        return value
    if value is None:
        raise BadInput("there is no value", hint="give one, or use | default('…')")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def seconds(micros: int) -> str:
    """µs as decimal seconds without trailing zeros: `90`, `0.25`."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), clock.SECOND)
    return sign + (f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole))


def show(text: str) -> str:
    """`text` for a message: quoted, short, on one line."""
    return repr(text if len(text) <= 60 else text[:57] + "…")
