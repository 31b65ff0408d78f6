"""Runs drivers in children of the test process, kills them where asked, and reads what is left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field

from incidents.events import Actor
from incidents.hosts import Host
from incidents.store import open_store
from runbooks import attempt, consent, driver, journal, procfs, starting
from runbooks.keeper import Keeper
from runbooks.loader import loads

PERSON = Actor("human", "nova")


@dataclass
class Bench:
    """One store, one runbook, and a file `acts` to which its steps append a line for each act."""

    folder: str
    text: str
    run: str = ""
    hosts: dict[str, Host] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)

    @property
    def store(self) -> str:
        return os.path.join(self.folder, "store.db")

    @property
    def run_dir(self) -> str:
        return driver.run_dir(self.store, self.run)

    def start(
        self, kill: str = "", *, after: float | str | None = None, keeper_too: bool = False
    ) -> int | None:
        """The driver's exit code, None when it was killed: at a named point, or `after` seconds, or `after` this
        step has begun to act."""
        book = loads(self.text, "test.yaml")
        os.environ["PATH"] = os.environ.get("PATH", os.defpath)
        what = starting.prepare(book, given={}, store=self.store, actor=PERSON, zone="UTC", hosts=self.hosts)
        self.run = what.run
        return self._drive(what, kill, after, keeper_too)

    def resume(
        self, kill: str = "", *, after: float | str | None = None, keeper_too: bool = False
    ) -> int | None:
        what = driver.Resume(store=self.store, run=self.run, attended=False)
        return self._drive(what, kill, after, keeper_too)

    def _drive(
        self, what: driver.Start | driver.Resume, kill: str, after: float | str | None, keeper_too: bool
    ) -> int | None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _child(what, kill, writer)
        os.close(writer)
        if after is not None:
            with contextlib.suppress(ProcessLookupError):
                self._wait_for(after)
                os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        keeper = int(os.read(reader, 32) or b"0")
        os.close(reader)
        if os.WIFSIGNALED(status):
            self.killed.append(kill or f"after {after}")
            if keeper_too and keeper:
                _kill_and_wait(keeper)
            return None
        return os.waitstatus_to_exitcode(status)

    def _wait_for(self, after: float | str) -> None:
        if isinstance(after, float):
            time.sleep(after)
            return
        until = time.monotonic() + 20
        while not self.acts(after) and time.monotonic() < until:
            time.sleep(0.01)

    def journal(self) -> journal.Run:
        with open_store(self.store) as store:
            return consent.read_run(store, self.run)

    def has_begun(self) -> bool:
        if not os.path.exists(self.store):
            return False
        with open_store(self.store) as store:
            return store.run(self.run) is not None

    def answer(self, word: str) -> None:
        with open_store(self.store) as store:
            run, question = consent.find(store, self.run, word)
            consent.record(store, consent.answer(run, question, word, PERSON))

    def acts(self, step: str) -> int:
        try:
            with open(os.path.join(self.folder, "acts"), encoding="utf-8") as file:
                return sum(line.strip() == step for line in file)
        except FileNotFoundError:
            return 0

    def kill_step(self, step: str) -> None:
        """Kills the main process of the step's open attempt, which nobody watches any more."""
        state = self.journal().step(step)
        open_attempt = state.open_attempt()
        assert open_attempt is not None
        held = attempt.holders(self.run_dir, open_attempt.n)  # its pid may not have been written down
        assert held
        for one in held:
            _kill_and_wait(one.pid)

    def settle(self, seconds: float = 10.0) -> None:
        """Waits until nothing of the run is known to run."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            open_ns = [a.n for a in self.journal().open_attempts()]
            if not any(attempt.witness(self.run_dir, n).state == "running" for n in open_ns):
                return
            time.sleep(0.02)
        raise AssertionError("an attempt still runs")


def _child(what: driver.Start | driver.Resume, kill: str, writer: int) -> None:
    try:
        os.environ["HOWDAH_TEST_KILL"] = kill
        log = os.open(f"{what.store}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        folder = driver.make_run_dir(what.store, what.run)
        keeper = Keeper.adopt(folder) or Keeper.start(folder)
        os.write(writer, str(_keeper_pid()).encode())
        os.close(writer)
        code = driver.serve(what, folder, keeper, os.open(os.devnull, os.O_WRONLY))
    except BaseException:  # noqa: BLE001 - a child must not run on in its parent's code
        traceback.print_exc(file=sys.stderr)
        code = 70
    os._exit(code)


def _keeper_pid() -> int:
    """The keeper that this process has just forked, 0 where it adopted one."""
    mine = [p.pid for p in procfs.table().values() if p.parent == os.getpid()]
    return mine[0] if mine else 0


def _kill_and_wait(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for _ in range(500):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.01)


@contextlib.contextmanager
def bench(folder: str, text: str) -> Iterator[Bench]:
    made = Bench(folder, text.replace("{acts}", os.path.join(folder, "acts")))
    yield made
    if made.run and made.has_begun():
        made.settle()
