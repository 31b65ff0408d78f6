"""The facts of a postmortem: milestones, intervals, people, runs and their steps."""

from __future__ import annotations

from typing import Any

import pytest

from incidents import clock
from incidents.clock import MINUTE, SECOND
from incidents.events import Actor, Event
from incidents.postmortem import collect
from incidents.postmortem.steps import Run, runs
from incidents.store.protocol import Head
from tests.making import event

HEAD = Head(7, "ab" * 32)
START = clock.parse_iso("2022-12-13T18:53:10Z")
DECLARED = {"title": "x", "severity": "sev2"}


def document(*more: Event) -> collect.Document:
    return collect.document(
        [event("incident.declared", at=START, data=DECLARED, milestone="declared"), *more], HEAD
    )


def took(doc: collect.Document, name: str) -> clock.Span:
    return next(one.span for one in doc.intervals if one.name == name)


def test_within_one_boot_the_monotonic_clock_decides_whatever_the_wall_clock_did() -> None:
    end = event(
        "incident.resolved", seq=2, at=START - 3 * MINUTE, recorded_at=START - 3 * MINUTE, mono=START + 9 * MINUTE,
        milestone="resolved",
    )  # fmt: skip
    doc = document(end)
    assert took(doc, "until it was over") == (9 * MINUTE, True)
    assert doc.whole == (9 * MINUTE, True)
    assert not doc.inexact


def test_across_boots_the_wall_clock_decides_and_says_so() -> None:
    doc = document(
        event("incident.mitigated", seq=2, at=START + MINUTE, boot="boot-2", mono=1, milestone="mitigated")
    )
    assert took(doc, "until it hurt nobody") == (MINUTE, False)
    assert doc.inexact


def test_a_time_that_a_person_gave_is_not_exact_and_is_marked() -> None:
    late = event(
        "note",
        seq=2,
        at=START - 20 * MINUTE,
        recorded_at=START + MINUTE,
        milestone="started",
        precision="min",
    )
    doc = document(late)
    (started, declared) = doc.milestones
    assert (started.name, started.by_hand, started.precision) == ("started", True, "s")
    assert (declared.name, declared.by_hand, declared.precision) == ("declared", False, "us")
    assert doc.can_be_given == "detected"


def test_a_corrected_time_moves_the_milestone_and_a_retracted_one_is_gone() -> None:
    detected = event("note", seq=2, at=START, milestone="detected")
    corrected = event("correction", seq=3, data={"target": 2, "at": START - 5 * MINUTE})
    assert took(document(detected, corrected), "until it was declared") == (5 * MINUTE, False)
    retracted = event("retraction", seq=3, data={"target": 2})
    interval = next(one for one in document(detected, retracted).intervals if one.start == "detected")
    assert (interval.span.micros, interval.missing) == (None, ("detected",))


def test_an_interval_without_its_ends_is_unknown_and_names_what_is_missing() -> None:
    doc = document()
    assert [one.missing for one in doc.intervals if one.name == "until it was noticed"] == [
        ("started", "detected")
    ]
    assert doc.whole.micros is None


def test_a_time_before_its_cause_is_unknown() -> None:
    doc = document(
        event("incident.mitigated", seq=2, at=START - MINUTE, boot="boot-2", milestone="mitigated")
    )
    assert took(doc, "until it hurt nobody").micros is None


def test_people_are_those_who_wrote_and_those_who_had_a_role() -> None:
    malte = Actor("human", "malte")
    doc = document(
        event("note", seq=2, at=START + SECOND, actor=malte),
        event("note", seq=3, at=START + 2 * SECOND, actor=malte),
        event("update", seq=4, at=START + 3 * SECOND, actor=malte),
        event("role.assigned", seq=5, at=START, data={"role": "comms", "person": "anna"}),
        event("note", seq=6, at=START, actor=Actor("system", "howdah")),
    )
    assert [(one.name, one.roles, one.did) for one in doc.people] == [
        ("nova", (), ("declared it", "1 role given")),
        ("malte", (), ("2 notes", "1 update")),
        ("anna", ("comms",), ()),
    ]
    assert (doc.people[1].first, doc.people[1].last) == (START + SECOND, START + 3 * SECOND)
    assert doc.people[2].first is None


def test_every_severity_in_order() -> None:
    doc = document(event("incident.severity", seq=2, at=START + 1, data={"severity": "sev1"}))
    assert [severity for _, severity in doc.severities] == ["sev2", "sev1"]


def test_a_redacted_declaration_still_gives_a_document() -> None:
    gone = event("incident.declared", at=START, redacted=True)
    doc = collect.document([gone, event("redaction", seq=2, data={"targets": [1]}, body="a name")], HEAD)
    assert doc.lines[0].redacted == (2, "nova", "a name")
    assert doc.severities == ()


# -- runs


def ended(status: str, *, part: str = "run", n: int | None = 1, **about: Any) -> Event:
    return event(
        "step.ended", data={"path": "grow", "status": status, "part": part, "n": n, **about}, run="run-1"
    )


def started(n: int = 1, *, part: str = "run", at: int = START) -> Event:
    data = {"path": "grow", "name": "Grow it", "n": n, "attempt": n, "effect": "unsafe", "part": part}
    return event("step.started", at=at, data=data, run="run-1")


def asked(what: str) -> Event:
    return event(
        "question.asked", data={"question": "q", "path": "grow", "what": what, "options": []}, run="run-1"
    )


def answered(word: str) -> Event:
    return event("question.answered", data={"question": "q", "path": "grow", "answer": word}, run="run-1")


def fold(*events: Event) -> Run:
    (run,) = runs(events)
    return run


@pytest.mark.parametrize(
    ("events", "result"),
    [
        ([started()], "not ended"),
        ([started(), ended("ok")], "ok"),
        ([started(), ended("failed")], "failed"),
        ([started(), ended("continued")], "failed (continued)"),
        ([ended("skipped", n=None)], "skipped"),
        ([started(), ended("again")], "failed, tries again"),
        ([started(), ended("again"), started(2), ended("ok", n=2)], "ok"),
        ([started(), ended("in_doubt")], "in doubt"),
        ([started(), ended("in_doubt"), started(2, part="verify"), ended("ok", part="verify", n=2)], "ok, by verify"),
        ([started(), ended("in_doubt"), ended("no", part="verify", n=2)], "failed, by verify"),
        ([started(), ended("in_doubt"), asked("doubt"), answered("done")], "ok, as nova says"),
        ([started(), ended("in_doubt"), asked("doubt"), answered("skip")], "skipped in doubt"),
        ([started(), ended("in_doubt"), asked("doubt"), answered("abort")], "aborted in doubt"),
        ([started(), ended("in_doubt"), asked("doubt"), answered("retry"), started(2), ended("ok", n=2)], "ok"),
        ([asked("confirm")], "waits for a person"),
        ([asked("confirm"), answered("skip")], "skipped"),
        ([asked("manual"), answered("done")], "done by hand"),
        ([asked("manual"), answered("done"), ended("failed", part="check")], "check failed"),
        ([started(), ended("ok"), started(2, part="undo"), ended("undone", part="undo", n=2)], "undone"),
        ([started(), ended("ok"), ended("in_doubt", part="undo", n=2), asked("undo"), answered("done")], "undone, as nova says"),
        ([started(), ended("failed"), ended("failed", part="undo", n=2), asked("undo"), answered("skip")], "not undone"),
        ([ended("odd", part="new")], "new odd"),
    ],
)  # fmt: skip
def test_the_last_word_about_a_step_is_its_result(events: list[Event], result: str) -> None:
    (step,) = fold(*events).steps
    assert step.result == result


def test_a_block_is_told_by_its_steps() -> None:
    assert fold(started(), ended("ok"), event("step.ended", data={"path": "block", "status": "entered"}, run="run-1")).steps[0].path == "grow"  # fmt: skip


def test_attempts_are_counted_and_their_times_added() -> None:
    (step,) = fold(
        started(), ended("again", took=SECOND), started(2), ended("ok", n=2, took=2 * SECOND)
    ).steps
    assert (step.attempts, step.took, step.started) == (2, (3 * SECOND, True), START)
    (step,) = fold(started(), ended("in_doubt", signal=9, at=START)).steps
    assert step.took is None or step.took.exact
    assert step.detail == "signal 9"


def test_without_a_measured_time_the_events_clocks_decide() -> None:
    end = event(
        "step.ended",
        at=START + MINUTE,
        boot="boot-2",
        data={"path": "grow", "status": "ok", "n": 1},
        run="run-1",
    )
    (step,) = fold(started(), end).steps
    assert step.took == (MINUTE, False)
    assert step.took_words == "~1 min"


def test_a_run_tells_who_started_it_with_what_and_how_it_ended() -> None:
    data = {"runbook": "disk-full", "digest": "ab", "inputs": {"mount": "/var"}}
    begin = event("run.started", at=START, data=data, run="run-1", actor=Actor("bot", "howdah", "malte"))
    end = event(
        "run.ended", at=START + MINUTE, data={"status": "aborted", "exit": 1, "say": "no"}, run="run-1"
    )
    run = fold(begin, event("run.parked", run="run-1", data={"questions": []}))
    assert (run.status, run.took.micros, run.by) == ("parked", None, "malte")
    run = fold(begin, end)
    assert (run.status, run.say, run.took, run.inputs) == ("aborted", "no", (MINUTE, True), {"mount": "/var"})
    run = fold(begin, end, event("undo.started", at=START, run="run-1", data={"steps": []}))
    assert (run.status, run.ended) == ("undoing", None)


def test_decisions_name_the_person_and_what_was_asked() -> None:
    (step,) = fold(asked("confirm"), answered("yes"), started(), ended("ok", services=["nginx"])).steps
    assert [(d.who, d.what, d.answer) for d in step.decisions] == [("nova", "confirm", "yes")]
    assert step.services == ["nginx"]
    assert step.document()["decisions"] == [
        {"who": "nova", "what": "confirm", "answer": "yes", "at": "1970-01-01T00:00:00.000000Z"}
    ]


def test_a_redacted_event_of_a_run_leaves_a_gap_and_no_error() -> None:
    run = fold(
        event("run.started", run="run-1", redacted=True),
        started(),
        event("step.ended", run="run-1", redacted=True),
    )
    assert (run.runbook, [step.result for step in run.steps]) == ("", ["not ended"])
