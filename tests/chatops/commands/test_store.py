"""Is the record whole, keep a copy, put a copy back."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from incidents import open_store
from tests.chatops.conftest import Howdah


def test_a_whole_record_says_so_and_prints_its_head(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("note", "secret")
    howdah.ok("redact", "2", "--why", "y")
    expect = howdah("resolve", "--json").json["head"]["expect"]
    lines = howdah.ok("verify").splitlines()
    assert lines[0].startswith(str(howdah.store))
    assert lines[0].endswith(" whole") or lines[1] == "whole"
    assert lines[-3:] == ["holds     4 events in 1 stream", "redacted  1 event", f"head      {expect}"]
    howdah.ok("verify", "--expect", expect)


def test_another_record_than_the_one_that_was_seen_is_found(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    answer = howdah("verify", "--expect", "1:" + "0" * 64)
    assert (answer.code, answer.err) == (1, "")
    assert "DAMAGED" in answer.out
    document = howdah("verify", "--expect", "1:" + "0" * 64, "--json").json["verify"]
    assert (document["whole"], [one["where"] for one in document["findings"]]) == (False, ["head"])
    assert howdah("verify", "--expect", "nonsense").code == 2


def test_a_changed_byte_is_found_and_named(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("note", "the truth")
    with sqlite3.connect(howdah.store) as db:
        db.execute(
            "UPDATE events SET payload = CAST(replace(payload, 'truth', 'trick') AS BLOB) WHERE seq = 2"
        )
    db.close()
    answer = howdah("verify")
    assert answer.code == 1
    assert "inc-1#2" in answer.out


def test_a_store_that_is_not_there_is_not_made_by_looking(howdah: Howdah) -> None:
    assert howdah("verify").code == 5
    assert howdah("backup", "b.db").code == 5
    assert not howdah.store.exists()


def test_a_backup_is_restored_into_a_new_store(howdah: Howdah) -> None:
    howdah.ok("declare", "Media uploads fail")
    out = howdah.ok("backup", "b.db")
    assert out.startswith(f"backed up into {howdah.folder}/work/b.db: 1 event, ")
    howdah.ok("note", "later")
    other = str(howdah.folder / "other.db")
    restored = howdah("restore", "b.db", "--store", other, "--json").json["restore"]
    assert (restored["file"], restored["events"]) == (other, 1)
    assert "Media uploads fail" in howdah.ok("list", "--store", other)
    howdah.ok("note", "goes on", "--store", other)


def test_the_folders_of_a_backup_are_as_closed_as_those_of_the_store(howdah: Howdah) -> None:
    before = os.umask(0o022)
    try:
        howdah.ok("declare", "x")
        with open_store(str(howdah.store)) as store:
            store.put_blob(b"evidence", media_type="text/plain", name="e")
        os.makedirs(f"{howdah.store}.runs/run-7hthpf", 0o700)
        Path(f"{howdah.store}.runs/run-7hthpf/1.try").write_bytes(b"")
        howdah.ok("backup", "b.db")
        copies = [howdah.folder / "work" / f"b.db.{name}" for name in ("blobs", "runs", "runs/run-7hthpf")]
        assert [oct(copy.stat().st_mode & 0o7777) for copy in copies] == ["0o700"] * 3
    finally:
        os.umask(before)


def test_nothing_is_overwritten(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("backup", "b.db")
    for words in (("backup", "b.db"), ("restore", "b.db")):
        answer = howdah(*words)
        assert (answer.code, "is there already" in answer.err) == (2, True)


def test_redact_names_the_backups_that_still_hold_it(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("note", "secret")
    howdah.ok("backup", "b.db")
    assert f"still in the backup {howdah.folder}/work/b.db\n" in howdah.ok("redact", "2", "--why", "y")
