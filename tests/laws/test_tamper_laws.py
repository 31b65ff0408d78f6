"""`verify` finds any change of the record, and names it; a lost tail is found by the head."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import timeline, verify
from incidents.events import NEW_INCIDENT, Actor, Draft
from incidents.store import open_store

NOVA = Actor("human", "nova")


@functools.cache
def original() -> str:
    """A store of a dozen events of two streams, with a correction, evidence and a redaction."""
    folder = tempfile.mkdtemp(prefix="howdah-tamper-")
    path = os.path.join(folder, "store.db")
    with open_store(path) as store:
        data = {"title": "images fail", "severity": "sev2"}
        store.append([Draft(stream=NEW_INCIDENT, kind="incident.declared", actor=NOVA, data=data)])
        for number in range(6):
            store.append([Draft(stream="inc-1", kind="note", actor=NOVA, body=f"word {number} é")])
        blob = store.put_blob(b"the disk said no\n" * 20, media_type="text/plain", name="dmesg")
        store.append([Draft(stream="inc-1", kind="note", actor=NOVA, body="see this", evidence=(blob,))])
        corrected = {"target": 3, "body": "another word", "at": None}
        timeline.record(store, Draft(stream="inc-1", kind="correction", actor=NOVA, data=corrected))
        store.append([Draft(stream="oncall", kind="x.note", actor=NOVA, body="elsewhere")])
        store.append([Draft(stream="inc-1", kind="note", actor=NOVA, body="last word")])
    return folder


@contextmanager
def copy() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="howdah-tamper-")
    try:
        shutil.copytree(original(), folder, dirs_exist_ok=True)
        yield os.path.join(folder, "store.db")
    finally:
        shutil.rmtree(folder)


@contextmanager
def database(path: str) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(path)
    try:
        yield connection
    finally:
        connection.close()


def columns() -> list[str]:
    with copy() as path, database(path) as db:
        return [str(row[1]) for row in db.execute("PRAGMA table_info(events)")]


def altered(value: Any, place: int) -> Any:
    """The value with one byte, or one bit of a number, changed."""
    if value is None:
        return "x"
    if isinstance(value, int):
        return value ^ (1 << (place % 8))
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    if not raw:
        return "x" if isinstance(value, str) else b"x"
    raw[place % len(raw)] ^= 1
    return raw.decode("utf-8", "replace") if isinstance(value, str) else bytes(raw)


def findings(path: str) -> list[str]:
    return [str(finding) for finding in verify.verify(path).findings]


def test_the_untouched_record_is_whole() -> None:
    with copy() as path:
        assert findings(path) == []


@settings(max_examples=60, deadline=None)
@given(pos=st.integers(1, 11), column=st.integers(0, 60), place=st.integers(0, 4000))
def test_one_changed_byte_in_any_column_of_any_event_is_found_and_named(
    pos: int, column: int, place: int
) -> None:
    names = columns()
    name = names[column % len(names)]
    with copy() as path:
        with database(path) as db:
            [(before, stream, seq)] = db.execute(
                f"SELECT {name}, stream, seq FROM events WHERE pos = ?", (pos,)
            )
            after = altered(before, place)
            if after == before:
                return
            try:
                db.execute(f"UPDATE events SET {name} = ? WHERE pos = ?", (after, pos))
            except (apsw.ConstraintError, apsw.MismatchError):
                return  # the database itself does not take it
        found = findings(path)
        assert found, f"{name} of {stream}#{seq}: {before!r} became {after!r}"
        if name not in ("stream", "seq", "pos"):
            assert any(f"{stream}#{seq}" in line for line in found), found


@settings(max_examples=20, deadline=None)
@given(place=st.integers(0, 339))
def test_one_changed_byte_in_a_blob_is_found_and_the_blob_named(place: int) -> None:
    with copy() as path:
        [name] = [
            os.path.join(folder, file) for folder, _, files in os.walk(f"{path}.blobs") for file in files
        ]
        os.chmod(name, 0o600)
        with open(name, "r+b") as file:
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ 1]))
        assert any("blob" in line and os.path.basename(name)[-20:] in line for line in findings(path))


@settings(max_examples=11, deadline=None)
@given(last=st.integers(1, 10))
def test_a_lost_tail_is_found_by_the_head(last: int) -> None:
    with copy() as path:
        with database(path) as db:
            db.execute("DELETE FROM events WHERE pos > ?", (last,))
        assert any("head" in line for line in findings(path))


@settings(max_examples=9, deadline=None)
@given(pos=st.integers(1, 10))
def test_a_missing_event_is_found(pos: int) -> None:
    with copy() as path:
        with database(path) as db:
            db.execute("DELETE FROM events WHERE pos = ?", (pos,))
        assert findings(path)


def test_a_payload_that_was_removed_without_a_redaction_is_found() -> None:
    with copy() as path:
        with database(path) as db:
            db.execute("UPDATE events SET payload = NULL, salt = NULL WHERE pos = 3")
        assert any("inc-1#3" in line for line in findings(path))


def test_a_missing_blob_is_found() -> None:
    with copy() as path:
        shutil.rmtree(f"{path}.blobs")
        assert any("blob" in line for line in findings(path))


def test_a_derived_row_that_lies_is_found_and_repaired() -> None:
    with copy() as path:
        with database(path) as db:
            db.execute("UPDATE incidents SET status = 'resolved'")
        assert findings(path)
        assert verify.verify(path, repair=True).ok
        assert findings(path) == []


def test_a_rewritten_record_is_found_by_a_head_seen_elsewhere() -> None:
    with copy() as path:
        head = verify.verify(path).head
        seen = f"{head.pos}:{head.hash}"
        with open_store(path) as store:
            store.append([Draft(stream="inc-1", kind="note", actor=NOVA, body="later")])
        assert verify.verify(path, expect=seen).findings == []
        other = f"{head.pos}:{'0' * len(head.hash)}"
        assert verify.verify(path, expect=other).findings
