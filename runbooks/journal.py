"""The journal of a run: a pure fold of its events.

`TABLE` says which status of a step follows from which happening; it is used when writing and when recovering. An
event that it does not know for a status is an `IllegalTransition`. What an attempt's end means is in `doubt`.

Statuses: pending, confirmed (it may act now), spread (made several times, see runbooks/spread.py), entered (a block whose gate was passed), waiting, answered (a person says that the manual step is done), running,
checking (it ended well, `verify` or `check` has the last word), ok, continued (failed, and the run goes on),
failed, skipped, in_doubt, aborted; of an undo: undoing, undo_again, undo_failed, undo_doubt, undone,
kept (a person decided not to undo it).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from incidents import clock, events, kinds
from incidents.errors import IllegalTransition

JOURNAL = 1  # the version of these rules; a run of another major is refused
SETTLED = frozenset({"ok", "continued", "failed", "skipped", "aborted", "undone", "kept"})
DOUBTS = frozenset({"in_doubt", "undo_doubt"})
NOT_BEGUN = frozenset({"pending", "confirmed", "answered"})  # what an abort never starts

#: status -> happening -> the status that follows
TABLE: dict[str, dict[str, str]] = {
    "pending": {
        "run": "running", "wait": "waiting", "run:ok": "ok", "run:failed": "failed", "run:continued": "continued",
        "run:skipped": "skipped", "run:entered": "entered", "answer:yes": "confirmed", "answer:done": "answered", "answer:skip": "skipped",
        "answer:abort": "aborted", "answer:approve": "confirmed", "answer:decline": "failed", "spread": "spread",
    },
    "confirmed": {
        "run": "running", "wait": "waiting", "run:ok": "ok", "run:failed": "failed", "run:continued": "continued",
        "run:skipped": "skipped", "run:entered": "entered", "answer:yes": "confirmed", "answer:skip": "skipped",
        "answer:abort": "aborted", "answer:approve": "confirmed", "answer:decline": "failed", "spread": "spread",
        "run:in_doubt": "in_doubt",  # it was to begin again, and what began before still runs, or may
    },
    "spread": {
        "spread:ok": "ok", "spread:failed": "failed", "spread:continued": "continued", "spread:skipped": "skipped",
        "spread:aborted": "aborted",
    },
    "entered": {},
    "waiting": {"wait:ok": "ok", "wait:failed": "failed", "wait:continued": "continued", "wait:aborted": "aborted"},
    "answered": {"check": "answered", "check:ok": "ok", "check:failed": "pending", "run:ok": "ok"},
    "running": {
        "run:ok": "ok", "run:checking": "checking", "run:failed": "failed", "run:continued": "continued",
        "run:again": "confirmed", "run:in_doubt": "in_doubt", "answer:wait": "running", "answer:stop": "running",
    },
    "checking": {
        "verify": "checking", "verify:ok": "ok", "verify:no": "failed", "verify:continued": "continued",
        "verify:in_doubt": "in_doubt",
    },
    "in_doubt": {
        "verify": "in_doubt", "verify:ok": "ok", "verify:no": "confirmed", "verify:in_doubt": "in_doubt",
        "answer:retry": "confirmed", "answer:retry-beside": "confirmed", "answer:done": "ok",
        "answer:skip": "skipped", "answer:abort": "aborted",
        # its host says later what became of it
        "run:ok": "ok", "run:checking": "checking", "run:failed": "failed", "run:continued": "continued",
        "run:again": "confirmed", "run:in_doubt": "in_doubt",
    },
    "ok": {"undo": "undoing"},
    "continued": {"undo": "undoing"},
    "failed": {},
    "skipped": {},
    "aborted": {},
    "undoing": {"undo:undone": "undone", "undo:failed": "undo_failed", "undo:in_doubt": "undo_doubt",
               "answer:wait": "undoing", "answer:stop": "undoing"},
    "undo_again": {"undo": "undoing"},
    "undo_failed": {
        "answer:retry": "undo_again", "answer:retry-beside": "undo_again", "answer:done": "undone",
        "answer:skip": "kept", "answer:abort": "kept",
    },
    "undo_doubt": {
        "undo_verify": "undo_doubt", "undo_verify:ok": "undone", "undo_verify:no": "undo_again",
        "undo_verify:in_doubt": "undo_doubt", "answer:retry": "undo_again", "answer:retry-beside": "undo_again",
        "answer:done": "undone", "answer:skip": "kept", "answer:abort": "kept",
        "undo:undone": "undone", "undo:failed": "undo_failed", "undo:in_doubt": "undo_doubt",
    },
    "kept": {},
    "undone": {},
}  # fmt: skip


def next_status(path: str, status: str, happening: str) -> str:
    """Raises IllegalTransition, which names both sides."""
    try:
        return TABLE[status][happening]
    except KeyError:
        raise IllegalTransition(f"step {path} is {status}; {happening} cannot follow") from None


@dataclasses.dataclass(slots=True)
class Attempt:
    """One start of one part of a step. `n` names its files; `end` is None while nobody knows its outcome."""

    n: int
    path: str
    part: str
    number: int
    effect: str
    started: clock.Reading
    command: kinds.StepStarted
    actor: events.Actor
    end: kinds.StepEnded | None = None


@dataclasses.dataclass(slots=True)
class StepState:
    path: str
    status: str = "pending"
    exit: int | None = None
    why: str = ""
    outputs: dict[str, Any] | None = None
    attempts: list[Attempt] = dataclasses.field(default_factory=list)
    ended: clock.Reading | None = None
    end_order: int = 0  # place among the outcomes of the run, from 1
    verified: bool = False  # verify was asked about the present doubt and did not know
    tail: str = ""
    by: events.Actor | None = None  # the person whose answer decided last
    overdue: int | None = None  # the n of the attempt that was reported overdue
    spread: kinds.StepSpread | None = None  # what it was made into
    beside: bool = False  # a person said that it may start beside what still runs of an earlier attempt

    def last(self, *parts: str) -> Attempt | None:
        return next((a for a in reversed(self.attempts) if a.part in (parts or ("run",))), None)

    def open_attempt(self) -> Attempt | None:
        return next((a for a in reversed(self.attempts) if a.end is None), None)

    def count(self, part: str) -> int:
        return sum(a.part == part for a in self.attempts)


@dataclasses.dataclass(slots=True)
class Question:
    id: str
    path: str
    what: str
    options: list[str]
    shows: dict[str, Any]
    asked: clock.Reading
    answer: str | None = None
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    by: events.Actor | None = None
    answered_at: int | None = None
    void: bool = False
    approvals: list[events.Actor] = dataclasses.field(default_factory=list)  # each person once

    @property
    def open(self) -> bool:
        return self.answer is None and not self.void

    @property
    def agreed(self) -> bool:
        """Have as many people approved as must?"""
        return self.what == "approve" and len(self.approvals) >= int(self.shows.get("count", 1))


@dataclasses.dataclass(slots=True)
class Run:
    """A run as its events tell it. `status`: starting running parked paused ended."""

    id: str
    stream: str = ""
    status: str = "starting"
    started: kinds.RunStarted | None = None
    start: events.Event | events.Draft | None = None
    started_at: clock.Reading | None = None
    ended_at: clock.Reading | None = None
    end: kinds.RunEnded | None = None
    steps: dict[str, StepState] = dataclasses.field(default_factory=dict)
    questions: dict[str, Question] = dataclasses.field(default_factory=dict)
    asked: int = 0
    requests: list[tuple[kinds.RunRequest, events.Actor]] = dataclasses.field(default_factory=list)
    undo: kinds.UndoStarted | None = None
    aborting: bool = False
    outcomes: int = 0
    last_n: int = 0
    last_seq: int = 0
    untold: set[str] = dataclasses.field(
        default_factory=set
    )  # steps whose course can no longer be told: redacted

    def step(self, path: str) -> StepState:
        found = self.steps.get(path)
        if found is None:
            found = self.steps[path] = StepState(path)
        return found

    def open_questions(self) -> list[Question]:
        return [q for q in self.questions.values() if q.open]

    def waits(self) -> bool:
        """Does somebody have to say something before the run can go on?"""
        return any(not question.agreed for question in self.open_questions())

    def open_attempts(self) -> list[Attempt]:
        return [a for s in self.steps.values() for a in s.attempts if a.end is None]

    def doubts(self) -> list[StepState]:
        return [s for s in self.steps.values() if s.status in DOUBTS]

    def attempt(self, n: int) -> Attempt:
        return next(a for s in self.steps.values() for a in s.attempts if a.n == n)


class Happened(Protocol):
    """What a fold reads of an event or of a draft."""

    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def actor(self) -> events.Actor: ...


def fold(run_id: str, happened: Iterable[events.Event]) -> Run:
    run = Run(run_id)
    for event in happened:
        if event.run == run_id:
            apply(run, event, clock.Reading(event.at, event.boot, event.mono))
            run.last_seq = event.seq
    return run


def apply(run: Run, event: events.Event | events.Draft, when: clock.Reading) -> None:
    """Changes `run` by one event of it. Kinds that say nothing about a run's course change nothing."""
    change = _CHANGES.get(event.kind)
    if change is None:
        return
    if isinstance(event, events.Event) and event.redacted:
        run.untold |= {event.step} if event.step is not None else set()
        return  # what follows from it can no longer be told; the other steps, and the run's end, can
    data = kinds.view(event.kind, event.data)
    if data is None:
        return
    try:
        change(run, data, event, when)
    except (IllegalTransition, KeyError):
        if event.step not in run.untold:
            raise


def _run_started(run: Run, data: kinds.RunStarted, event: Any, when: clock.Reading) -> None:
    run.stream, run.status, run.started, run.start, run.started_at = (
        event.stream,
        "running",
        data,
        event,
        when,
    )


def _run_parked(run: Run, data: kinds.RunParked, event: Any, when: clock.Reading) -> None:
    run.status = "parked"


def _run_paused(run: Run, data: kinds.RunPaused, event: Any, when: clock.Reading) -> None:
    run.status = "paused"
    run.requests = [r for r in run.requests if r[0].what != "pause"]


def _run_resumed(run: Run, data: kinds.RunResumed, event: Any, when: clock.Reading) -> None:
    run.status = "running"
    run.requests = [r for r in run.requests if r[0].what != "pause"]


def _run_ended(run: Run, data: kinds.RunEnded, event: Any, when: clock.Reading) -> None:
    run.status, run.end, run.ended_at = "ended", data, when
    run.requests, run.undo, run.aborting = [], None, False


def _run_request(run: Run, data: kinds.RunRequest, event: Any, when: clock.Reading) -> None:
    if data.what == "stop" and not run.open_attempts():
        return  # nothing runs that could be stopped; the next attempt was not meant
    run.requests.append((data, event.actor))
    run.aborting = run.aborting or data.what in ("abort", "abort-undo")


def _undo_started(run: Run, data: kinds.UndoStarted, event: Any, when: clock.Reading) -> None:
    run.undo, run.status, run.end, run.ended_at = data, "running", None, None
    run.requests = [r for r in run.requests if r[0].what not in ("undo", "abort-undo")]


def _step_started(run: Run, data: kinds.StepStarted, event: Any, when: clock.Reading) -> None:
    step = run.step(data.path)
    step.status = next_status(data.path, step.status, data.part)
    step.attempts.append(
        Attempt(data.n, data.path, data.part, data.attempt, data.effect, when, data, event.actor)
    )
    step.beside = False
    run.last_n = max(run.last_n, data.n)
    if run.status == "parked":
        run.status = "running"


def _step_ended(run: Run, data: kinds.StepEnded, event: Any, when: clock.Reading) -> None:
    step = run.step(data.path)
    attempt = next((a for a in step.attempts if a.n == data.n), None)
    if data.n is not None and attempt is None:
        raise IllegalTransition(f"step {data.path} has no attempt {data.n} that could end")
    step.status = next_status(data.path, step.status, f"{data.part}:{data.status}")
    if attempt is not None:
        attempt.end = data
    run.requests = [r for r in run.requests if r[0].what != "stop" or r[0].path not in (None, data.path)]
    step.why = data.why
    step.verified = data.part in ("verify", "undo_verify") and step.status in DOUBTS
    if data.part in ("run", "check"):
        step.exit, step.tail = data.exit, data.tail
    gathered = data.part == "spread" and step.status == "continued"  # of the hosts on which it went well
    if step.status in ("ok", "entered") or gathered:
        step.outputs = {**(step.outputs or {}), **data.outputs}
    if step.status in SETTLED:
        run.outcomes += 1
        step.ended, step.end_order = when, run.outcomes


def _step_spread(run: Run, data: kinds.StepSpread, event: Any, when: clock.Reading) -> None:
    step = run.step(data.path)
    step.status = next_status(data.path, step.status, "spread")
    step.spread = data


def _step_overdue(run: Run, data: kinds.StepOverdue, event: Any, when: clock.Reading) -> None:
    run.step(data.path).overdue = data.n


def _asked(run: Run, data: kinds.QuestionAsked, event: Any, when: clock.Reading) -> None:
    run.asked += 1
    run.questions[data.question] = Question(
        data.question, data.path, data.what, data.options, data.shows, when
    )


def _answered(run: Run, data: kinds.QuestionAnswered, event: Any, when: clock.Reading) -> None:
    question = run.questions[data.question]
    if not question.open:  # void meanwhile: the answer stays in the record and changes nothing
        return
    question.answer, question.outputs, question.by = data.answer, dict(data.outputs), event.actor
    question.answered_at = when.at
    step = run.step(data.path)
    step.status = next_status(data.path, step.status, f"answer:{data.answer}")
    step.by, step.verified, step.beside = event.actor, False, data.answer == "retry-beside"
    if step.status == "ok":
        step.outputs = {**(step.outputs or {}), **data.outputs}
        step.why = "a person says that it happened"
    elif step.status == "skipped":
        step.outputs = None
    elif step.status == "failed":
        step.why = f"declined by {event.actor.shown}" + (f": {event.body}" if event.body else "")
    elif step.status == "aborted":
        run.aborting = True
    if step.status in SETTLED:
        run.outcomes += 1
        step.ended, step.end_order = when, run.outcomes
    if run.status == "parked":
        run.status = "running"


def _approved(run: Run, data: kinds.ApprovalGiven, event: Any, when: clock.Reading) -> None:
    question = run.questions[data.question]
    known = {actor.id for actor in question.approvals}
    if question.open and event.actor.id not in known and data.gate == question.shows.get("gate"):
        question.approvals.append(event.actor)


def _void(run: Run, data: kinds.QuestionVoid, event: Any, when: clock.Reading) -> None:
    run.questions[data.question].void = True


_CHANGES: dict[str, Any] = {
    "run.started": _run_started,
    "run.parked": _run_parked,
    "run.paused": _run_paused,
    "run.resumed": _run_resumed,
    "run.ended": _run_ended,
    "run.request": _run_request,
    "undo.started": _undo_started,
    "step.started": _step_started,
    "step.spread": _step_spread,
    "step.ended": _step_ended,
    "step.overdue": _step_overdue,
    "question.asked": _asked,
    "question.answered": _answered,
    "question.void": _void,
    "approval.given": _approved,
}
