"""A runbook's run without a process: the real engine and record, and ends of programs that a case of its tests gives.

Time does not pass but where something waits.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from incidents import clock
from incidents.errors import BadInput
from incidents.events import Actor
from runbooks import canned, changed, consent, engine, inputs, journal, parts
from runbooks.canned import Untold
from runbooks.cases import Case, Result
from runbooks.course import Course
from runbooks.document import Step, Watch
from runbooks.inputs import OutputSpec
from runbooks.keeper import Ended, Keeper, Order, OutputInfo
from runbooks.parking import Hold, Stay
from runbooks.reach import Reach
from runbooks.sampling import Watches
from runbooks.targets.ssh import Answer

MOST_TURNS = 10_000
TESTER = Actor("human", "test")


class NoKeeper(Keeper):
    """Starts nothing."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def prepare(self, n: int) -> None:
        pass

    def has(self, n: int) -> bool:
        return False

    def wait(self, timeout: int | None = None, **_: Any) -> list[Any]:
        """Nothing is heard; the time passes at once."""
        clock.advance(timeout or 0)
        return []


@dataclasses.dataclass(slots=True)
class Rehearsal(Course):
    """A run whose programs end as the case says, and whose people answer so."""

    case: Case = dataclasses.field(kw_only=True)
    told: dict[str, int] = dataclasses.field(default_factory=dict)
    answered: dict[str, int] = dataclasses.field(default_factory=dict)
    turns: int = 0

    def __post_init__(self) -> None:
        self.around = canned.Known(*self.around)
        Course.__post_init__(self)
        self.reach = _NoReach(self.around, self.runbook)
        self.watches = _Looks()
        self.changes = changed.Changes(looks=False)

    def play(self) -> list[str]:
        """Takes the run to its end. What kept it from there."""
        try:
            stay = engine.drive(self)
            if self.case.undo and stay is Stay.ENDED:
                request = {"what": "undo"}
                self.scribe.emit("run.request", request, actor=TESTER)
                engine.drive(self)
        except Untold as problem:
            return [str(problem)]
        finally:
            self.scribe.flush()
        return []

    def launch(self, orders: Any) -> None:
        self.scribe.flush()
        for step, order in orders:
            attempt = self.run.step(step.path).open_attempt()
            assert attempt is not None
            self._ends[order.n] = self._end(step, attempt, order)
            self.launched.add(order.n)

    def _end(self, step: Step, attempt: journal.Attempt, order: Order) -> Ended:
        result = self._result(step, attempt.part)
        now = clock.monotonic()
        raw = result.output.encode()
        if result.outputs is not None:
            specs = canned.declared(step, attempt.part)
            raw = json.dumps(
                {name: canned.value(specs[name], one) for name, one in result.outputs.items()}
            ).encode()
        info = OutputInfo(total=len(raw), held=raw)
        if result.lost:
            return Ended(order.n, lost=True, started=now, ended=now, output=info)
        if result.unreachable:
            return Ended(order.n, exit=255, unstarted="it cannot be reached", started=now, ended=now)
        if result.timeout:
            return Ended(order.n, signal=15, stopping="timeout", started=now, ended=now, output=info)
        code = None if result.signal is not None else result.exit
        return Ended(order.n, exit=code, signal=result.signal, started=now, ended=now, output=info)

    def _result(self, step: Step, part: str) -> Result:
        given = self._given(step, part)
        if given:
            place = min(self.told.get(step.path + part, 0), len(given) - 1)
            self.told[step.path + part] = place + 1
            return given[place]
        specs = canned.declared(step, part)
        if specs:
            raise Untold(
                f"{step.path} ({part}) ran, and the case gives it no result (outputs: {', '.join(specs)})"
            )
        return Result()

    def conclude(self, step: Step, attempt: Any, finish: Any, ended: Any) -> None:
        """Outputs that are given as values are read as they are; else what it prints is read as in a real run."""
        raw = ended.output.text() if ended is not None else b""
        given = self._last(step, attempt.part)
        if given is not None and given.outputs is not None and raw:
            step = step._replace(outputs=_as_given(step.outputs, given.outputs))
            if step.watch is not None and attempt.part == "run":
                step = step._replace(watch=_watch_as_given(step.watch, given.outputs))
            if step.verify is not None and attempt.part == "verify":
                outputs = _as_given(step.verify.outputs, given.outputs)
                step = step._replace(verify=step.verify._replace(outputs=outputs))
        Course.conclude(self, step, attempt, finish, ended)

    def _last(self, step: Step, part: str) -> Result | None:
        """What the attempt that has just ended was given."""
        given = self._given(step, part)
        return given[min(self.told.get(step.path + part, 1), len(given)) - 1] if given else None

    def _given(self, step: Step, part: str) -> tuple[Result, ...]:
        suffix = {"run": "", "undo_verify": ".undo.verify"}.get(part, f".{part}")
        names = (step.path, parts.split_path(step.path)[0], step.id or step.path)
        return next((found for name in names if (found := self.case.results.get(name + suffix))), ())

    def catch_up(self) -> None:
        """Nobody else writes."""
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise Untold(f"it goes on for ever: {MOST_TURNS} turns")

    def sleep_until(self, until: int) -> None:
        clock.advance(max(0, until - clock.monotonic()))

    def sees(self, step: Step) -> tuple[dict[str, Any], str]:
        """What the next look of `watch` sees as the case says, and why it sees nothing."""
        asks = step.until is not None or (step.wait is not None and step.wait.until is not None)
        if not asks and not self._given(step, "watch"):
            return {}, "the case says nothing of it"
        specs, result = canned.declared(step, "watch"), self._result(step, "watch")
        if result.exit != 0 or result.timeout or result.lost:
            return {}, "the case says that it fails"
        if result.outputs is None:
            return inputs.read_outputs(specs, result.output.encode()), ""
        return {name: canned.value(specs[name], one) for name, one in result.outputs.items()}, ""

    def hold(self, hold: Hold) -> Stay | None:
        if hold.until is not None:
            self.sleep_until(hold.until)
            return None
        for question in self.run.open_questions():
            word = self._answer(question)
            if word is None:
                self.scribe.emit("run.parked", {"questions": [question.id]})
                return Stay.PARKED
            answer = {"question": question.id, "path": question.path, "answer": word}
            self.scribe.emit(
                "question.answered", answer, step=question.path, key=consent.key(question.id), actor=TESTER
            )
        return None

    def _answer(self, question: journal.Question) -> str | None:
        step = self.runbook.step(question.path)
        given = self.case.answers.get(question.path) or self.case.answers.get(step.id or "")
        place = self.answered.get(question.path, 0)
        if not given or place >= len(given):
            return None
        self.answered[question.path] = place + 1
        word = given[place]
        if word not in question.options:
            raise Untold(f"{question.path} asks for {', '.join(question.options)}; the case answers {word}")
        return word


def _as_given(specs: Mapping[str, OutputSpec], given: Mapping[str, Any]) -> dict[str, OutputSpec]:
    """The same outputs, read from values that are in their one form instead of from what a program prints."""
    return {
        name: spec._replace(how="result", argument=f'["{name}"]', type=None)
        for name, spec in specs.items()
        if name in given
    }


def _watch_as_given(watch: Watch, given: Mapping[str, Any]) -> Watch:
    specs = _as_given(watch.specs, given)
    outputs = {name: one._replace(spec=specs.get(name, one.spec)) for name, one in watch.outputs.items()}
    return watch._replace(outputs=outputs)


class _Looks(Watches):
    """Looks that end at once, and see what the case says."""

    def turn(self, course: Any) -> None:
        for path, sampler in self.of.items():
            if sampler.watch.run is not None and clock.monotonic() >= sampler.due:
                sampler.due = clock.monotonic() + sampler.watch.every
                try:
                    sampler.add(*course.sees(course.runbook.step(path)))
                except BadInput as problem:
                    sampler.add({}, str(problem))


class _NoReach(Reach):
    """Other machines answer by the case alone; what has ended on them has left nothing behind."""

    def stop(self, act: Any, why: str) -> None:
        pass

    def finish(self, act: Any, here: Any, **_: Any) -> Any:
        return here

    def answer(self, act: Any) -> Answer:
        return Answer("lost")

    def waits(self) -> list[int]:
        return []
