"""A swap that nobody takes: who offered it and who could take it hear of it once, by day, before it begins."""

from __future__ import annotations

import json
from pathlib import Path

from incidents import clock, telling
from incidents.events import Event
from tests.chatops.conftest import Howdah, howdah
from tests.chatops.test_handing import CONFIG, START, Team

__all__ = ["howdah"]

PAGING = """\
paging:
  channels: {push: "ntfy://ntfy.sh/{key}"}
"""
OFFER = (
    "swap",
    "offer",
    "infra",
    "--from",
    "2022-11-12T18:00:00Z",
    "--to",
    "2022-11-13T06:00:00Z",
    "--person",
    "nova",
)


def offered(howdah: Howdah) -> Team:
    """nova offers the night from Saturday at 18:00, on Thursday at 12:00; hazel is away then; malte has no channel."""
    team = Team(howdah)
    text = CONFIG + PAGING
    for name in ("nova", "hazel", "preston"):
        text = text.replace(f"unix: {name},", f"unix: {name}, page: [push], contacts: {{key: {name}1}},")
    Path("howdah.yaml").write_text(text)
    team("nova", *OFFER)
    team("hazel", "absence", "--from", "2022-11-12T00:00:00Z", "--to", "2022-11-14T00:00:00Z")
    return team


def told(events: list[Event]) -> list[str]:
    return [event.data["target"] for event in events if event.kind == "page.started"]


def test_a_day_before_it_begins_it_is_recorded_once_and_told_by_day(howdah: Howdah) -> None:
    team = offered(howdah)
    assert "sw-1" in team("nova", "remind", "list") and "Fri" in team("nova", "remind", "list")
    (owed,) = json.loads(team("nova", "remind", "list", "--json"))["swaps"]
    assert owed == {"swap": "sw-1", "due": "2022-11-11T18:00:00.000000Z", "reminded": False}
    team.at("11T17:59")
    assert "reminder.due" not in team.look()
    team.at("11T18:00")
    made = [event for event in team.looked() if event.stream == "oncall"]
    (reminder,) = (event for event in made if event.kind == "reminder.due")
    assert reminder.data == {
        "what": "swap", "due": START + 30 * clock.HOUR, "number": 0, "person": "nova", "name": "sw-1",
        "people": ["malte", "preston"],
    }  # fmt: skip
    assert told(made) == ["nova", "preston"]
    assert team.look() == []
    assert json.loads(team("nova", "remind", "list", "--json"))["swaps"][0]["reminded"] is True
    assert telling.sentence(reminder).startswith("nobody has taken sw-1, so it stays with nova: infra, ")


def test_nobody_is_woken_for_it(howdah: Howdah) -> None:
    """At 18:00 UTC it is morning for preston and evening for nova; four hours later nova sleeps."""
    team = offered(howdah)
    team.at("11T22:00")
    assert told(team.looked()) == ["preston"]
    team.at("12T06:00")
    assert told(team.looked()) == ["nova"]
    assert team.look() == []


def test_what_is_taken_withdrawn_or_over_is_nothing_to_remind_of(howdah: Howdah) -> None:
    team = offered(howdah)
    team("preston", "swap", "take", "sw-1")
    team.at("11T18:00")
    assert "reminder.due" not in team.look()
    team("nova", "swap", "offer", "infra", "--from", "2022-11-12T06:00:00Z", "--to", "2022-11-12T09:00:00Z")
    team.at("12T06:00")
    assert "reminder.due" in team.look(), "offered less than a day before: when it begins"
    team("nova", "swap", "offer", "infra", "--from", "2022-11-12T09:00:00Z", "--to", "2022-11-12T10:00:00Z")
    team.at("12T10:00")
    assert "reminder.due" not in team.look()
    assert json.loads(team("nova", "remind", "list", "--json"))["swaps"] == []


def test_what_they_read_says_what_to_do_and_is_no_page_in_any_figure(howdah: Howdah) -> None:
    from incidents import open_store
    from incidents.oncall import load

    team = offered(howdah)
    team.at("11T18:00")
    team.look()
    team.pager()
    events = team.events("oncall")
    (first, second) = (event.body for event in events if event.kind == "page.started")
    assert first.startswith("nobody has taken sw-1, so it stays with you: infra, ")
    assert second.startswith("nova offers infra, ") and second.endswith("howdah swap take sw-1")
    with open_store(str(howdah.store)) as store:
        assert load.pages(store.events("oncall")) == []
