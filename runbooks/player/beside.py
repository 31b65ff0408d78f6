"""What a viewer knows beside the run: how long its steps usually take, when the people outside are to hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from incidents import cadence, clock, reminding
from incidents.errors import StoreError
from runbooks import expected, journal

if TYPE_CHECKING:
    from incidents.store.protocol import Store

NEAR = 10 * clock.MINUTE  # so long before it is due an update is shown
EVERY = 5 * clock.SECOND  # between two looks at the record


class Beside:
    """Both are a help alone: where the record cannot say, nothing is shown."""

    def __init__(self, store: Store, updates: Mapping[str, int | None]):
        self._store, self._updates = store, updates
        self._reminders = reminding.reminders(store, updates)
        self._usual: expected.Usual | None = None
        self._due = ""
        self._look = 0

    def usual(self, run: journal.Run) -> expected.Usual:
        """Asked of the record once, when the run has begun."""
        if self._usual is None:
            if run.started is None:
                return expected.NOTHING
            try:
                self._usual = expected.of_record(self._store, run)
            except StoreError:
                self._usual = expected.NOTHING
        return self._usual

    def due(self, run: journal.Run) -> str:
        """`in 7 min`, `OVERDUE by 3 min`; empty while it is not near."""
        if clock.monotonic() >= self._look and run.stream:
            self._look, self._due = clock.monotonic() + EVERY, ""
            try:
                self._reminders.look()  # whoever lives records what is due
                promise, now = cadence.promise(self._store.events(run.stream), self._updates), clock.wall()
            except StoreError:
                return ""
            if promise.due is not None and promise.due - now < NEAR:
                self._due = cadence.words(promise, now)
        return self._due
