"""Evidence that is old enough goes: what steps printed and what people attached, of incidents that have ended.

The record says first which blobs go, then they are destroyed, so that a crash in between leaves nothing unexplained
and `verify` accepts what is missing. Headers, texts and chains stay; so do the texts of runbooks, which a run needs to
be shown and undone. A blob that an event names which stays (an open incident, a younger one) stays as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import timeline

if TYPE_CHECKING:
    from incidents.events import Draft
    from incidents.store.protocol import Store

STREAM = "system"
PART = 1000  # blobs that one event names
KEPT_KINDS = ("run.started",)  # whose evidence is never dropped


class Old(NamedTuple):
    """What may go: digest -> bytes, from so many incidents."""

    blobs: dict[str, int]
    incidents: int

    @property
    def bytes(self) -> int:
        return sum(self.blobs.values())


def old(store: Store, before: int, *, drills_only: bool = False) -> Old:
    """The evidence of incidents that ended before this instant (µs). Raises StoreError."""
    found: dict[str, int] = {}
    kept: set[str] = set()
    gone = 0
    present = set(store.blob_names())
    open_runs = {row.stream for row in store.runs(open_only=True)}
    for row in store.incidents(limit=1_000_000):
        events = list(store.events(row.name))
        last = events[-1].recorded_at if events else before
        goes = not row.open and last < before and row.name not in open_runs
        goes = goes and (row.mode == "drill" or not drills_only)
        mine = {e.sha256: e.size for one in events if one.kind not in KEPT_KINDS for e in one.evidence}
        kept |= {e.sha256 for one in events if one.kind in KEPT_KINDS or not goes for e in one.evidence}
        if goes:
            fresh = {digest: size for digest, size in mine.items() if digest in present}
            found.update(fresh)
            gone += bool(fresh)
    return Old({digest: size for digest, size in sorted(found.items()) if digest not in kept}, gone)


def drop(store: Store, what: Old, draft: Callable[[dict[str, Any]], Draft]) -> int:
    """Records what goes and destroys it; returns the bytes. May be repeated. Raises StoreError."""
    for part in _parts(list(what.blobs)):
        size = sum(what.blobs[digest] for digest in part)
        timeline.record(store, draft({"blobs": part, "bytes": size}))
        store.forget_blobs(part)
    return what.bytes


def _parts(digests: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(digests), PART):
        yield list(digests[start : start + PART])
