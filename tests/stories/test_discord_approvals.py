"""A step that needs others, answered in Discord: by button and word, once a person, never by who asked for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.chat.discord.person import Person
from tests.stories.bot import JSON, Bot, labels, served
from tests.stories.scene import Scene, until

GROW = """\
name: grow
steps:
  - id: grow
    name: Grow the volume
    approve: {from: [oncall], count: 2, expires: EXPIRES}
    timeout: 20s
    run: "echo grown >> 'ACTS'"
"""


class Crowd(NamedTuple):
    nova: Person
    ada: Person
    kim: Person


@pytest.fixture
def place(scene: Scene) -> Iterator[tuple[Bot, Crowd]]:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook("people: {}\n", "howdah.yaml")
    scene.runbook(GROW.replace("EXPIRES", "10m"), "runbooks/grow.yaml")
    scene.runbook(GROW.replace("EXPIRES", "1s").replace("name: grow", "name: soon"), "runbooks/soon.yaml")
    with served(scene) as (bot, discord):
        nova, ada, kim = (discord.person(name) for name in ("nova", "ada", "kim"))
        people = [
            f"  nova: {{roles: [oncall], discord: '{nova.id}', unix: nova}}",
            f"  ada: {{roles: [oncall], discord: '{ada.id}', unix: ada}}",
            f"  kim: {{roles: [oncall], discord: '{kim.id}'}}",
        ]
        scene.runbook("\n".join(["people:", *people, ""]), "howdah.yaml")
        bot.stop()
        bot.start()  # it reads its configuration once
        yield bot, Crowd(nova, ada, kim)
        assert discord.wrong == []


def begun(bot: Bot, who: Person, book: str = "grow") -> JSON:
    answer = who.slash("run start", runbook=book).wait()
    assert "has begun" in answer.text, answer.text
    return bot.run_message(bot.scene.run(), button="Approve")


def test_two_others_press_approve_and_it_runs(scene: Scene, place: tuple[Bot, Crowd]) -> None:
    bot, (nova, ada, kim) = place
    eve = bot.discord.person("eve")
    message = begun(bot, nova)
    assert {"Approve", "Decline", "Skip"} <= set(labels(message))
    assert "2 of oncall, not by who started the run" in str(message["embeds"])
    own = nova.click(message, "Approve").wait()
    assert own.ephemeral and "cannot be the second person" in own.text
    stranger = eve.click(message, "Approve").wait()
    assert stranger.ephemeral and "is not in people" in stranger.text
    assert "ada approves, 1 of 2" in ada.click(message, "Approve").wait().text
    twice = ada.click(bot.run_message(scene.run(), button="Approve"), "Approve").wait()
    assert twice.ephemeral and "you have approved" in twice.text
    here = scene("approve", "grow", by="ada")
    assert (
        here.code == 4 and "you have approved" in here.err
    )  # her account at the terminal is the same person
    assert scene.acts() == []
    assert "kim approves, 2 of 2" in kim.slash("run approve", step="grow").wait().text
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["grown"]
    late = kim.click(message, "Approve").wait()
    assert late.ephemeral and "already moved on" in late.text


def test_decline_asks_why(scene: Scene, place: tuple[Bot, Crowd]) -> None:
    bot, (nova, ada, _) = place
    form = ada.click(begun(bot, nova), "Decline").wait()
    assert form.modal is not None
    assert "declined" in ada.submit(form, {"why": "not tonight"}).wait().text
    assert scene.wait_for("run.ended").data["status"] == "failed"
    assert "declined by ada: not tonight" in scene.ok("steps", scene.run())
    assert scene.acts() == []


def test_a_button_of_a_question_that_expired_approves_nothing(scene: Scene, place: tuple[Bot, Crowd]) -> None:
    bot, (nova, ada, _) = place
    message = begun(bot, nova, "soon")
    until(lambda: "already moved on" in ada.click(message, "Approve").wait().text, "the expiry")
    until(lambda: sum(e.kind == "question.asked" for e in scene.events()) == 2, "the question anew")
    late = ada.click(message, "Approve").wait()
    assert "already moved on" in late.text
    assert scene.acts() == []
