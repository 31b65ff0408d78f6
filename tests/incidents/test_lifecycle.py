"""What may happen to an incident when, and what it is afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from incidents import lifecycle
from incidents.clock import Reading
from incidents.errors import BadInput, IllegalTransition, IncidentClosed, NotFound
from incidents.events import Event
from incidents.lifecycle import Incident, fold, next_state
from tests.making import event

DECLARED: tuple[str, dict[str, Any]] = ("incident.declared", {"title": "t", "severity": "sev2"})


def story(*kinds: str | tuple[str, dict[str, Any]], **about: Any) -> list[Event]:
    """Events in order, a second apart, the first at 1 s."""
    made = []
    for seq, kind in enumerate(kinds, 1):
        name, data = kind if isinstance(kind, tuple) else (kind, {})
        made.append(event(name, seq=seq, at=seq * 1_000_000, data=data, **about))
    return made


def state(*kinds: str | tuple[str, dict[str, Any]]) -> Incident:
    return fold(story(DECLARED, *kinds))


def test_a_declared_incident_is_open_and_investigated() -> None:
    incident = state()
    assert (incident.title, incident.severity, incident.status) == ("t", "sev2", "investigating")
    assert incident.open and incident.closed is None and incident.opened.at == 1_000_000


@pytest.mark.parametrize(
    ("kinds", "status", "is_open"),
    [
        (["incident.mitigated"], "mitigated", True),
        ([("incident.status", {"status": "identified"})], "identified", True),
        (["incident.mitigated", ("incident.status", {"status": "investigating"})], "investigating", True),
        (["incident.resolved"], "resolved", False),
        (["incident.mitigated", "incident.resolved"], "resolved", False),
        (["incident.cancelled"], "cancelled", False),
        (["incident.resolved", "incident.reopened"], "investigating", True),
        (["incident.cancelled", "incident.reopened", "incident.mitigated"], "mitigated", True),
    ],
)
def test_status_after(kinds: list[Any], status: str, is_open: bool) -> None:
    incident = state(*kinds)
    assert (incident.status, incident.open) == (status, is_open)
    assert (incident.closed is None) == is_open


CLOSED_KINDS: list[tuple[str, dict[str, Any]]] = [
    ("incident.severity", {"severity": "sev1"}),
    ("incident.status", {"status": "identified"}),
    ("incident.mitigated", {}),
    ("incident.resolved", {}),
    ("incident.cancelled", {}),
    ("update", {}),
    ("role.assigned", {"role": "lead", "person": "nova"}),
    ("role.released", {"role": "lead", "person": "nova"}),
    ("task.added", {"task": 1}),
    ("task.done", {"task": 1}),
    ("run.started", {}),
]


@pytest.mark.parametrize(("kind", "data"), CLOSED_KINDS, ids=[kind for kind, _ in CLOSED_KINDS])
def test_a_closed_incident_is_not_changed_and_says_how_to_open_it(kind: str, data: dict[str, Any]) -> None:
    with pytest.raises(IncidentClosed, match=f"inc-1 is resolved: {kind} is not possible; howdah reopen "):
        state("incident.resolved", (kind, data))


@pytest.mark.parametrize("kind", ["note", "correction", "retraction", "redaction", "run.ended", "step.ended"])
def test_words_and_the_ends_of_runs_are_recorded_on_a_closed_incident(kind: str) -> None:
    data: dict[str, Any] = {"target": 1, "body": "x"} if kind == "correction" else {"target": 1}
    data = data if kind in ("correction", "retraction") else {}
    assert state("incident.resolved", (kind, data)).status == "resolved"


@pytest.mark.parametrize("kind", ["incident.declared", "incident.reopened"])
def test_an_open_incident_is_neither_declared_nor_reopened(kind: str) -> None:
    with pytest.raises(IllegalTransition, match="inc-1 is investigating: " + kind):
        state((kind, DECLARED[1]))


def test_mitigating_twice_is_an_error_that_names_both_sides() -> None:
    with pytest.raises(IllegalTransition, match=r"is mitigated already: incident\.mitigated"):
        state("incident.mitigated", "incident.mitigated")


@pytest.mark.parametrize("kind", ["note", "incident.resolved", "correction", "run.started", "x.mine"])
def test_nothing_happens_to_an_incident_that_is_not_there(kind: str) -> None:
    with pytest.raises(NotFound, match="inc-1"):
        fold(story(kind))
    with pytest.raises(NotFound):
        fold([])


@pytest.mark.parametrize("status", ["mitigated", "resolved", "cancelled", "fine", ""])
def test_statuses_with_a_word_of_their_own_are_not_set(status: str) -> None:
    with pytest.raises(BadInput, match="mitigate, resolve, cancel have words of their own"):
        state(("incident.status", {"status": status}))


def test_every_kind_in_the_table_exists() -> None:
    from incidents import kinds

    assert set(lifecycle.WHEN) <= set(kinds.KINDS)
    assert set(lifecycle.STATUS_AFTER) <= set(lifecycle.WHEN)


# -- roles, tasks, people


def test_roles_are_given_and_taken() -> None:
    lead = {"role": "lead", "person": "nova"}
    scribe = {"role": "scribe", "person": "nova"}
    incident = state(
        ("role.assigned", lead), ("role.assigned", scribe), ("role.assigned", {**lead, "person": "robin"})
    )
    assert incident.roles == {"lead": ["nova", "robin"], "scribe": ["nova"]}
    incident = state(("role.assigned", lead), ("role.released", lead))
    assert incident.roles == {"lead": []}
    with pytest.raises(IllegalTransition, match="nova has the role lead of inc-1"):
        state(("role.assigned", lead), ("role.assigned", lead))
    with pytest.raises(IllegalTransition, match="nova does not have the role lead"):
        state(("role.released", lead))


def test_tasks_are_added_given_done_and_dropped() -> None:
    incident = state(
        ("task.added", {"task": 1}),
        ("task.added", {"task": 2, "owner": "nova"}),
        ("task.assigned", {"task": 1, "owner": "robin"}),
        ("task.done", {"task": 1}),
        ("task.dropped", {"task": 2}),
    )
    assert [(t.number, t.owner, t.status) for t in incident.tasks.values()] == [
        (1, "robin", "done"),
        (2, "nova", "dropped"),
    ]
    assert incident.tasks[1].ended == 5_000_000 and incident.next_task == 3


@pytest.mark.parametrize(
    ("kinds", "error"),
    [
        ([("task.added", {"task": 1}), ("task.added", {"task": 1})], IllegalTransition),
        ([("task.done", {"task": 1})], NotFound),
        ([("task.added", {"task": 1}), ("task.done", {"task": 1}), ("task.done", {"task": 1})], IllegalTransition),
        ([("task.added", {"task": 1}), ("task.dropped", {"task": 1}), ("task.assigned", {"task": 1, "owner": "x"})], IllegalTransition),
    ],
)  # fmt: skip
def test_tasks_that_cannot_change_so(kinds: list[Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="task 1"):
        state(*kinds)


def test_people_are_the_humans_who_wrote_in_order() -> None:
    from incidents.events import Actor

    events = story(DECLARED, "note", "note", "note")
    actors = [Actor("human", "nova"), Actor("bot", "howdah"), Actor("human", "robin"), Actor("human", "nova")]
    events = [
        event(e.kind, seq=e.seq, at=e.at, data=dict(e.data), actor=a)
        for e, a in zip(events, actors, strict=True)
    ]
    assert fold(events).people == ("nova", "robin")


# -- milestones


def milestones(*events: Event) -> dict[str, Reading]:
    return fold([event("incident.declared", data=DECLARED[1], at=10, seq=1), *events]).milestones


def test_the_kind_gives_the_milestone_and_its_reading() -> None:
    found = milestones(event("incident.mitigated", seq=2, at=20), event("incident.resolved", seq=3, at=30))
    assert {name: reading.at for name, reading in found.items()} == {
        "declared": 10,
        "mitigated": 20,
        "resolved": 30,
    }
    assert found["mitigated"] == Reading(20, "boot-1", 20)


def test_a_time_set_by_hand_has_no_monotonic_clock() -> None:
    found = milestones(event("note", seq=2, at=5, recorded_at=20, milestone="started"))
    assert found["started"] == Reading(5, "unknown", 0)


def test_the_first_acknowledgement_counts_and_the_last_word_on_the_others() -> None:
    found = milestones(
        *(event("note", seq=seq, at=seq, milestone=name) for seq, name in [(2, "acknowledged"), (3, "acknowledged"), (4, "detected"), (5, "detected")]),
    )  # fmt: skip
    assert (found["acknowledged"].at, found["detected"].at) == (2, 5)


def test_corrections_move_milestones_and_retractions_take_them_back() -> None:
    mark = event("note", seq=2, at=20, milestone="detected")
    to_15 = event("correction", seq=3, at=30, data={"target": 2, "at": 15})
    to_12 = event("correction", seq=4, at=40, data={"target": 2, "at": 12})
    assert milestones(mark, to_15)["detected"] == Reading(15, "unknown", 0)
    assert milestones(mark, to_15, to_12)["detected"].at == 12
    assert milestones(mark, to_15, to_12, event("retraction", seq=5, data={"target": 4}))["detected"].at == 15
    assert "detected" not in milestones(mark, event("retraction", seq=3, data={"target": 2}))


def test_reopening_takes_back_what_was_over() -> None:
    found = milestones(
        event("incident.mitigated", seq=2, at=20),
        event("incident.resolved", seq=3, at=30),
        event("incident.reopened", seq=4, at=40),
    )
    assert set(found) == {"declared"}


def test_redacted_events_fold_to_what_their_headers_say() -> None:
    events = story(
        DECLARED,
        ("role.assigned", {"role": "lead", "person": "x"}),
        ("task.added", {"task": 1}),
        ("incident.severity", {"severity": "sev1"}),
        "incident.resolved",
    )
    redacted = [event(e.kind, seq=e.seq, at=e.at, redacted=True) for e in events]
    incident = fold(redacted)
    assert (incident.title, incident.status, incident.roles, incident.tasks) == ("", "resolved", {}, {})


def test_a_draft_is_judged_as_its_event_would_be() -> None:
    from tests.drafts import draft

    incident = state("incident.resolved")
    with pytest.raises(IncidentClosed):
        next_state(incident, draft("update"))
    assert next_state(incident, draft("incident.reopened")).last_seq == 3
