"""A keeper on a bench: real processes in a folder of its own, and nothing left when the bench is cleared."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from incidents import clock
from runbooks import attempt, procfs
from runbooks.keeper import Ended, Keeper, Notice, Order, Started

PATIENCE = 60 * clock.SECOND  # a bound, never a measure
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass
class Bench:
    folder: str
    mark: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    keepers: list[Keeper] = dataclasses.field(default_factory=list)
    notices: list[Notice] = dataclasses.field(default_factory=list)

    @property
    def run_dir(self) -> str:
        return os.path.join(self.folder, "store.db.runs", "run-abcdef")

    @property
    def keeper(self) -> Keeper:
        if not self.keepers:
            self.keepers.append(Keeper.execute(self.run_dir))
        return self.keepers[-1]

    def order(self, n: int, script: str = "true", **changes: Any) -> Order:
        """A step in bash, marked so that what it leaves behind can be cleared."""
        env = {"PATH": PATH, "BENCH": self.mark}
        plain = Order(
            n=n, argv=("bash", "-euo", "pipefail", "-c", script), env=env, cwd=self.folder, user=None, umask=0o022,
            timeout=None, grace=200_000,
        )  # fmt: skip
        return plain._replace(**changes)

    def launch(self, n: int, script: str = "true", **changes: Any) -> Started | Ended:
        self.keeper.prepare(n)
        return self.keeper.launch(self.order(n, script, **changes))

    def run(self, n: int, script: str = "true", **changes: Any) -> Ended:
        started = self.launch(n, script, **changes)
        return started if isinstance(started, Ended) else self.end(n)

    def end(self, n: int) -> Ended:
        """Waits for the end of an attempt; other notices are kept in `notices`."""
        until = clock.monotonic() + PATIENCE
        while clock.monotonic() < until:
            for notice in self.notices:
                if isinstance(notice, Ended) and notice.n == n:
                    return notice
            self.notices += self.keeper.wait(PATIENCE)
        raise AssertionError(f"attempt {n} did not end")

    def output(self, n: int) -> bytes:
        return attempt.read_output(self.run_dir, n)

    def witness(self, n: int) -> attempt.Witness:
        return attempt.witness(self.run_dir, n)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def read(self, name: str) -> str:
        with contextlib.suppress(FileNotFoundError), open(self.path(name)) as file:
            return file.read()
        return ""

    def pid_in(self, name: str) -> int:
        """The pid that a step wrote into a file of the folder."""
        wait_for(lambda: self.read(name).endswith("\n"), f"{name} to be written")
        return int(self.read(name))

    def driver(self, code: str, **environment: str) -> subprocess.Popen[bytes]:
        """A driver of its own that has forked its keeper; `k` is it and `order(n, script)` what it may launch."""
        text = (
            "import sys, os, time; from tests.runbooks.keeping import Bench\n"
            "bench = Bench(sys.argv[1], sys.argv[2]); from runbooks.keeper import *\n"
            "k = Keeper.start(bench.run_dir); bench.keepers.append(k); order = bench.order\n" + code
        )
        return subprocess.Popen(
            [sys.executable, "-c", text, self.folder, self.mark],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={**os.environ, **environment}, cwd=ROOT,
        )  # fmt: skip

    def marked(self) -> list[procfs.Process]:
        """What runs with this bench's mark."""
        mark = f"BENCH={self.mark}".encode()
        return [p for p in procfs.table().values() if p.runs and procfs.carries(p, [mark])]

    def keeper_pids(self) -> list[int]:
        """The keepers of this bench's run: they hold its folder."""
        link = os.path.realpath(self.run_dir)
        return [
            p.pid
            for p in procfs.table().values()
            if p.name == attempt.KEEPER_NAME and p.runs and procfs.holds(p.pid, link)
        ]

    def clear(self) -> None:
        """Ends what a test left, each by its pid, and reaps the keepers."""
        for keeper in self.keepers:
            keeper.close()
        for process in self.marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        for pid in self.keeper_pids():
            wait_for(functools.partial(is_gone, pid), f"keeper {pid} to end", kill=pid)
        for keeper in self.keepers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(keeper.pid, os.WNOHANG)


def is_gone(pid: int) -> bool:
    """Has the process ended? A zombie has."""
    process = procfs.look(pid)
    return process is None or not process.runs


def wait_for(met: Callable[[], bool], what: str, *, kill: int | None = None, seconds: float = 30) -> None:
    """Looks until it is so; after `seconds` fails, or kills `kill` where given."""
    until = time.monotonic() + (seconds if kill is None else 5)
    while not met():
        if time.monotonic() > until:
            if kill is None:
                raise AssertionError(f"waited in vain for {what}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(kill, signal.SIGKILL)
            return
        time.sleep(0.01)
