"""Room to write when the disk is full.

A commit needs blocks in three files, and all of them are owned beforehand: the write-ahead log is 4 MiB from the
start, its index stays (`anchor`), and the database keeps 1 to 3 MiB of free pages (while there is room). A writer that takes every freed byte can take none of these. `FILE.ballast` (8 MiB) is the second line:
when the free pages run out it gives up 1 MiB after the other, and the database at once grows into it.
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
CHUNK_PAGES = CHUNK_BYTES // PAGE
LOW_PAGES = CHUNK_PAGES  # with fewer free pages the database grows
STEP_PAGES = 2 * CHUNK_PAGES  # by as many
LAST_PAGES = LOW_PAGES // 4  # below, the ballast is needed
_UNLIMITED = 0xFFFF_FFFE
SPARE_BYTES = 2 * BALLAST_BYTES  # free disk that must remain after the ballast is taken back


class Room:
    """The preallocated files of one store. Its methods are called by whoever holds the store's lock."""

    def __init__(self, path: str, modes: place.Modes):
        self._wal = path + "-wal"
        self._ballast = path + ".ballast"
        self._folder = os.path.dirname(path)
        self._modes = modes

    def free_bytes(self) -> int:
        """What anybody can still write there. Root may have more, but ext4 counts in blocks that it never gives."""
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize

    def fits(self, nbytes: int, free: int) -> bool:
        """Whether an event of `nbytes` fits into `free` pages of the database, the ballast, or the disk."""
        pages = 2 * (nbytes // PAGE) + 16  # its own, and those that its indexes may split
        spare = self.free_bytes() + self.ballast_bytes() - 2 * CHUNK_BYTES
        return free >= pages or spare >= pages * PAGE

    def wal_bytes(self) -> int:
        try:
            return os.stat(self._wal).st_size
        except FileNotFoundError:
            return 0

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

    def ballast_bytes(self) -> int:
        """The bytes of disk that the ballast owns."""
        return owned(self._ballast)

    def take_ballast(self) -> bool:
        """Write the ballast when it is missing and there is room to spare; whether it was written."""
        if self.ballast_bytes() >= BALLAST_BYTES or self.free_bytes() < BALLAST_BYTES + SPARE_BYTES:
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

    def shrink_ballast(self) -> int:
        """Give up at most 1 MiB of the ballast's blocks; how many bytes were given up."""
        return give_way(self._ballast)

    def keep_ahead(self, db: Database) -> bool:
        """Let the database own free pages ahead of need; False when the disk does not allow it."""
        try:
            allow(db, None)
            while free_pages(db) < LOW_PAGES or page_count(db) % CHUNK_PAGES:
                grow(db, STEP_PAGES)
        except DiskFull:
            allow(db, page_count(db))
            return False
        return True


def grow(db: Database, pages: int) -> None:
    """Add at least `pages` free pages to the database, on blocks that its file owns first. Raises DiskFull.

    It ends at a multiple of CHUNK_PAGES: so a checkpoint, which cuts the file to a multiple of its chunk, neither
    leaves a hole in it nor gives blocks of it away.
    """
    allow(db, None)
    after = -(-(page_count(db) + pages) // CHUNK_PAGES) * CHUNK_PAGES
    db.allocate(after * PAGE)
    fill(db, after)
    db.checkpoint()


def fill(db: Database, after: int) -> None:
    """Let the database have exactly `after` pages, the new ones free. Raises DiskFull.

    SQLite has no word for it: one row takes all free pages and the new ones, and gives them back.
    """
    taken = free_pages(db) + after - page_count(db)
    db.run("BEGIN IMMEDIATE")
    try:
        db.run("INSERT INTO room VALUES (zeroblob(?))", (_blob_of(taken),))
        db.run("DELETE FROM room")
        db.run("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _blob_of(pages: int) -> int:
    """The length of a blob whose row overflows into exactly `pages` pages (SQLite file format, 1.6)."""
    least = (PAGE - 12) * 32 // 255 - 23  # of the row, what stays in its table's page
    row = least + pages * (PAGE - 4)
    for type_bytes in (1, 2, 3, 4, 5):  # the row begins with the length of its header and the blob's type
        blob = row - 1 - type_bytes
        if 2 * blob + 12 < 1 << 7 * type_bytes:
            return blob
    raise ValueError(f"{pages} pages are too many for one row")


def allow(db: Database, pages: int | None) -> None:
    """How large the database may become; None: without a limit.

    Without one SQLite would go on behind the last free page, into blocks that nobody has: the commit succeeds, every
    later checkpoint fails, and the log grows. With one the transaction fails, and the ballast is given up for it.
    """
    db.run(f"PRAGMA max_page_count = {_UNLIMITED if pages is None else pages}")


def page_count(db: Database) -> int:
    [(count,)] = db.run("PRAGMA page_count")
    return int(count)


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


def owned(ballast: str) -> int:
    with contextlib.suppress(OSError):
        status = os.stat(ballast)
        return min(status.st_size, status.st_blocks * 512)
    return 0


def give_way(ballast: str) -> int:
    """Give up at most 1 MiB of this ballast, also for files beside the database; how many bytes were given up."""
    size = owned(ballast)
    if size:
        os.truncate(ballast, max(0, size - CHUNK_BYTES))
    return min(size, CHUNK_BYTES)


def not_durable(path: str) -> NotDurable:
    return NotDurable(
        f"the disk of {path} is full: the event could not be made durable, so it was not recorded",
        hint="free space there, then repeat",
    )
