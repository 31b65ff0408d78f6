"""The ledger of a drill, and the janitor that clears away what a kill left behind.

Before each mount, loop, namespace, folder and process the drill writes a line, synced, in a place outside of what it
breaks. Whatever kills the drill, the next one (or `howdah drill cleanup`) reads the lines of drills whose owner is
dead and takes everything back: processes first (the run's driver and keeper, then the rest), then mounts, loops,
namespaces and folders. It can be repeated, and it never signals a process whose start time differs from the ledger's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

from incidents import clock, ids
from incidents.store import place
from runbooks import procfs
from runbooks.drills import ending
from runbooks.drills.ending import TOKEN, Swept
from runbooks.process import crash_point
from runbooks.procfs import Process

PREFIX = "howdah-drill-"  # of the folders that may be removed


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

    def lab_folder(self, parent: str) -> str:
        """The path of the lab's own folder below `parent`; by its name it may be removed."""
        return os.path.join(os.path.realpath(parent), PREFIX + self.drill)

    @property
    def env(self) -> dict[str, str]:
        """What everything that the drill starts must have in its environment."""
        return {TOKEN: self.drill}

    def close(self) -> Swept:
        """Takes everything back; the file goes when nothing is left. Raises nothing for what resists: it is named."""
        swept = sweep(self.path)
        os.close(self._fd)
        return swept


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
    ending.end(lines, drill, swept)
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


def _unmount(path: str, swept: Swept) -> None:
    while path in mounts():
        why = ending.tool("umount", "--", path)
        if why and path in mounts():
            users = ", ".join(f"{p.pid} ({p.name})" for p in _users(path))
            lazy = ending.tool("umount", "--lazy", "--", path)
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
        why = ending.tool("losetup", "--detach", device)
        deadline = clock.monotonic() + ending.PATIENCE
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
        why = ending.tool("ip", "netns", "delete", name)
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
        with contextlib.suppress(FileNotFoundError):  # a socket of a program just killed goes by itself
            shutil.rmtree(path)
        if os.path.lexists(path):
            shutil.rmtree(path)
    except OSError as error:
        swept.left.append(f"folder {path}: {error.strerror}")
    else:
        swept.removed.append(f"folder {path}")
