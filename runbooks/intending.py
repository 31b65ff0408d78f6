"""The intent of an attempt, put on the record before the act: its command as it will be run, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from incidents import events, kinds
from incidents.errors import BadInput
from runbooks import outcome, resting
from runbooks.document import Step
from runbooks.keeper import Order
from runbooks.process import crash_point
from runbooks.scribe import OUTCOME_ROOM

if TYPE_CHECKING:
    from runbooks.course import Course

MOST = events.LARGEST_PAYLOAD - 64 * 1024  # bytes of a command; the rest is for what the event says besides


def intend(course: Course, step: Step, part: str) -> Order | None:
    """The intent of an attempt, emitted but not yet durable, and what is to be launched then; None where nothing
    can be."""
    state = course.run.step(step.path)
    n, number = course.run.last_n + 1, state.count(part) + 1
    if part in ("run", "undo") and state.last("run", "undo") is not None and not state.beside:
        rested = course.at_rest(step)
        if rested is None:
            return None
        if not rested:
            resting.refuse(course, step, part)
            return None
    command, effect, timeout = outcome.command(step, part)
    try:
        act = course.around.act(step, command, course.run, n=n, number=number, timeout=timeout)
        _must_fit(act.shown)
    except BadInput as problem:
        if part == "run":
            raise
        course.cannot(step, part, str(problem))
        return None
    crash_point(f"before-intent:{step.path}")
    course.prepare(n)
    room = OUTCOME_ROOM * (1 + len(course.run.open_attempts())) + course.changes.room(step)
    course.scribe.store.ready_for(room)
    change = course.changes.begin(step, part, act.order, course.around, course.run)
    intent = kinds.StepStarted(
        path=step.path,
        name=step.name,
        n=n,
        attempt=number,
        effect=effect,
        part=part,
        timeout=timeout,
        **act.shown,
    )._asdict()
    if change:
        intent["change"] = change
    else:
        del intent["change"]  # most steps have none
    order = act.order
    if order.far is not None:
        intent["host"] = order.far.host
        order = order._replace(after=resting.before(course, step, part))
    else:
        del intent["host"]
    course.scribe.emit("step.started", intent, step=step.path, key=f"{course.run.id}:start:{n}")
    return order


def _must_fit(shown: Mapping[str, Any]) -> None:
    """Raises BadInput where an event cannot hold the command. To find that at the commit would be too late: by then the
    fold has it."""
    size = len(json.dumps(shown, ensure_ascii=False).encode("utf-8", "replace"))
    if size > MOST:
        raise BadInput(
            f"its command and variables have {size:,} bytes, and at most {MOST:,} can be recorded",
            hint="put what is long into a file that the step reads",
        )
