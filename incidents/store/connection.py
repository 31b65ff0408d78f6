"""One SQLite connection, through apsw, which brings its own SQLite.

The standard library's may be older than 3.51.3 and then corrupts a file that two connections write in WAL mode
(sqlite.org, release notes of 3.51.3).
"""

from __future__ import annotations

import array
import contextlib
from collections.abc import Sequence
from typing import Any

import apsw

from incidents.errors import HowdahError, NotAStore, StoreBusy, StoreError, StoreReadOnly
from incidents.store import place, room
from incidents.store.database import DiskFull, Value

BUSY_MS = 5_000  # waits of SQLite itself: another process recovers the log, or a foreign tool has the file
READ_ONLY = apsw.SQLITE_OPEN_READONLY


class Connection:
    """One SQLite connection with our settings; its errors are ours."""

    def __init__(self, path: str, *, flags: int = apsw.SQLITE_OPEN_READWRITE):
        self.path = path
        self.wal_pages = 0
        try:
            self._db = apsw.Connection(path, flags=flags, statementcachesize=60)
            self._db.set_busy_timeout(BUSY_MS)
        except apsw.Error as error:
            raise _translated(error, path) from error

    def settle(self) -> None:
        """The settings of every connection; the file is known to be a store."""
        self._control(apsw.SQLITE_FCNTL_CHUNK_SIZE, "i", room.CHUNK_BYTES)
        self._control(apsw.SQLITE_FCNTL_PERSIST_WAL, "i", 1)
        self.script(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
            " PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA wal_autocheckpoint = 0"
        )
        self._db.set_wal_hook(self._committed)

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise _translated(error, self.path, self._db.system_errno) from error
        except UnicodeDecodeError as error:
            raise damaged(self.path, str(error)) from None

    def do(self, sql: str, values: Sequence[Value] = ()) -> None:
        try:
            self._db.execute(sql, values)
        except apsw.Error as error:
            raise _translated(error, self.path, self._db.system_errno) from error

    def script(self, sql: str) -> None:
        self.run(sql)

    def allocate(self, size: int) -> None:
        try:
            self._control(apsw.SQLITE_FCNTL_SIZE_HINT, "q", size)
        except (
            apsw.FullError,
            apsw.IOError,
        ) as error:  # its errno is not kept; a failing disk shows at the next write
            raise DiskFull(str(error)) from None

    def rollback(self) -> None:
        if self._db.in_transaction:
            with contextlib.suppress(apsw.Error):  # a full disk has rolled it back already
                self._db.execute("ROLLBACK")

    def checkpoint(self, mode: str = "PASSIVE") -> bool:
        [(busy, pages, copied)] = self.run(f"PRAGMA wal_checkpoint({mode})")
        return not busy and pages == copied

    def limit_wal(self, size: int | None) -> None:
        self.run(f"PRAGMA journal_size_limit = {-1 if size is None else size}")

    def copy_to(self, path: str) -> None:
        """Write what is committed at this moment into the new database `path`: one file, without a log."""
        try:
            with contextlib.closing(apsw.Connection(path)) as target:
                with target.backup("main", self._db, "main") as backup:
                    backup.step(-1)
                target.execute("PRAGMA journal_mode = DELETE")
        except apsw.Error as error:
            raise _translated(error, path) from error

    def close(self) -> None:
        with contextlib.suppress(DiskFull, HowdahError):
            self.limit_wal(None)  # with a limit the last one to close would empty the log
        self._db.close()

    def _control(self, operation: int, kind: str, value: int) -> None:
        cell = array.array(kind, [value])
        self._db.file_control("main", operation, cell.buffer_info()[0])

    def _committed(self, _db: object, _name: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK


def _translated(error: apsw.Error, path: str, errno: int = 0) -> Exception:
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and errno in place.NO_ROOM):
        return DiskFull(str(error))
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreBusy(
            f"another program has held {path} for {BUSY_MS // 1000} s", hint="close it, then repeat"
        )
    if isinstance(error, apsw.NotADBError):
        return NotAStore(f"{path} is not a howdah store", hint="give --store FILE with another name")
    if isinstance(error, apsw.CorruptError):
        return damaged(path, str(error))
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError):
        return StoreReadOnly(
            f"{path} cannot be opened for writing: {error}",
            hint="look at the permissions of it, of its -wal and -shm and of its folder, or give --store FILE",
        )
    return StoreError(
        f"{path} cannot be used: {error}",
        hint="look at its disk (dmesg); `howdah verify` looks at the record",
    )


def damaged(path: str, why: str) -> StoreError:
    return StoreError(f"{path} is damaged: {why}", hint="`howdah verify` says where; restore a backup")
