"""What may start now: a pure function of the runbook and the journal of its run.

Lists run in order. A failed step ends its list; then `rescue` runs, and in every case `always`. A step that is in
doubt holds everything until it is resolved; `rescue` never runs for it. An answer `abort` ends every list but
`always`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runbooks import journal, parts
from runbooks.document import Runbook, Step, walk


class At(NamedTuple):
    """This step comes next, or is in the middle of its course. `abortable`: it stands in no `always` list."""

    step: Step
    abortable: bool = True


class Undo(NamedTuple):
    """This step's undo comes next."""

    step: Step


class End(NamedTuple):
    """Nothing is left. `status` ok | failed | aborted | undone; `stopped`: by a `stop`, which ends every list."""

    status: str
    say: str = ""
    path: str = ""
    stopped: bool = False


def next_move(runbook: Runbook, run: journal.Run) -> At | Undo | End:
    if run.undo is not None:
        return _next_undo(runbook, run, run.undo.steps)
    return _section(runbook.steps, runbook.rescue, runbook.always, run, True)


def _section(
    steps: Sequence[Step], rescue: Sequence[Step], always: Sequence[Step], run: journal.Run, abortable: bool
) -> At | End:
    outcome = _list(steps, run, abortable)
    if isinstance(outcome, At):
        return outcome
    if outcome.status == "failed" and rescue and not outcome.stopped:
        outcome = _list(rescue, run, abortable)
        if isinstance(outcome, At):
            return outcome
    last = _list(always, run, False)
    if isinstance(last, At):
        return last
    return last if last.status != "ok" and outcome.status == "ok" else outcome


def _list(steps: Sequence[Step], run: journal.Run, abortable: bool) -> At | End:
    """Where this list stands. When the run is being aborted, no step of an abortable one starts any more."""
    for step in steps:
        state = run.steps.get(step.path)
        status = state.status if state else "pending"
        if status in journal.SETTLED:
            if status in ("failed", "aborted"):
                return End(status, state.why if state else "", step.path)
            if step.stop is not None and status == "ok":
                return End(step.stop.status, state.why if state else "", step.path, stopped=True)
            continue
        if run.aborting and abortable and status in journal.NOT_BEGUN and not _begun(step, run):
            return End("aborted", "", step.path)
        outcome = _block(step, status, run, abortable) if step.kind == "block" else At(step, abortable)
        if isinstance(outcome, At) or outcome.status != "ok" or outcome.stopped:
            return outcome
    return End("ok")


def _block(step: Step, status: str, run: journal.Run, abortable: bool) -> At | End:
    gated = (
        step.if_ is not None
        or step.confirm is not None
        or step.approve is not None
        or bool(step.require)
        or step.sub is not None
    )
    if gated and status != "entered":
        return At(step, abortable)
    outcome = _section(step.block, step.rescue, step.always, run, abortable)
    if isinstance(outcome, End) and step.sub is not None and outcome.stopped:
        outcome = outcome._replace(stopped=False)  # `stop` ends its own runbook
    if (
        isinstance(outcome, End)
        and outcome.status == "failed"
        and step.continue_on_error
        and not outcome.stopped
    ):
        return End("ok")
    return outcome


def _begun(step: Step, run: journal.Run) -> bool:
    return any(inner.path in run.steps for inner in walk((*step.block, *step.rescue, *step.always)))


def undo_order(runbook: Runbook, run: journal.Run) -> list[Step]:
    """Steps that can be undone: `ok` and `continued` ones with an `undo`, the latest outcome first."""
    done = [
        (run.steps[step.path].end_order, step)
        for whole in runbook.walk()
        if whole.undo is not None
        for step in (parts.parts_of(whole, run) if whole.spreads else [whole])
        if step.path in run.steps and run.steps[step.path].status in ("ok", "continued")
    ]
    return [step for _, step in sorted(done, key=lambda pair: -pair[0])]


def _next_undo(runbook: Runbook, run: journal.Run, paths: Sequence[str]) -> Undo | End:
    for path in paths:
        status = run.step(path).status
        if status == "kept":
            answer = next((q.answer for q in reversed(run.questions.values()) if q.path == path), None)
            if answer == "abort":
                return End("aborted", "the undo was aborted", path)
            continue
        if status != "undone":
            return Undo(runbook.step(path))
    return End("undone")
