"""`uses:`: a step that is an action, or a runbook inside of this one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from incidents.errors import BadInput
from incidents.yamlfile import Node
from runbooks import document, exact, inference, inputs, keys, levels, using
from runbooks.actions import base
from runbooks.document import Command, Effect, Step, Uses
from runbooks.expressions import Template
from runbooks.inputs import OutputSpec
from runbooks.reading import Reader
from runbooks.reading import kind as kind_of

Find: TypeAlias = Callable[[str, Node], document.Runbook | None]
ANY = keys.Key("data", "")
SUB_KEYS = frozenset(
    ("id", "name", "uses", "with", "if", "require", "confirm", "approve", "touches", "continue-on-error")
)


def command(reader: Reader, node: Node, values: dict[str, Any], level: str) -> Command | None:
    """What is to run: a script, an argv, or an action; None where it cannot be read."""
    given = node.value if node.kind == "map" else {}
    if level != "step" and node.kind == "map" and ("run" in given) == ("uses" in given):
        what = f"`{level}` needs one of `run` and `uses`"
        reader.wrong(node, what, "say what is to run")
        return None
    if level != "step" and "with" in given and "uses" not in given:
        reader.wrong(node.keys["with"], "`with` goes with `uses`", "take it out")
    if level == "step" and is_path(node):
        return None
    if "uses" not in given:
        found: Command | None = values.get("run")
        return found
    with reader.inside(level) if level != "step" else contextlib.nullcontext():
        return _action(reader, given["uses"], given.get("with")) if "uses" in values else None


def sub(reader: Reader, find: Find, node: Node, values: dict[str, Any]) -> document.Sub | None:
    """A runbook inside of this one."""
    at = node.value["uses"]
    for name in values.keys() - SUB_KEYS:
        reader.wrong(
            node.keys[name],
            f"`{name}` goes with an action, not with a runbook",
            "write it there, at its steps",
        )
    book = find(values["uses"], at)
    given = values.get("with", Node("map", {}, "", at.line, at.column))
    if book is None or given.kind != "map":
        return None
    table = {name: keys.Key("given", spec.help, required=spec.required) for name, spec in book.inputs.items()}
    with reader.noting("with"):
        read = levels.read_table(reader, given, table, values["uses"])
    for name, spec in book.inputs.items():
        if spec.type == "secret" and name in read and using.lone_input(read[name]) is None:
            reader.wrong(
                given.value[name],
                f"the secret `{name}` must be a secret of this runbook",
                "write ${{ inputs.NAME }}",
            )
    _literals(reader, given, book, read)
    return document.Sub(book, read)


def _literals(reader: Reader, given: Node, book: document.Runbook, read: dict[str, Any]) -> None:
    """Values that stand there as they are must be such as the other runbook's inputs take."""
    for name, spec in book.inputs.items():
        if name not in read or spec.type == "secret" or using.known_later(read[name]):
            continue
        value = using.filled(read[name], {})
        if isinstance(value, dict) or (isinstance(value, list) and spec.type != "list"):
            reader.wrong(
                given.value[name],
                f"`{name}` is {kind_of(given.value[name])}, not a {spec.type}",
                "give one value",
            )
            continue
        try:
            inputs.read_value(spec, value)
        except BadInput as problem:
            reader.wrong(given.value[name], f"`{name}`: {problem.message}", problem.hint or "")


def _action(reader: Reader, node: Node, given: Node | None) -> Uses | None:
    name = node.text.strip()
    try:
        action = base.find(name)
    except BadInput as problem:
        reader.wrong(node, problem.message, problem.hint or "")
        return None
    if given is not None and given.kind != "map":
        reader.wrong(given, f"`with` must be a map, not {kind_of(given)}", "write with: {NAME: value}")
        return None
    known = given if given is not None else Node("map", {}, "", node.line, node.column)
    table = dict.fromkeys(known.value, ANY) if action.any_names else action.takes
    for word in known.value if action.any_names else ():
        if not re.fullmatch(keys.ID, word, re.ASCII):
            reader.wrong(known.keys[word], f"an output cannot be called {word!r}", "letters, digits, _ and -")
    with reader.noting("with"):
        values = levels.read_table(reader, known, table, f"{name}")
    try:
        base.effect(name, values)
    except BadInput as problem:
        reader.wrong(node, problem.message, problem.hint or "")
        return None
    if action.any_names:
        _recordable(reader, known, values)
    return Uses(name, values, reader.at(node, 0), {word: table[word].kind for word in values})


def _recordable(reader: Reader, given: Node, values: dict[str, Any]) -> None:
    """The outputs that are plain to see must be such as the record can hold."""
    for word, one in values.items():
        try:
            using.recorded(_without_templates(one))
        except BadInput as problem:
            reader.wrong(
                given.value[word], f"`{word}`: {problem.message}", "quote it: a text keeps all digits"
            )


def _without_templates(value: Any) -> Any:
    if isinstance(value, Template):
        return None
    if isinstance(value, dict):
        return {name: _without_templates(one) for name, one in value.items()}
    return [_without_templates(one) for one in value] if isinstance(value, list) else value


def is_path(node: Node) -> bool:
    """Does the step use another runbook? Its name is a path: it has a slash."""
    uses = node.value.get("uses") if node.kind == "map" else None
    return uses is not None and uses.kind == "text" and "/" in uses.text


def inlined(step: Step, sub: document.Sub) -> Step:
    """The block with the runbook's steps in it, under its own path."""
    prefix, book = step.path + "/", sub.book
    return step._replace(
        sub=sub, block=_moved(book.steps, prefix), rescue=_moved(book.rescue, prefix), always=_moved(book.always, prefix),
    )  # fmt: skip


def _moved(steps: tuple[Step, ...], prefix: str) -> tuple[Step, ...]:
    return tuple(
        step._replace(
            path=prefix + step.path, block=_moved(step.block, prefix), rescue=_moved(step.rescue, prefix),
            always=_moved(step.always, prefix),
        )
        for step in steps
    )  # fmt: skip


def effect_of(uses: Uses) -> Effect:
    """What the action says that it does, by what it is given."""
    return base.effect(uses.action, uses.given)  # type: ignore[return-value]  # one of EFFECTS


def outputs_of(uses: Uses) -> dict[str, OutputSpec]:
    """The outputs that the action gives."""
    action = base.find(uses.action)
    if action.any_names:
        return {name: OutputSpec(name, "result", f".{name}", _kind(one)) for name, one in uses.given.items()}
    return {name: OutputSpec(name, "result", f".{name}", one.type) for name, one in action.gives.items()}


def _kind(value: Any) -> str | None:
    """`number` for what is sure to be one: the record holds one that is not whole as text."""
    lone = value.lone if isinstance(value, Template) else None
    number = exact.is_number(value) if lone is None else inference.yields(lone) == "number"
    return "number" if number else None
