"""PostgreSQL and Redis in a lab: real servers on a filesystem of the drill's, that a kill leaves no trace of.

They listen on Unix sockets in the lab's folder alone. Each is written into the ledger as a `server`, by its data
folder (both change into it), so that the janitor ends whatever runs there, also what a runbook started anew.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
from collections.abc import Callable
from typing import NamedTuple

from incidents import clock
from incidents.errors import Failed
from runbooks import procfs
from runbooks.drills import base, ordinary, wires
from runbooks.drills.janitor import Ledger
from runbooks.process import run_bounded

TOOL_TIMEOUT = 60 * clock.SECOND
UP_WITHIN = 30 * clock.SECOND
POLL = 20_000
SEGMENT = 1 << 20  # bytes of a WAL segment: the smallest there is

SETTINGS = (
    ("fsync", "on"), ("full_page_writes", "on"), ("shared_buffers", "16MB"), ("max_connections", "20"),
    ("listen_addresses", ""), ("dynamic_shared_memory_type", "mmap"), ("max_wal_size", "4MB"),
    ("min_wal_size", "2MB"), ("wal_keep_size", "0"), ("wal_level", "replica"), ("checkpoint_timeout", "30s"),
    ("autovacuum", "off"), ("hot_standby", "on"), ("restart_after_crash", "on"),
)  # fmt: skip


def programs() -> dict[str, str]:
    """Where PostgreSQL's and Redis's programs are. Raises Failed where one is missing."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=_version, reverse=True)
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    names = (
        "initdb",
        "postgres",
        "pg_ctl",
        "pg_basebackup",
        "pg_archivecleanup",
        "pg_controldata",
        "redis-server",
    )
    found = {name: shutil.which(name, path=path) for name in names}
    if missing := [name for name, where in found.items() if where is None]:
        raise Failed(
            f"{', '.join(missing)} not found: this drill needs PostgreSQL and Redis",
            hint="on Debian: apt-get install postgresql redis-server",
        )
    return {name: where for name, where in found.items() if where is not None}


def _version(folder: str) -> float:
    try:
        return float(folder.split("/")[-2])
    except ValueError:
        return 0.0


def installed() -> bool:
    try:
        programs()
    except Failed:
        return False
    return True


def as_ordinary(*argv: str) -> None:
    """Runs a tool as the ordinary user. Raises Failed with what it said."""
    if os.geteuid() == 0:
        argv = (
            "setpriv",
            f"--reuid={ordinary.UID}",
            f"--regid={ordinary.UID}",
            "--clear-groups",
            "--",
            *argv,
        )
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = run_bounded(argv, env, cwd="/", timeout=TOOL_TIMEOUT)
    if done.exit != 0:
        said = (done.errors or done.output).decode("utf-8", "replace").strip()
        raise Failed(f"{os.path.basename(argv[0])}: {said[-600:] or f'exit {done.exit}'}")


def user() -> str:
    """The ordinary user's name, which PostgreSQL's superuser has, too."""
    return pwd.getpwuid(ordinary.UID if os.geteuid() == 0 else os.geteuid()).pw_name


class Cluster(NamedTuple):
    """One PostgreSQL: its data folder, the folder of its socket, its port, where its log goes."""

    data: str
    sockets: str
    port: int
    log: str

    @property
    def socket(self) -> str:
        return os.path.join(self.sockets, f".s.PGSQL.{self.port}")

    def session(self) -> wires.Postgres:
        return wires.Postgres(self.socket, user())


def make(cluster: Cluster, where: dict[str, str], **settings: str) -> None:
    """Makes a new cluster in its empty folder."""
    as_ordinary(
        where["initdb"], "-D", cluster.data, "-A", "trust", "-U", user(), "--no-locale", "-E", "UTF8",
        "--no-instructions", f"--wal-segsize={SEGMENT >> 20}",
    )  # fmt: skip
    configure(cluster, **settings)


def configure(cluster: Cluster, **settings: str) -> None:
    own = {"port": str(cluster.port), "unix_socket_directories": cluster.sockets}
    with open(os.path.join(cluster.data, "postgresql.conf"), "a", encoding="utf-8") as file:
        for name, value in {**dict(SETTINGS), **own, **settings}.items():
            file.write(f"{name} = '{value}'\n")


def start(cluster: Cluster, where: dict[str, str], ledger: Ledger) -> None:
    """Starts it and returns when it takes sessions. Raises Failed."""
    serve(cluster.data, "postgres", [where["postgres"], "-D", cluster.data], cluster.log, ledger)
    wait(lambda: cluster.session().close(), "PostgreSQL", cluster.log)


def start_redis(folder: str, socket: str, log: str, where: dict[str, str], ledger: Ledger) -> None:
    """Starts a Redis that saves into `folder` and refuses writes where it cannot. Raises Failed."""
    argv = [
        where["redis-server"], "--port", "0", "--unixsocket", socket, "--unixsocketperm", "777", "--dir", folder,
        "--save", "1", "1", "--stop-writes-on-bgsave-error", "yes", "--appendonly", "no", "--daemonize", "no",
    ]  # fmt: skip
    serve(folder, "redis", argv, log, ledger)
    wait(lambda: wires.Redis(socket).close(), "Redis", log)


def serve(folder: str, role: str, argv: list[str], log: str, ledger: Ledger) -> procfs.Process:
    """Starts a server that changes into `folder`, which the ledger knows before."""
    ledger.note("server", role=role, folder=os.path.realpath(folder))
    return base.start(["runbooks.drills.ordinary", *argv], log=log, env=ledger.env)


def wait(ready: Callable[[], None], what: str, log: str) -> None:
    deadline = clock.monotonic() + UP_WITHIN
    while True:
        try:
            return ready()
        except wires.Refusal as why:
            if clock.monotonic() > deadline:
                raise Failed(f"{what} does not answer: {why}; {tail(log)}") from None
        clock.sleep(POLL)


def tail(log: str) -> str:
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            return file.read()[-500:].strip()
    except OSError as error:
        return str(error)
