"""A step that waits for other people's approval: the engine's turn at its gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents import clock, kinds
from incidents.events import Actor
from runbooks import consent, gate, journal, showing
from runbooks.course import Course
from runbooks.document import Step


def passed(course: Course, step: Step) -> bool:
    """May the step act now? Asks where nobody was asked, and anew where what was approved is no more what would be done.

    Raises BadInput where a value that is to be shown does not exist.
    """
    assert step.approve is not None
    names = course.names(step.path)
    made = course.around.spread(step, names) if step.spreads else None
    found = gate.bound(course.runbook, course.run, step, names, made)
    digest = gate.digest(found)
    question = asked(course.run, step.path)
    if question is not None and not question.open and course.run.step(step.path).attempts:
        return True  # its own retry, or verify said that it did not happen: the same act
    if question is None:
        _ask(course, step, names, made, found)
        return False
    if why := _void(question, found, digest):
        course.scribe.emit("question.void", {"question": question.id}, step=step.path, body=why)
        _ask(course, step, names, made, found, why)
        return False
    if question.open and question.agreed:
        answer = {"question": question.id, "path": step.path, "answer": "approve"}
        who = ", ".join(actor.shown for actor in question.approvals)
        course.scribe.emit(
            "question.answered", answer, step=step.path, key=consent.key(question.id), body=f"approved by {who}",
            actor=Actor("system", "driver"),
        )  # fmt: skip
    return not question.open


def asked(run: journal.Run, path: str) -> journal.Question | None:
    """The question that guards the step now; None where it has to be asked (again)."""
    last = next((q for q in reversed(run.questions.values()) if q.path == path and not q.void), None)
    return last if last is not None and last.what == "approve" else None


def _void(question: journal.Question, found: dict[str, object], digest: str) -> str:
    """Why approvals given to this question are worth nothing; empty where they are."""
    if digest != question.shows["gate"]:
        return "what would be done has changed:\n" + gate.difference(question.shows["bound"], found)
    if consent.expired(question):
        return f"not done within {clock.words(int(question.shows['expires']))}"
    return ""


def _ask(
    course: Course, step: Step, names: Mapping[str, Any], made: kinds.StepSpread | None, found: dict[str, Any],
    why: str = "",
) -> None:  # fmt: skip
    assert step.approve is not None
    shows = showing.shows(step, "approve", course.run.step(step.path), names, course.runs_dir, made)
    shows |= {
        "gate": gate.digest(found), "bound": found, "from": list(step.approve.from_), "count": step.approve.people,
        "not_requester": step.approve.not_requester, "expires": step.approve.expires,
    }  # fmt: skip
    if why:
        shows["again"] = why
    course.scribe.emit(
        "question.asked", consent.asked(course.run, step.path, "approve", shows), step=step.path
    )
