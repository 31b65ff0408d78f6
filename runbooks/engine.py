"""The loop: flow -> intent -> act -> outcome.

`drive` takes a run as far as it goes now and says why it left off. Each turn asks `flow` for the next move and
makes one: a question, an attempt, a settled step. What it decides it first writes: the intent is durable before
the act, the outcome shares a commit with the next intent.
"""

from __future__ import annotations

from incidents import clock
from incidents.errors import BadInput
from runbooks import flow, gathering, gating, resting, spread, using, waiting
from runbooks.course import Course
from runbooks.document import Step, Uses
from runbooks.expressions import condition, render_text
from runbooks.parking import LOOK, Hold, Stay


def drive(course: Course) -> Stay:
    """Raises StoreError when the record cannot be written; nothing is lost then, `resume` goes on from it."""
    while True:
        course.catch_up()
        if stay := course.paused():
            return stay
        move = flow.next_move(course.runbook, course.run)
        course.turn(move)
        if isinstance(move, flow.End):
            if course.finish(move):
                return Stay.ENDED
            continue
        hold = course.undo(move.step) if isinstance(move, flow.Undo) else advance(course, move.step)
        if hold is not None and (stay := course.hold(hold)):
            return stay


def advance(course: Course, step: Step) -> Hold | None:
    """One turn of one step."""
    state = course.run.step(step.path)
    try:
        if state.status != "waiting" and (attempt := state.open_attempt()) is not None:
            return course.follow(step, attempt)
        return _TURNS[state.status](course, step)
    except (
        BadInput
    ) as problem:  # an expression met a value that it cannot use: the step's failure, not the run's
        course.settle(step, "failed", why=str(problem))
        return None


def _pending(course: Course, step: Step) -> Hold | None:
    for_all = step.spreads and step.if_ is not None and spread.looks_at_part(step.if_)
    if step.if_ is not None and not for_all and not condition(step.if_, course.names(step.path)):
        course.settle(step, "skipped", why=f"if: {step.if_.text} is false")
        return None
    if step.confirm is not None:
        return course.ask(step, "confirm")
    return _confirmed(course, step)


def _confirmed(course: Course, step: Step) -> Hold | None:
    if step.approve is not None and not gating.passed(course, step):
        return Hold()
    if step.spreads:
        course.spread(step)
        return None
    for requirement in step.require:
        if not condition(requirement, course.names(step.path)):
            course.settle(step, "failed", why=f"require: {requirement.text} is false")
            return None
    return _KINDS[step.kind](course, step)


def _run(course: Course, step: Step) -> Hold | None:
    if isinstance(step.run, Uses) and step.run.action == "set":
        course.settle(step, "ok", outputs=using.values(step.run, course.names(step.path)))
        return None
    return course.attempt(step, "run")


def _manual(course: Course, step: Step) -> Hold | None:
    return course.ask(step, "manual")


def _stop(course: Course, step: Step) -> Hold | None:
    assert step.stop is not None
    say = str(render_text(step.stop.say, course.names(step.path))) if step.stop.say else ""
    course.settle(step, "ok", why=say)
    return None


def _wait(course: Course, step: Step) -> Hold | None:
    return waiting.wait(course, step)


def _enter(course: Course, step: Step) -> Hold | None:
    given = course.around.given(step, course.names(step.path)) if step.sub is not None else None
    course.settle(step, "entered", outputs=given)
    return None


def _answered(course: Course, step: Step) -> Hold | None:
    if step.check is None:
        course.settle(step, "ok", why="done by hand")
        return None
    return course.attempt(step, "check")


def _checking(course: Course, step: Step) -> Hold | None:
    return course.attempt(step, "verify")


def _in_doubt(course: Course, step: Step) -> Hold | None:
    if course.asks(step, "doubt"):
        return Hold()
    verify = step.verify is not None and not course.run.step(step.path).verified
    rested = resting.rested(course, step, wait=verify)
    if rested is None:
        return Hold(clock.monotonic() + LOOK)
    if rested and resting.judge_anew(course, step):
        return None
    if rested and verify:
        return course.attempt(step, "verify")
    return course.ask(step, "doubt")


def _gather(course: Course, step: Step) -> Hold | None:
    return gathering.gather(course, step, _in_doubt)


_KINDS = {"run": _run, "manual": _manual, "stop": _stop, "wait": _wait, "block": _enter}
_TURNS = {
    "pending": _pending,
    "confirmed": _confirmed,
    "waiting": _wait,
    "answered": _answered,
    "checking": _checking,
    "in_doubt": _in_doubt,
    "spread": _gather,
}
