"""A scene: one machine with one record, people at terminals or in scripts, and the real `howdah` command.

Everything a person does is a process of its own; everything they wait for is polled and bounded. What still runs
when the scene ends is ended with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn, TypeVar

import pytest

from incidents.events import Event
from incidents.store import open_store
from incidents.store.protocol import LockRow
from runbooks import driver, journal
from tests.runbooks.player.desk import Sitting

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
T = TypeVar("T")
PATIENCE = 45.0  # seconds; a bound, never a measure
_AT_A_TERMINAL = (
    "import os, sys; os.login_tty(os.open(sys.argv[1], os.O_RDWR)); os.execv(sys.argv[2], sys.argv[2:])"
)


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What `--json` of a run printed."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclasses.dataclass
class Scene:
    folder: str
    store: str = ""
    processes: list[subprocess.Popen[bytes]] = dataclasses.field(default_factory=list)
    sittings: list[Sitting] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = self.store or os.path.join(self.folder, "store.db")

    # -- what people do ------------------------------------------------------------------------------------------

    def __call__(self, *args: str, by: str = "nova", **env: str) -> Answer:
        """One command without a terminal, to its end."""
        done = subprocess.run(
            [HOWDAH, *args], capture_output=True, stdin=subprocess.DEVNULL, env=self.env(by, env), cwd=self.folder,
            timeout=PATIENCE, check=False, start_new_session=True,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *args: str, by: str = "nova", **env: str) -> str:
        answer = self(*args, by=by, **env)
        assert (answer.code, answer.err) == (0, ""), answer
        return answer.out

    def begin(self, *args: str, by: str = "nova", **env: str) -> subprocess.Popen[bytes]:
        """One command without a terminal, at work."""
        process = subprocess.Popen(
            [HOWDAH, *args], env=self.env(by, env), cwd=self.folder, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def sit(self, *args: str, by: str = "nova", columns: int = 100, **env: str) -> Sitting:
        """One command of a person at a pseudo-terminal."""
        master, slave = os.openpty()
        termios.tcsetwinsize(slave, (40, columns))
        before = termios.tcgetattr(slave)
        argv = [sys.executable, "-c", _AT_A_TERMINAL, os.ttyname(slave), HOWDAH, *args]
        process = subprocess.Popen(argv, env=self.env(by, {"TERM": "xterm-256color", **env}), cwd=self.folder)
        self.processes.append(process)
        self.sittings.append(Sitting(process, master, slave, before))
        return self.sittings[-1]

    def env(self, by: str, more: dict[str, str]) -> dict[str, str]:
        mine = {
            "HOWDAH_STORE": self.store,
            "SUDO_USER": by,
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
            "SCENE": self.folder,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOWDAH_")}
        return {**kept, **mine, **more}

    def runbook(self, text: str, name: str = "book.yaml") -> str:
        """A file in this folder; `ACTS` in its text is a file that steps append to."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("ACTS", self.acts_file))
        return path

    # -- what is there -------------------------------------------------------------------------------------------

    @property
    def acts_file(self) -> str:
        return os.path.join(self.folder, "acts")

    def acts(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError), open(self.acts_file, encoding="utf-8") as file:
            return file.read().split()
        return []

    def runs(self) -> list[str]:
        """The names of the runs in the record, the oldest first."""
        if not os.path.exists(self.store):
            return []
        with open_store(self.store) as store:
            return [row.run for row in sorted(store.runs(), key=lambda row: row.started_at)]

    def run(self) -> str:
        """The run that was started last, once it is recorded."""
        return str(until(self.runs, "a run")[-1])

    def events(self, run: str | None = None) -> list[Event]:
        run = run or self.run()
        with open_store(self.store) as store:
            row = store.run(run)
            assert row is not None
            return [event for event in store.events(row.stream) if event.run == run]

    def journal(self, run: str | None = None) -> journal.Run:
        run = run or self.run()
        return journal.fold(run, self.events(run))

    def status(self, step: str) -> str:
        return self.journal().step(step).status

    def locks(self) -> list[LockRow]:
        with open_store(self.store) as store:
            return list(store.locks())

    def incidents(self) -> dict[str, str]:
        """name -> status."""
        with open_store(self.store) as store:
            return {row.name: row.status for row in store.incidents()}

    def wait_for(self, kind: str, **data: Any) -> Event:
        """The newest event of the last run with this kind and data."""

        def look() -> Event | None:
            found = [e for e in self.events() if e.kind == kind and data.items() <= dict(e.data).items()]
            return found[-1] if found else None

        return until(look, f"{kind} {data}")

    def wait_for_act(self, act: str, times: int = 1) -> None:
        until(lambda: self.acts().count(act) >= times, f"the act {act}")

    def run_dir(self) -> str:
        return driver.run_dir(self.store, self.run())

    def driver(self) -> int:
        """The pid of the driver, which holds `driver.lock`."""
        lock = os.path.join(self.run_dir(), "driver.lock")
        return until(lambda: next((pid for pid in self.ours() if lock in opened(pid)), 0), "a driver")

    def keeper(self) -> int:
        return until(
            lambda: next((pid for pid in self.ours() if name_of(pid) == "howdah-keeper"), 0), "a keeper"
        )

    def drives(self) -> bool:
        return not driver.lock_is_free(self.run_dir())

    # -- the end -------------------------------------------------------------------------------------------------

    def ours(self) -> list[int]:
        """Processes that began in this scene: commands, drivers, keepers, and steps."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                if self.folder.encode() in file.read() and int(name) != os.getpid():
                    found.append(int(name))
        return found

    def clear(self) -> None:
        for sitting in self.sittings:
            sitting.close()

        def gone() -> bool:
            for process in self.processes:
                process.poll()
            left = [pid for pid in self.ours() if lives(pid)]
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        until(gone, "the end of all that this scene began")
        for process in self.processes:
            process.wait(PATIENCE)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def lack(what: str) -> NoReturn:
    """A skip that says what the story needs."""
    pytest.skip(f"needs {what}")


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """What `look` finds, as soon as it finds something; asks every 50 ms."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.05)
    return found


def ended(process: subprocess.Popen[bytes]) -> Answer:
    out, err = process.communicate(timeout=PATIENCE)
    return Answer(process.returncode, out.decode(), err.decode())


def opened(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def name_of(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()
    return ""


def lives(pid: int) -> bool:
    """Is it there, and no zombie?"""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


def kill(pid: int) -> None:
    """kill -9, and waits until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not lives(pid), f"the end of {pid}")


def plain(text: str) -> str:
    """Text with its runs of spaces and line ends as one space, for tables that wrap."""
    return re.sub(r"\s+", " ", text)


@contextlib.contextmanager
def scene(folder: str, store: str = "") -> Iterator[Scene]:
    made = Scene(os.path.realpath(folder), store)
    try:
        yield made
    finally:
        made.clear()
