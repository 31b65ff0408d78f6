"""What people approve: one step or block with everything that decides what it will do, as data, and its digest.

An approval is for exactly this. It is made when the question is asked and again right before the act; where the two
differ, the approvals are void (design section 7). Values that change by themselves are guarded by `require:`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any

from incidents import kinds
from incidents.canonical import canonical
from incidents.errors import BadInput
from runbooks import journal, using
from runbooks.document import Command, Runbook, Step, Uses
from runbooks.expressions import UNKNOWN, evaluate, forecast_text
from runbooks.quoting import Script
from runbooks.typed import as_text

DIGITS = 12  # of the digest, as people see and type it


def bound(
    runbook: Runbook, run: journal.Run, step: Step, names: Mapping[str, Any], made: kinds.StepSpread | None
) -> dict[str, Any]:
    """All that an approval of `step` is for; secrets by their references. `made`: what a step with targets or items
    will be made into. Raises BadInput where a value that is to be shown does not exist."""
    assert step.approve is not None and run.started is not None
    steps = {one.id: UNKNOWN for one in runbook.walk() if one.id is not None}
    settled = {id: seen for id, seen in names["steps"].items() if seen["status"] in journal.SETTLED}
    known = {**names, "steps": {**steps, **settled}}
    if made is not None:
        known |= {"host": UNKNOWN, "item": UNKNOWN}
    found: dict[str, Any] = {
        "runbook": run.started.digest,
        "others": {
            path: hashlib.sha256(text.encode()).hexdigest() for path, text in run.started.subs.items()
        },
        "does": _does(step, known),
        "in": run.started.cwd,
        "locks": list(run.started.locks),
        "secrets": dict(run.started.secrets),
        "shows": {expr.text: as_text(evaluate(expr, names)) for expr in step.approve.show},
    }
    if made is not None:
        found |= {"hosts": made.hosts, "items": dict(made.items)}
    return found


def digest(found: Mapping[str, Any]) -> str:
    """The name of a gate, DIGITS hexadecimal digits."""
    return hashlib.sha256(canonical(dict(found)).encode()).hexdigest()[:DIGITS]


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What is different, as lines that begin with - and +."""
    lines = difflib.unified_diff(list(_lines(before)), list(_lines(now)), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _lines(value: Any, name: str = "") -> list[str]:
    if isinstance(value, Mapping):
        return [line for key, one in value.items() for line in _lines(one, f"{name}.{key}".lstrip("."))]
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return [line for place, one in enumerate(value, 1) for line in _lines(one, f"{name}.{place}")]
    return [f"{name}: {line}" for line in str(value).splitlines() or [""]]


def _does(step: Step, names: Mapping[str, Any]) -> dict[str, Any]:
    """The step rendered, with all that is in it."""
    found: dict[str, Any] = {"path": step.path, "kind": step.kind, "effect": step.effect}
    if step.run is not None:
        found["run"] = _command(step.run, names)
    if step.env or step.inherit:
        found["env"] = {
            **{name: _text(item, names) for name, item in step.env.items()},
            "inherit": list(step.inherit),
        }
    if step.undo is not None:
        found["undo"] = _command(step.undo.run, names)
    for word, template in (("user", step.user), ("manual", step.manual)):
        if template is not None:
            found[word] = _text(template, names)
    if step.if_ is not None:
        found["if"] = step.if_.text
    if step.require:
        found["require"] = [expr.text for expr in step.require]
    for word, inner in (("block", step.block), ("rescue", step.rescue), ("always", step.always)):
        if inner:
            known = using.inside(step.sub, names) if step.sub is not None else names
            found[word] = [_does(one, _of_part(one, known)) for one in inner]
    return found


def _of_part(step: Step, names: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**names, "host": UNKNOWN, "item": UNKNOWN} if step.spreads else names


def _command(command: Command, names: Mapping[str, Any]) -> Any:
    if isinstance(command, Script):
        return command.text
    try:
        return (
            using.words(command, names)
            if isinstance(command, Uses)
            else [_text(item, names) for item in command]
        )
    except BadInput as problem:
        return f"({problem.message})"


def _text(template: Any, names: Mapping[str, Any]) -> str:
    try:
        return forecast_text(template, names)
    except BadInput as problem:  # it reads what a step never gave; whether it is reached is not decided here
        return f"({problem.message})"
