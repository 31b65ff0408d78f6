"""What a run would do, told before it does anything: a forecast, made from the runbook, its inputs and the hosts.

Nothing is executed, unless the caller has steps that only read looked at. What depends on the outputs of steps is `<unknown>`, and an `if` that does is undecided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from incidents import clock, hosts
from incidents.errors import BadInput
from incidents.hosts import Hosts
from runbooks import exact, expressions, inputs, spread, using
from runbooks.document import Command, Runbook, Step, Uses
from runbooks.expressions import UNKNOWN, Expr, Template, Unknown
from runbooks.quoting import HIDDEN, Script, shell_quote
from runbooks.typed import Value, as_text

MOST_PARTS = 20  # of a step whose commands are listed
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
    hosts: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    items: tuple[str, ...] = ()
    commands: Mapping[str, str] = {}  # of each host or item, where they differ
    read: Mapping[str, Value] | None = None  # the outputs of a step that was looked at
    unread: str = ""  # why one could not be
    approve: str = ""
    watch: str = ""  # what is sampled and how often, then the command that looks
    change: str = ""


class Plan(NamedTuple):
    """`inputs` in their one form, a secret as its reference; `shown` the same for people."""

    name: str
    digest: str
    inputs: Mapping[str, Value]
    locks: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    shown: Mapping[str, str]


Look = Callable[[Step, Mapping[str, Any]], "Seen"]


class Seen(NamedTuple):
    """What a step that only reads gave; `why` it could not be looked at."""

    outputs: Mapping[str, Value] | None = None
    why: str = ""


def plan(
    runbook: Runbook, values: Mapping[str, Value], *, known: Hosts | None = None, look: Look | None = None
) -> Plan:
    """The forecast for inputs as `inputs.normalise` gave them. `known` are the hosts of howdah.yaml; `look` runs a step
    that only reads, so that what depends on it is told. Raises BadInput where a step is sure to be refused."""
    hidden = dict.fromkeys(inputs.secrets(runbook, values), HIDDEN)
    names = {
        "inputs": {**values, **hidden},
        "steps": dict.fromkeys((step.id for step in runbook.walk() if step.id is not None), UNKNOWN),
        "run": {"id": UNKNOWN},
        "incident": {"id": UNKNOWN},
    }
    planned: list[PlannedStep] = []
    for steps, rescue in ((runbook.steps, False), (runbook.rescue, True), (runbook.always, False)):
        _list(planned, steps, names, _Around(rescue=rescue, known=known or {}, look=look))
    locks = tuple(sorted({expressions.forecast_text(lock, names) for lock in runbook.lock}))
    shown = {name: inputs.shown(runbook.inputs.get(name), value) for name, value in values.items()}
    return Plan(runbook.name, runbook.digest, dict(values), locks, tuple(planned), shown)


class _Around(NamedTuple):
    """What the blocks around a list have decided."""

    if_: str = ""
    rescue: bool = False
    depth: int = 0
    known: Hosts = {}  # noqa: RUF012 - never mutated
    look: Look | None = None
    inside: bool = False  # of a runbook that another one uses


def _list(
    planned: list[PlannedStep], steps: tuple[Step, ...], names: Mapping[str, Any], around: _Around
) -> None:
    for step in steps:
        one = _looked_at(step, _step(step, names, around), names, around)
        planned.append(one)
        inner = around._replace(if_=one.if_ if step.if_ is not None else around.if_, depth=around.depth + 1)
        known = using.inside(step.sub, names) if step.sub is not None else names
        inner = inner._replace(inside=True) if step.sub is not None else inner
        _list(planned, step.block, known, inner)
        _list(planned, step.rescue, known, inner._replace(rescue=True))
        _list(planned, step.always, known, inner)
        if step.kind == "stop" and one.if_ in ("", YES):
            around = around._replace(if_=NO)  # nothing after it in this list


def _looked_at(step: Step, one: PlannedStep, names: Mapping[str, Any], around: _Around) -> PlannedStep:
    """With what the step gives, where it only reads, is sure to run here, and may be run for that."""
    if around.look is None or step.kind != "run" or step.effect != "read":
        return one
    if why := _not_here(step, one, around):
        return one._replace(unread=why)
    seen = around.look(step, names)
    if seen.outputs is None:
        return one._replace(unread=seen.why)
    if step.id is not None and isinstance(names["steps"], dict):
        names["steps"][step.id] = {"status": "ok", "exit": 0, "outputs": dict(seen.outputs)}
    return one._replace(read=seen.outputs)


def _not_here(step: Step, one: PlannedStep, around: _Around) -> str:
    """Why a plan does not look at a step that only reads; empty where it may."""
    if one.if_ == NO:
        return "it does not run"
    reasons = {
        "whether it runs cannot be decided yet": one.if_ == UNDECIDED,
        "it runs only after a failure": around.rescue,
        "it is in a runbook of its own": around.inside,
        "it runs on other machines": step.targets is not None,
        "it is made several times": step.spreads,
        "it runs as another user": step.user is not None,
        "it asks first": step.confirm is not None,
        "it needs an approval": step.approve is not None,
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _spread(step: Step, names: Mapping[str, Any], known: Hosts) -> dict[str, Any]:
    """The hosts and items that a step will be made for, as far as they are known, and what runs at each."""
    if not step.spreads:
        return {}
    chosen: list[str] = []
    no_host: list[None] = [None]
    items: list[Any] = []
    if step.targets is not None:
        words = _values(step.targets.hosts, names)
        chosen = (
            ["<unknown>"]
            if words is None
            else [host.name for host in hosts.choose([as_text(w) for w in words], known)]
        )
    if step.for_each:
        items = _values(step.for_each, names) or [UNKNOWN]
    found: dict[str, Any] = {
        "hosts": tuple(chosen), "items": tuple(repr(UNKNOWN) if item is UNKNOWN else as_text(item) for item in items),
        "batches": tuple(spread.order(step.targets, chosen)) if step.targets is not None and chosen != ["<unknown>"] else (),
    }  # fmt: skip
    commands = {
        f"{'' if item is None else f'[{place}]'}{'' if host is None else f'@{host}'}": _does(
            step, {**names, "host": UNKNOWN if host in (None, "<unknown>") else host, "item": item}
        )
        for place, item in enumerate(items or [None])
        for host in (chosen or no_host)
    }
    if len(set(commands.values())) > 1:
        found["commands"] = commands
    return found


def _values(templates: tuple[Template, ...], names: Mapping[str, Any]) -> list[Any] | None:
    """None where one of them is not known yet."""
    if any(expressions.forecast(expr, names) is UNKNOWN for one in templates for expr in one.expressions):
        return None
    return spread.values(templates, names)


def _approve(step: Step) -> str:
    if step.approve is None:
        return ""
    return f"{step.approve.people} of {', '.join(step.approve.from_) or 'anybody in people:'}"


def _watch(step: Step, names: Mapping[str, Any]) -> str:
    """What is sampled, how often, and by which command, where it is not the step's own."""
    if step.watch is None:
        return ""
    what = f"{', '.join(step.watch.outputs)} every {clock.words(step.watch.every)}"
    return what + (f"\n{show_command(step.watch.run, names)}" if step.watch.run is not None else "")


def _change(step: Step, names: Mapping[str, Any]) -> str:
    """`file /etc/app.conf`, or what the step says of something else: `the pool, from 20 to 5`."""
    if step.change is None:
        return ""
    what, old, new = (
        None if part is None else expressions.forecast_text(part, names)
        for part in (step.change.what, step.change.from_, step.change.to)
    )
    if step.change.subject is not None:
        return f"{step.change.subject} {what}"
    values = (f"from {old}" if old is not None else "", f"to {new}" if new is not None else "")
    return ", ".join(filter(None, (what, " ".join(filter(None, values)))))


def _step(step: Step, names: Mapping[str, Any], around: _Around) -> PlannedStep:
    made = _spread(step, names, around.known)
    if step.spreads:
        names = {**names, "host": UNKNOWN, "item": UNKNOWN}
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
        approve=_approve(step),
        watch=_watch(step, names),
        change=_change(step, names),
        **made,
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


def as_written(command: Command) -> str:
    """A command for people, with its expressions as they stand in the file."""
    if isinstance(command, Script):
        return command.text
    if isinstance(command, Uses):
        return f"uses {command.action}: " + ", ".join(
            f"{name}={_written(using.shown(one, command.kinds.get(name)))}"
            for name, one in command.given.items()
        )
    return shell_quote(item.text for item in command)


def _written(value: Any) -> str:
    if isinstance(value, Template):
        return value.text
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_written(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return value if isinstance(value, str) else exact.json_text(value)


def document(planned: Plan) -> dict[str, Any]:
    """The plan as `--json` shows it; times in µs."""
    steps = [
        {("if" if name == "if_" else name): value for name, value in step._asdict().items()}
        for step in planned.steps
    ]
    for step in steps:
        for name in ("hosts", "batches", "items"):
            step[name] = list(step[name])
        step["commands"] = dict(step["commands"])
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
    if step.approve:
        lines.append(f"{indent}    waits for approval: {step.approve}")
    if step.watch:
        lines += [f"{indent}    watches: {line}" for line in step.watch.splitlines()]
    if step.change:
        lines += [f"{indent}    changes: {line}" for line in step.change.splitlines()]
    if step.hosts:
        batches = f", in batches of {', '.join(map(str, step.batches))}" if len(step.batches) > 1 else ""
        lines.append(f"{indent}    on: {', '.join(step.hosts)}{batches}")
    if step.items:
        lines.append(f"{indent}    for each of: {', '.join(step.items)}")
    for part, command in list(step.commands.items())[:MOST_PARTS]:
        lines += [f"{indent}    {part} | {line}" for line in command.splitlines()]
    if len(step.commands) > MOST_PARTS:
        lines.append(f"{indent}    and {len(step.commands) - MOST_PARTS} more like these")
    if step.kind != "block" and not step.commands:
        lines += [f"{indent}    | {line}" for line in step.command.splitlines()]
    if step.read is not None:
        lines += [f"{indent}    gives: {name} = {as_text(value)}" for name, value in step.read.items()]
    if step.unread:
        lines.append(f"{indent}    not looked at: {step.unread}")
    return lines
