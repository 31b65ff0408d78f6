"""What verify looks at in the embedded store: its rows as they lie there, and the derived rows made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from incidents import events
from incidents.errors import StoreError
from incidents.store import derived, rows
from incidents.store.database import Database, Value
from incidents.store.protocol import Stored, Unreadable

Query = Callable[[str, Sequence[Value]], list[tuple[Any, ...]]]

_TABLES = {  # derived table -> its key columns first
    "incidents": "name, number, title, severity, status, mode, opened_at, by_run",
    "runs": "run, stream, runbook, status, started_at, by, locks",
    "locks": "name, run, stream, since, by",
    "evidence": "sha256, pos",
}


def stored(query: Query, after_pos: int, limit: int) -> list[Stored | Unreadable]:
    """The rows after a position; where a page of them cannot be read, each by itself."""
    try:
        found = query(f"{rows.SELECT} WHERE pos > ? ORDER BY pos LIMIT ?", (after_pos, limit))
        return [_stored(row) for row in found]
    except (StoreError, ValueError):
        return _one_by_one(query, after_pos, limit)


def _one_by_one(query: Query, after_pos: int, limit: int) -> list[Stored | Unreadable]:
    result: list[Stored | Unreadable] = []
    for pos in range(after_pos + 1, min(after_pos + limit, _last_pos(query)) + 1):
        try:
            result += [_stored(row) for row in query(f"{rows.SELECT} WHERE pos = ?", (pos,))]
        except (StoreError, ValueError) as error:
            result.append(Unreadable(pos, str(error)))
    return result


def _last_pos(query: Query) -> int:
    last = 0
    for sql in ("SELECT pos FROM head", "SELECT max(pos) FROM events"):
        try:
            last = max(last, query(sql, ())[0][0] or 0)
        except (StoreError, ValueError):
            continue
    return last


def _stored(row: tuple[Any, ...]) -> Stored:
    pos, stream, seq, prev, hash = row[:5]
    salt, payload = row[-2:]
    return Stored(pos, stream, seq, prev, hash, rows.header(row), salt, payload)


def own_check(query: Query) -> list[str]:
    """SQLite's own check of the file: pages, order, indexes, types."""
    try:
        return [text for (text,) in query("PRAGMA integrity_check(20)", ()) if text != "ok"]
    except (StoreError, ValueError) as error:
        return [str(error)]


def differences(query: Query, scratch: Database, limit: int) -> list[tuple[str, str]]:
    """Derived rows of the store that `scratch`, an empty database with our schema, does not make of its events."""
    after = 0
    while page := stored(query, after, limit):
        after = page[-1].pos
        for row in page:
            event = _event(row)
            if event is not None and derived.touches(event):
                derived.apply(scratch, event)
    found: list[tuple[str, str]] = []
    for table, columns in _TABLES.items():
        found += _compare(table, columns, query, scratch)
    return found


def _event(row: Stored | Unreadable) -> events.Event | None:
    if isinstance(row, Unreadable):
        return None
    try:
        return events.opened(
            row.header, row.payload, stream=row.stream, seq=row.seq, pos=row.pos, prev="", hash=""
        )
    except (ValueError, TypeError, AttributeError):
        return None  # verify has named it


def _compare(table: str, columns: str, query: Query, scratch: Database) -> list[tuple[str, str]]:
    sql = f"SELECT {columns} FROM {table}"
    try:
        kept = set(query(sql, ()))
    except (StoreError, ValueError) as error:
        return [(table, f"cannot be read: {error}")]
    made = set(scratch.run(sql))
    keys = 2 if table == "evidence" else 1
    names = {" ".join(map(str, row[:keys])) for row in kept ^ made}
    return [(f"{table} {name}", "is not what the events make") for name in sorted(names)]
