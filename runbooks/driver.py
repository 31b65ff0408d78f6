"""The process around the engine: one per run, owner of `driver.lock`, deaf to its parent's end.

`fork` starts it from a command that has neither threads nor a store open yet; `spawn` executes
`python -m runbooks.driver` for everybody else. Either way it leaves nothing of its parent's behind: own session,
0 1 2 on /dev/null and `driver.log`, other descriptors closed. A viewer that started it holds a pipe from it: one
`.` a commit, at the end a line `exit N` with the error as JSON, because 5 cannot travel through a log that cannot
be written.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any

from incidents import clock
from incidents.errors import Failed, HowdahError, Refused, StoreError
from runbooks import attempt, kit, process
from runbooks.keeper import Keeper
from runbooks.orders import Resume as Resume
from runbooks.orders import Start as Start
from runbooks.orders import run_dir as run_dir

EXIT_PARKED = 3
HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEAR_OUT = 2 * clock.SECOND
HEAR_START = 30 * clock.SECOND  # longer than a driver waits for a busy store
BEGUN = "1.try"  # the first attempt's file is made once the run is in the record


class AtWork(Refused):
    """Another driver has the run."""


class Handle:
    """The starting viewer's end: `pipe` as described above; `pid` None where the driver is not our child."""

    def __init__(self, run: str, pipe: int, pid: int | None):
        self.run, self.pipe, self.pid = run, pipe, pid
        self.heard = b""
        self.begun = False  # the driver has the run, and has recorded so

    def listen(self) -> bool:
        """Reads what is there; False when the driver has closed its end."""
        try:
            news = os.read(self.pipe, 65_536)
        except BlockingIOError:
            return True
        self.begun = self.begun or bool(news)
        self.heard += news.lstrip(b".") if not self.heard else news
        return bool(news)

    def result(self) -> tuple[int, dict[str, Any]] | None:
        """(exit, error) once the driver has said its last word."""
        line = self.heard.partition(b"exit ")[2]
        if not line.endswith(b"\n"):
            return None
        code, _, rest = line.decode().partition(" ")
        return int(code), json.loads(rest or "{}")

    def hear_start(self) -> None:
        """Waits, at most HEAR_START, until the driver has the run and has recorded so; raises what kept it from it."""
        until = clock.monotonic() + HEAR_START
        while not self.begun and (left := until - clock.monotonic()) > 0:
            if select.select([self.pipe], [], [], left / clock.SECOND)[0] and not self.listen():
                break
        if self.heard:  # the beginning of its last word
            self.hear_out()
        said = self.result()
        if said is not None and said[1]:
            raise error(*said)
        if not self.begun:
            raise Failed("the driver died before the run began", hint="see its driver.log")

    def hear_out(self) -> None:
        """Waits, at most HEAR_OUT, for the driver's last word."""
        until = clock.monotonic() + HEAR_OUT
        while self.result() is None and (left := until - clock.monotonic()) > 0:
            if select.select([self.pipe], [], [], left / clock.SECOND)[0] and not self.listen():
                return

    def reap(self) -> None:
        if self.pid is not None:
            os.waitpid(self.pid, os.WNOHANG)


def make_run_dir(store: str, run: str) -> str:
    """Creates FILE.runs/RUN with the store's modes, where a store may lie. Raises StoreError."""
    from incidents.store import place

    place.check_file(store)
    folder = run_dir(store, run)
    kit.make_folder(store, folder)
    return folder


def fork(what: Start | Resume, *, detach: bool = True) -> Handle:
    """Starts keeper and driver; the caller becomes a viewer. No thread and no store may be open yet.

    INT, TERM and HUP are held back in the caller until its viewer can act on them (player/signals).
    """
    folder = make_run_dir(what.store, what.run)
    keeper = _keeper(what, folder)
    _load_what_both_need()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if detach:
                leave_parent(folder, {writer, *keeper.descriptors()})
            code = serve(what, folder, keeper, writer)
        except BaseException:  # noqa: BLE001 - a child must not run on in its parent's code, whatever happens
            _log_exception()
            code = 1
        os._exit(code)
    os.close(writer)
    keeper.leave()
    os.set_blocking(reader, False)
    return Handle(what.run, reader, pid)


def _load_what_both_need() -> None:
    """The modules of driver and viewer alike, loaded once instead of twice, while the keeper gets ready.

    Frozen, so that no look for garbage writes to the pages that the two share from now on.
    """
    from incidents.store import embedded  # noqa: F401
    from runbooks import consent  # noqa: F401

    gc.freeze()


def _keeper(what: Start | Resume, folder: str) -> Keeper:
    """The run's keeper that still lives, else a new one; a new run has none."""
    return (Keeper.adopt(folder) if isinstance(what, Resume) else None) or Keeper.start(folder)


def _log_exception() -> None:
    import traceback

    with contextlib.suppress(OSError):  # the log is on the store's disk, which may be full
        traceback.print_exc()


def spawn(what: Start | Resume) -> Handle:
    """Starts a driver by exec, for callers with threads or an open store. Its process ends by itself."""
    import subprocess

    folder = make_run_dir(what.store, what.run)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with open(os.path.join(folder, "driver.log"), "ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "runbooks.driver", str(writer)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, pass_fds=(writer,),
            cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
        )  # fmt: skip
    os.close(writer)
    message = {"kind": type(what).__name__, **what._asdict()}
    assert child.stdin is not None
    child.stdin.write(json.dumps(message).encode())
    child.stdin.close()
    os.set_blocking(reader, False)
    return Handle(what.run, reader, child.pid)


def leave_parent(folder: str, keep: set[int]) -> None:
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(os.path.join(folder, "driver.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    process.close_all_but({0, 1, 2, *keep})
    os.chdir("/")


def serve(what: Start | Resume, folder: str, keeper: Keeper, pipe: int) -> int:
    """The driver's life: take the lock, take the run as far as it goes, say how it ended. Returns the exit code."""
    error: dict[str, Any] = {}
    ours = True
    try:
        code = _serve(what, folder, keeper, lambda: _say(pipe, b"."))
    except HowdahError as problem:
        code, ours = problem.exit_code, not isinstance(problem, AtWork)
        if isinstance(problem, StoreError) and _begun(what, folder):
            problem.hint = "; then ".join(filter(None, (problem.hint, f"howdah resume {what.run}")))
        error = {"code": problem.code, "message": problem.message, "hint": problem.hint}
        with contextlib.suppress(OSError):  # a full disk takes no log, but the viewer must hear of it
            print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
    except Exception as problem:  # noqa: BLE001 - the last word of this process: logged whole, and told
        _log_exception()
        code, error = (
            1,
            {
                "code": "driver",
                "message": f"the driver failed: {problem}",
                "hint": f"see {folder}/driver.log",
            },
        )
    keeper.close()
    if error and ours and not _begun(what, folder):
        _forget(folder)
    _say(pipe, b"exit %d %s\n" % (code, json.dumps(error).encode()))
    return code


def _begun(what: Start | Resume, folder: str) -> bool:
    """Is the run in the record?"""
    return isinstance(what, Resume) or os.path.exists(os.path.join(folder, BEGUN))


def _forget(folder: str) -> None:
    """Nothing was recorded: nothing is left behind, either of a keeper that is just opening its door."""
    import shutil

    until = clock.monotonic() + clock.SECOND
    while os.path.exists(folder) and clock.monotonic() < until:
        shutil.rmtree(folder, ignore_errors=True)


def error(code: int, told: dict[str, Any]) -> HowdahError:
    """The driver's last word as the error that it was there."""
    kinds = {kind.code: kind for kind in _every(HowdahError)}
    kind = kinds.get(told.get("code", ""), HowdahError)
    found = HowdahError.__new__(kind)
    HowdahError.__init__(found, told.get("message") or f"the driver ended with {code}", hint=told.get("hint"))
    return found


def _every(kind: type[HowdahError]) -> list[type[HowdahError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in _every(below))]


def _say(pipe: int, word: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the viewer has left; the run goes on
        os.write(pipe, word)


def _serve(what: Start | Resume, folder: str, keeper: Keeper, on_commit: Callable[[], None]) -> int:
    from incidents.store import open_store
    from runbooks import engine, recover
    from runbooks.parking import Stay

    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with open_store(what.store) as store:
        while True:
            lock = take_lock(folder)
            if lock is None:
                raise AtWork(f"a driver is at work on {what.run}", hint=f"howdah attach {what.run}")
            if isinstance(what, Start):
                course = recover.begin(store, what, folder, keeper)
                what = Resume(store=what.store, run=what.run, attended=what.attended, prompted=what.prompted)
            else:
                course = recover.resume(store, what, folder, keeper)
            course.scribe.on_commit = on_commit
            on_commit()
            _pause_on_signals(course)
            try:
                stay = engine.drive(course)
            finally:
                course.watches.leave()
            os.close(lock)
            if stay is Stay.ENDED:
                keeper.bye()
                kit.clear(folder)
                assert course.run.end is not None
                return course.run.end.exit
            course.catch_up()  # what came while we still held the lock started no other driver
            if not (course.run.requests if stay is Stay.PAUSED else course.may_go_on()):
                return EXIT_PARKED


def _pause_on_signals(course: Any) -> None:
    from incidents import kinds

    def pause(number: int, frame: object) -> None:
        course.run.requests.append((kinds.RunRequest("pause"), course.scribe.actor))

    signal.signal(signal.SIGTERM, pause)
    signal.signal(signal.SIGINT, pause)


def take_lock(folder: str) -> int | None:
    """The descriptor that holds `driver.lock`, or None while another driver has it."""
    descriptor = os.open(os.path.join(folder, "driver.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(10):  # somebody may be looking whether it is free
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            signal.sigtimedwait([], 0.02)
    os.close(descriptor)
    return None


def wake(store: str, run: str, *, attended: bool = False) -> bool:
    """Starts a driver for a run that has none; False where one is at work and will see the news itself.

    `attended`: it stays up for further answers.
    """
    if not lock_is_free(run_dir(store, run)):
        return False
    os.close(spawn(Resume(store=store, run=run, attended=attended)).pipe)
    return True


def lock_is_free(folder: str) -> bool:
    """Does no driver work on this run?"""
    try:
        return not attempt.is_locked(os.path.join(folder, "driver.lock"))
    except FileNotFoundError:
        return True


def main() -> int:
    pipe = int(sys.argv[1])
    os.set_inheritable(pipe, False)
    message = json.loads(sys.stdin.buffer.read())
    kind = message.pop("kind")
    what: Start | Resume = Start(**message) if kind == "Start" else Resume(**message)
    folder = run_dir(what.store, what.run)
    keeper = _keeper(what, folder)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    return serve(what, folder, keeper, pipe)


if __name__ == "__main__":
    sys.exit(main())
