"""What a store promises, whichever database holds it.

Every store: keeps the drafts of one `append` all or none, durably before it returns; numbers each stream without
gaps and the whole record by position; gives back the stored event for a key it knows; keeps the derived rows
(incidents, runs, locks) in the event's own transaction. `tests/conformance/test_store.py` is this contract.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from incidents.errors import KeyConflict, LockHeld, Refused
from incidents.events import Draft, Event, Evidence, Header


class Head(NamedTuple):
    """The last position and the running hash (hex) over all events; as text `POS:HASH`."""

    pos: int
    hash: str

    def __str__(self) -> str:
        return f"{self.pos}:{self.hash}"


class Stored(NamedTuple):
    """An event as it lies in the database: what verify looks at."""

    pos: int
    stream: str
    seq: int
    prev: bytes
    hash: bytes
    header: Header
    salt: bytes | None
    payload: bytes | None


class Unreadable(NamedTuple):
    """A row of the database that cannot be read as an event."""

    pos: int
    why: str


class IncidentRow(NamedTuple):
    """`opened_at` and `last_at` (µs) as recorded: corrections are in the fold."""

    name: str
    title: str
    severity: str
    status: str
    mode: str
    opened_at: int
    last_at: int
    by_run: str | None

    @property
    def open(self) -> bool:
        return self.status not in ("resolved", "cancelled")


class RunRow(NamedTuple):
    """`status` is running, parked, paused or ended."""

    run: str
    stream: str
    runbook: str
    status: str
    started_at: int
    by: str
    locks: list[str]


class LockRow(NamedTuple):
    name: str
    run: str
    stream: str
    since: int
    by: str


class BackupRow(NamedTuple):
    """A backup made of this store: what was redacted after `pos` is still in it."""

    path: str
    at: int
    pos: int


class StreamMoved(Refused):
    """The stream has moved on since it was read."""

    code = "stream_moved"


class KeyUsed(KeyConflict):
    """`event` is what the key was used for before."""

    def __init__(self, message: str, event: Event):
        self.event = event
        super().__init__(message, hint="another event needs another key")


class LockTaken(LockHeld):
    """`lock` says which run holds it, since when, and who started that run."""

    def __init__(self, message: str, lock: LockRow):
        self.lock = lock
        import shlex

        free = f"howdah unlock {shlex.quote(lock.name)} --why TEXT"
        super().__init__(message, hint=f"wait for {lock.run}, or end it, or free the lock: {free}")


class Store(Protocol):
    """One record. Safe to use from many threads; not across a fork."""

    @property
    def path(self) -> str: ...

    @property
    def blobs_dir(self) -> str: ...

    @property
    def runs_dir(self) -> str: ...

    def append(self, drafts: Sequence[Draft], *, expect: Mapping[str, int] | None = None) -> list[Event]:
        """Record all of `drafts` or none; durable when it returns.

        `expect` maps streams to the last seq on which the decision stands. Raises StreamMoved, KeyConflict,
        LockHeld, IllegalTransition, BadInput, StoreBusy, NotDurable; then nothing was written.
        """
        ...

    def redact(self, draft: Draft) -> Event:
        """Record a `redaction` and destroy what its data names, in the database, its log and the files."""
        ...

    def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """The events of a stream after seq `after`, in order."""
        ...

    def events(self, stream: str) -> Iterator[Event]:
        """All events of a stream, read in pages; no transaction stays open between them."""
        ...

    def tail(self, after_pos: int, *, limit: int = 1000, stream: str | None = None) -> list[Event]:
        """The events after a position, in the order in which they were recorded."""
        ...

    def by_key(self, key: str) -> Event | None: ...

    def last_seq(self, stream: str) -> int:
        """The seq of the stream's last event, 0 when it has none."""
        ...

    def head(self) -> Head: ...

    def changed(self) -> bool:
        """Whether anything was recorded since this thread asked last."""
        ...

    def wait_news(self, timeout: int) -> bool:
        """Wait at most `timeout` µs for `changed`."""
        ...

    def incidents(
        self, *, status: str | None = None, mode: str | None = None, limit: int = 1000
    ) -> list[IncidentRow]:
        """Newest first; `status` is open, closed or None for both."""
        ...

    def incident(self, name: str) -> IncidentRow | None: ...

    def runs(self, *, stream: str | None = None, open_only: bool = False) -> list[RunRow]:
        """Oldest first."""
        ...

    def run(self, run: str) -> RunRow | None: ...

    def locks(self) -> list[LockRow]: ...

    def backups(self) -> list[BackupRow]: ...

    def cursor(self, consumer: str) -> int:
        """The position up to which `consumer` has handled the record, 0 at first."""
        ...

    def set_cursor(self, consumer: str, pos: int) -> None: ...

    def put_blob(self, data: bytes, *, media_type: str, name: str) -> Evidence:
        """Keep `data` beside the record, durably, before an event names it. Raises NotDurable."""
        ...

    def adopt_blob(self, path: str, *, media_type: str, name: str) -> Evidence:
        """Keep the file `path` by renaming it: same filesystem, never a copy. Raises NotDurable."""
        ...

    def get_blob(self, sha256: str) -> bytes:
        """Raises NotFound."""
        ...

    def blob_path(self, sha256: str) -> str: ...

    def forget_blobs(self, digests: Sequence[str]) -> None:
        """Destroy the content of these blobs; one that is not there is no error. An event says so before."""
        ...

    def ready_for(self, nbytes: int) -> None:
        """Raises NotDurable while an outcome of `nbytes` might not fit."""
        ...

    # -- for verify and backup

    def copy_to(self, path: str) -> None:
        """Copy the database, as it is at one moment, into the new file `path`. Raises NotDurable."""
        ...

    def note_backup(self, row: BackupRow) -> None: ...

    def stored(self, after_pos: int) -> list[Stored | Unreadable]:
        """At most 1,000 rows after a position, damaged ones too."""
        ...

    def own_check(self) -> list[str]:
        """What the database's own check says is wrong."""
        ...

    def derived_differences(self) -> list[tuple[str, str]]:
        """Derived rows that are not what the events make: `TABLE KEY` and what is wrong."""
        ...

    def blob_names(self) -> list[str]:
        """The digests that the store has files for."""
        ...

    def repair(self, destroyed_blobs: Sequence[str]) -> None:
        """Make the derived rows again, and destroy blobs that a redaction names."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Store: ...

    def __exit__(self, *_: object) -> None: ...
