"""Where a run cannot go on by itself: it is held until an instant, or parked until a person answers."""

from __future__ import annotations

import enum
import os
from typing import TYPE_CHECKING, NamedTuple

from incidents import clock, kinds
from runbooks import resting

if TYPE_CHECKING:
    from runbooks.course import Course

LOOK = 100_000  # µs between two looks at the record while a step runs


class Stay(enum.Enum):
    """Why the driver leaves the run where it is."""

    ENDED = "ended"
    PARKED = "parked"
    PAUSED = "paused"


class Hold(NamedTuple):
    """Nothing can start until a person answers (`until` None), or until this instant (boot's monotonic µs)."""

    until: int | None = None


def hold(course: Course, hold: Hold) -> Stay | None:
    """Nothing can go on by itself: parks, and waits for an answer as long as somebody may give one here."""
    if hold.until is not None:
        course.scribe.flush()
        course.sleep_until(hold.until)
        return None
    course.scribe.flush()
    if _news(course):
        return None
    questions = [q.id for q in course.run.open_questions()]
    if course.run.status != "parked":
        course.scribe.emit("run.parked", {"questions": questions})
    course.scribe.flush()
    if course.parked_since is None:
        course.parked_since = clock.monotonic()
    while course.run.waits() and not course.interrupted():
        told = resting.news(course)
        if told:
            break
        if told is False and clock.monotonic() - course.parked_since >= course.patience:
            return Stay.PARKED
        course.scribe.store.wait_news(LOOK)
        course.scribe.catch_up()
    course.parked_since = None
    if not course.pauses():  # else it does not go on: the engine's next turn pauses it
        course.scribe.emit("run.resumed", kinds.RunResumed(os.getpid())._asdict())
    return None


def _news(course: Course) -> bool:
    """Is more known by now of what is in doubt? Hosts that are being asked are waited for."""
    while (told := resting.news(course)) is None and course.run.waits() and not course.interrupted():
        course.listen()
    return bool(told)
