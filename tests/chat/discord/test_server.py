"""The loopback Discord keeps messages, threads, pins and permissions as Discord does."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from collections.abc import Iterator

import discord
import pytest

from tests.chat.discord import permissions as may
from tests.chat.discord.errors import CannotSend
from tests.chat.discord.real import Bot, bare
from tests.chat.discord.server import Discord


@pytest.fixture
def server() -> Iterator[Discord]:
    with Discord(rate_limits=False) as running:
        yield running
        assert running.wrong == []


def post(server: Discord, text: str = "hello", channel: str = "", **more: object) -> str:
    """A message of the bot; its id."""
    reply = bare(server, "POST", f"/channels/{channel or server.channel}/messages", {"content": text, **more})
    assert reply.status == 200, reply.body
    return str(reply.body["id"])


def make_thread(server: Discord, message: str) -> str:
    path = f"/channels/{server.channel}/messages/{message}/threads"
    reply = bare(server, "POST", path, {"name": "disk full", "auto_archive_duration": 1440})
    assert reply.status == 201, reply.body
    return str(reply.body["id"])


def test_the_real_library_logs_in_posts_edits_and_reads_back(server: Discord) -> None:
    async def talk(bot: Bot) -> list[str]:
        channel = bot.get_channel(int(server.channel))
        assert isinstance(channel, discord.TextChannel)
        message = await channel.send("hello", embed=discord.Embed(title="disk"))
        await message.edit(content="changed")
        await message.reply("answered")
        return [one.content async for one in channel.history(oldest_first=True)]

    with Bot(server) as bot:
        assert bot.do(talk(bot)) == ["changed", "answered"]
        server.wait_for(lambda: len(bot.hearing("message")) == 2)
    first, second = server.messages()
    assert first["embeds"] == [{"type": "rich", "title": "disk", "flags": 0}]
    assert first["edited_timestamp"] is not None
    assert second["referenced_message"]["id"] == first["id"]


def test_a_wrong_token_is_401_and_ends_the_login(server: Discord) -> None:
    reply = bare(server, "GET", "/users/@me", token="other")
    assert (reply.status, reply.code) == (401, 0)
    server.token = "other"
    with Bot(server) as bot:
        assert isinstance(bot.ended, discord.LoginFailure)


def test_unknown_things_have_their_codes(server: Discord) -> None:
    where = f"/channels/{server.channel}/messages"
    unknown = {
        "/channels/1": 10003,
        f"{where}/1": 10008,
        "/guilds/1": 10004,
        f"/guilds/{server.guild}/members/1": 10007,
        "/users/1": 10013,
    }
    assert {path: bare(server, "GET", path).code for path in unknown} == unknown
    assert bare(server, "GET", "/nothing/here").status == 404
    assert bare(server, "GET", "/channels/ops").code == 50035
    assert bare(server, "PUT", "/channels/1").status == 405


def test_a_nonce_makes_one_message_until_its_window_is_over(server: Discord) -> None:
    first = post(server, nonce="a" * 22, enforce_nonce=True)
    assert post(server, nonce="a" * 22, enforce_nonce=True) == first
    assert post(server, nonce="a" * 22) != first
    server.clock.advance(301)
    assert post(server, nonce="a" * 22, enforce_nonce=True) != first
    assert len(server.messages()) == 3


def test_a_nonce_counts_for_the_author_over_all_channels(server: Discord) -> None:
    first = post(server, nonce="n", enforce_nonce=True)
    assert post(server, channel=server.add_channel("other"), nonce="n", enforce_nonce=True) == first


def test_a_thread_has_the_id_of_its_message_and_is_made_once(server: Discord) -> None:
    message = post(server)
    thread = make_thread(server, message)
    assert thread == message
    again = bare(server, "POST", f"/channels/{server.channel}/messages/{message}/threads", {"name": "x"})
    assert (again.status, again.code) == (400, 160004)
    assert server.message(message)["thread"]["id"] == thread
    starter = server.messages(thread, system=True)[0]
    assert (starter["type"], starter["content"]) == (21, "")
    assert server.messages(thread) == []


def test_posting_opens_an_archived_thread_but_not_a_locked_one(server: Discord) -> None:
    thread = make_thread(server, post(server))
    line = post(server, channel=thread)
    server.archive(thread)
    edited = bare(server, "PATCH", f"/channels/{thread}/messages/{line}", {"content": "x"})
    assert edited.code == 50083
    post(server, channel=thread)
    assert not server.threads()[0]["thread_metadata"]["archived"]
    server.lock_thread(thread)
    locked = bare(server, "POST", f"/channels/{thread}/messages", {"content": "x"})
    assert (locked.status, locked.code) == (400, 160005)
    with pytest.raises(CannotSend):
        server.person("nova").say(thread, "I am here")
    server.permissions[thread] += may.MANAGE_THREADS
    post(server, channel=thread)


def test_archived_threads_are_listed_apart_from_active_ones(server: Discord) -> None:
    old, new = make_thread(server, post(server)), make_thread(server, post(server))
    server.archive(old)
    active = bare(server, "GET", f"/guilds/{server.guild}/threads/active").body["threads"]
    archived = bare(server, "GET", f"/channels/{server.channel}/threads/archived/public").body["threads"]
    assert [one["id"] for one in active] == [new]
    assert [one["id"] for one in archived] == [old]


def test_the_bot_archives_its_own_thread_and_locks_none_without_permission(server: Discord) -> None:
    thread = make_thread(server, post(server))
    assert bare(server, "PATCH", f"/channels/{thread}", {"locked": True}).code == 50013
    assert bare(server, "PATCH", f"/channels/{thread}", {"archived": True}).status == 200
    assert bare(server, "PATCH", f"/channels/{thread}", {"name": "x"}).code == 50083
    server.permissions[thread] += may.MANAGE_THREADS
    reply = bare(server, "PATCH", f"/channels/{thread}", {"archived": False, "locked": True})
    assert reply.body["thread_metadata"]["locked"] is True


def test_people_join_threads_by_hand_or_by_speaking(server: Discord) -> None:
    thread, nova, kris = make_thread(server, post(server)), server.person("nova"), server.person("kris")
    assert bare(server, "PUT", f"/channels/{thread}/thread-members/{nova.id}").status == 204
    kris.say(thread, "here")
    listed = {one["user_id"] for one in bare(server, "GET", f"/channels/{thread}/thread-members").body}
    assert listed == {nova.id, kris.id, server.application}
    server.archive(thread)
    assert bare(server, "PUT", f"/channels/{thread}/thread-members/@me").code == 50083


@pytest.mark.parametrize("route", ["messages/pins", "pins"])
def test_pins_by_both_routes_are_listed_newest_first(server: Discord, route: str) -> None:
    ids = [post(server, str(number)) for number in range(3)]
    for key in ids:
        assert bare(server, "PUT", f"/channels/{server.channel}/{route}/{key}").status == 204
    listed = bare(server, "GET", f"/channels/{server.channel}/{route}").body
    found = [one["message"] for one in listed["items"]] if isinstance(listed, dict) else listed
    assert [one["id"] for one in found] == ids[::-1]
    assert bare(server, "DELETE", f"/channels/{server.channel}/{route}/{ids[0]}").status == 204
    assert [one["id"] for one in server.pins()] == [ids[2], ids[1]]
    assert [one["type"] for one in server.messages(system=True)].count(6) == 3


def test_no_more_pins_than_the_channel_takes() -> None:
    with Discord(pins=1) as server:
        first, second = post(server), post(server)
        assert bare(server, "PUT", f"/channels/{server.channel}/pins/{first}").status == 204
        assert bare(server, "PUT", f"/channels/{server.channel}/pins/{first}").status == 204
        assert bare(server, "PUT", f"/channels/{server.channel}/pins/{second}").code == 30003


def test_each_permission_is_asked_for(server: Discord) -> None:
    message = post(server)
    where = f"/channels/{server.channel}"
    thread = make_thread(server, post(server))
    needs = [
        (may.SEND_MESSAGES, "POST", f"{where}/messages", {"content": "x"}),
        (may.SEND_MESSAGES_IN_THREADS, "POST", f"/channels/{thread}/messages", {"content": "x"}),
        (may.EMBED_LINKS, "POST", f"{where}/messages", {"embeds": [{"title": "x"}]}),
        (may.PIN_MESSAGES, "PUT", f"{where}/messages/pins/{message}", None),
        (may.CREATE_PUBLIC_THREADS, "POST", f"{where}/messages/{message}/threads", {"name": "x"}),
        (may.READ_MESSAGE_HISTORY, "GET", f"{where}/messages/{message}", None),
        (may.ADD_REACTIONS, "PUT", f"{where}/messages/{message}/reactions/%F0%9F%93%8C/@me", None),
    ]
    for bit, method, path, body in needs:
        server.permissions[server.channel] -= bit
        reply = bare(server, method, path, body)
        assert (reply.status, reply.code) == (403, 50013), (path, reply.body)
        server.permissions[server.channel] += bit
        assert bare(server, method, path, body).status < 300, path
    server.permissions[server.channel] -= may.VIEW_CHANNEL
    assert bare(server, "GET", where).code == 50001


def test_taken_permissions_reach_the_library(server: Discord) -> None:
    def may_pin() -> bool:
        channel = bot.get_channel(int(server.channel))
        assert isinstance(channel, discord.TextChannel)
        return channel.permissions_for(channel.guild.me).pin_messages

    with Bot(server) as bot:
        assert may_pin()
        server.permissions[server.channel] -= may.PIN_MESSAGES
        server.wait_for(lambda: not may_pin())


def test_others_messages_are_not_edited_and_empty_edits_are_refused(server: Discord) -> None:
    where = f"/channels/{server.channel}/messages"
    theirs = server.person("nova").say(server.channel, "mine")
    assert bare(server, "PATCH", f"{where}/{theirs}", {"content": "x"}).code == 50005
    assert bare(server, "DELETE", f"{where}/{theirs}").code == 50013
    assert bare(server, "PATCH", f"{where}/{post(server)}", {"content": ""}).code == 50006


def test_messages_older_than_an_hour_take_few_edits(server: Discord) -> None:
    path = f"/channels/{server.channel}/messages/{post(server)}"
    assert [bare(server, "PATCH", path, {"content": str(one)}).status for one in range(6)] == [200] * 6
    server.clock.advance(3601)
    replies = [bare(server, "PATCH", path, {"content": str(one)}) for one in range(4)]
    assert [one.status for one in replies] == [200, 200, 200, 429]
    assert replies[3].code == 30046
    assert replies[3].headers["Via"]


def test_slow_mode_holds_the_bot_back(server: Discord) -> None:
    server.slow_mode(server.channel, 30)
    post(server)
    reply = bare(server, "POST", f"/channels/{server.channel}/messages", {"content": "x"})
    assert (reply.status, reply.code) == (429, 20016)
    server.clock.advance(30)
    post(server)


def test_the_text_of_people_is_blank_without_the_intent_unless_it_names_the_bot(server: Discord) -> None:
    nova = server.person("nova")
    with Bot(server) as bot:
        own = post(server, "of the bot")
        plain = nova.say(server.channel, "the disk is full", [("log.txt", b"x")])
        named = nova.say(server.channel, f"<@{server.application}> note it")
        server.wait_for(lambda: len(bot.hearing("message")) == 3)
        assert [one.content for one in bot.hearing("message")] == [
            "of the bot",
            "",
            f"<@{server.application}> note it",
        ]
        assert bot.hearing("message")[1].attachments == []
    listed = bare(server, "GET", f"/channels/{server.channel}/messages").body
    assert [(one["id"], bool(one["content"])) for one in listed] == [
        (named, True),
        (plain, False),
        (own, True),
    ]


def test_with_the_intent_everything_is_read() -> None:
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
    with Discord(message_content=True) as server, Bot(server, intents=intents) as bot:
        server.person("nova").say(server.channel, "the disk is full")
        server.wait_for(lambda: bot.hearing("message"))
        assert bot.hearing("message")[0].content == "the disk is full"


def test_a_reaction_brings_ids_alone(server: Discord) -> None:
    nova = server.person("nova")
    with Bot(server) as bot:
        message = nova.say(server.channel, "pin this")
        nova.react(message, "📌")
        server.wait_for(lambda: bot.hearing("reaction"))
        event = bot.hearing("reaction")[0]
        assert (str(event.message_id), str(event.user_id), str(event.emoji)) == (message, nova.id, "📌")


def test_files_are_served_while_their_link_is_good_and_fetching_gives_a_fresh_one(server: Discord) -> None:
    async def send(bot: Bot) -> discord.Message:
        channel = bot.get_channel(int(server.channel))
        assert isinstance(channel, discord.TextChannel)
        return await channel.send(file=discord.File(io.BytesIO(b"all of it"), "output.txt"))

    async def fetch_again(message: discord.Message) -> bytes:
        return await (await message.fetch()).attachments[0].read()

    with Bot(server) as bot:
        sent = bot.do(send(bot))
        assert bot.do(sent.attachments[0].read()) == b"all of it"
        server.clock.advance(86_401)
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(sent.attachments[0].url, timeout=10)
        assert bot.do(fetch_again(sent)) == b"all of it"


def test_files_that_are_too_large_are_refused() -> None:
    async def send(bot: Bot, size: int) -> int:
        channel = bot.get_channel(int(bot.server.channel))
        assert isinstance(channel, discord.TextChannel)
        with pytest.raises(discord.HTTPException) as caught:
            await channel.send(file=discord.File(io.BytesIO(b"x" * size), "output.txt"))
        return caught.value.code

    with Discord(file_bytes=1000, request_bytes=5000) as server, Bot(server) as bot:
        assert bot.do(send(bot, 1001)) == 50045
        assert bot.do(send(bot, 6000)) == 40005


def test_deleted_messages_and_channels_are_gone_and_told(server: Discord) -> None:
    message = post(server)
    thread = make_thread(server, post(server))
    with Bot(server) as bot:
        server.delete_message(message)
        assert bare(server, "GET", f"/channels/{server.channel}/messages/{message}").code == 10008
        server.delete_channel(thread)
        assert bare(server, "POST", f"/channels/{thread}/messages", {"content": "x"}).code == 10003
        guild = bot.get_guild(int(server.guild))
        assert guild is not None
        server.wait_for(lambda: guild.get_thread(int(thread)) is None)


def test_mentions_ping_only_whom_the_body_allows(server: Discord) -> None:
    nova, role = server.person("nova", roles=("on-call",)), server.role("on-call")
    text = f"{nova.mention} <@&{role}> @everyone"
    loud, still = post(server, text), post(server, text, allowed_mentions={"parse": []})
    one = post(server, text, allowed_mentions={"parse": [], "users": [nova.id]})
    pinged = [
        (len(shown["mentions"]), len(shown["mention_roles"]), shown["mention_everyone"])
        for shown in map(server.message, (loud, still, one))
    ]
    assert pinged == [(1, 1, True), (0, 0, False), (1, 0, False)]


def test_history_pages_in_both_directions(server: Discord) -> None:
    ids = [post(server, str(number)) for number in range(5)]
    where = f"/channels/{server.channel}/messages"

    def listed(query: str) -> list[str]:
        return [one["id"] for one in bare(server, "GET", f"{where}?{query}").body]

    assert listed("limit=2") == [ids[4], ids[3]]
    assert listed(f"limit=2&after={ids[0]}") == [ids[2], ids[1]]
    assert listed(f"limit=2&before={ids[4]}") == [ids[3], ids[2]]
    assert listed(f"limit=3&around={ids[2]}") == [ids[3], ids[2], ids[1]]
    assert bare(server, "GET", f"{where}?limit=101").code == 50035


def test_a_second_guild_has_its_own_channels_and_commands(server: Discord) -> None:
    other = server.add_guild()
    with Bot(server) as bot:
        assert {str(one.id) for one in bot.guilds} == {server.guild, other}
    path = f"/applications/{server.application}/guilds/{other}/commands"
    assert bare(server, "PUT", path, [{"name": "inc", "description": "x"}]).status == 200
    assert (len(server.commands(other)), server.commands()) == (1, [])


def test_roles_are_given_only_below_the_bots_own(server: Discord) -> None:
    nova, role = server.person("nova"), server.role("on-call")
    path = f"/guilds/{server.guild}/members/{nova.id}/roles/{role}"
    assert bare(server, "PUT", path).code == 50013
    assert bare(server, "PUT", path[:-1] + "x").code == 10011
