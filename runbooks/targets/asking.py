"""A question to another machine about an attempt: begun here, answered over there, picked up later.

Nothing here waits. Who asks looks again and again, or polls the descriptor; `ask` does so for commands that have
nothing else to do meanwhile.
"""

from __future__ import annotations

import re
import select
from typing import Any

from incidents import clock
from runbooks.attempt import Far
from runbooks.targets import ssh
from runbooks.targets.ssh import Answer, Said
from runbooks.targets.talk import Talk

SILENCE = 60 * clock.SECOND  # what a host that lets us in may take for its words, beyond connecting
AFTER_KILL = 3 * clock.SECOND  # what a stop may take over there beyond its grace
_MARK = rb"\x1ehowdah:[0-9a-f]{32}"  # of the session that was lost; which one it was the first line says


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
        self._rest = bytearray()
        self._rested: tuple[int, str, str] | None = None  # bytes not kept, a sign of a hole, how long it ran
        self._left: list[str] = []
        self._lacks = ""
        first, self._asked = self._questions(), True
        if stop is not None:
            first = b"stop %d %s %d\n" % (n, stop[0].encode(), max(1, stop[1] * 10 // clock.SECOND))
            self._asked = False
        self._talk = Talk(far, first, last=self._asked)
        if self._talk.unstarted:
            self._answer = Answer("unreached", why=self._talk.unstarted)

    @property
    def fd(self) -> int:
        return self._talk.fd

    def _questions(self) -> bytes:
        """What is asked last; the end of it ends the far end."""
        return b"ask %d\nrest %d\n" % (self.n, self.n)

    def look(self) -> Answer | None:
        """The answer; None while it is not there."""
        if self._answer is None:
            self._talk.feed()
            for one in self._talk.hear():
                if self._answer is None:
                    self._take(one)
            if self._talk.ended and self._answer is None:
                self._end()
        if self._answer is None and clock.monotonic() >= self._until:
            self._end(f"{self.far.host} does not answer")
        return self._answer

    def close(self) -> None:
        """Nobody wants to know any more."""
        if self._answer is None:
            self._end("nobody waits for the answer")

    def _take(self, one: bytes | Said) -> None:
        if isinstance(one, bytes):
            self._rest += one if self._found is not None else b""
        elif one.word == "left":
            self._left.append(str(ssh.survivor(self.far.host, one)))
        elif one.word == "stopped":
            self._left.clear()  # who is left is asked now
            if not self._asked:
                self._asked = True
                self._talk.say(self._questions())
        elif one.word in ("ended", "running", "lost", "absent"):
            self._found = ssh.answer(one)
        elif one.word == "lacks":
            self._lacks = f"{self.far.host} lacks {one.rest}"
        elif one.word == "rested":
            _, more, hole, ran = (*one.values(4), "-", "-", "-")[:4]
            self._rested = (int(more) if more.isdigit() else 0, hole, ran)
            self._end()

    def _end(self, why: str = "") -> None:
        gone = Answer("unreached", why=self._lacks or why or self._talk.why_unreached())
        found = self._found or gone
        self._answer = found._replace(left=tuple(self._left), **self._printed())
        self._talk.end(kill=self._found is None)

    def _printed(self) -> dict[str, Any]:
        """What it printed. Its begin and its end stand around all of it: where one is missing, so may be others."""
        if self._rested is None:
            return {}
        more, hole, ran = self._rested
        begun = re.match(rb"(%b) begun %d\n" % (_MARK, self.n), self._rest)
        mark = begun[1] if begun is not None else _MARK
        ended = re.search(rb"%b end %d " % (mark, self.n), self._rest)
        return {
            "rest": re.sub(rb"%b [^\n]*\n" % mark, b"", self._rest), "whole": bool(begun and ended) and hole == "-", "more": more,
            "ran": int(ran) * (clock.SECOND // 100) if ran.isdigit() else None,
        }  # fmt: skip


def ask(far: Far, n: int, *, timeout: int) -> Answer:
    """The same for who has nothing else to do; takes at most `timeout` µs."""
    asking = Asking(far, n, within=timeout)
    while (answer := asking.look()) is None:
        select.select([asking.fd], [], [], 0.1)
    return answer
