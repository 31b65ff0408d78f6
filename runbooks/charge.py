"""One attempt in the keeper's charge: started, its output taken in, its time kept, stopped, and its end written.

running → (stop: TERM → grace → KILL) → its main process has ended → its output is drained, at most 1 s → told.
What survives a stop or a signal is lingering: it counts as running, so the attempt's lock is kept until it is gone.
Nothing here waits: each phase has a time at which `on_due` is to be called.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from incidents import clock
from runbooks import attempt, output, process, procfs
from runbooks.attempt import Ended, Gone, Notice, Order, Output, Record, Started, Survivor
from runbooks.process import Unstarted, crash_point

DRAIN = 1 * clock.SECOND
AFTER_KILL = 2 * clock.SECOND  # how long after KILL somebody may take to end before he is named
LOOK = clock.SECOND // 10  # between two looks at who is left
LINGER_LOOK = 1 * clock.SECOND
TELL = clock.SECOND // 20  # between two notices of output
SHOWN = 50  # survivors and services named at most
BIG_PIPE = 1 << 20
_F_SETPIPE_SZ = 1031
_READS = 16  # of 256 KiB at most before the others have their turn
_buffer = bytearray(1 << 18)  # shared: the keeper reads one pipe at a time
_MARKS = ("HOWDAH_RUN", "HOWDAH_STEP", "HOWDAH_ATTEMPT")


class Home(Protocol):
    """What a charge needs of the keeper around it."""

    folder: int  # the run's folder
    mode: int  # of files in it
    null: int
    charges: dict[int, Charge]
    own: set[int]  # its children that are of no attempt

    @property
    def reached_out(self) -> bool:
        """Was another machine reached? ssh may have left a master, which became its child."""
        ...

    def say(self, notice: Notice) -> None: ...
    def watch(self, fd: int, on_ready: Callable[[], None]) -> None: ...
    def watch_room(self, fd: int, on_room: Callable[[], None]) -> None: ...
    def unwatch(self, fd: int) -> None: ...
    def far(self, paths: Sequence[str]) -> bool: ...
    def reap(self) -> None: ...


class Charge:
    def __init__(self, home: Home, order: Order, file: int, lock: int) -> None:
        self.home, self.order, self.n = home, order, order.n
        self.file, self.lock = file, lock
        self.link = os.readlink(f"/proc/self/fd/{lock}")
        self.phase = "new"  # running draining term kill linger
        self.pid = self.start = 0
        self.child = True  # False: an earlier keeper's, looked after only to be stopped
        self.pipe = self.report = -1
        self.exit: int | None = None
        self.signal: int | None = None
        self.why = ""
        self.unstarted: Unstarted | None = None
        self.started = self.ended = 0
        self.due: int | None = None
        self.on_due: Callable[[], None] = self.overtime
        self.tell_at: int | None = None
        self.writer = output.Writer(home.folder, self.n, home.mode)
        self.masker: Any = None
        self._kill_until = 0
        self.grace = order.grace
        self.link_lost = ""
        self._known: set[tuple[int, int]] = set()
        self._survivors: tuple[Survivor, ...] = ()

    # -- the start -----------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Starts the program, or says why it cannot be."""
        crash_point("keeper-after-order", self.n)
        self.started = clock.monotonic()
        self.unstarted = self._begin()
        if self.unstarted is not None:
            self.exit, self.ended = self.unstarted.exit, clock.monotonic()
            return self._finish()
        crash_point("keeper-after-spawn", self.n)
        self.phase = "running"
        self._record("running")
        crash_point("keeper-after-try", self.n)
        if self.order.timeout is not None:
            self._wake(self.order.timeout, self.overtime)
        self.home.say(Started(self.n, *self.witness(), self.started))
        return self._follow()

    def _begin(self) -> Unstarted | None:
        self._mask()
        got = self._spawn()
        if isinstance(got, Unstarted):
            return got
        self.pid, self.start = got, procfs.start_time(got) or 0
        return None

    def _follow(self) -> None:
        self.home.watch(self.pipe, self.take_in)

    def witness(self) -> tuple[int, int]:
        """The process that is alive as long as the attempt may be: its pid and start."""
        return self.pid, self.start

    def _spawn(self) -> int | Unstarted:
        got: int | Unstarted
        try:
            self.pipe, writer = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.pipe, False)
            try:
                got = self._spawn_with(process.Wires(self.home.null, writer, self.lock))
            finally:
                os.close(writer)
        except OSError as error:
            got = Unstarted(process.NOT_RUNNABLE, f"no process could be started: {error.strerror}")
        if isinstance(got, Unstarted) and self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        return got

    def _spawn_with(self, wires: process.Wires) -> int | Unstarted:
        order = self.order
        if not order.argv or not order.argv[0]:
            return Unstarted(process.NOT_FOUND, "no program is named")
        paths = [os.path.join(order.cwd, name) for name in process.programs(order.argv[0], order.env)]
        if order.user is None and not self.home.far([order.cwd, *paths]):
            return process.spawn(order.argv, order.env, cwd=order.cwd, umask=order.umask, wires=wires)
        pid, self.report = process.fork_spawn(
            order.argv, order.env, cwd=order.cwd, umask=order.umask, user=order.user, wires=wires
        )
        return pid

    def _mask(self) -> None:
        if self.order.secrets:
            from runbooks.quoting import Masker

            self.masker = Masker(self.order.secrets)

    def _wake(self, after: int, then: Callable[[], None]) -> None:
        self.due, self.on_due = clock.monotonic() + after, then

    def _record(self, state: str, value: int = 0) -> None:
        with contextlib.suppress(OSError):  # then process and lock are the witnesses, and the driver is told
            attempt.write(self.file, Record(state, *self.witness(), value, self.why))

    # -- its output ----------------------------------------------------------------------------------------

    def take_in(self) -> None:
        """Reads what the pipe holds, masks it and writes it down."""
        for _ in range(_READS):
            try:
                size = os.readv(self.pipe, [_buffer])
            except BlockingIOError:
                return
            if size == 0:
                self._end_of_output()
                return
            self._keep(memoryview(_buffer)[:size])
            if size < len(_buffer) // 4:
                return

    def _end_of_output(self) -> None:
        self.home.unwatch(self.pipe)
        os.close(self.pipe)
        self.pipe = -1
        if self.phase == "draining":
            self._finish()
        else:
            self.home.reap()  # most often it has ended too

    def _keep(self, data: memoryview) -> None:
        before = self.writer.total
        self.writer.write(data if self.masker is None else memoryview(self.masker.feed(bytes(data))))
        if (
            before < BIG_PIPE <= self.writer.total and self.pipe >= 0
        ):  # talkative: fewer turns for the same bytes
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.pipe, _F_SETPIPE_SZ, BIG_PIPE)
        if self.tell_at is None:
            self.tell_at = clock.monotonic() + TELL

    def tell(self) -> None:
        self.tell_at = None
        self.home.say(Output(self.n, self.writer.total))

    # -- its times -----------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """When `keep_time` wants to be called, in monotonic µs."""
        return min((time for time in (self.due, self.tell_at) if time is not None), default=None)

    def keep_time(self, now: int) -> None:
        if self.due is not None and self.due <= now:
            self.due = None
            self.on_due()
        if self.tell_at is not None and self.tell_at <= now:
            self.tell()

    # -- its end -------------------------------------------------------------------------------------------

    def main_ended(self, exit: int | None, number: int | None) -> None:
        """The main process is a zombie: its end is written; it is reaped unless its number still names its group."""
        self.exit, self.signal, self.ended = exit, number, clock.monotonic()
        if self.phase in ("term", "kill"):
            self._look_after_stop()
            return
        crash_point("keeper-before-exit-written", self.n)
        self._write_end()
        crash_point("keeper-after-exit-written", self.n)
        if self.phase == "linger":
            return
        self.phase = "draining"
        if self.pipe < 0:
            self._finish()
        else:
            self._wake(DRAIN, self._finish)
            self.take_in()

    def _write_end(self) -> None:
        if self.pid:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG)
        if self.exit is not None:
            self._record("exit", self.exit)
        elif self.signal is not None:
            self._record("signal", self.signal)

    def _finish(self) -> None:
        """Tells the end of an attempt that was not stopped."""
        self._hear_report()
        if self.unstarted is not None:
            self._record("exit", self.unstarted.exit)
        services = self._leave_pipe()
        if self.signal is not None:
            self._survivors = tuple(map(attempt.survivor, self.remains()[:SHOWN]))
        self._say_end(services)

    def _hear_report(self) -> None:
        """What a forked child wrote if it could not become the program; nothing where it could."""
        if self.report < 0:
            return
        with contextlib.suppress(BlockingIOError):
            exit, _, reason = os.read(self.report, 4096).decode("utf-8", "replace").partition(" ")
            if reason:
                self.unstarted = Unstarted(int(exit), reason)
        os.close(self.report)
        self.report = -1

    def _leave_pipe(self) -> tuple[Survivor, ...]:
        """Hands an open pipe to a reader that outlives us, so that who writes to it does not die; names who does."""
        if self.pipe < 0:
            return ()
        self.home.unwatch(self.pipe)
        link, mine = os.readlink(f"/proc/self/fd/{self.pipe}"), os.getpid()
        found = [p for p in procfs.table().values() if p.pid != mine and p.runs and procfs.holds(p.pid, link)]
        with contextlib.suppress(OSError):
            self.home.own.add(process.leave_reader(self.pipe, self.home.null))
        os.close(self.pipe)
        self.pipe = -1
        return tuple(map(attempt.survivor, found[:SHOWN]))

    def _say_end(self, services: tuple[Survivor, ...]) -> None:
        if (
            self.masker is not None and not self.link_lost
        ):  # else what it holds back comes again, with its other half
            self.writer.write(memoryview(self.masker.flush()))
        info = self.writer.close()
        self.tell_at = self.due = None
        if self._lingers():
            self.phase = "linger"
            self._wake(LINGER_LOOK, self._linger)
        else:
            self.release()
        if self.child:
            unstarted = self.unstarted.reason if self.unstarted is not None else None
            self.home.say(
                Ended(
                    self.n, self.exit, self.signal, self.why or None, unstarted, False, self.started,
                    self.ended or clock.monotonic(), self._survivors, services, info, self.link_lost,
                )
            )  # fmt: skip

    def _lingers(self) -> bool:
        return bool(self._survivors)

    def release(self) -> None:
        """Lets go of the attempt: nothing of it runs any more, or what does was left behind on purpose."""
        self.due = self.tell_at = None
        os.close(self.file)
        os.close(self.lock)
        self.home.charges.pop(self.n, None)

    # -- stopping ------------------------------------------------------------------------------------------

    def overtime(self) -> None:
        self.stop("timeout")

    def stop(self, why: str) -> None:
        """Records the reason, then TERM; asked again of what survived an earlier stop, KILL."""
        self.home.reap()  # who has ended by himself is not being stopped
        if self.phase == "linger":
            self._signal(signal.SIGKILL)
        elif self.phase == "running":
            self.why = why
            self._record("running")
            crash_point("keeper-after-stopping", self.n)
            self.phase = "term"
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            self._kill_until = clock.monotonic() + self.grace
            self._wake(self.grace if self.child else LOOK, self._look_after_stop)

    def _look_after_stop(self) -> None:
        left = self.remains()
        if not left and self._main_has_ended():
            return self._stopped(left)
        now = clock.monotonic()
        if self.phase == "term" and now >= self._kill_until:
            self.phase = "kill"
            self._kill_until = now + AFTER_KILL
        elif self.phase == "kill" and now >= self._kill_until:
            return self._stopped(left)
        if self.phase == "kill":
            self._signal(signal.SIGKILL)
            return self._wake(LOOK // 2, self._look_after_stop)
        looks = self._main_has_ended() or not self.child  # while it runs, its end wakes us
        return self._wake(
            min(LOOK, self._kill_until - now) if looks else self._kill_until - now, self._look_after_stop
        )

    def _main_has_ended(self) -> bool:
        if self.child:
            return self.exit is not None or self.signal is not None
        return not procfs.alive(self.pid, self.start)

    def _stopped(self, left: list[procfs.Process]) -> None:
        if self.child and self._main_has_ended():
            self._write_end()
        self._survivors = tuple(map(attempt.survivor, left[:SHOWN]))
        if self.pipe >= 0:
            self.take_in()
        self._hear_report()
        self._leave_pipe()
        self._say_end(())

    def _linger(self) -> None:
        """Asks for those who were seen; only when they are gone, whether there are others."""
        seen = any(procfs.alive(pid, start) for pid, start in self._known)
        if seen or not self._main_has_ended() or self.remains():
            return self._wake(LINGER_LOOK, self._linger)
        self.release()
        if self.child:
            self.home.say(Gone(self.n))
        return None

    def _signal(self, number: int) -> None:
        """Signals the group while its number is surely ours, and one by one what has left it."""
        group_is_ours = (self.child and self.phase != "linger") or procfs.alive(self.pid, self.start)
        left = self.remains()
        if group_is_ours:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        for one in left:
            if not group_is_ours or one.group != self.pid:
                process.send(one, number)

    # -- what still runs -----------------------------------------------------------------------------------

    def remains(self) -> list[procfs.Process]:
        """What runs of the attempt: the main process, its descendants, its group, and strays in other sessions.

        A stray, adopted by us because its parents died, is known by its environment or by the attempt's lock; one
        that has neither is taken for ours when it began after the attempt, no other attempt runs and nobody was reached.
        """
        everybody = procfs.table()
        children: dict[int, list[int]] = {}
        for one in everybody.values():
            children.setdefault(one.parent, []).append(one.pid)
        others = [c.pid for c in self.home.charges.values() if c is not self and c.pid]
        alone = not others and not self.home.reached_out
        foreign = {os.getpid()} | _descendants(children, [*self.home.own, *others])
        mine = _descendants(children, [p.pid for p in everybody.values() if self._is_known(p)]) - foreign
        strays = [
            p.pid
            for p in everybody.values()
            if p.pid not in mine and p.pid not in foreign and self._is_stray(p, alone=alone)
        ]
        mine |= _descendants(children, strays) - foreign
        found = [everybody[pid] for pid in sorted(mine) if everybody[pid].runs]
        self._known |= {(p.pid, p.start) for p in found}
        return found

    def _is_known(self, one: procfs.Process) -> bool:
        if one.pid == self.pid:
            return one.start == self.start
        if one.group == self.pid and one.start >= self.start:
            return True
        return (one.pid, one.start) in self._known

    def _is_stray(self, one: procfs.Process, *, alone: bool) -> bool:
        if one.start < self.start or not one.runs:
            return False
        env = self.order.env
        marks = [f"{name}={env[name]}".encode("utf-8", "surrogateescape") for name in _MARKS if name in env]
        if len(marks) == len(_MARKS) and procfs.carries(one, marks):
            return True
        return procfs.holds(one.pid, self.link) or (self.child and alone and one.parent == os.getpid())


def _descendants(children: dict[int, list[int]], roots: Sequence[int]) -> set[int]:
    """The roots and everybody below them."""
    found: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, ())
    return found
