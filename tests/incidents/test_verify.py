"""Damage of every kind is found and named; what can be made again is made again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from incidents import verify
from incidents.errors import BadInput
from incidents.events import NEW_INCIDENT
from incidents.store import open_store
from tests.drafts import ROBIN, declared, draft, note, run_started

BLOB = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """A record of two incidents, a run with a lock, a blob, a correction, a redaction; all of it in the database."""
    name = str(tmp_path / "store.db")
    with open_store(name) as store:
        evidence = store.put_blob(b"hello", media_type="text/plain", name="greeting")
        store.append([declared("one", key="d"), note("first", stream=NEW_INCIDENT, evidence=(evidence,))])
        store.append([declared("two"), run_started("run-a", "db", stream=NEW_INCIDENT)])
        store.append([note("secret"), draft("correction", {"target": 2, "body": "x"})])
        store.redact(draft("redaction", {"targets": [3]}))
    assert verify.verify(name).findings == []
    yield name


def change(path: str, *statements: str) -> None:
    database = apsw.Connection(path)
    for statement in statements:
        database.execute(statement)
    database.close()


def findings(path: str, **how: object) -> list[tuple[str, str]]:
    report = verify.verify(path, **how)  # type: ignore[arg-type]
    assert not report.ok or not report.findings
    return [(finding.where, finding.what) for finding in report.findings]


def test_a_whole_record_is_whole(path: str) -> None:
    report = verify.verify(path)
    assert (report.ok, report.events, report.streams, report.redacted, report.blobs) == (True, 7, 2, 1, 1)
    with open_store(path) as store:
        assert report.head == store.head()


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        (
            "UPDATE events SET payload = CAST(replace(payload, 'first', 'fisrt') AS BLOB) WHERE pos = 2",
            "inc-1#2",
        ),
        ("UPDATE events SET payload = NULL WHERE pos = 2", "inc-1#2"),
        ("UPDATE events SET payload = NULL, salt = NULL WHERE pos = 2", "inc-1#2"),
        ("UPDATE events SET salt = zeroblob(16) WHERE pos = 2", "inc-1#2"),
        ("UPDATE events SET digest = zeroblob(32) WHERE pos = 2", "inc-1#2"),
        ("UPDATE events SET actor_id = 'nova' WHERE pos = 2", "inc-1#2"),
        ("UPDATE events SET at = at - 1 WHERE pos = 7", "inc-1#5"),
        ("UPDATE events SET visibility = 'public' WHERE pos = 1", "inc-1#1"),
        ("UPDATE events SET hash = zeroblob(32) WHERE pos = 7", "inc-1#5"),
        ("UPDATE events SET prev = zeroblob(32) WHERE pos = 7", "inc-1#5"),
        ("UPDATE events SET key = 'e' WHERE pos = 1", "inc-1#1"),
        ("UPDATE events SET key = NULL WHERE pos = 1", "inc-1#1"),
        ("UPDATE events SET id = (SELECT id FROM events WHERE pos = 1) WHERE pos = 2", "inc-1#2"),
        ("UPDATE events SET stream = 'inc-3' WHERE pos = 7", "inc-3#5"),
        ("UPDATE events SET seq = 9 WHERE pos = 7", "inc-1#9"),
        ("UPDATE events SET kind = CAST(x'ff' AS TEXT) WHERE pos = 2", "position 2"),
        ("DELETE FROM events WHERE pos = 2", "position 2"),
        ("DELETE FROM events WHERE pos IN (2, 5)", "position 5"),
        ("DELETE FROM events WHERE pos = 7", "position 7"),
        ("DELETE FROM events WHERE pos > 4", "position 5 to 7"),
        ("DELETE FROM events", "position 1 to 7"),
        ("UPDATE head SET pos = 6", "head"),
        ("UPDATE head SET hash = zeroblob(32)", "head"),
        ("UPDATE incidents SET status = 'resolved' WHERE name = 'inc-1'", "row incidents inc-1"),
        ("DELETE FROM incidents WHERE name = 'inc-2'", "row incidents inc-2"),
        ("INSERT INTO incidents VALUES ('inc-9', 9, '', '', '', '', 1, NULL)", "row incidents inc-9"),
        ("UPDATE runs SET status = 'ended'", "row runs run-a"),
        ("DELETE FROM locks", "row locks db"),
        ("UPDATE evidence SET pos = 9", f"row evidence {BLOB} 9"),
    ],
)
def test_a_changed_row_is_found_and_named(path: str, statement: str, where: str) -> None:
    change(path, statement)
    assert where in [place for place, _ in findings(path)]


def test_a_tail_cut_off_together_with_its_head_is_found_by_a_head_seen_elsewhere(path: str) -> None:
    """The record alone cannot know: that is why the head is printed."""
    with open_store(path) as store:
        before = store.head()
        store.append([note("inconvenient")])
        seen = store.head()
    change(path, "DELETE FROM events WHERE pos = 8", f"UPDATE head SET pos = 7, hash = x'{before.hash}'")
    assert findings(path) == []
    assert findings(path, expect=str(seen)) == [("head", "position 8 was seen before, the record ends at 7")]


def test_a_head_of_before_still_fits_and_another_does_not(path: str) -> None:
    seen = verify.verify(path).head
    with open_store(path) as store:
        store.append([note("more")])
    assert findings(path, expect=str(seen)) == []
    assert findings(path, expect=f"{seen.pos}:{seen.hash[:16].upper()}") == []
    wrong = f"{seen.pos}:{'0' * 64}"
    assert [place for place, _ in findings(path, expect=wrong)] == ["head"]


@pytest.mark.parametrize("text", ["", "7", "7:", "x:" + "0" * 64, "7:0123", "7:" + "g" * 64, ":" + "0" * 64])
def test_what_is_no_head_is_refused(path: str, text: str) -> None:
    with pytest.raises(BadInput, match="POS:HASH"):
        verify.verify(path, expect=text)


# -- evidence


def test_a_missing_a_changed_and_a_cut_blob_are_named(path: str) -> None:
    blob = os.path.join(path + ".blobs", BLOB)
    os.truncate(blob, 4)
    what = [what for where, what in findings(path) if where == f"blob {BLOB}"]
    assert what == ["has 4 bytes, inc-1#2 says 5", "was changed; inc-1#2 names it"]
    os.unlink(blob)
    assert findings(path) == [(f"blob {BLOB}", "missing; inc-1#2 names it")]


def test_a_blob_that_no_event_names_is_told_but_is_no_damage(path: str) -> None:
    with open_store(path) as store:
        orphan = store.put_blob(b"a crash came first", media_type="text/plain", name="x")
    report = verify.verify(path)
    assert report.ok and report.unnamed == [orphan.sha256]


# -- redaction


def test_a_payload_that_a_redaction_names_may_be_missing_but_not_be_there(path: str) -> None:
    change(path, "UPDATE events SET payload = x'7b7d', salt = zeroblob(16) WHERE pos = 5")
    assert ("inc-1#3", "a redaction names it, yet its payload is there") in findings(path)


def test_a_redaction_that_a_crash_left_half_done_is_finished_by_repair(path: str) -> None:
    with open_store(path) as store:
        evidence = store.put_blob(b"secret", media_type="text/plain", name="x")
        store.append([note("x", evidence=(evidence,))])
        store.redact(draft("redaction", {"targets": [6]}))
    blob = Path(path + ".blobs") / evidence.sha256
    blob.write_bytes(b"secret")
    found = verify.verify(path, repair=True)
    assert [str(one) for one in found.findings] == [
        f"blob {evidence.sha256}: a redaction destroyed it, yet it is there (repaired)"
    ]
    assert found.ok and not blob.exists() and verify.verify(path).findings == []


# -- repair


def test_repair_makes_derived_rows_again_and_leaves_damage_as_it_is(path: str) -> None:
    change(
        path,
        "UPDATE incidents SET title = 'x'",
        "DELETE FROM runs",
        "DELETE FROM locks",
        "INSERT INTO evidence VALUES ('x', 1)",
        "UPDATE events SET at = 1 WHERE pos = 5",
    )
    report = verify.verify(path, repair=True)
    assert not report.ok
    damage = [finding for finding in report.findings if not finding.repaired]
    assert [finding.where for finding in damage] == ["inc-1#3"]
    assert [finding.where for finding in verify.verify(path).findings] == ["inc-1#3"]
    with open_store(path) as store:
        assert [lock.name for lock in store.locks()] == ["db"]


def test_nothing_is_written_without_repair(path: str) -> None:
    change(path, "UPDATE incidents SET title = 'x'")
    assert findings(path) == findings(path) != []


def test_only_the_redaction_of_its_own_stream_excuses_a_payload(path: str) -> None:
    with open_store(path) as store:
        store.append(
            [note("a", stream="inc-2"), draft("redaction", {"targets": [3]}, stream="inc-2", actor=ROBIN)]
        )
    assert ("inc-2#3", "a redaction names it, yet its payload is there") in findings(path)
