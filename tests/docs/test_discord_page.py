"""docs/discord.md is true: what it shows is printed, what it names exists, its numbers are those of the code."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

import pytest

from chatops import presses, running, thread
from chatops.surfaces.discord import breaker, doctor, invite, settings, tree
from incidents import config
from incidents.errors import IllegalTransition, NotPermitted, Refused
from tests.chat.discord import permissions as may
from tests.chat.discord.server import Discord
from tests.docs import pages
from tests.stories.bot import labels, served
from tests.stories.conftest import scene
from tests.stories.scene import Scene

__all__ = ["scene"]

PAGE = "docs/discord.md"
TEXT = pages.read(PAGE)
SHOWN = [block.text for block in pages.blocks(PAGE, "text")]
# The page shows the addresses and the ids of a Discord of its own.
DIFFERS = [
    (r"\b\d{17,20}\b", "ID"),
    (r"\b127\.0\.0\.1:\d+\b", "gateway.discord.gg"),
    (r"(?m)^(\S+) +", r"\1 "),
]


def same_for_all(text: str) -> list[str]:
    """The lines, but the first, whose state is set to the right edge."""
    for pattern, instead in DIFFERS:
        text = re.sub(pattern, instead, text)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture
def token(scene: Scene) -> Iterator[tuple[Discord, dict[str, str]]]:
    """A Discord, and the environment of somebody who has done what the page says."""
    with Discord() as discord:
        path = os.path.join(scene.folder, "discord-token")
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(discord.token + "\n")
        environ = discord.environ()
        del environ["HOWDAH_DISCORD_TOKEN"]
        yield discord, {**environ, "HOWDAH_DISCORD_TOKEN_FILE": "discord-token"}


def test_a_bot_of_the_page_is_as_fine_as_it_says(scene: Scene, token: tuple[Discord, dict[str, str]]) -> None:
    command, _, shown = SHOWN[0].partition("\n")
    answer = scene(*shlex.split(command)[2:], **token[1])
    assert (answer.code, answer.err) == (0, "")
    assert same_for_all(answer.out) == same_for_all(shown)


def test_a_lack_of_the_page_is_said_as_it_says(scene: Scene, token: tuple[Discord, dict[str, str]]) -> None:
    discord, environ = token
    discord.permissions[discord.channel] -= may.PIN_MESSAGES
    scene.runbook(f"discord: {{channel: '{discord.channel}'}}\n", "howdah.yaml")
    command, _, shown = SHOWN[1].partition("\n")
    answer = scene(*shlex.split(command)[2:], **environ)
    assert (answer.code, answer.err) == (1, "")
    printed = same_for_all(answer.out)
    assert [line for line in same_for_all(shown) if line not in printed] == []


def test_the_page_shows_no_other_output() -> None:
    assert [text.partition("\n")[0] for text in SHOWN] == ["$ howdah doctor discord"] * 2


def test_each_slash_command_of_the_page_can_be_typed() -> None:
    found = re.findall(r"`/((?:inc|run|oncall) [^`]+)`", TEXT)
    assert len(found) >= 5
    known = tree.paths()
    for typed in found:
        words = typed.split()
        path = next(tuple(words[:n]) for n in (3, 2) if tuple(words[:n]) in known)
        options = {tree.named(param) for param in tree.offered(known[path])}
        assert set(re.findall(r" (\w+):", f" {typed}")) <= options, typed


def test_the_permissions_are_those_that_the_link_asks_for() -> None:
    assert [tuple(row) for row in pages.table(PAGE, "permissions")] == [
        (one.label, one.needed) for one in invite.LEAST
    ]


def test_every_button_has_its_row(scene: Scene) -> None:
    named = [name for row in pages.table(PAGE, "buttons") for name in pages.code(row[0])]
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    with served(scene) as (bot, discord):
        discord.person("nova").slash("inc declare", title="uploads fail").wait()
        card = labels(bot.card())
    assert sorted(named) == sorted([*running.LABELS.values(), *card, thread.ACK])
    assert set(presses.ANSWERS) | set(presses.RUN_WORDS) == set(running.LABELS)


def test_the_environment_is_what_the_bot_reads() -> None:
    named = [name for row in pages.table(PAGE, "environment") for name in pages.code(row[0])]
    assert sorted(named) == sorted(
        [settings.TOKEN, settings.TOKEN_FILE, "HOWDAH_DISCORD_API", "HOWDAH_DISCORD_GATEWAY"]
    )
    assert f"`{settings.API}`" in TEXT and f"`{settings.GATEWAY}`" in TEXT


def test_the_configuration_of_the_page_is_one(scene: Scene) -> None:
    (example,) = [block for block in pages.blocks(PAGE, "yaml") if block.text.startswith("people:")]
    found = config.load(scene.runbook(example.text, "howdah.yaml"))
    assert set(config.SECTIONS) >= set(re.findall(r"(?m)^(\w+):", example.text))
    assert set(found.people.names()) == {"nova", "malte"} and None not in found.discord[:2]
    roles = {role for name in found.people.names() for role in found.people.find(name).roles}  # type: ignore[union-attr]
    given = {one for names in found.permissions.values() for one in names}
    assert given <= roles | set(found.people.names())


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"It connects {breaker.DAILY} times in 24 hours at most" in TEXT
    assert (breaker.FEW, breaker.WITHIN, breaker.LONGEST_WAIT) == (5, 60_000_000, 600_000_000)
    assert "After five in a minute the bot waits, twice as long each time, up to ten minutes" in TEXT
    assert {Refused.exit_code, NotPermitted.exit_code, IllegalTransition.exit_code} == {4}


def test_the_doctor_knows_the_portal_by_the_name_of_the_page() -> None:
    assert doctor.PORTAL.partition(" ")[0] in TEXT
    for place in ("Public Bot", "Message Content Intent", "Reset Token", "Install Link"):
        assert place in TEXT


def test_the_service_of_the_page_is_the_one_in_deploy() -> None:
    (recipe,) = [block.text for block in pages.blocks(PAGE, "sh") if "systemctl" in block.text]
    unit = (pages.ROOT / "deploy" / "howdah.service").read_text()
    assert (
        "deploy/howdah.service" in recipe and "LoadCredential=discord-token:/etc/howdah/discord-token" in unit
    )
    assert "install -D -m 0600 discord-token /etc/howdah/discord-token" in recipe
    assert re.search(r"ExecStart=(/opt/howdah)/bin/howdah", unit) and "python3 -m venv /opt/howdah" in TEXT
    assert "User=howdah" in unit and "useradd --system" in recipe
