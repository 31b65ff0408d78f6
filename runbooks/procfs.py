"""What the kernel says about processes and mounts.

Nothing here waits for the process or filesystem that it is about: no cmdline and no environ of a process in D
state, links of descriptors by readlink and never by stat, mounts from mountinfo and never from statfs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

COMMAND_LENGTH = 200
_LINKS = 40  # the kernel's own limit (path_resolution(7))


class Process(NamedTuple):
    """One line of /proc/PID/stat (proc(5)); `start` in clock ticks since boot, which with pid names a process."""

    pid: int
    parent: int
    group: int
    session: int
    state: str
    start: int
    name: str

    @property
    def runs(self) -> bool:
        """A zombie has ended; a process in D state has not."""
        return self.state not in "ZX"


def look(pid: int) -> Process | None:
    """What the kernel says about `pid` now, None where there is no such process."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        raw = os.read(fd, 1024)
    except OSError:
        return None  # it ended between open and read
    finally:
        os.close(fd)
    head, _, tail = raw.rpartition(b")")  # a name may hold spaces and parentheses
    fields = tail.split()
    return Process(
        pid, int(fields[1]), int(fields[2]), int(fields[3]), chr(fields[0][0]), int(fields[19]),
        head.partition(b"(")[2].decode("utf-8", "replace"),
    )  # fmt: skip


def table() -> dict[int, Process]:
    """All processes by pid."""
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat: clock ticks after boot at which it started."""
    process = look(pid)
    return None if process is None else process.start


def state(pid: int) -> str | None:
    """R S D Z T …, None where there is no such process."""
    process = look(pid)
    return None if process is None else process.state


def alive(pid: int, start: int) -> bool:
    """Does the process that had this pid and start time still run? D state counts as running, a zombie does not."""
    process = look(pid)
    return process is not None and process.start == start and process.runs


def command(pid: int) -> str:
    """Its command line for people, at most 200 characters; `[name]` where there is none to be had."""
    process = look(pid)
    if process is None:
        return "[gone]"
    raw = b"" if process.state == "D" else _read(f"/proc/{pid}/cmdline", 4096)  # reading could wait for ever
    text = raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    return " ".join(text.split())[:COMMAND_LENGTH] or f"[{process.name}]"


def holds(pid: int, link: str) -> bool:
    """Has the process an open descriptor whose /proc link reads `link` (`pipe:[123]`, a path)?"""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False  # gone, or not ours to see
    for name in names:
        try:
            if os.readlink(f"/proc/{pid}/fd/{name}") == link:
                return True
        except OSError:
            continue
    return False


def carries(process: Process, marks: Iterable[bytes]) -> bool:
    """Was the process started with all of these `NAME=value` in its environment? False where that cannot be seen."""
    if process.state == "D":
        return False
    environment = set(_read(f"/proc/{process.pid}/environ", 1 << 20).split(b"\0"))
    wanted = set(marks)
    return bool(wanted) and wanted <= environment


def _read(path: str, limit: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)


# -- mounts -----------------------------------------------------------------------------------------

# Filesystems that answer from this machine. On any other a look-up may never return.
_LOCAL = (
    "bcachefs bpf btrfs cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs erofs ext2 ext3 ext4 f2fs fusectl"
    " hugetlbfs iso9660 jfs mqueue nsfs overlay proc pstore ramfs rootfs securityfs squashfs sysfs tmpfs tracefs"
    " vfat xfs zfs"
)


def far_mounts() -> tuple[str, ...]:
    """Where filesystems are mounted whose answers may never come, from mountinfo, which never waits for them."""
    found, local = [], set(_LOCAL.split())
    for line in _read_all("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if right.partition(" ")[0] not in local:
            found.append(_plain(left.split(" ")[4]))
    return tuple(found)


def _plain(field: str) -> str:
    for escaped, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escaped, character)
    return field


def is_far(mounts: Sequence[str], paths: Iterable[str]) -> bool:
    """Does one of the absolute paths lead through one of the mounts? Follows links, never into a mount."""
    return any(_leads_into(mounts, path) for path in paths)


def _leads_into(mounts: Sequence[str], path: str) -> bool:
    todo, here, links = path.split("/")[::-1], "/", 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        here = os.path.dirname(here) if part == ".." else os.path.join(here, part)
        if here in mounts:
            return True
        try:
            target = os.readlink(here)
        except OSError:
            continue  # no link, or nothing there
        links += 1
        if links > _LINKS:
            return False  # the kernel will refuse it at once
        todo += target.split("/")[::-1]
        here = "/" if target.startswith("/") else os.path.dirname(here)
    return False


def _read_all(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
