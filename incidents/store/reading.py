"""What can be read from the embedded store's tables: of an open store, and of a backup as it lies there."""

from __future__ import annotations

import abc
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from incidents.errors import StoreError
from incidents.events import Event
from incidents.store import audit, rows
from incidents.store.blobs import Blobs
from incidents.store.database import Database, Value
from incidents.store.protocol import BackupRow, Head, IncidentRow, LockRow, RunRow, Stored, Unreadable

PAGE = 1000  # rows of one fetch


class Reading(abc.ABC):
    """The reading half of `incidents.store.protocol.Store`. See there for what each method promises."""

    blobs: Blobs

    @abc.abstractmethod
    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """The rows of one query, of what is committed; no transaction stays open."""

    @abc.abstractmethod
    def scratch(self) -> Database:
        """An empty database with our schema, gone with its last use."""

    def read(self, stream: str, *, after: int = 0, limit: int = PAGE) -> list[Event]:
        sql = f"{rows.SELECT} WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?"
        return self._events(self.rows(sql, (stream, after, min(limit, PAGE))))

    def _events(self, found: list[tuple[Any, ...]]) -> list[Event]:
        try:
            return [rows.event(row) for row in found]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"the record holds an event that cannot be read: {error}",
                hint="`howdah verify` says which; restore a backup",
            ) from None

    def events(self, stream: str) -> Iterator[Event]:
        after = 0
        while page := self.read(stream, after=after):
            yield from page
            after = page[-1].seq

    def tail(self, after_pos: int, *, limit: int = PAGE, stream: str | None = None) -> list[Event]:
        if stream is None:
            sql = f"{rows.SELECT} WHERE pos > ? ORDER BY pos LIMIT ?"
            found = self.rows(sql, (after_pos, min(limit, PAGE)))
        else:  # the stream's index holds pos too, and grows with it
            place = "SELECT pos FROM events WHERE stream = ? AND +pos > ? ORDER BY seq LIMIT ?"
            sql = f"{rows.SELECT} WHERE pos IN ({place}) ORDER BY pos"
            found = self.rows(sql, (stream, after_pos, min(limit, PAGE)))
        return self._events(found)

    def by_key(self, key: str) -> Event | None:
        found = self.rows(f"{rows.SELECT} WHERE key = ?", (key,))
        if not found and _UUID.fullmatch(key):  # an event without a key of its own; rare, so without an index
            found = self.rows(f"{rows.SELECT} WHERE id = ? AND key IS NULL", (key,))
        return self._events(found)[0] if found else None

    def last_seq(self, stream: str) -> int:
        [(seq,)] = self.rows("SELECT max(seq) FROM events WHERE stream = ?", (stream,))
        return seq or 0

    def head(self) -> Head:
        [(pos, digest)] = self.rows("SELECT pos, hash FROM head")
        return Head(pos, digest.hex())

    def incidents(
        self, *, status: str | None = None, mode: str | None = None, limit: int = PAGE
    ) -> list[IncidentRow]:
        where = {None: "1", "open": _OPEN, "closed": f"NOT ({_OPEN})"}[status]
        sql = f"{_INCIDENT} WHERE {where} AND (?1 IS NULL OR mode = ?1) ORDER BY opened_at DESC, number DESC LIMIT ?2"
        return [IncidentRow(*row) for row in self.rows(sql, (mode, limit))]

    def incident(self, name: str) -> IncidentRow | None:
        found = self.rows(f"{_INCIDENT} WHERE name = ?", (name,))
        return IncidentRow(*found[0]) if found else None

    def runs(self, *, stream: str | None = None, open_only: bool = False) -> list[RunRow]:
        where = ["1"]
        if stream is not None:
            where.append("stream = ?1")
        if open_only:
            where.append("status <> 'ended'")
        sql = f"{_RUN} WHERE {' AND '.join(where)} ORDER BY started_at, run"
        return [_run_row(row) for row in self.rows(sql, () if stream is None else (stream,))]

    def run(self, run: str) -> RunRow | None:
        found = self.rows(f"{_RUN} WHERE run = ?", (run,))
        return _run_row(found[0]) if found else None

    def locks(self) -> list[LockRow]:
        found = self.rows("SELECT name, run, stream, since, by FROM locks ORDER BY name")
        return [LockRow(*row) for row in found]

    def backups(self) -> list[BackupRow]:
        return [BackupRow(*row) for row in self.rows("SELECT path, at, pos FROM backups ORDER BY at, path")]

    def cursor(self, consumer: str) -> int:
        found = self.rows("SELECT pos FROM cursors WHERE consumer = ?", (consumer,))
        return found[0][0] if found else 0

    # -- evidence

    def get_blob(self, sha256: str) -> bytes:
        return self.blobs.get(sha256)

    def blob_path(self, sha256: str) -> str:
        return self.blobs.path(sha256)

    # -- for verify

    def stored(self, after_pos: int) -> list[Stored | Unreadable]:
        return audit.stored(self.rows, after_pos, PAGE)

    def own_check(self) -> list[str]:
        return audit.own_check(self.rows)

    def derived_differences(self) -> list[tuple[str, str]]:
        return audit.differences(self.rows, self.scratch(), PAGE)

    def blob_names(self) -> list[str]:
        return list(self.blobs.names())


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OPEN = "status NOT IN ('resolved', 'cancelled')"
_INCIDENT = (
    "SELECT name, title, severity, status, mode, opened_at,"
    " (SELECT at FROM events WHERE stream = name ORDER BY seq DESC LIMIT 1), by_run FROM incidents"
)
_RUN = "SELECT run, stream, runbook, status, started_at, by, locks FROM runs"


def _run_row(row: tuple[Any, ...]) -> RunRow:
    run, stream, runbook, status, started_at, by, locks = row
    return RunRow(run, stream, runbook, status, started_at, by, json.loads(locks))
