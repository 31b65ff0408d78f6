"""What was redacted is in no file of the store any more: not in the database, its log, the evidence, the output."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from incidents import timeline, verify
from incidents.errors import StoreBusy
from incidents.events import NEW_INCIDENT
from incidents.store import erase, open_store
from incidents.store.embedded import EmbeddedStore
from tests.drafts import ROBIN, declared, draft, note, run_ended, run_started

SECRET = "hunter2-and-her-phone-number"


def files_with(folder: Path, secret: str = SECRET) -> list[str]:
    found = []
    for path, _, names in os.walk(folder):
        found += [name for name in names if secret.encode() in Path(path, name).read_bytes()]
    return found


@pytest.mark.parametrize("size", [0, 5_000, 300_000], ids=["in a page", "over two pages", "over many pages"])
@pytest.mark.parametrize("before", [0, 40, 400])
def test_the_words_are_in_no_file(tmp_path: Path, size: int, before: int) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        for number in range(before):
            store.append([note(f"{number} before")])
        store.append([note(SECRET + "x" * size, key="k")])
        store.append([draft("correction", {"target": before + 1, "body": SECRET})])
        for number in range(10):
            store.append([note(f"{number} after")])
        assert files_with(tmp_path)
        timeline.redact(store, "inc-1", [before + 1], "not for here", ROBIN)
        assert files_with(tmp_path) == []
        store.append([note("goes on")])
        assert verify.verify(store).findings == []
    assert files_with(tmp_path) == []


def test_a_title_is_in_no_file_among_many_incidents(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        for number in range(300):
            store.append([declared(SECRET if number == 150 else f"incident {number} " + "t" * (number % 90))])
        timeline.redact(store, "inc-151", [1], "", ROBIN)
        assert files_with(tmp_path) == []
        assert verify.verify(store).findings == []


def test_evidence_and_output_are_destroyed_and_named(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        evidence = store.put_blob(SECRET.encode(), media_type="text/plain", name="out")
        os.makedirs(os.path.join(store.runs_dir, "run-a"))
        for name in ("1.out.0", "1.out.1", "11.out.0", "2.out.0"):
            Path(store.runs_dir, "run-a", name).write_text(SECRET if name.startswith("1.") else "other")
        store.append([declared(), run_started("run-a", stream=NEW_INCIDENT)])
        ended = {"path": "grow", "status": "ok", "n": 1, "tail": SECRET}
        store.append([draft("step.ended", ended, run="run-a", evidence=(evidence,)), run_ended("run-a")])
        event = timeline.redact(store, "inc-1", [3], "", ROBIN)
        assert event.data["blobs"] == [evidence.sha256]
        assert event.data["runs"] == ["run-a/1.out.0", "run-a/1.out.1"]
        assert files_with(tmp_path) == []
        assert sorted(os.listdir(os.path.join(store.runs_dir, "run-a"))) == ["11.out.0", "2.out.0"]


def test_a_reader_that_keeps_old_pages_is_said_and_the_repeat_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "_TRIES", 1)
    with open_store(str(tmp_path / "store.db")) as store:
        assert isinstance(store, EmbeddedStore)
        store.append([note(SECRET)])
        store._writer()[0].run("PRAGMA busy_timeout = 50")
        store._reader.run("BEGIN")
        store._reader.run("SELECT pos FROM head")  # a foreign tool, say, with a transaction open
        with pytest.raises(StoreBusy, match="repeat the redaction"):
            store.redact(draft("redaction", {"targets": [1]}))
        store._reader.run("COMMIT")
        timeline.redact(store, "inc-1", [1], "", ROBIN)
        assert files_with(tmp_path) == []
        assert verify.verify(store).findings == []
