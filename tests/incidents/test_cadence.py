"""When the next update is owed, and which reminder is in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents import cadence, clock, yamlfile
from incidents.events import Event
from tests.making import event

START = clock.parse_iso("2022-12-13T18:00:00Z")
MIN = clock.MINUTE


def stream(*said: tuple[str, int, dict[str, Any]], mode: str = "real") -> list[Event]:
    """(kind, minutes after the start, data)."""
    return [
        event(
            kind, seq=seq, at=START + minutes * MIN, recorded_at=START + minutes * MIN, data=data, mode=mode
        )
        for seq, (kind, minutes, data) in enumerate(said, 1)
    ]


def declared(severity: str = "sev2") -> tuple[str, int, dict[str, Any]]:
    return "incident.declared", 0, {"title": "t", "severity": severity}


def due(*said: tuple[str, int, dict[str, Any]], mode: str = "real") -> int | None:
    """In minutes after the start."""
    found = cadence.promise(stream(*said, mode=mode)).due
    return None if found is None else (found - START) // MIN


@pytest.mark.parametrize(("severity", "minutes"), [("sev1", 30), ("sev2", 60), ("sev3", 240), ("sev4", None)])
def test_the_severity_says_how_often(severity: str, minutes: int | None) -> None:
    assert due(declared(severity)) == minutes


def test_each_update_begins_anew_and_may_promise_another_time() -> None:
    assert due(declared(), ("update", 20, {})) == 80
    assert due(declared(), ("update", 20, {"next": 45 * MIN})) == 65
    assert due(declared(), ("update", 20, {"next": 45 * MIN}), ("update", 50, {})) == 110


def test_a_worse_severity_counts_from_its_change_and_a_better_one_changes_nothing_owed_earlier() -> None:
    assert due(declared("sev3"), ("incident.severity", 100, {"severity": "sev1"})) == 130
    assert due(declared("sev1"), ("incident.severity", 10, {"severity": "sev2"})) == 60
    assert due(declared("sev1"), ("incident.severity", 10, {"severity": "sev4"})) is None


def test_what_is_over_a_drill_and_what_is_told_afterwards_owe_nothing() -> None:
    assert due(declared(), ("incident.resolved", 5, {})) is None
    assert due(declared(), ("incident.resolved", 5, {}), ("incident.reopened", 50, {})) == 110
    assert due(declared(), mode="drill") is None
    assert due(declared(), mode="retrospective") is None


def number(minutes: int, *said: tuple[str, int, dict[str, Any]]) -> int | None:
    return cadence.promise(stream(declared(), *said)).reminder(START + minutes * MIN)


def test_reminders_come_at_the_time_and_then_once_an_interval() -> None:
    assert [number(minutes) for minutes in (0, 59, 60, 119, 120, 600)] == [None, None, 0, 0, 1, 9]


def test_a_snoozed_or_stopped_reminder_waits_and_an_update_ends_the_snooze() -> None:
    until = {"what": "update", "until": START + 90 * MIN}
    assert number(70, ("reminder.snoozed", 61, until)) is None
    assert number(90, ("reminder.snoozed", 61, until)) == 0
    assert number(500, ("reminder.stopped", 61, {"what": "update"})) is None
    assert (
        number(
            130, ("reminder.stopped", 61, {"what": "update"}), ("reminder.started", 70, {"what": "update"})
        )
        == 1
    )
    assert (
        number(
            125, ("reminder.snoozed", 61, {"what": "update", "until": START + 900 * MIN}), ("update", 62, {})
        )
        == 0
    )


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=20))
def test_however_often_somebody_looks_no_reminder_comes_twice_and_none_goes_back(looks: list[int]) -> None:
    promise = cadence.promise(stream(declared()))
    found = [promise.reminder(START + minutes * MIN) for minutes in sorted(looks)]
    numbers = [n for n in found if n is not None]
    assert numbers == sorted(numbers)
    assert all(n is not None for n in found[len(found) - len(numbers) :]), "once it is due it stays due"


def test_the_section_of_the_configuration_is_read_with_every_mistake() -> None:
    node = yamlfile.parse("sev1: 15m\nsev2: never\nsev9: 1h\nsev3: soon\nsev4: 5s\n", "f")
    found, wrong = cadence.parse(node, "f")
    assert (found["sev1"], found["sev2"], found["sev3"]) == (15 * MIN, None, 240 * MIN)
    assert [(w.line, w.message) for w in wrong] == [
        (3, "updates: there is no severity 'sev9'"),
        (4, "sev3: 'soon' is not a duration"),
        (5, "sev4: is at least one minute, or never"),
    ]
