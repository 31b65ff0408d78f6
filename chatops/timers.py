"""What happens by the clock: reminders, pages. `howdah serve` looks again and again; the log says what is due.

Lookers of `all` are for every process: what they record has a key that makes one event of it. Those of `one` act on
the world, so one process at a time runs them, the one that holds `FILE.timers`; the kernel takes the lock back when
that process ends, however it ends, and the next look of another one has it. Whoever is stopped (SIGSTOP) holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from incidents import clock
from incidents.errors import HowdahError, NotDurable, StoreBusy, StoreError

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.config import Config
    from incidents.events import Event
    from incidents.store.protocol import Store

PASSING = (StoreBusy, NotDurable)  # another process is writing, or the disk is full: it may be better soon
REST = clock.SECOND // 5  # between two looks


class Looker(Protocol):
    def look(self) -> Sequence[Event]:
        """Records and does what is due, and returns what was recorded; never waits. Raises StoreError."""


class Acting(Looker, Protocol):
    def finish(self) -> Sequence[Event]:
        """Waits, bounded, for what is under way, and records how it ended. Raises StoreError."""


class Timers:
    """`told` hears of every event that is recorded here; `warn` what goes wrong; `relieves` is called where this
    process has stood by and now acts."""

    def __init__(
        self, store: Store, *, all: Sequence[Looker] = (), one: Sequence[Acting] = (),
        told: Callable[[Event], None] = lambda event: None, warn: Callable[[str], None] = lambda line: None,
        relieves: Callable[[], None] = lambda: None,
    ):  # fmt: skip
        self._store, self._all, self._one = store, all, one
        self._told, self._warn, self._relieves = told, warn, relieves
        self._stood_by = False
        self._lock = Lock(store.path)
        self._failing: set[int] = set()

    @property
    def acts(self) -> bool:
        """Whether this process is the one that acts. Takes the lock where it is free."""
        acts = self._lock.take()
        if acts and self._stood_by:
            self._relieves()
        self._stood_by = not acts
        return acts

    def look(self) -> list[Event]:
        """One look of each. Raises StoreError, but for one that may pass."""
        made: list[Event] = []
        for number, looker in enumerate((*self._all, *(self._one if self._one and self.acts else ()))):
            try:
                made += looker.look()
                self._failing.discard(number)
            except PASSING as error:
                if number not in self._failing:  # said once, tried again at each look
                    self._failing.add(number)
                    self._warn(f"what is due is not done yet: {error}")
        return self._heard(made)

    def _heard(self, made: list[Event]) -> list[Event]:
        for event in made:
            self._told(event)
        return made

    def finish(self) -> list[Event]:
        """What is under way is waited for, and the lock given back."""
        made: list[Event] = []
        try:
            for looker in self._one:
                with contextlib.suppress(*PASSING):  # then whoever comes next sends it again
                    made += looker.finish()
        finally:
            self._lock.close()
        return self._heard(made)

    def run(self, stop: Callable[[], bool]) -> None:
        """Until `stop`. Raises StoreError."""
        try:
            while not stop():
                self.look()
                self._store.wait_news(REST)
        finally:
            self.finish()


def served(
    call: Call, warn: Callable[[str], None] | None = None, say: Callable[[str], None] | None = None
) -> Timers:
    """All that `howdah serve` does by the clock; what goes wrong is warned of, what goes out is said."""
    from chatops import paging
    from chatops.handing import handing
    from incidents import in_force
    from incidents.reminding import reminders

    warn, say = warn or call.warn, say or call.say
    for doubt in call.config.doubts:
        warn(str(doubt))

    def told(event: Event) -> None:
        if event.kind != "page.sending":
            (warn if paging.loud(event) else say)(paging.line(event))

    def obeyed(config: Config) -> None:
        in_force.record(call.store, config, lambda **about: call.draft("system", **about, key=None))

    config = Current(call.config, warn, obeyed)
    pager = paging.Pager(call.store, config, warn=warn)

    return Timers(
        call.store,
        all=[reminders(call.store, call.config.updates), handing(call.store, config)],
        one=[pager],
        told=told,
        warn=warn,
        relieves=lambda: say("the process that sent has ended: pages and reminders go out from here now"),
    )


def at_once(call: Call) -> list[Event]:
    """Where no process runs the timers: does what is due of pages here and now, and says what is missing.

    It takes as long as the channels do; one that this shell cannot read is left to `howdah serve`. Where one runs they are its business, and nothing is done.
    """
    from chatops.paging import Pager

    left: dict[tuple[str, str], str] = {}
    pager = Pager(call.store, lambda: call.config, warn=call.warn, left=left)
    timers = Timers(call.store, one=[pager], warn=call.warn)
    if not timers.acts:
        timers.finish()
        return []
    made: list[Event] = []
    try:
        while fresh := [*timers.look(), *pager.finish()]:
            made += fresh
    finally:
        timers.finish()
    for (person, channel), why in left.items():
        call.warn(f"{channel} to {person} is left to howdah serve: {why}")
    if made:
        call.warn("no process runs the timers, so no further step goes out: start howdah serve")
    return made


class Current:
    """The configuration in force, read again when its file has changed; one with mistakes is told of and not obeyed.

    `obeyed` hears of each new one before it counts.
    """

    def __init__(
        self,
        config: Config,
        warn: Callable[[str], None],
        obeyed: Callable[[Config], None] = lambda config: None,
    ):
        self._config, self._warn, self._obeyed = config, warn, obeyed
        self._look = self._stat()

    def __call__(self) -> Config:
        look = self._stat()
        if look != self._look:
            from incidents import config

            try:
                fresh = config.load(self._config.path)
                self._obeyed(fresh)
                self._config = fresh
            except StoreError:
                raise  # and it is read again at the next look
            except HowdahError as error:
                self._warn(f"the configuration before its last change stays in force: {error}")
            self._look = look
        return self._config

    def _stat(self) -> tuple[int, int, int] | None:
        if self._config.path is None:
            return None
        try:
            found = os.stat(self._config.path)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns


class Lock:
    """`FILE.timers`: whoever holds it sends. One of these belongs to one thread."""

    def __init__(self, store: str):
        self._path = f"{store}.timers"
        self._store = store
        self._fd: int | None = None
        self._held = False

    def take(self) -> bool:
        """Whether it is ours; takes it where nobody has it."""
        if not self._held:
            self._held = self._try(fcntl.LOCK_EX)
            if self._held:
                with contextlib.suppress(OSError):  # a full disk: nobody will know our name
                    os.pwrite(self._open(), f"{os.getpid():<10}\n".encode(), 0)
        return self._held

    def taken(self) -> bool:
        """Whether some process holds it. Makes no file."""
        if self._held or not os.path.exists(self._path):
            return self._held
        free = self._try(fcntl.LOCK_SH)
        if free:
            fcntl.flock(self._open(), fcntl.LOCK_UN)
        return not free

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd, self._held = None, False

    def _try(self, how: int) -> bool:
        try:
            fcntl.flock(self._open(), how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _open(self) -> int:
        if self._fd is None:
            from incidents.store import place

            place.create_file(self._path, place.modes(self._store))
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        return self._fd
