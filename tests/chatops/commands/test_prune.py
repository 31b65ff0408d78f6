"""Old evidence goes, the record says so first, and what is needed stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from incidents import clock, open_store, retention, verify
from tests.chatops.conftest import Howdah


@pytest.fixture
def full(howdah: Howdah) -> Howdah:
    """Two incidents that have ended, one of them a drill, and one that is open, each with a long output."""
    for words in ((), ("--drill",)):
        assert howdah("do", *words, "--", "sh", "-c", f"seq 1 20000; echo {len(words)}").code == 0
    howdah.ok("declare", "still open")
    assert howdah("do", "--incident", "inc-3", "--", "sh", "-c", "seq 1 20000; echo open").code == 0
    howdah.later(clock.DAY)
    return howdah


def blobs(howdah: Howdah) -> set[str]:
    return {name for name in os.listdir(f"{howdah.store}.blobs") if len(name) == 64}


def prune(howdah: Howdah, *words: str) -> dict[str, object]:
    answer = howdah("store", "prune", "--older-than", "0s", *words, "--json")
    assert answer.code == 0, answer
    found = answer.json["prune"]
    assert isinstance(found, dict)
    return found


def test_what_ended_long_ago_goes_and_what_is_open_or_needed_stays(full: Howdah) -> None:
    before = blobs(full)
    assert prune(full, "--dry-run")["blobs"] == 2
    assert blobs(full) == before
    assert prune(full, "--yes")["destroyed"] is True
    assert len(before - blobs(full)) == 2
    with open_store(str(full.store)) as store:
        assert verify.verify(store).findings == []
        runs = [row.run for row in store.runs()]
    assert "howdah" in full.ok("runbook", "from", "inc-1"), "the text of its runbook is there"
    assert full("show", runs[0]).code == 0
    assert prune(full, "--yes")["blobs"] == 0


def test_drills_alone(full: Howdah) -> None:
    assert prune(full, "--drills", "--dry-run")["incidents"] == 1
    assert prune(full, "--drills", "--yes")["blobs"] == 1


def test_nothing_goes_without_a_yes_and_what_is_young_is_not_old(full: Howdah) -> None:
    before = blobs(full)
    answer = full("store", "prune", "--older-than", "0s")
    assert answer.code == 4 and "nothing was destroyed" in answer.err
    assert full.ok("store", "prune", "--older-than", "90d") == "nothing is old enough\n"
    assert blobs(full) == before


def test_killed_between_the_record_and_the_files_it_is_finished_by_the_next(full: Howdah) -> None:
    with open_store(str(full.store)) as store:
        what = retention.old(store, clock.wall() + clock.DAY)

        class Killed(Exception):
            pass

        def forget(digests: object) -> None:
            raise Killed

        store.forget_blobs = forget  # type: ignore[method-assign]
        from incidents.events import Actor, Draft

        with pytest.raises(Killed):
            retention.drop(
                store,
                what,
                lambda data: Draft(
                    stream="system", kind="evidence.expired", actor=Actor("human", "nova"), data=data
                ),
            )
    with open_store(str(full.store)) as store:
        assert verify.verify(store).findings == [], "said to be gone and still there is no damage"
    assert prune(full, "--yes")["blobs"] == 2
    with open_store(str(full.store)) as store:
        assert verify.verify(store).findings == []


def test_a_blob_that_vanished_without_a_word_is_damage_still(full: Howdah) -> None:
    victim = max(
        (Path(f"{full.store}.blobs") / name for name in blobs(full)), key=lambda path: path.stat().st_size
    )
    victim.unlink()
    assert full("verify").code == 1
