"""Stores that cannot be used: exit 5, the reason and the way out, and nothing is changed."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator

import pytest

from tests.stories.scene import HOWDAH, PATIENCE, Answer, Scene, lack, until

BOOK = "name: t\nsteps:\n  - {effect: read, run: [echo, x]}\n"


def contents(folder: str) -> dict[str, str]:
    found = {}
    for path, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError), open(os.path.join(path, name), "rb") as file:
                found[os.path.join(path, name)] = hashlib.sha256(file.read()).hexdigest()
    return found


def check(scene: Scene, said: str) -> None:
    """Reading, writing and running end with 5, say it, and change nothing."""
    book = scene.runbook(BOOK)
    before = contents(scene.folder)
    for args in (["note", "x"], ["list"], ["run", book], ["attach", "run-x"], ["verify"]):
        answer = scene(*args)
        assert answer.code == 5, (args, answer)
        assert said in answer.text and "fault" not in answer.text, (args, answer)
        try:
            until(
                lambda: contents(scene.folder) == before, f"{args} to leave nothing: its driver may still end"
            )
        except AssertionError:
            raise AssertionError(sorted(contents(scene.folder).items() ^ before.items())) from None


@pytest.mark.parametrize(
    "content",
    [b"this is a text, no database\n" * 400, b"SQLite format 3\0" + bytes(5000), b"\0" * 4096],
    ids=["text", "half", "zeros"],
)
def test_a_file_that_is_no_store(scene: Scene, content: bytes) -> None:
    with open(scene.store, "wb") as file:
        file.write(content)
    check(scene, "is not a howdah store")


def test_a_database_of_another_program(scene: Scene) -> None:
    with contextlib.closing(sqlite3.connect(scene.store)) as db, db:
        db.execute("CREATE TABLE songs (name)")
    check(scene, "is not a howdah store")


def test_a_folder_is_no_store(scene: Scene) -> None:
    os.mkdir(scene.store)
    check(scene, "is not a file")


def test_a_store_in_a_folder_that_is_not_there(scene: Scene) -> None:
    scene.store = os.path.join(scene.folder, "nowhere", "store.db")
    check(scene, "mkdir -p")


def test_a_newer_store_is_left_alone(scene: Scene) -> None:
    scene.ok("declare", "x")
    with contextlib.closing(sqlite3.connect(scene.store)) as db, db:
        db.execute("PRAGMA user_version = 99")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scene.store + name)
    check(scene, "was written by a newer howdah")


@pytest.fixture
def ordinary(scene: Scene) -> Iterator[list[str]]:
    """What runs a command without root's right to write everything; skips where that cannot be had."""
    before: list[str] = []
    if os.geteuid() == 0:
        before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        if shutil.which("setpriv") is None:
            lack("setpriv (util-linux)")
    yield before
    for path, folders, files in os.walk(scene.folder):
        os.chmod(path, 0o700)
        for name in (*folders, *files):
            os.chmod(os.path.join(path, name), 0o700)


def without_rights(scene: Scene, before: list[str], *args: str) -> Answer:
    done = subprocess.run(
        [*before, HOWDAH, *args], env=scene.env("nova", {}), capture_output=True, stdin=subprocess.DEVNULL,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_store_that_may_only_be_read(scene: Scene, ordinary: list[str]) -> None:
    book = scene.runbook(BOOK)
    scene.ok("declare", "x")
    os.chmod(scene.store, 0o400)
    for args in (["note", "x"], ["run", book]):
        answer = without_rights(scene, ordinary, *args)
        assert answer.code == 5, answer
        assert "cannot be written by this account" in answer.text and "--store FILE" in answer.text
    os.chmod(scene.store, 0o600)
    assert len(scene.ok("timeline").splitlines()) == 4
    assert scene.runs() == []


def test_a_store_in_a_folder_that_may_only_be_read(scene: Scene, ordinary: list[str]) -> None:
    book = scene.runbook(BOOK)
    os.chmod(scene.folder, 0o500)
    answer = without_rights(scene, ordinary, "run", book)
    assert answer.code == 5 and "cannot be written" in answer.text, answer
    os.chmod(scene.folder, 0o700)
    assert sorted(os.listdir(scene.folder)) == ["book.yaml"]


@pytest.fixture
def dead_mount(scene: Scene) -> Iterator[str]:
    """A network filesystem whose server never answers; whoever touches it waits for ever."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        lack("root and /dev/fuse")
    folder = os.path.join(scene.folder, "far")
    os.mkdir(folder)
    libc = ctypes.CDLL(None, use_errno=True)
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"sshfs", folder.encode(), b"fuse.sshfs", 0, options) != 0:
        os.close(fuse)
        lack(f"the right to mount a FUSE filesystem ({os.strerror(ctypes.get_errno())})")
    try:
        yield folder
    finally:
        os.close(fuse)  # ends the connection: whoever waits gets an error
        assert libc.umount2(folder.encode(), 2) == 0


def test_a_store_on_a_network_filesystem_is_refused_without_touching_it(
    scene: Scene, dead_mount: str
) -> None:
    book = scene.runbook(BOOK)
    for path in (os.path.join(dead_mount, "store.db"), os.path.join(dead_mount, "deep", "er.db")):
        for args in (["note", "x"], ["run", book], ["list"]):
            answer = scene(*args, HOWDAH_STORE=path)
            assert answer.code == 5, answer
            assert "a network filesystem (fuse.sshfs)" in answer.text and "--store FILE" in answer.text
    link = os.path.join(scene.folder, "link.db")
    os.symlink(os.path.join(dead_mount, "store.db"), link)
    assert scene("note", "x", HOWDAH_STORE=link).code == 5
