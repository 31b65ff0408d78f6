"""Duty by the clock and by command: briefs, reliefs, shields, cover; recorded once, whoever looks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chatops import handing, paging
from chatops.surfaces.terminal import draw
from incidents import answering, clock, config, open_store, timeline
from incidents.events import Event
from incidents.oncall import duty, versions
from tests.chatops.conftest import Howdah
from tests.drafts import draft

H, MIN = clock.HOUR, clock.MINUTE
START = clock.parse_iso("2022-11-10T12:00:00Z")  # a Thursday in nova's week
CONFIG = """\
people:
  nova: {unix: nova, zone: UTC}
  hazel: {unix: hazel, zone: Europe/Berlin}
  preston: {unix: preston, zone: America/Los_Angeles}
  malte: {unix: malte, zone: Europe/Berlin}
schedules:
  infra:
    layers:
      - {id: week, rotation: {unit: week, start: "2022-11-07T09:00",
         participants: [[nova], [hazel], [preston], [malte]]}}
"""


class Team:
    """A team with a record, and a clock that a test moves. `look` is what every process does by the clock."""

    def __init__(self, howdah: Howdah):
        self.howdah = howdah
        howdah.at = START
        Path("howdah.yaml").write_text(CONFIG)

    def at(self, time: str) -> None:
        self.howdah.at = clock.parse_iso(f"2022-11-{time}:00Z")

    def __call__(self, by: str, *args: str) -> str:
        return self.howdah.ok(*args, by=by)

    def refused(self, by: str, *args: str) -> str:
        answer = self.howdah(*args, by=by)
        assert answer.code == 4, answer
        return answer.err

    def look(self) -> list[str]:
        """The kinds that a look recorded."""
        return [event.kind for event in self.looked()]

    def looked(self) -> list[Event]:
        assert self.howdah.at is not None
        with open_store(str(self.howdah.store)) as store, clock.freeze(self.howdah.at):
            return handing.look(store, config.load(), self.howdah.at)

    def pager(self) -> list[Event]:
        """Everything that is due of pages; nothing leaves this process."""
        assert self.howdah.at is not None
        made: list[Event] = []
        with open_store(str(self.howdah.store)) as store, clock.freeze(self.howdah.at):
            pager = paging.Pager(store, config.load, send=lambda *_: "nothing is sent here")
            while fresh := pager.look():
                made += fresh
        return made

    def events(self, stream: str = "inc-1", kind: str = "") -> list[Event]:
        with open_store(str(self.howdah.store)) as store:
            return [event for event in store.events(stream) if event.kind.startswith(kind)]

    def duty(self) -> duty.Duty:
        assert self.howdah.at is not None
        with open_store(str(self.howdah.store)) as store:
            rota = versions.read(store, config.load(), self.howdah.at)
            found = list(store.events(duty.STREAM))
            return duty.on_duty("infra", rota, found, self.howdah.at, config.load().limits)


@pytest.fixture
def team(howdah: Howdah) -> Team:
    return Team(howdah)


def data(event: Event) -> dict[str, Any]:
    return dict(event.data)


def lead(team: Team) -> None:
    team("nova", "declare", "media is gone", "--sev", "1")
    team("nova", "role", "commander", "me")


def test_the_relief_is_named_an_hour_before_the_limit_and_called_at_it(team: Team) -> None:
    lead(team)
    team.at("10T18:59")
    assert team.look() == []
    team.at("10T19:00")
    (named,) = team.looked()
    assert data(named) == {
        "person": "nova",
        "relief": "preston",
        "limit": "active",
        "due": START + 8 * H,
        "breaks": [],
    }
    assert named.body == "preston: 0 night pages in 8 weeks, not called in them, 12:00 there"
    team.at("10T19:30")
    assert team.look() == []
    team.at("10T20:00")
    offer, page = team.looked()
    assert data(offer)["receiver"] == ["preston"] and data(offer)["roles"] == ["commander"]
    assert "hurts    unknown" in offer.body and "who      commander nova" in offer.body
    assert page.kind == "page.started" and page.body.startswith(
        "take over commander from nova: howdah handoff ack\n"
    )
    assert team.look() == []


def test_until_the_relief_has_it_the_other_keeps_it_and_then_rests(team: Team) -> None:
    lead(team)
    team.at("10T20:00")
    team.look()
    assert "commander  nova" in team("nova", "role")
    assert "nothing waits for nova" in team.refused("nova", "handoff", "ack")
    said = team("preston", "handoff", "ack")
    assert "preston has commander, nova has not any more" in said
    assert "nova rests until 23:00: no page reaches them, you have theirs" in said
    assert "who      commander preston" in said
    assert "commander  preston" in team("nova", "role")
    assert team.duty().people == ("preston",) and team.duty().covers == {"nova": "preston"}
    assert [page.kind for page in team.events(kind="page.")] == ["page.started", "page.acknowledged"]
    assert "nothing waits" in team.refused("preston", "handoff", "ack")
    team("nova", "stay")
    assert team.duty().people == ("nova",)
    assert team.look() == []


def test_a_relief_who_does_not_answer_is_followed_by_the_next_and_one_of_them_has_it(team: Team) -> None:
    lead(team)
    team.at("10T20:00")
    team.look()
    team.at("10T20:14")
    assert team.look() == []
    team.at("10T20:15")
    overdue, offer, page = team.looked()
    assert (overdue.importance, data(overdue)["people"], data(overdue)["next"]) == (
        "high",
        ["preston"],
        "hazel",
    )
    assert data(offer)["receiver"] == ["preston", "hazel"]
    assert [step["name"] for step in page.data["policy"]["steps"]] == ["preston", "hazel"]
    team.at("10T20:30")
    assert data(team.looked()[0])["next"] == "malte"
    team.at("10T20:45")
    assert [(event.kind, data(event)["next"]) for event in team.looked()] == [("handoff.overdue", "")]
    team("hazel", "handoff", "ack")
    assert "commander  hazel" in team("nova", "role")
    assert "nothing waits" in team.refused("preston", "handoff", "ack")
    team.at("10T23:00")
    assert team.look() == []


def test_after_an_outage_who_is_over_the_limit_is_relieved_at_once(team: Team) -> None:
    lead(team)
    team.at("11T02:00")
    assert team.look() == ["relief.named", "handoff.offered", "page.started"]
    assert team.events(kind="relief.named")[0].data["relief"] == "preston", "for the others it is night"


def test_whoever_stays_is_relieved_when_that_is_over(team: Team) -> None:
    lead(team)
    team.at("10T19:00")
    team("nova", "stay", "--for", "3h")
    assert team.look() == []
    team.at("10T21:00")
    assert team.look() == ["relief.named"]
    team.at("10T22:00")
    assert team.look() == ["handoff.offered", "page.started"]


def test_nobody_is_relieved_who_has_gone(team: Team) -> None:
    lead(team)
    team.at("10T19:00")
    team.look()
    assert "you are commander" in team.refused("nova", "leave")
    team("nova", "handoff", "commander", "malte")
    team("malte", "handoff", "ack")
    team.at("10T20:00")
    assert team.look() == []


def test_who_is_not_at_work_in_an_incident_cannot_leave_it(team: Team) -> None:
    lead(team)
    assert "you are not at work in inc-1" in team.refused("hazel", "leave")
    team("hazel", "join")
    team("hazel", "leave")
    assert "you are not at work in inc-1" in team.refused("hazel", "leave")
    team("hazel", "join", "--key", "j2")
    team("hazel", "leave", "--key", "l2")
    team("hazel", "leave", "--key", "l2")  # the same once more is no second time
    assert len(team.events(kind="duty.left")) == 2
    team("nova", "declare", "--drill", "an exercise")
    team("hazel", "join", "--incident", "2")
    team("hazel", "leave", "--incident", "2")


def test_many_who_look_at_once_record_it_once(team: Team) -> None:
    lead(team)
    team.at("10T20:00")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: _look(team), range(4)))
    kinds = [event.kind for event in team.events()]
    assert [kinds.count(kind) for kind in ("relief.named", "handoff.offered", "page.started")] == [1, 1, 1]


def _look(team: Team) -> None:
    with open_store(str(team.howdah.store)) as store:
        handing.look(store, config.load(), START + 8 * H)


def test_a_drill_sends_nobody_to_bed_and_wakes_nobody(team: Team) -> None:
    team("nova", "declare", "--drill", "an exercise")
    team("nova", "role", "commander", "me", "--incident", "1")
    team.at("10T21:00")
    assert team.look() == []
    team("nova", "handoff", "commander", "hazel", "--incident", "1")
    team("hazel", "handoff", "ack", "--incident", "1")
    assert team.events("oncall") == []
    people = team.howdah("people", "load", "--json").json["people"]
    assert {(row["pages"], row["active"]) for row in people} == {(0, 0)}


def test_a_role_is_handed_over_when_the_receiver_says_so(team: Team) -> None:
    lead(team)
    assert "preston is asked to take over commander" in team("nova", "handoff", "commander", "preston")
    assert "commander  nova  preston  just now" in team("hazel", "handoff")
    assert "You take over commander from nova" in team("preston", "handoff")
    team("preston", "handoff", "ack")
    assert "commander  preston" in team("nova", "role")
    assert "malte has commander" in team("malte", "handoff", "commander", "me")
    assert "preston" not in team("nova", "role")
    assert team.howdah("handoff", "scribe", "malte").code == 2
    assert "malte is commander already" in team.refused("malte", "handoff", "commander", "malte")


def test_at_the_end_of_a_shift_the_next_one_reads_a_brief_and_says_so(team: Team) -> None:
    lead(team)
    team("nova", "role", "commander", "--release")
    team.at("14T09:00")
    offer, told = team.looked()
    assert (told.stream, told.body) == ("inc-1", "hazel is to take over infra from nova: howdah handoff ack")
    assert data(offer)["receiver"] == ["hazel"] and data(offer)["giver"] == ["nova"]
    assert "media is gone" in offer.body and "pages    none since Mon 7 Nov 10:00" in offer.body
    assert team.duty().people == ("hazel", "nova")
    team.at("14T09:10")
    assert "You take over infra from nova, whose shift is over" in team("hazel", "handoff")
    assert "hazel has infra" in team("hazel", "handoff", "ack")
    assert team.duty().people == ("hazel",)
    team.at("14T12:00")
    assert team.look() == []


def test_who_does_not_take_over_a_shift_is_paged_then_the_next_and_who_went_is_let_go(team: Team) -> None:
    lead(team)
    team("nova", "role", "commander", "--release")
    team.at("14T09:00")
    team.look()
    team.at("14T09:15")
    overdue, page = team.looked()
    assert (data(overdue)["people"], data(overdue)["next"], overdue.importance) == (
        ["hazel"],
        "malte",
        "high",
    )
    assert [step["name"] for step in page.data["policy"]["steps"]] == ["hazel", "malte"]
    team.at("14T11:00")
    released, told = team.looked()
    assert (told.stream, told.body) == ("inc-1", "nobody has taken over infra: nova is let go")
    assert (released.kind, data(released)["people"], released.importance) == (
        "duty.released",
        ["nova"],
        "high",
    )
    assert team.duty().people == ("hazel",)


def test_a_shift_is_paged_for_without_any_incident_too_until_somebody_has_it(team: Team) -> None:
    team("nova", "list")
    team.at("14T09:00")
    assert team.look() == ["handoff.offered"]
    team.at("14T09:15")
    assert team.look() == ["handoff.overdue", "page.started"]
    fired = team.pager()
    assert [event.data["people"] for event in fired if event.kind == "page.fired"] == [["hazel"]]
    assert fired[-1].kind == "page.unreachable", "no channel is configured"
    team("hazel", "handoff", "ack")
    assert team.events("oncall", "page.")[-1].kind == "page.acknowledged"
    team.at("14T10:30")
    assert team.pager() == []


def test_whoever_comes_back_although_they_are_to_rest_is_told_so(team: Team) -> None:
    lead(team)
    team.at("10T20:00")
    team.look()
    team("preston", "handoff", "ack")
    answer = team.howdah("join", by="nova")
    assert answer.code == 0 and "you are to rest until 2022-11-11T07:00Z" in answer.err
    team.at("10T21:00")
    assert team.look() == [], "who has no role has nothing to hand over"


def test_a_page_that_would_break_a_limit_goes_to_another_of_the_schedule_with_the_reason(team: Team) -> None:
    team.at("11T02:00")
    lead(team)
    team.at("11T03:00")
    team("nova", "resolve")
    team.at("11T08:00")
    with open_store(str(team.howdah.store)) as store:
        people, why = answering.instead(store, config.load(), "infra", ["nova"], team.howdah.at or 0)
        team("nova", "stay")
        stays = answering.instead(store, config.load(), "infra", ["nova"], team.howdah.at or 0)
    assert people == ["hazel"]
    assert why.startswith("hazel stands in for nova; hazel: 0 night pages in 8 weeks")
    assert "nova: rest (rested 5 h, limit 11 h, until 14:00 there)" in why
    assert stays == (["nova"], "")


def test_after_a_night_with_pages_cover_is_proposed_with_the_command_that_makes_it(team: Team) -> None:
    team.at("11T02:00")
    lead(team)
    team.at("11T03:00")
    team("nova", "resolve")
    team.at("11T05:00")
    assert team.look() == []
    team.at("11T06:00")
    (cover,) = team.looked()
    assert (
        data(cover)["command"] == "howdah override infra --replace nova --with hazel --to 2022-11-11T14:00Z"
    )
    assert team.look() == []
    done = team("hazel", *str(cover.data["command"]).split()[1:])
    assert "ov-1" in done
    assert team.duty().people == ("hazel",), "who shall sleep is not kept up until hazel says so"
    team("hazel", "handoff", "ack")
    assert team.duty().acknowledged


def test_load_fits_a_screen_of_60_columns(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    lead(team)
    sent = {"page": 3, "n": 0, "person": "nova", "channel": "push", "attempt": 1}
    with open_store(str(team.howdah.store)) as store, clock.freeze(START):
        timeline.record(store, draft("page.sending", sent), draft("page.delivered", sent))
    team.at("10T20:00")
    monkeypatch.setattr(draw, "width", lambda stream: 60)
    told = team("nova", "people", "load").splitlines()
    assert max(map(len, told)) <= 60 and any(line.startswith("Thu ") for line in told), told
    assert sum(line.startswith("nova") for line in told) == 2
    monkeypatch.setattr(draw, "width", lambda stream: 80)
    assert sum(line.startswith("nova") for line in team("nova", "people", "load").splitlines()) == 1


def test_load_is_a_table_and_a_map_of_80_columns_and_a_document(team: Team) -> None:
    lead(team)
    team.at("10T20:00")
    team.look()
    out = team("nova", "people", "load", "--weeks", "4")
    assert max(map(len, out.splitlines())) <= 80
    assert "gini" in out and "nobody was paged" in out
    document = team.howdah("people", "load", "--json").json
    rows = {row["person"]: row for row in document["people"]}
    assert rows["nova"]["active"] == 8 * H
    assert len(document["heat"]) == 7 and document["gini"]["active"] == "0.750"
