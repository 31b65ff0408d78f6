"""Laws of the views: words about words commute where they should; noise changes no incident."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from incidents import lifecycle, timeline
from incidents.errors import HowdahError
from incidents.events import Event
from incidents.timeline import Entry
from tests.making import event

NOTES = 4
about = st.tuples(st.integers(1, NOTES), st.sampled_from(["body", "at"]))
corrections = st.lists(
    st.tuples(about, st.integers(0, 9)), max_size=8, unique_by=lambda one: one[0]
)  # at most one for each field of each entry


def notes() -> list[Event]:
    return [event("note", seq=seq, at=100 + seq, body=f"note {seq}") for seq in range(1, NOTES + 1)]


def correction(seq: int, target: int, field: str, value: int) -> Event:
    change: dict[str, Any] = {field: value if field == "at" else f"corrected {value}"}
    return event("correction", seq=seq, data={"target": target, **change})


def retraction(seq: int, target: int) -> Event:
    return event("retraction", seq=seq, data={"target": target}, body=f"why {target}")


def shown(entries: list[Entry]) -> list[tuple[Any, ...]]:
    return [
        (e.event.seq, e.at, e.body, e.corrected, e.original_at, e.original_body, e.retracted, e.why)
        for e in entries
    ]


def view(words: list[Any], first: int = NOTES + 1) -> list[tuple[Any, ...]]:
    """The timeline after these words in this order; a word is (what, target, …)."""
    made = [make(seq, *rest) for seq, (make, *rest) in enumerate(words, first)]
    return shown(timeline.view([*notes(), *made]))


@given(words=corrections, order=st.randoms(use_true_random=False))
def test_corrections_of_different_fields_and_entries_commute(words: list[Any], order: Any) -> None:
    said = [(correction, target, field, value) for (target, field), value in words]
    mixed = list(said)
    order.shuffle(mixed)
    assert view(said) == view(mixed)


@given(words=corrections, targets=st.sets(st.integers(1, NOTES)), order=st.randoms(use_true_random=False))
def test_retractions_commute_with_corrections(words: list[Any], targets: set[int], order: Any) -> None:
    said: list[Any] = [(correction, target, field, value) for (target, field), value in words]
    said += [(retraction, target) for target in sorted(targets)]
    mixed = list(said)
    order.shuffle(mixed)
    assert view(said) == view(mixed)


@given(words=st.lists(st.tuples(about, st.integers(0, 9)), min_size=1, max_size=8), data=st.data())
def test_a_retracted_correction_was_never_said(words: list[Any], data: Any) -> None:
    said = [(correction, target, field, value) for (target, field), value in words]
    gone = data.draw(st.integers(0, len(said) - 1))
    without = [word for place, word in enumerate(said) if place != gone]
    assert view([*said, (retraction, NOTES + 1 + gone)]) == view(without)


@given(words=st.lists(st.tuples(about, st.integers(0, 9)), max_size=8))
def test_the_last_word_on_a_field_counts(words: list[Any]) -> None:
    last: dict[tuple[int, str], int] = dict(words)
    found = {
        seq: (at, body) for seq, at, body, *_ in view([(correction, *where, value) for where, value in words])
    }
    for seq in range(1, NOTES + 1):
        body = f"corrected {last[seq, 'body']}" if (seq, "body") in last else f"note {seq}"
        assert found[seq] == (last.get((seq, "at"), 100 + seq), body)


@given(words=corrections)
def test_the_timeline_is_always_in_the_order_in_which_things_happened(words: list[Any]) -> None:
    found = [(at, seq) for seq, at, *_ in view([(correction, *where, value) for where, value in words])]
    assert found == sorted(found) and len(found) == NOTES


# -- the incident

kinds = st.lists(
    st.sampled_from(
        [
            ("incident.severity", {"severity": "sev1"}),
            ("incident.status", {"status": "identified"}),
            ("incident.mitigated", {}),
            ("incident.resolved", {}),
            ("incident.cancelled", {}),
            ("incident.reopened", {}),
            ("role.assigned", {"role": "lead", "person": "nova"}),
            ("role.released", {"role": "lead", "person": "nova"}),
            ("task.added", {"task": 1}),
            ("task.done", {"task": 1}),
            ("note", {}),
            ("update", {}),
        ]
    ),
    max_size=14,
)


def legal(chosen: list[Any]) -> list[Any]:
    """Those of `chosen` that the incident allows, in their order."""
    kept: list[Any] = [("incident.declared", {"title": "t", "severity": "sev2"})]
    for kind in chosen:
        try:
            lifecycle.fold(numbered([*kept, kind]))
        except HowdahError:
            continue
        kept.append(kind)
    return kept


def numbered(story: list[Any]) -> list[Event]:
    return [event(kind, seq=seq, at=1000, data=data) for seq, (kind, data) in enumerate(story, 1)]


def essence(incident: lifecycle.Incident) -> tuple[Any, ...]:
    tasks = {number: (task.status, task.owner) for number, task in incident.tasks.items()}
    return (
        incident.status,
        incident.severity,
        incident.open,
        dict(incident.roles),
        tasks,
        set(incident.milestones),
    )


@given(chosen=kinds)
def test_the_fold_of_all_is_the_step_after_the_fold_of_all_but_the_last(chosen: list[Any]) -> None:
    told = numbered(legal(chosen))
    incident = None
    for number, one in enumerate(told, 1):
        incident = lifecycle.next_state(incident, one)
        assert incident == lifecycle.fold(told[:number])


@given(chosen=kinds, places=st.lists(st.integers(1, 15), max_size=5))
def test_notes_between_change_nothing(chosen: list[Any], places: list[int]) -> None:
    plain = legal(chosen)
    noisy = list(plain)
    for place in places:
        noisy.insert(min(place, len(noisy)), ("note", {}))
    assert essence(lifecycle.fold(numbered(plain))) == essence(lifecycle.fold(numbered(noisy)))


@given(chosen=kinds)
def test_open_and_closed_follow_the_status_and_what_is_over_has_its_milestone(chosen: list[Any]) -> None:
    incident = lifecycle.fold(numbered(legal(chosen)))
    assert incident.open == (incident.status in lifecycle.OPEN_STATUSES) == (incident.closed is None)
    assert ("resolved" in incident.milestones) == (incident.status == "resolved")


@given(chosen=kinds, kind=st.sampled_from(sorted(lifecycle.WHEN)))
def test_what_the_table_does_not_allow_is_always_refused(chosen: list[Any], kind: str) -> None:
    told = numbered(legal(chosen))
    incident = lifecycle.fold(told)
    state = lifecycle.OPEN if incident.open else lifecycle.CLOSED
    assume(state not in lifecycle.WHEN[kind])
    full = {
        "title": "t",
        "severity": "s",
        "status": "identified",
        "role": "r",
        "person": "p",
        "task": 9,
        "owner": "o",
    }
    try:
        lifecycle.next_state(incident, event(kind, seq=len(told) + 1, data=full))
    except HowdahError as error:
        assert "inc-1" in error.message and kind in error.message
    else:
        raise AssertionError(f"{kind} was allowed on {state}")
