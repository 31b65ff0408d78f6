"""A new store: made whole under another name, then renamed, so that nobody ever finds half of one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from incidents import clock
from incidents.store import migrate, place, room
from incidents.store.connection import Connection
from incidents.store.flock import Door


def create(path: str, modes: place.Modes, notice: Callable[[str], None]) -> None:
    """Make the store `path` where nothing or an empty file is; of two processes one makes it.

    Raises DiskFull, OSError, StoreBusy.
    """
    door = Door(path + ".lock", modes, notice)
    try:
        door.enter(clock.monotonic())
        try:
            if not os.path.exists(path) or os.stat(path).st_size == 0:
                _make(path, modes)
        finally:
            door.leave()
    finally:
        door.close()


def _make(path: str, modes: place.Modes) -> None:
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)  # of a process that was killed
    try:
        place.create_file(new, modes)
        with contextlib.closing(Connection(new)) as db:
            db.script("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON")
            migrate.migrate(db)
            room.fill(db, room.LOW_PAGES + room.STEP_PAGES)
            db.script("PRAGMA journal_mode = WAL")  # from now on, for whoever opens it
        place.sync_file(new)
        files = room.Room(path, modes)
        files.extend_wal()
        place.create_file(path + "-shm", modes)
        files.take_ballast()
        os.rename(new, path)
        place.sync_folder(os.path.dirname(path))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        raise
