"""The talk about one attempt on another machine, over a line: an `ssh`, or a session of the relay, with the agent at its
far end.

It says what is to run, hands the output on, and ends with the program's own exit status. It is a generator, so that one
keeper talks with many machines: it yields until when it waits, and is sent what came. Where the link is lost it raises
Lost; the driver then asks the host.
"""

from __future__ import annotations

import _socket
import array
import json
import os
from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

from incidents import clock
from runbooks.attempt import Far, Order, Survivor
from runbooks.process import Unstarted
from runbooks.targets import ssh
from runbooks.targets.ssh import Said

GREETING = 60 * clock.SECOND  # a host that lets us in and then says nothing
DRAIN = 1 * clock.SECOND  # as on this side (charge.DRAIN)
ANSWER = 5 * clock.SECOND  # of the agent, about services that were left behind
MARGIN = 10 * clock.SECOND  # a stop over there may take longer than its grace: the way, and KILL
UNREACHED = 255  # as outcome.SSH_LOST
STILL_RUNS = 254  # as outcome.STILL_RUNS
NOISE = 4096  # bytes of what comes before the greeting that are kept, for the reason

Heard = list[bytes | Said]
T = TypeVar("T")
Talk = Generator[int | None, Heard, T]


class Line(NamedTuple):
    """A connection with an agent at its far end. `errors` is a file in memory with what ssh said."""

    pid: int
    to: int
    from_: int
    errors: int
    mark: bytes
    fresh: bool  # nothing was sent over it yet


def ask_for_line(relay: _socket.socket, far: Far, ends: tuple[int, int, int]) -> None:
    """Has the process at the other end of `relay` (targets/wide) connect these ends, stdin, stdout and errors, to the
    host. Raises OSError where it is gone."""
    fds = array.array("i", ends)
    relay.sendmsg([json.dumps(far.wide).encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)])


class Lost(Exception):
    """The link ended before the attempt did."""


class Link:
    """The talk, and what became known by it: `unstarted` that the program was not, and why; who was `left` after a stop;
    `services` that hold the output and are nobody's reader; `kept`: the line can be used again."""

    def __init__(self, order: Order, line: Line, keep: Callable[[bytes], None]):
        assert order.far is not None
        self.order, self.far, self.line = order, order.far, line
        self.unstarted: Unstarted | None = None
        self.left: list[Survivor] = []
        self.services: list[Survivor] = []
        self.kept = self.begun = False
        self._keep = keep  # takes the output
        self._hearing = ssh.Hearing(line.mark)
        self._unsent = bytearray()
        self._code: int | None = None
        self._eof = self._stopped = self._stopping = self._sent = self._leaving = (
            False  # sent: the order to begin
        )
        os.set_blocking(line.to, False)
        os.set_blocking(line.from_, False)

    def talk(self) -> Talk[int | None]:
        """Yields until when it waits at most (monotonic µs; None: without end), and is sent what came by then.

        Returns the program's exit status, or 126 or 127 where it could not be started; None where it was stopped and
        has not ended. Raises Lost.
        """
        if (self.line.fresh and not (yield from self._greet())) or (yield from self._must_wait()):
            assert self.unstarted is not None
            return self.unstarted.exit
        self._order()
        while self._code is None and not (self._stopping and self._stopped):
            yield from self._hear(None)
        if self._stopping:
            yield from self._hear_until(lambda: self._stopped, MARGIN)
            yield from self._hear_until(lambda: self._eof, DRAIN)  # its last words come behind the answer
        else:
            yield from self._hear_until(lambda: self._eof, DRAIN)
            yield from self._leave_services()
            self.left.clear()
        self.kept = self._eof  # else the agent still waits for who holds the output
        return self._code

    # -- the line ------------------------------------------------------------------------------------------

    @property
    def waits_for_room(self) -> bool:
        """Has the line not taken all yet that was said?"""
        return bool(self._unsent)

    def push(self) -> None:
        """Sends what the line takes now. Raises Lost."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self.line.to, self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            raise Lost("") from None

    def read(self) -> Heard:
        """What has come. Raises Lost."""
        try:
            data = os.read(self.line.from_, 1 << 18)
        except BlockingIOError:
            return []
        if not data:
            raise Lost("")
        return list(self._hearing.feed(data))

    def stop(self) -> None:
        """The keeper wants an end of it; the talk has a turn afterwards. Raises Lost."""
        if not self._stopping:
            self._stopping = True
            if self._sent:  # else it has not begun, and will not
                tenths = max(1, self.order.grace * 10 // clock.SECOND)
                self._send(f"stop {self.order.n} stopped {tenths}\n".encode())

    def _send(self, data: bytes) -> None:
        self._unsent += data
        self.push()

    # -- the talk ------------------------------------------------------------------------------------------

    def _greet(self) -> Talk[bool]:
        """Sends the agent its first words and waits for its answer; False where the host was not reached, or cannot be
        used.

        Of the attempt nothing was said by then, so whatever goes wrong, it has not begun.
        """
        found: list[Said] = []
        noise = b""
        try:
            self._send(ssh.script(self.far.key, self.line.mark))
            until = clock.monotonic() + self.far.connecting + GREETING
            while not found:
                if clock.monotonic() > until or self._stopping:
                    return self._unusable(f"it did not run what we sent{ssh.last_words(noise)}")
                heard = yield until
                found += ssh.every(heard)
                noise = (noise + b"".join(one for one in heard if isinstance(one, bytes)))[-NOISE:]
        except Lost:
            return self._unreached(noise)
        if found[0].word == "lacks":
            return self._unusable(f"it lacks {found[0].rest}")
        return True

    def _unusable(self, why: str) -> bool:
        self.unstarted = Unstarted(UNREACHED, f"{self.far.host} cannot be used: {why}")
        return False

    def _unreached(self, noise: bytes = b"") -> bool:
        said = os.pread(self.line.errors, 1 << 16, 0)
        self.unstarted = Unstarted(UNREACHED, ssh.why_unreached(self.far.host, said, noise))
        return False

    def _must_wait(self) -> Talk[bool]:
        """Asks whether earlier attempts have ended: is there one because of which this must not begin?"""
        try:
            for n in self.order.after:
                if who := (yield from self._still_runs(n)):
                    self.unstarted = Unstarted(STILL_RUNS, f"an earlier attempt still runs: {who}")
                    self.kept = True
                    return True
        except Lost:
            self._unreached()
            return True
        return False

    def _still_runs(self, n: int) -> Talk[str]:
        """Who runs of attempt `n` over there; empty where nobody does. Raises Lost, also where it is stopped meanwhile."""
        self._send(f"ask {n}\n".encode())
        left: list[str] = []
        until = clock.monotonic() + GREETING
        while clock.monotonic() < until and not self._stopping:
            for said in ssh.every((yield until)):
                if said.rest.split(" ", 1)[0] != str(n):
                    continue
                if said.word == "left":
                    left.append(str(ssh.survivor(self.far.host, said)))
                elif said.word in ("ended", "running", "lost", "absent"):
                    found = ssh.answer(said)._replace(left=tuple(left))
                    return "" if found.rests else ", ".join(left) or f"something on {self.far.host}"
        raise Lost("it does not answer")

    def _order(self) -> None:
        text = ssh.payload(self.order.argv, self.order.env, f"{self.far.key}/{self.order.n}/")
        self._sent = True
        self._send(f"run {self.order.n}\n".encode() + text + b"\n")

    def _leave_services(self) -> Talk[None]:
        """Who still holds the output over there goes on without a reader that is ours."""
        if not self._eof:
            self.left.clear()
            self._stopped, self._leaving = False, True
            self._send(f"ask {self.order.n}\n".encode())
            yield from self._hear_until(lambda: self._stopped, ANSWER)
            self.services = list(self.left)

    def _hear_until(self, holds: Callable[[], bool], within: int) -> Talk[None]:
        until = clock.monotonic() + within
        while not holds() and clock.monotonic() < until:
            yield from self._hear(until)

    def _hear(self, until: int | None) -> Talk[None]:
        """Takes in what comes until then; hands output on."""
        for one in (yield until):
            if isinstance(one, Said):
                self._take(one)
            elif self.begun and not self._leaving:
                self._keep(one)

    def _take(self, said: Said) -> None:
        number, _, rest = said.rest.partition(" ")
        if number != str(self.order.n):
            return
        match said.word:
            case "begun":
                self.begun = True
            case "end":
                self._code = min(255, int(rest))
            case "eof":
                self._eof = True
            case "unstarted":
                code, _, why = rest.partition(" ")
                self.unstarted = Unstarted(int(code), why)
                if not self.begun:
                    self._code, self._eof = int(code), True
            case "refused":
                raise Lost("it was begun before")
            case "left":
                self.left.append(ssh.survivor(self.far.host, said))
            case "stopped" | "ended" | "running" | "lost":
                self._stopped = True
