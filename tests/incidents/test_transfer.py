"""A backup is a whole record at one moment; a restore never writes over anything."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from incidents import timeline, transfer, verify
from incidents.errors import BadInput, Damage, NotAStore, NotFound, StoreError
from incidents.events import NEW_INCIDENT
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.drafts import ROBIN, declared, note


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        evidence = opened.put_blob(b"hello", media_type="text/plain", name="greeting")
        opened.append([declared(), note("one", stream=NEW_INCIDENT, evidence=(evidence,))])
        os.makedirs(os.path.join(opened.runs_dir, "run-a"))
        Path(opened.runs_dir, "run-a", "1.out.0").write_text("output")
        yield opened


def test_a_backup_restored_is_the_same_record(store: Store, tmp_path: Path) -> None:
    made = transfer.backup(store, str(tmp_path / "backup"))
    assert (made.head, made.events, made.blobs) == (store.head(), 2, 1)
    assert sorted(os.listdir(tmp_path)) == sorted(
        {name for name in os.listdir(tmp_path) if name.startswith("store.db")}
        | {"backup", "backup.blobs", "backup.runs"}
    )
    back = transfer.restore(str(tmp_path / "backup"), str(tmp_path / "back.db"))
    assert back.head == made.head
    with open_store(str(tmp_path / "back.db")) as restored:
        assert restored.read("inc-1") == store.read("inc-1")
        assert restored.incidents() == store.incidents()
        assert Path(restored.runs_dir, "run-a", "1.out.0").read_text() == "output"
        restored.append([note("goes on")])
        assert verify.verify(restored).findings == []


def test_a_backup_is_made_while_others_write(store: Store, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with open_store(store.path) as other:
            while not stop.is_set():
                evidence = other.put_blob(os.urandom(8), media_type="x/y", name="x")
                other.append([note("more", evidence=(evidence,))])

    writing = threading.Thread(target=write)
    writing.start()
    try:
        heads = [transfer.backup(store, str(tmp_path / f"backup-{n}")).head.pos for n in range(4)]
    finally:
        stop.set()
        writing.join()
    assert heads == sorted(heads) and heads[-1] <= store.head().pos


def test_what_is_redacted_later_is_in_the_backup_and_the_store_knows_it(store: Store, tmp_path: Path) -> None:
    transfer.backup(store, str(tmp_path / "backup"))
    assert [(row.path, row.pos) for row in store.backups()] == [(str(tmp_path / "backup"), 2)]
    timeline.redact(store, "inc-1", [2], "", ROBIN)
    transfer.restore(str(tmp_path / "backup"), str(tmp_path / "back.db"))
    with open_store(str(tmp_path / "back.db")) as restored:
        assert restored.read("inc-1")[1].body == "one"


@pytest.mark.parametrize("there", ["backup", "backup.blobs", "backup.runs", "backup-wal"])
def test_nothing_is_written_over(store: Store, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(BadInput, match="there already"):
        transfer.backup(store, str(tmp_path / "backup"))
    assert (tmp_path / there).read_text() == "mine" and store.backups() == []
    transfer.backup(store, str(tmp_path / "other"))
    with pytest.raises(BadInput, match="there already"):
        transfer.restore(str(tmp_path / "other"), store.path)
    assert store.head().pos == 2


def test_a_damaged_record_makes_no_backup_and_leaves_none(store: Store, tmp_path: Path) -> None:
    (blob,) = os.listdir(store.blobs_dir)
    os.truncate(os.path.join(store.blobs_dir, blob), 2)
    with pytest.raises(Damage, match="blob"):
        transfer.backup(store, str(tmp_path / "backup"))
    assert not [name for name in os.listdir(tmp_path) if name.startswith("backup")]


def test_a_damaged_backup_is_not_restored(store: Store, tmp_path: Path) -> None:
    transfer.backup(store, str(tmp_path / "backup"))
    data = bytearray((tmp_path / "backup").read_bytes())
    at = data.index(b"the disk is full")
    data[at] ^= 1
    (tmp_path / "backup").write_bytes(data)
    with pytest.raises(Damage, match="inc-1#1"):
        transfer.restore(str(tmp_path / "backup"), str(tmp_path / "back.db"))
    assert not [name for name in os.listdir(tmp_path) if name.startswith("back.db")]


def test_what_is_no_backup_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        transfer.restore(str(tmp_path / "missing"), str(tmp_path / "back.db"))
    (tmp_path / "text").write_text("notes\n" * 1000)
    with pytest.raises(NotAStore):
        transfer.restore(str(tmp_path / "text"), str(tmp_path / "back.db"))
    with pytest.raises(StoreError, match="no store"):
        transfer.backup(str(tmp_path / "missing"), str(tmp_path / "backup"))
    assert sorted(os.listdir(tmp_path)) == ["text"]


def test_cursors_come_along_so_that_nothing_is_posted_twice(store: Store, tmp_path: Path) -> None:
    store.set_cursor("chat", 2)
    transfer.backup(store, str(tmp_path / "backup"))
    transfer.restore(str(tmp_path / "backup"), str(tmp_path / "back.db"))
    with open_store(str(tmp_path / "back.db")) as restored:
        assert restored.cursor("chat") == 2
