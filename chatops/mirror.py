"""The record as a chat shows it: every incident's projection, kept up with the log.

One thread watches the record; a few others show what is new, each incident by one of them at a time, so a channel
that is slow or gone holds up no other. Where each incident stands is durable (its consumer's cursor); the mirror's
own cursor says up to where all of them stand.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chatops.pace import Pace
from chatops.projection import Projection
from incidents import clock
from incidents.errors import HowdahError, NotDurable, StoreBusy, StoreError

if TYPE_CHECKING:
    from chatops.rooms import Rooms
    from chatops.surfaces.base import Surface
    from incidents.events import Event
    from incidents.store.protocol import Store

WORKERS = 4
LOOK = clock.SECOND // 2  # how often `stop` is asked while nothing happens
FIRST_DELAY = clock.SECOND
LONGEST_DELAY = clock.MINUTE
PASSING = (StoreBusy, NotDurable)  # another process is writing, or the disk is full: it may be better soon


class Mirror:
    """Shows the record on `surface` for as long as `run` runs."""

    def __init__(
        self, store: Store, surface: Surface, rooms: Rooms, *, zone: str,
        account: Callable[[Event], str | None], warn: Callable[[str], None],
        remind: Callable[[], object] = lambda: None,
    ):  # fmt: skip
        self._store, self._surface, self._rooms = store, surface, rooms
        self._zone, self._account, self._warn, self._remind = zone, account, warn, remind
        self._consumer = surface.name
        self._born = clock.wall()
        self._since = self._first_start()
        self._pace = Pace(surface)
        self._seen = max(store.cursor(self._consumer), self._since)
        self._projections: dict[str, Projection] = {}
        self._lock = threading.Lock()
        self._due: dict[str, int] = {}  # incident -> when (monotonic µs) it is to be looked at
        self._unshown: dict[str, int] = {}  # incident -> the last position that is not known to be shown
        self._working: set[str] = set()
        self._delay: dict[str, int] = {}
        self._broken: StoreError | None = None

    def _first_start(self) -> int:
        """What was recorded before this chat was first served is history; only what is open then is shown."""
        name = f"{self._consumer}:since"
        first = self._store.cursor(name)  # the first position that is shown, 0 where none was decided on yet
        if first == 0:
            first = self._store.head().pos + 1
            self._store.set_cursor(name, first)
        return first - 1

    def run(self, stop: Callable[[], bool]) -> None:
        """Raises StoreError: without the record there is nothing to show."""
        self._take_up()
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="mirror") as pool:
            while not stop() and self._broken is None:
                with contextlib.suppress(*PASSING):  # it is due still when that is over
                    self._remind()
                self._collect()
                self._send_off(pool)
                self._settle()
                self._store.wait_news(self._rest())
        if self._broken is not None:
            raise self._broken

    def nudge(self) -> None:
        """The platform is back: what waits for it is tried at once."""
        with self._lock:
            self._delay.clear()
            for name in self._due:
                self._due[name] = 0

    def lost(self, channel: str) -> None:
        """A message or the thread itself was deleted there: it is looked at at once."""
        name = self._rooms.incident_in(channel)
        with self._lock:
            projection = self._projections.get(name or "")
            if projection is not None:
                projection.again(lost=True)
                self._due[projection.name] = 0

    def doubt(self) -> None:
        """What stands there, or what is allowed there, may have changed unseen: all that is open is looked at."""
        for name, projection in list(self._projections.items()):
            projection.again(lost=False)
            with self._lock:
                self._due[name] = 0
        self.nudge()

    def _take_up(self) -> None:
        for row in self._store.incidents(status="open"):
            self._due[row.name] = 0

    def _collect(self) -> None:
        while page := self._store.tail(self._seen):
            self._seen = page[-1].pos
            with self._lock:
                for event in page:
                    if event.stream.startswith("inc-"):
                        self._due[event.stream], self._unshown[event.stream] = 0, event.pos
            if any(event.kind == "redaction" for event in page):
                self.doubt()  # the cards of other incidents may tell what is destroyed

    def _send_off(self, pool: ThreadPoolExecutor) -> None:
        now = clock.monotonic()
        with self._lock:
            ready = [name for name, at in self._due.items() if at <= now and name not in self._working]
            for name in ready:
                del self._due[name]
                self._working.add(name)
        for name in ready:
            pool.submit(self._look_at, name)

    def _look_at(self, name: str) -> None:
        wait = 0
        try:
            wait = self._look(name)
        finally:  # whatever happens here, the incident is looked at again
            with self._lock:
                self._working.discard(name)
                if wait:
                    again = clock.monotonic() + wait
                    self._due[name] = min(self._due.get(name, again), again)

    def _look(self, name: str) -> int:
        try:
            projection = self._projection(name)
            wait = projection.catch_up()
            self._delay.pop(name, None)
            with self._lock:
                if projection.shown >= self._unshown.get(name, 0):
                    self._unshown.pop(name, None)
                if not wait and projection.over:
                    del self._projections[name]
        except StoreError as error:
            wait = self._later(name, error) if isinstance(error, PASSING) else 0
            if not wait:
                self._broken = error
        except Exception as error:  # noqa: BLE001 - whatever a platform does: told, and repeated
            wait = self._later(name, error)
        return wait

    def _later(self, name: str, error: Exception) -> int:
        """How long (µs) the incident waits now; twice as long each time."""
        wait = min(LONGEST_DELAY, self._delay.get(name, FIRST_DELAY // 2) * 2)
        self._delay[name] = wait
        told = str(error) if isinstance(error, HowdahError) else f"{type(error).__name__}: {error}"
        self._warn(f"{name} is not shown yet, again in {clock.words(wait)}: {told}")
        return wait

    def _projection(self, name: str) -> Projection:
        found = self._projections.get(name)
        if found is None:
            found = self._projections[name] = Projection(
                self._store, self._surface, self._rooms, name,
                since=self._since, born=self._born, pace=self._pace, zone=self._zone, account=self._account, warn=self._warn,
            )  # fmt: skip
        return found

    def _settle(self) -> None:
        """Where nothing is left to do, a restart need not look further back than here."""
        with self._lock:
            all_shown = not self._unshown
        if all_shown and self._seen > self._store.cursor(self._consumer):
            with contextlib.suppress(*PASSING):  # then a restart looks further back
                self._store.set_cursor(self._consumer, self._seen)

    def _rest(self) -> int:
        with self._lock:
            soonest = min((at for name, at in self._due.items() if name not in self._working), default=None)
        return LOOK if soonest is None else max(10_000, min(LOOK, soonest - clock.monotonic()))
