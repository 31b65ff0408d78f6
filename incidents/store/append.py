"""One transaction of the embedded store: groups of drafts get their places, their rows and their derived rows.

Everything that can refuse a group is asked before anything of it is written, so a refused group leaves its
neighbours in the same commit untouched. Event rows are written last, many with one statement.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from incidents import events
from incidents.errors import BadInput
from incidents.events import NEW_INCIDENT, Draft, Event, Sealed
from incidents.store import derived, rows
from incidents.store.database import Database
from incidents.store.protocol import KeyUsed, StreamMoved

GROUP_BYTES = 1024 * 1024  # the largest group, and about the largest commit
_CHUNKS = (64, 16, 4, 1)  # event rows per statement
_INSERTS = {count: rows.insert(count) for count in _CHUNKS}
_TAILS_KEPT = 4096
RECENT = 100_000  # a commit whose outcome is unknown is looked for among so many last events


class Group:
    """The drafts of one `append`, sealed by the thread that calls it; then their events, or the refusal."""

    __slots__ = ("expect", "placed", "plain", "repeated", "sealed", "size")

    def __init__(self, drafts: Sequence[Draft], expect: Mapping[str, int] | None):
        self.sealed = [events.seal(draft) for draft in drafts]
        self.expect = expect
        self.size = sum(one.size for one in self.sealed)
        self.placed: list[tuple[Any, ...] | Event] = []  # new rows, and events that were stored before
        self.repeated = False
        self.plain = not any(_needs_a_look(draft) for draft in drafts)
        if self.size > GROUP_BYTES:
            raise BadInput(f"{len(drafts)} events of {self.size} bytes are too many for one commit")
        if len(drafts) > 1 and _same_key_twice(drafts):
            raise BadInput("two events of one group have the same key")

    def result(self) -> list[Event]:
        """The events, in the order of the drafts; called by the thread that wanted them."""
        return [
            one if isinstance(one, Event) else rows.placed(sealed, one)
            for sealed, one in zip(self.sealed, self.placed, strict=True)
        ]

    def again(self) -> None:
        """Nobody knows whether an earlier commit of this group took place: look for its events by their ids."""
        self.repeated = True
        self.plain = False

    def apply(self, transaction: Transaction) -> None:
        transaction.add(self)


def _needs_a_look(draft: Draft) -> bool:
    """Whether the database must be asked about the draft before it is placed."""
    return draft.key is not None or draft.stream == NEW_INCIDENT or derived.touches(draft)


def _same_key_twice(drafts: Sequence[Draft]) -> bool:
    keys = [draft.key for draft in drafts if draft.key is not None]
    return len(set(keys)) < len(keys)


class Appender:
    """Places groups. Used by one thread at a time, which holds the store's lock."""

    def __init__(self, db: Database):
        self._db = db
        self._known = (-1, b"")  # the head after our last commit: while it stands, the tails below do too
        self._tails: dict[str, tuple[int, bytes]] = {}

    def begin(self) -> Transaction:
        try:
            [(pos, head)] = self._db.run("BEGIN IMMEDIATE; SELECT pos, hash FROM head")
        except BaseException:
            self.rollback()
            raise
        if (pos, head) != self._known or len(self._tails) > _TAILS_KEPT:
            self._tails.clear()
        return Transaction(self._db, pos, head, self._tails)

    def commit(self, transaction: Transaction) -> None:
        """Raises DiskFull, StoreError; then nothing of the transaction was written."""
        try:
            transaction.flush()
            moved = (transaction.pos, transaction.head)
            self._db.do("UPDATE head SET pos = ?, hash = ?; COMMIT", moved)
        except BaseException:
            self.rollback()
            raise
        self._known = moved

    def rollback(self) -> None:
        self._known = (-1, b"")
        self._tails.clear()
        self._db.rollback()


class Transaction:
    """What the open transaction has placed so far: its rows wait for `flush`."""

    def __init__(self, db: Database, pos: int, head: bytes, tails: dict[str, tuple[int, bytes]]):
        self.db = db
        self.pos = pos
        self.head = head
        self._start = pos
        self._tails = tails
        self._waiting: list[tuple[Any, ...]] = []
        self._keys: dict[str, tuple[Any, ...]] = {}  # of waiting rows whose key somebody chose

    def add(self, group: Group) -> None:
        """Place all of `group`. Raises KeyConflict, StreamMoved, LockHeld, IllegalTransition: then none of it."""
        group.placed = []
        if group.plain:
            self._check_expected(group)
            group.placed = [self._place(sealed, "") for sealed in group.sealed]
            return
        known = [self._known_key(sealed, group.repeated) for sealed in group.sealed]
        if all(known):
            group.placed = [event for event in known if event is not None]
            return
        self._check_expected(group)
        incident = self._incident_for(group, known)
        if any(derived.touches(sealed.draft) for sealed in group.sealed):
            self._add_derived(group, known, incident)
        else:
            for sealed, event in zip(group.sealed, known, strict=True):
                group.placed.append(event or self._place(sealed, incident))

    def _check_expected(self, group: Group) -> None:
        for stream, seq in (group.expect or {}).items():
            if self._tail(stream)[0] != seq:
                raise StreamMoved(f"{stream} has moved on since it was read")

    def _add_derived(self, group: Group, known: list[Event | None], incident: str) -> None:
        """As `add`, where an event changes derived rows: a savepoint takes back those of a refused group."""
        before = (self.pos, self.head, dict(self._tails), len(self._waiting), dict(self._keys))
        self.db.run("SAVEPOINT one_group")
        try:
            for sealed, event in zip(group.sealed, known, strict=True):
                if event is not None:
                    group.placed.append(event)
                    continue
                row = self._place(sealed, incident)
                group.placed.append(row)
                if derived.touches(sealed.draft):
                    placed = rows.event(row)
                    derived.check(self.db, placed)
                    derived.apply(self.db, placed)
        except BaseException:
            self.db.run("ROLLBACK TO one_group")
            self.db.run("RELEASE one_group")
            self.pos, self.head, tails, count, self._keys = before
            self._tails.clear()
            self._tails.update(tails)
            del self._waiting[count:]
            raise
        self.db.run("RELEASE one_group")

    def flush(self) -> None:
        """Write the waiting rows."""
        waiting, self._waiting = self._waiting, []
        at = 0
        for count in _CHUNKS:
            while len(waiting) - at >= count:
                values: list[Any] = []
                for row in waiting[at : at + count]:
                    values += row
                self.db.do(_INSERTS[count], values)
                at += count

    def _place(self, sealed: Sealed, incident: str) -> tuple[Any, ...]:
        stream = sealed.draft.stream
        if stream == NEW_INCIDENT:
            stream = incident
        seq, prev = self._tail(stream)
        seq += 1
        text = sealed.frame.text(prev.hex(), seq, stream)
        digest = hashlib.sha256(text.encode()).digest()
        self.pos += 1
        self.head = events.next_head(self.head, self.pos, digest)
        self._tails[stream] = (seq, digest)
        row = rows.row(sealed, pos=self.pos, stream=stream, seq=seq, prev=prev, hash=digest)
        self._waiting.append(row)
        if sealed.draft.key is not None:
            self._keys[sealed.draft.key] = row
        return row

    def _tail(self, stream: str) -> tuple[int, bytes]:
        found = self._tails.get(stream)
        if found is None:
            stored = self.db.run(
                "SELECT seq, hash FROM events WHERE stream = ? ORDER BY seq DESC LIMIT 1", (stream,)
            )
            found = self._tails[stream] = stored[0] if stored else (0, bytes(32))
        return found

    def _incident_for(self, group: Group, known: list[Event | None]) -> str:
        """The incident of a group that declares one: the one of a repeated event, else the next."""
        wanted = [one for one in zip(group.sealed, known, strict=True) if one[0].draft.stream == NEW_INCIDENT]
        if not wanted:
            return ""
        for _, event in wanted:
            if event is not None:
                return event.stream
        [(last,)] = self.db.run("SELECT max(number) FROM incidents")
        number = (last or 0) + 1
        while self._tail(f"inc-{number}")[0]:
            number += 1
        return f"inc-{number}"

    def _known_key(self, sealed: Sealed, repeated: bool) -> Event | None:
        """The event that holds the draft's key, when it is the same event. Raises KeyConflict when it is not."""
        key = sealed.header.key
        if sealed.draft.key is None and not repeated:
            return None
        row = self._keys.get(key)
        if row is None:
            if sealed.draft.key is None:
                stored = self.db.run(f"{rows.SELECT} WHERE id = ? AND pos > ?", (key, self._start - RECENT))
            else:
                stored = self.db.run(f"{rows.SELECT} WHERE key = ?", (key,))
            if not stored:
                return None
            row = stored[0]
        event = rows.event(row, replayed=True)
        if not _same(sealed, event, row):
            raise KeyUsed(
                f"the key {key} was used before for {event.stream}#{event.seq} ({event.kind})", event
            )
        return event


def _same(sealed: Sealed, event: Event, row: tuple[Any, ...]) -> bool:
    draft = sealed.draft
    same_place = draft.stream in (event.stream, NEW_INCIDENT)
    if not same_place or (draft.kind, draft.actor.id) != (event.kind, event.actor.id):
        return False
    if event.redacted or event.v != sealed.header.v:
        return True
    salt, payload = row[-2:]
    if events.payload_digest(salt, sealed.payload).hex() == rows.header(row).payload:
        return True
    return _without_host(payload) == _without_host(sealed.payload)  # the machine may have been renamed


def _without_host(payload: bytes) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(payload)
    members.pop("host", None)
    return members


@dataclasses.dataclass(slots=True)
class Cursor:
    """A consumer's new position, committed with the groups of the moment."""

    consumer: str
    pos: int

    def again(self) -> None:
        pass

    def apply(self, transaction: Transaction) -> None:
        transaction.db.run(
            "INSERT INTO cursors VALUES (?, ?) ON CONFLICT DO UPDATE SET pos = excluded.pos",
            (self.consumer, self.pos),
        )
