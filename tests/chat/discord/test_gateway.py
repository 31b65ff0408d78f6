"""The gateway of the loopback Discord: sessions, resumes with replay, and the ends that are final."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import discord
import pytest

from tests.chat.discord.real import Bot
from tests.chat.discord.server import Discord

Said = dict[str, Any]


async def listen(server: Discord, *payloads: Said | str, until: str = "") -> tuple[list[Said], int | None]:
    """Sends payloads after the hello; what came back until an event of this name or the end, and the code."""
    heard: list[Said] = []
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway) as socket:
        heard.append(await socket.receive_json(timeout=5))
        for one in payloads:
            await socket.send_str(one if isinstance(one, str) else json.dumps(one))
        while not (until and heard[-1]["t"] == until):
            message = await socket.receive(timeout=5)
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            heard.append(json.loads(message.data))
        await socket.close(code=4000)
        return heard, socket.close_code


def identify(server: Discord, intents: int = 513, **more: Any) -> Said:
    return {"op": 2, "d": {"token": server.token, "intents": intents, "properties": {}, **more}}


def test_ready_is_followed_by_the_guild_with_its_active_threads_and_the_bot_alone() -> None:
    with Discord() as server:
        heard, _ = asyncio.run(listen(server, identify(server), until="GUILD_CREATE"))
        hello, ready, guild = heard
        assert hello["op"] == 10
        assert ready["d"]["resume_gateway_url"] == server.gateway
        assert [one["name"] for one in guild["d"]["channels"]] == ["ops"]
        assert [one["user"]["id"] for one in guild["d"]["members"]] == [server.application]
        assert (ready["s"], guild["s"]) == (1, 2)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"op": 2, "d": {"token": "wrong", "intents": 1}}, 4004),
        ({"op": 2, "d": {"token": "test-token", "intents": 1 << 30}}, 4013),
        ({"op": 2, "d": {"token": "test-token", "intents": 1 << 15}}, 4014),
        ({"op": 3, "d": {}}, 4003),
        ({"op": 99, "d": {}}, 4001),
        ("no json", 4002),
        ({"op": 1, "d": "x" * 5000}, 4002),
    ],
)
def test_what_ends_a_connection_ends_it_with_its_code(said: Said | str, code: int) -> None:
    with Discord() as server:
        assert asyncio.run(listen(server, said))[1] == code


def test_a_second_identify_and_too_many_payloads_end_the_connection() -> None:
    with Discord() as server:
        assert asyncio.run(listen(server, identify(server), identify(server)))[1] == 4005
        beats: list[Said] = [{"op": 1, "d": None}] * 121
        heard, code = asyncio.run(listen(server, *beats))
        assert ([one["op"] for one in heard].count(11), code) == (120, 4008)


def test_what_happens_while_the_bot_is_away_is_replayed_in_order_and_then_resumed() -> None:
    with Discord() as server:
        nova = server.person("nova")
        heard, _ = asyncio.run(listen(server, identify(server), until="GUILD_CREATE"))
        session = heard[1]["d"]["session_id"]
        sent = [nova.say(server.channel, str(number)) for number in range(5)]
        resume = {"op": 6, "d": {"token": server.token, "session_id": session, "seq": 2}}
        again, _ = asyncio.run(listen(server, resume, until="RESUMED"))
        assert [one["d"].get("id") for one in again[1:-1]] == sent
        assert [one["s"] for one in again[1:]] == [3, 4, 5, 6, 7, 8]
        assert (server.identifies, server.resumes) == (1, 1)


def test_a_replay_may_break_off_and_goes_on_at_the_next_resume() -> None:
    with Discord() as server, Bot(server) as bot:
        nova = server.person("nova")
        server.refuse_gateway()
        server.cut(in_replay=2)
        server.wait_for(lambda: not server.connected)
        sent = [nova.say(server.channel, str(number)) for number in range(5)]
        server.refuse_gateway(False)
        server.wait_for(lambda: len(bot.hearing("message")) == 5, 20)
        assert [str(one.id) for one in bot.hearing("message")] == sent
        assert (server.identifies, server.resumes) == (1, 2)


def test_close_4000_and_op_7_and_a_resumable_op_9_are_resumed() -> None:
    with Discord() as server, Bot(server) as bot:
        server.disconnect()
        server.wait_for(lambda: len(bot.hearing("resumed")) == 1)
        server.reconnect_op7()
        server.wait_for(lambda: len(bot.hearing("resumed")) == 2)
        server.invalidate(resumable=True)
        server.wait_for(lambda: len(bot.hearing("resumed")) == 3)
        assert (server.identifies, server.resumes, server.connections) == (1, 3, 4)


def test_a_session_that_ended_is_not_resumed() -> None:
    with Discord() as server:
        heard, _ = asyncio.run(listen(server, identify(server), until="GUILD_CREATE"))
        resume = {"op": 6, "d": {"token": server.token, "session_id": heard[1]["d"]["session_id"], "seq": 2}}
        server.wait_for(lambda: not server.connected)
        server.clock.advance(server.world.settings.session_s + 1)
        again, _ = asyncio.run(listen(server, resume, {"op": 99}))
        assert (again[1]["op"], again[1]["d"]) == (9, False)


def test_an_invalid_session_makes_the_library_identify_again() -> None:
    with Discord() as server, Bot(server) as bot:
        server.invalidate(resumable=False)
        server.wait_for(lambda: len(bot.hearing("ready")) == 2, 20)
        assert (server.identifies, server.resumes) == (2, 0)


def test_a_revoked_token_ends_the_library_for_good() -> None:
    with Discord() as server, Bot(server) as bot:
        server.revoke_token()
        server.wait_for(lambda: bot.ended is not None)
        assert isinstance(bot.ended, discord.ConnectionClosed)
        assert bot.ended.code == 4004


def test_an_intent_that_the_portal_does_not_grant_ends_the_login() -> None:
    intents = discord.Intents(guilds=True, message_content=True)
    with Discord() as server, Bot(server, intents=intents) as bot:
        assert isinstance(bot.ended, discord.PrivilegedIntentsRequired)


def test_beyond_the_identifies_of_a_day_the_token_is_void() -> None:
    with Discord(identifies_a_day=2) as server:
        for _ in range(2):
            assert len(asyncio.run(listen(server, identify(server), until="GUILD_CREATE"))[0]) == 3
        assert asyncio.run(listen(server, identify(server)))[1] == 4004
        assert asyncio.run(listen(server, identify(server)))[1] == 4004


def test_dispatches_are_dropped_doubled_and_reordered_on_demand() -> None:
    with Discord() as server, Bot(server) as bot:
        nova = server.person("nova")
        server.fault("GATEWAY", "^MESSAGE_CREATE$", drop="before")
        server.fault("GATEWAY", "^MESSAGE_CREATE$", duplicate=True)
        server.fault("GATEWAY", "^MESSAGE_CREATE$", delay=0.2)
        lost, twice, late, last = (
            nova.say(server.channel, word) for word in ("lost", "twice", "late", "last")
        )
        server.wait_for(lambda: len(bot.hearing("message")) == 4)
        heard = [str(one.id) for one in bot.hearing("message")]
        assert heard == [twice, twice, last, late]
        assert lost not in heard


def test_members_are_told_when_asked_for_by_id() -> None:
    async def ask(bot: Bot, key: str) -> list[str]:
        guild = bot.get_guild(int(server.guild))
        assert guild is not None
        return [one.name for one in await guild.query_members(user_ids=[int(key)])]

    with Discord() as server, Bot(server) as bot:
        assert bot.do(ask(bot, server.person("nova").id)) == ["nova"]
