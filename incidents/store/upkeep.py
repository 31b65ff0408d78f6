"""What the embedded store does around its commits, while the lock is held: checkpoints, room, the ballast."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from incidents.errors import HowdahError
from incidents.events import Actor, Draft
from incidents.store import room
from incidents.store.database import Database, DiskFull

_SYSTEM = Actor("system", "howdah")


class Caretaker:
    def __init__(self, db: Database, files: room.Room, tell: Callable[[], None]):
        self._db = db
        self._room = files
        self._tell = tell  # that there is news
        self._looked = False

    def after_commit(self) -> Sequence[Draft]:
        """Look after the room at this process's first commit and at every checkpoint.

        Nothing here may fail the append, which is durable: the next transaction meets the trouble again.
        """
        self._tell()
        if self._looked and self._db.wal_pages < room.CHECKPOINT_PAGES:
            return ()
        with contextlib.suppress(DiskFull, HowdahError, OSError):
            return self._look_after()
        return ()

    def _look_after(self) -> Sequence[Draft]:
        if self._db.wal_pages >= room.CHECKPOINT_PAGES:
            self._db.checkpoint()
            self._db.limit_wal(room.WAL_BYTES if self._room.wal_bytes() > 2 * room.WAL_BYTES else None)
        self._looked = True
        self._room.extend_wal()
        if not self._room.keep_ahead(self._db) and room.free_pages(self._db) < room.LAST_PAGES:
            return self._free_ballast()
        return [_ballast("taken", room.BALLAST_BYTES)] if self._room.take_ballast() else ()

    def make_room(self) -> Sequence[Draft] | None:
        """A transaction did not fit and is rolled back: grow for it, into the ballast if need be."""
        with contextlib.suppress(DiskFull, HowdahError):
            self._db.checkpoint()
        with contextlib.suppress(DiskFull, OSError):
            self._room.extend_wal()
            room.grow(self._db, room.STEP_PAGES)
            return ()
        room.allow(self._db, room.page_count(self._db))
        return self._free_ballast() or None

    def not_durable(self) -> HowdahError:
        return room.not_durable(self._db.path)

    def _free_ballast(self) -> Sequence[Draft]:
        """Give up ballast until the database has grown into it, before whoever filled the disk takes it."""
        freed = 0
        while piece := self._room.shrink_ballast():
            freed += piece
            with contextlib.suppress(DiskFull, OSError):
                self._room.extend_wal()
                room.grow(self._db, room.CHUNK_PAGES)
                break
        room.allow(self._db, room.page_count(self._db))
        return [_ballast("freed", freed)] if freed else ()


def _ballast(state: str, size: int) -> Draft:
    return Draft(
        stream="system",
        kind="system.ballast",
        actor=_SYSTEM,
        data={"state": state, "bytes": size},
        importance="high" if state == "freed" else "normal",
    )
