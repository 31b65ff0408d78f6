"""The driver's pen: events of one run, folded as they are written.

`emit` folds a draft at once and keeps it; `flush` makes all kept drafts durable in one commit. Nothing acts on the
world between an emit and its flush. `catch_up` folds what others wrote meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from incidents import clock, kinds
from incidents.errors import KeyConflict
from incidents.events import Actor, Draft, Event, Evidence
from incidents.store.protocol import Store
from runbooks import journal

OUTCOME_ROOM = 16_384  # bytes that one outcome may need; an intent is refused while they do not fit


class Scribe:
    """`run` is the fold that every emit and catch_up changes; `seen` is the last seq read of its stream."""

    def __init__(self, store: Store, run: journal.Run, actor: Actor, *, mode: str, seen: int):
        self.store = store
        self.run = run
        self.actor = actor
        self.mode = mode
        self.on_commit: Callable[[], None] = lambda: None
        self.afterwards: list[Callable[[], None]] = []  # what becomes possible with the next commit
        self._kept: list[Draft] = []
        self._own: set[str] = set()
        self._seen = seen
        self.since = seen  # the stream up to here was there before this driver
        self.others = False  # since then somebody wrote what is not of this run

    def emit(
        self, kind: str, data: Mapping[str, Any], *, step: str | None = None, body: str = "", key: str | None = None,
        actor: Actor | None = None, evidence: tuple[Evidence, ...] = (), milestone: str | None = None,
    ) -> None:  # fmt: skip
        draft = Draft(
            stream=self.run.stream, kind=kind, actor=actor or self.actor, data=data, body=body, key=key,
            run=self.run.id, step=step, mode=self.mode, evidence=evidence, milestone=milestone,
        )  # fmt: skip
        journal.apply(self.run, draft, clock.read())
        self._kept.append(draft)

    def flush(self) -> None:
        """Raises StoreError when the drafts could not be made durable; they are kept for another flush."""
        if not self._kept:
            return
        for event in self.store.append(self._kept):
            if event.seq == self._seen + 1:
                self._seen = event.seq
            else:  # somebody wrote in between: catch_up will meet this one again
                self._own.add(event.id)
        self._kept.clear()
        for then in self.afterwards:
            then()
        self.afterwards.clear()
        self.on_commit()

    def void(self, question: journal.Question) -> bool:
        """Takes an open question back; False where somebody has just answered it.

        It takes the key of the answer, so that of the two one is recorded.
        """
        self.flush()
        data = kinds.QuestionVoid(question.id)._asdict()
        draft = Draft(
            stream=self.run.stream, kind="question.void", actor=self.actor, data=data, key=f"answer:{question.id}",
            run=self.run.id, step=question.path, mode=self.mode,
        )  # fmt: skip
        with contextlib.suppress(KeyConflict):
            self.store.append([draft])
        self.catch_up()
        return question.void

    def catch_up(self) -> list[Event]:
        """Folds what others wrote to this run since the last look, and returns it."""
        news: list[Event] = []
        while page := self.store.read(self.run.stream, after=self._seen):
            self._seen = page[-1].seq
            for event in page:
                if event.id in self._own:
                    self._own.discard(event.id)
                elif event.run == self.run.id:
                    journal.apply(self.run, event, clock.Reading(event.at, event.boot, event.mono))
                    news.append(event)
                else:
                    self.others = True
        return news
