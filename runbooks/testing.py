"""Runbooks are tested without starting a process: the real engine, journal and record, with canned ends for programs.

Time does not pass but where something waits. What is compared is what the record says.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput
from incidents.events import Actor, Event
from incidents.hosts import Hosts
from incidents.store import open_store
from runbooks import (
    canned,
    changed,
    consent,
    engine,
    inputs,
    journal,
    loader,
    orders,
    parts,
    recover,
    starting,
)
from runbooks.canned import Untold
from runbooks.cases import Case, Cases, Result
from runbooks.course import Course, Hold, Stay
from runbooks.document import Runbook, Step, Watch
from runbooks.inputs import OutputSpec
from runbooks.keeper import Ended, Keeper, Order, OutputInfo
from runbooks.reach import Reach
from runbooks.sampling import Watches
from runbooks.targets.ssh import Answer

BEGIN = 1_670_932_800 * clock.SECOND  # 2022-12-13T12:00:00Z
MOST_TURNS = 10_000
TESTER = Actor("human", "test")


class Told(NamedTuple):
    """What came of a case: empty `wrong` is as expected. `taken`: steps and branches that it went through."""

    case: Case
    wrong: tuple[str, ...]
    taken: frozenset[str]


class Coverage(NamedTuple):
    """Steps and branches: taken, of how many, and which were never."""

    steps: tuple[int, int]
    branches: tuple[int, int]
    missing: tuple[str, ...]


def run(book: Runbook, cases: Cases) -> list[Told]:
    """Every case of the file. Raises nothing for what a case has wrong: it is told."""
    return [_run(book, case, cases.hosts) for case in cases.cases]


def coverage(book: Runbook, told: list[Told]) -> Coverage:
    """A branch is an `if` that held, one that did not, and a `rescue` that ran."""
    taken = frozenset[str]().union(*(one.taken for one in told))
    steps = [step.path for step in book.walk()]
    branches = list(_branches(book))
    missing = tuple(one for one in [*steps, *branches] if one not in taken)
    return Coverage(
        (sum(one in taken for one in steps), len(steps)),
        (sum(one in taken for one in branches), len(branches)),
        missing,
    )


def _branches(book: Runbook) -> Iterator[str]:
    for step in book.walk():
        if step.if_ is not None:
            yield from (f"{step.path}, if true", f"{step.path}, if false")
        if step.rescue:
            yield f"{step.path}, rescue"
    if book.rescue:
        yield "rescue"


def _run(book: Runbook, case: Case, machines: Hosts) -> Told:
    if wrong := list(canned.misfits(book, case)):
        return Told(case, tuple(wrong), frozenset())
    with tempfile.TemporaryDirectory(prefix="howdah-test-") as folder, clock.freeze(BEGIN):
        try:
            start = _start(book, case, machines, os.path.join(folder, "store.db"))
        except BadInput as problem:
            return Told(case, (str(problem),), frozenset())
        with open_store(start.store) as store:
            made = orders.run_dir(start.store, start.run)
            os.makedirs(made)
            try:
                begun = recover.begin(store, start, made, _NoKeeper(made))
            except BadInput as problem:
                return Told(case, (str(problem),), frozenset())
            course = _Rehearsal(
                **{f.name: getattr(begun, f.name) for f in dataclasses.fields(begun) if f.init}, case=case
            )
            trouble = course.play()
            events = [event for event in store.events(course.run.stream) if event.run == course.run.id]
        wrong = [*trouble, *canned.strangers(book, case), *canned.unmade(book, case, course.run)]
        wrong += _compare(case, course.run, events)
        return Told(case, tuple(wrong), frozenset(_taken(book, course.run)))


def _start(book: Runbook, case: Case, machines: Hosts, store: str) -> orders.Start:
    given = {name: "prompt" if _secret(book, name) else value for name, value in case.inputs.items()}
    return starting.prepare(
        book, given=given, store=store, actor=TESTER, zone="UTC", hosts=machines,
        prompt=lambda name: str(case.inputs[name]),
    )  # fmt: skip


def _secret(book: Runbook, name: str) -> bool:
    return name in book.inputs and book.inputs[name].type == "secret"


class _NoKeeper(Keeper):
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
class _Rehearsal(Course):
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
            self._launched.add(order.n)

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

    def _outcome(self, step: Step, attempt: Any, finish: Any, ended: Any) -> None:
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
        Course._outcome(self, step, attempt, finish, ended)

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


# -- what came of it -----------------------------------------------------------------------------------------------


def _taken(book: Runbook, run: journal.Run) -> Iterator[str]:
    for step in book.walk():
        state = run.steps.get(step.path)
        inner = any(one.path in run.steps for one in step.block)
        skipped = state is not None and state.status == "skipped"
        if (state is not None and not skipped) or inner:
            yield step.path
            if step.if_ is not None:
                yield f"{step.path}, if true"
        elif skipped:
            yield f"{step.path}, if false"
        if any(one.path in run.steps for one in step.rescue):
            yield f"{step.path}, rescue"
    if any(one.path in run.steps for one in book.rescue):
        yield "rescue"


def _path(events: list[Event]) -> list[str]:
    """The steps that ran, each once, in order."""
    found: dict[str, None] = {}
    for event in events:
        began = event.kind == "step.started" and event.data.get("part", "run") in ("run", "check", "wait")
        settled = event.kind == "step.ended" and event.data.get("n") is None
        settled = settled and event.data["status"] not in ("skipped", "entered", "aborted")
        if (began or settled) and event.data.get("part", "run") != "spread":
            found[event.data["path"]] = None
    return list(found)


def _compare(case: Case, run: journal.Run, events: list[Event]) -> Iterator[str]:
    expect = case.expect
    status = run.end.status if run.end is not None else run.status
    path = _path(events)
    if expect.path is not None and list(expect.path) != path:
        yield _difference(list(expect.path), path, run)
    if expect.status is not None and expect.status != status:
        say = f": {run.end.say}" if run.end is not None and run.end.say else ""
        yield f"it ended as {status}{say}, not as {expect.status}"
    if expect.says is not None and expect.says not in (run.end.say if run.end is not None else ""):
        yield f"it says {run.end.say if run.end is not None else ''!r}, not {expect.says!r}"
    asks = [f"{q.path} ({q.what})" for q in run.questions.values()]
    if expect.asks is not None and not _asks(expect.asks, asks):
        yield f"it asks {', '.join(asks) or 'nothing'}, not {', '.join(expect.asks) or 'nothing'}"
    for one, wanted in expect.steps.items():
        if (state := run.steps.get(one)) is None or state.status != wanted:
            yield f"{one} is {state.status if state else 'not reached'}{_why(run, one)}, not {wanted}"
    undone = [e.data["path"] for e in events if e.kind == "step.ended" and e.data["status"] == "undone"]
    if expect.undone is not None and list(expect.undone) != undone:
        yield f"undone were {', '.join(undone) or 'none'}, not {', '.join(expect.undone)}"
    yield from _commands(expect.commands, expect.env, events)


def _asks(wanted: tuple[str, ...], asks: list[str]) -> bool:
    return len(wanted) == len(asks) and all(
        one == ask or one == ask.partition(" (")[0] for one, ask in zip(wanted, asks, strict=True)
    )


def _why(run: journal.Run, path: str) -> str:
    state = run.steps.get(path)
    return f" ({state.why})" if state is not None and state.why else ""


def _difference(wanted: list[str], path: list[str], run: journal.Run) -> str:
    """Where the way it went leaves the way it should have gone, and why."""
    same = sum(
        1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(wanted, path, strict=False))
    )
    after = f"after {path[same - 1]} " if same else ""
    went = path[same] if same < len(path) else "the end"
    should = wanted[same] if same < len(wanted) else "the end"
    told = f"{after}it went to {went}, not to {should}"
    state = run.steps.get(should)
    if state is not None and state.status == "skipped":
        told += f"; the branch {should} was not taken ({state.why or 'skipped'})"
    elif state is None and should != "the end":
        told += f"; {should} was not reached"
    return told


def _commands(commands: Mapping[str, Any], env: Mapping[str, Any], events: list[Event]) -> Iterator[str]:
    started = [event.data for event in events if event.kind == "step.started"]
    for key, wanted in commands.items():
        name, _, part = key.partition(".")
        ran = next(
            (d for d in started if d["path"] == name and d.get("part", "run") == (part or "run")), None
        )
        if ran is None:
            yield f"{key} did not run"
            continue
        command = ran["argv"] if ran.get("argv") is not None else ran.get("script")
        shown = [str(item) for item in wanted] if isinstance(wanted, list) else wanted
        if command != shown:
            yield f"{key} runs {command!r}, not {shown!r}"
    for key, values in env.items():
        ran = next((d for d in started if d["path"] == key), None)
        held = {} if ran is None else dict(ran.get("env", {}))
        for name, value in values.items():
            if held.get(name) != str(value):
                yield f"{key} has {name}={held.get(name)!r}, not {str(value)!r}"


def find(book: str) -> str:
    """The file of a runbook's tests: `disk-full.test.yaml` beside `disk-full.yaml`."""
    return os.path.splitext(book)[0] + loader.TESTS
