"""How a drill's processes are ended: what its ledger lists, what carries its token, what works in its servers' folders."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from collections.abc import Collection, Iterator
from typing import Any

from incidents import clock
from incidents.errors import BadInput
from runbooks import procfs
from runbooks.process import run_bounded
from runbooks.procfs import Process

TOKEN = "HOWDAH_DRILL"  # in the environment of everything that a drill starts, so that it is found without its pid
FIRST = ("driver", "keeper", "step")  # of a run: whoever could start something new is ended before the rest
PATIENCE = 3 * clock.SECOND  # for a killed process to be gone
SHUTDOWN = 8 * clock.SECOND  # for a server to end by itself; PostgreSQL kills its own children after five
EXEC = clock.SECOND  # how long a process just started may be without an environment that can be read
TOOL_TIMEOUT = 20 * clock.SECOND


@dataclasses.dataclass(slots=True)
class Swept:
    """What was taken back, and what could not be, in words for people."""

    removed: list[str] = dataclasses.field(default_factory=list)
    left: list[str] = dataclasses.field(default_factory=list)

    def extend(self, other: Swept) -> None:
        self.removed += other.removed
        self.left += other.left


def end(lines: list[dict[str, Any]], drill: str, swept: Swept) -> None:
    """Ends all that one ledger lists, and what carries its token: first whoever could start something new, then the
    servers in a way that leaves no shared memory behind, then what is left."""
    folders = {line["folder"]: str(line["role"]) for line in lines if line["what"] == "server"}
    memory = [found for folder in folders if (found := _memory_of(folder))]
    _end_processes(lines, drill, swept, spared=folders)
    if folders:
        _end_servers(folders, swept)
        _end_processes(lines, drill, swept)
    for key, number in memory:
        _free_memory(key, number, swept)


def _end_servers(folders: dict[str, str], swept: Swept) -> None:
    """Ends what works in a server's folder, also what a runbook started there: by SIGQUIT (PostgreSQL's immediate
    shutdown, Redis's end without a save), where that does not help by force."""
    named: set[int] = set()
    began = clock.monotonic()
    while found := list(_working_in(folders)):
        since = clock.monotonic() - began
        if since > SHUTDOWN + PATIENCE:
            swept.left += [_resists(process, folders[folder]) for process, folder in found]
            return
        parents = {process.pid for process, _ in found}
        for process, folder in found:
            number = signal.SIGKILL if since > SHUTDOWN else signal.SIGQUIT
            if number == signal.SIGQUIT and (process.parent in parents or process.pid in named):
                continue  # who started the others ends them
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)
            if process.pid not in named:
                named.add(process.pid)
                swept.removed.append(f"process {process.pid} ({folders[folder]}: {process.name})")
        _reap([(process, "") for process, _ in found])
        clock.sleep(10_000)


def _memory_of(folder: str) -> tuple[str, str] | None:
    """Key and number of the shared memory that a PostgreSQL has noted in its folder."""
    try:
        with open(os.path.join(folder, "postmaster.pid"), encoding="ascii") as file:
            key, number = file.read().splitlines()[6].split()
    except (OSError, ValueError, IndexError):  # none, or it is just being made
        return None
    return (key, number) if key.isdigit() and number.isdigit() else None


def _free_memory(key: str, number: str, swept: Swept) -> None:
    """Frees shared memory that a killed server left, where it is the one noted and nobody has it attached."""
    with open("/proc/sysvipc/shm", encoding="ascii") as file:
        rows = [line.split() for line in file]
    if any(row[:2] == [key, number] and row[6] == "0" for row in rows):
        if why := tool("ipcrm", "-m", number):
            swept.left.append(f"shared memory {number}: {why}")
        else:
            swept.removed.append(f"shared memory {number}")


def _working_in(folders: Collection[str]) -> Iterator[tuple[Process, str]]:
    """Who has one of these for its working folder; never this process or its ancestors."""
    table = procfs.table()
    spared = set(_ancestors(os.getpid(), table))
    for process in table.values():
        if process.runs and process.pid not in spared and (folder := _works_in(process, folders)):
            yield process, folder


def _works_in(process: Process, folders: Collection[str]) -> str:
    """The one of these that is its working folder, or nothing."""
    if not folders:
        return ""
    with contextlib.suppress(OSError):
        folder = os.readlink(f"/proc/{process.pid}/cwd")
        if folder in folders:
            return folder
    return ""


def _end_processes(
    lines: list[dict[str, Any]], drill: str, swept: Swept, *, spared: Collection[str] = ()
) -> None:
    """Kills what the ledger lists and what carries its token, with all descendants, until a look finds none; not yet
    what works in one of the folders `spared`."""
    roles = {(line["pid"], line["start"]): str(line["role"]) for line in lines if line["what"] == "process"}
    token = f"{TOKEN}={drill}".encode()
    runs = [line["folder"] for line in lines if line["what"] == "run"]
    now = clock.monotonic()
    deadline = now + PATIENCE
    unlisted = sum(line["what"] == "starting" for line in lines) > len(roles)
    look_until = now + EXEC if unlisted else now  # killed between the start of a process and its line
    named: set[tuple[int, int]] = set()
    while clock.monotonic() < deadline:
        found = [one for one in _to_end(roles, token, runs) if not _works_in(one[0], spared)]
        for process, role in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
            if (process.pid, process.start) not in named:
                named.add((process.pid, process.start))
                swept.removed.append(f"process {process.pid} ({role}: {process.name})")
        _reap(found)
        if not found and (clock.monotonic() >= look_until or len(named) > len(roles)):
            return
        clock.sleep(10_000)
    for process, role in _to_end(roles, token, runs):
        if _works_in(process, spared):
            continue
        swept.left.append(_resists(process, role))


def _to_end(
    roles: dict[tuple[int, int], str], token: bytes, runs: list[str]
) -> Iterator[tuple[Process, str]]:
    """What must still be ended, those that could start something new first, never this process or its ancestors."""
    table = procfs.table()
    spared = set(_ancestors(os.getpid(), table))
    chosen: dict[int, str] = {}
    for process in table.values():
        role = roles.get((process.pid, process.start)) or _role_in_run(process.pid, runs)
        if role is not None:
            chosen[process.pid] = role
        elif procfs.carries(process, [token]):
            chosen[process.pid] = "started by the drill"
    _add_descendants(chosen, table)
    order = {role: place for place, role in enumerate(FIRST)}
    for pid in sorted(chosen, key=lambda pid: order.get(chosen[pid], len(FIRST))):
        if pid not in spared and table[pid].runs:
            yield table[pid], chosen[pid]


def _role_in_run(pid: int, runs: list[str]) -> str | None:
    """What a process is in one of these runs, by what it holds open in the run's folder (design, section 6.1)."""
    if not runs:
        return None
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return None
    found = None
    for name in names:
        with contextlib.suppress(OSError):
            link = os.readlink(f"/proc/{pid}/fd/{name}")
            for run in runs:
                if link in (f"{run}/driver.lock", f"{run}/driver.log"):
                    return "driver"
                if link == run:
                    return "keeper"
                if link.startswith(run + "/") and link.endswith(".try"):
                    found = "step"
    return found


def _add_descendants(chosen: dict[int, str], table: dict[int, Process]) -> None:
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    queue = list(chosen)
    for pid in queue:
        for child in children.get(pid, ()):
            if child not in chosen:
                chosen[child] = f"child of {chosen[pid]}"
                queue.append(child)


def _ancestors(pid: int, table: dict[int, Process]) -> Iterator[int]:
    while pid in table:
        yield pid
        pid = table[pid].parent


def _reap(found: list[tuple[Process, str]]) -> None:
    """A killed child of this very process stays a zombie until it is waited for."""
    for process, _ in found:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def _resists(process: Process, role: str) -> str:
    where = ""
    with contextlib.suppress(OSError), open(f"/proc/{process.pid}/wchan", encoding="ascii") as file:
        where = file.read()
    state = "in state D, waiting in the kernel" if process.state == "D" else f"in state {process.state}"
    return f"process {process.pid} ({role}: {process.name}) is {state}{f' ({where})' if where else ''} and did not end"


def tool(*argv: str) -> str:
    """Runs a tool for a bounded time; returns why it failed, or nothing."""
    try:
        done = run_bounded(argv, timeout=TOOL_TIMEOUT)
    except BadInput as error:
        return str(error)
    if done.exit == 0:
        return ""
    said = (done.errors or done.output).decode("utf-8", "replace").strip()
    return said or ("it did not answer in time" if done.timed_out else f"exit {done.exit}")
