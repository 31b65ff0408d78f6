"""The queue between processes: who waits is told for whom, gives up after a while, and is never written later."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from incidents import clock
from incidents.errors import StoreBusy
from incidents.store import flock, open_store, place, writer
from incidents.store.flock import Door
from tests.drafts import note


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flock, "NAMED_AFTER", clock.SECOND // 10)
    for module in (flock, writer):
        monkeypatch.setattr(module, "GIVEN_UP_AFTER", clock.SECOND // 2)


def door(path: Path) -> Door:
    """Another process's end of the queue: a lock belongs to the open file, not to the process."""
    return Door(str(path), place.Modes(0o600, 0o700), lambda _: None)


def test_who_waits_is_told_for_whom_and_gives_up(impatient: None, tmp_path: Path) -> None:
    told: list[str] = []
    with open_store(str(tmp_path / "store.db"), wait=told.append) as store:
        other = door(tmp_path / "store.db.lock")
        other.enter(clock.monotonic())
        with pytest.raises(StoreBusy, match=r"process \d+ \(.+\) has been writing") as caught:
            store.append([note("withdrawn")])
        assert caught.value.exit_code == 5
        assert len(told) == 1 and "waiting for process" in told[0]
        other.leave()
        store.append([note("next")])
        assert [event.body for event in store.events("inc-1")] == ["next"]
        other.close()


def test_who_gave_up_is_not_written_when_the_lock_comes(impatient: None, tmp_path: Path) -> None:
    """The kernel gives the lock to a wait that was withdrawn: it is given back, and the next one gets it."""
    with open_store(str(tmp_path / "store.db"), wait=lambda _: None) as store:
        other = door(tmp_path / "store.db.lock")
        for _ in range(3):
            other.enter(clock.monotonic())
            with pytest.raises(StoreBusy):
                store.append([note("withdrawn")])
            other.leave()
        other.enter(clock.monotonic())
        other.leave()
        store.append([note("kept")])
        assert [event.body for event in store.events("inc-1")] == ["kept"]
        other.close()


def test_many_threads_behind_a_held_lock_all_give_up_or_all_write(impatient: None, tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db"), wait=lambda _: None) as store, ThreadPoolExecutor(8) as pool:
        other = door(tmp_path / "store.db.lock")
        other.enter(clock.monotonic())
        wishes = [pool.submit(store.append, [note(str(n))]) for n in range(8)]
        assert all(isinstance(wish.exception(), StoreBusy) for wish in wishes)
        other.leave()
        assert store.last_seq("inc-1") == 0
        list(pool.map(lambda n: store.append([note(str(n))]), range(8)))
        assert store.last_seq("inc-1") == 8
        other.close()


def test_who_has_just_left_does_not_pass_those_who_wait(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = door(path), door(path)
    order: list[str] = []

    def wait_and_leave() -> None:
        second.enter(clock.monotonic())
        order.append("second")
        second.leave()

    for _ in range(20):
        first.enter(clock.monotonic())
        waiting = threading.Thread(target=wait_and_leave)
        waiting.start()
        while not (second._helper and second._helper.waiting and _turn_is_taken(path)):
            clock.sleep(clock.SECOND // 1000)
        first.leave()
        first.enter(clock.monotonic())
        order.append("first")
        first.leave()
        waiting.join()
    assert order == ["second", "first"] * 20
    first.close()
    second.close()


def _turn_is_taken(path: Path) -> bool:
    fd = os.open(path, os.O_RDWR)
    try:
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)
        return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)
