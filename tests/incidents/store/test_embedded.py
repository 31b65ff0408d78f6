"""Opening: what is a store, what is none, who may, and what is said to the others."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from incidents.errors import NotAStore, StoreError, StoreGone, StoreNewer, StoreReadOnly
from incidents.store import migrate, open_store, place, room
from tests.drafts import note
from tests.incidents.store.conftest import Ordinary

OPEN = """
from incidents.errors import StoreError
from incidents.store import open_store
try:
    open_store(sys.argv[1] if sys.argv[1:] else None).close()
except StoreError as error:
    print(type(error).__name__, error)
    raise SystemExit(error.exit_code)
"""


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("content", [b"", b"x", b"# notes\n" * 400, b"SQLite format 3\x00", os.urandom(8192)])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    if not content:  # an empty file is a store that is not made yet
        open_store(str(path)).close()
        return
    with pytest.raises(NotAStore, match="not a howdah store"):
        open_store(str(path))
    assert path.read_bytes() == content and os.listdir(tmp_path) == ["notes.txt"]


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE toots (text)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(NotAStore, match="another program"):
        open_store(str(path))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["other.db"]


def test_a_folder_a_pipe_and_a_device_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path), str(tmp_path / "pipe"), "/dev/null"):
        with pytest.raises(NotAStore, match="not a file"):
            open_store(path)


def test_a_newer_store_is_refused_unchanged(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    open_store(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StoreNewer, match="format is 99"):
        open_store(path)


def test_a_missing_folder_is_said_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="mkdir -p"):
        open_store(str(tmp_path / "missing" / "store.db"))


def test_without_create_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        open_store(str(tmp_path / "store.db"), create=False)
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_is_an_error_with_a_cure(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(str(path)) as store:
        store.append([note()])
    with open(path, "r+b") as f:
        f.seek(100)
        f.write(b"\xff" * 4000)
    with pytest.raises(StoreError) as caught:
        open_store(str(path))
    assert caught.value.hint


# -- who may


def test_the_files_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        with open_store(str(tmp_path / "store.db")) as store:
            store.append([note(evidence=(store.put_blob(b"x", media_type="text/plain", name="x"),))])
            files = [name for name in os.listdir(tmp_path) if not name.endswith(".blobs")]
            assert {mode(tmp_path / name) for name in files} == {0o600}
            assert mode(store.blobs_dir) == 0o700
            assert {mode(os.path.join(store.blobs_dir, name)) for name in os.listdir(store.blobs_dir)} == {
                0o600
            }
    finally:
        os.umask(before)


def test_in_a_setgid_folder_the_files_are_the_groups_too(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o2770)
    before = os.umask(0o077)
    try:
        with open_store(str(tmp_path / "store.db")) as store:
            store.append([note(evidence=(store.put_blob(b"x", media_type="text/plain", name="x"),))])
            files = [name for name in os.listdir(tmp_path) if not name.endswith(".blobs")]
            assert len(files) == 5 and {mode(tmp_path / name) for name in files} == {0o660}
            assert mode(store.blobs_dir) == 0o2770
    finally:
        os.umask(before)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_that_may_not_be_written_is_refused_with_a_cure(
    open_folder: Path, as_ordinary_user: Ordinary, what: str
) -> None:
    path = open_folder / "store.db"
    open_store(str(path)).close()
    for name in os.listdir(open_folder):
        os.chmod(open_folder / name, 0o644)
    os.chmod(open_folder, 0o755 if what == "folder" else 0o777)
    if os.geteuid() != 0:
        os.chmod(path if what == "file" else open_folder, 0o444 if what == "file" else 0o555)
    done = as_ordinary_user(OPEN, str(path))
    os.chmod(open_folder, 0o777)
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.startswith("StoreReadOnly") and "--store FILE" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a folder away")
def test_what_root_writes_stays_usable_for_the_owner(open_folder: Path, as_ordinary_user: Ordinary) -> None:
    path = open_folder / "store.db"
    assert as_ordinary_user(OPEN, str(path)).returncode == 0
    for leftover in (".lock", ".ballast", "-shm"):
        os.unlink(str(path) + leftover)
    with open_store(str(path)) as store:
        store.append([note(evidence=(store.put_blob(b"x", media_type="text/plain", name="x"),))])
    code = OPEN.replace(".close()", ".put_blob(b'y', media_type='text/plain', name='y')")
    done = as_ordinary_user(code, str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_machines_store_that_may_not_be_written_is_never_replaced_by_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HOWDAH_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(place, "SYSTEM_FOLDER", str(tmp_path / "system"))
    open_store().close()
    assert (tmp_path / "data" / "howdah" / "store.db").exists()
    assert mode(tmp_path / "data" / "howdah") == 0o700
    (tmp_path / "system").mkdir()
    open_store().close()
    assert (tmp_path / "system" / "store.db").exists()
    monkeypatch.setattr(os, "access", lambda *_args, **_more: False)
    with pytest.raises(StoreReadOnly, match=r"sudo, or give --store"):
        open_store()


def test_howdah_store_names_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOWDAH_STORE", str(tmp_path / "mine.db"))
    with open_store() as store:
        assert store.path == str(tmp_path / "mine.db")


def test_a_link_to_a_store_is_that_store(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "store.db")
    with open_store(str(tmp_path / "link.db")) as store:
        assert store.path == str(tmp_path / "real" / "store.db")
    assert sorted(os.listdir(tmp_path)) == ["link.db", "real"]


# -- making one


def test_many_threads_that_make_one_store_make_one(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")

    def make(_: int) -> None:
        with open_store(path) as store:
            store.append([note()])

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(make, range(12)))
    with open_store(path) as store:
        assert store.last_seq("inc-1") == 12


def test_what_a_killed_maker_left_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "store.db")
    real = os.rename
    monkeypatch.setattr(os, "rename", lambda *_: os._exit(9))
    child = os.fork()
    if child == 0:
        open_store(path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.setattr(os, "rename", real)
    assert os.path.exists(path + ".new") and not os.path.exists(path)
    with open_store(path) as store:
        store.append([note()])
    assert not os.path.exists(path + ".new")


def test_a_store_that_cannot_be_made_leaves_no_half_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_db: object) -> None:
        raise StoreError("no")

    monkeypatch.setattr(migrate, "migrate", fail)
    with pytest.raises(StoreError, match="no"):
        open_store(str(tmp_path / "store.db"))
    assert os.listdir(tmp_path) == ["store.db.lock"]


# -- its life


def test_no_store_crosses_a_fork(tmp_path: Path) -> None:
    """The child may not use it, and cannot hold the parent's locks; a store of its own works."""
    path = str(tmp_path / "store.db")
    code = f"""
import os, sys
from incidents.errors import StoreError
from incidents.store import open_store
from tests.drafts import note
store = open_store({path!r})
store.append([note("parent")])
child = os.fork()
if child == 0:
    try:
        store.append([note("child")])
    except StoreError as error:
        assert "fork" in str(error), error
    else:
        os._exit(1)
    store.close()
    with open_store({path!r}) as own:
        own.append([note("child")])
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
store.append([note("parent again")])
print([event.body for event in store.events("inc-1")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['parent', 'child', 'parent again']\n", done.stderr


def test_a_closed_store_says_so_and_closes_twice(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store.db"))
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append([note()])
    with pytest.raises(StoreError, match="closed"):
        store.head()


def test_two_stores_on_one_file_in_a_process_keep_their_locks(tmp_path: Path) -> None:
    """Closing one must not drop the locks of the other: a third process would write into its transaction."""
    path = str(tmp_path / "store.db")
    one, two = open_store(path), open_store(path)
    one.append([note("one")])
    two.append([note("two")])
    two.close()
    code = f"""
from incidents.store import open_store
from tests.drafts import note
with open_store({path!r}) as store:
    for n in range(50):
        store.append([note(str(n))])
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    for _ in range(50):
        one.append([note("one")])
    assert child.wait(60) == 0
    assert one.last_seq("inc-1") == 102
    one.close()


def test_the_wal_is_owned_from_the_start_and_stays(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    for _ in range(3):
        with open_store(path) as store:
            store.append([note()])
        assert os.stat(path + "-wal").st_size == 4 * 1024 * 1024
        assert os.stat(path + "-wal").st_blocks * 512 >= 4 * 1024 * 1024
        assert os.stat(path + "-shm").st_blocks * 512 >= 128 * 1024
    assert os.stat(path + ".ballast").st_size == 8 * 1024 * 1024


def test_a_damaged_event_is_an_error_with_a_cure_when_it_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    with open_store(path) as store:
        store.append([note("a", key="k"), note("b")])
    for statement in (
        "UPDATE events SET payload = x'7b' WHERE pos = 2",
        "UPDATE events SET payload = x'5b5d' WHERE pos = 2",
        "UPDATE events SET boot = CAST(x'ff' AS TEXT) WHERE pos = 1",
    ):
        database = apsw.Connection(path)
        database.execute(statement)
        database.close()
        with open_store(path) as store, pytest.raises(StoreError, match="howdah verify"):
            store.read("inc-1")


def test_trouble_around_a_commit_does_not_fail_the_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trouble(*_: object) -> None:
        raise PermissionError(13, "no")

    with open_store(str(tmp_path / "store.db")) as store:
        monkeypatch.setattr(room.Room, "extend_wal", trouble)
        store.append([note("kept")])
        assert store.last_seq("inc-1") == 1


@pytest.mark.parametrize("written_before", [True, False])
@pytest.mark.parametrize("how", ["folder moved", "file removed", "another file in its place"])
def test_nothing_is_said_to_be_recorded_in_a_file_that_lost_its_name(
    tmp_path: Path, how: str, written_before: bool
) -> None:
    """A bot whose store's folder was moved away must not go on saying `recorded` to everybody."""
    folder, path = tmp_path / "here", tmp_path / "here" / "store.db"
    folder.mkdir()
    with open_store(str(path)) as store:
        if written_before:
            store.append([note("before")])
        if how == "folder moved":
            folder.rename(tmp_path / "there")
        elif how == "file removed":
            path.unlink()
        else:
            open_store(str(tmp_path / "other.db")).close()
            os.replace(tmp_path / "other.db", path)
        for write in (
            lambda: store.append([note("after")]),
            lambda: store.set_cursor("reader", 1),
            lambda: store.repair([]),
        ):
            with pytest.raises(StoreGone, match="was moved, removed or replaced"):
                write()
        assert store.last_seq("inc-1") == int(written_before)
    if how == "folder moved":
        (tmp_path / "there").rename(folder)
        with open_store(str(path)) as again:
            again.append([note("back")])
