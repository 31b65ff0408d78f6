"""A desk to watch runs from: viewers in processes of their own, on pipes or on a pseudo-terminal, real drivers behind.

What the steps of a run still do when its test ends is ended with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

from incidents.events import Event
from incidents.store import open_store
from tests.runbooks.player import program

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PATIENCE = 60.0  # seconds; a bound, never a measure
_CONTROLS = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")


@dataclasses.dataclass
class Sitting:
    """One person at one pseudo-terminal."""

    process: subprocess.Popen[bytes]
    master: int
    slave: int
    before: list[Any]
    raw: bytes = b""

    @property
    def seen(self) -> str:
        """All that was written, without colours and cursor movements."""
        return _CONTROLS.sub("", self.raw.decode("utf-8", "replace")).replace("\r", "")

    def read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.raw += os.read(self.master, 65_536)
        return True

    def see(self, text: str) -> None:
        """Waits until `text` was written."""
        until = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < until, f"{text!r} did not come; seen:\n{self.seen}"
            assert self.process.poll() is None or self.read(0), f"ended without {text!r}; seen:\n{self.seen}"
            self.read(0.05)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it did not end; seen:\n{self.seen}"
            self.read(0.05)
        while self.read(0):
            pass
        return self.process.wait()

    @property
    def mode(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    def close(self) -> None:
        """The window is closed, the link is lost."""
        for fd in (self.slave, self.master):
            with contextlib.suppress(OSError):
                os.close(fd)


@dataclasses.dataclass
class Desk:
    folder: str
    processes: list[subprocess.Popen[bytes]] = dataclasses.field(default_factory=list)
    sittings: list[Sitting] = dataclasses.field(default_factory=list)

    @property
    def store(self) -> str:
        return os.path.join(self.folder, "store.db")

    def _start(
        self, before: list[str], args: tuple[str, ...], env: dict[str, str], **more: Any
    ) -> subprocess.Popen[bytes]:
        ours = {"TERM": "xterm-256color", "DESK": self.folder, "LC_ALL": "C.UTF-8", "PYTHONPATH": ROOT}
        process = subprocess.Popen(
            [sys.executable, *before, program.__file__, self.store, *args],
            env={**os.environ, **ours, **env}, cwd=self.folder, **more,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def runbook(self, steps: str) -> str:
        path = os.path.join(self.folder, "runbook.yaml")
        with open(path, "w") as file:
            file.write(f"name: tiny\nsteps:\n{steps}")
        return path

    def pipe(self, *args: str, **env: str) -> subprocess.Popen[bytes]:
        """A viewer without a terminal."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return self._start([], args, env, start_new_session=True, **pipes)

    def sit(self, *args: str, columns: int = 80, **env: str) -> Sitting:
        """A viewer on a pseudo-terminal of 24 lines."""
        master, slave = os.openpty()
        termios.tcsetwinsize(slave, (24, columns))
        before = termios.tcgetattr(slave)
        terminal = os.ttyname(slave)
        code = "import os, sys; os.login_tty(os.open(sys.argv[1], os.O_RDWR)); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
        process = self._start(["-c", code, terminal], args, env)
        self.sittings.append(Sitting(process, master, slave, before))
        return self.sittings[-1]

    # -- the record --------------------------------------------------------------------------------------------

    def run(self) -> str:
        """The run that was started last, once it is recorded."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if os.path.exists(self.store):
                with open_store(self.store) as store:
                    if rows := store.runs():
                        return rows[-1].run
            time.sleep(0.05)
        raise AssertionError("no run was recorded")

    def events(self) -> list[Event]:
        run = self.run()
        with open_store(self.store) as store:
            row = store.run(run)
            assert row is not None
            return [event for event in store.events(row.stream) if event.run == run]

    def wait_for(self, kind: str, **data: Any) -> Event:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for event in self.events():
                if event.kind == kind and data.items() <= dict(event.data).items():
                    return event
            time.sleep(0.05)
        raise AssertionError(f"no {kind} {data} came")

    def driver(self) -> int:
        """The pid of the driver, which holds `driver.lock`."""
        lock = os.path.join(f"{self.store}.runs", self.run(), "driver.lock")
        for pid in _ours(self.folder):
            with contextlib.suppress(OSError):
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == lock:
                        return pid
        raise AssertionError("nobody drives the run")

    def clear(self) -> None:
        for sitting in self.sittings:
            sitting.close()
        until = time.monotonic() + 10
        while (left := _ours(self.folder)) and time.monotonic() < until:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in self.processes:
                process.poll()
            time.sleep(0.02)
        for process in self.processes:
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def _ours(folder: str) -> list[int]:
    """Processes that began at this desk: viewers, drivers and keepers by $DESK, steps by $HOWDAH_STORE."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and int(name) != os.getpid():
                with open(f"/proc/{name}/environ", "rb") as file:
                    if folder.encode() in file.read():
                        found.append(int(name))
    return found


@contextlib.contextmanager
def desk(folder: str) -> Iterator[Desk]:
    made = Desk(os.path.realpath(folder))
    try:
        yield made
    finally:
        made.clear()
