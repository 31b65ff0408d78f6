"""A command that is an action: `uses:` with its `with:`. Data all the way; it runs in a process of its own.

`python -m runbooks.actions NAME` gets the values as JSON in $HOWDAH_WITH and prints its outputs as the last line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents.errors import BadInput
from runbooks import exact, grammar, inputs, typed
from runbooks.actions.base import VARIABLE as VARIABLE
from runbooks.expressions import (
    UNKNOWN,
    Expr,
    Place,
    Template,
    forecast,
    forecast_exactly,
    forecast_text,
    render,
    render_exactly,
)
from runbooks.quoting import HIDDEN
from runbooks.typed import MAX_TEXT, as_text

if TYPE_CHECKING:
    from runbooks.document import Sub


class Uses(NamedTuple):
    """`given` is what stands in `with:`: templates, and lists and maps of them; other values as they are read.

    `kinds` are those of the action's own table, by name: in `data` a number that is not whole is one, too.
    """

    action: str
    given: Mapping[str, Any]
    place: Place
    kinds: Mapping[str, str] = {}

    @property
    def argv(self) -> tuple[str, ...]:
        return (sys.executable, "-P", "-m", "runbooks.actions", self.action)


def values(uses: Uses, names: Mapping[str, Any]) -> dict[str, Any]:
    """`with:` with its values in, as the record can hold them. Raises BadInput."""
    return {name: recorded(filled(one, names)) for name, one in uses.given.items()}


def recorded(value: Any) -> Any:
    """A value with its numbers as the record holds them: those that are not whole as text. Raises BadInput."""
    try:
        return exact.to_record(value)
    except exact.Trouble as trouble:
        raise BadInput(trouble.message, hint=trouble.hint or None) from None


def sent(uses: Uses, names: Mapping[str, Any]) -> dict[str, Any]:
    """`with:` with its values in, as the action gets them. Raises BadInput."""

    def exactly(template: Template) -> Any:
        return render_exactly(template, names)

    data = {name: _filled(one, exactly) for name, one in uses.given.items() if uses.kinds.get(name) == "data"}
    return {**{name: filled(one, names) for name, one in uses.given.items() if name not in data}, **data}


def filled(value: Any, names: Mapping[str, Any]) -> Any:
    """One value of `with:`. Raises BadInput."""
    return _filled(value, lambda template: render(template, names))


def words(uses: Uses, names: Mapping[str, Any]) -> list[str]:
    """The action as people read it, one word a value: `uses`, `http`, `url=https://…`; `<unknown>` where it is."""
    return [
        "uses",
        uses.action,
        *(f"{name}={_text(one, names, uses.kinds.get(name))}" for name, one in uses.given.items()),
    ]


def environment(given: Mapping[str, Any]) -> dict[str, str]:
    """How the values reach the action. Raises BadInput where they are too long for that."""
    text = exact.json_text(given)
    if len(os.fsencode(text)) > MAX_TEXT:
        raise BadInput(f"the values of `with` are longer than {MAX_TEXT} bytes", hint="put them into a file")
    return {VARIABLE: text}


def _filled(value: Any, fill: Callable[[Template], Any]) -> Any:
    if isinstance(value, Template):
        return fill(value)
    if isinstance(value, Mapping):
        return {name: _filled(one, fill) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(one, fill) for one in value]
    return value


def shown(value: Any, kind: str | None) -> Any:
    """A value that is read as another one than was written, as it was written: a duration in seconds."""
    return typed.seconds(value) + "s" if kind == "duration" and isinstance(value, int) else value


def _text(value: Any, names: Mapping[str, Any], kind: str | None) -> str:
    def told(template: Template) -> Any:
        return (forecast_exactly if kind == "data" else forecast_text)(template, names)

    known = shown(_filled(value, told), kind)
    return known if isinstance(known, str) else as_text(None) if known is None else exact.json_text(known)


def lone_input(value: Any) -> str | None:
    """The input that a template hands on as it is, None where it does more or something else."""
    lone = value.lone if isinstance(value, Template) else None
    name = grammar.dotted(lone.tree) if lone is not None else None
    return name.removeprefix("inputs.") if name is not None and name.startswith("inputs.") else None


def inside(sub: Sub, names: Mapping[str, Any]) -> dict[str, Any]:
    """What expressions see in a runbook that another one uses, before it runs: as far as it is known. Raises BadInput."""
    known: dict[str, Any] = {}
    for name, spec in sub.book.inputs.items():
        given = sub.given.get(name)
        if name not in sub.given or spec.type == "secret":
            known[name] = spec.default if name not in sub.given else HIDDEN
        elif any(forecast(expr, names) is UNKNOWN for expr in _expressions(given)):
            known[name] = UNKNOWN
        else:
            known[name] = inputs.read_value(spec, filled(given, names))
    return {**names, "inputs": known, "steps": UNKNOWN}


def known_later(value: Any) -> bool:
    """Does it hold an expression?"""
    return next(_expressions(value), None) is not None


def _expressions(value: Any) -> Iterator[Expr]:
    if isinstance(value, Template):
        yield from value.expressions
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _expressions(one)
