"""The end of an attempt, put on the record: what it printed, what it means for its step, and whether another is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incidents import clock, kinds
from incidents.events import Evidence
from runbooks import attempt as witnesses
from runbooks import doubt, journal, outcome, parts, regained, remains, resting
from runbooks.document import POLL, Step
from runbooks.keeper import Ended

if TYPE_CHECKING:
    from runbooks.course import Course

INLINE = 8_192  # bytes of output that live in the outcome itself


def conclude(
    course: Course, step: Step, attempt: journal.Attempt, finish: doubt.Finish, ended: Ended | None
) -> None:
    for question in course.run.open_questions():
        if question.what == "overdue" and question.path == step.path:
            course.scribe.emit("question.void", {"question": question.id}, step=step.path)
    finish = resting.unsure(course, attempt, finish)
    printed = regained.printed(course, attempt, finish, ended)
    raw, finish = printed.text, finish._replace(lacks=printed.lacks)
    course.watches.printed(course, step, attempt, raw)
    verdict = outcome.judge(
        step, course.run.step(step.path), attempt, finish, raw,
        lambda: {**course.names(step.path), **course.watches.result(step.path)},
    )  # fmt: skip
    again = _record(
        course, step, attempt, verdict, printed, "end", exit=None if finish.unreached else finish.exit, signal=finish.signal,
        why=course.links.why(attempt, verdict.why), took=regained.took(attempt, printed, ended),
        tail=raw[-INLINE:].decode("utf-8", "replace"), recovered=attempt.n not in course.launched,
        survivors=list(finish.survivors), services=[] if ended is None else outcome.services(ended),
        unreachable=finish.unreached, may_run=finish.may_run,
        change=course.changes.end(
            step, attempt.part, attempt.n, finish, course.scribe.store, f"{course.run.id}:start:{attempt.n}"
        ),
    )  # fmt: skip
    if again and not parts.split_path(step.path)[1]:  # others need not wait for one of several
        course.scribe.flush()
        course.sleep_until(course.dues[step.path])


def _record(
    course: Course, step: Step, attempt: journal.Attempt, verdict: outcome.Verdict, printed: regained.Printed, word: str,
    **known: Any,
) -> bool:  # fmt: skip
    """Records the outcome, once by this word of its key, and what was printed; whether another attempt is due."""
    if verdict.status == "again" and course.run.aborting:
        verdict = verdict._replace(status="failed")
    again = verdict.status == "again"
    evidence, lost = _evidence(course, attempt, printed)
    if attempt.part == "run" and not again:
        if verdict.status in ("ok", "checking"):
            verdict = verdict._replace(outputs={**course.watches.values(step.path), **verdict.outputs})
        watched, rows = course.watches.end(course, step.path)
        known, evidence = {**known, **watched}, (*evidence, *rows)
    told = kinds.StepEnded(
        path=step.path, status=verdict.status, n=attempt.n, part=attempt.part, name=step.name,
        attempt=attempt.number, outputs=verdict.outputs, bytes=printed.info.total,
        dropped=printed.info.dropped + lost, final=not again, **known,
    )._asdict()  # fmt: skip
    for rare in ("unreachable", "may_run", "change", "watched", "unwatched"):
        if not told[rare]:
            del told[rare]
    key = f"{course.run.id}:{word}:{attempt.n}"
    course.scribe.emit("step.ended", told, step=step.path, key=key, evidence=evidence)
    if printed.text:
        course.scribe.afterwards.append(lambda: witnesses.drop_output(course.runs_dir, attempt.n))
    if again:
        course.dues[step.path] = clock.monotonic() + _delay(step, attempt.number)
    return again


def _evidence(
    course: Course, attempt: journal.Attempt, printed: regained.Printed
) -> tuple[tuple[Evidence, ...], int]:
    """The output as evidence where the outcome cannot hold it; and how many bytes had no room."""
    if len(printed.text) <= INLINE or printed.info.held:
        return (), max(0, len(printed.info.held) - INLINE)
    return remains.keep_output(course.scribe.store, course.run.id, course.runs_dir, attempt.n)


def told_later(course: Course, step: Step, attempt: journal.Attempt, finish: doubt.Finish) -> None:
    """What became of an attempt that was in doubt, as its host says it now."""
    assert attempt.end is not None
    printed = regained.printed(course, attempt, finish, None)
    finish = finish._replace(lacks=printed.lacks)
    state = course.run.step(step.path)
    verdict = outcome.judge(step, state, attempt, finish, printed.text, lambda: course.names(step.path))
    if (
        attempt.part == "run"
        and step.outputs
        and finish.lacks
        and doubt.own_exit(finish)
        and finish.exit == 0
    ):
        lost = "it ended there with exit 0, but of what it printed some was lost with the link"
        verdict = outcome.Verdict("in_doubt", lost)
    _record(
        course, step, attempt, verdict, printed, "late", exit=finish.exit, why=verdict.why, took=printed.ran,
        tail=printed.text[-INLINE:].decode("utf-8", "replace") or attempt.end.tail, recovered=True,
    )  # fmt: skip


def _delay(step: Step, number: int) -> int:
    retry = step.retry
    delay = POLL if retry is None or retry.delay is None else retry.delay
    if retry is not None:
        delay = int(delay * retry.backoff ** (number - 1))
    return delay
