"""A talk with another machine about a run, without a keeper: what its far end is told, and what it says.

Nothing here waits. Who talks looks again and again, or polls the descriptor.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from runbooks import process
from runbooks.attempt import Far
from runbooks.targets import ssh
from runbooks.targets.ssh import Said

MOST = 20 << 20  # bytes taken in; the far end keeps 16 MiB of an output
_left: set[int] = set()  # processes that have said all and end by themselves


class Talk:
    """Begun with the first words `said`; where these are the `last` ones, the end of them ends the far end.

    `fd` is readable when `hear` may find something; `ended` when nothing more comes. `unstarted` says why nothing began,
    and is empty where it did.
    """

    def __init__(self, far: Far, said: bytes, *, last: bool = True):
        self.far = far
        self.fd = self._to = -1
        self.ended, self.unstarted = False, ""
        mark = ssh.new_mark()
        self._hearing = ssh.Hearing(mark)
        self._size = 0
        self._pending, self._last = ssh.script(far.key, mark) + said, last
        self._errors = os.memfd_create("howdah-talk", os.MFD_CLOEXEC)
        try:
            self._pid, self._to, self.fd = process.spawn_talk(
                [*far.argv, ssh.COMMAND], os.environ, self._errors
            )
        except OSError as problem:
            os.close(self._errors)
            self.ended, self.unstarted = True, f"{far.argv[0]} could not be started: {problem.strerror}"
            return
        os.set_blocking(self._to, False)
        os.set_blocking(self.fd, False)
        self.feed()

    def say(self, said: bytes) -> None:
        """The last words."""
        self._pending, self._last = self._pending + said, True
        self.feed()

    def feed(self) -> None:
        """Passes on what is still to be said, as far as it goes now."""
        with contextlib.suppress(BlockingIOError):
            while self._pending and self._to >= 0:
                try:
                    self._pending = self._pending[os.write(self._to, self._pending) :]
                except BrokenPipeError:
                    self._pending = b""
        if not self._pending and self._last and self._to >= 0:
            os.close(self._to)
            self._to = -1

    def hear(self) -> Iterator[bytes | Said]:
        """What has come by now."""
        with contextlib.suppress(BlockingIOError):
            while not self.ended:
                data = os.read(self.fd, 1 << 16)
                self._size += len(data)
                if not data or self._size > MOST:
                    self.ended = True
                    return
                yield from self._hearing.feed(data)

    def why_unreached(self) -> str:
        """What ssh said of a host that did not answer, in one line."""
        return ssh.why_unreached(self.far.host, os.pread(self._errors, 1 << 16, 0))

    def end(self, *, kill: bool) -> None:
        """Nobody listens any more; the process ends by itself, or is ended."""
        for fd in (self._to, self.fd, self._errors):
            if fd >= 0:
                os.close(fd)
        self._to = self.fd = -1
        self.ended = True
        if kill:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        _left.add(self._pid)
        _reap()


def _reap() -> None:
    for pid in list(_left):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                _left.discard(pid)
        except ChildProcessError:
            _left.discard(pid)
