"""An attempt on another machine in the keeper's charge: what is watched here is the process that holds its link."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Protocol

from runbooks import process, procfs
from runbooks.attempt import Far, Order, Survivor
from runbooks.charge import Charge, Home
from runbooks.process import Unstarted

if TYPE_CHECKING:
    from runbooks.targets.link import Line


class FarHome(Home, Protocol):
    """What such a charge needs besides: the lines to other machines, each for one charge at a time."""

    def take_line(self, far: Far) -> Line: ...
    def give_line(self, far: Far, line: Line, *, kept: bool) -> None: ...


class FarCharge(Charge):
    def __init__(self, home: FarHome, order: Order, file: int, lock: int) -> None:
        from runbooks.targets.link import MARGIN

        super().__init__(home, order, file, lock)
        self.lines = home
        self.line: Line | None = None
        self.grace = order.grace + MARGIN
        self._services: tuple[Survivor, ...] = ()
        self._kept_line = False

    def _spawn_with(self, wires: process.Wires) -> int | Unstarted:
        from runbooks.targets import link

        order = self.order
        assert order.far is not None
        self._mask()
        self.line = line = self.lines.take_line(order.far)
        pid, self.report = process.fork_call(
            lambda report: link.talk(order, line, report),
            keep=(line.to, line.from_, line.errors),
            wires=wires,
        )
        return pid

    def _hear_report(self) -> None:
        if self.report < 0:
            return
        try:
            said: dict[str, Any] = json.loads(os.read(self.report, 1 << 16) or b"{}")
        except (OSError, ValueError):  # it was killed before its last word
            said = {}
        os.close(self.report)
        self.report = -1
        host = self.order.far.host if self.order.far is not None else ""
        if "unstarted" in said:
            self.unstarted = Unstarted(said["exit"], said["unstarted"])
        elif self.signal is not None:
            self.link_lost = said.get("lost") or f"the link to {host} was killed"
        self._survivors = tuple(Survivor(*one) for one in said.get("left", ()))
        self._services = tuple(Survivor(*one) for one in said.get("services", ()))
        self._kept_line = bool(said.get("kept"))

    def _leave_pipe(self) -> tuple[Survivor, ...]:
        super()._leave_pipe()
        return self._services

    def _say_end(self, services: tuple[Survivor, ...]) -> None:
        super()._say_end(services)
        if self.line is not None and self.order.far is not None:
            if not self.link_lost:
                self._thank(self.line)
            self.lines.give_line(self.order.far, self.line, kept=self._kept_line)
            self.line = None

    def _thank(self, line: Line) -> None:
        """All that it printed is in our files: nothing of it need be kept over there. No answer is waited for."""
        with contextlib.suppress(OSError):
            os.write(line.to, b"got %d\n" % self.n)

    def _lingers(self) -> bool:
        return False  # whether they still run is asked over there

    def remains(self) -> list[procfs.Process]:
        """Only the process of the link: it starts nothing."""
        one = procfs.look(self.pid)
        return [one] if one is not None and one.start == self.start and one.runs else []
