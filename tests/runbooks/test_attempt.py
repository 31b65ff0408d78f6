"""The file of an attempt: written before the act, in place, believed only when whole and of this boot."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents import clock
from incidents.errors import NotDurable
from runbooks import attempt, procfs
from runbooks.attempt import Record


@pytest.fixture
def run_dir(tmp_path: os.PathLike[str]) -> str:
    return os.path.join(tmp_path, "store.db.runs", "run-abcdef")


@pytest.fixture
def made(run_dir: str) -> Iterator[tuple[int, int]]:
    file, lock = attempt.prepare(run_dir, 1)
    yield file, lock
    for fd in (file, lock):
        with contextlib.suppress(OSError):  # the test may have closed it
            os.close(fd)


PROCESSES = st.tuples(st.integers(1, 1 << 22), st.integers(0, 10**12 - 1))
WHYS = st.from_regex(attempt.WHY, fullmatch=True) | st.just("")
STATES = st.one_of(
    st.tuples(st.just("running"), st.just(0)),
    st.tuples(st.just("exit"), st.integers(0, 255)),
    st.tuples(st.just("signal"), st.integers(1, 64)),
)


def made_of(state: tuple[str, int], process: tuple[int, int], why: str) -> Record:
    return Record(state[0], process[0], process[1], state[1], why)


RECORDS = st.one_of(
    st.sampled_from([Record("prepared"), Record("ordered")]),
    st.builds(made_of, STATES, PROCESSES, WHYS),
)


@given(RECORDS)
def test_every_record_fits_64_bytes_and_comes_back(record: Record) -> None:
    raw = attempt.pack(record)
    assert len(raw) == 64 and raw.endswith(b"\n")
    assert attempt.unpack(raw) == record


@given(RECORDS, RECORDS, st.integers(0, 64))
def test_a_torn_record_is_none_unless_nothing_was_torn(old: Record, new: Record, cut: int) -> None:
    before, after = attempt.pack(old), attempt.pack(new)
    torn = after[:cut] + before[cut:]
    if torn not in (before, after):
        assert attempt.unpack(torn) is None


@pytest.mark.parametrize(
    "raw", [b"", b"\0" * 64, b"x" * 64, b"\xff" * 64, attempt.pack(Record("ordered"))[:63]]
)
def test_what_is_blank_or_strange_is_not_there(raw: bytes) -> None:
    assert attempt.unpack(raw) is None


def test_a_record_of_another_boot_is_not_there(
    run_dir: str, made: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt.write(made[0], Record("exit", 1, 1, 0))
    os.close(made[1])
    assert attempt.witness(run_dir, 1).state == "ended"
    monkeypatch.setattr(clock, "boot_id", lambda: "0123456789ab-of-another")
    assert attempt.read(run_dir, 1) is None
    assert attempt.witness(run_dir, 1).state == "unknown"


# -- preparing ---------------------------------------------------------------------------------------------


def test_it_makes_the_folder_and_a_private_file_of_64_bytes(run_dir: str, made: tuple[int, int]) -> None:
    assert os.stat(os.path.join(run_dir, "1.try")).st_size == 64
    assert os.stat(os.path.join(run_dir, "1.try")).st_mode & 0o777 == 0o600
    assert os.stat(run_dir).st_mode & 0o777 == 0o700
    assert attempt.read(run_dir, 1) == Record("prepared")


def test_in_a_team_s_folder_the_group_may_write(tmp_path: os.PathLike[str]) -> None:
    team = os.path.join(tmp_path, "team")
    os.mkdir(team)
    os.chmod(team, 0o2770)
    run_dir = os.path.join(team, "store.db.runs", "run-abcdef")
    for fd in attempt.prepare(run_dir, 1):
        os.close(fd)
    assert os.stat(os.path.join(run_dir, "1.try")).st_mode & 0o777 == 0o660
    assert os.stat(run_dir).st_mode & 0o7777 == 0o2770


def test_its_block_is_allocated_before_it_returns(run_dir: str) -> None:
    for fd in attempt.prepare(run_dir, 1):
        os.close(fd)
    assert os.stat(os.path.join(run_dir, "1.try")).st_blocks > 0


def test_what_was_only_prepared_can_be_prepared_again(run_dir: str, made: tuple[int, int]) -> None:
    os.close(made[1])
    for fd in attempt.prepare(run_dir, 1):
        os.close(fd)


@pytest.mark.parametrize("state", ["ordered", "running", "exit", "signal"])
def test_an_attempt_that_was_made_is_never_made_again(
    run_dir: str, made: tuple[int, int], state: str
) -> None:
    attempt.write(made[0], Record(state, 1, 1))
    os.close(made[1])
    with pytest.raises(NotDurable, match="made already"):
        attempt.prepare(run_dir, 1)
    assert attempt.read(run_dir, 1) == Record(state, 1, 1)


def test_an_attempt_that_somebody_holds_is_refused(run_dir: str, made: tuple[int, int]) -> None:
    with pytest.raises(NotDurable, match="another process holds"):
        attempt.prepare(run_dir, 1)


def test_a_witness_that_is_just_looking_does_not_spoil_it(run_dir: str) -> None:
    attempt.make_folder(run_dir)
    file = os.open(os.path.join(run_dir, "1.try"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_SH)
    looker = os.fork()
    if looker == 0:
        clock.sleep(15_000)
        os._exit(0)  # lets go
    os.close(file)
    for fd in attempt.prepare(run_dir, 1):
        os.close(fd)
    os.waitpid(looker, 0)


@pytest.mark.lab
def test_on_a_full_disk_there_is_no_attempt(tmp_path: os.PathLike[str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for a filesystem of its own")
    mount = os.path.join(tmp_path, "mnt")
    os.mkdir(mount)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], check=True, timeout=30)
    try:
        run_dir = os.path.join(mount, "run-abcdef")
        file, lock = attempt.prepare(run_dir, 1)
        with (
            open(os.path.join(mount, "filler"), "wb", buffering=0) as filler,
            pytest.raises(OSError, match="space"),
        ):
            while True:
                filler.write(b"x" * 4096)
        with pytest.raises(NotDurable, match="No space left"):
            attempt.prepare(run_dir, 2)
        attempt.write(file, Record("exit", 5, 5, 3))  # what was prepared has its room
        assert attempt.read(run_dir, 1) == Record("exit", 5, 5, 3)
        os.close(file)
        os.close(lock)
    finally:
        subprocess.run(["umount", mount], check=True, timeout=30)


def test_where_nothing_can_be_written_there_is_no_attempt(tmp_path: os.PathLike[str]) -> None:
    plain = os.path.join(tmp_path, "plain")
    with open(plain, "w"):
        pass
    with pytest.raises(NotDurable):
        attempt.prepare(os.path.join(plain, "run-abcdef"), 1)


# -- the witnesses -----------------------------------------------------------------------------------------

ALIVE = (os.getpid(), procfs.start_time(os.getpid()) or 0)
RECYCLED = (os.getpid(), 1)
GONE = (1 << 22, 1)

CASES: dict[str, tuple[Record | None, bool, tuple[object, ...]]] = {
    # record, lock held -> state, exit, signal, stopping, who, launched
    "no record": (None, False, ("unknown", None, None, None, "", True)),
    "no record, held": (None, True, ("running", None, None, None, "lock", True)),
    "prepared": (Record("prepared"), False, ("unknown", None, None, None, "", False)),
    "ordered": (Record("ordered"), False, ("unknown", None, None, None, "", True)),
    "ordered, held": (Record("ordered"), True, ("running", None, None, None, "lock", True)),
    "running": (Record("running", *ALIVE), False, ("running", None, None, None, "process", True)),
    "its pid is another's now": (
        Record("running", *RECYCLED),
        False,
        ("unknown", None, None, None, "", True),
    ),
    "gone": (Record("running", *GONE), False, ("unknown", None, None, None, "", True)),
    "gone, held": (Record("running", *GONE), True, ("running", None, None, None, "lock", True)),
    "stopping": (
        Record("running", *ALIVE, 0, "person"),
        False,
        ("running", None, None, "person", "process", True),
    ),
    "exit": (Record("exit", *GONE, 3), False, ("ended", 3, None, None, "", True)),
    "exit, held by a service": (Record("exit", *GONE, 0), True, ("ended", 0, None, None, "", True)),
    "stopped": (Record("signal", *GONE, 15, "timeout"), False, ("unknown", None, 15, "timeout", "", True)),
    "stopped, survivors": (
        Record("signal", *GONE, 9, "person"),
        True,
        ("running", None, 9, "person", "lock", True),
    ),
    "stopped, exit 0": (Record("exit", *GONE, 0, "person"), False, ("unknown", 0, None, "person", "", True)),
    "killed, survivors": (Record("signal", *GONE, 9), True, ("running", None, 9, None, "lock", True)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_witnesses_in_their_order(run_dir: str, case: str) -> None:
    record, held, expected = CASES[case]
    file, lock = attempt.prepare(run_dir, 1)
    if record is None:
        os.ftruncate(file, 0)
    else:
        attempt.write(file, record)
    if not held:
        os.close(lock)
    seen = attempt.witness(run_dir, 1)
    assert (seen.state, seen.exit, seen.signal, seen.stopping, seen.who, seen.launched) == expected
    os.close(file)
    if held:
        os.close(lock)


def test_an_attempt_without_a_file_is_unknown(run_dir: str) -> None:
    assert attempt.witness(run_dir, 1).state == "unknown"


def test_looking_for_the_lock_takes_it_from_nobody(run_dir: str, made: tuple[int, int]) -> None:
    assert attempt.is_held(run_dir, 1)
    os.close(made[1])
    assert not attempt.is_held(run_dir, 1)
    file = os.open(os.path.join(run_dir, "1.try"), os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(file)
