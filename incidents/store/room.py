"""Room to write when the disk is full.

A commit needs blocks in three files, and all of them are owned beforehand: the write-ahead log is 4 MiB from the
start, its index stays, and the database keeps free pages (grown in steps of 1 MiB while there is room). A writer
that takes every freed byte can take none of these. `FILE.ballast` (8 MiB) is the second line: freed when the free
pages run out, its blocks at once taken by growing the database.
"""

from __future__ import annotations

import contextlib
import os

from incidents.errors import NotDurable
from incidents.store import place
from incidents.store.database import Database, DiskFull

PAGE = 4096
FRAME = PAGE + 24  # bytes of one page in the write-ahead log
WAL_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
BALLAST_BYTES = 8 * 1024 * 1024
CHECKPOINT_PAGES = (
    640  # then a checkpoint: a group of 1 MiB and a growth step still fit in front of WAL_BYTES
)
AHEAD_PAGES = CHUNK_BYTES // PAGE
LOW_PAGES = AHEAD_PAGES * 3 // 4
LAST_PAGES = 64  # below, the ballast is freed
SPARE_BYTES = 4 * BALLAST_BYTES  # free disk that must remain after the ballast is taken back


class Room:
    """The preallocated files of one store. Its methods are called by whoever holds the store's lock."""

    def __init__(self, path: str, modes: place.Modes):
        self._wal = path + "-wal"
        self._ballast = path + ".ballast"
        self._folder = os.path.dirname(path)
        self._modes = modes

    def free_bytes(self) -> int:
        """What this account can still write on the store's filesystem."""
        status = os.statvfs(self._folder)
        blocks = status.f_bfree if os.geteuid() == 0 else status.f_bavail
        return blocks * status.f_frsize

    def fits(self, nbytes: int, free: int) -> bool:
        """Whether an event of `nbytes` fits into `free` pages of the database, or on the disk."""
        pages = 2 * (nbytes // PAGE) + 16  # its own, and those that its indexes may split
        return free >= pages or self.free_bytes() >= pages * PAGE + 2 * CHUNK_BYTES

    def extend_wal(self) -> None:
        """Let the write-ahead log own WAL_BYTES. Its unused part is zeros, which no reader takes for pages.

        Real zeros, not fallocate: an unwritten extent would need blocks for the extent tree later.
        """
        place.create_file(self._wal, self._modes)
        fd = os.open(self._wal, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if size < WAL_BYTES:
                _write_all(fd, bytes(WAL_BYTES - size), size)
        finally:
            os.close(fd)

    def has_ballast(self) -> bool:
        with contextlib.suppress(OSError):
            return os.stat(self._ballast).st_blocks * 512 >= BALLAST_BYTES // 2
        return False

    def take_ballast(self) -> bool:
        """Write the ballast when it is missing and there is room to spare; whether it was written."""
        if self.has_ballast() or self.free_bytes() < BALLAST_BYTES + SPARE_BYTES:
            return False
        place.create_file(self._ballast, self._modes)
        fd = os.open(self._ballast, os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC)
        try:
            _write_all(fd, os.urandom(BALLAST_BYTES // 8) * 8, 0)  # a filesystem that packs zeros keeps these
        except DiskFull:
            os.ftruncate(fd, 0)
            return False
        finally:
            os.close(fd)
        return True

    def free_ballast(self) -> bool:
        """Give the ballast's blocks back; whether there were any."""
        if not self.has_ballast():
            return False
        os.truncate(self._ballast, 0)
        return True

    def keep_ahead(self, db: Database) -> bool:
        """Let the database own free pages ahead of need; False when the disk does not allow it."""
        free = free_pages(db)
        if free >= LOW_PAGES:
            return True
        try:
            self.grow(db, AHEAD_PAGES - free)
        except DiskFull:
            return False
        return True

    def grow(self, db: Database, pages: int) -> None:
        """Add free pages to the database, on blocks that its file owns first. Raises DiskFull."""
        [(count,)] = db.run("PRAGMA page_count")
        db.allocate((count + pages + 8) * PAGE)
        db.run("BEGIN IMMEDIATE")
        try:
            db.run("INSERT INTO room VALUES (zeroblob(?))", (pages * (PAGE - 4),))
            db.run("DELETE FROM room")
            db.run("COMMIT")
        except BaseException:
            db.rollback()
            raise
        db.checkpoint()


def zero_wal(path: str, pages: int) -> None:
    """Overwrite the write-ahead log behind its first `pages` pages."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        start = 32 + pages * FRAME  # the log's header has 32 bytes
        _write_all(fd, bytes(max(0, os.fstat(fd).st_size - start)), start)
        os.fsync(fd)
    finally:
        os.close(fd)


def free_pages(db: Database) -> int:
    [(free,)] = db.run("PRAGMA freelist_count")
    return int(free)


def _write_all(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    try:
        while view:
            done = os.pwrite(fd, view, at)
            view, at = view[done:], at + done
    except OSError as error:
        if error.errno in place.NO_ROOM:
            raise DiskFull(str(error)) from None
        raise


def not_durable(path: str) -> NotDurable:
    return NotDurable(
        f"the disk of {path} is full: the event could not be made durable, so it was not recorded",
        hint="free space there, then repeat",
    )
