"""Programs that look at a machine which may not answer: side by side, each bounded, none waited for after its KILL.

A process that waits for a frozen filesystem is in D state and survives SIGKILL. It is named and left to the kernel.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from incidents import clock
from incidents.errors import BadInput
from runbooks import process, procfs

MOST = 16  # programs at a time
EVERY = 10_000  # µs between two looks for who has ended
DYING = 200_000  # µs that what was killed has to end
LIMIT = 1 << 20  # bytes kept of what a program prints, and one more where there was more
READS = 32

_unreaped: set[int] = set()  # children that did not die in their time


class Probe(NamedTuple):
    """A program to run. `timeout` in µs."""

    argv: Sequence[str]
    env: Mapping[str, str]
    timeout: int


class Seen(NamedTuple):
    """How it ended: `exit` is None where a signal ended it, or nothing did in time; `left` are its processes that
    survived SIGKILL; `unstarted` says why it never ran."""

    exit: int | None = None
    signal: int | None = None
    output: bytes = b""
    timed_out: bool = False
    unstarted: str = ""
    took: int = 0
    left: tuple[str, ...] = ()


class _Running:
    def __init__(self, probe: Probe, pid: int, pipe: int, until: int):
        now = clock.monotonic()
        self.pid = pid
        self.pipe = pipe
        self.began = now
        self.until = min(now + probe.timeout, until)
        self.output = bytearray()

    def read(self) -> bool:
        """Takes in what there is, False at its end. Beyond LIMIT it is thrown away: nobody waits for a full pipe."""
        for _ in range(READS):  # and then the others: one may print faster than we read
            try:
                data = os.read(self.pipe, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.output += data[: LIMIT + 1 - len(self.output)]
        return True

    def ended(self) -> Seen | None:
        """How it ended, None while it runs. It stays a zombie, so that its number means nobody else."""
        done = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        now = clock.monotonic()
        if done is None and now < self.until:
            return None
        self.read()
        seen = Seen(output=bytes(self.output), took=now - self.began)
        if done is None:
            return seen._replace(timed_out=True)
        if done.si_code == os.CLD_EXITED:
            return seen._replace(exit=done.si_status)
        return seen._replace(signal=done.si_status)


def look(probes: Sequence[Probe], *, until: int, most: int = MOST) -> list[Seen]:
    """Runs all of them, at most `most` at a time, until `until` (clock.monotonic); what came of each, in order.

    It returns at most DYING after that, whatever the programs do. What they leave behind in their sessions is killed.
    """
    _reap()
    results: dict[int, Seen] = {}
    waiting, running, begun = list(enumerate(probes)), dict[int, _Running](), dict[int, int]()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        with selectors.DefaultSelector() as selector:
            while waiting or running:
                while waiting and len(running) < most:
                    number, probe = waiting.pop(0)
                    with _no_interrupt():  # who was started is known to us before anything else happens
                        one = _start(probe, null, until)
                        if isinstance(one, Seen):
                            results[number] = one
                            continue
                        running[number], begun[number] = one, one.pid
                    selector.register(one.pipe, selectors.EVENT_READ, one)
                _listen(selector)
                for number in list(running):
                    _take_ended(number, running, results, selector)
    finally:
        with _no_interrupt():
            for one in running.values():  # an interrupt
                os.close(one.pipe)
            os.close(null)
            left = _clear_away(set(begun.values()))
    return [results[n]._replace(left=left.get(begun.get(n, 0), ())) for n in range(len(probes))]


class Lone:
    """One program that is looked after between other things: no call of this waits for anything."""

    def __init__(self, probe: Probe):
        _reap()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            begun = _start(probe, null, clock.monotonic() + probe.timeout + 1)
        finally:
            os.close(null)
        self._running = begun if isinstance(begun, _Running) else None
        self._seen = begun if isinstance(begun, Seen) else None
        self._ended = 0

    def look(self) -> Seen | None:
        """What came of it; None while it runs, and for DYING while something of it that was killed still does.

        `left` are those that survive: nobody waits for them any more.
        """
        one = self._running
        if one is None:
            return self._seen
        if self._seen is None:
            one.read()
            if (seen := one.ended()) is None:
                return None
            self._seen, self._ended = seen, clock.monotonic()
            os.close(one.pipe)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(one.pid, signal.SIGKILL)  # with what it started in the background
        alive = [each for each in procfs.table().values() if each.session == one.pid and each.runs]
        for each in alive:
            process.send(each, signal.SIGKILL)
        if alive and clock.monotonic() - self._ended < DYING:
            return None
        self._running, self._seen = None, self._seen._replace(left=tuple(map(_told, alive)))
        _unreaped.add(one.pid)
        _reap()
        self.left = tuple(alive)
        return self._seen

    left: tuple[procfs.Process, ...] = ()

    def abandon(self) -> None:
        """Kills it; nobody wants to know any more."""
        one, self._running = self._running, None
        if one is None:
            return
        if self._seen is None:
            os.close(one.pipe)
        for each in procfs.table().values():
            if each.session == one.pid and each.runs:
                process.send(each, signal.SIGKILL)
        _unreaped.add(one.pid)
        _reap()


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """An interrupt waits until the end of this. To block the signal would not do: another thread takes it then, and the
    main one is interrupted all the same."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _start(probe: Probe, null: int, until: int) -> _Running | Seen:
    if clock.monotonic() >= until:
        return Seen(unstarted="there was no time left for it")
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(writer, True)
    try:
        pid = process.spawn_apart(probe.argv, probe.env, null=null, out=writer)
    except BadInput as error:
        os.close(reader)
        return Seen(unstarted=str(error))
    finally:
        os.close(writer)
    return _Running(probe, pid, reader, until)


def _listen(selector: selectors.BaseSelector) -> None:
    if not selector.get_map():
        clock.sleep(EVERY)
        return
    for key, _ in selector.select(EVERY / clock.SECOND):
        if not key.data.read():
            selector.unregister(key.fileobj)


def _take_ended(
    number: int, running: dict[int, _Running], results: dict[int, Seen], selector: selectors.BaseSelector
) -> None:
    one = running[number]
    seen = one.ended()
    if seen is None:
        return
    results[number] = seen
    del running[number]
    with contextlib.suppress(KeyError):
        selector.unregister(one.pipe)
    os.close(one.pipe)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(one.pid, signal.SIGKILL)  # what it started in the background goes with it


def _clear_away(sessions: set[int]) -> dict[int, tuple[str, ...]]:
    """Kills what is left in the sessions; who survives it, by session."""
    deadline = clock.monotonic() + DYING
    _unreaped.update(sessions)
    while alive := [one for one in procfs.table().values() if one.session in sessions and one.runs]:
        for one in alive:
            process.send(one, signal.SIGKILL)
        if clock.monotonic() >= deadline:
            break
        clock.sleep(EVERY)
    _reap()
    left: dict[int, tuple[str, ...]] = {}
    for one in alive:
        left[one.session] = (*left.get(one.session, ()), _told(one))
    return left


def _told(one: procfs.Process) -> str:
    return f"process {one.pid} ({one.name}, state {one.state})"


def _reap() -> None:
    for pid in list(_unreaped):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _unreaped.discard(pid)
