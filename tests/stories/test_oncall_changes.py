"""People change who is on call from several terminals at once, and the record has one answer."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from incidents import clock, timeline
from incidents.events import Actor
from incidents.store import open_store
from tests.stories.scene import Scene, ended, until

TEAM = ("hazel", "malte", "nova", "preston")
CONFIG = """\
people: {hazel: {unix: [hazel]}, malte: {unix: [malte]}, nova: {unix: [nova]}, preston: {unix: [preston]}}
schedules:
  infra:
    timezone: Europe/Berlin
    layers:
      - {id: primary, level: 1, rotation: {unit: day, start: "2022-12-13T09:00", participants: [hazel, preston]}}
"""


@pytest.fixture
def team(scene: Scene) -> Scene:
    write(scene, CONFIG)
    os.mkdir(os.path.join(scene.folder, ".git"))
    return scene


def write(scene: Scene, text: str) -> None:
    with open(os.path.join(scene.folder, "howdah.yaml"), "w", encoding="utf-8") as file:
        file.write(text)


def asked(scene: Scene, *words: str, by: str = "nova") -> Any:
    return json.loads(scene.ok(*words, "--json", by=by))


def test_of_four_who_take_a_swap_at_once_one_has_it_and_the_others_read_who(team: Scene) -> None:
    team.ok("swap", "offer", by="hazel")
    takers = [team.begin("swap", "take", "sw-1", by=who) for who in ("malte", "nova", "preston", "nova")]
    answers = [ended(one) for one in takers]
    assert sorted(answer.code for answer in answers) == [0, 4, 4, 4]
    (swap,) = asked(team, "swap", "list")["swaps"]
    for answer in answers:
        if answer.code == 4:
            assert f"{swap['to']} has taken sw-1 already" in answer.err


def test_of_two_overrides_of_one_person_at_once_one_is_made(team: Scene) -> None:
    words = ("override", "infra", "--add", "nova", "--for", "4h")
    answers = [ended(one) for one in [team.begin(*words, by=who) for who in ("hazel", "malte", "preston")]]
    assert sorted(answer.code for answer in answers) == [0, 4, 4]
    (made,) = asked(team, "override", "list")["overrides"]
    assert all(f"ov-1, made by {made['by']}, names nova too" in one.err for one in answers if one.code == 4)


def test_absences_at_once_are_all_kept_under_names_of_their_own(team: Scene) -> None:
    answers = [ended(team.begin("absence", "--for", "2d", by=who)) for who in TEAM]
    assert [answer.code for answer in answers] == [0] * 4
    at_once = [team.begin("absence", "--from", "+3d", "--for", "1d", by=who) for who in TEAM]
    assert [ended(one).code for one in at_once] == [0] * 4
    names = [one["name"] for one in asked(team, "absence", "list")["absences"]]
    assert sorted(names) == [f"ab-{number}" for number in range(1, 9)]


def test_what_was_was_although_the_file_is_edited(team: Scene) -> None:
    """The version that was in force is kept by the first command that writes; a redaction takes a change out again."""
    made = asked(team, "override", "infra", "--all", "malte", "--for", "8h")
    before = made["changes"][0]
    then = before["start"]
    assert before["after"] == ["malte"]
    until(
        lambda: clock.wall() >= clock.parse_iso(then) + clock.SECOND,
        "the next second: versions count by these",
    )
    write(team, CONFIG.replace("[hazel, preston]", "[nova]"))
    assert asked(team, "oncall", "who", "infra")["on_call"] == ["malte"]
    with open_store(team.store) as store:
        assert [event.kind for event in store.events("system")] == ["config.seen"]
        timeline.redact(store, "oncall", [1], "a name", Actor("human", "nova"))
    assert asked(team, "oncall", "who", "infra")["on_call"] == ["nova"]
    assert asked(team, "oncall", "who", "infra", "--at", then)["on_call"] == before["before"]
    assert team.ok("verify")
