"""What an event says in one sentence, and what a reader need not see."""

from __future__ import annotations

from typing import Any

import pytest

from incidents import kinds, telling
from incidents.events import Actor
from tests.making import event

SPAN = {"schedule": "infra", "start": 0, "end": 86_400_000_000}
DAY = "1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z"
STEP = {"path": "grow", "name": "Grow it", "n": 3, "status": "ok"}


@pytest.mark.parametrize(
    ("kind", "data", "body", "sentence"),
    [
        ("incident.declared", {"title": "Down", "severity": "sev1"}, "", "declared sev1: Down"),
        ("incident.declared", {"title": "Down", "severity": "sev1", "by_run": "run-1"}, "", "declared sev1 by run-1: Down"),
        ("incident.severity", {"severity": "sev1"}, "worse", "severity is sev1: worse"),
        ("note", {}, "restarted", "restarted"),
        ("update", {}, "we know", "update: we know"),
        ("role.assigned", {"role": "comms", "person": "malte"}, "", "malte is comms"),
        ("task.added", {"task": 2, "owner": "malte"}, "call", "task 2 added (malte): call"),
        ("task.done", {"task": 1}, "", "task 1 done: write"),
        ("task.dropped", {"task": 1}, "they know", "task 1 dropped: write, they know"),
        ("task.done", {"task": 9}, "", "task 9 done"),
        ("run.started", {"runbook": "disk-full"}, "", "run-1 started: disk-full"),
        ("run.ended", {"status": "ok", "exit": 0, "say": "2 GiB free"}, "", "run-1 ended: ok: 2 GiB free"),
        ("step.started", {**STEP, "attempt": 2}, "", "Grow it: started, attempt 2"),
        ("step.ended", {**STEP, "took": 12_400}, "", "Grow it: ok (12 ms)"),
        ("step.ended", {**STEP, "took": 61_000_000, "attempt": 2}, "", "Grow it: ok (1 min 1 s, attempt 2)"),
        ("step.ended", {**STEP, "status": "failed", "exit": 5}, "", "Grow it: failed (exit 5)"),
        ("step.ended", {**STEP, "status": "again", "exit": 5}, "", "Grow it: failed, tries again (exit 5)"),
        ("step.ended", {**STEP, "status": "in_doubt", "signal": 9}, "", "Grow it: IN DOUBT (signal 9)"),
        ("step.ended", {**STEP, "recovered": True}, "", "Grow it: ok (found after a crash)"),
        ("step.ended", {**STEP, "part": "verify", "status": "no", "exit": 10}, "", "verify of Grow it: did not happen (exit 10)"),
        ("step.ended", {"path": "stop", "status": "skipped", "why": "if is false"}, "", "stop: skipped (if is false)"),
        ("question.asked", {"question": "q", "path": "grow", "what": "confirm", "options": ["yes", "abort"]}, "Grow?", "grow: asks yes/abort: Grow?"),
        ("question.answered", {"question": "q", "path": "grow", "answer": "yes"}, "", "grow: confirmed"),
        ("run.request", {"what": "stop", "path": "grow"}, "", "run-1: stop of grow asked for"),
        ("lock.released", {"name": "disk:/var", "run": "run-1"}, "it died", "lock disk:/var of run-1 freed: it died"),
        ("oncall.overridden", {**SPAN, "name": "ov-1", "kind": "replace_user", "remove": "hazel", "add": "nova"}, "dentist", f"ov-1: infra: nova instead of hazel, {DAY}: dentist"),
        ("oncall.override_ended", {"name": "ov-1", "end": 0}, "", "ov-1 is ended"),
        ("oncall.swap_offered", {**SPAN, "name": "sw-1", "person": "hazel"}, "", f"sw-1: hazel offers infra, {DAY}"),
        ("oncall.swap_taken", {"name": "sw-1", "person": "nova", "start": 0}, "", "sw-1: nova takes it"),
        ("oncall.swap_withdrawn", {"name": "sw-1"}, "", "sw-1 is withdrawn"),
        ("oncall.absent", {"name": "ab-1", "person": "hazel", "start": 0, "end": 86_400_000_000}, "flu", f"ab-1: hazel is absent, {DAY}: flu"),
        ("oncall.absence_ended", {"name": "ab-1", "end": 0}, "", "ab-1 is ended"),
        ("x.deploy", {"sha": "abc"}, "deployed", "x.deploy: deployed"),
    ],
)  # fmt: skip
def test_sentences(kind: str, data: dict[str, Any], body: str, sentence: str) -> None:
    told = telling.sentence(event(kind, data=data, body=body, run="run-1"), tasks={1: "write", 2: "other"})
    assert told == sentence


def test_every_kind_of_an_incident_has_a_sentence_of_its_own() -> None:
    system = {"system.ballast", "system.refused", "config.seen", "chat.opened", "chat.shown"}
    assert set(kinds.KINDS) - system == set(telling._TELLERS)


def test_a_correction_replaces_the_words() -> None:
    assert telling.sentence(event("note", body="wrong"), body="right") == "right"


def test_a_redacted_event_says_that_it_was_redacted() -> None:
    assert telling.sentence(event("note", redacted=True)) == "content redacted"
    assert telling.sentence(event("task.added", redacted=True)) == "task.added, content redacted"


def test_the_person_counts_not_the_program_that_acted_for_them() -> None:
    assert telling.who(event("note", actor=Actor("system", "howdah", "malte"))) == "malte"
    assert telling.who(event("note", actor=Actor("system", "howdah"))) == "howdah"


def test_the_start_of_an_ended_step_and_an_answered_question_are_hidden() -> None:
    asked = {"question": "q", "path": "a", "what": "confirm", "options": []}
    events = [
        event("step.started", seq=1, run="r", data={"path": "a", "n": 1}),
        event("step.ended", seq=2, run="r", data={"path": "a", "n": 1, "status": "ok"}),
        event("step.started", seq=3, run="r", data={"path": "b", "n": 3}),
        event("question.asked", seq=4, run="r", data=asked),
        event("question.answered", seq=5, run="r", data={"question": "q", "path": "a", "answer": "yes"}),
        event("question.asked", seq=6, run="r", data={**asked, "question": "open"}),
        event("step.ended", seq=7, run="r", data={"path": "block", "status": "entered"}),
        event("step.ended", seq=8, run="other", data={"path": "b", "n": 3, "status": "ok"}),
        event("correction", seq=9, data={"target": 1, "body": "x"}),
        event("run.resumed", seq=10, data={"pid": 7}),
        event("note", seq=11, body="x"),
        event("step.ended", seq=12, run="r", redacted=True),
    ]
    assert telling.hidden(events) == {1, 4, 7, 9, 10}


def test_the_last_word_about_an_entry_counts_and_a_retracted_correction_does_not() -> None:
    first = event("correction", seq=3, data={"target": 1, "body": "b"})
    second = event("correction", seq=4, data={"target": 1, "body": "c"})
    undone = event("retraction", seq=5, data={"target": 4})
    destroyed = event("redaction", seq=6, data={"targets": [1, 2]})
    found = telling.changes([first, second, undone, destroyed])
    assert found.corrected == {1: first}
    assert found.retracted == {4: undone}
    assert found.redacted == {1: destroyed, 2: destroyed}


def test_the_oldest_open_question_of_each_run_is_known() -> None:
    def ask(question: str, path: str, run: str = "r") -> Any:
        return event("question.asked", run=run, data={"question": question, "path": path})

    events = [ask("1", "a"), ask("2", "b"), ask("3", "c"), ask("4", "x", "other"), ask("5", "y", "ended")]
    events.append(event("question.answered", run="r", data={"question": "1", "path": "a", "answer": "yes"}))
    events.append(event("question.void", run="other", data={"question": "4"}))
    events.append(event("run.ended", run="ended", data={"status": "aborted", "exit": 1}))
    assert telling.asking(events) == {"r": "b"}
