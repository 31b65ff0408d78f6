"""Redaction in the embedded store: what is named is destroyed, in the database, in its log and in the files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Any

from incidents import clock
from incidents.errors import NotFound, Refused, StoreBusy
from incidents.events import Draft, Event
from incidents.store import derived, room, rows
from incidents.store.append import Appender, Group
from incidents.store.blobs import Blobs
from incidents.store.database import Database

_TRIES = 5


def redact(db: Database, draft: Draft, blobs: Blobs, runs_dir: str) -> Event:
    """Record the redaction `draft` and destroy what its `targets` hold; the caller holds the store's lock.

    The event is durable first and names all that goes with it, so that what a crash leaves is found by verify.
    Raises NotFound, Refused, StoreBusy where a reader kept old pages alive: then the command must be repeated.
    """
    appender = Appender(db)
    transaction = appender.begin()
    try:
        targets = [_target(db, draft.stream, seq) for seq in draft.data["targets"]]
        gone: dict[str, list[Any]] = {
            "targets": sorted(event.seq for event in targets),
            "blobs": _unneeded_blobs(db, targets),
            "runs": _run_files(runs_dir, targets),
        }
        group = Group([dataclasses.replace(draft, data=gone)], None)
        transaction.add(group)
        transaction.flush()
        for event in targets:
            db.run("UPDATE events SET salt = NULL, payload = NULL WHERE pos = ?", (event.pos,))
            db.run("DELETE FROM evidence WHERE pos = ?", (event.pos,))
        if any(derived.touches(event) for event in targets):
            derived.rebuild(db, draft.stream)
    except BaseException:
        appender.rollback()
        raise
    appender.commit(transaction)
    destroy_files(gone["blobs"], gone["runs"], blobs, runs_dir)
    scrub_log(db)
    return group.result()[0]


def destroy_files(digests: list[str], run_files: list[str], blobs: Blobs, runs_dir: str) -> None:
    for digest in digests:
        blobs.destroy(digest)
    for name in run_files:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(runs_dir, name))


def scrub_log(db: Database) -> None:
    """Zero the old pages in the write-ahead log. Raises StoreBusy while a reader needs them.

    The log is copied into the database whole, then one small commit starts it anew; what lies behind that commit
    belongs to nobody and is overwritten in place.
    """
    for _ in range(_TRIES):
        if not db.checkpoint("RESTART"):
            continue
        db.run("INSERT OR REPLACE INTO meta VALUES ('scrubbed_at', ?)", (clock.iso(clock.wall()),))
        if db.wal_pages < room.CHECKPOINT_PAGES // 8:
            room.zero_wal(db.path + "-wal", db.wal_pages)
            return
    raise StoreBusy(
        "the redaction is recorded, but a reader keeps the old pages of the store's log alive",
        hint="repeat the redaction when it has ended",
    )


def _target(db: Database, stream: str, seq: int) -> Event:
    found = db.run(f"{rows.SELECT} WHERE stream = ? AND seq = ?", (stream, seq))
    if not found:
        raise NotFound(f"{stream} has no entry {seq}")
    event = rows.event(found[0])
    if event.kind == "redaction":
        raise Refused(f"{stream}#{seq} is a redaction itself: it says what is missing, and stays")
    if event.run and db.run("SELECT 1 FROM runs WHERE run = ? AND status <> 'ended'", (event.run,)):
        raise Refused(
            f"{stream}#{seq} belongs to {event.run}, which has not ended and needs it",
            hint="end the run first",
        )
    return event


def _unneeded_blobs(db: Database, targets: list[Event]) -> list[str]:
    """The blobs of `targets` that no other event names."""
    places = {event.pos for event in targets}
    digests = {evidence.sha256 for event in targets for evidence in event.evidence}
    unneeded = []
    for digest in sorted(digests):
        users = {pos for (pos,) in db.run("SELECT pos FROM evidence WHERE sha256 = ?", (digest,))}
        if users <= places:
            unneeded.append(digest)
    return unneeded


def _run_files(runs_dir: str, targets: list[Event]) -> list[str]:
    """The output files of the attempts among `targets`, relative to the runs' folder."""
    found = []
    for event in targets:
        attempt = event.data.get("n")
        if event.run is None or "/" in event.run or attempt is None:
            continue
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = os.listdir(os.path.join(runs_dir, event.run))
            found += [f"{event.run}/{name}" for name in names if name.startswith(f"{attempt}.")]
    return sorted(set(found))
