"""Rate limits and faults of the loopback Discord, with the real library as the counterpart."""

from __future__ import annotations

import http.client
from collections.abc import Awaitable, Callable

import aiohttp
import discord
import pytest

from tests.chat.discord.limits import POST_MESSAGE
from tests.chat.discord.real import Bot, Reply, bare
from tests.chat.discord.server import Discord


def post(server: Discord, channel: str = "", text: str = "x") -> Reply:
    return bare(server, "POST", f"/channels/{channel or server.channel}/messages", {"content": text})


def sending(server: Discord, act: Callable[[discord.TextChannel], Awaitable[None]]) -> None:
    """Runs something with the bot's channel, under the real library."""

    async def run(bot: Bot) -> None:
        channel = bot.get_channel(int(server.channel))
        assert isinstance(channel, discord.TextChannel)
        await act(channel)

    with Bot(server) as bot:
        bot.do(run(bot))


def test_a_bucket_counts_down_and_then_says_how_long_to_wait() -> None:
    with Discord() as server:
        replies = [post(server) for _ in range(6)]
        assert [one.status for one in replies] == [200] * 5 + [429]
        assert [one.headers["X-RateLimit-Remaining"] for one in replies[:5]] == ["4", "3", "2", "1", "0"]
        assert len({one.headers["X-RateLimit-Bucket"] for one in replies}) == 1
        last = replies[5]
        assert last.headers["X-RateLimit-Scope"] == "user"
        assert last.headers["Via"] and last.headers["Retry-After"]
        assert 0 < last.body["retry_after"] <= 5
        assert last.body["global"] is False
        server.clock.advance(5)
        assert post(server).status == 200


def test_each_channel_has_its_own_bucket_of_the_same_name() -> None:
    with Discord() as server:
        other = server.add_channel("other")
        for _ in range(6):
            here = post(server)
        there = post(server, other)
        assert (here.status, there.status) == (429, 200)
        assert here.headers["X-RateLimit-Bucket"] == there.headers["X-RateLimit-Bucket"]


def test_renaming_has_a_limit_inside_its_bucket() -> None:
    with Discord() as server:
        server.permissions[server.channel] += 1 << 4
        path = f"/channels/{server.channel}"
        assert [bare(server, "PATCH", path, {"name": f"n{one}"}).status for one in range(3)] == [
            200,
            200,
            429,
        ]
        assert bare(server, "PATCH", path, {"rate_limit_per_user": 1}).status == 200


def test_the_global_limit_holds_for_all_but_interactions() -> None:
    with Discord() as server:
        server.limits.global_number = (2, 60.0)
        replies = [bare(server, "GET", "/users/@me") for _ in range(3)]
        assert replies[2].body["global"] is True
        assert replies[2].headers["X-RateLimit-Global"] == "true"
        callback = bare(server, "POST", "/interactions/1/token/callback", {"type": 5})
        assert (callback.status, callback.code) == (404, 10062)


def test_the_real_library_keeps_to_the_bucket_so_that_nothing_is_refused() -> None:
    async def act(channel: discord.TextChannel) -> None:
        for number in range(7):
            await channel.send(str(number))

    with Discord() as server:
        server.limits.numbers[POST_MESSAGE] = (3, 0.2)
        sending(server, act)
        assert [one["content"] for one in server.messages()] == [str(number) for number in range(7)]
        assert {one.status for one in server.requests} == {200}


def test_a_429_on_demand_is_waited_out_by_the_real_library() -> None:
    async def act(channel: discord.TextChannel) -> None:
        await channel.send("once")

    with Discord() as server:
        server.fault("POST", "/messages$", status=429, retry_after=0.05, scope="shared")
        sending(server, act)
        assert [one.status for one in server.requests if one.method == "POST"] == [429, 200]
        assert server.invalid_requests == 0


def test_refused_requests_are_counted_and_end_in_a_ban() -> None:
    with Discord(ban_after=3) as server:
        for _ in range(3):
            assert bare(server, "GET", "/users/@me", token="wrong").status == 401
        banned = bare(server, "GET", "/users/@me")
        assert (banned.status, banned.headers["Via"]) == (429, None)
        assert "1015" in banned.body
        server.clock.advance(601)
        assert bare(server, "GET", "/users/@me").status == 200


@pytest.mark.parametrize(("when", "stored"), [("before", 0), ("after", 1)])
def test_a_connection_is_cut_before_or_after_the_message_is_stored(when: str, stored: int) -> None:
    with Discord() as server:
        server.fault("POST", "/messages$", drop=when)
        with pytest.raises((http.client.HTTPException, OSError)):
            post(server)
        assert len(server.messages()) == stored
        assert post(server).status == 200
        assert [one.status for one in server.requests] == [0, 200]


def test_a_nonce_keeps_a_repeat_after_a_cut_from_doubling_the_message() -> None:
    async def act(channel: discord.TextChannel) -> None:
        with pytest.raises(aiohttp.ClientError):
            await channel.send("once", nonce="event")
        await channel.send("once", nonce="event")

    with Discord() as server:
        server.fault("POST", "/messages$", drop="after")
        sending(server, act)
        assert [one["content"] for one in server.messages()] == ["once"]


def test_a_server_error_stores_nothing_and_the_rule_is_used_up() -> None:
    with Discord() as server:
        server.fault("POST", "/messages$", times=2, status=503)
        assert [post(server).status for _ in range(3)] == [503, 503, 200]
        assert len(server.messages()) == 1


def test_any_of_discords_errors_is_given_on_demand() -> None:
    with Discord() as server:
        server.fault("*", "/callback$", code=10062)
        server.fault("GET", "/users/@me", code=50001)
        reply = bare(server, "GET", "/users/@me")
        assert (reply.status, reply.code) == (403, 50001)
        assert bare(server, "GET", "/users/@me").status == 200


def test_a_request_that_is_handled_twice_makes_two_messages() -> None:
    with Discord() as server:
        server.fault("POST", "/messages$", duplicate=True)
        assert post(server).status == 200
        assert len(server.messages()) == 2


def test_an_outage_lasts_until_it_is_healed() -> None:
    with Discord() as server:
        server.fault("*", ".", times=1000, status=503)
        assert {post(server).status for _ in range(5)} == {503}
        server.heal()
        assert post(server).status == 200


def test_a_rule_says_before_or_after() -> None:
    with Discord() as server, pytest.raises(ValueError, match="before"):
        server.fault("POST", "x", drop="sometime")
