"""The store survives the full disk that it is there to record."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from incidents import verify
from incidents.errors import NotDurable, StoreError
from incidents.store import open_store, room
from incidents.store.embedded import EmbeddedStore
from incidents.store.protocol import Store
from tests.drafts import note
from tests.incidents.store.conftest import ROOT

# Takes every block that anybody frees, for ever; says so once there is none left.
HOSTILE = """
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
said = False
while True:
    try:
        os.write(fd, bytes(4096))
    except OSError:
        if not said:
            said = not print("full", flush=True)
"""


@contextmanager
def hostile_writer(path: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", HOSTILE, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "full\n"
        yield
    finally:
        process.kill()
        process.wait(30)
        assert process.stdout
        process.stdout.close()


def acknowledged(store: Store, count: int, size: int = 100) -> int:
    """How many of `count` appends succeeded; the first failure ends it."""
    for number in range(count):
        try:
            store.append([note(f"{number} " + "x" * size)])
        except NotDurable:
            return number
    return count


@pytest.mark.lab
def test_three_hundred_of_three_hundred_against_a_writer_that_takes_every_freed_byte(tiny_disk: Path) -> None:
    """In one process that has the store open, then in new processes that open it on the full disk."""
    path = str(tiny_disk / "store.db")
    open_store(path).close()
    code = f"""
from incidents.store import open_store
from tests.drafts import note
with open_store({path!r}) as store:
    store.append([note("of another process")])
"""
    with hostile_writer(tiny_disk / "hog"):
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": ROOT}, timeout=60
            )
            assert done.returncode == 0
        with open_store(path) as store:
            store.ready_for(64 * 1024)
            assert acknowledged(store, 300) == 300
            assert os.stat(path + ".ballast").st_size == room.BALLAST_BYTES
    with open_store(path) as store:
        assert store.last_seq("inc-1") == 303
        assert verify.verify(store).findings == []


@pytest.mark.lab
def test_when_even_the_ballast_is_gone_an_append_fails_and_nothing_acknowledged_is_lost(
    tiny_disk: Path,
) -> None:
    path = str(tiny_disk / "store.db")
    with open_store(path) as store:
        with hostile_writer(tiny_disk / "hog"):
            count = acknowledged(store, 20_000, 4000)
            assert 600 < count < 20_000  # there are 749 free pages, and an event takes more than one
            assert os.stat(path + ".ballast").st_size == 0
            with pytest.raises(NotDurable):
                store.ready_for(64 * 1024)
        freed = [event.data for event in store.events("system")]
        assert {one["state"] for one in freed} == {"freed"}
        assert 0 < sum(one["bytes"] for one in freed) <= room.BALLAST_BYTES
        os.unlink(tiny_disk / "hog")
        assert acknowledged(store, 300) == 300
        assert [event.body.split()[0] for event in store.events("inc-1")] == [
            *map(str, range(count)),
            *map(str, range(300)),
        ]
    with open_store(path) as store:
        store.append([note("a new process, with room")])
        assert [*store.events("system")][-1].data == {"state": "taken", "bytes": room.BALLAST_BYTES}
        assert os.stat(path + ".ballast").st_size == room.BALLAST_BYTES
        assert verify.verify(store).findings == []


@pytest.mark.lab
def test_evidence_that_does_not_fit_is_refused_and_leaves_nothing(tiny_disk: Path) -> None:
    with open_store(str(tiny_disk / "store.db")) as store:
        kept = store.put_blob(b"x" * 1000, media_type="text/plain", name="small")
        with hostile_writer(tiny_disk / "hog"), pytest.raises(NotDurable, match="evidence was not kept"):
            store.put_blob(os.urandom(1_000_000), media_type="text/plain", name="large")
        assert os.listdir(store.blobs_dir) == [kept.sha256]


@pytest.mark.lab
def test_a_store_cannot_be_made_on_a_full_disk_and_says_why(tiny_disk: Path) -> None:
    with hostile_writer(tiny_disk / "hog"), pytest.raises(StoreError) as caught:
        open_store(str(tiny_disk / "store.db"))
    assert caught.value.exit_code == 5 and "full" in caught.value.message
    assert not (tiny_disk / "store.db").exists()


LIMITED = """
import os, resource, sys
from incidents.errors import NotDurable
from incidents.store import open_store
from tests.drafts import note
path = sys.argv[1]
with open_store(path) as store:
    store.append([note("before")])
    size = max(os.stat(path + part).st_size for part in ("", "-wal"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, resource.RLIM_INFINITY))
    count = 0
    try:
        for count in range(100_000):
            store.append([note("x" * 4000)])
    except NotDurable as error:
        print(error.exit_code, count, store.last_seq("inc-1"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.append([note("after")])
"""


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    """The same without root: the kernel refuses to let any file of the process grow."""
    path = str(tmp_path / "store.db")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path],
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=100,
    )
    code, count, last = map(int, done.stdout.split())
    assert (code, last) == (5, count + 1) and count > 100, done.stderr
    report = verify.verify(path)
    assert report.findings == []
    with open_store(path) as store:
        assert store.last_seq("inc-1") == count + 2


def test_a_log_that_grew_behind_a_reader_shrinks_again(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    with open_store(path) as store:
        assert isinstance(store, EmbeddedStore)
        store.append([note("x" * 400_000)])
        store._reader.run("BEGIN")
        store._reader.run("SELECT pos FROM head")  # a transaction that stays open, as ours never do
        for _ in range(30):
            store.append([note("x" * 400_000)])
        assert os.stat(path + "-wal").st_size > 2 * room.WAL_BYTES
        store._reader.run("COMMIT")
        for _ in range(10):
            store.append([note("x" * 400_000)])
        assert os.stat(path + "-wal").st_size <= 2 * room.WAL_BYTES
    assert os.stat(path + "-wal").st_size >= room.WAL_BYTES
    assert verify.verify(path).findings == []
