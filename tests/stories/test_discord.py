"""An incident in Discord: declared, told, cured by a run that is confirmed with a button, resolved; and what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.chat.discord.server import Discord
from tests.stories.bot import Bot, labels, served
from tests.stories.scene import Scene, until

BOOK = """\
runbook: 1
name: cure
inputs:
  who: {type: string, required: true}
  how: {type: choice, options: [gently, firmly], default: gently}
steps:
  - id: look
    effect: read
    run: echo looking at "$IN_WHO"
  - id: cure
    confirm: Cure it?
    run: echo cured >> ACTS; echo done with "$IN_WHO"
"""


@pytest.fixture
def bot(scene: Scene) -> Iterator[Bot]:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook("people: {}\n", "howdah.yaml")
    scene.runbook(BOOK, "runbooks/cure.yaml")
    with served(scene) as (bot, _):
        yield bot


@pytest.fixture
def discord(bot: Bot) -> Discord:
    return bot.discord


def test_an_incident_from_the_first_word_to_the_last(scene: Scene, bot: Bot, discord: Discord) -> None:
    nova = discord.person("nova")
    form = nova.slash("inc declare").wait()
    assert form.modal is not None
    declared = nova.submit(form, {"Title": "the disk is full"}).wait()
    assert declared.ephemeral
    thread = bot.thread()
    assert f"<#{thread}>" in declared.text
    assert [pin["id"] for pin in discord.pins()] == [bot.card()["id"]]
    nova.slash("inc note", text="web answers slowly", channel=thread).wait()
    said = nova.say(thread, "I think it is the archive")
    nova.menu("Add to timeline", said).wait()
    asked = nova.slash("run start", runbook="cure", channel=thread).wait()
    assert asked.modal is not None
    started = nova.submit(asked, {"who": "db1"}).wait()
    assert started.ephemeral and "run-" in started.text, started.text
    run = scene.run()
    message = bot.run_message(run, button="Confirm")
    answer = nova.click(message, "Confirm").wait()
    assert answer.ephemeral
    scene.wait_for("run.ended", status="ok")
    assert scene.acts() == ["cured"]
    nova.slash("inc resolve", text="cured", channel=thread).wait()
    until(lambda: scene.incidents() == {"inc-1": "resolved"}, "the end")
    until(lambda: not discord.pins(), "the card to be unpinned")
    until(lambda: any("resolved" in line for line in bot.lines()), "the last line")
    assert labels(bot.run_message(run)) == []
    assert discord.wrong == []
    numbers = [line.split("`")[1] for line in bot.lines()]
    assert numbers[:3] == ["#1", "#2", "#3"]
    assert numbers == sorted(numbers, key=lambda one: int(one[1:]))


def test_a_pin_puts_a_message_on_the_timeline_where_the_bot_may_read_messages(scene: Scene) -> None:
    with served(scene, message_content=True) as (bot, discord):
        nova = discord.person("nova")
        nova.slash("inc declare", title="uploads fail").wait()
        thread = bot.thread()
        said = nova.say(thread, "it began with the deploy")
        nova.react(said, "\N{PUSHPIN}")
        until(lambda: "it began with the deploy" in scene.ok("timeline"), "the note")
        until(lambda: discord.message(said).get("reactions", [{}])[-1].get("me"), "the sign that it is done")
        elsewhere = nova.say(discord.channel, "lunch?")
        nova.react(elsewhere, "\N{PUSHPIN}")
        nova.menu("Add to timeline", said).wait()
        assert scene.ok("timeline").count("it began with the deploy") == 1
        assert "lunch" not in scene.ok("timeline")
        assert discord.wrong == []


LOOKING = """\
runbook: 1
name: looking
steps:
  - effect: read
    run: tr '\\0' '\\n' </proc/$PPID/environ | grep -c HOWDAH_DISCORD_TOKEN || true
"""


def test_the_processes_of_a_run_do_not_have_the_bots_token(scene: Scene, bot: Bot, discord: Discord) -> None:
    scene.runbook(LOOKING, "runbooks/looking.yaml")
    nova = discord.person("nova")
    assert "has begun" in nova.slash("run start", runbook="looking").wait().text
    assert scene.wait_for("step.ended", status="ok").data["tail"] == "0\n"
