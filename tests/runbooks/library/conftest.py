"""Plays a runbook of the library with the real loader, expressions and bash, step by step, without an engine.

So a test can look at one script alone: run it twice, ask its verify before and after, take it back.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from incidents import clock
from incidents.errors import Failed
from runbooks import expressions, inputs
from runbooks.document import ArgvTemplate, Command, Step
from runbooks.drills import janitor
from runbooks.drills.disk_full.lab import Lab
from runbooks.loader import load
from runbooks.process import Completed, run_bounded
from runbooks.quoting import Script

from . import archived, queues

LIBRARY = os.path.join(os.path.dirname(__file__), "..", "..", "..", "runbooks", "library")


class Player:
    """One run. `steps` holds what expressions see of each step; `say` is what the last `stop` said."""

    def __init__(self, name: str, given: Mapping[str, Any], run: str):
        self.runbook = load(os.path.join(LIBRARY, name + ".yaml"))
        self.values = inputs.normalise(self.runbook, given)
        self.run = run
        self.path = os.environ["PATH"]
        self.steps: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.status = ""
        self.say = ""
        self.errors = ""

    @property
    def names(self) -> dict[str, Any]:
        return {
            "inputs": self.values,
            "steps": self.steps,
            "run": {"id": self.run},
            "incident": {"id": "inc-1"},
        }

    def play(self, *yes: str, until: str | None = None) -> str:
        """Plays all steps, or up to and without `until`; a question that `yes` does not name is answered with skip.

        Returns how the run ended: ok, failed, or nothing when it stopped before `until`.
        """
        self.status = ""
        assert self._list(self.runbook.steps, yes, until) or until, "the runbook has no end"
        return self.status

    def _list(self, steps: tuple[Step, ...], yes: tuple[str, ...], until: str | None) -> bool:
        """Plays a list; True when the run ended, or came to `until`."""
        for step in steps:
            assert step.id is not None, "every step here can be referred to"
            if step.id == until:
                return True
            if not self.wanted(step, yes):
                self.steps[step.id] = {"status": "skipped", "exit": None, "outputs": {}}
            elif step.block:
                if self._list(step.block, yes, until):
                    return True
            elif step.stop is not None:
                self.status = step.stop.status
                self.say = "" if step.stop.say is None else self.text(step.stop.say)
                return True
            elif self.act(step.id).exit != 0 and not step.continue_on_error:
                self.status = "failed"
                return True
        return False

    def wanted(self, step: Step, yes: tuple[str, ...]) -> bool:
        if step.if_ is not None and not expressions.condition(step.if_, self.names):
            return False
        if step.confirm is None:
            return True
        self.asked.append(self.text(step.confirm))
        return step.id in yes

    def step(self, id: str) -> Step:
        return next(step for step in self.runbook.walk() if step.id == id)

    def text(self, template: expressions.Template) -> str:
        return str(expressions.render_text(template, self.names))

    def act(self, id: str) -> Completed:
        """Runs the step's program once and keeps its outputs."""
        step = self.step(id)
        assert step.run is not None
        done = self.command(step, step.run)
        self.errors = done.errors.decode()
        read = inputs.read_outputs(step.outputs, done.output) if done.exit == 0 else {}
        status = "ok" if done.exit == 0 else "continued" if step.continue_on_error else "failed"
        self.steps[id] = {"status": status, "exit": done.exit, "outputs": read}
        return done

    def verify(self, id: str) -> Completed:
        step = self.step(id)
        assert step.verify is not None
        return self.command(step, step.verify.run)

    def undo(self, id: str) -> Completed:
        step = self.step(id)
        assert step.undo is not None
        return self.command(step, step.undo.run)

    def command(self, step: Step, command: Command) -> Completed:
        if isinstance(command, Script):
            argv: tuple[str, ...] = tuple(command.argv)
        else:
            assert isinstance(command, ArgvTemplate)
            argv = tuple(expressions.render_argv(command, self.names))
        env = {
            "PATH": self.path,
            "LANG": "C.UTF-8",
            "HOME": "/",
            "HOWDAH_RUN": self.run,
            "HOWDAH_STEP": step.path,
            **inputs.environment(self.runbook, self.values),
            **{name: self.text(template) for name, template in step.env.items()},
        }
        return run_bounded(argv, env, "/", timeout=60 * clock.SECOND)


@pytest.fixture
def redis() -> Iterator[queues.Redis]:
    """With what Sidekiq writes, on a port of its own."""
    with queues.server() as made:
        yield made


@pytest.fixture
def player() -> Callable[..., Player]:
    def make(name: str, run: str = "run-test", **given: Any) -> Player:
        return Player(name, given, run)

    return make


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A filesystem of its own, mounted below a folder whose name tries to be everything but data."""
    with tempfile.TemporaryDirectory(prefix="a 'b\" $(touch pwned)\n;*-") as folder:
        ledger = janitor.Ledger(os.path.join(folder, "ledgers"))
        made = Lab(folder, ledger, size=16 << 20)
        try:
            try:
                made.mount_up()
            except Failed as error:
                pytest.skip(f"no filesystem of our own can be mounted here: {error}")
            yield made
        finally:
            assert ledger.close().left == []


@pytest.fixture(scope="session")
def new_cluster() -> Iterator[str]:
    """The data folder of a PostgreSQL that was never started."""
    yield from archived.template()


@pytest.fixture
def place(new_cluster: str) -> Iterator[archived.Place]:
    """A small filesystem with a PostgreSQL that archives onto it; it needs more than is free."""
    yield from archived.made(new_cluster)
