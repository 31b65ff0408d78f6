"""The connection: kept, counted, begun anew when it must be, ended when the token is no good; real discord.py."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatops.surfaces.discord import gateway, settings, tree
from chatops.surfaces.discord.breaker import Ledger
from chatops.surfaces.discord.wire import Wire
from incidents.config import Config
from tests.chat.discord.server import Discord

PATIENCE = 20.0


class Line:
    """`gateway.live` on a loop of its own; `heard` are interactions, `told` its warnings, `end` what ended it."""

    def __init__(self, discord: Discord, folder: Path, environ: dict[str, str] | None = None):
        self.discord, self.ledger = discord, Ledger(str(folder / "store.db"))
        self.settings = settings.load(Config(), discord.environ() | (environ or {}))
        self.heard: list[int] = []
        self.pinned: list[int] = []
        self.told: list[str] = []
        self.end: BaseException | None = None
        self._closed = False
        self.wire: Wire | None = None
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))
        self._thread.start()

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.wire = Wire(self._loop)
        ears = gateway.Ears(
            self._interaction, self._pin, lambda where: None, self.told.append, self.told.append,
            lambda: None, lambda: None,
        )  # fmt: skip
        try:
            await gateway.live(self.settings, ears, self.wire, self.ledger, self._stop)
        except Exception as error:  # noqa: BLE001 - whatever ended it is what a test looks at
            self.end = error

    async def _interaction(self, interaction: Any) -> None:
        self.heard.append(interaction.id)
        await interaction.response.defer(ephemeral=True)

    async def _pin(self, payload: Any) -> None:
        self.pinned.append(payload.message_id)

    def close(self) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if not self._closed:
            self._closed = True
            self.ledger.close()

    def ended(self) -> BaseException | None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.end


@pytest.fixture
def discord() -> Iterator[Discord]:
    with Discord() as one:
        yield one


@pytest.fixture
def line(discord: Discord, tmp_path: Path) -> Iterator[Line]:
    one = Line(discord, tmp_path)
    try:
        discord.wait_for(discord.commands, PATIENCE, what="the commands")
        yield one
    finally:
        one.close()


def answered(discord: Discord, line: Line) -> None:
    """A person is heard again, who repeats what got no answer."""
    before, nova, until = len(line.heard), discord.person("nova"), time.monotonic() + PATIENCE
    while len(line.heard) == before:
        assert time.monotonic() < until, "nobody is heard any more"
        nova.slash("inc list")
        time.sleep(0.5)


def test_the_commands_of_the_server_are_ours_and_are_sent_once(
    discord: Discord, line: Line, tmp_path: Path
) -> None:
    assert gateway.same(tree.payload(), discord.commands())
    line.close()
    again = Line(discord, tmp_path)
    discord.wait_for(lambda: discord.identifies == 2 and any("serves" in one for one in again.told), PATIENCE)
    again.close()
    assert sum(one.method == "PUT" for one in discord.requests) == 1


@pytest.mark.parametrize("how", ["close", "op7", "op9"])
def test_a_lost_connection_is_resumed_and_what_came_meanwhile_is_heard(
    discord: Discord, line: Line, how: str
) -> None:
    if how == "close":
        discord.disconnect(4000)
    elif how == "op7":
        discord.reconnect_op7()
    else:
        discord.invalidate(resumable=True)
    discord.person("nova").slash("inc list")
    discord.wait_for(lambda: len(line.heard) == 1, PATIENCE, what="the interaction")
    assert (discord.identifies, discord.resumes) == (1, 1)


def test_remote_closes_in_a_row_do_not_become_a_storm(discord: Discord, line: Line) -> None:
    until = time.monotonic() + 3
    while time.monotonic() < until:
        discord.disconnect(4000)
        time.sleep(0.001)
    assert discord.connections < 30, "without a breaker they are hundreds"
    answered(discord, line)
    assert any("next in" in one for one in line.told)


def test_every_identify_is_counted_where_a_restart_finds_it(
    discord: Discord, line: Line, tmp_path: Path
) -> None:
    line.close()
    counted = (tmp_path / "store.db.discord").read_text().split()
    assert len(counted) == discord.identifies == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_token_that_is_no_good_ends_it(discord: Discord, tmp_path: Path, when: str) -> None:
    one = Line(discord, tmp_path, {} if when == "after" else {"HOWDAH_DISCORD_TOKEN": "another"})
    if when == "after":
        discord.wait_for(discord.commands, PATIENCE)
        discord.revoke_token()
    assert isinstance(one.ended(), gateway.TokenRefused)
    one.close()


def test_a_request_that_finds_the_token_revoked_ends_it_too(discord: Discord, line: Line) -> None:
    discord.fault("GET", "/users/@me", times=1, status=401)
    assert line.wire is not None and line._loop is not None
    asked = asyncio.run_coroutine_threadsafe(line.wire.ask("GET", "/users/@me", {}), line._loop)
    assert asked.exception(PATIENCE) is not None
    assert isinstance(line.ended(), gateway.TokenRefused)


def test_with_the_intent_a_pin_is_heard_and_without_it_nothing_is_asked_for(tmp_path: Path) -> None:
    with Discord(message_content=True) as discord:
        line = Line(discord, tmp_path)
        discord.wait_for(discord.commands, PATIENCE)
        nova = discord.person("nova")
        said = nova.say(discord.channel, "remember this")
        nova.react(said, "\N{PUSHPIN}")
        nova.react(said, "\N{THUMBS UP SIGN}")
        discord.wait_for(lambda: line.pinned, PATIENCE)
        line.close()
        assert line.pinned == [int(said)]


def test_of_several_servers_none_is_served_unless_one_is_named(tmp_path: Path) -> None:
    with Discord() as discord:
        other = discord.add_guild()
        line = Line(discord, tmp_path)
        discord.wait_for(lambda: any("in 2 servers" in one for one in line.told), PATIENCE)
        line.close()
        assert discord.commands() == [] == discord.commands(other)


def test_a_gateway_that_is_away_is_waited_for(discord: Discord, line: Line) -> None:
    discord.refuse_gateway()
    discord.disconnect(4000)
    discord.wait_for(lambda: not discord.connected, PATIENCE)
    discord.refuse_gateway(False)
    answered(discord, line)


@pytest.mark.parametrize(
    ("wanted", "there", "equal"),
    [
        (
            [{"name": "inc", "description": "x"}],
            [{"name": "inc", "description": "x", "id": "1", "nsfw": False}],
            True,
        ),
        ([{"name": "inc", "required": False}], [{"name": "inc"}], True),
        ([{"name": "inc"}], [{"name": "inc"}, {"name": "old"}], False),
        ([{"name": "inc", "options": [{"name": "a"}]}], [{"name": "inc", "options": []}], False),
        ([{"name": "inc"}], None, False),
        ([{"name": "a", "type": 1}], [{"name": "a", "type": 3}], False),
    ],
)
def test_commands_are_compared_by_what_we_want_of_them(wanted: Any, there: Any, equal: bool) -> None:
    assert gateway.same(wanted, there) is equal
