"""The embedded store: one SQLite file and what lies beside it.

One connection writes, under the store's lock; another reads, so that no
reader sees what is not committed. While this process has the store open nothing but SQLite opens and closes the file
or its -shm (`anchor` holds one open): POSIX locks of a process go when any descriptor of the file is closed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from incidents import clock
from incidents.errors import StoreError, StoreGone
from incidents.events import Draft, Event, Evidence
from incidents.store import anchor, creation, derived, erase, migrate, place, room
from incidents.store.anchor import Anchor
from incidents.store.append import Cursor, Group
from incidents.store.blobs import Blobs
from incidents.store.connection import READ_ONLY, Connection
from incidents.store.database import DiskFull, Value
from incidents.store.flock import Door
from incidents.store.news import News
from incidents.store.protocol import BackupRow
from incidents.store.reading import Reading
from incidents.store.upkeep import Caretaker
from incidents.store.writer import Writer

POLL = clock.SECOND // 10

T = TypeVar("T")


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
        self._file = place.identity(path)
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
                    self._check_there()
                    connection = Connection(self.path)
                    connection.settle()
                    caretaker = Caretaker(connection, self._room, self._news.tell)
                    self._writing = connection, Writer(connection, self._door, caretaker, self._check_there)
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

    def forget_blobs(self, digests: Sequence[str]) -> None:
        for digest in digests:
            self.blobs.destroy(digest)

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

    def bring_up_to_date(self) -> None:
        """Bring an older file to the present schema. Called once, before the store is used."""

        def make(db: Connection) -> None:
            if not migrate.is_current(db):
                migrate.migrate(db)

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

    def _check_there(self) -> None:
        """What is written into a file that has lost its name is kept by nobody. Raises StoreGone."""
        if place.identity(self.path) != self._file:
            raise StoreGone(
                f"the store {self.path} was moved, removed or replaced while it was in use: nothing is recorded",
                hint="put it back, then start this program again",
            )

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
        self._connection = Connection(path, flags=READ_ONLY)

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
    exists = place.check_file(path) and os.stat(path).st_size > 0
    if not exists and not create:
        raise StoreError(f"there is no store {path}", hint="`howdah declare` makes one, or give --store FILE")
    modes = place.modes(path)
    try:
        if not exists:
            creation.create(path, modes, notice)
        return _opened(path, modes, notice)
    except DiskFull:
        raise room.not_durable(path) from None
    except OSError as error:
        if error.errno in place.NO_ROOM:
            raise room.not_durable(path) from None
        raise StoreError(f"the store {path} cannot be used: {error.strerror}") from None


def _opened(path: str, modes: place.Modes, notice: Callable[[str], None]) -> EmbeddedStore:
    held = anchor.hold(path + "-shm")
    reader = None
    try:
        reader = Connection(path)
        current = migrate.is_current(reader)  # before anything is written beside a file that is no store
        if held is None:
            reader.settle()  # else its end would take the log away
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
            store.bring_up_to_date()
        except BaseException:
            store.close()
            raise
    return store
