"""An incident's card as it stands in a chat: true for every reader at any later time, with what can be pressed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatops import layout, presses, showing, views
from chatops.views import Card
from incidents import clock
from incidents.errors import NotFound
from incidents.events import Draft, host_name
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.drafts import declared, draft, note, run_started

NOON = clock.parse_iso("2022-12-13T14:05:10Z")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clock.freeze(NOON), open_store(str(tmp_path / "store.db")) as opened:
        opened.append([declared("the disk is full")])
        yield opened


def card(store: Store, now: int = NOON) -> Card:
    shown = showing.incident_post(store, "inc-1", "UTC", now).view
    assert isinstance(shown, Card)
    return shown


def test_it_says_what_it_is_how_it_stands_and_who_leads(store: Store) -> None:
    shown = card(store)
    assert (shown.title, shown.state, shown.tone) == (
        "inc-1  the disk is full",
        "sev2 · investigating",
        "bad",
    )
    store.append(
        [
            draft("role.assigned", {"role": "commander", "person": "nova"}),
            run_started("run-abcdef", "disk:/var"),
        ]
    )
    assert [(field.name, field.values[0].split(" since")[0]) for field in card(store).fields] == [
        ("roles", "commander: nova"),
        ("runs", "run-abcdef  disk-full  running, by robin"),
        ("locks", "disk:/var  run-abcdef"),
    ]


def test_its_instants_are_told_to_each_reader_and_in_words_where_that_cannot_be(store: Store) -> None:
    store.append([note("the graph falls")])
    shown = card(store, NOON + clock.HOUR)
    found = [
        (int(at), form) for at, form, _ in layout.INSTANT.findall(shown.under + shown.fields[-1].values[0])
    ]
    assert found == [(NOON, "moment"), (NOON, "ago"), (NOON, "short")]
    text = views.plain(shown)
    assert "declared Tue 13 Dec 2022 14:05 UTC, 1 h ago" in text
    assert "last note  14:05  robin: the graph falls" in text
    assert "\ue000" not in text


def test_what_can_be_pressed_is_about_the_last_change_of_state(store: Store) -> None:
    store.append([note(), draft("incident.severity", {"severity": "sev1"}), note()])
    post = showing.incident_post(store, "inc-1", "UTC", NOON)
    assert [(b.label, b.seq, b.word, b.form) for b in post.buttons] == [
        ("Note", 3, "note", True), ("Take command", 3, "commander", False), ("Resolve", 3, "resolve", True),
    ]  # fmt: skip
    for button in post.buttons:
        assert presses.meaning(store, "inc-1", button.seq, button.word)


def test_a_closed_incident_has_nothing_to_press(store: Store) -> None:
    store.append([draft("incident.resolved", milestone="resolved")])
    post = showing.incident_post(store, "inc-1", "UTC", NOON)
    assert post.buttons == ()
    assert isinstance(post.view, Card)
    assert (post.view.state, post.view.tone) == ("sev2 · resolved", "good")


def test_an_incident_that_is_not_there_has_no_card(store: Store) -> None:
    with pytest.raises(NotFound):
        showing.incident_post(store, "inc-7", "UTC", NOON)


def changed(number: int, *, stream: str = "inc-1") -> list[Draft]:
    """A step that has changed the limit to this number."""
    about: dict[str, Any] = {"stream": stream, "run": "run-abcdef", "step": "limit", "at": NOON + number}
    step = {"path": "limit", "name": "Limit", "n": number}
    change = {"what": "app:limit", "from": "20", "to": f"{number}"}
    return [
        draft("step.started", {**step, "attempt": 1, "effect": "unsafe", "change": change}, **about),
        draft("step.ended", {**step, "status": "ok", "change": change}, **about),
    ]


def test_it_lists_what_was_changed_before_the_declaration_and_nothing_later(store: Store) -> None:
    store.append([run_started("run-abcdef"), *(one for number in range(1, 8) for one in changed(number))])
    store.append([declared("web is slow"), *changed(8), *changed(9, stream="inc-2")])
    found = showing.incident_post(store, "inc-2", "UTC", NOON).view
    assert isinstance(found, Card)
    [told] = [field for field in found.fields if field.name == "changed"]
    assert [value.rpartition("\ue001")[2] for value in told.values] == [
        *(f"  {host_name()} app:limit: 20 → {number}, by robin (run-abcdef)" for number in range(7, 2, -1)),
        "and 2 more: howdah changes",
    ]
    store.append([draft("incident.resolved", stream="inc-2", milestone="resolved")])
    assert "changed" not in views.plain(showing.incident_post(store, "inc-2", "UTC", NOON).view)
