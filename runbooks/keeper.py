"""The driver's hold on its keeper: the small process that starts every step of a run and outlives the driver.

Start the keeper before heavy imports, threads and the store: it is a fork of what the process is at that moment.
Where the keeper is lost, its attempts go on to be watched through their witnesses, and the next launch or stop
starts another one by exec.
"""

from __future__ import annotations

import _socket
import contextlib
import gc
import os
import select
import struct
import sys
from collections.abc import Sequence
from typing import NoReturn

from incidents import clock
from incidents.errors import Failed, StoreError
from runbooks import attempt, keeper_wire
from runbooks.attempt import Ended, Far, Gone, Notice, Order, Output, OutputInfo, Record, Started, Survivor
from runbooks.output import left_output

__all__ = ["Ended", "Far", "Gone", "Keeper", "Notice", "Order", "Output", "OutputInfo", "Started", "Survivor"]

HELLO = 2 * clock.SECOND  # how long a keeper that is asked to be adopted may take to answer
ORPHAN_LOOK = clock.SECOND // 10  # between two looks at an attempt whose keeper is lost


class Keeper:
    """A connection to one run's keeper. Not for several threads."""

    def __init__(self, run_dir: str, link: _socket.socket, pid: int, running: Sequence[Started] = ()) -> None:
        self.pid = pid
        self._run_dir = run_dir
        self._link: _socket.socket | None = link
        self._running: dict[int, Started | None] = {one.n: one for one in running}
        self._orphans: set[int] = set()  # attempts whose keeper was lost
        self._files: dict[int, tuple[int, int]] = {}  # prepared
        self._heard: list[Notice] = []

    @classmethod
    def start(cls, run_dir: str) -> Keeper:
        """Forks the keeper of a run. Raises Failed where there is no process to be had, StoreError without a folder."""
        run_dir = _folder(run_dir)
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError as error:
            raise Failed(f"the keeper could not be started: {error.strerror}") from None
        if pid == 0:
            _be_the_keeper(run_dir, theirs)
        theirs.close()
        return cls(run_dir, ours, pid)

    @classmethod
    def execute(cls, run_dir: str) -> Keeper:
        """Starts the keeper of a run as a new interpreter, for who has threads or an open store; 30 ms slower."""
        run_dir = _folder(run_dir)
        link, pid = _execute(run_dir)
        return cls(run_dir, link, pid)

    @classmethod
    def adopt(cls, run_dir: str) -> Keeper | None:
        """Connects to a keeper that still lives; None where there is none that answers."""
        import socket

        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(HELLO / clock.SECOND)
        try:
            folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                link.connect(f"/proc/self/fd/{folder}/{keeper_wire.SOCKET}")  # the real path may be too long
            finally:
                os.close(folder)
            raw = link.recv(keeper_wire.PACKET)
        except OSError:
            raw = b""
        running = keeper_wire.unpack_hello(raw) if raw else None
        if running is None:
            link.close()
            return None
        link.settimeout(None)
        pid, _, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return cls(os.path.abspath(run_dir), link, pid, running)

    # -- attempts ------------------------------------------------------------------------------------------

    def prepare(self, n: int) -> None:
        """Makes N.try durable; may be called while another attempt runs. Raises NotDurable: then no intent either."""
        if n not in self._files:
            self._files[n] = attempt.prepare(self._run_dir, n)

    def launch(self, order: Order) -> Started | Ended:
        """Has the keeper start the program; returns when it runs, or could not be started (`Ended.unstarted`)."""
        self.prepare(order.n)
        file, lock = self._files.pop(order.n)
        try:
            with contextlib.suppress(OSError):
                attempt.write(file, Record("ordered"))
            self._deliver(order, file, lock)
        finally:
            os.close(file)
            os.close(lock)
        self._running[order.n] = None
        while True:
            self._heard += self._hear(None, ())
            for notice in self._heard:
                if notice.n == order.n and isinstance(notice, Started | Ended):
                    self._heard.remove(notice)
                    return notice
            if order.n in self._orphans:
                seen = attempt.witness(self._run_dir, order.n)
                if seen.state == "running":
                    return Started(order.n, seen.pid or 0, seen.start or 0, clock.monotonic())

    def _deliver(self, order: Order, file: int, lock: int) -> None:
        try:
            keeper_wire.send_order(self._alive(), order, file, lock)
        except (BrokenPipeError, ConnectionResetError):
            self._lose()
            keeper_wire.send_order(self._alive(), order, file, lock)

    def has(self, n: int) -> bool:
        """Is an end of attempt `n` still to be told by `wait`?"""
        return n in self._running or any(isinstance(one, Ended) and one.n == n for one in self._heard)

    def keeps(self, n: int) -> bool:
        """Does a living keeper look after attempt `n`, and hold its time limit?"""
        return n in self._running and n not in self._orphans

    def wait(self, timeout: int | None, *, wake: Sequence[int] = ()) -> list[Notice]:
        """What has happened; waits for it at most `timeout` µs (None: as long as it takes).

        Empty when the time is up or a descriptor in `wake` is readable. An attempt whose keeper was lost ends here
        too: with what it left in its file, else `lost`, and not before nothing is known to run of it any more.
        """
        deadline = None if timeout is None else clock.monotonic() + timeout
        while not self._heard and (self._link is not None or self._orphans or wake or timeout is not None):
            left = None if deadline is None else max(0, deadline - clock.monotonic())
            self._heard += self._hear(left, wake)
            if left == 0 or _readable(wake):
                break
        heard, self._heard = self._heard, []
        return heard

    def stop(self, n: int, why: str, *, grace: int = keeper_wire.GRACE) -> None:
        """Asks for the stop of an attempt, also of one whose keeper was lost; `wait` or the witness tells its end.

        `why` is 1 to 10 of `a-z-`, else ValueError. The grace is the order's; `grace` (µs) where that was lost too.
        """
        if not attempt.WHY.fullmatch(why):
            raise ValueError(f"{why!r} is no reason to record")
        try:
            keeper_wire.send_stop(self._alive(), n, why, grace)
        except (BrokenPipeError, ConnectionResetError):
            self._lose()
            keeper_wire.send_stop(self._alive(), n, why, grace)

    def bye(self) -> None:
        """The run has ended: other machines need keep nothing of it."""
        if self._link is not None:
            with contextlib.suppress(OSError):
                keeper_wire.send_bye(self._link)

    def descriptors(self) -> set[int]:
        """The descriptors that must stay open across a fork."""
        found = {fd for pair in self._files.values() for fd in pair}
        return found if self._link is None else found | {self._link.fileno()}

    def close(self) -> None:
        """The driver leaves: the keeper goes on until its attempts have ended."""
        if self._link is not None:
            self._link.close()
        self._link = None
        for fd in (fd for pair in self._files.values() for fd in pair):
            os.close(fd)
        self._files.clear()

    leave = (
        close  # for the process that forked the driver: its copy of the connection goes, the driver's stays
    )

    # -- the connection ------------------------------------------------------------------------------------

    def _alive(self) -> _socket.socket:
        if self._link is None:
            self._link, self.pid = _execute(self._run_dir)
        return self._link

    def _lose(self) -> None:
        """The keeper is dead: its attempts are watched through their witnesses from now on."""
        if self._link is not None:
            self._link.close()
        self._link = None
        self._orphans |= set(self._running)
        with contextlib.suppress(ChildProcessError):  # it may be our child or another's
            os.waitpid(self.pid, os.WNOHANG)

    def _hear(self, timeout: int | None, wake: Sequence[int]) -> list[Notice]:
        """Waits once; then everything that is there."""
        poll = select.poll()
        for fd in wake:
            poll.register(fd, select.POLLIN)
        if self._link is not None:
            poll.register(self._link.fileno(), select.POLLIN)
        if self._orphans:
            timeout = ORPHAN_LOOK if timeout is None else min(timeout, ORPHAN_LOOK)
        poll.poll(None if timeout is None else -(-timeout // 1000))
        found: list[Notice] = []
        while self._link is not None:
            try:
                raw = self._link.recv(keeper_wire.PACKET, _socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                raw = b""
            if not raw:
                self._lose()
                break
            found.append(self._note(keeper_wire.unpack_notice(raw)))
        return found + self._ask_witnesses()

    def _note(self, notice: Notice) -> Notice:
        if isinstance(notice, Ended):
            self._running.pop(notice.n, None)
        elif isinstance(notice, Started):
            self._running[notice.n] = notice
        return notice

    def _ask_witnesses(self) -> list[Notice]:
        found: list[Notice] = []
        for n in sorted(self._orphans):
            seen = attempt.witness(self._run_dir, n)
            if seen.state == "running":
                continue
            self._orphans.discard(n)
            started = self._running.pop(n, None)
            known = seen.state == "ended"
            found.append(
                Ended(
                    n, seen.exit, seen.signal, seen.stopping, lost=not known,
                    started=started.at if started is not None else 0, ended=clock.monotonic(), services=seen.services,
                    output=left_output(self._run_dir, n), unheard=True,
                )
            )  # fmt: skip
        return found


def _folder(run_dir: str) -> str:
    run_dir = os.path.abspath(run_dir)
    try:
        attempt.make_folder(run_dir)
    except OSError as error:
        raise StoreError(f"the folder {run_dir} cannot be made: {error.strerror}") from None
    return run_dir


def _be_the_keeper(run_dir: str, link: _socket.socket) -> NoReturn:
    """The child of the fork; it must never return into its parent's code."""
    try:
        gc.disable()
        gc.freeze()  # what the parent left is never collected: it would close descriptors that are now ours
        from runbooks import keeper_loop

        keeper_loop.live(run_dir, link)
    finally:
        os._exit(1)


def _readable(wake: Sequence[int]) -> bool:
    if not wake:
        return False
    poll = select.poll()
    for fd in wake:
        poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


_PROGRAM = "import sys; sys.path.append(sys.argv.pop()); from runbooks import keeper_loop; keeper_loop.main()"


def _execute(run_dir: str) -> tuple[_socket.socket, int]:
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    argv = [sys.executable, "-P", "-c", _PROGRAM, run_dir, root]
    source = os.dup(theirs.fileno()) if theirs.fileno() == 3 else theirs.fileno()
    try:
        pid = os.posix_spawn(
            sys.executable, argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, source, 3)]
        )
    except OSError as error:
        raise Failed(f"the keeper could not be started: {error.strerror}") from None
    finally:
        theirs.close()
    return ours, pid
