"""The queue between processes that write one store: `flock` on FILE.lock.

SQLite's own busy handler lets one of eight processes starve for seconds; the kernel's queue does not. A process
that waits first takes the *turn* (an open-file-description lock on the same file), then the lock itself: so one
that has just finished cannot take the lock again before those that wait. A lock that is not free at once is waited
for in a helper thread, because a wait in the kernel cannot be given a limit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
from collections.abc import Callable

from incidents import clock
from incidents.errors import StoreBusy
from incidents.store import place

NAMED_AFTER = 2 * clock.SECOND
GIVEN_UP_AFTER = 10 * clock.SECOND

_TURN = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
_FREE = struct.pack("h", fcntl.F_UNLCK)
_NO_TURN = struct.pack("hhqqi4x", fcntl.F_UNLCK, os.SEEK_SET, 0, 1, 0)


class Door:
    """One process's end of the queue. `enter` and `leave` are called by one thread at a time."""

    def __init__(self, path: str, modes: place.Modes, notice: Callable[[str], None]):
        self._path = path
        self._notice = notice
        place.create_file(path, modes)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._me = f"{os.getpid():<10}\n".encode()
        self._helper: _Helper | None = None
        self._held = False

    def enter(self, since: int) -> None:
        """Take the lock. Raises StoreBusy 10 s after `since` (monotonic µs)."""
        waits = self._helper is not None and self._helper.waiting  # for a draft that was withdrawn
        if waits or not self._try_now():
            self._wait(since)
        self._held = True
        with contextlib.suppress(OSError):  # a full disk: the others will not know our name
            os.pwrite(self._fd, self._me, 0)

    def leave(self) -> None:
        """Give the lock back, if it is held."""
        if self._held:
            self._held = False
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._helper is None or self._helper.end():
            os.close(self._fd)

    def forget(self) -> None:
        """In a forked child: give up the copy of the lock, which would outlive the parent."""
        os.close(self._fd)

    def _try_now(self) -> bool:
        """Take the lock if nobody has it and nobody waits for it."""
        asked = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, _TURN)
        if asked[:2] != _FREE:
            return False
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _wait(self, since: int) -> None:
        if self._helper is None:
            self._helper = _Helper(self._fd)
        mine = self._helper.ask()
        try:
            self._wait_for(mine, since)
        except BaseException:
            if not self._helper.withdraw(mine):
                fcntl.flock(self._fd, fcntl.LOCK_UN)  # it came in this moment
            raise

    def _wait_for(self, mine: _Request, since: int) -> None:
        named = False
        while not mine.wait((NAMED_AFTER if not named else GIVEN_UP_AFTER) - (clock.monotonic() - since)):
            if clock.monotonic() - since >= GIVEN_UP_AFTER:
                raise self.busy(since)
            if not named:
                named = True
                self._notice(f"waiting for {self.holder()}, which is writing the store")

    def busy(self, since: int) -> StoreBusy:
        waited = clock.words(clock.monotonic() - since)
        return StoreBusy(
            f"{self.holder()} has been writing the store for {waited}",
            hint="nothing was recorded; look at that process, then repeat",
        )

    def holder(self) -> str:
        """The process that holds the lock, for people."""
        text = os.pread(self._fd, 16, 0).decode("ascii", "replace").strip()
        try:
            with open(f"/proc/{int(text)}/comm", encoding="utf-8", errors="replace") as f:
                return f"process {text} ({f.read().strip()})"
        except (OSError, ValueError):
            return f"process {text or 'unknown'}"


class _Request:
    """One wait for the lock; `wait` takes µs and says whether the lock is ours."""

    def __init__(self) -> None:
        self._granted = threading.Event()
        self.withdrawn = False

    def grant(self) -> None:
        self._granted.set()

    def wait(self, micros: int) -> bool:
        return self._granted.wait(max(0, micros) / clock.SECOND)


class _Helper:
    """A thread that waits in the kernel, for one request after the other."""

    def __init__(self, fd: int):
        self._fd = fd
        self._mutex = threading.Lock()
        self._asked = threading.Semaphore(0)
        self._request: _Request | None = None
        self._ended = False
        threading.Thread(target=self._serve, name="howdah-store-queue", daemon=True).start()

    def ask(self) -> _Request:
        request = _Request()
        with self._mutex:
            waits_already = self._request is not None
            self._request = request
        if not waits_already:
            self._asked.release()
        return request

    def withdraw(self, request: _Request) -> bool:
        """Whether the request was withdrawn; False when the lock came in this moment and is ours."""
        with self._mutex:
            if request is self._request:
                request.withdrawn = True
                return True
            return False

    @property
    def waiting(self) -> bool:
        with self._mutex:
            return self._request is not None

    def end(self) -> bool:
        """Whether the descriptor is the caller's to close; a thread inside the kernel closes it afterwards."""
        with self._mutex:
            self._ended = True
            self._asked.release()
            return self._request is None

    def _serve(self) -> None:
        while True:
            self._asked.acquire()
            with self._mutex:
                if self._request is None:
                    return  # ended
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLKW, _TURN)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _NO_TURN)
            with self._mutex:
                request, self._request = self._request, None
                if self._ended:
                    os.close(self._fd)
                    return
                if request is None or request.withdrawn:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
                else:
                    request.grant()
