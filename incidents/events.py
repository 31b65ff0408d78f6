"""Events: what one is, its canonical form, its digests and its place in a chain."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

NEW_INCIDENT = "inc-*"  # the stream of a draft whose incident gets its name in the transaction


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
