"""What a question shows: all that a person needs to decide, in the words and values of the moment it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents import kinds
from runbooks import attempt, journal, parts, procfs, typed, using
from runbooks.document import Step
from runbooks.expressions import UNKNOWN, forecast_text, render_text
from runbooks.quoting import Script
from runbooks.using import Uses


def shows(
    step: Step, what: str, state: journal.StepState, names: Mapping[str, Any], run_dir: str,
    made: kinds.StepSpread | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The `shows` of a new question; `made` is what a step with targets or items will be made into.

    Raises BadInput where the step's own texts do not work out.
    """
    found: dict[str, Any] = {"name": step.name, "effect": step.effect, "undo": step.undo is not None}
    if host := parts.place(step.path)[1]:
        found["host"] = host
    if made is not None:
        found |= _many(made)
        names = {**names, "host": UNKNOWN, "item": UNKNOWN}
    if what in ("doubt", "undo", "overdue"):
        return found | _act(state, run_dir)
    template = step.manual if what == "manual" else step.confirm
    if template is not None:
        found["text"] = render_text(template, names)
    if isinstance(step.run, Script):
        found["script"] = step.run.text
    elif isinstance(step.run, Uses):
        found["argv"] = using.words(step.run, names)
    elif step.run is not None:
        found["argv"] = [forecast_text(item, names) for item in step.run]
    if step.env:
        found["env"] = {name: forecast_text(item, names) for name, item in step.env.items()}
    if changed := change(step, names):
        found["change"] = changed
    if step.touches:
        found["touches"] = {name: render_text(text, names) for name, text in step.touches.items()}
    if step.block:
        found["steps"] = [inner.name for inner in step.block]
    if what == "manual" and state.why:
        found["before"] = state.why
    return found


def _many(made: kinds.StepSpread) -> dict[str, Any]:
    found: dict[str, Any] = {"hosts": made.hosts, "batches": made.batches} if made.hosts else {}
    return {**found, "items": [typed.as_text(item) for item in made.items["values"]]} if made.items else found


def change(step: Step, names: Mapping[str, Any]) -> dict[str, str]:
    """The change record of the step: what, and as far as they are given its old and its new value."""
    if step.change is None:
        return {}
    parts = {"what": step.change.what, "from": step.change.from_, "to": step.change.to}
    return {key: forecast_text(part, names) for key, part in parts.items() if part is not None}


def _act(state: journal.StepState, run_dir: str) -> dict[str, Any]:
    """The attempt that the question is about, as it was recorded, and what is known of it now."""
    act, asked = state.last("run", "undo"), state.last("verify", "undo_verify")
    if act is None:
        return {"why": state.why, "tail": ""}
    end = act.end
    found = {
        "why": state.why if end is None else end.why,
        "tail": "" if end is None else end.tail,
        "argv": act.command.argv,
        "script": act.command.script,
        "attempt": act.number,
        "running": who_runs(run_dir, attempt.witness(run_dir, act.n)),
    }
    if asked is not None and asked.end is not None and asked.n > act.n:
        found["verify"] = asked.end.why
    return found


def who_runs(run_dir: str, seen: attempt.Witness) -> str:
    """What is known to run of an attempt, for a person: `sleep 9 (pid 7)`; empty when nothing is."""
    if seen.state != "running":
        return ""
    if seen.who not in ("process", "lock"):
        return seen.who  # on another machine
    process = procfs.look(seen.pid) if seen.who == "process" and seen.pid is not None else None
    if process is not None and process.name == attempt.KEEPER_NAME:
        return f"its keeper (pid {process.pid}) talks with its host"
    if process is not None:
        return str(attempt.survivor(process))
    names = [str(one) for one in attempt.holders(run_dir, seen.n) if not attempt.is_keeper(one.pid)]
    return ", ".join(names) or "somebody holds its lock"
