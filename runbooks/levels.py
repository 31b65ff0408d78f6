"""The keys of one level read by the table of `keys.py`: one reader a kind of value.

Every mistake is noted, none stops the reading of the rest. What could not be read is left out of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from incidents.near import near
from incidents.yamlfile import Node
from runbooks import keys, literals, templated
from runbooks.keys import Key
from runbooks.reading import Reader, kind


def read(reader: Reader, node: Node, level: str) -> dict[str, Any]:
    """The values of a map by the table of that level; unknown and missing keys are mistakes."""
    return read_table(reader, node, keys.LEVELS[level], level)


def read_table(reader: Reader, node: Node, table: Mapping[str, Key], level: str) -> dict[str, Any]:
    """The same by any table; `level` is its name in messages."""
    if node.kind != "map":
        first = "run" if level in ("step", "diagnose") else next(iter(table))
        reader.wrong(
            node, f"{_this(level)} must be a map, not {kind(node)}", f"begin it with a key, such as {first}:"
        )
        return {}
    values: dict[str, Any] = {}
    for name, value in node.value.items():
        key = table.get(name)
        if key is None:
            _unknown(reader, node.keys[name], name, level, node.value, table)
            continue
        if value.kind == "null":
            reader.wrong(node.keys[name], f"`{name}` has no value", "give one, or take the key out")
            continue
        read = READERS[key.kind](reader, value, key, name)
        if read is not None:
            values[name] = read
    for name, key in table.items():
        if (
            key.required
            and name not in node.value
            and not keys.NOT_YET.get(level, frozenset()) & node.value.keys()
        ):
            reader.wrong(
                node, f"{_this(level)} needs `{name}`", key.doc[:1].lower() + key.doc[1:].rstrip(".")
            )
    return values


def _unknown(
    reader: Reader, at: Node, name: str, level: str, given: Iterable[str], table: Mapping[str, Key]
) -> None:
    if name in keys.NOT_YET.get(level, ()):
        reader.wrong(at, f"`{name}` is not supported yet", "take it out; a later version will know it")
        return
    others = {word: key for word, key in keys.OTHERS_WORDS.items() if key in table}
    words = others | {key: key for key in table if key not in given}
    close = words.get(near(name, words, cutoff=0.7) or "")
    hint = f"did you mean `{close}`?" if close else "known are " + (", ".join(table) or "none")
    if level == "step" and name in keys.DIAGNOSE:
        hint = "it goes with a step of `diagnose`"
    reader.wrong(at, f"{_this(level)} has no key `{name}`", hint)


def _this(level: str) -> str:
    return {
        "runbook": "a runbook",
        "step": "a step",
        "input": "an input",
        "output": "an output",
        "sample": "an output of `watch`",
        "diagnose": "a step of `diagnose`",
    }.get(level, f"`{level}`")


# -- values that others read on: (reader, node, key, name) -> the value, None where it is wrong --------------------


def _node(reader: Reader, node: Node, key: Key, name: str) -> Node:
    return node


def _map(reader: Reader, node: Node, key: Key, name: str) -> Node | None:
    return reader.map(node, name)


def _steps(reader: Reader, node: Node, key: Key, name: str) -> list[Node] | None:
    if node.kind != "list":
        reader.wrong(node, f"`{name}` must be a list of steps, not {kind(node)}", "begin each step with `- `")
        return None
    if not node.value:
        reader.wrong(node, f"`{name}` has no steps", "write at least one, or take the key out")
        return None
    return list(node.value)


READERS: dict[str, Callable[[Reader, Node, Key, str], Any]] = {
    **literals.READERS,
    **templated.READERS,
    "scalar": _node,
    "steps": _steps,
    "probes": _steps,
    "named": _map,
    "env": _map,
    "offer": _map,
    "level": _node,
    "with": _node,
}
