"""One run on its way: what the engine asks for, done on the record and on the world, in that order."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from incidents import clock, kinds
from incidents.errors import BadInput, NotDurable
from incidents.events import Actor, Evidence
from runbooks import attempt as witnesses
from runbooks import (
    changed,
    consent,
    doubt,
    flow,
    journal,
    outcome,
    parts,
    regained,
    remains,
    resting,
    sampling,
    showing,
    spread,
    undo,
)
from runbooks.document import OVERDUE_AFTER, POLL, Runbook, Step
from runbooks.keeper import Ended, Keeper, Order
from runbooks.process import crash_point
from runbooks.reach import Reach
from runbooks.scribe import OUTCOME_ROOM, Scribe
from runbooks.surroundings import Surroundings

LOOK = 100_000  # µs between two looks at the record while a step runs
INLINE = 8_192  # bytes of output that live in the outcome itself
Request = tuple[kinds.RunRequest, Actor]


class Stay(enum.Enum):
    """Why the driver leaves the run where it is."""

    ENDED = "ended"
    PARKED = "parked"
    PAUSED = "paused"


class Hold(NamedTuple):
    """Nothing can start until a person answers (`until` None), or until this instant (boot's monotonic µs)."""

    until: int | None = None


@dataclasses.dataclass(slots=True)
class Course:
    runbook: Runbook
    run: journal.Run
    scribe: Scribe
    keeper: Keeper
    around: Surroundings
    runs_dir: str
    allowed: frozenset[str]
    patience: int  # µs to stay up for an answer, 0 = leave at once
    _move: flow.At | flow.Undo | flow.End | None = None
    _prepared: int = 0
    _launched: set[int] = dataclasses.field(default_factory=set)
    _stopped: set[int] = dataclasses.field(default_factory=set)
    _parked_since: int | None = None
    _ends: dict[int, Ended] = dataclasses.field(default_factory=dict)
    _looked: bool = False  # since the end of the last attempt
    _due: dict[str, int] = dataclasses.field(default_factory=dict)
    waits: dict[tuple[str, int, int], int] = dataclasses.field(default_factory=dict)  # of runbooks/resting.py
    resumed: bool = False  # another driver began it
    watches: sampling.Watches = dataclasses.field(default_factory=sampling.Watches)
    reach: Reach = dataclasses.field(init=False)
    links: regained.Links = dataclasses.field(init=False)
    changes: changed.Changes = dataclasses.field(default_factory=changed.Changes)

    def __post_init__(self) -> None:
        self.reach = Reach(self.around, self.runbook)
        self.links = regained.Links()

    # -- reading ---------------------------------------------------------------------------------------------

    def names(self, part: str) -> dict[str, Any]:
        """What expressions see, as the step `part`, of its own runbook, with its host and item."""
        return self.around.names(self.run, part=part)

    def catch_up(self) -> None:
        """Folds what others wrote; the look that followed the end of an attempt, a moment ago, counts as this one."""
        looked, self._looked = self._looked, False
        if not looked:
            self.scribe.catch_up()

    def paused(self) -> Stay | None:
        """Records the pause that a person asked for, while no step runs."""
        if not any(request.what == "pause" for request, _ in self.run.requests):
            return None
        self.scribe.emit("run.paused", {})
        self.scribe.flush()
        return Stay.PAUSED

    def turn(self, move: flow.At | flow.Undo | flow.End) -> None:
        """The engine's next move: what was asked of steps that an abort has ended is moot."""
        self._move = move
        if not self.run.aborting:
            return
        at = move.step.path if isinstance(move, flow.At) else ""
        for question in self.run.open_questions():
            if question.what in ("confirm", "approve", "manual") and question.path != at:
                self.scribe.emit("question.void", {"question": question.id}, step=question.path)

    # -- the record ------------------------------------------------------------------------------------------

    def settle(
        self, step: Step, status: str, *, why: str = "", outputs: dict[str, Any] | None = None
    ) -> None:
        """The outcome of a step that needed no attempt."""
        if status == "failed" and step.continue_on_error:
            status = "continued"
        data: dict[str, Any] = {"path": step.path, "name": step.name, "status": status, "why": why}
        if outputs:
            data["outputs"] = outputs
        self.scribe.emit("step.ended", data, step=step.path)

    def spread(self, step: Step) -> None:
        """Evaluates the step's hosts and items, once, and records them. Raises BadInput."""
        made = self.around.spread(step, self.names(step.path))
        if not made.batches and not made.items.get("values"):
            self.settle(step, "skipped", why="for_each has no items")
            return
        data = made._asdict()
        if not made.items:
            del data["items"]
        self.scribe.emit("step.spread", data, step=step.path)

    def gathered(self, step: Step, status: str, why: str) -> None:
        """The outcome of a step whose parts have all ended, or begin no more."""
        if status == "failed" and step.continue_on_error:
            status = "continued"
        found = spread.outputs(step, self.run) if status in ("ok", "continued") else {}
        data = {
            "path": step.path, "name": step.name, "status": status, "why": why, "part": "spread", "outputs": found,
        }  # fmt: skip
        self.scribe.emit("step.ended", data, step=step.path)

    def ask(self, step: Step, what: str) -> Hold | None:
        """Opens the question, once; a step that `--yes` named is answered in the same commit."""
        if self.asks(step, what):
            return Hold()
        made = self.around.spread(step, self.names(step.path)) if step.spreads and what == "confirm" else None
        data = consent.asked(
            self.run,
            step.path,
            what,
            showing.shows(step, what, self.run.step(step.path), self.names(step.path), self.runs_dir, made),
        )
        if what in resting.ASKED:
            seen = self.known(step)
            data["shows"] |= {
                "running": seen.who if seen.state == "running" else "",
                **({"unknown": seen.who} if seen.state == "unknown" else {}),
            }
        self.scribe.emit("question.asked", data, step=step.path)
        if what == "confirm" and self.allowed & {step.path, step.id}:
            answer = {"question": data["question"], "path": step.path, "answer": "yes"}
            self.scribe.emit(
                "question.answered", answer, step=step.path, key=consent.key(data["question"]),
                body="allowed before the start by --yes",
            )  # fmt: skip
            return None
        return Hold()

    def asks(self, step: Step, what: str) -> bool:
        """Is that question about the step open?"""
        return any(q.open and q.path == step.path and q.what == what for q in self.run.questions.values())

    # -- attempts ------------------------------------------------------------------------------------------

    def attempt(self, step: Step, part: str) -> Hold | None:
        """Intent, act, outcome of one part of a step: run, check, verify, undo or undo_verify."""
        order = self.intend(step, part)
        if order is None:
            return None
        self.launch([(step, order)])
        attempt = self.run.step(step.path).open_attempt()
        assert attempt is not None
        return self.follow(step, attempt)

    def intend(self, step: Step, part: str) -> Order | None:
        """The intent of an attempt, emitted but not yet durable, and what is to be launched then; None where nothing
        can be."""
        state = self.run.step(step.path)
        n, number = self.run.last_n + 1, state.count(part) + 1
        if part in ("run", "undo") and state.last("run", "undo") is not None and not state.beside:
            rested = self.at_rest(step)
            if rested is None:
                return None
            if not rested:
                resting.refuse(self, step, part)
                return None
        command, effect, timeout = outcome.command(step, part)
        try:
            act = self.around.act(step, command, self.run, n=n, number=number, timeout=timeout)
        except BadInput as problem:
            if part == "run":
                raise
            self.cannot(step, part, str(problem))
            return None
        crash_point(f"before-intent:{step.path}")
        self._prepare(n)
        room = OUTCOME_ROOM * (1 + len(self.run.open_attempts())) + self.changes.room(step)
        self.scribe.store.ready_for(room)
        change = self.changes.begin(step, part, act.order, self.around, self.run)
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
            order = order._replace(after=resting.before(self, step, part))
        else:
            del intent["host"]
        self.scribe.emit("step.started", intent, step=step.path, key=f"{self.run.id}:start:{n}")
        return order

    def launch(self, orders: Sequence[tuple[Step, Order]]) -> None:
        """Makes the intents durable, then has the keeper start them."""
        self.scribe.flush()
        for step, order in orders:
            crash_point(f"after-intent:{step.path}")
            self._launched.add(order.n)
            started = self.keeper.launch(order)
            crash_point(f"after-launch:{step.path}")
            if isinstance(started, Ended):
                self._ends[order.n] = started

    def cannot(self, step: Step, part: str, why: str) -> None:
        """A check, verify or undo that cannot even begin: it answers nothing, and the record says why."""
        n, number = self.run.last_n + 1, self.run.step(step.path).count(part) + 1
        intent = kinds.StepStarted(step.path, step.name, n, number, "read", part=part)
        self.scribe.emit("step.started", intent._asdict(), step=step.path, key=f"{self.run.id}:start:{n}")
        status = "in_doubt" if part in ("verify", "undo_verify") else "failed"
        outcome = kinds.StepEnded(step.path, status, n=n, part=part, attempt=number, why=why)
        self.scribe.emit("step.ended", outcome._asdict(), step=step.path, key=f"{self.run.id}:end:{n}")

    def _prepare(self, n: int) -> None:
        """Makes the file of attempt `n`. Raises NotDurable where a full disk leaves no way to have it."""
        if self._prepared >= n:
            return
        try:
            self.keeper.prepare(n)
        except NotDurable:
            self.scribe.flush()
            if not remains.reuse(self.runs_dir, self.run, n):
                raise
            self.keeper.prepare(n)
        self._prepared = n

    def follow(self, step: Step, attempt: journal.Attempt) -> Hold | None:
        """Waits for the end of an open attempt and records its outcome; a crash before is made good here."""
        with contextlib.suppress(
            NotDurable
        ):  # it is made ahead; whether it must be there shows when it begins
            self._prepare(self.run.last_n + 1)
        self.follow_any([(step, attempt)])
        return None

    def follow_any(self, open: Sequence[tuple[Step, journal.Attempt]]) -> None:
        """Waits until one of these has ended, and records the outcome of all that have by then."""
        for step, attempt in open:
            if attempt.part == "run":
                self.watches.begin(self, step)
        while True:
            ended = [
                (step, attempt, end) for step, attempt in open if (end := self._look(attempt)) is not None
            ]
            self.changes.ended((attempt.n, finish) for _, attempt, (finish, _) in ended)
            for step, attempt, (finish, told) in ended:
                crash_point(f"before-outcome:{step.path}")
                self._outcome(step, attempt, finish, told)
                crash_point(f"after-outcome:{step.path}")
            if ended:
                return
            self._listen()
            self._looked = True
            for _, attempt in open:
                self._while_running(attempt)

    def _look(self, attempt: journal.Attempt) -> tuple[doubt.Finish, Ended | None] | None:
        """How it ended, and what the keeper told of it: None there where only the attempt's own file could."""
        told = self._ends.get(attempt.n)
        if told is not None:
            finish = outcome.finish(told)
        elif self.keeper.has(attempt.n):
            return None
        else:
            seen = witnesses.witness(self.runs_dir, attempt.n)
            if seen.state == "running":
                return None
            finish = doubt.Finish(exit=seen.exit) if seen.state == "ended" else outcome.lost(seen)
        if attempt.command.host is not None:
            if told is not None and told.link:
                self.links.lost(self, attempt)
            heard = told is not None and not told.unheard
            self.links.all |= not heard
            there = self.reach.finish(attempt, finish, heard=heard)
            if there is None:
                return None
            finish = there
        self._ends.pop(attempt.n, None)
        return finish, told

    def _while_running(self, attempt: journal.Attempt) -> None:
        while (request := self.stop_of(attempt.path)) is not None:
            self.run.requests.remove(request)
            self._stop(attempt, "person")
        ran = clock.between(attempt.started, clock.read()).micros or 0
        timeout = attempt.command.timeout
        if timeout is not None and ran >= timeout and not self.keeper.keeps(attempt.n):
            self._stop(attempt, "timeout")  # its keeper, who would have, is lost
        if timeout is not None or ran < OVERDUE_AFTER:
            return
        if self.run.step(attempt.path).overdue != attempt.n:
            self._report_overdue(attempt, ran)
        asked = [q for q in self.run.questions.values() if q.what == "overdue" and q.path == attempt.path]
        if asked[-1].answer == "stop":
            self._stop(attempt, "person")

    def _stop(self, attempt: journal.Attempt, why: str) -> None:
        self.reach.stop(attempt, why)
        if attempt.n not in self._stopped:
            self._stopped.add(attempt.n)
            self.keeper.stop(attempt.n, why, grace=self.runbook.step(attempt.path).grace)

    def _report_overdue(self, attempt: journal.Attempt, ran: int) -> None:
        """An unsafe step without a bound is never killed by the clock; everybody is told, and may say so."""
        data = {"path": attempt.path, "n": attempt.n, "ran": ran}
        key = f"{self.run.id}:overdue:{attempt.n}"
        self.scribe.emit("step.overdue", data, step=attempt.path, key=key)
        self.ask(self.runbook.step(attempt.path), "overdue")
        self.scribe.flush()

    def at_rest(self, step: Step) -> bool | None:
        """Does nothing of the step's attempts run any more? Waits for what is known to run, at most the step's timeout.

        None when a person asked for something else meanwhile.
        """
        while (rested := resting.rested(self, step)) is None:
            self._listen()
            if self.interrupted():
                return None
        return rested

    def known(self, step: Step) -> resting.Seen:
        """What is known to run of the step's attempts; a host that is being asked is waited for."""
        while (seen := resting.look(self, step)) is None:
            self._listen()
        return seen

    def _listen(self) -> None:
        for notice in self.keeper.wait(LOOK, wake=self.reach.waits()):
            if isinstance(notice, Ended):
                self._ends[notice.n] = notice
        self.watches.turn(self)
        self.scribe.catch_up()

    def interrupted(self) -> bool:
        """Did a person ask for something that the engine's next turn acts on?"""
        if self._pauses():
            return True
        if not isinstance(self._move, flow.At):
            return False
        status = self.run.step(self._move.step.path).status
        if status == "waiting" and self.stop_of(self._move.step.path) is not None:
            return True
        return self.aborts() and (status == "waiting" or status in journal.NOT_BEGUN)

    def _pauses(self) -> bool:
        return any(request.what == "pause" for request, _ in self.run.requests)

    def may_go_on(self) -> bool:
        """Has a person answered, or asked for something, since the run was parked?"""
        return not self.run.waits() or self.interrupted()

    def aborts(self) -> bool:
        """Does an abort end the step that the engine is at?"""
        return self.run.aborting and isinstance(self._move, flow.At) and self._move.abortable

    def stop_of(self, path: str) -> Request | None:
        """A person's request to stop what runs of this step."""
        return next((r for r in self.run.requests if r[0].what == "stop" and r[0].path in (None, path)), None)

    # -- outcomes --------------------------------------------------------------------------------------------

    def _outcome(
        self, step: Step, attempt: journal.Attempt, finish: doubt.Finish, ended: Ended | None
    ) -> None:
        for question in self.run.open_questions():
            if question.what == "overdue" and question.path == step.path:
                self.scribe.emit("question.void", {"question": question.id}, step=step.path)
        finish = resting.unsure(self, attempt, finish)
        printed = regained.printed(self, attempt, finish, ended)
        raw, finish = printed.text, finish._replace(lacks=printed.lacks)
        self.watches.printed(self, step, attempt, raw)
        verdict = outcome.judge(
            step, self.run.step(step.path), attempt, finish, raw,
            lambda: {**self.names(step.path), **self.watches.result(step.path)},
        )  # fmt: skip
        again = self._conclude(
            step, attempt, verdict, printed, "end", exit=None if finish.unreached else finish.exit, signal=finish.signal,
            why=self.links.why(attempt, verdict.why), took=regained.took(attempt, printed, ended),
            tail=raw[-INLINE:].decode("utf-8", "replace"), recovered=attempt.n not in self._launched,
            survivors=list(finish.survivors), services=[] if ended is None else outcome.services(ended),
            unreachable=finish.unreached, may_run=finish.may_run,
            change=self.changes.end(
                step, attempt.part, attempt.n, finish, self.scribe.store, f"{self.run.id}:start:{attempt.n}"
            ),
        )  # fmt: skip
        if again and not parts.split_path(step.path)[1]:  # others need not wait for one of several
            self.scribe.flush()
            self.sleep_until(self._due[step.path])

    def _conclude(
        self, step: Step, attempt: journal.Attempt, verdict: outcome.Verdict, printed: regained.Printed, word: str,
        **known: Any,
    ) -> bool:  # fmt: skip
        """Records the outcome, once by this word of its key, and what was printed; whether another attempt is due."""
        if verdict.status == "again" and self.run.aborting:
            verdict = verdict._replace(status="failed")
        again = verdict.status == "again"
        evidence, lost = self._evidence(attempt, printed)
        if attempt.part == "run" and not again:
            if verdict.status in ("ok", "checking"):
                verdict = verdict._replace(outputs={**self.watches.values(step.path), **verdict.outputs})
            watched, rows = self.watches.end(self, step.path)
            known, evidence = {**known, **watched}, (*evidence, *rows)
        told = kinds.StepEnded(
            path=step.path, status=verdict.status, n=attempt.n, part=attempt.part, name=step.name,
            attempt=attempt.number, outputs=verdict.outputs, bytes=printed.info.total,
            dropped=printed.info.dropped + lost, final=not again, **known,
        )._asdict()  # fmt: skip
        for rare in ("unreachable", "may_run", "change", "watched", "unwatched"):
            if not told[rare]:
                del told[rare]
        key = f"{self.run.id}:{word}:{attempt.n}"
        self.scribe.emit("step.ended", told, step=step.path, key=key, evidence=evidence)
        if printed.text:
            self.scribe.afterwards.append(lambda: witnesses.drop_output(self.runs_dir, attempt.n))
        if again:
            self._due[step.path] = clock.monotonic() + self._delay(step, attempt.number)
        return again

    def _evidence(
        self, attempt: journal.Attempt, printed: regained.Printed
    ) -> tuple[tuple[Evidence, ...], int]:
        """The output as evidence where the outcome cannot hold it; and how many bytes had no room."""
        if len(printed.text) <= INLINE or printed.info.held:
            return (), max(0, len(printed.info.held) - INLINE)
        return remains.keep_output(self.scribe.store, self.run.id, self.runs_dir, attempt.n)

    def told_later(self, step: Step, attempt: journal.Attempt, finish: doubt.Finish) -> None:
        """What became of an attempt that was in doubt, as its host says it now."""
        assert attempt.end is not None
        printed = regained.printed(self, attempt, finish, None)
        finish = finish._replace(lacks=printed.lacks)
        state = self.run.step(step.path)
        verdict = outcome.judge(step, state, attempt, finish, printed.text, lambda: self.names(step.path))
        if (
            attempt.part == "run"
            and step.outputs
            and finish.lacks
            and doubt.own_exit(finish)
            and finish.exit == 0
        ):
            lost = "it ended there with exit 0, but of what it printed some was lost with the link"
            verdict = outcome.Verdict("in_doubt", lost)
        self._conclude(
            step, attempt, verdict, printed, "late", exit=finish.exit, why=verdict.why, took=printed.ran,
            tail=printed.text[-INLINE:].decode("utf-8", "replace") or attempt.end.tail, recovered=True,
        )  # fmt: skip

    def due(self, step: Step) -> int:
        """When the next attempt of the step may begin (boot's monotonic µs)."""
        return self._due.get(step.path, 0)

    def _delay(self, step: Step, number: int) -> int:
        retry = step.retry
        delay = POLL if retry is None or retry.delay is None else retry.delay
        if retry is not None:
            delay = int(delay * retry.backoff ** (number - 1))
        return delay

    # -- waiting ---------------------------------------------------------------------------------------------

    def sleep_until(self, until: int) -> None:
        """Until this instant of the monotonic clock, or until a person asks for something."""
        while (left := until - clock.monotonic()) > 0:
            self.scribe.store.wait_news(min(left, LOOK))
            self.watches.turn(self)
            self.scribe.catch_up()
            if self.interrupted():
                return

    def hold(self, hold: Hold) -> Stay | None:
        """Nothing can go on by itself: parks, and waits for an answer as long as somebody may give one here."""
        if hold.until is not None:
            self.scribe.flush()
            self.sleep_until(hold.until)
            return None
        self.scribe.flush()
        if self._news():
            return None
        questions = [q.id for q in self.run.open_questions()]
        if self.run.status != "parked":
            self.scribe.emit("run.parked", {"questions": questions})
        self.scribe.flush()
        if self._parked_since is None:
            self._parked_since = clock.monotonic()
        while self.run.waits() and not self.interrupted():
            told = resting.news(self)
            if told:
                break
            if told is False and clock.monotonic() - self._parked_since >= self.patience:
                return Stay.PARKED
            self.scribe.store.wait_news(LOOK)
            self.scribe.catch_up()
        self._parked_since = None
        if not self._pauses():  # else it does not go on: the engine's next turn pauses it
            self.scribe.emit("run.resumed", kinds.RunResumed(os.getpid())._asdict())
        return None

    def _news(self) -> bool:
        """Is more known by now of what is in doubt? Hosts that are being asked are waited for."""
        while (told := resting.news(self)) is None and self.run.waits() and not self.interrupted():
            self._listen()
        return bool(told)

    # -- the end ---------------------------------------------------------------------------------------------

    def undo(self, step: Step) -> Hold | None:
        return undo.advance(self, step)

    def finish(self, end: flow.End) -> bool:
        """Records the end; False when an undo was asked for, which starts instead."""
        if self.run.undo is None and undo.begin(self, end):
            return False
        undo.record_end(self, end)
        return True
