"""An attempt on another machine in the keeper's charge: no process here, but a talk with the agent over there."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from runbooks import process, procfs
from runbooks.attempt import Order, Survivor
from runbooks.charge import SHOWN, Charge, Home
from runbooks.process import Unstarted
from runbooks.targets import link

if TYPE_CHECKING:
    from runbooks.targets.lines import Lines
    from runbooks.targets.link import Line, Talk


class FarCharge(Charge):
    """Its record names the keeper as the attempt's process while they talk: when it dies the host is asked."""

    def __init__(self, home: Home, order: Order, file: int, lock: int, *, lines: Lines) -> None:
        super().__init__(home, order, file, lock)
        assert order.far is not None
        self.lines, self.there = lines, order.far
        self.grace = order.grace + link.MARGIN
        self.talking: link.Link | None = None
        self._talk: Talk[int | None] | None = None
        self._waits_until: int | None = None

    def _begin(self) -> Unstarted | None:
        self._mask()
        try:
            line = self.lines.take(self.there)
        except OSError as error:
            return Unstarted(process.NOT_RUNNABLE, f"no process could be started: {error.strerror}")
        self.talking = link.Link(self.order, line, lambda data: self._keep(memoryview(data)))
        self._talk = self.talking.talk()
        return None

    def _follow(self) -> None:
        assert self.talking is not None
        self.home.watch(self.talking.line.from_, self.take_in)
        self._turn(lambda talk, _: next(talk))

    def witness(self) -> tuple[int, int]:
        return _this_process(os.getpid()) if self._talk is not None else (0, 0)

    # -- the talk ------------------------------------------------------------------------------------------

    def take_in(self) -> None:
        self._turn(lambda talk, there: talk.send(there.read()))

    def _turn(self, act: Callable[[Talk[int | None], link.Link], int | None]) -> None:
        """Goes on with the talk: by what `act` sends into it."""
        talk, there = self._talk, self.talking
        if talk is None or there is None:
            return None
        try:
            try:
                self._waits_until = act(talk, there)
            except link.Lost as lost:  # while something was read or sent for it
                self._waits_until = talk.throw(lost)
        except StopIteration as end:
            return self._talked(end.value, f"{self.there.host} did not tell its end")
        except link.Lost:
            begun = "while it ran" if there.begun else "before it was known to have begun"
            return self._talked(None, f"the link to {self.there.host} was lost {begun}")
        if there.waits_for_room:
            self.home.watch_room(there.line.to, self._push)
        return None

    def _push(self) -> None:
        def push(talk: Talk[int | None], there: link.Link) -> int | None:
            there.push()
            return self._waits_until

        self._turn(push)

    def next_time(self) -> int | None:
        times = (super().next_time(), self._waits_until)
        return min((time for time in times if time is not None), default=None)

    def keep_time(self, now: int) -> None:
        super().keep_time(now)
        if self._waits_until is not None and self._waits_until <= now:
            self._turn(lambda talk, there: talk.send([]))

    # -- its end -------------------------------------------------------------------------------------------

    def _talked(self, code: int | None, lost: str) -> None:
        """Without a status of the program's own nothing that is left looks like an outcome."""
        assert self.talking is not None
        self._talk = self._waits_until = None
        for fd in (self.talking.line.from_, self.talking.line.to):
            self.home.unwatch(fd)
        if code is None:
            self.link_lost = lost
        else:
            self.unstarted = self.talking.unstarted
        self.main_ended(code, None if code is not None else signal.SIGUSR1)

    def _hear_report(self) -> None:
        if self.talking is not None:
            self._survivors = tuple(self.talking.left)

    def _leave_pipe(self) -> tuple[Survivor, ...]:
        return tuple(self.talking.services[:SHOWN]) if self.talking is not None else ()

    def _say_end(self, services: tuple[Survivor, ...]) -> None:
        super()._say_end(services)
        if self.talking is None:
            return
        there, self.talking = self.talking, None
        if not self.link_lost:
            self._thank(there.line)
        self.lines.give(self.there, there.line, kept=there.kept and not there.waits_for_room)

    def _thank(self, line: Line) -> None:
        """All that it printed is in our files: nothing of it need be kept over there. No answer is waited for."""
        with contextlib.suppress(OSError):
            os.write(line.to, b"got %d\n" % self.n)

    def _signal(self, number: int) -> None:
        def stop(talk: Talk[int | None], there: link.Link) -> int | None:
            there.stop()
            return talk.send([])

        if number == signal.SIGTERM:
            self._turn(stop)
        elif number == signal.SIGKILL and self._talk is not None:
            self._talked(None, f"{self.there.host} did not tell its end")

    def _lingers(self) -> bool:
        return False  # whether they still run is asked over there

    def remains(self) -> list[procfs.Process]:
        return []


@functools.cache
def _this_process(pid: int) -> tuple[int, int]:
    return pid, procfs.start_time(pid) or 0
