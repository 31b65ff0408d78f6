"""The end of a run, and undo: done steps in reverse order of their outcomes, each journaled like any act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incidents import kinds
from runbooks import flow, regained, resting
from runbooks.document import Step

if TYPE_CHECKING:
    from runbooks.course import Course
    from runbooks.parking import Hold

EXITS = {"ok": 0, "failed": 1, "aborted": 1}


def begin(course: Course, end: flow.End) -> bool:
    """Starts the undo that a person asked for, when there is something to undo."""
    if not any(request.what in ("undo", "abort-undo") for request, _ in course.run.requests):
        return False
    steps = [step.path for step in flow.undo_order(course.runbook, course.run)]
    if not steps:
        return False
    course.scribe.emit("undo.started", kinds.UndoStarted(steps, after=end.status)._asdict())
    return True


def advance(course: Course, step: Step) -> Hold | None:
    """One turn of one step's undo; the first failure or doubt stops and asks."""
    state = course.run.step(step.path)
    if (attempt := state.open_attempt()) is not None:
        return course.follow(step, attempt)
    if state.status == "undo_doubt" and not course.asks(step, "undo"):
        course.known(step)
        if resting.judge_anew(course, step):
            return None
    if state.status == "undo_doubt" and not state.verified and step.undo is not None and step.undo.verify:
        rested = course.at_rest(step)
        if rested is None:
            return None
        if rested:
            return course.attempt(step, "undo_verify")
    if state.status in ("undo_failed", "undo_doubt"):
        return course.ask(step, "undo")
    return course.attempt(step, "undo")


def record_end(course: Course, end: flow.End) -> None:
    """The run's last event; with it ends the incident that the run declared, when nobody else wrote to it."""
    run = course.run
    asked_after_the_end = run.undo is not None and run.undo.after != "aborted"
    regained.leave(course)
    code = (0 if asked_after_the_end else 1) if end.status == "undone" else EXITS[end.status]
    course.scribe.emit("run.ended", kinds.RunEnded(end.status, code, end.say)._asdict())
    started = run.started
    if started is not None and started.closes and end.status == "ok" and _alone(course):
        course.scribe.emit(
            "incident.resolved", kinds.IncidentResolved(by_run=run.id)._asdict(), milestone="resolved"
        )
    course.scribe.flush()


def _alone(course: Course) -> bool:
    """Is every event of the incident this run's own? Only what was there before this driver is read again."""
    scribe, after = course.scribe, 0
    while not scribe.others and after < scribe.since:
        page = scribe.store.read(course.run.stream, after=after, limit=min(1000, scribe.since - after))
        after = page[-1].seq
        if any(event.run != course.run.id for event in page):
            return False
    return not scribe.others
