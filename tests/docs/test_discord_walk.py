"""docs/discord.md as a new user follows it, word for word: each command, each slash command, each button."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from chatops.surfaces.discord import invite
from tests.chat.discord.person import Answer, Person
from tests.chat.discord.server import Discord
from tests.docs import pages
from tests.stories.bot import Bot, labels
from tests.stories.conftest import scene
from tests.stories.scene import HOWDAH, PATIENCE, Scene, ended, until

__all__ = ["scene"]

PAGE = "docs/discord.md"
BOOK = """\
runbook: 1
name: disk-full
inputs: {mount: {type: path, required: true}}
steps:
  - {id: look, effect: read, run: 'echo looking at "$IN_MOUNT"'}
  - {id: cure, confirm: Move the archive?, run: echo moved >> ACTS}
"""


def section(heading: str) -> str:
    return pages.read(PAGE).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def steps() -> list[str]:
    """The blocks for a shell of "From nothing to a working bot", in order."""
    found = re.findall(r"^ *```sh\n(.*?)^ *```$", section("From nothing to a working bot"), re.M | re.S)
    return [re.sub(r"(?m)^ +", "", block) for block in found]


def typed() -> list[str]:
    """The slash commands of "The first incident", in order."""
    return re.findall(r"^\|.*?`/([^`]+)`", section("The first incident"), re.MULTILINE)


class User:
    """Somebody at a new terminal, who has done nothing yet; what they `export` stays."""

    def __init__(self, scene: Scene, discord: Discord):
        self.scene, self.discord = scene, discord
        self.home = os.path.join(scene.folder, "home")
        os.mkdir(self.home)
        editor = os.path.join(scene.folder, "editor")
        with open(editor, "w", opener=lambda name, flags: os.open(name, flags, 0o700)) as file:
            file.write(f"#!/bin/sh\nprintf '%s\\n' {discord.token} > \"$1\"\n")
        addresses = {name: value for name, value in discord.environ().items() if not name.endswith("TOKEN")}
        path = f"{os.path.dirname(HOWDAH)}:{os.environ['PATH']}"
        self.env = scene.env("nova", {**addresses, "HOME": self.home, "EDITOR": editor, "PATH": path})
        self.before = ""  # what was typed in this terminal, apart from what runs

    def types(self, block: str) -> str:
        done = subprocess.run(
            ["bash", "-eu", "-c", self.before + block], env=self.env, cwd=self.home, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), (block, done)
        return done.stdout

    def starts(self, block: str) -> Bot:
        """The last block, which stays: a bot in this terminal."""
        bot = Bot(self.scene, self.discord)
        bot.life = subprocess.Popen(
            ["bash", "-eu", "-c", f"{self.before}exec {block}"], env=self.env, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.scene.processes.append(bot.life)
        self.discord.wait_ready(PATIENCE)
        self.discord.wait_for(self.discord.commands, PATIENCE, what="the commands")
        return bot


@pytest.fixture
def user(scene: Scene) -> Iterator[User]:
    with Discord() as discord:
        yield User(scene, discord)


def test_from_nothing_to_a_working_bot_and_through_the_first_incident(user: User) -> None:
    scene, discord = user.scene, user.discord
    token, link, serve = steps()
    assert user.types(token) == ""
    user.before = re.sub(r"(?m)^(install|\$).*\n", "", token)
    assert user.types("stat -c %a discord-token") == "600\n"
    asked = parse_qs(urlsplit(user.types(link).strip()).query)
    assert (asked["client_id"], asked["permissions"]) == ([discord.application], [str(invite.BITS)])
    assert user.types("howdah doctor discord").split("\n")[0].endswith("all fine")
    scene.runbook("{}\n", "home/howdah-bot/howdah.yaml")
    os.mkdir(os.path.join(user.home, "howdah-bot", "runbooks"))
    scene.runbook(
        BOOK, "home/howdah-bot/runbooks/disk-full.yaml"
    )  # the page's machine has a full disk, this one none
    bot = user.starts(serve)
    first_incident(scene, bot, discord.person("nova"))
    assert bot.life is not None
    os.kill(bot.life.pid, signal.SIGTERM)
    answer = ended(bot.life)
    assert (answer.code, answer.err) == (0, "") and answer.out.startswith("howdah serves Hachyderm\n")
    assert discord.wrong == []


def first_incident(scene: Scene, bot: Bot, nova: Person) -> None:
    discord = nova.discord
    declare, note, start, resolve = typed()
    assert slash(nova, declare).ephemeral
    thread = bot.thread()
    assert [pin["id"] for pin in discord.pins()] == [bot.card()["id"]]
    slash(nova, note, thread)
    until(lambda: any(line.startswith("`#2`") for line in bot.lines()), "the line #2")
    nova.menu("Add to timeline", nova.say(thread, "I think it is the archive")).wait()
    slash(nova, start, thread)
    run = scene.run()
    message = bot.run_message(run, button="Confirm")
    named = re.findall(r"\*\*(\w+)\*\*", next(row for row in rows() if "under that message" in row))
    assert set(named) <= set(labels(message))
    nova.click(message, "Confirm").wait()
    scene.wait_for("run.ended", status="ok")
    assert scene.acts() == ["moved"]
    slash(nova, resolve, thread)
    until(lambda: not discord.pins(), "the card to be unpinned")
    lines = scene.ok("timeline")
    for text in ("the disk of db1 is full", "web answers slowly", "I think it is the archive"):
        assert text in lines


def rows() -> list[str]:
    return [line for line in section("The first incident").splitlines() if line.startswith("|")]


def slash(nova: Person, line: str, thread: str | None = None) -> Answer:
    """Types what stands in the page: `inc declare title:the disk is full sev:sev2`."""
    path, *rest = re.split(r" (\w+):", line)
    answer = nova.slash(path, options=dict(zip(rest[::2], rest[1::2], strict=True)), channel=thread).wait()
    assert not answer.failed and answer.modal is None, answer
    return answer
