"""What an action is, and how its name finds it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from incidents.errors import BadInput, NotFound
from incidents.near import near
from runbooks.keys import Key as Key

GROUP = "howdah.actions"
VARIABLE = "HOWDAH_WITH"  # holds the values of `with:`, as JSON
OTHERWISE = 10  # exit: it was answered, and not as was wanted
UNANSWERED = 75  # exit: it was asked to act, and no answer came
_HERE = os.path.dirname(os.path.abspath(__file__))
_NONE = ("base",)


class Gives(NamedTuple):
    """One output. `type` as in `outputs:`; None is any data."""

    doc: str
    type: str | None = None


class Action(NamedTuple):
    """`takes` is the table of `with:`, `gives` of the outputs.

    `effect` is the step's own unless it says otherwise, by what stands in `with:`, where a `${{ }}` is a Template.
    `act` gets the values as plain data, in a process of its own, and returns its outputs, plain data too. It raises
    Failed, Otherwise or Unanswered; what it prints goes to the step's output. `any_names`: `with:` takes any names.
    """

    doc: str
    takes: Mapping[str, Key]
    gives: Mapping[str, Gives]
    effect: Callable[[Mapping[str, Any]], str]
    act: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    any_names: bool = False


class Failed(Exception):
    """It did not happen, or what is asked cannot be: exit 1."""


class Otherwise(Exception):
    """It was answered, and not as was wanted: exit 10, which a `verify` may list under `no`."""


class Unanswered(Exception):
    """It was asked to act, and no answer came: nobody knows whether it happened."""


def names() -> list[str]:
    """The actions that come with howdah."""
    files = (os.path.splitext(file)[0] for file in os.listdir(_HERE) if file.endswith(".py"))
    return sorted(name for name in files if not name.startswith("_") and name not in _NONE)


def find(name: str) -> Action:
    """Raises NotFound; BadInput where another package's action cannot be loaded."""
    if name in names():
        found: Action = importlib.import_module(f"runbooks.actions.{name}").ACTION
        return found
    others = _others()
    if name not in others:
        known = [*names(), *others]
        close = near(name, known)
        hint = f"did you mean {close}?" if close else "there are " + ", ".join(known)
        raise NotFound(f"there is no action {name!r}", hint=hint + "; a runbook's name begins with ./")
    try:
        loaded = others[name].load()
    except Exception as problem:  # noqa: BLE001 - whatever another package does when it is imported
        raise BadInput(f"the action {name!r} cannot be loaded: {type(problem).__name__}: {problem}") from None
    if not isinstance(loaded, Action):
        raise BadInput(
            f"the action {name!r} is no runbooks.actions.base.Action", hint="its package must be mended"
        )
    return loaded


def _others() -> dict[str, Any]:
    from importlib import metadata

    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def always(effect: str) -> Callable[[Mapping[str, Any]], str]:
    """An action whose effect depends on nothing."""
    return lambda given: effect


def literal(value: Any) -> str | None:
    """What stands in `with:` as a text; None where it is made at the act."""
    if isinstance(value, str):
        return value
    if getattr(value, "expressions", None):
        return None
    text = getattr(value, "text", None)
    return text if isinstance(text, str) else None


def one_of(given: Mapping[str, Any], words: Iterable[str]) -> str:
    """The only one of these that was given. Raises Failed."""
    found = [word for word in words if word in given]
    if len(found) != 1:
        raise Failed(f"it needs one of {', '.join(words)}")
    return found[0]
