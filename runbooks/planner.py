"""What a run would do, told before it does anything: a forecast, made from the runbook and its inputs alone.

Nothing is executed. What depends on the outputs of steps is `<unknown>`, and an `if` that does is undecided.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput
from runbooks import expressions, inputs, using
from runbooks.document import Command, Runbook, Step, Uses
from runbooks.expressions import UNKNOWN, Expr, Template, Unknown
from runbooks.quoting import HIDDEN, Script, shell_quote
from runbooks.typed import Value

YES = "yes"
NO = "no"
UNDECIDED = "cannot be decided yet"


class PlannedStep(NamedTuple):
    """One step. `if_` is empty for a step without a condition; `command` is for people, never for a shell;
    `timeout` in µs, None where nothing bounds it; `rescue`: runs only after a failure."""

    path: str
    name: str
    kind: str
    effect: str
    command: str
    if_: str = ""
    confirm: str | None = None
    timeout: int | None = None
    undo: bool = False
    verify: bool = False
    rescue: bool = False
    user: str | None = None
    depth: int = 0


class Plan(NamedTuple):
    """`inputs` in their one form, a secret as its reference; `shown` the same for people."""

    name: str
    digest: str
    inputs: Mapping[str, Value]
    locks: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    shown: Mapping[str, str]


def plan(runbook: Runbook, values: Mapping[str, Value]) -> Plan:
    """The forecast for inputs as `inputs.normalise` gave them. Raises BadInput where a step is sure to be refused."""
    hidden = dict.fromkeys(inputs.secrets(runbook, values), HIDDEN)
    names = {
        "inputs": {**values, **hidden},
        "steps": UNKNOWN,
        "run": {"id": UNKNOWN},
        "incident": {"id": UNKNOWN},
    }
    planned: list[PlannedStep] = []
    for steps, rescue in ((runbook.steps, False), (runbook.rescue, True), (runbook.always, False)):
        _list(planned, steps, names, _Around(rescue=rescue))
    locks = tuple(sorted({expressions.forecast_text(lock, names) for lock in runbook.lock}))
    shown = {name: inputs.shown(runbook.inputs.get(name), value) for name, value in values.items()}
    return Plan(runbook.name, runbook.digest, dict(values), locks, tuple(planned), shown)


class _Around(NamedTuple):
    """What the blocks around a list have decided."""

    if_: str = ""
    rescue: bool = False
    depth: int = 0


def _list(
    planned: list[PlannedStep], steps: tuple[Step, ...], names: Mapping[str, Any], around: _Around
) -> None:
    for step in steps:
        one = _step(step, names, around)
        planned.append(one)
        inner = _Around(one.if_ if step.if_ is not None else around.if_, around.rescue, around.depth + 1)
        known = using.inside(step.sub, names) if step.sub is not None else names
        _list(planned, step.block, known, inner)
        _list(planned, step.rescue, known, inner._replace(rescue=True))
        _list(planned, step.always, known, inner)
        if step.kind == "stop" and one.if_ in ("", YES):
            around = around._replace(if_=NO)  # nothing after it in this list


def _step(step: Step, names: Mapping[str, Any], around: _Around) -> PlannedStep:
    return PlannedStep(
        path=step.path,
        name=step.name,
        kind=step.kind,
        effect=step.effect,
        command=_does(step, names),
        if_=_if(step.if_, names, around.if_),
        confirm=None if step.confirm is None else expressions.forecast_text(step.confirm, names),
        timeout=step.timeout if step.kind == "run" else None,
        undo=step.undo is not None,
        verify=step.verify is not None,
        rescue=around.rescue,
        user=None if step.user is None else expressions.forecast_text(step.user, names),
        depth=around.depth,
    )


def _if(expr: Expr | None, names: Mapping[str, Any], around: str) -> str:
    if expr is None or around == NO:
        return around
    value = expressions.forecast(expr, names)
    if isinstance(value, Unknown):
        return UNDECIDED
    if not isinstance(value, bool):
        trouble = expressions.not_bool(value)
        raise BadInput(f"${{{{ {expr.text} }}}}: {trouble.message}", hint=trouble.hint, where=str(expr.place))
    return (around or YES) if value else NO


def _does(step: Step, names: Mapping[str, Any]) -> str:
    """What the step does, in the words of its command."""
    if step.run is not None:
        return show_command(step.run, names)
    if step.manual is not None:
        return expressions.forecast_text(step.manual, names)
    if step.stop is not None:
        say = expressions.forecast_text(step.stop.say, names) if step.stop.say else ""
        return f"stop: {step.stop.status}" + (f", {say}" if say else "")
    if step.wait is not None:
        length = step.wait.for_
        text = (
            expressions.forecast_text(length, names) if isinstance(length, Template) else clock.words(length)
        )
        parts = ([f"for {text}"] if length is not None else []) + (
            [f"until {step.wait.until.text}"] if step.wait.until is not None else []
        )
        return "wait " + ", ".join(parts)
    return f"{len(step.block)} steps"


def show_command(command: Command, names: Mapping[str, Any]) -> str:
    """A command for people: a script as it stands, an argv quoted so that each argument can be told apart."""
    if isinstance(command, Script):
        return command.text
    if isinstance(command, Uses):
        return shell_quote(using.words(command, names))
    return shell_quote(expressions.forecast_text(item, names) for item in command)


def document(planned: Plan) -> dict[str, Any]:
    """The plan as `--json` shows it; times in µs."""
    steps = [
        {("if" if name == "if_" else name): value for name, value in step._asdict().items()}
        for step in planned.steps
    ]
    return {
        "runbook": planned.name,
        "digest": planned.digest,
        "inputs": dict(planned.inputs),
        "locks": list(planned.locks),
        "steps": steps,
    }


def text(planned: Plan) -> str:
    """The plan for people."""
    lines = [planned.name]
    lines += [f"  {name} = {value}" for name, value in planned.shown.items()]
    lines += [f"  lock {lock}" for lock in planned.locks]
    for step in planned.steps:
        lines += ["", *_paragraph(step)]
    return _visible("\n".join(lines))


def _visible(text: str) -> str:
    """No value may move the cursor or colour the terminal: control characters are shown as what they are."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", text)


def _paragraph(step: PlannedStep) -> list[str]:
    indent = "  " * step.depth
    facts = [step.effect] if step.kind == "run" else [step.kind]
    if step.kind == "run":
        facts.append("no time limit" if step.timeout is None else f"at most {clock.words(step.timeout)}")
    facts += [word for word, holds in (("verify", step.verify), ("undo", step.undo)) if holds]
    facts += [f"as {step.user}"] if step.user is not None else []
    facts += ["only after a failure"] if step.rescue else []
    lines = [f"{indent}{step.path}  {step.name}  [{', '.join(facts)}]"]
    if step.if_:
        lines.append(f"{indent}    runs: {step.if_}")
    if step.confirm is not None:
        lines += [f"{indent}    asks: {line}" for line in step.confirm.splitlines()]
    if step.kind != "block":
        lines += [f"{indent}    | {line}" for line in step.command.splitlines()]
    return lines
