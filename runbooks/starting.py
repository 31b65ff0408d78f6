"""How a run begins: all that its driver needs, checked before anything is written."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from incidents import ids
from incidents.errors import BadInput
from incidents.events import Actor
from incidents.hosts import Hosts, choose
from runbooks import inputs, orders, spread, using
from runbooks.document import Runbook, Step, Sub
from runbooks.expressions import UNKNOWN, Expr, Template, forecast
from runbooks.quoting import HIDDEN
from runbooks.typed import as_text

SEVERITY = "sev3"  # of an incident that a run declares, where its runbook names none


def prepare(
    runbook: Runbook, *, given: Mapping[str, Any], store: str | None, actor: Actor, zone: str,
    incident: str | None = None, attended: bool = False, allowed: Sequence[str] = (), mode: str = "real",
    prompt: Callable[[str], str] | None = None, run: str | None = None, hosts: Hosts | None = None,
) -> orders.Start:  # fmt: skip
    """`run` names it; else it gets a name of its own. `hosts` are those of howdah.yaml.

    Raises BadInput for inputs and steps that do not fit, StoreError where the store may not lie there.
    """
    from incidents.store import place

    values = inputs.normalise(runbook, given)
    secrets = inputs.secrets(runbook, values)
    _check_allowed(runbook, allowed)
    umask = os.umask(0o077)
    os.umask(umask)
    return orders.Start(
        store=place.resolve(store), run=run or ids.run_name(), text=runbook.text, file=runbook.path,
        inputs={name: value for name, value in values.items() if name not in secrets}, secrets=secrets,
        prompted={name: prompt(name) for name, reference in secrets.items() if reference == "prompt" and prompt},
        incident=incident, title=runbook.name, severity=runbook.severity or SEVERITY, actor=actor._asdict(),
        zone=zone, cwd=_cwd(), umask=umask, path=os.environ.get("PATH", os.defpath), mode=mode,
        attended=attended, allowed=list(allowed), hosts=_hosts(runbook, hosts or {}, values), subs=dict(runbook.subs),
    )  # fmt: skip


@contextlib.contextmanager
def one_at_a_time(store: str) -> Iterator[None]:
    """Who starts a run of a given name looks whether it is there and starts it, while nobody else does the same.

    The queue is the folder FILE.runs itself: it needs no file of its own, so none on a full disk.
    """
    from incidents.store import place

    folder = f"{store}.runs"
    with contextlib.suppress(OSError):  # where it cannot be made, the run cannot begin either, and says so
        place.make_folder(folder, place.modes(store))
    try:
        queue = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        fcntl.flock(queue, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(queue, fcntl.LOCK_UN)  # a child by fork may have it open still
        os.close(queue)


def _cwd() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise BadInput(
            "the folder in which you are was deleted, and steps run in it", hint="cd somewhere else"
        ) from None


def _hosts(runbook: Runbook, known: Hosts, values: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that a run with targets takes along. Raises BadInput for a host that is surely none: one that stands in
    the file, or in an input of a step that is not sure to be skipped."""
    if not any(step.targets is not None for step in runbook.walk()):
        return {}
    hidden = dict.fromkeys(inputs.secrets(runbook, values), HIDDEN)
    names = {
        "inputs": {**values, **hidden},
        "steps": UNKNOWN,
        "run": {"id": UNKNOWN},
        "incident": {"id": UNKNOWN},
    }
    for steps in (runbook.steps, runbook.rescue, runbook.always):
        _check_hosts(steps, names, known)
    return {name: host.facts() for name, host in known.items()}


def _check_hosts(steps: Sequence[Step], names: Mapping[str, Any], known: Hosts) -> None:
    """What cannot be told yet, or fails by itself, is the step's own matter when it begins."""
    for step in steps:
        skipped = step.if_ is not None and _forecast(step.if_, names) is False
        for template in step.targets.hosts if step.targets is not None else ():
            words = _words(template, names) if not skipped or not template.expressions else []
            try:
                choose(words, known)
            except BadInput as problem:
                raise _pointed(problem, template) from None
        inner = _inside(step.sub, names) if step.sub is not None else names
        if not skipped and inner is not None:
            for listed in (step.block, step.rescue, step.always):
                _check_hosts(listed, inner, known)


def _pointed(problem: BadInput, template: Template) -> BadInput:
    """Where a host was named: the input, if it is nothing but one; else the place in the file."""
    name = using.lone_input(template)
    if name is None:
        return BadInput(problem.message, hint=problem.hint, where=str(template.place))
    hint = f"{problem.hint} (looked at in {template.place})"
    return BadInput(problem.message, hint=hint, where=name)


def _words(template: Template, names: Mapping[str, Any]) -> list[str]:
    if any(_forecast(expr, names) is UNKNOWN for expr in template.expressions):
        return []
    try:
        return [as_text(word) for word in spread.values([template], names)]
    except BadInput:
        return []


def _inside(sub: Sub, names: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return using.inside(sub, names)
    except BadInput:
        return None


def _forecast(expr: Expr, names: Mapping[str, Any]) -> Any:
    try:
        return forecast(expr, names)
    except BadInput:
        return UNKNOWN


def _check_allowed(runbook: Runbook, allowed: Sequence[str]) -> None:
    steps = {step.path: step for step in runbook.walk()} | {
        step.id: step for step in runbook.walk() if step.id
    }
    for name in allowed:
        if name not in steps:
            raise BadInput(
                f"--yes {name}: {runbook.name} has no such step", hint="howdah plan shows the steps"
            )
        if steps[name].confirm is None:
            raise BadInput(f"--yes {name}: this step asks for no confirmation")
