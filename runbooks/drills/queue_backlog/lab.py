"""The lab of queue-backlog: a Redis, an application's orders, and Sidekiq processes that carry them out.

Everything is in one folder `howdah-drill-…`. The application (`app/`) writes each job into `orders` before it pushes it,
and each job appends its number to `done`: what Redis has lost can be told from these two, and from nothing in Redis.
Redis and the workers run as an ordinary user and work in folders that the ledger knows, so that what a runbook starts
there is ended with the lab.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from incidents import clock
from incidents.errors import Failed
from runbooks import procfs
from runbooks.drills import base, databases, janitor, ordinary, wires
from runbooks.procfs import Process

JOBS = 50_000
QUEUES = ("push", "pull", "default")
BUDGET = 25  # connections of the database that workers may have
BATCH = 500  # jobs in one command
START_WITHIN = 60 * clock.SECOND
POLL = 50_000
PROGRAMS = ("redis-server", "redis-cli", "sidekiq", "ruby", "setpriv")


class Job(NamedTuple):
    """One order. `millis`: how long it takes; `rest`: further arguments of its class."""

    queue: str
    kind: str
    millis: int
    rest: tuple[object, ...] = ()


def programs() -> dict[str, str]:
    """Where the lab's programs are. Raises Failed where one is missing."""
    found = {name: shutil.which(name) for name in PROGRAMS}
    if missing := [name for name, where in found.items() if where is None]:
        raise Failed(
            f"{', '.join(missing)} not found: this drill needs Redis and Sidekiq",
            hint="on Debian: apt-get install redis-server ruby-sidekiq",
        )
    return {name: where for name, where in found.items() if where is not None}


class Lab(base.Played):
    """One Redis, its application, its workers, and what the drill knows about them. `within`: seconds in which every
    queue must be empty, or else it is a backlog."""

    def __init__(self, folder: str | None, ledger: janitor.Ledger, *, jobs: int = JOBS, drain: bool = False):
        super().__init__(folder, ledger)
        self.jobs = jobs
        self.drain = drain  # the observer waits until every queue is empty
        self.app = os.path.join(self.folder, "app")
        self.saves = os.path.join(self.folder, "redis")
        self.socket = os.path.join(self.saves, "socket")
        self.port = 0
        self.within = 60
        self.aside: tuple[str, ...] = ()  # classes that a cure may keep away
        self.flight: list[int] = []  # the jobs that a kill took with it
        self.broken_at = 0
        self._numbers = 0
        self._started = 0

    @property
    def what(self) -> str:
        return f"127.0.0.1:{self.port}: a Redis of its own, and an application with {self.jobs} jobs in {self.app}"

    def inputs(self) -> dict[str, str]:
        """The inputs of the runbook `queue-backlog` for this lab."""
        return {
            "port": str(self.port), "app_dir": self.app, "worker": worker_command(), "connections": str(BUDGET),
            "should_exist": "./outstanding", "within": f"{self.within}s",
        }  # fmt: skip

    # -- building -----------------------------------------------------------------------------------------

    def up(self) -> None:
        """Redis and the application, without a job or a worker. Raises Failed."""
        where = programs()
        self.ledger.note("folder", path=self.folder)
        try:
            for path in (self.folder, self.app, self.saves):
                os.mkdir(path, 0o755)
        except OSError as error:
            raise Failed(f"{self.folder}: {error.strerror}") from None
        let_in(self.folder)
        here = os.path.dirname(os.path.abspath(__file__))
        for name in ("worker.rb", "outstanding"):
            shutil.copy(os.path.join(here, name), self.app)
        for path in (self.app, self.saves, *(self.file(name) for name in ("orders", "begun", "done"))):
            if not os.path.exists(path):
                open(path, "x", encoding="ascii").close()
            ordinary.own(path)
        self.port = free_port()
        argv = [
            where["redis-server"], "--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", self.socket,
            "--dir", self.saves, "--save", "", "--appendonly", "no", "--daemonize", "no",
        ]  # fmt: skip
        log = os.path.join(self.folder, "redis.log")
        databases.serve(self.saves, "redis", argv, log, self.ledger)
        databases.wait(lambda: self.redis().close(), "Redis", log)
        self.ledger.note("server", role="worker", folder=self.app)

    def redis(self) -> wires.Redis:
        return wires.Redis(self.socket)

    def file(self, name: str) -> str:
        """A file of the application."""
        return os.path.join(self.app, name)

    def order(self, jobs: Iterable[Job]) -> None:
        """Orders jobs: first durably for the application, then in Redis."""
        numbered = [(self._numbers + n, job) for n, job in enumerate(jobs, 1)]
        self._numbers += len(numbered)
        with open(self.file("orders"), "a", encoding="ascii") as file:
            for n, job in numbered:
                told = {
                    "class": job.kind,
                    "args": [n, job.millis, *job.rest],
                    "queue": job.queue,
                    "retry": True,
                }
                file.write(f"{n} {json.dumps(told)}\n")
            file.flush()
            os.fsync(file.fileno())
        line = self.redis()
        for queue in sorted({job.queue for _, job in numbered}):
            line.run("SADD", "queues", queue)
            texts = [payload(n, job) for n, job in numbered if job.queue == queue]
            for at in range(0, len(texts), BATCH):
                line.run("LPUSH", f"queue:{queue}", *texts[at : at + BATCH])
        line.close()

    def work(self, queues: Sequence[str], threads: int, *, strict: bool = False) -> Process:
        """Starts a Sidekiq for these queues; returns it when it has said that it lives. Raises Failed."""
        where = programs()
        words = [word for queue in queues for word in ("-q", queue if strict else f"{queue},1")]
        self._started += 1
        log = os.path.join(self.folder, f"worker-{self._started}.out")
        argv = [
            "/usr/bin/env", "-C", self.app, f"REDIS_URL=redis://127.0.0.1:{self.port}/0", "LANG=C.UTF-8",
            where["sidekiq"], "-r", "./worker.rb", "-c", str(threads), *words,
        ]  # fmt: skip
        self.ledger.note("starting", role="worker")
        process = base.start(["runbooks.drills.ordinary", *argv], log=log, env=self.ledger.env)
        self.ledger.process("worker", process)
        self.wait(
            lambda: any(f":{process.pid}:" in one for one in self.processes()),
            f"no worker: {databases.tail(log)}",
        )
        return process

    def processes(self) -> list[str]:
        """The workers that have said that they live."""
        line = self.redis()
        try:
            return line.rows("SMEMBERS", "processes")
        finally:
            line.close()

    def wait(self, happened: object, otherwise: str, within: int = START_WITHIN) -> None:
        """Returns when `happened()` is true. Raises Failed."""
        deadline = clock.monotonic() + within
        assert callable(happened)
        while not happened():
            if clock.monotonic() > deadline:
                raise Failed(otherwise)
            clock.sleep(POLL)

    def in_flight(self, pid: int) -> list[int]:
        """The numbers of the jobs that a worker has begun and not ended."""
        begun = [int(n) for n, by in lines(self.file("begun")) if by == str(pid)]
        done = {int(n) for n, _ in lines(self.file("done"))}
        return [n for n in begun if n not in done]

    def busy_with(self, worker: Process, kinds: Sequence[str]) -> int:
        """How many jobs of these classes the worker says that it has in hand, at its last heartbeat."""
        line = self.redis()
        try:
            (name,) = [one for one in line.rows("SMEMBERS", "processes") if f":{worker.pid}:" in one]
            held = line.rows("HVALS", f"{name}:workers")
        finally:
            line.close()
        return sum(any(f'"{kind}\\"' in text or f'"{kind}"' in text for kind in kinds) for text in held)

    def gone(self, worker: Process) -> None:
        """Returns when a killed worker has ended, and reaps it where it is a child of this process."""

        def ended() -> bool:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.pid, os.WNOHANG)
            return not procfs.alive(worker.pid, worker.start)

        self.wait(ended, f"process {worker.pid} does not end")


def worker_command() -> str:
    """What a person types to start one worker of this application."""
    return 'exec sidekiq -r ./worker.rb $QUEUES -c "$THREADS"'


def payload(number: int, job: Job) -> str:
    """A job as Sidekiq's client pushes it."""
    now = clock.wall() / clock.SECOND
    told = {
        "retry": True, "queue": job.queue, "class": job.kind, "args": [number, job.millis, *job.rest],
        "jid": random.randbytes(12).hex(), "created_at": now, "enqueued_at": now,
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":"))


def lines(path: str) -> list[list[str]]:
    """The words of each whole line of a file."""
    with open(path, encoding="ascii") as file:
        return [line.split() for line in file if line.endswith("\n")]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def let_in(folder: str) -> None:
    """An ordinary user may come to the folder by its path. Raises Failed where they cannot."""
    while folder != "/":
        if os.geteuid() == 0 and not os.stat(folder).st_mode & 0o001:
            raise Failed(
                f"{folder} lets nobody but its owner in, and the workers do not run as root",
                hint="$TMPDIR names another folder for the lab",
            )
        folder = os.path.dirname(folder)


def workers(app: str) -> list[Process]:
    """The Sidekiq processes of an application, whoever started them: by their working folder and their program."""
    found = []
    for process in procfs.table().values():
        try:
            if process.runs and os.readlink(f"/proc/{process.pid}/cwd") == app and is_worker(process):
                found.append(process)
        except OSError:
            continue
    return found


def is_worker(process: Process) -> bool:
    """A Ruby that is a Sidekiq; the shell that starts one is none."""
    try:
        program = os.path.basename(os.readlink(f"/proc/{process.pid}/exe"))
    except OSError:
        return False
    return program.startswith("ruby") and "sidekiq" in procfs.command(process.pid)
