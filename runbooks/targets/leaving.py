"""The last word to machines about a run: what they keep of it goes. All are told at once, and none is waited for long."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Sequence

from incidents import clock
from runbooks import process
from runbooks.attempt import Far
from runbooks.targets import ssh

AT_ONCE = 20  # machines
KEPT = "something of it still runs there"


class _Bye:
    """One machine: `why` it still keeps what it has, None while that is not known."""

    def __init__(self, far: Far):
        self.far = far
        self.why: str | None = None
        mark = ssh.new_mark()
        self._hearing = ssh.Hearing(mark)
        self._words: list[str] = []
        self._errors = os.memfd_create("howdah-bye", os.MFD_CLOEXEC)
        try:
            self._pid, to, self.fd = process.spawn_talk([*far.argv, ssh.COMMAND], os.environ, self._errors)
        except OSError as problem:
            self.why, self.fd = f"{far.argv[0]} could not be started: {problem.strerror}", -1
            return
        with contextlib.suppress(BrokenPipeError):
            os.write(to, ssh.script(far.key, mark) + b"bye\n")  # a pipe holds more than that
        os.close(to)

    def hear(self) -> None:
        data = os.read(self.fd, 1 << 16)
        self._words += [said.word for said in ssh.every(self._hearing.feed(data))]
        if not data:
            said = os.pread(self._errors, 1 << 16, 0)
            self.end(
                ssh.why_unreached(self.far.host, said)
                if "hello" not in self._words
                else KEPT
                if "kept" in self._words
                else ""
            )

    def end(self, why: str) -> None:
        self.why = why
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG) == (0, 0) and why:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
        for fd in (self.fd, self._errors):
            os.close(fd)
        self.fd = -1


def leave(places: Sequence[Far], *, timeout: int) -> dict[str, str]:
    """host -> why what it keeps of the run is still there, for those where it is; takes at most `timeout` µs."""
    found: dict[str, str] = {}
    until = clock.monotonic() + timeout
    for at in range(0, len(places), AT_ONCE):
        found |= _leave(places[at : at + AT_ONCE], until)
    return found


def _leave(places: Sequence[Far], until: int) -> dict[str, str]:
    every = [_Bye(far) for far in places]
    while open := [one for one in every if one.why is None]:
        left = until - clock.monotonic()
        ready = select.select([one.fd for one in open], [], [], max(0, left) / clock.SECOND)[0]
        for one in open:
            if one.fd in ready:
                one.hear()
            elif left <= 0:
                one.end(f"{one.far.host} does not answer")
    return {one.far.host: one.why for one in every if one.why}
