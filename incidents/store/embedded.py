"""The embedded store: one SQLite file, through apsw, which brings its own SQLite.

The standard library's may be older than 3.51.3 and then corrupts a file that two connections write in WAL mode
(sqlite.org, release notes of 3.51.3). One connection writes, under the store's lock; another reads, so that no
reader sees what is not committed. While this process has the store open nothing but SQLite opens and closes the file
or its -shm (`anchor` holds one open): POSIX locks of a process go when any descriptor of the file is closed.
"""

from __future__ import annotations

import array
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import apsw

from incidents import clock
from incidents.errors import HowdahError, NotAStore, StoreBusy, StoreError, StoreReadOnly
from incidents.events import Draft, Event, Evidence
from incidents.store import anchor, derived, erase, migrate, place, room
from incidents.store.anchor import Anchor
from incidents.store.append import Cursor, Group
from incidents.store.blobs import Blobs
from incidents.store.database import DiskFull, Value
from incidents.store.flock import Door
from incidents.store.news import News
from incidents.store.protocol import BackupRow
from incidents.store.reading import Reading
from incidents.store.upkeep import Caretaker
from incidents.store.writer import Writer

BUSY_MS = 5_000  # waits of SQLite itself: another process recovers the log, or a foreign tool has the file
POLL = clock.SECOND // 10

T = TypeVar("T")


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
        return StoreError(f"{path} is damaged: {error}", hint="`howdah verify` says where; restore a backup")
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError):
        return StoreReadOnly(f"{path} cannot be opened for writing: {error}")
    return StoreError(f"{path} cannot be used: {error}")


class EmbeddedStore(Reading):
    """`incidents.store.protocol.Store` on one file. See there for what each method promises."""

    def __init__(self, path: str, modes: place.Modes, reader: Connection, held: Anchor | None, door: Door):
        self.path = path
        self.blobs_dir = path + ".blobs"
        self.runs_dir = path + ".runs"
        self.modes = modes
        self.blobs = Blobs(self.blobs_dir, modes)
        self._room = room.Room(path, modes)
        self._door = door
        self._reader = reader
        self._anchor = held
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._writing: tuple[Connection, Writer] | None = None
        self._news = News()
        self._pid = os.getpid()
        self._closed = False
        _LIVE.add(self)

    # -- writing

    def append(self, drafts: Sequence[Draft], *, expect: Mapping[str, int] | None = None) -> list[Event]:
        if not drafts:
            return []
        group = Group(drafts, expect)
        self._submit(group)
        return group.result()

    def set_cursor(self, consumer: str, pos: int) -> None:
        self._submit(Cursor(consumer, pos))

    def redact(self, draft: Draft) -> Event:
        event = self.exclusively(lambda db: erase.redact(db, draft, self.blobs, self.runs_dir))
        self._news.tell()
        return event

    def exclusively(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on the writing connection while nobody else writes. Raises StoreBusy, NotDurable."""
        connection, writer = self._writer()
        try:
            return writer.exclusively(lambda: work(connection))
        except DiskFull:
            raise room.not_durable(self.path) from None

    def _submit(self, wish: Group | Cursor) -> None:
        self._writer()[1].submit(wish)

    def _writer(self) -> tuple[Connection, Writer]:
        self._check_usable()
        if self._writing is None:
            with self._write_lock:
                if self._writing is None:
                    connection = Connection(self.path)
                    connection.settle()
                    caretaker = Caretaker(connection, self._room, self._news.tell)
                    self._writing = connection, Writer(connection, self._door, caretaker)
        return self._writing

    # -- news and other readings

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        self._check_usable()
        try:
            with self._read_lock:
                return self._reader.run(sql, values)
        except DiskFull:
            raise room.not_durable(self.path) from None

    def scratch(self) -> Connection:
        return _scratch()

    def changed(self) -> bool:
        [(version,)] = self.rows("PRAGMA data_version")
        return self._news.look(version)

    def wait_news(self, timeout: int) -> bool:
        until = clock.monotonic() + timeout
        while not self.changed():
            rest = until - clock.monotonic()
            if rest <= 0:
                return False
            self._news.wait(min(rest, POLL))
        return True

    # -- evidence

    def put_blob(self, data: bytes, *, media_type: str, name: str) -> Evidence:
        return self.blobs.put(data, media_type=media_type, name=name)

    def adopt_blob(self, path: str, *, media_type: str, name: str) -> Evidence:
        return self.blobs.adopt(path, media_type=media_type, name=name)

    # -- for verify and backup

    def copy_to(self, path: str) -> None:
        """Copy the database, online, into the new file `path`. Raises NotDurable."""
        self._check_usable()
        try:
            with contextlib.closing(Connection(self.path)) as source:
                source.settle()
                source.copy_to(path)
        except DiskFull:
            raise room.not_durable(path) from None

    def note_backup(self, row: BackupRow) -> None:
        self.exclusively(lambda db: db.run("INSERT INTO backups VALUES (?, ?, ?)", row))

    def repair(self, destroyed_blobs: Sequence[str]) -> None:
        def make(db: Connection) -> None:
            db.run("BEGIN IMMEDIATE")
            derived.rebuild(db)
            db.run("COMMIT")

        self.exclusively(make)
        for digest in destroyed_blobs:
            self.blobs.destroy(digest)

    # -- its life

    def ready_for(self, nbytes: int) -> None:
        [(free,)] = self.rows("PRAGMA freelist_count")
        if not self._room.fits(nbytes, free):
            raise room.not_durable(self.path)

    def prepare(self) -> None:
        """Bring a new or older file to the present schema. Called once, before the store is used."""

        def make(db: Connection) -> None:
            if not migrate.is_current(db):
                migrate.migrate(db)
                Caretaker(db, self._room, self._news.tell).prepare()

        self.exclusively(make)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        _LIVE.discard(self)
        if os.getpid() != self._pid:
            return
        with self._read_lock, self._write_lock:
            if self._writing is not None:
                self._writing[0].close()
            self._reader.close()
            self._door.close()
            if self._anchor is not None:
                self._anchor.let_go()

    def __enter__(self) -> EmbeddedStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError("this store was opened before a fork", hint="open it again in the child process")
        if self._closed:
            raise StoreError("this store is closed")


class Backup(Reading):
    """The database of a backup, only read: nothing is written into it or beside it."""

    def __init__(self, path: str):
        self.path = path
        self.blobs = Blobs(path + ".blobs", place.modes(path))
        self._connection = Connection(path, flags=apsw.SQLITE_OPEN_READONLY)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        return self._connection.run(sql, values)

    def scratch(self) -> Connection:
        return _scratch()

    def close(self) -> None:
        self._connection.close()


def _scratch() -> Connection:
    scratch = Connection(":memory:")
    migrate.migrate(scratch)
    return scratch


_LIVE: weakref.WeakSet[EmbeddedStore] = weakref.WeakSet()
_ABANDONED: list[EmbeddedStore] = []  # in a forked child: closing them there could touch the parent's files


def _after_fork() -> None:
    for store in list(_LIVE):
        store._door.forget()
        _ABANDONED.append(store)
    _LIVE.clear()


os.register_at_fork(after_in_child=_after_fork)


def open_embedded(path: str, *, create: bool, notice: Callable[[str], None]) -> EmbeddedStore:
    """The store in the file `path` (real, local). Raises StoreError."""
    exists = place.check_file(path)
    if not exists and not create:
        raise StoreError(f"there is no store {path}", hint="`howdah declare` makes one, or give --store FILE")
    modes = place.modes(path)
    try:
        if not exists:
            place.create_file(path, modes)
        return _opened(path, modes, notice)
    except DiskFull:
        raise room.not_durable(path) from None
    except OSError as error:
        raise StoreError(f"the store {path} cannot be used: {error.strerror}") from None


def _opened(path: str, modes: place.Modes, notice: Callable[[str], None]) -> EmbeddedStore:
    held = anchor.hold(path + "-shm")
    reader = None
    try:
        reader = Connection(path)
        current = migrate.is_current(reader)  # before anything is written beside a file that is no store
        if held is None:
            reader.close()
            place.create_file(path + "-shm", modes)
            held = anchor.hold(path + "-shm")
            reader = Connection(path)
        reader.settle()
        store = EmbeddedStore(path, modes, reader, held, Door(path + ".lock", modes, notice))
    except BaseException:
        if reader is not None:
            reader.close()
        if held is not None:
            held.let_go()
        raise
    if not current:
        try:
            store.prepare()
        except BaseException:
            store.close()
            raise
    return store
