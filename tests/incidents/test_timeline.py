"""The only door to write, and the timeline as people read it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from incidents import timeline, verify
from incidents.errors import BadInput, IllegalTransition, IncidentClosed, KeyConflict, NotFound, Refused
from incidents.events import NEW_INCIDENT
from incidents.store import open_store
from incidents.store.protocol import Store
from incidents.timeline import entries, record
from tests.drafts import NOVA, ROBIN, declared, draft, note


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        record(opened, declared(), note("the disk is full", stream=NEW_INCIDENT, at=1_000))
        yield opened
        assert verify.verify(opened).findings == []


def correct(target: int, **change: Any) -> Any:
    return draft("correction", {"target": target, **change})


def retract(target: int, why: str = "") -> Any:
    return draft("retraction", {"target": target}, body=why)


def test_milestones_are_filled_in_from_the_kind(store: Store) -> None:
    assert store.read("inc-1")[0].milestone == "declared"
    (mitigated, other) = record(store, draft("incident.mitigated"), note(milestone="detected"))
    assert (mitigated.milestone, other.milestone) == ("mitigated", "detected")


@pytest.mark.parametrize(
    "wrong",
    [
        draft("note.of.mine"),
        draft("note", {"colour": "red"}),
        draft("task.added"),
        draft("task.added", {"task": "one"}),
        draft("task.added", {"task": True}),
        draft("correction", {"target": 1}),
        draft("incident.status", {"status": "fine"}),
    ],
    ids=lambda one: f"{one.kind} {one.data}",
)
def test_what_no_kind_allows_is_refused_and_nothing_is_written(store: Store, wrong: Any) -> None:
    with pytest.raises(BadInput):
        record(store, note("with it"), wrong)
    assert store.last_seq("inc-1") == 2


def test_a_group_is_judged_in_its_order(store: Store) -> None:
    record(
        store,
        draft("task.added", {"task": 1}),
        draft("task.done", {"task": 1}),
        draft("incident.resolved"),
        note(),
    )
    with pytest.raises(IncidentClosed):
        record(store, draft("incident.reopened"), draft("incident.resolved"), draft("update"))
    assert store.last_seq("inc-1") == 6


@pytest.mark.parametrize("kind", ["note", "update", "incident.resolved", "correction", "run.started"])
def test_an_incident_that_is_not_there_is_said(store: Store, kind: str) -> None:
    data = {"target": 1, "body": "x"} if kind == "correction" else {}
    if kind == "run.started":
        from tests.drafts import run_started

        wrong = run_started("run-a", stream="inc-99")
    else:
        wrong = draft(kind, data, stream="inc-99")
    with pytest.raises(NotFound, match="inc-99"):
        record(store, wrong)
    assert store.last_seq("inc-99") == 0


def test_streams_that_are_no_incidents_take_any_kind(store: Store) -> None:
    record(store, draft("system.refused", {"command": "run", "rule": "allow"}, stream="system"))
    assert store.last_seq("system") == 1


def test_a_repeated_decision_gives_back_what_was_recorded_then(store: Store) -> None:
    first = record(store, draft("incident.resolved", key="r"))
    record(store, draft("incident.reopened"))
    (again,) = record(store, draft("incident.resolved", key="r"))
    assert again.replayed and again.id == first[0].id
    with pytest.raises(KeyConflict):
        record(store, draft("incident.resolved", {"by_run": "run-a"}, key="r"))


def test_of_decisions_raced_for_each_stands_on_the_one_before(store: Store) -> None:
    """Twelve people resolve at once: one does, the others read that it is closed."""
    gate = threading.Barrier(12)

    def resolve(number: int) -> bool:
        gate.wait()
        try:
            record(store, draft("incident.resolved", actor=NOVA if number % 2 else ROBIN))
        except IncidentClosed:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(resolve, range(12))) == 1


def test_words_of_many_people_beside_decisions_are_all_recorded(store: Store) -> None:
    def write(number: int) -> None:
        record(store, note(str(number)) if number % 2 else draft("task.added", {"task": number}))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(48)))
    assert store.last_seq("inc-1") == 50


# -- corrections and retractions


def test_a_correction_changes_what_is_shown_and_keeps_what_was_said(store: Store) -> None:
    record(store, correct(2, body="the inodes are used up"), correct(2, at=500))
    entry = entries(store, "inc-1")[0]
    assert (entry.body, entry.at, entry.corrected) == ("the inodes are used up", 500, True)
    assert (entry.original_body, entry.original_at) == ("the disk is full", 1_000)
    assert entry.event.body == "the disk is full"


def test_the_last_correction_of_a_field_counts_unless_it_is_retracted(store: Store) -> None:
    record(store, correct(2, body="b"), correct(2, body="c"))
    assert entries(store, "inc-1")[0].body == "c"
    record(store, retract(4))
    assert entries(store, "inc-1")[0].body == "b"
    record(store, retract(3))
    entry = entries(store, "inc-1")[0]
    assert (entry.body, entry.corrected) == ("the disk is full", False)


def test_a_retracted_entry_stays_marked_with_the_reason(store: Store) -> None:
    record(store, retract(2, "it was another host"))
    entry = entries(store, "inc-1")[0]
    assert (entry.retracted, entry.why, entry.body) == (True, "it was another host", "the disk is full")


def test_entries_are_sorted_by_when_it_happened_then_by_seq(store: Store) -> None:
    record(store, note("third", at=3), note("first", at=1), note("second", at=1))
    assert [e.body for e in entries(store, "inc-1")][:3] == ["first", "second", "third"]
    record(store, correct(3, at=0))
    assert [e.body for e in entries(store, "inc-1")][:3] == ["third", "first", "second"]


@pytest.mark.parametrize(
    "word", [correct(99, body="x"), correct(0, body="x"), correct(-1, body="x"), retract(99)]
)
def test_there_is_nothing_to_correct_or_retract(store: Store, word: Any) -> None:
    with pytest.raises(NotFound, match="has no entry"):
        record(store, word)


def test_words_about_words_are_not_corrected_and_nothing_is_retracted_twice(store: Store) -> None:
    record(store, correct(2, body="x"), retract(2))
    for wrong in (correct(3, body="y"), correct(4, body="y"), retract(4), retract(2), correct(2, body="z")):
        with pytest.raises(IllegalTransition):
            record(store, wrong)


@pytest.mark.parametrize("kind", ["incident.declared", "role.assigned", "task.added", "incident.resolved"])
def test_what_others_stand_on_is_not_retracted(store: Store, kind: str) -> None:
    all_data: dict[str, dict[str, Any]] = {
        "role.assigned": {"role": "lead", "person": "x"},
        "task.added": {"task": 1},
    }
    data = all_data.get(kind, {})
    seq = 1 if kind == "incident.declared" else record(store, draft(kind, data))[0].seq
    with pytest.raises(IllegalTransition, match="others stand on it"):
        record(store, retract(seq))


def test_a_correction_on_a_closed_incident_is_possible(store: Store) -> None:
    record(store, draft("incident.resolved"))
    record(store, correct(2, body="better"), note("afterwards"))
    assert entries(store, "inc-1")[0].body == "better"


# -- redaction


def test_a_redacted_entry_shows_why_and_nothing_else(store: Store) -> None:
    timeline.redact(store, "inc-1", [2], "a password", ROBIN)
    entry = entries(store, "inc-1")[0]
    assert (entry.redacted, entry.body, entry.why) == (True, "", "a password")
    for wrong in (correct(2, body="x"), retract(2)):
        with pytest.raises(IllegalTransition, match="is redacted"):
            record(store, wrong)


def test_corrections_of_a_redacted_entry_are_redacted_with_it(store: Store) -> None:
    record(store, correct(2, body="hunter2, I mean"), note("other"))
    event = timeline.redact(store, "inc-1", [2], "", ROBIN)
    assert event.data["targets"] == [2, 3]
    assert [e.body for e in store.events("inc-1")] == ["", "", "", "other", ""]


def test_a_redaction_that_names_nothing_or_a_redaction_is_refused(store: Store) -> None:
    timeline.redact(store, "inc-1", [2], "", ROBIN)
    with pytest.raises(BadInput):
        timeline.redact(store, "inc-1", [], "", ROBIN)
    with pytest.raises(NotFound):
        timeline.redact(store, "inc-9", [1], "", ROBIN)
    with pytest.raises(Refused, match="is a redaction itself"):
        timeline.redact(store, "inc-1", [3], "", ROBIN)
    assert store.last_seq("inc-1") == 3
