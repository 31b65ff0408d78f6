"""Events for tests of pure functions, as a store would give them back."""

from __future__ import annotations

from typing import Any

from incidents.events import Actor, Event

NOVA = Actor("human", "nova")


def event(kind: str, *, seq: int = 1, actor: Actor = NOVA, at: int = 0, **about: Any) -> Event:
    """By default everything happened in one boot, and the monotonic clock ran with the wall clock."""
    fields: dict[str, Any] = {
        "id": f"id-{seq}", "stream": "inc-1", "pos": seq, "v": 1, "until": None, "recorded_at": at, "boot": "boot-1",
        "mono": at, "host": "here", "zone": None, "precision": "us", "source": None, "key": f"key-{seq}",
        "cause": None, "run": None, "step": None, "item": None, "visibility": "responders", "importance": "normal",
        "milestone": None, "mode": "real", "body": "", "data": {}, "evidence": (), "prev": "", "hash": f"{seq:064x}",
    }  # fmt: skip
    return Event(**{**fields, "kind": kind, "seq": seq, "actor": actor, "at": at, **about})
