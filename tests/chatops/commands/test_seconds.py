"""Schedules have whole seconds: what a command decides or asks at its own instant is of the second that runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chatops.commands.schedules import team
from tests.chatops.conftest import Howdah

__all__ = ["team"]


def instants(document: Any) -> list[str]:
    """Every instant in it."""
    if isinstance(document, dict):
        return [one for value in document.values() for one in instants(value)]
    if isinstance(document, list):
        return [one for value in document for one in instants(value)]
    return [document] if isinstance(document, str) and document[:3] == "202" and "T" in document else []


@pytest.fixture
def late(team: Howdah) -> Howdah:
    """It is 112,741 µs after the full second."""
    team.later(112_741)
    return team


CHANGES = (
    ["override", "infra", "--add", "malte", "--for", "1h"],
    ["override", "infra", "--add", "nova", "--from", "+3h", "--for", "1h"],
    ["override", "end", "ov-1"],
    ["swap", "offer", "infra", "--person", "hazel"],
    ["swap", "take", "sw-1", "--person", "nova"],
    ["absence", "hazel", "--for", "2h"],
    ["absence", "end", "ab-1"],
)
QUESTIONS = (
    ["oncall"], ["oncall", "who", "--at", "-1h"], ["oncall", "shifts"], ["oncall", "shifts", "--from", "-2h", "--to", "+2h"],
    ["oncall", "handoffs"], ["oncall", "next", "malte"], ["oncall", "explain"], ["oncall", "check"], ["oncall", "calendar"],
    ["override", "list", "--all"], ["swap", "list", "--all"], ["absence", "list", "--all"],
)  # fmt: skip


def test_no_instant_of_a_schedule_has_a_fraction(late: Howdah) -> None:
    for words in (*CHANGES, *QUESTIONS):
        late.later(200_003)
        answer = late(*words, "--json")
        assert answer.code in (0, 1), answer
        document = answer.json
        document.pop("event", None)  # an event is told like any other
        assert [one for one in instants(document) if "." in one] == [], words


def test_a_change_holds_from_the_second_in_which_it_was_made(late: Howdah) -> None:
    late.ok("override", "infra", "--add", "malte", "--for", "1h")
    assert late("oncall", "who", "infra", "--json").json["on_call"] == ["hazel", "malte"]
    late.ok("override", "end", "ov-1")
    assert late("oncall", "who", "infra", "--json").json["on_call"] == ["hazel"]


def test_a_relative_time_is_recognised_again_under_its_key(late: Howdah) -> None:
    words = ("override", "infra", "--add", "malte", "--from", "+1h", "--for", "1h", "--key", "k1")
    first = late(*words, "--json").json
    late.later(1_900_017)
    again = late(*words, "--json").json
    assert again["event"]["seq"] == first["event"]["seq"] == 1
    assert again["changes"] == first["changes"] and again["changes"]
