"""How programs are started and stopped: the primitives under the keeper.

`spawn` is quick (vfork) and for what cannot hang; `fork_spawn` is for another user and for network filesystems: a
program, folder or account that does not answer then holds up the child, never the keeper.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from incidents import clock
from incidents.errors import BadInput
from runbooks.procfs import Process, alive, command, start_time, state

__all__ = [
    "Completed", "Process", "Unstarted", "Wires", "alive", "become", "close_all_but", "command", "crash_point", "fork_spawn",
    "leave_reader", "run_bounded", "send", "spawn", "spawn_apart", "spawn_relay", "spawn_talk", "start_time", "state",
]  # fmt: skip

_DESCRIPTORS = os.sysconf("SC_OPEN_MAX")
LOCK_FD = (
    214 if not 0 < _DESCRIPTORS <= 215 else _DESCRIPTORS - 2
)  # where a step finds its attempt's lock: above what scripts choose (3-9, 200) and bash uses (10+, 255)
NOT_FOUND, NOT_RUNNABLE = 127, 126  # what a shell reports for a program that it could not start
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"

_SIGNALS = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


def crash_point(name: str, n: int | None = None) -> None:
    """Kills this process here where $HOWDAH_TEST_KILL lists `name` (or `name:n`); costs nothing when unset."""
    wanted = os.environ.get("HOWDAH_TEST_KILL")
    if wanted and (name in (names := wanted.split(",")) or (n is not None and f"{name}:{n}" in names)):
        os.kill(os.getpid(), signal.SIGKILL)


def send(process: Process, number: int) -> None:
    """Signals one process; that it has ended meanwhile or is not ours is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process.pid, number)


# -- starting ----------------------------------------------------------------------------------------------


class Unstarted(NamedTuple):
    """Why a program could not be started: the exit status that a shell would report, and the reason in words."""

    exit: int
    reason: str


class Wires(NamedTuple):
    """Descriptors of the caller that become 0, 1 and 2, and LOCK_FD of the program; nothing else is inherited."""

    null: int
    out: int
    lock: int


def spawn(
    argv: Sequence[str], env: Mapping[str, str], *, cwd: str, umask: int, wires: Wires
) -> int | Unstarted:
    """Starts argv in a process group of its own; returns its pid when the program runs.

    For a single-threaded caller that lives in `/` with umask 0: both are set for the child and set back.
    """
    lock = wires.lock
    old = os.umask(umask)
    try:
        if lock == LOCK_FD:  # dup2 onto itself would leave it close-on-exec
            wires = wires._replace(lock=os.dup(lock))
        os.chdir(cwd)
        return _spawn(argv, env, wires)
    except (OSError, ValueError) as error:
        return Unstarted(NOT_RUNNABLE, f"working folder {cwd!r}: {_words(error)}")
    finally:
        if wires.lock != lock:
            os.close(wires.lock)
        os.umask(old)
        os.chdir("/")


def _spawn(argv: Sequence[str], env: Mapping[str, str], wires: Wires) -> int | Unstarted:
    actions = [
        (os.POSIX_SPAWN_DUP2, wires.null, 0),
        (os.POSIX_SPAWN_DUP2, wires.out, 1),
        (os.POSIX_SPAWN_DUP2, wires.out, 2),
        (os.POSIX_SPAWN_DUP2, wires.lock, LOCK_FD),
    ]

    def start(path: str) -> int:
        return os.posix_spawn(
            path, list(argv), env, file_actions=actions, setpgroup=0, setsigmask=(), setsigdef=_SIGNALS
        )

    return _first(argv[0], env, start)


def _first(name: str, env: Mapping[str, str], start: Callable[[str], int]) -> int | Unstarted:
    """Calls `start` with the files that `name` may mean until one of them is a program."""
    last: OSError | None = None
    for path in programs(name, env):
        if "/" not in name and not os.access(path, os.X_OK):
            if os.path.isfile(path):
                last = PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            continue
        try:
            return start(path)
        except ValueError as error:
            return Unstarted(NOT_RUNNABLE, f"{name!r}: {error}")
        except OSError as error:
            error.filename = path
            last = error
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                break
    return why_unstarted(name, env, last)


def programs(name: str, env: Mapping[str, str]) -> list[str]:
    """The files that `name` may mean, in the order of the PATH that the program itself will have."""
    if not name or "/" in name:
        return [name]
    return [os.path.join(folder or ".", name) for folder in env.get("PATH", DEFAULT_PATH).split(":")]


def why_unstarted(name: str, env: Mapping[str, str], error: OSError | None) -> Unstarted:
    if error is None:
        return Unstarted(NOT_FOUND, f"{name}: not found in PATH ({env.get('PATH', DEFAULT_PATH)})")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        there = os.path.exists(error.filename or name)
        reason = "its interpreter does not exist" if there else "no such file"
        return Unstarted(NOT_RUNNABLE if there else NOT_FOUND, f"{name}: {reason}")
    if error.errno == errno.ENOEXEC:
        return Unstarted(NOT_RUNNABLE, f"{name}: not a program (a script must begin with #!)")
    if error.errno == errno.E2BIG:
        return Unstarted(NOT_RUNNABLE, f"{name}: arguments and environment are too long")
    return Unstarted(NOT_RUNNABLE, f"{name}: {_words(error)}")


def _words(error: BaseException) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def fork_spawn(
    argv: Sequence[str], env: Mapping[str, str], *, cwd: str, umask: int, user: str | None, wires: Wires
) -> tuple[int, int]:
    """Like `spawn` by a plain fork, as local user `user`: (pid, descriptor).

    The descriptor reads as `EXIT reason` when the program could not be started, as nothing once it runs.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        _child(argv, env, cwd, umask, user, wires, writer)
    os.close(writer)
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)  # the child does it too: whoever is first, no signal to the group is lost
    return pid, reader


def _child(
    argv: Sequence[str], env: Mapping[str, str], cwd: str, umask: int, user: str | None, wires: Wires, report: int
) -> NoReturn:  # fmt: skip
    why = Unstarted(NOT_RUNNABLE, f"{argv[0]}: could not be started")
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for source, target in ((wires.null, 0), (wires.out, 1), (wires.out, 2), (wires.lock, LOCK_FD)):
            os.dup2(source, target)
        os.set_inheritable(LOCK_FD, True)  # also where it had this number already
        close_all_but({0, 1, 2, LOCK_FD, report})  # who hangs below must hold no pipe and no lock of others
        os.umask(umask)
        why = _become_and_run(argv, env, cwd, user)
    except BaseException as error:  # noqa: BLE001 - the child of a fork must never return into its parent's code
        why = Unstarted(NOT_RUNNABLE, f"{argv[0]}: {_words(error)}")
    finally:
        try:
            os.write(report, f"{why.exit} {why.reason}".encode("utf-8", "replace")[:4000])
        finally:
            os._exit(why.exit)


def spawn_talk(argv: Sequence[str], env: Mapping[str, str], errors: int) -> tuple[int, int, int]:
    """Starts a program of our own in a session of its own, to talk with: (pid, its stdin, its stdout). Raises OSError."""
    theirs_in, to = os.pipe2(os.O_CLOEXEC)
    try:
        from_, theirs_out = os.pipe2(os.O_CLOEXEC)
    except OSError:
        os.close(theirs_in)
        os.close(to)
        raise
    wires = [
        (os.POSIX_SPAWN_DUP2, source, target)
        for source, target in ((theirs_in, 0), (theirs_out, 1), (errors, 2))
    ]
    try:
        pid = os.posix_spawnp(
            argv[0], list(argv), env, file_actions=wires, setsid=True, setsigmask=(), setsigdef=_SIGNALS
        )
    except OSError:
        os.close(to)
        os.close(from_)
        raise
    finally:
        os.close(theirs_in)
        os.close(theirs_out)
    return pid, to, from_


def spawn_relay(argv: Sequence[str], env: Mapping[str, str], theirs: int) -> int:
    """Starts a program of our own in a session of its own, whose descriptor 0 is this socket: its pid. Raises OSError."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    wires = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in ((theirs, 0), (null, 1), (null, 2))]
    try:
        return os.posix_spawnp(
            argv[0], list(argv), env, file_actions=wires, setsid=True, setsigmask=(), setsigdef=_SIGNALS
        )
    finally:
        os.close(null)


def close_all_but(keep: set[int]) -> None:
    """Closes every other descriptor of this process."""
    with open("/proc/self/status", "rb") as status:  # to list them makes an inode of each
        size = int(status.read().partition(b"FDSize:")[2].split(None, 1)[0])
    low = 0
    for fd in (*sorted(keep), size):
        if low < fd:
            os.closerange(low, fd)
        low = fd + 1


def _become_and_run(argv: Sequence[str], env: Mapping[str, str], cwd: str, user: str | None) -> Unstarted:
    try:
        entered = _enter(cwd)
        if user is not None:
            become(user)
        if not entered:  # root may not enter an NFS home, its owner may
            os.chdir(cwd)
    except BadInput as error:
        return Unstarted(NOT_RUNNABLE, str(error))
    except (OSError, ValueError) as error:
        return Unstarted(NOT_RUNNABLE, f"working folder {cwd!r}: {_words(error)}")

    def start(path: str) -> NoReturn:
        os.execve(path, list(argv), env)

    why = _first(argv[0], env, start)
    assert isinstance(why, Unstarted)  # execve does not return
    return why


def _enter(cwd: str) -> bool:
    try:
        os.chdir(cwd)
    except PermissionError:
        return False
    return True


def become(user: str) -> None:
    """Makes this process one of that local user: groups, gid, uid. Raises BadInput where that cannot be."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise BadInput(f"there is no local user {user!r}") from None
    if account.pw_uid == os.geteuid():
        return
    try:
        os.fchown(1, account.pw_uid, -1)  # so that the program may open /dev/stdout again
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    except PermissionError:
        raise BadInput(f"only root can run a step as {user}") from None


def leave_reader(pipe: int, null: int) -> int:
    """Starts a process that reads `pipe` to its end and throws it away, whoever else ends; returns its pid."""
    os.set_blocking(pipe, True)
    wires = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in ((pipe, 0), (null, 1), (null, 2))]
    for path in ("/bin/cat", "/usr/bin/cat"):
        with contextlib.suppress(OSError):
            return os.posix_spawn(
                path, ["cat"], {}, file_actions=wires, setsid=True, setsigmask=(), setsigdef=_SIGNALS
            )
    pid = os.fork()  # a machine without cat
    if pid == 0:
        try:
            os.setsid()
            while os.read(pipe, 65536):
                pass
        finally:
            os._exit(0)
    return pid


def spawn_apart(argv: Sequence[str], env: Mapping[str, str], *, null: int, out: int) -> int:
    """Starts argv in a session of its own, in `/`, its output and errors to `out`; returns its pid.

    It never waits for a filesystem, and any thread may call it: what is started is the system's own shell, which
    looks for the program; one that does not answer holds up the child alone. Raises BadInput.
    """
    wires = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in ((null, 0), (out, 1), (out, 2))]
    shell = ["sh", "-c", 'cd / && exec "$@"', "sh", *argv]
    try:
        return os.posix_spawn(
            "/bin/sh", shell, env, file_actions=wires, setsid=True, setsigmask=(), setsigdef=_SIGNALS
        )
    except (OSError, ValueError) as error:
        raise BadInput(f"{argv[0]} could not be started: {_words(error)}") from None


# -- short programs of our own -----------------------------------------------------------------------------


class Completed(NamedTuple):
    """How a bounded program ended. `exit` is None when a signal or the clock ended it."""

    exit: int | None
    output: bytes
    errors: bytes
    timed_out: bool
    truncated: bool


def run_bounded(
    argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None, *, timeout: int,
    stdin: bytes | None = None, limit: int = 1 << 20,
) -> Completed:  # fmt: skip
    """Runs a short program of howdah's own for at most `timeout` µs, keeping `limit` bytes of each stream.

    At the limit of time its whole session is killed and not waited for beyond a second. Raises BadInput where it
    cannot be started.
    """
    import subprocess

    try:
        child = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise BadInput(f"{argv[0]} could not be started: {_words(error)}") from None
    deadline = clock.monotonic() + timeout
    output, errors = _exchange(child, stdin or b"", deadline, limit)
    try:
        child.wait(max(0, deadline - clock.monotonic()) / clock.SECOND)
        timed_out = False
    except subprocess.TimeoutExpired:
        timed_out = True
        _end(child)
    code = child.returncode
    exit = None if timed_out or code is None or code < 0 else code
    return Completed(
        exit, bytes(output[:limit]), bytes(errors[:limit]), timed_out, max(len(output), len(errors)) > limit
    )


def _exchange(child: Any, given: bytes, deadline: int, limit: int) -> tuple[bytearray, bytearray]:
    """Feeds stdin and takes in both streams until they end or the time is up; keeps one byte beyond `limit`."""
    import selectors

    streams = {child.stdout: bytearray(), child.stderr: bytearray()}
    pending = memoryview(given)
    given_to = -1 if child.stdin is None else child.stdin.fileno()
    with selectors.DefaultSelector() as selector, child.stdout, child.stderr:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        if child.stdin is not None:
            os.set_blocking(given_to, False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map() and (left := deadline - clock.monotonic()) > 0:
            for key, _ in selector.select(left / clock.SECOND):
                if key.fd == given_to:
                    pending = _feed(key.fd, pending)
                    done = not pending
                else:
                    data = os.read(key.fd, 65536)
                    kept = streams[key.fileobj]
                    kept += data[: limit + 1 - len(kept)]
                    done = not data
                if done:
                    selector.unregister(key.fileobj)
                    if key.fd == given_to:
                        child.stdin.close()
    output, errors = streams.values()
    return output, errors


def _feed(fd: int, pending: memoryview) -> memoryview:
    try:
        return pending[os.write(fd, pending[:65536]) :]
    except BrokenPipeError:
        return pending[:0]  # it does not want the rest


def _end(child: Any) -> None:
    """Kills the session of a program and waits at most a second: a process in D state is left to the kernel."""
    import subprocess

    os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(1)
