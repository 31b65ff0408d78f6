"""An event as every `--json` writes it (docs/json.md).

Instants are RFC 3339 in UTC with microseconds, durations integer µs, names as in the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents import clock
from incidents.events import Event


def instant(at: int | None) -> str | None:
    return None if at is None else clock.iso(at)


def event(event: Event) -> dict[str, Any]:
    """An event as the record holds it; what is None there is left out."""
    fields: dict[str, Any] = {
        "id": event.id,
        "stream": event.stream,
        "seq": event.seq,
        "pos": event.pos,
        "kind": event.kind,
        "v": event.v,
        "at": clock.iso(event.at),
        "until": instant(event.until),
        "recorded_at": clock.iso(event.recorded_at),
        "host": event.host,
        "zone": event.zone,
        "precision": event.precision,
        "actor": present(event.actor._asdict()),
        "source": present(event.source._asdict()) if event.source else None,
        "key": event.key,
        "cause": event.cause,
        "run": event.run,
        "step": event.step,
        "item": event.item,
        "milestone": event.milestone,
        "mode": event.mode,
        "importance": event.importance,
        "visibility": event.visibility,
        "body": event.body,
        "data": dict(event.data),
        "evidence": [one._asdict() for one in event.evidence],
        "hash": event.hash,
        "redacted": event.redacted,
        "replayed": event.replayed,
    }
    return present(fields)


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
