"""A viewer without a driver: the record that neither can use; a run that should go on while nobody drives it."""

from __future__ import annotations

import os

from incidents import clock
from incidents.errors import Failed, HowdahError, StoreError
from incidents.store.protocol import Store
from runbooks import attempt, driver, journal, showing

LOOK = clock.SECOND  # µs between two looks
GRACE = 3 * clock.SECOND  # µs without driver and news before it counts as dead: a new one may be starting
OLD = 10 * clock.SECOND  # µs since the last event after which no grace is needed


class DriverDied(Failed):
    """The driver of this run has died."""

    code = "driver_died"


def open_record(path: str, handle: driver.Handle | None) -> Store:
    """The record. Where it cannot be used the driver cannot use it either: it tidies up before this is told."""
    from incidents.store import open_store

    try:
        return open_store(path, wait=_no_notice)
    except StoreError:
        if handle is not None:
            handle.hear_out()
        raise


def _no_notice(text: str) -> None:
    """A store that is busy for seconds shows as a picture that stands still; a line from a thread would tear it."""


class Lookout:
    """Looks whether somebody drives the run in `folder`; `howdah` begins the command that takes it up again."""

    def __init__(self, folder: str, howdah: str):
        self._folder = folder
        self._howdah = howdah
        self._next = 0
        self._alone_since: int | None = None

    def news(self) -> None:
        """Something was recorded, so somebody is at work."""
        self._alone_since = None

    def lost(self) -> None:
        """The driver that this viewer started has gone without a word: no grace."""
        self._alone_since, self._next = clock.monotonic() - GRACE, 0

    def look(self, run: journal.Run) -> HowdahError | None:
        """DriverDied when it is certain that nobody drives a run that is neither parked, paused nor ended."""
        now = clock.monotonic()
        if now < self._next:
            return None
        self._next = now + LOOK
        if not driver.lock_is_free(self._folder):
            self._alone_since = None
            return None
        if self._alone_since is None:
            self._alone_since = now
        last = _last_event(run)
        quiet = clock.between(last, clock.read()).micros if last is not None else None
        if now - self._alone_since < GRACE and (quiet is None or quiet < OLD):
            return None
        return self._died(run)

    def _died(self, run: journal.Run) -> HowdahError:
        last = last_line(os.path.join(self._folder, "driver.log"))
        lines = [
            "the driver of this run has died; nothing new starts until somebody takes it up again",
            f"its last words (driver.log): {last}" if last else "driver.log says nothing",
        ]
        for one in run.open_attempts():
            seen = attempt.witness(self._folder, one.n) if one.part != "wait" else None
            if seen is not None and (who := showing.who_runs(self._folder, seen)):
                lines.append(f"{one.path} still runs: {who}; resume follows it")
        return DriverDied("\n".join(lines), hint=f"{self._howdah} resume {run.id}")


def _last_event(run: journal.Run) -> clock.Reading | None:
    times = [one.started for state in run.steps.values() for one in state.attempts]
    times += [state.ended for state in run.steps.values() if state.ended is not None]
    times += [run.started_at] if run.started_at is not None else []
    return max(times, key=lambda reading: reading.at, default=None)


def last_line(path: str) -> str:
    """The last line of a log that says something; empty where there is none."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 8192))
            lines = log.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
