"""Values that stand in the file as they are, without an expression in them: one reader a kind of value.

A mistake is noted, and the value is then None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from incidents import clock
from incidents.errors import BadInput
from incidents.near import near
from incidents.yamlfile import Node
from runbooks import inputs, keys
from runbooks.keys import Key
from runbooks.reading import Reader, kind


def show(node: Node) -> str:
    return kind(node) if node.kind in ("map", "list", "null") else repr(node.text[:60])


def _line(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    if text is None:
        return None
    if not text.strip() or "\n" in text.strip():
        reader.wrong(node, f"`{name}` must be one line of text")
        return None
    return text.strip()


def _text(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    return reader.text(node, name)


def _bool(reader: Reader, node: Node, key: Key, name: str) -> bool | None:
    if node.kind != "bool":
        reader.wrong(node, f"`{name}` must be true or false, not {show(node)}", "write true or false")
        return None
    return bool(node.value)


def _true(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    if node.value is not True:
        reader.wrong(node, f"`{name}` can only be true", "write true, or take the key out")
        return None
    return ""


def _count(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.kind != "int" or not 1 <= node.value <= 10_000:
        reader.wrong(node, f"`{name}` must be a whole number from 1 to 10000, not {show(node)}")
        return None
    return int(node.value)


def _percentage(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    text = node.text.removesuffix("%") if node.kind not in ("map", "list", "null") else ""
    if not re.fullmatch("[0-9]{1,3}", text, re.ASCII) or int(text) > 100:
        reader.wrong(node, f"`{name}` is a percentage from 0 to 100, not {show(node)}", f"write {name}: 20")
        return None
    return int(text)


def _serial(reader: Reader, node: Node, key: Key, name: str) -> tuple[int | str, ...] | None:
    """Sizes of batches: numbers of hosts as int, percentages as text."""
    found: list[int | str] = []
    for item in node.items():
        text = item.text if item.kind not in ("map", "list", "null") else ""
        good = re.fullmatch("([1-9][0-9]{0,4})(%?)", text, re.ASCII)
        if good is None or (good[2] and int(good[1]) > 100):
            what = f"a batch is a number of hosts from 1, or a percentage from 1% to 100%, not {show(item)}"
            reader.wrong(item, what, f"write {name}: [1, 25%]")
            return None
        found.append(text if good[2] else int(text))
    if not found:
        reader.wrong(node, f"`{name}` is an empty list", "give the sizes of the batches, or take it out")
        return None
    return tuple(found)


def _factor(reader: Reader, node: Node, key: Key, name: str) -> float | None:
    if node.kind not in ("int", "number") or not 1 <= float(node.text) <= 100:
        reader.wrong(node, f"`{name}` must be a number from 1 to 100, not {show(node)}")
        return None
    return float(node.text)


def _version(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.value != 1 or node.kind != "int":
        reader.wrong(node, f"this is howdah's language 1, the file says {show(node)}", "write runbook: 1")
        return None
    return 1


def _option(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    if node.text not in key.options or node.kind in ("map", "list"):
        close = near(node.text, key.options) if node.text else None
        hint = (f"did you mean {close}? " if close else "") + "allowed: " + ", ".join(key.options)
        reader.wrong(node, f"`{name}` cannot be {show(node)}", hint)
        return None
    return node.text


def _words(reader: Reader, node: Node, key: Key, name: str) -> tuple[str, ...]:
    found: list[str] = []
    for item in node.items():
        text = reader.text(item, name)
        if text is not None and not text.strip():
            reader.wrong(item, f"`{name}` holds an empty text")
        elif text in found:
            reader.wrong(item, f"`{name}` holds {text!r} twice")
        elif text is not None:
            found.append(text)
    if node.kind == "list" and not node.value:
        reader.wrong(node, f"`{name}` is an empty list", "name at least one, or take the key out")
    return tuple(found)


def duration(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.kind in ("map", "list"):
        reader.wrong(node, f"`{name}` must be a duration, not {kind(node)}", "write 90s, 5m or 1h30m")
        return None
    try:
        micros = clock.parse_duration(node.text)
    except BadInput as error:
        reader.wrong(node, f"`{name}`: {error.message}", error.hint or "")
        return None
    if not micros and name not in ("grace", "delay"):
        reader.wrong(node, f"`{name}` must be longer than nothing")
        return None
    return micros


def _pattern(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    return None if text is None or _compiled(reader, node, name, text) is None else text


def _group(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    pattern = None if text is None else _compiled(reader, node, name, text)
    if pattern is None:
        return None
    if pattern.groups != 1:
        reader.wrong(
            node,
            f"`{name}` has {pattern.groups} groups",
            "put ( ) around the part that is the output, (?: ) around others",
        )
        return None
    return text


def _compiled(reader: Reader, node: Node, name: str, text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None) or 0
        reader.wrong(node, f"`{name}` is not a regular expression: {getattr(error, 'msg', error)}", offset=at)
        return None


def _json_path(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    text = reader.text(node, name)
    if text is None:
        return None
    try:
        inputs.json_path(text)
    except BadInput as error:
        reader.wrong(node, f"`{name}`: {error.message}", error.hint or "")
        return None
    return text


def _exits(reader: Reader, node: Node, key: Key, name: str) -> frozenset[int] | None:
    """Exit statuses. 0 is success; 126, 127 and those above 128 are the shell's own reports of trouble."""
    found: set[int] = set()
    for item in node.items():
        if item.kind != "int" or not 1 <= item.value <= 255:
            reader.wrong(
                item, f"`{name}` holds exit statuses from 1 to 255, not {show(item)}", f"write {name}: [10]"
            )
        elif name == "no" and (item.value in (126, 127) or item.value > 128):
            what = f"exit {item.value} says that the program could not run or was killed"
            reader.wrong(
                item, f"{what}, never that the act did not happen", "let the script exit 10 for that"
            )
        else:
            found.add(item.value)
    return frozenset(found) if found else None


def _id(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    if not isinstance(node.text, str) or not re.fullmatch(keys.ID, node.text, re.ASCII):
        reader.wrong(
            node,
            f"`{name}` cannot be {show(node)}",
            "letters, digits, _ and -, beginning with a letter or _",
        )
        return None
    if node.text in ("rescue", "always"):
        reader.wrong(node, f"`{name}` cannot be {node.text}, a word of the language", "choose another")
        return None
    return node.text


def _verbatim(reader: Reader, node: Node, key: Key, name: str) -> str | None:
    """A text that is never templated, as a script is none."""
    text = reader.text(node, name)
    if text is not None and (at := text.find("${{")) >= 0:
        what = f"`${{{{` means nothing in `{name}`, which is never templated"
        reader.wrong(node, what, "put %s there, and the value into `params`", offset=at)
        return None
    return text


def _numbers(reader: Reader, node: Node, key: Key, name: str) -> list[int] | None:
    found = [one.value for one in node.items() if one.kind == "int"]
    if len(found) != len(node.items()) or not found:
        reader.wrong(node, f"`{name}` lists whole numbers, not {show(node)}", f"write {name}: [200, 204]")
        return None
    return found


def _whole(reader: Reader, node: Node, key: Key, name: str) -> int | None:
    if node.kind != "int" or node.value < 0:
        reader.wrong(node, f"`{name}` is a whole number, 0 or more, not {show(node)}")
        return None
    return int(node.value)


READERS: dict[str, Callable[[Reader, Node, Key, str], Any]] = {
    "version": _version,
    "line": _line,
    "text": _text,
    "bool": _bool,
    "true": _true,
    "count": _count,
    "factor": _factor,
    "percentage": _percentage,
    "serial": _serial,
    "option": _option,
    "words": _words,
    "duration": duration,
    "pattern": _pattern,
    "group": _group,
    "json-path": _json_path,
    "exits": _exits,
    "id": _id,
    "verbatim": _verbatim,
    "numbers": _numbers,
    "whole": _whole,
}
