"""What an action is, and how its name finds it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from incidents.errors import BadInput, NotFound
from incidents.near import near
from incidents.yamlfile import LARGEST_INT, MAX_DEPTH
from runbooks import exact, typed
from runbooks.keys import Key as Key

GROUP = "howdah.actions"
VARIABLE = "HOWDAH_WITH"  # holds the values of `with:`, as JSON
OTHERWISE = 10  # exit: it was answered, and not as was wanted
UNANSWERED = 75  # exit: it was asked to act, and no answer came
LARGEST = (
    1 << 20
) - 1024  # bytes of outputs; the rest of what is read of a step is for what it prints besides
_HERE = os.path.dirname(os.path.abspath(__file__))
_NONE = ("base",)
EFFECTS = ("read", "idempotent", "unsafe")


class Gives(NamedTuple):
    """One output. `type` as in `outputs:`; None is any data."""

    doc: str
    type: str | None = None


class Action(NamedTuple):
    """`takes` is the table of `with:`, `gives` of the outputs.

    `effect` is the step's own unless it says otherwise, by what stands in `with:`, where a `${{ }}` is a Template.
    `act` gets the values as plain data, in a process of its own, and returns its outputs, plain data too. It raises
    Failed, Otherwise or Unanswered; anything else that it raises says nothing of whether it happened. What it prints
    goes to the step's output. `any_names`: `with:` takes any names.
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
        what = f"the action {name!r} cannot be loaded: {type(problem).__name__}: {said(problem)}"
        raise BadInput(what) from None
    if not isinstance(loaded, Action):
        raise BadInput(
            f"the action {name!r} is no runbooks.actions.base.Action", hint="its package must be mended"
        )
    return loaded


def effect(name: str, given: Mapping[str, Any]) -> str:
    """What the action says that it does, by what it is given. Raises BadInput where it cannot say."""
    try:
        found = find(name).effect(given)
    except BadInput:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever another package does
        what = f"the action {name!r} cannot say what it does: {type(problem).__name__}: {said(problem)}"
        raise BadInput(what, hint="its package must be mended") from None
    if found not in EFFECTS:
        raise BadInput(
            f"the action {name!r} says that its effect is {found!r}",
            hint="its package must be mended: read, idempotent or unsafe",
        )
    return found


def said(problem: BaseException) -> str:
    """What it says, even where saying it raises."""
    try:
        return str(problem)
    except Exception as other:  # noqa: BLE001 - another package's
        return f"(its text cannot be told: {type(other).__name__})"


def _others() -> dict[str, Any]:
    from importlib import metadata

    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def line(found: Any) -> bytes:
    """The outputs as the line that a step is read by. Raises Failed where they are no data, or too much of it."""
    if not isinstance(found, Mapping):
        raise Failed(f"the action returned {type(found).__name__}, which is not a map of outputs")
    try:
        text = exact.json_text(dict(found)).encode("utf-8", "replace") + b"\n"
    except (TypeError, ValueError, RecursionError) as problem:
        raise Failed(f"what the action returned is not data: {problem}") from None
    if len(text) > LARGEST:
        raise Failed(f"the outputs are larger than {LARGEST} bytes: ask for less")
    return text


def data(value: Any, depth: int = 0) -> Any:
    """What another program answered, as outputs can hold it: no NUL; a number of too many digits is a text of them.
    Raises ValueError where it is nested too deep."""
    if depth > MAX_DEPTH - 8:
        raise ValueError(f"nested more than {MAX_DEPTH - 8} deep")
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INT:
        return str(value)
    if isinstance(value, dict):
        return {data(str(name)): data(one, depth + 1) for name, one in value.items()}
    return [data(one, depth + 1) for one in value] if isinstance(value, list | tuple) else value


def digits(text: str) -> str:
    """A number that is not whole, as outputs hold it: its digits, as a text."""
    try:
        return typed.decimal(text)
    except BadInput:
        return text


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
