"""What an attempt's end means for its step: status, reason, outputs. Nothing here acts or records."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput
from runbooks import doubt, inputs
from runbooks.actions.base import UNANSWERED
from runbooks.attempt import Ended, Witness
from runbooks.document import Command, OutputSpec, Step, Uses
from runbooks.doubt import Finish
from runbooks.expressions import Value, condition
from runbooks.journal import Attempt, StepState

SSH_LOST = 255  # of ssh itself (ssh(1), EXIT STATUS)
STILL_RUNS = 254  # of a link over which nothing began, as its host says that an earlier attempt runs
Names = Callable[[], Mapping[str, Any]]
MOST_SAID = 300  # characters of what an action says of itself
MOST_TRIES = 3  # attempts that verify alone may bring about


class Verdict(NamedTuple):
    """`status` as journal.TABLE knows it, without its part: `again` is another attempt by itself."""

    status: str
    why: str = ""
    outputs: dict[str, Value] = {}  # noqa: RUF012 - never mutated


def judge(
    step: Step, state: StepState, attempt: Attempt, finish: Finish, raw: bytes, names: Names
) -> Verdict:
    finish = _without_answer(step, attempt, _without_link(attempt, finish), raw)
    match attempt.part:
        case "run":
            return _run(step, state, attempt, finish, raw, names)
        case "check":
            return Verdict(*doubt.judge("read", finish))
        case "verify":
            return _verify(step, state, finish, raw)
        case "undo_verify":
            assert step.undo is not None and step.undo.verify is not None
            return _bounded(Verdict(*doubt.judge_verify(step.undo.verify.no, finish)), state.count("undo"))
        case _:
            status, why = doubt.judge(attempt.effect, finish)
            return Verdict("undone" if status == "ok" else status, why)


def _without_link(attempt: Attempt, finish: Finish) -> Finish:
    """An `ssh` that ends with 255 lost its link, or never had one: no exit status of what it was to run."""
    argv = attempt.command.argv or [""]
    if finish.exit == SSH_LOST and os.path.basename(argv[0]) == "ssh" and finish.stopping is None:
        return finish._replace(lost="exit 255: ssh lost its link, or had none")
    return finish


def _without_answer(step: Step, attempt: Attempt, finish: Finish, raw: bytes) -> Finish:
    """An action that was asked to act and heard nothing, or broke down over it, cannot know."""
    uses = isinstance(command(step, attempt.part)[0], Uses)
    if uses and finish.exit == UNANSWERED and finish.stopping is None:
        said = raw.decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2].strip()
        why = f": {said.removeprefix('no answer: ')[:MOST_SAID]}" if said else ""
        return finish._replace(lost=f"no answer came to what was asked{why}")
    return finish


def _verify(step: Step, state: StepState, finish: Finish, raw: bytes) -> Verdict:
    assert step.verify is not None
    status, why = doubt.judge_verify(step.verify.no, finish)
    outputs: dict[str, Value] = {}
    if status == "ok" and step.verify.outputs:
        try:
            outputs = _outputs(step.verify.outputs, raw, finish)
        except BadInput as problem:  # it cannot say what it was asked: that is no answer
            return Verdict("in_doubt", f"verify does not know: {problem}")
    if state.status == "in_doubt":
        return _bounded(Verdict(status, why, outputs), state.count("run"))
    if status == "no" and step.continue_on_error:
        status = "continued"
    return Verdict(status, why, outputs)


def _bounded(verdict: Verdict, tried: int) -> Verdict:
    """What dies again and again is not begun for ever, also where verify says each time that nothing happened."""
    if verdict.status != "no" or tried < MOST_TRIES:
        return verdict
    return Verdict("in_doubt", f"{verdict.why}; after {tried} attempts a person decides")


def _run(step: Step, state: StepState, attempt: Attempt, finish: Finish, raw: bytes, names: Names) -> Verdict:
    status, why = doubt.judge(step.effect, finish)
    outputs: dict[str, Value] = {}
    if status == "ok" and step.outputs:
        try:
            outputs = _outputs(step.outputs, raw, finish)
        except BadInput as problem:
            status, why = _unread(step, problem)
    if step.until is not None and doubt.own_exit(finish):
        status, why = _until(step, finish, outputs, names)
    if status == "failed" and _again(step, state, attempt, finish):
        return Verdict("again", why)
    if status == "ok" and step.verify is not None and step.verify.after:
        return Verdict("checking", why, outputs)
    if status == "failed" and step.continue_on_error:
        return Verdict("continued", why)
    return Verdict(status, why, outputs if status == "ok" else {})


def _outputs(specs: Mapping[str, OutputSpec], raw: bytes, finish: Finish) -> dict[str, Value]:
    """Raises BadInput, also where something of what was printed lacks: a line that is not there is no value."""
    if finish.lacks:
        raise BadInput(f"its outputs cannot be read: {lacking(finish.lacks)}")
    return inputs.read_outputs(specs, raw)


def lacking(size: int) -> str:
    """How much of an output is lost, in words."""
    return (
        f"{size:,} bytes of what it printed are lost" if size > 1 else "some of what it printed may be lost"
    )


def _unread(step: Step, problem: BadInput) -> tuple[str, str]:
    """A program's outputs are its success. An action that ended well has acted, whatever it says of it."""
    if isinstance(step.run, Uses) and step.effect == "unsafe":
        return "in_doubt", f"it ended well, and what it gave cannot be used: {problem}"
    return "failed", str(problem)


def _until(step: Step, finish: Finish, outputs: dict[str, Value], names: Names) -> tuple[str, str]:
    assert step.until is not None
    try:
        known = names()
        seen = {**known.get("result", {}).get("outputs", {}), **outputs}
        holds = condition(step.until, {**known, "result": {"exit": finish.exit, "outputs": seen}})
    except BadInput as problem:
        return "failed", str(problem)
    return ("ok", "") if holds else ("failed", f"until: {step.until.text} does not hold (exit {finish.exit})")


def _again(step: Step, state: StepState, attempt: Attempt, finish: Finish) -> bool:
    """May a failed attempt be made again by itself? Never an unsafe one, never one that a person stopped."""
    if step.effect == "unsafe" or finish.stopping == "person":
        return False
    retry = step.retry
    if retry is not None and retry.on_exit and finish.exit not in retry.on_exit and step.until is None:
        return False
    if retry is not None and retry.max is not None:
        return attempt.number <= retry.max
    if step.until is None or step.timeout is None:
        return False
    first = next(a for a in state.attempts if a.part == "run")
    ran = clock.between(first.started, clock.read()).micros
    return ran is not None and ran < step.timeout


def command(step: Step, part: str) -> tuple[Command, str, int | None]:
    """(command, effect, timeout µs) of a part of a step."""
    match part:
        case "run":
            assert step.run is not None
            return step.run, step.effect, step.timeout
        case "check":
            assert step.check is not None
            return step.check.run, "read", step.check.timeout
        case "verify":
            assert step.verify is not None
            return step.verify.run, "read", step.verify.timeout
        case "undo":
            assert step.undo is not None
            return step.undo.run, step.undo.effect, step.undo.timeout
        case _:
            assert step.undo is not None and step.undo.verify is not None
            return step.undo.verify.run, "read", step.undo.verify.timeout


def finish(ended: Ended) -> Finish:
    """How an attempt ended that its keeper told of."""
    if ended.unstarted is not None and ended.exit == STILL_RUNS:
        return Finish(unstarted=ended.unstarted, may_run=True)
    return Finish(
        exit=ended.exit, signal=ended.signal, stopping=ended.stopping,
        lost=(ended.link or "nobody saw its end: the keeper was lost")
        if (ended.lost or ended.link) and ended.stopping is None
        else None,
        unstarted=ended.unstarted, survivors=tuple(str(s) for s in ended.survivors),
        unreached=ended.unstarted is not None and ended.exit == SSH_LOST,
    )  # fmt: skip


def services(ended: Ended) -> list[str]:
    """What the attempt left behind besides its survivors, which have a name of their own."""
    known = {(one.pid, one.start) for one in ended.survivors}
    return [str(one) for one in ended.services if (one.pid, one.start) not in known]


def lost(seen: Witness) -> Finish:
    """How an attempt ended of which nobody but its file tells."""
    if seen.stopping is not None or seen.signal is not None:
        return Finish(exit=seen.exit, signal=seen.signal, stopping=seen.stopping)
    if not seen.launched:
        return Finish(lost="the driver was lost before the keeper began it")
    return Finish(lost="nobody saw its end: driver and keeper were lost, or the machine was")
