"""Values that may hold `${{ expressions }}`: one reader a kind of value.

A mistake is noted, and the value is then None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from incidents.errors import BadInput
from incidents.yamlfile import Node
from runbooks import exact, expressions, literals, typed
from runbooks.document import ArgvTemplate
from runbooks.expressions import Expr, Template
from runbooks.grammar import Unreadable
from runbooks.keys import Key
from runbooks.literals import show
from runbooks.quoting import Script
from runbooks.reading import Reader, Use, kind

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)


def _template(reader: Reader, node: Node, key: Key, name: str) -> Template | None:
    return reader.template(node, name)


def _templates(reader: Reader, node: Node, key: Key, name: str) -> tuple[Template, ...]:
    found = [reader.template(item, name) for item in node.items()]
    return tuple(template for template in found if template is not None)


def _expression(reader: Reader, node: Node, key: Key, name: str) -> Expr | None:
    """One expression, nothing around it."""
    if node.kind in ("bool", "int", "number", "map", "list"):
        reader.wrong(
            node,
            f"`{name}` must be one ${{{{ expression }}}}, not {kind(node)}",
            f"write {name}: ${{{{ … }}}}",
        )
        return None
    template = reader.template(node, name)
    if template is None:
        return None
    only = [part for part in template.parts if isinstance(part, Expr) or part.strip()]
    if len(only) != 1 or not isinstance(only[0], Expr):
        reader.wrong(
            node,
            f"`{name}` must be one ${{{{ expression }}}} with nothing around it",
            f"write {name}: ${{{{ … }}}}",
        )
        return None
    return only[0]


def _expressions(reader: Reader, node: Node, key: Key, name: str) -> tuple[Expr, ...]:
    found = [_expression(reader, item, key, name) for item in node.items()]
    return tuple(expr for expr in found if expr is not None)


def _shown(reader: Reader, node: Node, key: Key, name: str) -> tuple[Expr, ...]:
    """Expressions as they stand in a list, `steps.before.outputs.avail`, with or without ${{ }}."""
    found = []
    for item in node.items():
        expr = _expression(reader, item, key, name) if "${{" in item.text else _bare(reader, item, name)
        if expr is not None:
            found.append(expr)
    return tuple(found)


def _bare(reader: Reader, node: Node, name: str) -> Expr | None:
    text = reader.text(node, name)
    if text is None:
        return None
    try:
        expr = expressions.parse(text, reader.at(node, 0), types=reader.types)
    except Unreadable as error:
        reader.wrong(node, error.message, error.hint, offset=error.at)
        return None
    reader.uses.append(Use(expr, name, reader.part, reader.step, node))
    return expr


def _time(reader: Reader, node: Node, key: Key, name: str) -> int | Template | None:
    return reader.template(node, "wait") if "${{" in node.text else literals.duration(reader, node, key, name)


def _command(reader: Reader, node: Node, key: Key, name: str) -> Script | tuple[Template, ...] | None:
    if node.kind == "map":
        reader.wrong(node, "`run` must be a text for bash or a list of arguments, not a map")
        return None
    if node.kind != "list":
        return reader.script(node)
    if not node.value:
        reader.wrong(node, "`run` is an empty list", "begin it with the program")
        return None
    if node.value[0].kind == "text" and not node.value[0].text.strip():
        reader.wrong(node.value[0], "the program has no name", "begin the list with the program")
        return None
    items = [reader.argument(item, "run") for item in node.value]
    return None if None in items else ArgvTemplate(item for item in items if item is not None)


def _data(reader: Reader, node: Node, key: Key, name: str) -> Any:
    """Nested data with a template at each leaf; a number, exact, and true keep what they are."""

    def leaf(one: Node) -> Any:
        if one.style or not _JSON_NUMBER.fullmatch(one.text):
            return reader.argument(one, name)
        try:
            return exact.from_record("number", typed.decimal(one.text))
        except BadInput:
            reader.wrong(
                one,
                f"`{name}`: the number {show(one)} has too many digits",
                "quote it: a text keeps all of them",
            )
            return None

    return _nested(node, leaf)


def _given(reader: Reader, node: Node, key: Key, name: str) -> Any:
    """What an input of another runbook gets: as written, for its own type decides what it means."""
    return _nested(node, lambda one: reader.argument(one, name))


def _nested(node: Node, leaf: Callable[[Node], Any]) -> Any:
    if node.kind == "map":
        return {word: _nested(one, leaf) for word, one in node.value.items()}
    if node.kind == "list":
        return [_nested(one, leaf) for one in node.value]
    return node.value if node.kind in ("int", "bool", "null") else leaf(node)


def _texts(reader: Reader, node: Node, key: Key, name: str) -> dict[str, Template] | None:
    if reader.map(node, name) is None:
        return None
    found = {word: reader.argument(one, name) for word, one in node.value.items()}
    return {word: one for word, one in found.items() if one is not None}


READERS: dict[str, Callable[[Reader, Node, Key, str], Any]] = {
    "template": _template,
    "templates": _templates,
    "expression": _expression,
    "expressions": _expressions,
    "shown": _shown,
    "time": _time,
    "command": _command,
    "data": _data,
    "given": _given,
    "texts": _texts,
}
