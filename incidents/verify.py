"""Is the record whole? Chains, digests, numbers, head, keys, evidence, derived rows.

It finds accident and careless editing, and names the event, the blob or the row. Against someone who rewrites the
file and its head only a head that was seen elsewhere helps: `expect`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from typing import Any, NamedTuple, Protocol

from incidents import events
from incidents.errors import BadInput
from incidents.store import open_store
from incidents.store.protocol import Head, Store, Stored, Unreadable


class Finding(NamedTuple):
    """`where` is `STREAM#SEQ`, `position N`, `blob SHA256`, `row TABLE KEY`, `head` or `database`."""

    where: str
    what: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (" (repaired)" if self.repaired else "")


@dataclasses.dataclass
class Report:
    """`head` is what the events make; `unnamed` are blobs that no event names (a crash came before their event)."""

    head: Head
    events: int = 0
    streams: int = 0
    redacted: int = 0
    blobs: int = 0
    findings: list[Finding] = dataclasses.field(default_factory=list)
    unnamed: list[str] = dataclasses.field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(finding.repaired for finding in self.findings)


class Record(Protocol):
    """What is verified: a store, or a backup."""

    def head(self) -> Head: ...

    def stored(self, after_pos: int) -> list[Stored | Unreadable]: ...

    def own_check(self) -> list[str]: ...

    def derived_differences(self) -> list[tuple[str, str]]: ...

    def blob_names(self) -> list[str]: ...

    def blob_path(self, sha256: str) -> str: ...


def verify(store: Store | str, *, repair: bool = False, expect: str | None = None) -> Report:
    """Look at everything. `repair` makes derived rows again and finishes redactions; damage stays as it is.

    `expect` is a head that was seen earlier, `POS:HASH`; 16 letters of the hash are enough. Raises BadInput for
    an `expect` that is none, StoreError where the store cannot be read at all.
    """
    seen = _parse_head(expect) if expect is not None else None
    if isinstance(store, str):
        with open_store(store, create=False) as opened:
            return _verify(opened, repair, seen)
    return _verify(store, repair, seen)


def _verify(store: Store, repair: bool, seen: Head | None) -> Report:
    scan = examine(store, seen)
    report = scan.report
    mendable = [finding for finding in report.findings if finding.where in scan.mendable]
    if repair and mendable:
        store.repair(sorted(scan.leftovers))
        again = examine(store, seen).report.findings
        mended = [finding for finding in mendable if finding not in again]
        report.findings = [one._replace(repaired=one in mended) for one in report.findings]
    return report


def _parse_head(text: str) -> Head:
    pos, colon, digest = text.strip().partition(":")
    digest = digest.lower()
    hexadecimal = all(letter in "0123456789abcdef" for letter in digest)
    if not (colon and pos.isascii() and pos.isdigit() and 16 <= len(digest) <= 64 and hexadecimal):
        raise BadInput(f"{text!r} is not a head", hint="POS:HASH, as `howdah verify` prints it")
    return Head(int(pos), digest)


def examine(record: Record, seen: Head | None = None) -> Scan:
    """All findings about `record`, nothing changed."""
    scan = Scan(seen)
    after = 0
    while rows := record.stored(after):
        for row in rows:
            scan.row(row)
        after = rows[-1].pos
    scan.end(record.head())
    scan.evidence(record)
    for where, what in record.derived_differences():
        scan.find(f"row {where}", what, mendable=True)
    for problem in record.own_check():
        scan.find("database", problem)
    return scan


class Scan:
    """One walk over the events in the order of their positions; it remembers what later rows must agree with."""

    def __init__(self, seen: Head | None):
        self.report = Report(Head(0, events.FIRST_HEAD.hex()))
        self.mendable: set[str] = set()
        self.leftovers: set[str] = set()  # blobs that a redaction destroyed and that are there
        self._seen = seen
        self._pos = 0
        self._head = events.FIRST_HEAD
        self._tails: dict[str, tuple[int, bytes]] = {}
        self._ids: set[bytes] = set()
        self._keys: set[str] = set()
        self._missing: set[tuple[str, int]] = set()  # events without a payload
        self._named: set[tuple[str, int]] = set()  # events that a redaction names
        self._blobs: dict[str, tuple[int, str]] = {}  # digest -> size and the event that names it
        self._destroyed: set[str] = set()
        self._expired: set[str] = set()

    def find(self, where: str, what: str, *, mendable: bool = False) -> None:
        self.report.findings.append(Finding(where, what))
        if mendable:
            self.mendable.add(where)

    def row(self, row: Stored | Unreadable) -> None:
        if row.pos != self._pos + 1:
            last = row.pos - 1
            self.find(
                f"position {self._pos + 1}" + (f" to {last}" if last > self._pos + 1 else ""), "missing"
            )
        self._pos = row.pos
        self.report.events += 1
        if isinstance(row, Unreadable):
            self.find(f"position {row.pos}", f"cannot be read: {row.why}")
            return
        self._head = events.next_head(self._head, row.pos, row.hash)
        if self._seen and self._seen.pos == row.pos and not self._head.hex().startswith(self._seen.hash):
            self.find("head", f"at position {row.pos} it was {self._seen.hash}, now it is {self._head.hex()}")
        where = f"{row.stream}#{row.seq}"
        self._check_place(where, row)
        self._check_header(where, row)
        self._check_payload(where, row)

    def _check_place(self, where: str, row: Stored) -> None:
        seq, hash = self._tails.get(row.stream, (0, bytes(32)))
        self._tails[row.stream] = (row.seq, row.hash)
        if row.seq != seq + 1:
            self.find(where, f"comes after {row.stream}#{seq}: what was between them is missing")
        elif row.prev != hash:
            self.find(where, f"does not follow {row.stream}#{seq}: one of the two was changed")

    def _check_header(self, where: str, row: Stored) -> None:
        try:
            text = events.header_text(row.header, prev=row.prev.hex(), seq=row.seq, stream=row.stream)
            if hashlib.sha256(text.encode()).digest() != row.hash:
                self.find(where, "its header is not what its hash says")
        except (TypeError, ValueError) as error:
            self.find(where, f"its header cannot be read: {error}")
        name = row.header.id.encode()
        if name in self._ids:
            self.find(where, f"its id {row.header.id} is that of another event")
        self._ids.add(name)
        if row.header.key != row.header.id:
            if row.header.key in self._keys:
                self.find(where, f"its key {row.header.key} is that of another event")
            self._keys.add(row.header.key)

    def _check_payload(self, where: str, row: Stored) -> None:
        if row.payload is None or row.salt is None:
            if row.payload is not row.salt:
                self.find(where, "its payload or its salt is missing")
            self._missing.add((row.stream, row.seq))
            return
        if events.payload_digest(row.salt, row.payload).hex() != row.header.payload:
            self.find(where, "its payload is not what its digest says")
            return
        try:
            self._note_names(where, row, json.loads(row.payload))
        except (ValueError, TypeError, KeyError) as error:
            self.find(where, f"its payload cannot be read: {error!r}")

    def _note_names(self, where: str, row: Stored, members: dict[str, Any]) -> None:
        for one in members.get("evidence", ()):
            self._blobs.setdefault(one["sha256"], (one["size"], where))
        if row.header.kind == "evidence.expired":
            self._expired |= set(members["data"]["blobs"])
        if row.header.kind == "redaction":
            self._named |= {(row.stream, seq) for seq in members["data"]["targets"]}
            self._destroyed |= set(members["data"].get("blobs", ()))

    def end(self, head: Head) -> None:
        """After the last row."""
        if head.pos > self._pos:
            last = f"position {self._pos + 1}" + (f" to {head.pos}" if head.pos > self._pos + 1 else "")
            self.find(last, "missing: the head says that it was recorded")
        elif head != (made := Head(self._pos, self._head.hex())):
            self.find("head", f"it says {head}, the events make {made}")
        if self._seen and self._seen.pos > self._pos:
            self.find("head", f"position {self._seen.pos} was seen before, the record ends at {self._pos}")
        for stream, seq in sorted(self._missing - self._named):
            self.find(f"{stream}#{seq}", "its payload is missing and no redaction names it")
        for stream, seq in sorted(self._named - self._missing):
            self.find(f"{stream}#{seq}", "a redaction names it, yet its payload is there")
        self.report.head = Head(self._pos, self._head.hex())
        self.report.streams = len(self._tails)
        self.report.redacted = len(self._missing)

    def evidence(self, record: Record) -> None:
        """Every blob that an event names is there and is what its name says, or an event says that it went."""
        present = set(record.blob_names())
        self.report.blobs = len(self._blobs)
        for digest, (_, where) in sorted(self._blobs.items()):
            if digest not in present and digest not in self._expired:
                self.find(f"blob {digest}", f"missing; {where} names it")
        for digest in sorted(present):
            path = record.blob_path(digest)
            if digest in self._blobs:
                self._check_blob(path, digest, *self._blobs[digest])
            elif digest in self._destroyed:
                self.leftovers.add(digest)
                self.find(f"blob {digest}", "a redaction destroyed it, yet it is there", mendable=True)
            else:
                self.report.unnamed.append(digest)

    def _check_blob(self, path: str, digest: str, size: int, where: str) -> None:
        try:
            with open(path, "rb") as f:
                found, made = os.fstat(f.fileno()).st_size, hashlib.file_digest(f, "sha256").hexdigest()
        except OSError as error:
            self.find(f"blob {digest}", f"cannot be read: {error.strerror}; {where} names it")
            return
        if found != size:
            self.find(f"blob {digest}", f"has {found} bytes, {where} says {size}")
        if made != digest:
            self.find(f"blob {digest}", f"was changed; {where} names it")
