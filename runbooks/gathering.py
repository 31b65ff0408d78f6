"""One turn of a step that was made several times: what may start does, at once; then the first end is waited for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from incidents import clock
from incidents.errors import BadInput
from runbooks import intending, outcome, resting, spread
from runbooks.course import Course
from runbooks.document import Step
from runbooks.expressions import condition
from runbooks.keeper import Order
from runbooks.parking import LOOK, Hold

Doubt = Callable[[Course, Step], Hold | None]


def gather(course: Course, step: Step, doubt: Doubt) -> Hold | None:
    todo = spread.todo(step, course.run, aborting=course.aborts())
    if todo.end is not None:
        course.gathered(step, *todo.end)
        return None
    now = clock.monotonic()
    ready = [part for part in todo.ready if course.due(part) <= now and not _rests_yet(course, part)]
    begin = [part for part in ready if _begins(course, part)]
    _look_ahead(course, begin)
    orders: list[tuple[Step, Order]] = []
    for part in begin:
        order = _intent(course, part)
        if order is not None:
            orders.append((part, order))
    course.launch(orders)
    running = [*todo.running, *(part for part, _ in orders)]
    if running:
        open = [(part, course.run.step(part.path).open_attempt()) for part in running]
        course.follow_any([(part, attempt) for part, attempt in open if attempt is not None])
        return None
    if todo.doubts:
        holds = [doubt(course, part) for part in todo.doubts]
        untils = [hold.until for hold in holds if hold is not None and hold.until is not None]
        return (Hold(min(untils)) if untils else Hold()) if all(holds) else None
    if todo.ready and not ready:
        course.sleep_until(max(now + LOOK, min(map(course.due, todo.ready))))
    return None


def _rests_yet(course: Course, part: Step) -> bool:
    """Is it not decided yet whether an earlier attempt runs? The others need not wait for that."""
    state = course.run.step(part.path)
    if state.status != "confirmed" or state.beside or state.last("run") is None:
        return False
    return resting.rested(course, part) is None


def _begins(course: Course, part: Step) -> bool:
    """Does it need a program? Else it is settled."""
    try:
        return course.run.step(part.path).status != "pending" or _may(course, part)
    except BadInput as problem:
        course.settle(part, "failed", why=str(problem))
        return False


def _look_ahead(course: Course, begin: Sequence[Step]) -> None:
    """What these change is read side by side, before their intents are written one after the other."""
    wanted: list[tuple[Step, Order]] = []
    for part in begin:
        if part.change is None or not part.change.subject or _part(course, part) != "run":
            continue
        command, _, timeout = outcome.command(part, "run")
        with contextlib.suppress(BadInput):  # its intent says so
            act = course.around.act(
                part, command, course.run, n=course.run.last_n + 1, number=1, timeout=timeout
            )
            wanted.append((part, act.order))
    course.changes.ahead(wanted, course.around, course.run)


def _part(course: Course, part: Step) -> str:
    return "verify" if course.run.step(part.path).status == "checking" else "run"


def _intent(course: Course, part: Step) -> Order | None:
    """What one of them is to do next; None where nothing can be."""
    try:
        return intending.intend(course, part, _part(course, part))
    except BadInput as problem:
        course.settle(part, "failed", why=str(problem))
        return None


def _may(course: Course, part: Step) -> bool:
    names = course.names(part.path)
    if part.if_ is not None and not condition(part.if_, names):
        course.settle(part, "skipped", why=f"if: {part.if_.text} is false")
        return False
    for requirement in part.require:
        if not condition(requirement, names):
            course.settle(part, "failed", why=f"require: {requirement.text} is false")
            return False
    return True
