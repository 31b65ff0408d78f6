"""A `wait` step: durable, because its deadline counts from its first event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incidents import clock, kinds
from incidents.errors import BadInput
from runbooks.bindings import chains
from runbooks.document import Step
from runbooks.expressions import condition, render_text
from runbooks.parking import LOOK, Hold

if TYPE_CHECKING:
    from runbooks.course import Course

POLL = 2 * clock.SECOND  # between two looks at `until`


def wait(course: Course, step: Step) -> Hold | None:
    """One turn: begins the wait, goes on waiting, or ends it. Raises BadInput where `for` is no duration."""
    assert step.wait is not None
    attempt = course.run.step(step.path).last("wait")
    if attempt is None or attempt.end is not None:
        _begin(course, step, _bound(course, step))
        return None
    waited = clock.between(attempt.started, clock.read())
    bound = attempt.command.timeout
    if course.aborts():
        _end(course, step, attempt.n, "aborted", "the run is being aborted", waited)
        return None
    if course.stop_of(step.path) is not None:
        _end(course, step, attempt.n, "failed", "a person stopped it", waited)
        return None
    course.watches.begin(course, step)
    course.watches.turn(course)
    if step.wait.until is not None and _holds(course, step):
        _end(course, step, attempt.n, "ok", "", waited)
    elif bound is not None and (waited.micros or 0) >= bound:
        status, why = (
            ("ok", "") if step.wait.until is None else ("failed", f"{step.wait.until.text} never held")
        )
        _end(course, step, attempt.n, status, why, waited)
    else:
        left = POLL if bound is None else bound - (waited.micros or 0)
        soon = left if step.wait.until is None else min(POLL, left)
        if step.watch is not None:
            soon = min(soon, max(LOOK, course.watches.next(step.path) - clock.monotonic()))
        return Hold(clock.monotonic() + soon)
    return None


def _holds(course: Course, step: Step) -> bool:
    """Is what the wait is for there? Not while a number that it looks at has no value yet."""
    assert step.wait is not None and step.wait.until is not None
    sampled = course.watches.result(step.path)
    outputs = sampled["result"]["outputs"] if sampled else {}
    for _, parts in chains(step.wait.until.tree):
        if parts[:2] == ["result", "outputs"] and (len(parts) < 3 or outputs.get(parts[2]) is None):
            return False
    return condition(step.wait.until, {**course.names(step.path), **sampled})


def _bound(course: Course, step: Step) -> int | None:
    assert step.wait is not None
    wait = step.wait
    if wait.for_ is None or isinstance(wait.for_, int):
        return wait.for_
    value = render_text(wait.for_, course.names(step.path))
    plain = value.replace(".", "", 1).isdecimal()  # in an expression a duration counts as seconds
    return clock.parse_duration(value + "s" if plain else value)


def _begin(course: Course, step: Step, bound: int | None) -> None:
    number = course.run.step(step.path).count("wait") + 1
    n = course.run.last_n + 1
    intent = kinds.StepStarted(step.path, step.name, n, number, "read", part="wait", timeout=bound)
    course.scribe.emit("step.started", intent._asdict(), step=step.path, key=f"{course.run.id}:start:{n}")
    course.scribe.flush()


def _end(course: Course, step: Step, n: int, status: str, why: str, waited: clock.Span) -> None:
    if status == "failed" and step.continue_on_error:
        status = "continued"
    outputs = course.watches.values(step.path) if status == "ok" else {}
    watched, evidence = course.watches.end(course, step.path)
    outcome = kinds.StepEnded(
        step.path, status, n=n, part="wait", name=step.name, why=why, took=waited.micros, outputs=outputs
    )
    told = {word: one for word, one in outcome._asdict().items() if word not in ("watched", "unwatched")}
    key = f"{course.run.id}:end:{n}"
    course.scribe.emit("step.ended", {**told, **watched}, step=step.path, key=key, evidence=evidence)


def settle_error(course: Course, step: Step, problem: BadInput) -> None:
    """An expression of a wait that has begun went wrong: the wait has failed."""
    attempt = course.run.step(step.path).last("wait")
    assert attempt is not None
    _end(course, step, attempt.n, "failed", str(problem), clock.between(attempt.started, clock.read()))
