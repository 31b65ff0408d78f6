"""One run on its way: what the engine asks for, done on the record and on the world, in that order."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

from incidents import clock, kinds
from incidents.errors import NotDurable
from incidents.events import Actor
from runbooks import attempt as witnesses
from runbooks import (
    changed,
    concluding,
    consent,
    doubt,
    flow,
    intending,
    journal,
    outcome,
    parking,
    regained,
    remains,
    resting,
    sampling,
    showing,
    spread,
    undo,
)
from runbooks.document import OVERDUE_AFTER, Runbook, Step
from runbooks.keeper import Ended, Keeper, Order
from runbooks.parking import LOOK, Hold, Stay
from runbooks.process import crash_point
from runbooks.reach import Reach
from runbooks.scribe import Scribe
from runbooks.surroundings import Surroundings

Request = tuple[kinds.RunRequest, Actor]


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
    launched: set[int] = dataclasses.field(default_factory=set)
    _stopped: set[int] = dataclasses.field(default_factory=set)
    parked_since: int | None = None
    _ends: dict[int, Ended] = dataclasses.field(default_factory=dict)
    _looked: bool = False  # since the end of the last attempt
    dues: dict[str, int] = dataclasses.field(default_factory=dict)
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
        order = intending.intend(self, step, part)
        if order is None:
            return None
        self.launch([(step, order)])
        attempt = self.run.step(step.path).open_attempt()
        assert attempt is not None
        return self.follow(step, attempt)

    def launch(self, orders: Sequence[tuple[Step, Order]]) -> None:
        """Makes the intents durable, then has the keeper start them."""
        self.scribe.flush()
        for step, order in orders:
            crash_point(f"after-intent:{step.path}")
            self.launched.add(order.n)
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

    def prepare(self, n: int) -> None:
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
            self.prepare(self.run.last_n + 1)
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
                self.conclude(step, attempt, finish, told)
                crash_point(f"after-outcome:{step.path}")
            if ended:
                return
            self.listen()
            self._looked = True
            for _, attempt in open:
                self._while_running(attempt)
            self._heed_stops([attempt for _, attempt in open])

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

    def _heed_stops(self, attempts: Sequence[journal.Attempt]) -> None:
        """One request may be for all that run."""
        heeded = [(attempt, stop) for attempt in attempts if (stop := self.stop_of(attempt.path)) is not None]
        for attempt, _ in heeded:
            self._stop(attempt, "person")
        for _, stop in heeded:
            if stop in self.run.requests:
                self.run.requests.remove(stop)

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
            self.listen()
            if self.interrupted():
                return None
        return rested

    def known(self, step: Step) -> resting.Seen:
        """What is known to run of the step's attempts; a host that is being asked is waited for."""
        while (seen := resting.look(self, step)) is None:
            self.listen()
        return seen

    def listen(self) -> None:
        """What the keeper and others say within a moment."""
        for notice in self.keeper.wait(LOOK, wake=self.reach.waits()):
            if isinstance(notice, Ended):
                self._ends[notice.n] = notice
        self.watches.turn(self)
        self.scribe.catch_up()

    def interrupted(self) -> bool:
        """Did a person ask for something that the engine's next turn acts on?"""
        if self.pauses():
            return True
        if not isinstance(self._move, flow.At):
            return False
        status = self.run.step(self._move.step.path).status
        if status == "waiting" and self.stop_of(self._move.step.path) is not None:
            return True
        return self.aborts() and (status == "waiting" or status in journal.NOT_BEGUN)

    def pauses(self) -> bool:
        """Did a person ask for a pause?"""
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

    def conclude(
        self, step: Step, attempt: journal.Attempt, finish: doubt.Finish, ended: Ended | None
    ) -> None:
        """Records the outcome of an attempt that has ended."""
        concluding.conclude(self, step, attempt, finish, ended)

    def told_later(self, step: Step, attempt: journal.Attempt, finish: doubt.Finish) -> None:
        """What became of an attempt that was in doubt, as its host says it now."""
        concluding.told_later(self, step, attempt, finish)

    def due(self, step: Step) -> int:
        """When the next attempt of the step may begin (boot's monotonic µs)."""
        return self.dues.get(step.path, 0)

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
        """Nothing can go on by itself: until an instant, or until a person answers as long as somebody may do so here."""
        return parking.hold(self, hold)

    # -- the end ---------------------------------------------------------------------------------------------

    def undo(self, step: Step) -> Hold | None:
        return undo.advance(self, step)

    def finish(self, end: flow.End) -> bool:
        """Records the end; False when an undo was asked for, which starts instead."""
        if self.run.undo is None and undo.begin(self, end):
            return False
        undo.record_end(self, end)
        return True
