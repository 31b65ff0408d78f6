"""Events: what one is, its canonical form, its digests and its place in a chain.

**Canonical form**: `incidents.canonical`; text is hashed as its UTF-8.
**Payload**: an object with those of `actor` {assurance, on_behalf_of}, `body`, `data`, `evidence`, `host`,
`item`, `precision`, `replaced`, `source`, `zone` that are not empty; its digest is SHA-256(salt ‖ payload).
**Header**: an object with exactly the members that `header_text` writes, null where absent; the event's hash is
SHA-256(header), its `prev` the hash of the event before it in the stream, 64 zeros for the first.
**Head**: head(n) = SHA-256(head(n-1) ‖ pos as 8 bytes, big end first ‖ event hash), head(0) = 32 zero bytes.
`tests/vectors/chain.json` holds examples of all four and never changes.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from incidents import clock, ids, kinds
from incidents.canonical import LARGEST_INTEGER, canonical
from incidents.canonical import quote as _quote
from incidents.errors import BadInput

NEW_INCIDENT = "inc-*"  # the stream of a draft whose incident gets its name in the transaction
FIRST_PREV = "0" * 64
FIRST_HEAD = bytes(32)
LARGEST_PAYLOAD = 512 * 1024  # bytes of canonical JSON; what is larger is evidence

PRECISIONS = ("us", "ms", "s", "min", "h", "day")
VISIBILITIES = ("responders", "internal", "public")
IMPORTANCES = ("low", "normal", "high")
MILESTONES = (
    "started", "detected", "alerted", "declared", "acknowledged", "mitigated", "recovered", "resolved",
)  # fmt: skip
MODES = ("real", "drill", "retrospective")


class Actor(NamedTuple):
    """Who: `type` human|bot|system|integration; `assurance` claimed|platform."""

    type: str
    id: str
    on_behalf_of: str | None = None
    assurance: str = "claimed"

    @property
    def shown(self) -> str:
        """How people call them: whom a program acted for, the name of a chat's account, else the id."""
        return self.on_behalf_of or self.id


class Source(NamedTuple):
    """Where in a chat it was said; None where the platform has no such thing."""

    platform: str
    workspace: str | None = None
    channel: str | None = None
    thread: str | None = None
    message: str | None = None
    permalink: str | None = None


class Evidence(NamedTuple):
    """A blob kept beside the store; `size` in bytes."""

    sha256: str
    media_type: str
    size: int
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before the store has given it its place. `at` None is now; `key` None is the event's own id."""

    stream: str
    kind: str
    actor: Actor
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    body: str = ""
    at: int | None = None
    until: int | None = None
    precision: str = "us"
    zone: str | None = None
    key: str | None = None
    cause: str | None = None
    run: str | None = None
    step: str | None = None
    item: str | None = None
    visibility: str = "responders"
    importance: str = "normal"
    milestone: str | None = None
    mode: str = "real"
    evidence: tuple[Evidence, ...] = ()
    source: Source | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as the store holds it. A redacted event has data, body, evidence and source emptied."""

    id: str
    stream: str
    seq: int
    pos: int
    kind: str
    v: int
    at: int
    until: int | None
    recorded_at: int
    boot: str
    mono: int
    host: str
    zone: str | None
    precision: str
    actor: Actor
    source: Source | None
    key: str
    cause: str | None
    run: str | None
    step: str | None
    item: str | None
    visibility: str
    importance: str
    milestone: str | None
    mode: str
    body: str
    data: Mapping[str, Any]
    evidence: tuple[Evidence, ...]
    prev: str
    hash: str
    redacted: bool = False
    replayed: bool = False
    replaced: int = 0  # characters that were not text and became U+FFFD


# -- digests -----------------------------------------------------------------------------------------------


def payload_digest(salt: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(salt + payload).digest()


def next_head(head: bytes, pos: int, event_hash: bytes) -> bytes:
    return hashlib.sha256(head + pos.to_bytes(8, "big") + event_hash).digest()


class Header(NamedTuple):
    """The hashed fields that do not depend on the event's place; `payload` is the digest in hex."""

    actor_id: str
    actor_type: str
    at: int
    boot: str
    cause: str | None
    id: str
    importance: str
    key: str
    kind: str
    milestone: str | None
    mode: str
    mono: int
    payload: str
    recorded_at: int
    run: str | None
    step: str | None
    until: int | None
    v: int
    visibility: str


class Frame(NamedTuple):
    """A header with gaps for `prev`, `seq` and the quoted `stream`: the store fills them in its transaction."""

    before_prev: str
    before_seq: str
    before_stream: str
    end: str

    def text(self, prev: str, seq: int, stream: str) -> str:
        return f"{self[0]}{prev}{self[1]}{seq}{self[2]}{_quote(stream)}{self[3]}"


def frame(h: Header) -> Frame:
    """The canonical header of `h`, its members in RFC 8785's order."""
    return Frame(
        f'{{"actor":{{"id":{_quote(h.actor_id)},"type":{_quote(h.actor_type)}}},"at":{h.at},'
        f'"boot":{_quote(h.boot)},"cause":{_or_null(h.cause)},"id":{_quote(h.id)},'
        f'"importance":{_quote(h.importance)},"key":{_quote(h.key)},"kind":{_quote(h.kind)},'
        f'"milestone":{_or_null(h.milestone)},"mode":{_quote(h.mode)},"mono":{h.mono},'
        f'"payload":"{h.payload}","prev":"',
        f'","recorded_at":{h.recorded_at},"run":{_or_null(h.run)},"seq":',
        f',"step":{_or_null(h.step)},"stream":',
        f',"until":{"null" if h.until is None else h.until},"v":{h.v},"visibility":{_quote(h.visibility)}}}',
    )


def header_text(h: Header, *, prev: str, seq: int, stream: str) -> str:
    return frame(h).text(prev, seq, stream)


def _or_null(text: str | None) -> str:
    return "null" if text is None else _quote(text)


# -- from a draft to what the store writes -----------------------------------------------------------------


class Sealed(NamedTuple):
    """A draft with its id, clocks, salted payload and header: everything but its place in the record."""

    draft: Draft
    header: Header
    frame: Frame
    payload: bytes
    salt: bytes
    digest: bytes
    host: str
    replaced: int

    @property
    def size(self) -> int:
        """About how many bytes of the store it takes."""
        return len(self.payload) + 600


def seal(
    draft: Draft,
    *,
    reading: clock.Reading | None = None,
    host: str | None = None,
    id: str | None = None,
    salt: bytes | None = None,
) -> Sealed:
    """Seal `draft`; what is not given is read from the clock, the host and the kernel. Raises BadInput."""
    now = reading or clock.read()
    host = host or host_name()
    text, replaced = _payload_text(draft, host)
    payload = text.encode()
    if len(payload) > LARGEST_PAYLOAD:
        raise BadInput(
            f"an event of {len(payload)} bytes is too large", hint="keep what is long as evidence beside it"
        )
    random = os.urandom(26)
    salt = salt or random[:16]
    digest = payload_digest(salt, payload)
    name = id or ids.uuid7(now.at, random[16:])
    header = Header(
        draft.actor.id,
        draft.actor.type,
        now.at if draft.at is None else draft.at,
        now.boot,
        draft.cause,
        name,
        draft.importance,
        name if draft.key is None else draft.key,
        draft.kind,
        draft.milestone,
        draft.mode,
        now.mono,
        digest.hex(),
        now.at,
        draft.run,
        draft.step,
        draft.until,
        kinds.version(draft.kind),
        draft.visibility,
    )
    _check_header(draft, header)
    return Sealed(draft, header, frame(header), payload, salt, digest, host, replaced)


def _payload_text(draft: Draft, host: str) -> tuple[str, int]:
    actor = draft.actor
    behalf = f',"on_behalf_of":{_quote(actor.on_behalf_of)}' if actor.on_behalf_of else ""
    members = [f'"actor":{{"assurance":{_quote(actor.assurance)}{behalf}}}']
    if draft.body:
        members.append(f'"body":{_quote(draft.body)}')
    if draft.data:
        members.append(f'"data":{canonical(draft.data if type(draft.data) is dict else dict(draft.data))}')
    if draft.evidence:
        members.append(f'"evidence":{canonical([evidence._asdict() for evidence in draft.evidence])}')
    members.append(f'"host":{_quote(host)}')
    if draft.item is not None:
        members.append(f'"item":{_quote(draft.item)}')
    if draft.precision != "us":
        members.append(f'"precision":{_quote(draft.precision)}')
    if draft.source is not None:
        source = {name: value for name, value in draft.source._asdict().items() if value is not None}
        members.append(f'"source":{canonical(source)}')
    if draft.zone is not None:
        members.append(f'"zone":{_quote(draft.zone)}')
    text = "{" + ",".join(members) + "}"
    if text.isascii() or not _LONE.search(text):
        return text, 0
    clean, replaced = _LONE.subn("\ufffd", text)
    return canonical({**json.loads(clean), "replaced": replaced}), replaced


_LONE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are not UTF-8
_HEADER_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,400}")
_CHECKED = ("id", "key", "kind", "actor_id", "actor_type", "cause", "run", "step")
_ALLOWED = {
    "visibility": frozenset(VISIBILITIES),
    "importance": frozenset(IMPORTANCES),
    "mode": frozenset(MODES),
    "precision": frozenset(PRECISIONS),
    "milestone": frozenset((None, *MILESTONES)),
}


def _check_header(draft: Draft, h: Header) -> None:
    texts = (
        h.key,
        h.kind,
        h.actor_id,
        h.actor_type,
        h.cause or "-",
        h.run or "-",
        h.step or "-",
        draft.stream,
    )
    together = "".join(texts)
    if len(together) > 400 or not together.isprintable() or not all(texts):  # else nothing can be wrong
        _check_texts(draft, h)
    words = (draft.visibility, draft.importance, draft.mode, draft.precision, draft.milestone)
    if words != _USUAL:
        _check_words(draft)
    if type(h.at) is not int or not -LARGEST_INTEGER <= h.at <= LARGEST_INTEGER or h.until is not None:
        _check_numbers(h)


_USUAL = ("responders", "normal", "real", "us", None)


def _check_words(draft: Draft) -> None:
    for name, allowed in _ALLOWED.items():
        value = getattr(draft, name)
        if value not in allowed:
            listed = ", ".join(sorted(one for one in allowed if one))
            raise BadInput(f"{name} must be one of {listed}, not {value!r}")


def _check_numbers(h: Header) -> None:
    for name, number in (("at", h.at), ("until", h.until or 0)):
        if type(number) is not int or not -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
            raise BadInput(f"{name} must be whole µs since 1970, within 285 years of it, not {number!r}")


def _check_texts(draft: Draft, header: Header) -> None:
    for name in _CHECKED:
        value = getattr(header, name)
        if value is not None and not _HEADER_TEXT.fullmatch(value):
            raise BadInput(f"{name} must be 1 to 400 printable characters, not {value[:80]!r}")
    if not _HEADER_TEXT.fullmatch(draft.stream):
        raise BadInput(f"{draft.stream[:80]!r} is not the name of a stream")


@functools.cache
def host_name() -> str:
    return os.uname().nodename


# -- an event in its place ---------------------------------------------------------------------------------


def placed(sealed: Sealed, *, stream: str, seq: int, pos: int, prev: str, hash: str) -> Event:
    """The event that was just stored: what `opened` would read back."""
    if sealed.replaced:
        return opened(sealed.header, sealed.payload, stream=stream, seq=seq, pos=pos, prev=prev, hash=hash)
    d, h = sealed.draft, sealed.header
    return _event(
        *(h.id, stream, seq, pos, h.kind, h.v, h.at, h.until, h.recorded_at, h.boot, h.mono, sealed.host),
        *(d.zone, d.precision, d.actor, d.source, h.key, h.cause, h.run, h.step, d.item),
        *(h.visibility, h.importance, h.milestone, h.mode, d.body, d.data, d.evidence, prev, hash),
        *(False, False, 0),
    )


def opened(
    header: Header,
    payload: bytes | None,
    *,
    stream: str,
    seq: int,
    pos: int,
    prev: str,
    hash: str,
    replayed: bool = False,
) -> Event:
    """The event of a header and its payload; None is a redacted payload. Raises ValueError on a damaged one."""
    members: dict[str, Any] = json.loads(payload) if payload is not None else {}
    by = members.get("actor", {})
    source = members.get("source")
    actor = Actor(header.actor_type, header.actor_id, by.get("on_behalf_of"), by.get("assurance", "claimed"))
    evidence = tuple([Evidence(**one) for one in members.get("evidence", ())])
    h, get = header, members.get
    return _event(
        *(h.id, stream, seq, pos, h.kind, h.v, h.at, h.until, h.recorded_at, h.boot, h.mono, get("host", "")),
        *(get("zone"), get("precision", "us"), actor, source and Source(**source)),
        *(h.key, h.cause, h.run, h.step, get("item"), h.visibility, h.importance, h.milestone, h.mode),
        *(get("body", ""), get("data", {}), evidence, prev, hash),
        *(payload is None, replayed, get("replaced", 0)),
    )


_SETTERS = [getattr(Event, field.name).__set__ for field in dataclasses.fields(Event)]


def _event(*values: Any) -> Event:
    """An Event of its fields in order; half the time of its own constructor, for which frozen fields are dear."""
    event = Event.__new__(Event)
    for setter, value in zip(_SETTERS, values, strict=True):
        setter(event, value)
    return event
