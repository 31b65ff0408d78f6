"""The keeper as a process: one loop over its drivers, the pipes of its attempts, their ends and their times.

It ends when its last attempt has ended and no driver is connected. A terminal's signals, the driver's death and a
full disk do not end it; only KILL does, and then the witnesses of each attempt decide (runbooks/attempt.py).
"""

from __future__ import annotations

import _socket
import contextlib
import fcntl
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from incidents import clock
from runbooks import attempt, keeper_wire, process, procfs
from runbooks.attempt import Ended, Gone, Notice, Order
from runbooks.charge import Charge

if TYPE_CHECKING:
    from runbooks.targets.lines import Lines

_IGNORED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
    signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
)  # fmt: skip
_PR_SET_CHILD_SUBREAPER = 36


class Client:
    """A connected driver, and what is still to be sent to it."""

    def __init__(self, link: _socket.socket) -> None:
        self.link = link
        self.waiting: deque[bytes] = deque()
        self.full = False  # its socket takes no more at the moment


class Loop:
    """The keeper's state; a `Home` for its charges."""

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir
        self.folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.mode = attempt.mode_in(run_dir)
        self.null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self.charges: dict[int, Charge] = {}
        self.own: set[int] = set()
        self.clients: dict[int, Client] = {}
        self.unheard: list[Notice] = []  # ends that no driver was there to hear
        self.listener: _socket.socket | None = None
        self.lines: Lines | None = None  # to other machines
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self._rooms: dict[int, Callable[[], None]] = {}
        self._mounts_fd = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._mounts_poll = select.poll()
        self._mounts_poll.register(self._mounts_fd, select.POLLPRI)
        self._far = procfs.far_mounts()
        self._wakeup, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.watch(self._wakeup, self._woken)

    # -- what a charge asks for ----------------------------------------------------------------------------

    def watch(self, fd: int, on_ready: Callable[[], None]) -> None:
        self._ready[fd] = on_ready
        self._epoll.register(fd, select.EPOLLIN)

    def watch_room(self, fd: int, on_room: Callable[[], None]) -> None:
        """Calls `on_room` once, when `fd`, which is not read, takes something or nobody reads it any more."""
        if fd not in self._rooms:
            self._epoll.register(fd, select.EPOLLOUT)
        self._rooms[fd] = on_room

    def unwatch(self, fd: int) -> None:
        if self._ready.pop(fd, None) is not None or self._rooms.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def far(self, paths: Sequence[str]) -> bool:
        if self._mounts_poll.poll(0):  # the mounts have changed
            self._far = procfs.far_mounts()
        return bool(self._far) and procfs.is_far(self._far, paths)

    def say(self, notice: Notice) -> None:
        if not self.clients and isinstance(notice, Ended | Gone):
            self.unheard.append(notice)
        raw = keeper_wire.pack_notice(notice)
        for client in list(self.clients.values()):
            client.waiting.append(raw)
            self._push(client)

    def reap(self) -> None:
        """Looks who has ended. A main process whose number still names a group to be stopped stays a zombie."""
        for charge in list(self.charges.values()):
            if charge.pid and charge.child and charge.exit is None and charge.signal is None:
                self._look_at(charge)
        mains = {charge.pid for charge in self.charges.values()}
        with contextlib.suppress(ChildProcessError):
            while (who := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if who.si_pid in mains:
                    return  # its charge has use for it
                os.waitid(os.P_PID, who.si_pid, os.WEXITED | os.WNOHANG)
                self.own.discard(who.si_pid)

    def _look_at(self, charge: Charge) -> None:
        end = os.waitid(os.P_PID, charge.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if end is not None:
            own = end.si_code == os.CLD_EXITED
            charge.main_ended(end.si_status if own else None, None if own else end.si_status)

    # -- the loop ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serves until nothing is left to do."""
        while self.charges or self.clients or not self._leave():
            for fd, events in self._epoll.poll(self._patience()):
                if (on_room := self._rooms.get(fd)) is not None:
                    self.unwatch(fd)
                    on_room()
                if events & select.EPOLLOUT and fd in self.clients:
                    self._push(self.clients[fd])
                if events & ~select.EPOLLOUT and fd in self._ready:
                    self._ready[fd]()
            self._keep_time()

    def _patience(self) -> float:
        """Seconds until the next time that somebody set; -1 is until something happens."""
        times = [time for charge in self.charges.values() if (time := charge.next_time()) is not None]
        return max(0, min(times) - clock.monotonic()) / clock.SECOND if times else -1

    def _keep_time(self) -> None:
        now = clock.monotonic()
        for charge in list(self.charges.values()):
            charge.keep_time(now)

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        self.reap()

    # -- drivers -------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Opens `keeper.sock` in the run's folder, for a driver that takes over. Without it the witnesses decide."""
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        old = os.umask(0o777 & ~self.mode)
        try:
            os.chdir(self.folder)  # a socket's path may have 107 bytes only
            with contextlib.suppress(FileNotFoundError):
                os.unlink(keeper_wire.SOCKET)
            listener.bind(keeper_wire.SOCKET)
            listener.listen(4)
            listener.setblocking(False)
        except OSError:
            listener.close()
            return
        finally:
            os.umask(old)
            os.chdir("/")
        self.listener = listener
        self._socket_file = os.stat(keeper_wire.SOCKET, dir_fd=self.folder).st_ino
        self.watch(listener.fileno(), self._accept)

    def _accept(self) -> None:
        assert self.listener is not None
        with contextlib.suppress(OSError):
            fd, _ = self.listener._accept()  # type: ignore[attr-defined]  # what socket.accept calls; to import that takes 3 ms
            link = _socket.socket(fileno=fd)
            self.connect(link)
            client = self.clients[link.fileno()]
            running = [c for c in self.charges.values() if c.child and c.phase not in ("new", "linger")]
            client.waiting.append(keeper_wire.pack_hello((c.n, *c.witness(), c.started) for c in running))
            client.waiting.extend(map(keeper_wire.pack_notice, self.unheard))
            self.unheard.clear()
            self._push(client)

    def connect(self, link: _socket.socket) -> None:
        link.setblocking(False)
        client = self.clients[link.fileno()] = Client(link)
        self.watch(link.fileno(), lambda: self._hear(client))

    def _hear(self, client: Client) -> None:
        try:
            message, files = keeper_wire.receive(client.link)
        except BlockingIOError:
            return
        except OSError:
            message, files = None, []
        if message is None:
            self._lose(client)
        else:
            self._obey(message, files)

    def _obey(self, message: dict[str, Any], files: list[int]) -> None:
        if message["do"] == "launch":
            if len(files) != 2 or not keeper_wire.is_whole(
                message
            ):  # the kernel drops what there is no descriptor for
                for fd in files:
                    os.close(fd)
                self.say(Ended(message["n"], 126, unstarted="the keeper has no descriptor left"))
                return
            order = keeper_wire.unpack_order(message)
            charge = self.charges[order.n] = self._charge(order, *files)
            charge.launch()
        elif message["do"] == "bye":
            if self.lines is not None:
                self.lines.bye()
        elif message["do"] == "stop":
            charge_or_none = self.charges.get(message["n"]) or self._take_over(message["n"], message["grace"])
            if charge_or_none is not None:
                charge_or_none.stop(message["why"])

    def _charge(self, order: Order, file: int, lock: int) -> Charge:
        if order.far is None:
            return Charge(self, order, file, lock)
        from runbooks.far_charge import FarCharge
        from runbooks.targets.lines import Lines

        if self.lines is None:
            self.lines = Lines(self)
        return FarCharge(self, order, file, lock, lines=self.lines)

    @property
    def reached_out(self) -> bool:
        return self.lines is not None

    def _take_over(self, n: int, grace: int) -> Charge | None:
        """Another keeper's attempt that still runs after that keeper's death: we can only stop it."""
        record = attempt.read(self.run_dir, n)
        if record is None or record.state != "running" or attempt.is_keeper(record.pid):
            return None  # one on another machine is stopped by its host
        try:
            file = os.open(attempt.path(self.run_dir, n), os.O_RDWR | os.O_CLOEXEC)
            lock = os.open(attempt.path(self.run_dir, n), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        order = Order(n, (), {}, "/", None, 0o022, None, grace)
        charge = self.charges[n] = Charge(self, order, file, lock)
        charge.child, charge.phase = False, "running"
        charge.pid, charge.start, charge.why = record.pid, record.start, record.why
        return charge

    def _push(self, client: Client) -> None:
        """Sends what the driver's socket takes; the rest when it has room."""
        try:
            while client.waiting:
                client.link.send(client.waiting[0])
                client.waiting.popleft()
            full = False
        except BlockingIOError:
            full = True
        except OSError:
            self._lose(client)
            return
        if full is not client.full:
            client.full = full
            wanted = select.EPOLLIN | select.EPOLLOUT if full else select.EPOLLIN
            self._epoll.modify(client.link.fileno(), wanted)

    def _lose(self, client: Client) -> None:
        fd = client.link.fileno()
        if self.clients.pop(fd, None) is not None:
            self.unwatch(fd)
            client.link.close()

    def _leave(self) -> bool:
        """Closes the door; a driver that came in at the last moment is still served."""
        if self.listener is None:
            return True
        self._accept()
        if self.clients:
            return False
        with contextlib.suppress(OSError):
            if os.stat(keeper_wire.SOCKET, dir_fd=self.folder).st_ino == self._socket_file:
                os.unlink(keeper_wire.SOCKET, dir_fd=self.folder)
        self.listener.close()
        return True


def live(run_dir: str, link: _socket.socket) -> NoReturn:
    """The whole life of the process after fork or exec; never returns."""
    try:
        os.setsid()
        link = _above_2(link)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        null = os.open(os.devnull, os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(null, target)
        process.close_all_but({0, 1, 2, link.fileno()})
        os.dup2(
            0, process.LOCK_FD, inheritable=False
        )  # so that nothing of ours has the number that a child overwrites
        os.chdir("/")
        os.umask(0)
        _adopt_orphans()
        with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as comm:
            comm.write(attempt.KEEPER_NAME)
        loop = Loop(run_dir)
        loop.connect(link)
        loop.listen()
        loop.run()
    except BaseException:  # noqa: BLE001 - the last word of this process; the witnesses decide about its attempts
        with (
            contextlib.suppress(OSError),
            open(os.path.join(run_dir, "keeper.log"), "a", encoding="utf-8") as log,
        ):
            import traceback

            log.write(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def _above_2(link: _socket.socket) -> _socket.socket:
    """The same connection under a number that is not 0, 1 or 2, and not inherited."""
    fd = link.fileno()
    if fd < 3:
        link.detach()
        return _socket.socket(fileno=fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3))
    os.set_inheritable(fd, False)
    return link


def _adopt_orphans() -> None:
    """What a step's processes leave behind becomes ours and not init's, so that it can be found."""
    with contextlib.suppress(ImportError, OSError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> NoReturn:
    """`python -c …`, see `keeper.execute`: argv is the run's folder, the socket is descriptor 3."""
    live(sys.argv[1], _socket.socket(fileno=3))
