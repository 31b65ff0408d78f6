"""What the benches share: a process measured from outside, turns that alternate, tables, figures.

Times are seconds. A neighbour on the machine makes every wall time longer, so that only ratios of things measured
in turn are compared; CPU seconds (user + system, of all descendants) are shown beside them.
"""

from __future__ import annotations

import compileall
import contextlib
import ctypes
import os
import shutil
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import incidents

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(incidents.__file__)))
HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
ORPHANS_END = 30.0  # s that what a command leaves behind may take to end
_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_PR_SET_CHILD_SUBREAPER = 36


class Cost(NamedTuple):
    wall: float
    cpu: float


class Figure(NamedTuple):
    """One promise. `met` is None where it could not be measured; `measured` then says why."""

    name: str
    target: str
    measured: str
    met: bool | None

    def __str__(self) -> str:
        verdict = {True: "met", False: "NOT MET", None: "skipped"}[self.met]
        return f"{self.name:42} {self.target:28} {self.measured:34} {verdict}"


def environment(**more: str) -> dict[str, str]:
    """What the measured processes get: bytecode is kept, and nothing of howdah's or Python's is set.

    One locale for all, the one that each step of a run has: bash reads thirty files for it, 0.4 ms a process.
    """
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HOWDAH_", "LC_"))
    }
    return {**kept, "LANG": "C.UTF-8", "COLUMNS": "100", **more}


def compile_all() -> None:
    """So that no measured process compiles: the tree and the libraries beside it."""
    for folder in ("incidents", "runbooks", "chatops"):
        compileall.compile_dir(os.path.join(ROOT, folder), quiet=2)
    compileall.compile_dir(sysconfig.get_paths()["purelib"], quiet=2)


def run(
    argv: Sequence[str], folder: str, *, env: Mapping[str, str] | None = None, log: str = os.devnull
) -> Cost:
    """One command from its start to its end; what it leaves behind is waited for, and counted as CPU.

    Raises RuntimeError when it ends with another status than 0. Its output goes to the file `log`.
    """
    _adopt_orphans()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
    here = os.getcwd()
    os.chdir(folder)
    try:
        began = time.perf_counter()
        pid = os.posix_spawn(argv[0], list(argv), environment() if env is None else env, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - began
    finally:
        os.chdir(here)
        os.close(out)
    if status != 0:
        raise RuntimeError(
            f"{' '.join(argv)[:200]} ended with {os.waitstatus_to_exitcode(status)}; see {log}"
        )
    return Cost(wall, usage.ru_utime + usage.ru_stime + _orphans())


def _adopt_orphans() -> None:
    """The processes that a command leaves behind become ours, so that their end and their CPU are seen."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _orphans() -> float:
    cpu, until = 0.0, time.monotonic() + ORPHANS_END
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                time.sleep(0.005)
            else:
                cpu += usage.ru_utime + usage.ru_stime
        raise RuntimeError("a measured command left a process that does not end")
    return cpu


def in_turn(rounds: int, actions: Mapping[str, Callable[[], Cost]]) -> dict[str, list[Cost]]:
    """Every action once a round, each round beginning with another one."""
    names = list(actions)
    found: dict[str, list[Cost]] = {name: [] for name in names}
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            found[name].append(actions[name]())
    return found


def ratios(ours: Sequence[Cost], theirs: Sequence[Cost]) -> list[float]:
    """Of what was measured in the same round."""
    return [one.wall / other.wall for one, other in zip(ours, theirs, strict=True)]


def of_minima(ours: Sequence[Cost], theirs: Sequence[Cost]) -> float:
    return min(one.wall for one in ours) / min(one.wall for one in theirs)


def at_most(name: str, limit: float, against: str, ours: Sequence[Cost], theirs: Sequence[Cost]) -> Figure:
    """The median of the rounds' ratios decides; the ratio of the fastest is shown."""
    median = statistics.median(ratios(ours, theirs))
    measured = f"{median:.2f}x (fastest to fastest {of_minima(ours, theirs):.2f}x)"
    return Figure(name, f"<= {limit:g}x {against}", measured, median <= limit)


def table(title: str, found: Mapping[str, Sequence[Cost]]) -> None:
    rounds = len(next(iter(found.values())))
    print(f"\n{title} ({rounds} in turn; ms)")
    print(f"  {'':44} {'min':>8} {'median':>8} {'max':>8} {'CPU':>8}")
    for name, costs in found.items():
        walls = [cost.wall * 1000 for cost in costs]
        cpu = statistics.median(cost.cpu for cost in costs) * 1000
        print(f"  {name:44} {min(walls):8.0f} {statistics.median(walls):8.0f} {max(walls):8.0f} {cpu:8.0f}")
    sys.stdout.flush()


def raw_rate(folder: str, count: int = 200) -> float:
    """Appends of 500 bytes with fdatasync, per second, on the disk of `folder`."""
    path = os.path.join(folder, "raw")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        began = time.perf_counter()
        for _ in range(count):
            os.write(fd, bytes(500))
            os.fdatasync(fd)
        return count / (time.perf_counter() - began)
    finally:
        os.close(fd)


# -- places --------------------------------------------------------------------------------------------------


def cache() -> str:
    """Where what is costly to make is kept between benches: $XDG_CACHE_HOME/howdah-bench."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(home, "howdah-bench")
    os.makedirs(folder, exist_ok=True)
    return folder


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """A new folder on a real disk, gone afterwards."""
    for parent in (tempfile.gettempdir(), "/var/tmp", cache()):
        if os.path.isdir(parent) and filesystem(parent) not in _MEMORY:
            folder = tempfile.mkdtemp(prefix="howdah-bench-", dir=parent)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return
    raise RuntimeError("no folder on a real disk was found; set TMPDIR to one")


def filesystem(folder: str) -> str:
    """The type of the filesystem that holds `folder`."""
    best, kind = "", "unknown"
    real = os.path.realpath(folder)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            point = before.split()[4].replace("\\040", " ")
            inside = point == "/" or real == point or real.startswith(point + "/")
            if inside and len(point) >= len(best):
                best, kind = point, after.split()[0]
    return kind


def about_the_machine(folder: str) -> str:
    load = "/".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{os.cpu_count()} CPUs, load {load}, {filesystem(folder)}, {raw_rate(folder):,.0f} raw fdatasync/s,"
        f" Python {sys.version.split()[0]}"
    )
