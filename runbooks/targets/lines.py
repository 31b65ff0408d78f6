"""The keeper's lines to other machines: each is for one attempt at a time, and kept for the next one there."""

from __future__ import annotations

import _socket
import contextlib
import os
import resource
import select
import signal
from collections import deque
from collections.abc import Callable
from typing import Protocol

from runbooks import process
from runbooks.attempt import Far
from runbooks.targets import link, ssh
from runbooks.targets.link import Line

Ends = tuple[int, int, int]  # stdin, stdout and errors of whom a line is with


class Home(Protocol):
    """What they need of the keeper."""

    own: set[int]  # its children that are of no attempt

    def watch_room(self, fd: int, on_room: Callable[[], None]) -> None: ...
    def unwatch(self, fd: int) -> None: ...


class Lines:
    def __init__(self, home: Home) -> None:
        self._home = home
        self._free: dict[str, list[Line]] = {}
        self._relay: _socket.socket | None = None  # to the process that holds many of them
        self._unasked: deque[tuple[Far, Ends]] = deque()  # what it was not asked for yet
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4

    def take(self, far: Far) -> Line:
        """The host's line that nobody uses, else a new one. Raises OSError."""
        free = self._free.setdefault(far.host, [])
        while free:
            line = free.pop()
            if not _readable(line.from_):  # else its end was heard, or what nobody asked for
                return line._replace(fresh=False)
            self._drop(line)
        mark = ssh.new_mark()
        errors = os.memfd_create("howdah-ssh", os.MFD_CLOEXEC)
        try:
            if far.wide:
                pid, (to, from_) = 0, self._wide(far, errors)
            else:
                pid, to, from_ = process.spawn_talk([*far.argv, ssh.COMMAND], os.environ, errors)
                self._home.own.add(pid)
        except OSError:
            os.close(errors)
            raise
        return Line(pid, to, from_, errors, mark, True)

    def give(self, far: Far, line: Line, *, kept: bool) -> None:
        """Takes it back. Where descriptors become scarce it takes leave of the host at once."""
        if not kept:
            return self._drop(line)
        if line.errors < self._most:  # the lowest number that was free
            return self._free[far.host].append(line)
        _leave(line)
        return self._drop(line)

    def bye(self) -> None:
        """The run has ended."""
        for free in self._free.values():
            for line in free:
                _leave(line)
            free.clear()

    def _drop(self, line: Line) -> None:
        """Its ssh ends when nobody is at the other end of its pipes; one that hangs is ended."""
        for fd in (line.to, line.from_, line.errors):
            os.close(fd)
        with contextlib.suppress(ProcessLookupError):
            if line.pid in self._home.own:  # else it was reaped, and the number may be another's
                os.kill(line.pid, signal.SIGTERM)

    # -- the relay -----------------------------------------------------------------------------------------

    def _wide(self, far: Far, errors: int) -> tuple[int, int]:
        """A line over the process that holds many connections, started by the first who needs it. Raises OSError."""
        opened: list[int] = []
        try:
            opened += os.pipe2(os.O_CLOEXEC)
            opened += os.pipe2(os.O_CLOEXEC)
            theirs_in, to, from_, theirs_out = opened
            opened.append(os.dup(errors))
            if self._relay is None:
                self._start()
        except OSError:
            _close(opened)
            raise
        self._unasked.append((far, (theirs_in, theirs_out, opened[-1])))
        self._ask()
        return to, from_

    def _start(self) -> None:
        """Raises OSError."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            self._home.own.add(process.spawn_relay(ssh.WIDE, os.environ, theirs.fileno()))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._relay = ours

    def _ask(self) -> None:
        """Asks for as many lines as the relay takes word of now; one that was killed is started anew, once. Who gets none
        sees the end of his line."""
        again = True
        while self._unasked:
            far, ends = self._unasked[0]
            try:
                if self._relay is None:
                    self._start()
                assert self._relay is not None
                link.ask_for_line(self._relay, far, ends)
            except BlockingIOError:
                assert self._relay is not None
                return self._home.watch_room(self._relay.fileno(), self._ask)
            except OSError:
                if self._relay is not None:
                    self._home.unwatch(self._relay.fileno())
                    self._relay.close()
                    self._relay = None
                if again:
                    again = False
                    continue
            self._unasked.popleft()
            _close(ends)
        return None


def _leave(line: Line) -> None:
    with contextlib.suppress(OSError):
        os.write(line.to, b"bye\n")


def _close(fds: list[int] | Ends) -> None:
    for fd in fds:
        os.close(fd)


def _readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
