"""What is known of one attempt: what was ordered, its file N.try, how it ended, and what still runs of it.

N.try is 64 bytes of text, allocated and written before the act and from then on overwritten in place: a rename would
need room, and left an empty file on a full disk. Torn, blank or of another boot means: not there. Its flock is held
by whoever runs for the attempt; the lock is on a read-only descriptor, so that a step which inherits it cannot write
its own outcome.
"""

from __future__ import annotations

import binascii
import contextlib
import errno
import fcntl
import os
import re
import stat
from typing import NamedTuple

from incidents import clock
from incidents.errors import NotDurable
from runbooks import kit, procfs
from runbooks.output import OutputInfo, drop_output, read_from, read_output, segments, tail

__all__ = [
    "Ended", "Far", "Gone", "Notice", "Order", "Output", "OutputInfo", "Record", "Started", "Survivor", "Witness", "drop_output",
    "holders", "prepare", "read", "read_from", "read_output", "segments", "tail", "witness", "write",
]  # fmt: skip

SIZE = 64
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
WHY = re.compile(r"[a-z][a-z-]{0,9}", re.ASCII)


class Far(NamedTuple):
    """Another machine: its name, the `ssh` that reaches it, and what names the run over there."""

    host: str
    argv: tuple[str, ...]
    key: str
    wide: tuple[str, ...] = ()  # a wide.Account: reached by targets/wide, and not by argv
    connecting: int = 0  # µs that it may take to reach it


class Order(NamedTuple):
    """What the keeper is to start. Times in µs; `timeout` None is never killed by the clock."""

    n: int  # ordinal of the attempt within its run; names the files N.try, N.out.K
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    user: str | None
    umask: int
    timeout: int | None
    grace: int  # between TERM and KILL
    secrets: tuple[str, ...] = ()  # revealed values to mask in the output
    far: Far | None = None  # there, and not here; `cwd`, `user` and `umask` are then that account's own
    after: tuple[int, ...] = ()  # attempts over there that must not run any more when this one begins


class Survivor(NamedTuple):
    """A process that is there although it need not be, for people; pid and start name it."""

    pid: int
    start: int
    command: str
    state: str

    def __str__(self) -> str:
        stuck = ", in D state: the kernel holds it" if self.state == "D" else ""
        return f"{self.command} (pid {self.pid}{stuck})"


class Started(NamedTuple):
    """The attempt's main process: its pid and start time; `at` in monotonic µs."""

    n: int
    pid: int
    start: int
    at: int


class Output(NamedTuple):
    """The attempt has written `total` bytes by now."""

    n: int
    total: int


class Gone(NamedTuple):
    """Of an attempt that had ended with survivors nothing runs any more."""

    n: int


class Ended(NamedTuple):
    """How an attempt ended. Without `exit` and `signal` its end was not seen: still in D state, or keeper lost.

    `unstarted` says why the program could not be started at all (`exit` is then 126, 127, or 255 where its machine was
    not reached). `survivors` still run although the attempt was stopped or killed; `services` were left behind by it
    and still hold its output pipe. `link` says how the link to another machine was lost: the end is to be asked for.
    """

    n: int
    exit: int | None = None
    signal: int | None = None
    stopping: str | None = None
    unstarted: str | None = None
    lost: bool = False
    started: int = 0  # monotonic µs
    ended: int = 0
    survivors: tuple[Survivor, ...] = ()
    services: tuple[Survivor, ...] = ()
    output: OutputInfo = OutputInfo()
    link: str = ""
    unheard: bool = False  # its keeper was lost: this is what it left


Notice = Started | Output | Ended | Gone


# -- the file ----------------------------------------------------------------------------------------------


class Record(NamedTuple):
    """`state` is prepared, ordered, running, exit or signal; `value` the exit status or signal; `why` of stopping."""

    state: str
    pid: int = 0
    start: int = 0
    value: int = 0
    why: str = ""


def pack(record: Record) -> bytes:
    """64 bytes: state, pid, start, boot, why, checksum. Raises ValueError where they do not fit."""
    state = f"{record.state}:{record.value}" if record.state in ("exit", "signal") else record.state
    text = f"{state} {record.pid} {record.start} {_boot()} {record.why or '-'} ".ljust(SIZE - 9)
    raw = text.encode("ascii") + b"%08x\n" % binascii.crc32(text.encode("ascii"))
    if len(raw) != SIZE:
        raise ValueError(f"an attempt record of {len(raw)} bytes")
    return raw


def unpack(raw: bytes) -> Record | None:
    """The record in these bytes; None where they are torn, blank or of another boot."""
    text, check = raw[: SIZE - 9], raw[SIZE - 9 :]
    if len(raw) != SIZE or check != b"%08x\n" % binascii.crc32(text):
        return None
    state, pid, start, boot, why = text.decode("ascii").split()
    if boot != _boot():
        return None
    state, _, value = state.partition(":")
    return Record(state, int(pid), int(start), int(value or 0), "" if why == "-" else why)


def _boot() -> str:
    return clock.boot_id().replace("-", "")[:12]


def path(run_dir: str, n: int) -> str:
    return os.path.join(run_dir, f"{n}.try")


def prepare(run_dir: str, n: int) -> tuple[int, int]:
    """Creates N.try, and the folder: (descriptor to write it, descriptor that holds its lock).

    Raises NotDurable where there is no room, where the attempt was made already, or where somebody holds it. Its
    block is allocated here, so that no later write can lack room. Nothing is synced: only the loss of the machine
    could undo the write, and for another boot the file counts as not there. (A sync of a new file costs 1.2 ms.)
    """
    opened: list[int] = []
    try:
        try:
            _open(run_dir, n, opened)
        except FileNotFoundError:
            make_folder(run_dir)
            _open(run_dir, n, opened)
        file, lock = opened
        _take(lock, n)
        before = unpack(os.pread(file, SIZE, 0))
        if before is not None and before.state != "prepared":
            raise NotDurable(f"the attempt {n} of this run was made already ({before.state})")
        os.posix_fallocate(file, 0, SIZE)
        write(file, Record("prepared"))
    except OSError as error:
        _close(opened)
        if error.errno in NO_ROOM and kit.attempt_file(run_dir, path(run_dir, n)):
            return prepare(run_dir, n)
        raise NotDurable(
            f"the file of attempt {n} cannot be written: {error.strerror}", hint=f"make room for {run_dir}"
        ) from None
    except NotDurable:
        _close(opened)
        raise
    return file, lock


def reuse(run_dir: str, old: int, n: int) -> None:
    """Makes the file of attempt `old`, whose outcome is recorded, the blank one of attempt `n`: it needs no room.

    Raises OSError. Who meets a blank file takes the attempt for one that never began.
    """
    file = os.open(path(run_dir, old), os.O_RDWR | os.O_CLOEXEC)
    try:
        os.pwrite(file, bytes(SIZE), 0)
    finally:
        os.close(file)
    os.rename(path(run_dir, old), path(run_dir, n))


def mode_in(run_dir: str) -> int:
    """0600, and 0660 in a team's folder, which is setgid."""
    return 0o660 if os.stat(run_dir).st_mode & stat.S_ISGID else 0o600


def _open(run_dir: str, n: int, opened: list[int]) -> None:
    name = path(run_dir, n)
    opened.append(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if mode_in(run_dir) != 0o600 and os.fstat(opened[0]).st_uid == os.geteuid():
        os.fchmod(opened[0], mode_in(run_dir))
    opened.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC))


def make_folder(run_dir: str) -> None:
    """Creates the folder and its parents, 0700, and 2770 inside a team's folder, which is setgid."""
    parent = os.path.dirname(run_dir)
    if not os.path.isdir(parent):
        make_folder(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(run_dir, 0o700)
        if os.stat(run_dir).st_mode & stat.S_ISGID:  # inherited from the parent, with its group
            os.chmod(run_dir, 0o2770)


def _take(lock: int, n: int) -> None:
    for _ in range(
        200
    ):  # a witness that is just looking holds it for microseconds, on a busy machine for longer
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            clock.sleep(5_000)
    raise NotDurable(f"another process holds the file of attempt {n}")


def _close(opened: list[int]) -> None:
    for fd in opened:
        os.close(fd)


def write(file: int, record: Record) -> None:
    """Overwrites the record in place. Not synced: only a machine's loss could undo it, and that changes the boot."""
    if os.pwrite(file, pack(record), 0) != SIZE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(run_dir: str, n: int) -> Record | None:
    """The attempt's record; None where it is not there, torn, blank or of another boot."""
    try:
        fd = os.open(path(run_dir, n), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        for _ in range(3):  # a reader may meet a writer in the middle
            if (record := unpack(os.pread(fd, SIZE + 1, 0))) is not None:
                return record
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


# -- the witnesses -----------------------------------------------------------------------------------------


class Witness(NamedTuple):
    """What is known of an attempt whose end no driver saw (design, section 6, rule 1).

    `state` is `ended` (by an exit status of its own, recorded in this boot), `running` (its process, what survived
    stopping it, or whoever holds its lock), or `unknown`. `launched` is False where it certainly never began.
    `who` says what shows that it runs: `process`, `lock`, or what runs on another machine. `services`: left behind by an attempt that has ended.
    """

    n: int
    state: str
    exit: int | None = None
    signal: int | None = None
    stopping: str | None = None
    pid: int | None = None
    start: int | None = None
    who: str = ""
    launched: bool = True
    services: tuple[Survivor, ...] = ()


def witness(run_dir: str, n: int) -> Witness:
    """Asks the file, the process and the lock, in this order. Cheap enough to be asked again and again."""
    held = is_held(run_dir, n)  # before the file is read: what ends in between has then written its end
    record = read(run_dir, n)
    if record is None:
        return Witness(n, "running" if held else "unknown", who="lock" if held else "")
    exit = record.value if record.state == "exit" else None
    if exit is not None and not record.why:
        services = tuple(s for s in holders(run_dir, n) if not is_keeper(s.pid)) if held else ()
        return Witness(n, "ended", exit=exit, pid=record.pid, start=record.start, services=services)
    lives = record.pid > 0 and procfs.alive(record.pid, record.start)
    return Witness(
        n,
        "running" if held or lives else "unknown",
        exit=exit,
        signal=record.value if record.state == "signal" else None,
        stopping=record.why or None,
        pid=record.pid or None,
        start=record.start or None,
        who="process" if lives else "lock" if held else "",
        launched=record.state != "prepared",
    )


def is_held(run_dir: str, n: int) -> bool:
    """Does somebody hold the attempt's lock?"""
    try:
        return is_locked(path(run_dir, n))
    except OSError:
        return False


def is_locked(file: str) -> bool:
    """Does somebody hold this file's flock? Looks, and lets go at once. Raises OSError where it cannot be opened."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holders(run_dir: str, n: int) -> list[Survivor]:
    """The processes that have N.try open, as far as this account may see them; looks through all of /proc."""
    link = os.path.realpath(path(run_dir, n))
    mine = os.getpid()
    return [
        survivor(process)
        for process in procfs.table().values()
        if process.pid != mine and process.runs and procfs.holds(process.pid, link)
    ]


KEEPER_NAME = "howdah-keeper"  # what the kernel calls it; at most 15 characters


def is_keeper(pid: int) -> bool:
    process = procfs.look(pid)
    return process is not None and process.name == KEEPER_NAME


def survivor(process: procfs.Process) -> Survivor:
    return Survivor(process.pid, process.start, procfs.command(process.pid), process.state)
