"""What is redacted in the record is not left standing in Discord, wherever the bot had written it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from incidents.events import Event
from incidents.store import open_store
from tests.chat.discord.server import Discord
from tests.stories.bot import Bot, served
from tests.stories.scene import Scene, until

SECRET = "hunter2"
BOOK = """\
runbook: 1
name: leaks
inputs:
  word: {type: string, required: true}
steps:
  - id: leak
    name: Leak
    effect: read
    run: echo "it prints $IN_WORD"; exit 1
"""


@pytest.fixture
def bot(scene: Scene) -> Iterator[Bot]:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook("people: {}\n", "howdah.yaml")
    scene.runbook(BOOK, "runbooks/leaks.yaml")
    with served(scene) as (bot, discord):
        yield bot
        assert discord.wrong == []


@pytest.fixture
def discord(bot: Bot) -> Discord:
    return bot.discord


def everything(discord: Discord) -> str:
    """All that the bot has written and that stands there: texts, cards, files, names."""
    found = [str(one["name"]) for one in discord.threads()]
    files = {key: data for (key, _), data in discord.world.files.items()}
    for channel in (discord.channel, *(str(one["id"]) for one in discord.threads())):
        for one in discord.messages(channel):
            if one["author"].get("bot"):
                found.append(f"{one['content']} {one['embeds']} {one['components']}")
                found += [files[str(file["id"])].decode() for file in one["attachments"]]
    return "\n".join(found)


def told(scene: Scene, bot: Bot, discord: Discord) -> list[str]:
    """An incident with the secret in everything that it says; the numbers of its entries."""
    scene.ok("declare", f"the password {SECRET} is public")
    nova = discord.person("nova")
    thread = bot.thread()
    nova.slash("inc note", text=f"it is {SECRET}", channel=thread).wait()
    said = nova.say(thread, f"I mean {SECRET}")
    nova.menu("Add to timeline", said).wait()
    scene.ok("note", f"long {SECRET} " * 1000)
    nova.slash("run start", runbook="leaks", inputs=f"word={SECRET}", channel=thread).wait()
    scene.wait_for("run.ended", status="failed")
    until(lambda: "ended: failed" in str(bot.run_message(scene.run())["embeds"]), "the end of the run")
    until(lambda: "run-" in bot.lines()[-1], "the last line")
    assert SECRET in everything(discord)
    return [str(event.seq) for event in stream(scene) if SECRET in f"{event.body} {event.data}"]


def stream(scene: Scene) -> list[Event]:
    with open_store(scene.store) as store:
        return list(store.events("inc-1"))


def redact(scene: Scene, numbers: list[str]) -> None:
    said = scene("redact", *numbers, "--yes", "--why", "a password", "--incident", "inc-1")
    assert said.code == 0, said


def test_what_is_redacted_while_people_look_is_taken_out_of_every_place(
    scene: Scene, bot: Bot, discord: Discord
) -> None:
    numbers = told(scene, bot, discord)
    redact(scene, numbers)
    until(lambda: SECRET not in everything(discord), "an end of it")
    assert "a password" in "\n".join(bot.lines())


@pytest.mark.parametrize("away", [False, True])
def test_what_is_redacted_after_the_end_is_taken_out_too(
    scene: Scene, bot: Bot, discord: Discord, away: bool
) -> None:
    numbers = told(scene, bot, discord)
    scene.ok("resolve", "over")
    until(lambda: "resolved" in bot.lines()[-1] and not discord.pins(), "the end")
    if away:
        bot.kill()
    redact(scene, numbers)
    if away:
        bot.start()
    until(lambda: SECRET not in everything(discord), "an end of it")
