"""A question to another machine about an attempt: begun here, answered over there, picked up later.

Nothing here waits. Who asks looks again and again, or polls the descriptor; `ask` does so for commands that have
nothing else to do meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
from typing import Any

from incidents import clock
from runbooks.attempt import Far
from runbooks.targets import ssh
from runbooks.targets.ssh import Answer, Said

SILENCE = 60 * clock.SECOND  # what a host that lets us in may take for its words, beyond connecting
AFTER_KILL = 3 * clock.SECOND  # what a stop may take over there beyond its grace
MOST = 20 << 20  # bytes taken in; the far end keeps 16 MiB of an output
_OLD_MARKS = re.compile(rb"\x1ehowdah:[0-9a-f]{32} [^\n]*\n")  # of the session that was lost
_left: set[int] = set()  # processes that have said all and end by themselves


class Asking:
    """What becomes of attempt `n`, asked after it was stopped for `stop` (why, grace in µs) where that is given.

    `fd` is readable when `look` may find something. Whatever keeps the host from answering is `unreached`.
    """

    def __init__(self, far: Far, n: int, *, within: int, stop: tuple[str, int] | None = None):
        self.far, self.n = far, n
        self.begun = clock.monotonic()
        self._until = self.begun + within + (stop[1] + AFTER_KILL if stop is not None else 0)
        self._answer: Answer | None = None  # the whole one
        self._found: Answer | None = None  # what was heard of it by now
        self._rest, self._size = bytearray(), 0
        self._rested: tuple[int, str, str] | None = None  # bytes not kept, a sign of a hole, how long it ran
        self._left: list[str] = []
        mark = ssh.new_mark()
        self._hearing = ssh.Hearing(mark)
        self._pending = ssh.script(far.key, mark)
        if stop is not None:
            self._pending += b"stop %d %s %d\n" % (n, stop[0].encode(), max(1, stop[1] * 10 // clock.SECOND))
        self._asked = stop is None
        if self._asked:
            self._ask()
        self._lacks = ""
        self._errors = os.memfd_create("howdah-ask", os.MFD_CLOEXEC)
        self.fd = self._to = -1
        self._spawn()

    def _spawn(self) -> None:
        from runbooks import process

        try:
            self._pid, self._to, self.fd = process.spawn_talk(
                [*self.far.argv, ssh.COMMAND], os.environ, self._errors
            )
        except OSError as problem:
            os.close(self._errors)
            self._answer = Answer(
                "unreached", why=f"{self.far.argv[0]} could not be started: {problem.strerror}"
            )
            return
        os.set_blocking(self._to, False)
        os.set_blocking(self.fd, False)
        self._feed()

    def look(self) -> Answer | None:
        """The answer; None while it is not there."""
        if self._answer is None:
            self._feed()
            self._hear()
        if self._answer is None and clock.monotonic() >= self._until:
            self._end(f"{self.far.host} does not answer")
        return self._answer

    def close(self) -> None:
        """Nobody wants to know any more."""
        if self._answer is None:
            self._end("nobody waits for the answer")

    def _ask(self) -> None:
        """All that is still to be said; the end of it ends the far end."""
        self._asked = True
        self._pending += b"ask %d\nrest %d\n" % (self.n, self.n)

    def _feed(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._pending and self._to >= 0:
                try:
                    self._pending = self._pending[os.write(self._to, self._pending) :]
                except BrokenPipeError:
                    self._pending = b""
        if not self._pending and self._asked and self._to >= 0:
            os.close(self._to)
            self._to = -1

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._answer is None:
                data = os.read(self.fd, 1 << 16)
                self._size += len(data)
                if not data or self._size > MOST:
                    self._end()
                    return
                for one in self._hearing.feed(data):
                    self._take(one)

    def _take(self, one: bytes | Said) -> None:
        if isinstance(one, bytes):
            self._rest += one if self._found is not None else b""
        elif one.word == "left":
            self._left.append(str(ssh.survivor(self.far.host, one)))
        elif one.word == "stopped":
            self._left.clear()  # who is left is asked now
            if not self._asked:
                self._ask()
                self._feed()
        elif one.word in ("ended", "running", "lost", "absent"):
            self._found = ssh.answer(one)
        elif one.word == "lacks":
            self._lacks = f"{self.far.host} lacks {one.rest}"
        elif one.word == "rested":
            _, more, hole, ran = (*one.values(4), "-", "-", "-")[:4]
            self._rested = (int(more) if more.isdigit() else 0, hole, ran)
            self._end()

    def _end(self, why: str = "") -> None:
        said = os.pread(self._errors, 1 << 16, 0)
        gone = Answer("unreached", why=self._lacks or why or ssh.why_unreached(self.far.host, said))
        found = self._found or gone
        self._answer = found._replace(left=tuple(self._left), **self._printed())
        for fd in (self._to, self.fd, self._errors):
            if fd >= 0:
                os.close(fd)
        self._to = self.fd = -1
        if self._found is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        _left.add(self._pid)
        _reap()

    def _printed(self) -> dict[str, Any]:
        """What it printed. Its begin and its end stand around all of it: where one is missing, so may be others."""
        if self._rested is None:
            return {}
        more, hole, ran = self._rested
        begun = re.match(rb"\x1ehowdah:[0-9a-f]{32} begun %d\n" % self.n, self._rest)
        ended = re.search(rb"\x1ehowdah:[0-9a-f]{32} end %d " % self.n, self._rest)
        return {
            "rest": _OLD_MARKS.sub(b"", self._rest), "whole": bool(begun and ended) and hole == "-", "more": more,
            "ran": int(ran) * (clock.SECOND // 100) if ran.isdigit() else None,
        }  # fmt: skip


def _reap() -> None:
    for pid in list(_left):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                _left.discard(pid)
        except ChildProcessError:
            _left.discard(pid)


def ask(far: Far, n: int, *, timeout: int) -> Answer:
    """The same for who has nothing else to do; takes at most `timeout` µs."""
    asking = Asking(far, n, within=timeout)
    while (answer := asking.look()) is None:
        select.select([asking.fd], [], [], 0.1)
    return answer
