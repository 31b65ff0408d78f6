"""One attempt on another machine, as a process here: a fork of the keeper that is the attempt's main process.

It says over a line (an `ssh` with the agent at its far end) what is to run, hands the output on, and ends with the
program's own exit status. Where the link is lost it ends by SIGUSR1, so that nothing it leaves looks like an outcome;
the driver then asks the host. What the keeper cannot see, it reports as JSON on a pipe of its own.
"""

from __future__ import annotations

import _socket
import array
import contextlib
import json
import os
import select
import signal
import sys
from typing import Any, NamedTuple, NoReturn

from incidents import clock
from runbooks.attempt import Far, Order, Survivor
from runbooks.targets import ssh
from runbooks.targets.ssh import Said

GREETING = 60 * clock.SECOND  # a host that lets us in and then says nothing
DRAIN = 1 * clock.SECOND  # as on this side (charge.DRAIN)
ANSWER = 5 * clock.SECOND  # of the agent, about services that were left behind
MARGIN = 10 * clock.SECOND  # a stop over there may take longer than its grace: the way, and KILL
LOST = signal.SIGUSR1
UNREACHED = 255  # as outcome.SSH_LOST
STILL_RUNS = 254  # as outcome.STILL_RUNS
NOISE = 4096  # bytes of what comes before the greeting that are kept, for the reason
RELAY = [sys.executable, "-P", "-m", "runbooks.targets.wide"]


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
    """The talk about one attempt."""

    def __init__(self, order: Order, line: Line, wake: int):
        assert order.far is not None
        self.order, self.line, self.wake, self.host = order, line, wake, order.far.host
        self.hearing = ssh.Hearing(line.mark)
        self.code: int | None = None
        self.eof = self.stopped = self.begun = False
        self.stopping = self.sent = self.leaving = False  # sent: the order to begin
        self.report: dict[str, Any] = {}
        self.left: list[Survivor] = []
        os.set_blocking(line.to, False)
        os.set_blocking(line.from_, False)

    def run(self) -> int | None:
        """The program's exit status, or 126 or 127 where it could not be started; None where it was stopped and has
        not ended. Raises Lost."""
        assert self.order.far is not None
        if self.line.fresh and not self.greet():
            return UNREACHED
        if self.order.after and (code := self.look_before()) is not None:
            return code
        env, n = self.order.env, self.order.n
        text = ssh.payload(self.order.argv, env, f"{self.order.far.key}/{n}/")
        self.sent = True
        self.send(f"run {n}\n".encode() + text + b"\n")
        while self.code is None and not (self.stopping and self.stopped):
            self.hear(None)
        if self.stopping:
            self.hear_until(lambda: self.stopped, MARGIN)
            self.hear_until(lambda: self.eof, DRAIN)  # its last words come behind the answer
            self.report["left"] = self.left
        else:
            self.hear_until(lambda: self.eof, DRAIN)
            self.leave_services()
        self.report["kept"] = self.eof  # else the agent still waits for who holds the output
        return self.code

    def greet(self) -> bool:
        """Sends the agent and waits for its word; False where the host was not reached, or cannot be used.

        Of the attempt nothing was said by then, so whatever goes wrong, it has not begun.
        """
        assert self.order.far is not None
        found: list[Said] = []
        noise = b""
        try:
            self.send(ssh.script(self.order.far.key, self.line.mark))
            until = clock.monotonic() + GREETING
            while not found:
                if clock.monotonic() > until or self.stopping:
                    return self.unreached(f"it did not run what we sent{ssh.last_words(noise)}")
                for one in self.read(until):
                    if isinstance(one, Said):
                        found.append(one)
                    else:
                        noise = (noise + one)[-NOISE:]
        except Lost:
            said = os.pread(self.line.errors, 1 << 16, 0)
            self.report = {"unstarted": ssh.why_unreached(self.host, said, noise), "exit": UNREACHED}
            return False
        if found[0].word == "lacks":
            return self.unreached(f"it lacks {found[0].rest}")
        return True

    def unreached(self, why: str) -> bool:
        self.report = {"unstarted": f"{self.host} cannot be used: {why}", "exit": UNREACHED}
        return False

    def look_before(self) -> int | None:
        """Asks whether earlier attempts have ended; the exit of one that must not begin, else None."""
        try:
            for n in self.order.after:
                if who := self.still_runs(n):
                    self.report = {
                        "unstarted": f"an earlier attempt still runs: {who}",
                        "exit": STILL_RUNS,
                        "kept": True,
                    }
                    return STILL_RUNS
        except Lost:
            said = os.pread(self.line.errors, 1 << 16, 0)
            self.report = {"unstarted": ssh.why_unreached(self.host, said), "exit": UNREACHED}
            return UNREACHED
        return None

    def still_runs(self, n: int) -> str:
        """Who runs of attempt `n` over there; empty where nobody does. Raises Lost, also where it is stopped meanwhile."""
        self.send(f"ask {n}\n".encode())
        left: list[str] = []
        until = clock.monotonic() + GREETING
        while clock.monotonic() < until and not self.stopping:
            for said in ssh.every(self.read(until)):
                if said.rest.split(" ", 1)[0] != str(n):
                    continue
                if said.word == "left":
                    left.append(str(ssh.survivor(self.host, said)))
                elif said.word in ("ended", "running", "lost", "absent"):
                    found = ssh.answer(said)._replace(left=tuple(left))
                    return "" if found.rests else ", ".join(left) or f"something on {self.host}"
        raise Lost("it does not answer")

    def leave_services(self) -> None:
        """Who still holds the output over there goes on without a reader that is ours."""
        if not self.eof:
            self.left.clear()
            self.stopped, self.leaving = False, True
            self.send(f"ask {self.order.n}\n".encode())
            self.hear_until(lambda: self.stopped, ANSWER)
            self.report["services"] = self.left

    def hear_until(self, holds: Any, within: int) -> None:
        until = clock.monotonic() + within
        while not holds() and clock.monotonic() < until:
            self.hear(until)

    def hear(self, until: int | None) -> None:
        """Takes in what comes until then, at least once; hands output on."""
        for one in self.read(until):
            if isinstance(one, bytes):
                if self.begun and not self.leaving:
                    _write(1, one)
            else:
                self.take(one)

    def take(self, said: Said) -> None:
        number, _, rest = said.rest.partition(" ")
        if number != str(self.order.n):
            return
        match said.word:
            case "begun":
                self.begun = True
            case "end":
                self.code = min(255, int(rest))
            case "eof":
                self.eof = True
            case "unstarted":
                code, _, why = rest.partition(" ")
                self.report["unstarted"], self.report["exit"] = why, int(code)
                if not self.begun:
                    self.code, self.eof = int(code), True
            case "refused":
                raise Lost("it was begun before")
            case "left":
                self.left.append(ssh.survivor(self.host, said))
            case "stopped" | "ended" | "running" | "lost":
                self.stopped = True

    def read(self, until: int | None) -> list[bytes | Said]:
        poll = select.poll()
        poll.register(self.line.from_, select.POLLIN)
        poll.register(self.wake, select.POLLIN)
        left = None if until is None else max(0, until - clock.monotonic())
        for fd, _ in poll.poll(None if left is None else -(-left // 1000)):
            if fd == self.wake:
                self.stop()
            elif fd == self.line.from_:
                try:
                    data = os.read(fd, 1 << 18)
                except BlockingIOError:
                    continue
                if not data:
                    raise Lost("")
                return list(self.hearing.feed(data))
        return []

    def stop(self) -> None:
        """The keeper wants an end of it."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 64)
        if not self.stopping:
            self.stopping = True
            if not self.sent:
                return  # it has not begun, and will not
            tenths = max(1, self.order.grace * 10 // clock.SECOND)
            self.send(f"stop {self.order.n} stopped {tenths}\n".encode())

    def send(self, data: bytes) -> None:
        pending = memoryview(data)
        poll = select.poll()
        poll.register(self.line.to, select.POLLOUT)
        while pending:
            poll.poll()
            try:
                pending = pending[os.write(self.line.to, pending) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise Lost("") from None


def talk(order: Order, line: Line, report: int) -> NoReturn:
    """The life of the process; output goes to descriptor 1. Never returns."""
    wake, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    link = Link(order, line, wake)
    try:
        code = link.run()
    except Lost:
        begun = "while it ran" if link.begun else "before it was known to have begun"
        link.report = {"lost": f"the link to {link.host} was lost {begun}"}
        code = None
    _write(report, json.dumps(link.report).encode())
    if code is None:
        signal.signal(LOST, signal.SIG_DFL)
        os.kill(os.getpid(), LOST)
    os._exit(code if code is not None else 255)


def _write(fd: int, data: bytes) -> None:
    pending = memoryview(data)
    with contextlib.suppress(OSError):
        while pending:
            pending = pending[os.write(fd, pending) :]
