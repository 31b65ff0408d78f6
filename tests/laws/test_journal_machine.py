"""The model test of the journal (design, section 6): a run whose driver is killed at every transition.

The engine, the record and the fold are real. What stands in is the world: a keeper whose programs end as the case
says, at once, so that thousands of deaths can be played; the real keeper dies in tests/crash/.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from incidents import clock
from incidents.events import Actor, Draft, Event
from incidents.store import open_store
from incidents.store.protocol import Store
from runbooks import attempt, consent, course, driver, engine, journal, recover, starting
from runbooks.attempt import Ended, Order, Started, Witness
from runbooks.loader import loads
from runbooks.output import OutputInfo

NOVA = Actor("human", "nova")
FATES = ("0", "3", "killed", "137")  # how a program ends: exit status, or a signal


class Crash(BaseException):
    """The driver is dead; nothing after this runs."""


class World:
    """The machine: what was started, how it ended, who is left to tell. It outlives drivers."""

    def __init__(self, fates: dict[str, list[str]]):
        self.fates = fates
        self.acts: list[tuple[str, str, int]] = []  # (path, part, n)
        self.state: dict[int, Witness] = {}
        self.path: dict[int, str] = {}
        self.connected: set[int] = set()

    # as a Keeper
    def prepare(self, n: int) -> None:
        self.state.setdefault(n, Witness(n, "unknown", launched=False))

    def launch(self, order: Order) -> Started:
        path, n = order.env["HOWDAH_STEP"], order.n
        for other, seen in self.state.items():
            assert seen.state != "running" or self.path.get(other) != path, (
                f"{path} starts beside attempt {other}"
            )
        self.acts.append((path, order.argv[-1], n))
        self.state[n] = Witness(n, "running", pid=n, start=n, who="process")
        self.path[n] = path
        self.connected.add(n)
        return Started(n, n, n, 0)

    def wait(self, timeout: int | None, *, wake: Sequence[int] = ()) -> list[Ended]:
        running = [n for n in sorted(self.connected) if self.state[n].state == "running"]
        return [self._told(n) for n in running]

    def has(self, n: int) -> bool:
        return n in self.connected

    def stop(self, n: int, why: str) -> None:
        raise AssertionError("nobody asked for a stop")

    def close(self) -> None:
        self.connected.clear()

    def _told(self, n: int) -> Ended:
        self.end(n)
        self.connected.discard(n)
        seen = self.state[n]
        return Ended(n, exit=seen.exit, signal=seen.signal, output=OutputInfo())

    # as fate
    def end(self, n: int) -> None:
        """The program ends as the case says; its keeper writes that down."""
        part = next(part for _, part, act in self.acts if act == n)
        fate = self.fates[part].pop(0) if len(self.fates[part]) > 1 else self.fates[part][0]
        if fate == "killed":
            self.state[n] = Witness(n, "unknown", signal=9)
        else:
            self.state[n] = Witness(n, "ended", exit=int(fate))

    def after_a_crash(self, what: str) -> None:
        """The driver has died: its running programs end well watched, or are lost with their keeper."""
        for n, seen in list(self.state.items()):
            if seen.state == "running":
                if what == "lost":
                    self.state[n] = Witness(n, "unknown")
                else:
                    self.end(n)
        self.connected.clear()

    def witness(self, run_dir: str, n: int) -> Witness:
        return self.state.get(n, Witness(n, "unknown"))


STEP = """
  - id: {name}
    effect: {effect}
    timeout: 20s
    continue-on-error: {goes_on}
    run: {name}-run
{verify}    undo: {{run: "{name}-undo", effect: idempotent}}
"""


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, dict[str, list[str]]]:
    text, fates = "name: model\nsteps:\n", {}
    for number in range(draw(st.integers(1, 3))):
        name = f"s{number}"
        effect = draw(st.sampled_from(("unsafe", "unsafe", "idempotent", "read")))
        verify = ""
        if effect == "unsafe" and draw(st.booleans()):
            after = draw(st.booleans())
            verify = f'    verify: {{no: [10], after: {str(after).lower()}, run: "{name}-verify"}}\n'
        goes_on = str(draw(st.booleans())).lower()
        body = STEP if effect != "read" else STEP.replace(STEP.splitlines()[-1] + "\n", "")
        text += body.format(name=name, effect=effect, verify=verify, goes_on=goes_on)
        fates[f"{name}-run"] = draw(st.lists(st.sampled_from(FATES), min_size=1, max_size=3))
        fates[f"{name}-verify"] = draw(
            st.lists(st.sampled_from(("0", "10", "1", "killed")), min_size=1, max_size=3)
        )
        fates[f"{name}-undo"] = ["0"]
    return text, fates


@functools.cache
def the_store() -> tuple[Store, str]:
    """One record for all cases: each is a run, and a drill's incident, of its own."""
    folder = tempfile.mkdtemp(prefix="howdah-model-")
    store = open_store(os.path.join(folder, "store.db"))
    atexit.register(shutil.rmtree, folder)
    atexit.register(store.close)
    return store, folder


class JournalMachine(RuleBasedStateMachine):
    @initialize(case=cases())
    def begin(self, case: tuple[str, dict[str, list[str]]]) -> None:
        text, fates = case
        self.store, self.folder = the_store()
        self.book = loads(text, "model.yaml")
        self.world = World(fates)
        self.start = starting.prepare(
            self.book, given={}, store=self.store.path, actor=NOVA, zone="UTC", mode="drill"
        )
        self.begun = False
        self.points = -1
        self.patches = contextlib.ExitStack()
        for target, name, value in (
            (course, "crash_point", self._point),
            (recover, "crash_point", self._point),
            (attempt, "witness", self.world.witness),
        ):
            self.patches.enter_context(mock.patch.object(target, name, value))

    def _point(self, name: str, n: int | None = None) -> None:
        self.points -= 1
        if self.points == 0:
            raise Crash(name)

    @precondition(lambda self: not self._ended())
    @rule(crash=st.one_of(st.just(-1), st.integers(1, 30)), fate=st.sampled_from(("watched", "lost")))
    def drive(self, crash: int, fate: str) -> None:
        """A driver takes the run as far as it gets; at its `crash`-th transition it dies."""
        self.points = crash
        try:
            taken = self._take_up(_Mortal(self.store, self._point))
            self.begun = True
            engine.drive(taken)
        except Crash:
            self.world.after_a_crash(fate)
        self.world.close()
        self.begun = self.begun or self.store.run(self.start.run) is not None

    def _take_up(self, store: Any) -> course.Course:
        folder, keeper = self.folder, self.world
        if not self.begun:
            return recover.begin(store, self.start, folder, keeper)  # type: ignore[arg-type]
        what = driver.Resume(store=self.store.path, run=self.start.run, attended=False)
        return recover.resume(store, what, folder, keeper)  # type: ignore[arg-type]

    @precondition(lambda self: self.begun and bool(self._journal().open_questions()))
    @rule(pick=st.integers(0, 3))
    def answer(self, pick: int) -> None:
        run = self._journal()
        question = run.open_questions()[0]
        word = question.options[pick % len(question.options)]
        if word == "abort" and run.undo is None:
            word = "skip"
        consent.record(self.store, consent.answer(run, question, word, NOVA))

    @precondition(lambda self: self.begun and self._may_be_asked())
    @rule(what=st.sampled_from(("abort", "abort-undo")))
    def ask_for(self, what: str) -> None:
        stream = self._journal().stream
        data = {"what": what, "path": None}
        self.store.append(
            [Draft(stream=stream, kind="run.request", actor=NOVA, data=data, run=self.start.run)]
        )

    @rule()
    def read_twice(self) -> None:
        """A fold is a function of the log: who reads it again, or reads it cut in two, finds the same run."""
        if self.begun:
            events = [e for e in self.store.events(self._journal().stream) if e.run == self.start.run]
            run = journal.fold(self.start.run, events[: len(events) // 2])
            for event in events[len(events) // 2 :]:
                journal.apply(run, event, clock.Reading(event.at, event.boot, event.mono))
            assert run.steps == self._journal().steps and run.status == self._journal().status

    def _journal(self) -> journal.Run:
        return consent.read_run(self.store, self.start.run)

    def _may_be_asked(self) -> bool:
        run = self._journal()
        return run.status != "ended" and run.undo is None and not run.aborting and not run.doubts()

    def _ended(self) -> bool:
        return self.begun and self._journal().status == "ended"

    @invariant()
    def what_is_unsafe_acts_again_only_when_a_person_or_a_listed_no_says_so(self) -> None:
        if not self.begun:
            return
        run = self._journal()
        for step in self.book.walk():
            acts = sum(part == f"{step.id}-run" for _, part, _ in self.world.acts)
            state = run.steps.get(step.path)
            if step.effect != "unsafe" or state is None:
                assert step.effect != "unsafe" or acts == 0
                continue
            allowed = 1 + sum(q.answer == "retry" for q in run.questions.values() if q.path == step.path)
            allowed += sum(
                a.end is not None and a.end.status == "no" for a in state.attempts if a.part == "verify"
            )
            assert acts <= allowed, f"{step.id} acted {acts} times, {allowed} allowed"

    @invariant()
    def every_act_was_intended_first(self) -> None:
        if self.begun:
            known = {a.n for state in self._journal().steps.values() for a in state.attempts}
            assert {n for _, _, n in self.world.acts} <= known

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        for _ in range(60):
            if self._ended():
                break
            self.drive(-1, "watched")
            if self.begun and self._journal().open_questions():
                self.answer(1)
        self.what_is_unsafe_acts_again_only_when_a_person_or_a_listed_no_says_so()
        assert self._ended(), "the run came to no end"
        assert not self._journal().open_attempts()
        self.patches.close()


class _Mortal:
    """The store, with a transition before and after each commit."""

    def __init__(self, store: Any, point: Callable[[str], None]):
        self._store = store
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, drafts: Sequence[Draft], **how: Any) -> list[Event]:
        self._point("before-commit")
        events: list[Event] = self._store.append(drafts, **how)
        self._point("after-commit")
        return events

    def events(self, stream: str) -> Iterator[Event]:
        found: Iterator[Event] = self._store.events(stream)
        return found


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(
    max_examples=400, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
)
