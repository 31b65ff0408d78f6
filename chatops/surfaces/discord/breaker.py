"""How often the bot may connect. discord.py tries again at once after a remote close, for ever.

Two limits: after FEW connections lost within a MINUTE the next one waits, twice as long each time; and of the 1,000
identifies that Discord allows in 24 hours, beyond which it resets the token, no more than DAILY are used. The
identifies are kept in a file beside the store, because a service manager that starts the bot again and again would
use them up as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import deque

from incidents import clock
from incidents.errors import Refused, StoreError

FEW = 5
WITHIN = clock.MINUTE
FIRST_WAIT = clock.SECOND
LONGEST_WAIT = 10 * clock.MINUTE
UNREACHED = clock.MINUTE  # the longest wait while Discord cannot be reached: that uses up no identify
QUIET = 10 * clock.MINUTE  # a connection that held so long makes good for those before it
DAILY = 200
DAY = 24 * clock.HOUR


class Breaker:
    """Instants are monotonic µs, given by the caller."""

    def __init__(self) -> None:
        self._lost: deque[int] = deque(maxlen=FEW)
        self._ready: int | None = None  # when the last session was there, since the last wait
        self._wait = 0

    def ready(self, now: int) -> None:
        """A session is there."""
        self._ready = now

    def lost(self, now: int) -> bool:
        """A connection was lost; True where the next one must wait."""
        self._forgive(now)
        self._lost.append(now)
        return len(self._lost) == FEW and now - self._lost[0] < WITHIN

    def wait(self, now: int) -> int:
        """How long (µs) to wait before the next client: shorter where none came so far as to identify itself."""
        self._forgive(now)
        longest = LONGEST_WAIT if self._ready is not None else UNREACHED
        self._wait = min(longest, self._wait * 2 or FIRST_WAIT)
        self._ready = None
        self._lost.clear()
        return self._wait

    def _forgive(self, now: int) -> None:
        if self._ready is not None and now - self._ready >= QUIET:
            self._wait = 0


class Ledger:
    """The identifies of the last 24 hours, in FILE.discord; whoever holds it is the one bot of this store."""

    def __init__(self, store: str):
        """Raises Refused where another bot serves this store."""
        try:
            self._fd = os.open(f"{store}.discord", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{store}.discord: {error.strerror}") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise Refused(
                f"another process serves {store} on Discord already", hint="one is enough; stop it first"
            ) from None
        text = os.pread(self._fd, 65_536, 0).decode("ascii", "replace")
        self._at = [int(line) for line in text.split() if line.isdecimal()]

    def wait(self, now: int) -> int:
        """How long (µs) until the next identify is allowed; `now` is wall time in µs."""
        self._at = [at for at in self._at if 0 <= now - at < DAY]
        return 0 if len(self._at) < DAILY else self._at[0] + DAY - now

    def identified(self, now: int) -> None:
        self._at.append(now)
        data = "".join(f"{at}\n" for at in self._at[-DAILY:]).encode()
        with contextlib.suppress(OSError):  # the disk is full: this process still counts
            os.pwrite(self._fd, data, 0)
            os.ftruncate(self._fd, len(data))

    def close(self) -> None:
        os.close(self._fd)
