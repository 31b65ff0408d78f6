"""The ledger of a drill, and the janitor that clears away what a kill left behind.

Before each mount, loop, namespace, folder and process the drill writes a line, synced, in a place outside of what it
breaks. Whatever kills the drill, the next one (or `howdah drill cleanup`) reads the lines of drills whose owner is
dead and takes everything back: processes first (the run's driver and keeper, then the rest), then mounts, loops,
namespaces and folders. It can be repeated, and it never signals a process whose start time differs from the ledger's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Collection, Iterator
from typing import Any

from incidents import clock, ids
from incidents.errors import BadInput
from incidents.store import place
from runbooks import procfs
from runbooks.process import crash_point, run_bounded
from runbooks.procfs import Process

TOKEN = "HOWDAH_DRILL"  # in the environment of everything that a drill starts, so that it is found without its pid
PREFIX = "howdah-drill-"  # of the folders that may be removed
FIRST = ("driver", "keeper", "step")  # of a run: whoever could start something new is ended before the rest
PATIENCE = 3 * clock.SECOND  # for a killed process to be gone
EXEC = clock.SECOND  # how long a process just started may be without an environment that can be read
TOOL_TIMEOUT = 20 * clock.SECOND  # for umount and losetup


def default_folder() -> str:
    """Where this account's ledgers are: $XDG_STATE_HOME/howdah/drills."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "howdah", "drills")


class Ledger:
    """One drill's list of what must be taken back, one synced JSON line each."""

    def __init__(self, folder: str | None = None):
        folder = folder or default_folder()
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.drill = ids.short(8)
        self.path = os.path.join(folder, f"{self.drill}.jsonl")
        self._fd = os.open(
            self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        self._lines = 0
        pid = os.getpid()
        self.note("owner", pid=pid, start=procfs.start_time(pid), boot=clock.boot_id())
        place.sync_folder(folder)

    def note(self, what: str, **facts: Any) -> None:
        """Writes one line durably; returns only when it is. Raises OSError where it cannot."""
        self._lines += 1
        crash_point("drill-before-line", self._lines)
        os.write(self._fd, (json.dumps({"what": what, **facts}) + "\n").encode())
        os.fsync(self._fd)
        crash_point("drill-after-line", self._lines)

    def process(self, role: str, process: Process) -> None:
        """Notes a process just started. Should a kill come before this, the token in its environment finds it."""
        self.note("process", role=role, pid=process.pid, start=process.start)

    @property
    def env(self) -> dict[str, str]:
        """What everything that the drill starts must have in its environment."""
        return {TOKEN: self.drill}

    def close(self) -> Swept:
        """Takes everything back; the file goes when nothing is left. Raises nothing for what resists: it is named."""
        swept = sweep(self.path)
        os.close(self._fd)
        return swept


@dataclasses.dataclass(slots=True)
class Swept:
    """What was taken back, and what could not be, in words for people."""

    removed: list[str] = dataclasses.field(default_factory=list)
    left: list[str] = dataclasses.field(default_factory=list)

    def extend(self, other: Swept) -> None:
        self.removed += other.removed
        self.left += other.left


def dead(folder: str | None = None) -> int:
    """How many drills whose owner is dead have left a ledger."""
    folder = folder or default_folder()
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".jsonl")]
    except OSError:
        return 0
    return sum(not _owned(_read(os.path.join(folder, name))) for name in names)


def cleanup(folder: str | None = None) -> Swept:
    """Takes back what the dead drills of this folder left; drills whose owner lives are not touched."""
    folder = folder or default_folder()
    swept = Swept()
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.endswith(".jsonl") and not _owned(_read(path)):
                swept.extend(sweep(path))
    return swept


def sweep(path: str) -> Swept:
    """Takes back all that one ledger lists, and removes the ledger when nothing is left. May be repeated."""
    lines = _read(path)
    drill = os.path.basename(path).removesuffix(".jsonl")
    swept = Swept()
    if any(line["what"] == "owner" and line["boot"] != clock.boot_id() for line in lines):
        lines = [line for line in lines if line["what"] == "folder"]  # a new boot: only the disk remembers
    _end_servers(lines, swept)
    _end_processes(lines, drill, swept)
    for line in reversed(lines):
        if line["what"] == "mount":
            _unmount(line["path"], swept)
    for line in reversed(lines):
        if line["what"] == "loop":
            _detach(line["image"], swept)
        elif line["what"] == "namespace":
            _drop_namespace(line["name"], swept)
    for line in reversed(lines):
        if line["what"] == "folder":
            _remove_folder(line["path"], swept)
    if not swept.left:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        place.sync_folder(os.path.dirname(path))
    return swept


def _read(path: str) -> list[dict[str, Any]]:
    """The lines of a ledger; a torn last one was never acted upon."""
    lines = []
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        for text in file:
            with contextlib.suppress(ValueError):
                lines.append(json.loads(text))
    return lines


def _owned(lines: list[dict[str, Any]]) -> bool:
    """Does the drill's own process still live? A ledger without its first line belongs to nobody."""
    return any(
        line["what"] == "owner"
        and line["boot"] == clock.boot_id()
        and procfs.alive(line["pid"], line["start"])
        for line in lines
    )


# -- processes -----------------------------------------------------------------------------------------------


def _end_servers(lines: list[dict[str, Any]], swept: Swept) -> None:
    """Ends what works in a server's folder, also what a runbook started there: first the way that leaves no shared
    memory behind (SIGQUIT: PostgreSQL's immediate shutdown), then by force."""
    roles = {line["folder"]: line["role"] for line in lines if line["what"] == "server"}
    if not roles:
        return
    named: set[int] = set()
    began = clock.monotonic()
    while found := list(_working_in(roles)):
        since = clock.monotonic() - began
        if since > 2 * PATIENCE:
            swept.left += [_resists(process, roles[folder]) for process, folder in found]
            return
        parents = {process.pid for process, _ in found}
        for process, folder in found:
            number = signal.SIGKILL if since > PATIENCE else signal.SIGQUIT
            if number == signal.SIGQUIT and (process.parent in parents or process.pid in named):
                continue  # who started the others ends them
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)
            if process.pid not in named:
                named.add(process.pid)
                swept.removed.append(f"process {process.pid} ({roles[folder]}: {process.name})")
        _reap([(process, "") for process, _ in found])
        clock.sleep(10_000)


def _working_in(folders: Collection[str]) -> Iterator[tuple[Process, str]]:
    """Who has one of these for its working folder; never this process or its ancestors."""
    table = procfs.table()
    spared = set(_ancestors(os.getpid(), table))
    for process in table.values():
        if process.runs and process.pid not in spared:
            with contextlib.suppress(OSError):
                folder = os.readlink(f"/proc/{process.pid}/cwd")
                if folder in folders:
                    yield process, folder


def _end_processes(lines: list[dict[str, Any]], drill: str, swept: Swept) -> None:
    """Kills what the ledger lists and what carries its token, with all descendants, until a look finds none."""
    roles = {(line["pid"], line["start"]): str(line["role"]) for line in lines if line["what"] == "process"}
    token = f"{TOKEN}={drill}".encode()
    runs = [line["folder"] for line in lines if line["what"] == "run"]
    now = clock.monotonic()
    deadline = now + PATIENCE
    unlisted = sum(line["what"] == "starting" for line in lines) > len(roles)
    look_until = now + EXEC if unlisted else now  # killed between the start of a process and its line
    named: set[tuple[int, int]] = set()
    while clock.monotonic() < deadline:
        found = list(_to_end(roles, token, runs))
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


# -- mounts, loops, namespaces, folders ------------------------------------------------------------------------


def mounts() -> list[str]:
    """Every mount point of this namespace, in the order in which they were mounted."""
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            found.append(os.fsdecode(line.split(b" ")[4].decode("unicode_escape").encode("latin-1")))
    return found


def loops_of(image: str) -> list[str]:
    """The loop devices whose backing file is, or was, `image`."""
    found = []
    for name in sorted(os.listdir("/sys/block")):
        with contextlib.suppress(OSError), open(f"/sys/block/{name}/loop/backing_file", "rb") as file:
            backing = os.fsdecode(file.read().removesuffix(b"\n"))
            if backing.removesuffix(" (deleted)") == image:
                found.append(f"/dev/{name}")
    return found


def _tool(*argv: str) -> str:
    """Runs a tool for a bounded time; returns why it failed, or nothing."""
    try:
        done = run_bounded(argv, timeout=TOOL_TIMEOUT)
    except BadInput as error:
        return str(error)
    if done.exit == 0:
        return ""
    said = (done.errors or done.output).decode("utf-8", "replace").strip()
    return said or ("it did not answer in time" if done.timed_out else f"exit {done.exit}")


def _unmount(path: str, swept: Swept) -> None:
    while path in mounts():
        why = _tool("umount", "--", path)
        if why and path in mounts():
            users = ", ".join(f"{p.pid} ({p.name})" for p in _users(path))
            lazy = _tool("umount", "--lazy", "--", path)
            if lazy:
                swept.left.append(f"mount {path}: {lazy}")
                return
            swept.removed.append(f"mount {path}, taken from under {users or 'somebody unseen'}: {why}")
        else:
            swept.removed.append(f"mount {path}")


def _users(mount: str) -> Iterator[Process]:
    """Who has a file, or the working folder, below the mount; by names only, so that nothing can hang."""
    for process in procfs.table().values():
        links = [f"/proc/{process.pid}/cwd"]
        with contextlib.suppress(OSError):
            links += [f"/proc/{process.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{process.pid}/fd")]
        for link in links:
            with contextlib.suppress(OSError):
                if (os.readlink(link) + "/").startswith(mount + "/"):
                    yield process
                    break


def _detach(image: str, swept: Swept) -> None:
    for device in loops_of(image):
        why = _tool("losetup", "--detach", device)
        deadline = clock.monotonic() + PATIENCE
        while (still := device in loops_of(image)) and not why and clock.monotonic() < deadline:
            clock.sleep(20_000)  # the kernel lets go of it when its last user has
        if why and still:
            swept.left.append(f"loop {device} of {image}: {why}")
        elif still:
            swept.left.append(f"loop {device} of {image}: somebody still uses it")
        else:
            swept.removed.append(f"loop {device}")


def _drop_namespace(name: str, swept: Swept) -> None:
    if os.path.exists(f"/run/netns/{name}"):
        why = _tool("ip", "netns", "delete", name)
        if why:
            swept.left.append(f"network namespace {name}: {why}")
        else:
            swept.removed.append(f"network namespace {name}")


def _remove_folder(path: str, swept: Swept) -> None:
    """Removes a drill's folder; never anything else, and never through a mount that is still there."""
    if not os.path.lexists(path):
        return
    if not os.path.basename(path).startswith(PREFIX) or os.path.islink(path):
        swept.left.append(f"{path} is no folder of a drill")
        return
    inside = [mount for mount in mounts() if mount.startswith(path + "/")]
    if inside:
        swept.left.append(f"folder {path}: {inside[0]} is still mounted in it")
        return
    try:
        shutil.rmtree(path)
    except OSError as error:
        swept.left.append(f"folder {path}: {error.strerror}")
    else:
        swept.removed.append(f"folder {path}")
