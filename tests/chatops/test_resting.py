"""Whom pages reach: who rests is stood in for whatever the step names, and who is at work is not spared by waking others."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatops import timers
from incidents import clock
from incidents.events import Event
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
    assert WHY in team.howdah("page", "nova", "--incident", "1", by="malte").out
    serves = timers.Lock(str(team.howdah.store))
    assert serves.take()
    assert WHY in team("malte", "page", "nova"), "also where somebody else sends it"
    serves.close()
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


def overdue(team: Team) -> Event:
    """Nobody has taken nova's shift over, and an incident is open: the page that asks for it."""
    lead(team)
    team("nova", "role", "commander", "--release")
    for time in ("14T09:00", "14T09:15"):
        team.at(time)
        team.look()
    team.pager()
    return team.events(kind="page.started")[-1]


@pytest.mark.parametrize("words", [["ack"], ["handoff", "ack"]])
def test_who_takes_the_page_of_a_shift_has_the_shift_and_nobody_is_paged_for_it_any_more(
    team: Team, words: list[str]
) -> None:
    overdue(team)
    team("hazel", *words)
    assert team.duty().acknowledged and team.duty().people == ("hazel",)
    assert team.events("oncall")[-1].kind == "handoff.acknowledged"
    assert team.events(kind="page.")[-1].kind == "page.acknowledged"
    for time in ("14T09:40", "14T11:00"):
        team.at(time)
        assert (team.look(), team.pager()) == ([], [])


def test_who_was_asked_instead_and_takes_it_has_it_beside_those_who_come_as_long_as_an_overrun(
    team: Team,
) -> None:
    page = overdue(team)
    assert [step["name"] for step in page.data["policy"]["steps"]] == ["hazel", "malte"]
    assert "You take over infra from nova" in team("malte", "handoff")
    team("malte", "ack", f"inc-1#{page.seq}")
    assert team.duty().people == ("hazel", "malte"), "nova is let go"
    team.at("14T11:01")
    assert team.duty().people == ("hazel",)


def test_who_takes_the_page_of_a_relief_has_the_role_and_the_other_rests(team: Team) -> None:
    lead(team)
    for time in ("10T20:00", "10T20:15"):
        team.at(time)
        team.look()
    said = team("hazel", "ack")
    assert "hazel is commander" in said and "nova rests until" in said
    assert "commander  hazel" in team("nova", "role")
    assert team.howdah("ack", by="preston").code != 0, "the earlier page is over too"


def test_who_is_relieved_takes_over_nothing_by_the_page_of_their_relief(team: Team) -> None:
    lead(team)
    team.at("10T20:00")
    team.look()
    team("nova", "ack")
    assert "commander  nova" in team("nova", "role") and team.events("oncall") == []


def test_to_take_over_a_shift_is_no_work_in_an_incident(team: Team) -> None:
    team("nova", "list")
    team.at("14T09:00")
    team.look()
    team("hazel", "handoff", "ack")
    team.at("14T20:00")
    rows = {row["person"]: row for row in team.howdah("people", "load", "--json").json["people"]}
    assert rows["hazel"]["active"] <= 30 * clock.MINUTE


def test_at_the_edge_of_a_shift_who_comes_is_sent_the_brief_once_and_it_is_no_page(team: Team) -> None:
    Path("howdah.yaml").write_text(CONFIG.replace("hazel: {", 'hazel: {discord: "1000000000000000002", '))
    lead(team)
    team("nova", "role", "commander", "--release")
    team.at("14T09:00")
    team.look()
    begun = team.events(kind="page.started")[-1]
    assert (
        begun.body.startswith("take over infra from nova: howdah handoff ack\n")
        and "media is gone" in begun.body
    )
    assert [e.data["person"] for e in team.pager() if e.kind == "page.sending"] == ["hazel"]
    rows = {row["person"]: row for row in team.howdah("people", "load", "--json").json["people"]}
    assert rows["hazel"]["pages"] == 0
    team.at("14T09:14")
    assert [e.kind for e in team.pager() if e.kind in ("page.fired", "page.exhausted")] == []
    team("hazel", "ack")
    assert team.duty().acknowledged
    team.at("14T11:00")
    assert "handoff.overdue" not in team.look() and "page.exhausted" not in [e.kind for e in team.pager()]
