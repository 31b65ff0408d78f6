"""Whom pages reach: who rests is stood in for whatever the step names, and who is at work is not spared by waking others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chatops.conftest import Howdah
from tests.chatops.test_handing import CONFIG, Team, lead


@pytest.fixture
def team(howdah: Howdah) -> Team:
    return Team(howdah)


def paged(team: Team, whom: str) -> tuple[list[str], str]:
    """Whom a page that malte begins now means, and why."""
    assert team.howdah("page", whom, "--incident", "1", by="malte").code == 0
    data = team.events(kind="page.fired")[-1].data
    return list(data["people"]), str(data.get("why", ""))


def relieved(team: Team) -> None:
    """nova led for eight hours and rests until 07:00; preston has command, and nova's pages."""
    lead(team)
    team.at("10T20:00")
    team.look()
    team("preston", "handoff", "ack")
    team.at("10T20:10")


WHY = "nova rests until 2022-11-11T07:00Z, preston has their pages"


def test_a_page_by_name_or_by_role_goes_to_who_has_the_pages_of_who_rests(team: Team) -> None:
    lead_by_role = "escalation: {lead: {steps: [{role: commander}]}}\n"
    Path("howdah.yaml").write_text(
        CONFIG.replace("zone: UTC}", "zone: UTC, roles: [commander]}") + lead_by_role
    )
    relieved(team)
    assert paged(team, "nova") == (["preston"], WHY)
    assert paged(team, "lead") == (["preston"], WHY)
    team("nova", "stay")
    assert paged(team, "nova") == (["nova"], "")


def test_whoever_has_just_taken_over_has_the_pages_although_it_is_their_night(team: Team) -> None:
    lead(team)
    team.at("10T20:00")
    team.look()
    team.at("10T20:15")
    team.look()
    team("hazel", "handoff", "ack")
    team.at("10T21:10")
    assert paged(team, "infra") == (["hazel"], "")


def test_who_is_awake_at_night_has_the_next_page_too_until_that_is_one_too_many(team: Team) -> None:
    chat = 'nova: {discord: "1000000000000000001", '
    Path("howdah.yaml").write_text(CONFIG.replace("nova: {", chat))
    team.at("11T02:00")
    team("malte", "declare", "media is gone", "--sev", "1")
    for n, whom in enumerate(["nova", "nova", "preston"]):
        team.at(f"11T02:{n}5")
        people, why = paged(team, "infra")
        assert people == [whom], why
        team(whom, "ack")
    assert "nova: pages per night (2 pages this night, limit 2" in why


def test_a_word_of_who_rests_calls_no_relief(team: Team) -> None:
    relieved(team)
    team("nova", "declare", "another thing", "--sev", "1")
    assert team.look() == []
    team("nova", "note", "and so it is", "--incident", "2")
    team.at("10T20:20")
    assert team.look() == []
    assert team.howdah("join", "--incident", "2", by="nova").code == 0
    named = team.looked()[0]
    assert named.kind == "relief.named" and named.data["due"] == team.howdah.at, "not before they came"
