"""Reminders as events: whichever process lives records what is owed, and all of them record it once.

The key of a reminder is what it is about, when that was due and which in the row it is, so that two bots, a player
and a restart make one event of it. Of those that were missed while nothing ran only the last is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from incidents import cadence, clock, lifecycle, timeline
from incidents.errors import Refused
from incidents.events import Actor, Draft
from incidents.store.protocol import KeyUsed

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.store.protocol import Store

UPDATE = "update"
SWAP = "swap"  # chatops/open_swaps.py
ACTOR = Actor("system", "reminder")
WHO = ("comms", "communications", "commander")  # roles that are reminded, the first that is held


def remind(store: Store, settings: Mapping[str, int | None], now: int) -> list[Event]:
    """Records what is due at `now` (µs), and returns it. Raises StoreError."""
    made = []
    for row in store.incidents(status="open", mode="real"):
        events = list(store.events(row.name))
        promise = cadence.promise(events, settings)
        number = promise.reminder(now)
        if number is None:
            continue
        key = f"reminder:{row.name}:{UPDATE}:{promise.due}:{number}"
        if store.by_key(key) is not None or _later(events, promise.due, number):
            continue
        data = {"what": UPDATE, "due": promise.due, "number": number, "person": _whom(events)}
        draft = Draft(stream=row.name, kind="reminder.due", actor=ACTOR, data=data, key=key, mode=row.mode)
        try:
            made += [event for event in timeline.record(store, draft) if not event.replayed]
        except (KeyUsed, Refused):  # another process said it; the incident has ended
            continue
    return made


def _later(events: list[Event], due: int | None, number: int) -> bool:
    """Whether a later reminder of the same row was recorded, by a clock that is ahead of ours."""
    return any(
        e.kind == "reminder.due" and not e.redacted and e.data["due"] == due and e.data["number"] >= number
        for e in events
    )


def _whom(events: list[Event]) -> str:
    """Who is to write the update: who has the role, else who declared it, where that was a person."""
    one = lifecycle.fold(events)
    for role in WHO:
        if people := one.roles.get(role):
            return str(people[0])
    return events[0].actor.shown if events[0].actor.type == "human" else ""


class Paced:
    """For a loop: `look` asks `due` what it records at an instant (µs), at most every `every` µs."""

    def __init__(self, due: Callable[[int], list[Event]], *, every: int):
        self._due, self._every = due, every
        self._next = 0

    def look(self) -> list[Event]:
        """What was recorded now by this process, mostly nothing. Raises StoreError."""
        at = clock.monotonic()
        if at < self._next:
            return []
        self._next = at + self._every
        return self._due(clock.wall())


def reminders(store: Store, settings: Mapping[str, int | None], *, every: int = 10 * clock.SECOND) -> Paced:
    """`remind`, for a loop."""
    return Paced(lambda now: remind(store, settings, now), every=every)
