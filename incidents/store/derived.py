"""The derived rows: what each event changes in them, and how they are made again from the events.

They exist to find candidates quickly and to refuse what must not happen twice (a lock, a run's name). Rows hold
nothing that the stream does not say; `rebuild` makes those of one stream again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from incidents import clock, lifecycle
from incidents.canonical import canonical
from incidents.errors import IllegalTransition
from incidents.events import Event
from incidents.store import rows
from incidents.store.database import Database, Value
from incidents.store.protocol import LockRow, LockTaken

Change = tuple[str, tuple[Value, ...]]

_RUN_STATUS = {
    "run.paused": "paused",
    "run.parked": "parked",
    "run.resumed": "running",
    "undo.started": "running",
    "run.ended": "ended",
}
KINDS = (
    *lifecycle.STATUS_AFTER,
    "incident.status",
    "incident.severity",
    "run.started",
    *_RUN_STATUS,
    "lock.released",
)


def check(db: Database, event: Event) -> None:
    """Raises LockHeld or IllegalTransition where the rows do not allow `event`."""
    if event.kind == "run.started":
        if event.run is None or db.run("SELECT 1 FROM runs WHERE run = ?", (event.run,)):
            raise IllegalTransition(f"a run named {event.run} was started before")
        _need_free(db, event.run, event.data.get("locks", []))
    elif event.kind in ("run.resumed", "undo.started"):
        if found := db.run("SELECT locks FROM runs WHERE run = ? AND status = 'ended'", (event.run,)):
            _need_free(db, event.run or "", _names(found[0][0]))
    elif event.kind == "lock.released":
        name, run = event.data.get("name", ""), event.data.get("run", "")
        if not db.run("SELECT 1 FROM locks WHERE name = ? AND run = ?", (name, run)):
            raise IllegalTransition(f"{run} does not hold the lock {name}")


def _need_free(db: Database, run: str, names: list[str]) -> None:
    for name in sorted(names):
        for row in db.run("SELECT name, run, stream, since, by FROM locks WHERE name = ?", (name,)):
            lock = LockRow(*row)
            if lock.run != run:
                since = clock.iso(lock.since, precision="seconds")
                raise LockTaken(f"{name} is locked by {lock.run} since {since} ({lock.by})", lock)


def _names(text: str) -> list[str]:
    names: list[str] = json.loads(text)
    return names


def changes(db: Database, event: Event) -> Iterator[Change]:
    """The statements that `event` adds to its transaction."""
    kind, data = event.kind, event.data
    for evidence in event.evidence:
        yield "INSERT OR IGNORE INTO evidence VALUES (?, ?)", (evidence.sha256, event.pos)
    if kind == "incident.declared":
        yield _declared(event)
    elif kind == "incident.severity":
        if "severity" in data:
            yield "UPDATE incidents SET severity = ? WHERE name = ?", (data["severity"], event.stream)
    elif status := lifecycle.status_after(kind, data):
        yield "UPDATE incidents SET status = ? WHERE name = ?", (status, event.stream)
    elif kind == "run.started":
        yield from _started(event)
    elif kind in _RUN_STATUS:
        yield from _run_changes(db, event)
    elif kind == "lock.released":
        yield "DELETE FROM locks WHERE name = ? AND run = ?", (data.get("name"), data.get("run"))


def _declared(event: Event) -> Change:
    number = event.stream.removeprefix("inc-")
    return (
        "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.stream,
            int(number) if number.isascii() and number.isdigit() and len(number) < 16 else None,
            event.data.get("title", ""),
            event.data.get("severity", ""),
            lifecycle.STATUS_AFTER[event.kind],
            event.mode,
            event.at,
            event.data.get("by_run"),
        ),
    )


def _started(event: Event) -> Iterator[Change]:
    names = sorted(set(event.data.get("locks", [])))
    yield (
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, 'running', ?, ?, ?)",
        (
            event.run,
            event.stream,
            event.data.get("runbook", ""),
            event.at,
            event.actor.id,
            canonical(names),
        ),
    )
    yield from _lock_rows(event, names)


def _lock_rows(event: Event, names: list[str]) -> Iterator[Change]:
    for name in names:
        yield (
            "INSERT OR IGNORE INTO locks VALUES (?, ?, ?, ?, ?)",
            (name, event.run, event.stream, event.recorded_at, event.actor.id),
        )


def _run_changes(db: Database, event: Event) -> Iterator[Change]:
    if event.kind in ("run.resumed", "undo.started"):
        for (locks,) in db.run("SELECT locks FROM runs WHERE run = ? AND status = 'ended'", (event.run,)):
            yield from _lock_rows(event, _names(locks))
    yield "UPDATE runs SET status = ? WHERE run = ?", (_RUN_STATUS[event.kind], event.run)
    if event.kind == "run.ended":
        yield "DELETE FROM locks WHERE run = ?", (event.run,)


def apply(db: Database, event: Event) -> None:
    for sql, values in changes(db, event):
        db.run(sql, values)


def rebuild(db: Database, stream: str | None = None) -> None:
    """Make the rows of one stream, or of all, again from its events, inside the caller's transaction."""
    where: str = "1" if stream is None else "stream = ?"
    values: tuple[Value, ...] = () if stream is None else (stream,)
    db.run(f"DELETE FROM evidence WHERE pos IN (SELECT pos FROM events WHERE {where})", values)
    db.run(f"DELETE FROM locks WHERE {where}", values)
    db.run(f"DELETE FROM runs WHERE {where}", values)
    db.run(f"DELETE FROM incidents WHERE {where.replace('stream', 'name')}", values)
    pos = 0
    while page := db.run(f"{rows.SELECT} WHERE {where} AND pos > ? ORDER BY pos LIMIT 1000", (*values, pos)):
        for row in page:
            event = rows.event(row)
            pos = event.pos
            if touches(event):
                apply(db, event)


def touches(event: Any) -> bool:
    """Whether an event or draft changes derived rows."""
    return bool(event.evidence) or event.kind in _KINDS


_KINDS = frozenset(KINDS)
