"""Events: what one is, its canonical form, its digests and its place in a chain.

**Canonical form**: JSON by RFC 8785 without floats; integers within ±(2^53-1). Text is hashed as its UTF-8.
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
from incidents.errors import BadInput

NEW_INCIDENT = "inc-*"  # the stream of a draft whose incident gets its name in the transaction
FIRST_PREV = "0" * 64
FIRST_HEAD = bytes(32)
LARGEST_PAYLOAD = 512 * 1024  # bytes of canonical JSON; what is larger is evidence
LARGEST_INTEGER = 2**53 - 1  # RFC 8785 section 3.2.2.3: beyond it a JSON number is not exact
DEEPEST = 64  # levels of lists and objects in a payload

PRECISIONS = ("us", "ms", "s", "min", "h", "day")
VISIBILITIES = ("responders", "internal", "public")
IMPORTANCES = ("low", "normal", "high")
MILESTONES = ("started", "detected", "declared", "acknowledged", "mitigated", "recovered", "resolved")
MODES = ("real", "drill", "retrospective")


class Actor(NamedTuple):
    """Who: `type` human|bot|system|integration; `assurance` claimed|platform."""

    type: str
    id: str
    on_behalf_of: str | None = None
    assurance: str = "claimed"


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


# -- canonical form ----------------------------------------------------------------------------------------

_quote = json.encoder.encode_basestring  # escapes exactly what RFC 8785 section 3.2.2.2 escapes


def canonical(value: Any) -> str:
    """The canonical JSON of `value`. Raises BadInput for floats, inexact integers, other types, too deep."""
    return _write(value, 0)


def _write(value: Any, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return _quote(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        if -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            return str(value)
        raise BadInput(f"the number {value} is too large to be exact in JSON", hint="write it as a string")
    if depth > DEEPEST:
        raise BadInput(f"data is nested deeper than {DEEPEST} levels")
    if kind is dict:
        return _write_object(value, depth)
    if kind is list:
        return "[" + ",".join([_write(item, depth + 1) for item in value]) + "]"
    raise BadInput(
        f"the record cannot hold a {kind.__name__}",
        hint="only text, integers, true, false, null, lists and objects; a ratio is a string, a duration µs",
    )


def _write_object(value: dict[Any, Any], depth: int) -> str:
    try:
        ascii_only = "".join(value).isascii()
    except TypeError:
        raise BadInput("the keys of an object must be strings") from None
    # RFC 8785 section 3.2.3 sorts by UTF-16 code units, Python by code points: equal below U+D800
    names = sorted(value) if ascii_only else sorted(value, key=_utf16)
    return "{" + ",".join([f"{_quote(name)}:{_write(value[name], depth + 1)}" for name in names]) + "}"


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


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
    text, replaced = _payload_text(draft, host or host_name())
    payload = text.encode()
    if len(payload) > LARGEST_PAYLOAD:
        raise BadInput(
            f"an event of {len(payload)} bytes is too large", hint="keep what is long as evidence beside it"
        )
    salt = salt or os.urandom(16)
    digest = payload_digest(salt, payload)
    name = id or ids.uuid7(now.at)
    header = Header(
        actor_id=draft.actor.id,
        actor_type=draft.actor.type,
        at=now.at if draft.at is None else draft.at,
        boot=now.boot,
        cause=draft.cause,
        id=name,
        importance=draft.importance,
        key=name if draft.key is None else draft.key,
        kind=draft.kind,
        milestone=draft.milestone,
        mode=draft.mode,
        mono=now.mono,
        payload=digest.hex(),
        recorded_at=now.at,
        run=draft.run,
        step=draft.step,
        until=draft.until,
        v=kinds.version(draft.kind),
        visibility=draft.visibility,
    )
    _check_header(draft, header)
    return Sealed(draft, header, frame(header), payload, salt, digest, replaced)


def _payload_text(draft: Draft, host: str) -> tuple[str, int]:
    members = {
        "actor": {
            "assurance": draft.actor.assurance,
            **({"on_behalf_of": draft.actor.on_behalf_of} if draft.actor.on_behalf_of else {}),
        },
        "body": draft.body,
        "data": draft.data if type(draft.data) is dict else dict(draft.data),
        "evidence": [evidence._asdict() for evidence in draft.evidence],
        "host": host,
        "item": draft.item,
        "precision": "" if draft.precision == "us" else draft.precision,
        "source": draft.source and {k: v for k, v in draft.source._asdict().items() if v is not None},
        "zone": draft.zone,
    }
    members = {name: value for name, value in members.items() if value}
    text = canonical(members)
    if text.isascii() or not _LONE.search(text):
        return text, 0
    clean, replaced = _LONE.subn("\ufffd", text)
    return canonical({**json.loads(clean), "replaced": replaced}), replaced


_LONE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are not UTF-8
_HEADER_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,400}")


def _check_header(draft: Draft, header: Header) -> None:
    for name in ("id", "key", "kind", "actor_id", "actor_type", "cause", "run", "step"):
        value = getattr(header, name)
        if value is not None and not _HEADER_TEXT.fullmatch(value):
            raise BadInput(f"{name} must be 1 to 400 printable characters, not {value[:80]!r}")
    if not _HEADER_TEXT.fullmatch(draft.stream):
        raise BadInput(f"{draft.stream[:80]!r} is not the name of a stream")
    for name, value, allowed in (
        ("visibility", draft.visibility, VISIBILITIES),
        ("importance", draft.importance, IMPORTANCES),
        ("mode", draft.mode, MODES),
        ("precision", draft.precision, PRECISIONS),
        ("milestone", draft.milestone or MILESTONES[0], MILESTONES),
    ):
        if value not in allowed:
            raise BadInput(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    for name, number in (("at", header.at), ("until", header.until or 0)):
        if type(number) is not int or not -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
            raise BadInput(f"{name} must be whole µs since 1970, not {number!r}")


@functools.cache
def host_name() -> str:
    return os.uname().nodename


# -- from what the store holds to an event -----------------------------------------------------------------


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
    return Event(
        id=header.id,
        stream=stream,
        seq=seq,
        pos=pos,
        kind=header.kind,
        v=header.v,
        at=header.at,
        until=header.until,
        recorded_at=header.recorded_at,
        boot=header.boot,
        mono=header.mono,
        host=members.get("host", ""),
        zone=members.get("zone"),
        precision=members.get("precision", "us"),
        actor=Actor(
            header.actor_type, header.actor_id, by.get("on_behalf_of"), by.get("assurance", "claimed")
        ),
        source=source and Source(**source),
        key=header.key,
        cause=header.cause,
        run=header.run,
        step=header.step,
        item=members.get("item"),
        visibility=header.visibility,
        importance=header.importance,
        milestone=header.milestone,
        mode=header.mode,
        body=members.get("body", ""),
        data=members.get("data", {}),
        evidence=tuple(Evidence(**one) for one in members.get("evidence", ())),
        prev=prev,
        hash=hash,
        redacted=payload is None,
        replayed=replayed,
        replaced=members.get("replaced", 0),
    )
