"""Where in a chat things are shown: the fold of the `chat` stream.

These events are no part of an incident's own stream: a projection leaves what it projects alone. The key of each
says what it is about and how often that was moved, so a step taken twice is recorded once.
"""

from __future__ import annotations

import contextlib
import threading
from typing import NamedTuple

from chatops.surfaces.base import Ref
from incidents import kinds
from incidents.errors import KeyConflict
from incidents.events import Actor, Draft, Event
from incidents.store.protocol import Store

STREAM = "chat"


class Room(NamedTuple):
    """An incident's place in a chat: its card, and its thread. `number` counts from 1 how often it was opened."""

    incident: str
    card: Ref
    thread: str
    number: int


class Rooms:
    """The rooms of one platform. Safe to use from many threads."""

    def __init__(self, store: Store, platform: str):
        self._store = store
        self._platform = platform
        self._actor = Actor("bot", platform)
        self._lock = threading.Lock()
        self._seen = 0
        self._rooms: dict[str, Room] = {}
        self._shown: dict[str, tuple[Ref, int]] = {}
        self._incident_of: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Fold what was recorded since the last look."""
        with self._lock:
            while page := self._store.read(STREAM, after=self._seen):
                for event in page:
                    self._apply(event)

    def _apply(self, event: Event) -> None:
        self._seen = max(self._seen, event.seq)
        if event.data.get("platform") != self._platform:
            return
        if event.kind == "chat.opened":
            self._apply_opened(kinds.view(event.kind, event.data))
        elif event.kind == "chat.shown":
            shown: kinds.ChatShown = kinds.view(event.kind, event.data)
            number = self._shown[shown.what][1] + 1 if shown.what in self._shown else 1
            self._shown[shown.what] = Ref(shown.channel, shown.message), number
            room = self._rooms.get(shown.incident)
            if room is not None and shown.what == shown.incident:
                self._rooms[shown.incident] = room._replace(card=Ref(shown.channel, shown.message))

    def _apply_opened(self, opened: kinds.ChatOpened) -> None:
        before = self._rooms.get(opened.incident)
        number = 1 if before is None else before.number + 1
        card = Ref(opened.channel, opened.card)
        self._rooms[opened.incident] = Room(opened.incident, card, opened.thread, number)
        self._incident_of[opened.thread] = self._incident_of[opened.card] = opened.incident

    def of(self, incident: str) -> Room | None:
        with self._lock:
            return self._rooms.get(incident)

    def incident_in(self, channel: str | None) -> str | None:
        """The incident whose thread, or card, this is."""
        with self._lock:
            return self._incident_of.get(channel or "")

    def shown(self, run: str) -> Ref | None:
        """The message that shows this run."""
        with self._lock:
            found = self._shown.get(run)
            return found[0] if found is not None else None

    def moves(self, what: str) -> int:
        """How many messages have shown it."""
        with self._lock:
            return self._shown[what][1] if what in self._shown else 0

    def opened(self, incident: str, card: Ref, thread: str) -> Room:
        """Record the incident's room; another one before it is forgotten. Raises StoreError."""
        before = self.of(incident)
        number = 1 if before is None else before.number + 1
        data = kinds.ChatOpened(self._platform, incident, card.channel, card.message, thread)
        self._record("chat.opened", data._asdict(), f"{self._platform}:room:{incident}:{number}")
        room = self.of(incident)
        assert room is not None
        return room

    def shows(self, incident: str, what: str, ref: Ref) -> None:
        """Record which message shows the run `what`, or the incident's card. Raises StoreError."""
        data = kinds.ChatShown(self._platform, incident, what, ref.channel, ref.message)
        self._record("chat.shown", data._asdict(), f"{self._platform}:shown:{what}:{self.moves(what) + 1}")

    def _record(self, kind: str, data: dict[str, object], key: str) -> None:
        draft = Draft(stream=STREAM, kind=kind, actor=self._actor, data=data, key=key, importance="low")
        with contextlib.suppress(KeyConflict):  # somebody else was faster: theirs holds
            self._store.append([draft])
        self.refresh()
