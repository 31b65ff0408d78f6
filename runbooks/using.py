"""A command that is an action: `uses:` with its `with:`. Data all the way; it runs in a process of its own.

`python -m runbooks.actions NAME` gets the values as JSON in $HOWDAH_WITH and prints its outputs as the last line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from incidents.errors import BadInput
from runbooks.actions.base import VARIABLE as VARIABLE
from runbooks.expressions import Place, Template, forecast_text, render
from runbooks.typed import MAX_TEXT, as_text


class Uses(NamedTuple):
    """`given` is what stands in `with:`: templates, and lists and maps of them; other values as they are read."""

    action: str
    given: Mapping[str, Any]
    place: Place

    @property
    def argv(self) -> tuple[str, ...]:
        return (sys.executable, "-P", "-m", "runbooks.actions", self.action)


def values(uses: Uses, names: Mapping[str, Any]) -> dict[str, Any]:
    """`with:` with its values in. Raises BadInput."""
    return {name: _filled(one, lambda template: render(template, names)) for name, one in uses.given.items()}


def words(uses: Uses, names: Mapping[str, Any]) -> list[str]:
    """The action as people read it, one word a value: `uses`, `http`, `url=https://…`; `<unknown>` where it is."""
    return ["uses", uses.action, *(f"{name}={_text(one, names)}" for name, one in uses.given.items())]


def environment(given: Mapping[str, Any]) -> dict[str, str]:
    """How the values reach the action. Raises BadInput where they are too long for that."""
    text = json.dumps(given, ensure_ascii=False)
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


def _text(value: Any, names: Mapping[str, Any]) -> str:
    known = _filled(value, lambda template: forecast_text(template, names))
    return known if isinstance(known, str) else as_text(known)
