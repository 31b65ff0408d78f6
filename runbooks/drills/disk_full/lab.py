"""The lab of disk-full: a small ext4 filesystem of its own on a loop device, and a service that writes into it.

Everything is in one folder `howdah-drill-…`: the image, the mount, and outside of the mount the service's
acknowledgements, the observer's samples and a folder to move files to. Names inside the mount are random, so that
no runbook can know them.
"""

from __future__ import annotations

import os
from typing import Any

from incidents import clock, ids
from incidents.errors import Failed
from runbooks import procfs
from runbooks.drills import base, janitor, ordinary
from runbooks.process import run_bounded
from runbooks.procfs import Process

SIZE = 64 << 20  # bytes of the image
INODES = 2048
BYTES_PER_INODE = 32 << 10
RESERVED_PERCENT = 5  # for root, as mkfs does by default
NEED = 8 << 20  # bytes that an ordinary user must be able to write again
TOOL_TIMEOUT = 30 * clock.SECOND
START_WITHIN = 20 * clock.SECOND
FULL_WITHIN = 60 * clock.SECOND
POLL = 10_000


def can_mount(folder: str, ledgers: str | None = None) -> tuple[bool, str]:
    """Can a filesystem of our own be mounted below `folder`? Tried, not assumed; the second says why not."""
    ledger = janitor.Ledger(ledgers)
    try:
        lab = Lab(folder, ledger, size=4 << 20)
        lab.mount_up()
    except Failed as error:
        return False, str(error)
    finally:
        left = ledger.close().left
    return (False, left[0]) if left else (True, "")


class Lab(base.Played):
    """One filesystem, its service and what the drill knows about them."""

    def __init__(self, folder: str | None, ledger: janitor.Ledger, *, size: int = SIZE):
        super().__init__(folder, ledger)
        self.size = size
        self.image = os.path.join(self.folder, "image")
        self.mount = os.path.join(self.folder, "mnt")
        self.acks = os.path.join(self.folder, "acks")
        self.spill = os.path.join(self.folder, "spill")
        self.data = self.log = self.probe = ""
        self._writer: Process | None = None
        self._can_move = True
        self.need = NEED
        self.facts: dict[str, str] | None = None  # what the fault's own judge has to know

    @property
    def what(self) -> str:
        return f"{self.mount}: {self.size >> 20} MiB, and a service that writes into it"

    @property
    def writer(self) -> Process:
        if self._writer is None:
            raise Failed("the lab's service was not started")
        return self._writer

    def inputs(self) -> dict[str, str]:
        """The inputs of the runbook `disk-full` for this lab."""
        given = {"mount": self.mount, "want": str(self.need), "sample": "1s"}
        return {**given, "spill": self.spill} if self._can_move else given

    # -- building -----------------------------------------------------------------------------------------

    def mount_up(self) -> None:
        """Makes the filesystem and mounts it. Raises Failed with what the tool said."""
        self.ledger.note("folder", path=self.folder)
        try:
            os.mkdir(self.folder, 0o700)
            for path in (self.mount, self.spill):
                os.mkdir(path, 0o700)
            with open(self.image, "wb") as image:
                image.truncate(self.size)
        except OSError as error:
            raise Failed(f"{self.folder}: {error.strerror}") from None
        inodes = str(max(INODES, self.size // BYTES_PER_INODE))
        _tool("mkfs.ext4", "-q", "-N", inodes, "-m", str(RESERVED_PERCENT), self.image)
        self.ledger.note("loop", image=self.image)
        self.ledger.note("mount", path=self.mount)
        _tool("mount", "-t", "ext4", "-o", "loop", self.image, self.mount)

    def up(self) -> None:
        """The filesystem, and the service on it that acknowledges records. Raises Failed."""
        self.mount_up()
        self.data, self.probe, logs = self.make_folder(), self.make_folder(), self.make_folder()
        self.log = os.path.join(logs, ids.short(9) + ".log")
        self._writer = self.start(
            "writer", "runbooks.drills.disk_full.writer", self.data, self.log, self.acks
        )
        self._wait(lambda: self._acknowledged() >= 5, START_WITHIN, "the service acknowledges nothing")

    def make_folder(self) -> str:
        """A new folder in the filesystem that belongs to the ordinary user, under a random name."""
        path = os.path.join(self.mount, ids.short(8))
        os.mkdir(path, 0o700)
        ordinary.own(path)
        return path

    def let_others_in(self) -> None:
        """Programs of the ordinary user may come to the mount by its path. Raises Failed where they cannot."""
        os.chmod(self.folder, 0o711)
        folder = self.folder
        while folder != "/":
            if not os.stat(folder).st_mode & 0o001 and os.geteuid() == 0:
                raise Failed(
                    f"{folder} lets nobody but its owner in, and PostgreSQL does not run as root",
                    hint="$TMPDIR names another folder for the lab",
                )
            folder = os.path.dirname(folder)

    def reserve(self, percent: int) -> None:
        """Keeps so much of the filesystem back for root."""
        (device,) = janitor.loops_of(self.image)
        _tool("tune2fs", "-m", str(percent), device)

    def nowhere_to_move(self) -> None:
        """The player has no other filesystem to move things to."""
        self._can_move = False

    def wait_full(self) -> None:
        """Returns when an ordinary user has no space, or no file, left and the service was refused. Raises Failed."""
        self._wait(self._is_full, FULL_WITHIN, "the disk did not become full")

    def _is_full(self) -> bool:
        room = os.statvfs(self.mount)
        return (room.f_bavail < 16 or room.f_favail == 0) and _count(self.acks, b"!") > 0

    def _acknowledged(self) -> int:
        return _count(self.acks) - _count(self.acks, b"!")

    def _wait(self, happened: Any, within: int, otherwise: str) -> None:
        deadline = clock.monotonic() + within
        while not happened():
            writer = self._writer
            if writer is not None and not procfs.alive(writer.pid, writer.start):
                raise Failed(f"the lab's service has ended: {_tail(os.path.join(self.folder, 'writer.out'))}")
            if clock.monotonic() > deadline:
                raise Failed(otherwise)
            clock.sleep(POLL)


def _count(path: str, beginning: bytes = b"") -> int:
    """The lines of a file that begin like that."""
    try:
        with open(path, "rb") as file:
            return sum(line.startswith(beginning) for line in file)
    except FileNotFoundError:
        return 0


def _tail(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()[-400:].strip() or "it said nothing"
    except OSError as error:
        return str(error)


def _tool(*argv: str) -> None:
    done = run_bounded(argv, timeout=TOOL_TIMEOUT)
    if done.exit != 0:
        said = (done.errors or done.output).decode("utf-8", "replace").strip()
        raise Failed(f"{argv[0]}: {said or ('no answer in time' if done.timed_out else f'exit {done.exit}')}")
