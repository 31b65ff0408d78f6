"""The bot itself, guilds, channels, members, roles."""

from __future__ import annotations

from typing import Any

from tests.chat.discord import permissions as may
from tests.chat.discord import rest_threads, shapes
from tests.chat.discord.errors import JSON, refused
from tests.chat.discord.routes import Call, on
from tests.chat.discord.state import Member


@on("GET", "/users/@me")
def me(call: Call) -> JSON:
    guild = next(iter(call.world.guilds.values()))
    return {**shapes.user(guild.members[call.world.bot_id]), "mfa_enabled": False, "verified": True}


@on("GET", "/users/@me/guilds")
def my_guilds(call: Call) -> list[JSON]:
    return [
        {"id": one.id, "name": one.name, "icon": None, "banner": None, "owner": False, "features": [],
         "permissions": str(int(one.members[call.world.bot_id].bits))}
        for one in call.world.guilds.values()
    ]  # fmt: skip


@on("GET", "/users/{user}")
def user(call: Call) -> JSON:
    for guild in call.world.guilds.values():
        if call.params["user"] in guild.members:
            return shapes.user(guild.members[call.params["user"]])
    raise refused(10013)


@on("GET", "/oauth2/applications/@me")
@on("GET", "/applications/@me")
def application(call: Call) -> JSON:
    return shapes.application(call.world)


@on("GET", "/gateway")
def gateway(call: Call) -> JSON:
    return {"url": call.world.origin.replace("http", "ws") + "/gateway"}


@on("GET", "/gateway/bot")
def gateway_bot(call: Call) -> JSON:
    world = call.world
    limit = {"total": world.settings.identifies_a_day, "max_concurrency": 1, "reset_after": 86_400_000}
    return {**gateway(call), "shards": 1, "session_start_limit": {**limit, "remaining": limit["total"]}}


@on("GET", "/guilds/{guild}")
def guild(call: Call) -> JSON:
    return shapes.guild(call.world, call.world.guild(call.params["guild"]))


@on("GET", "/guilds/{guild}/channels")
def channels(call: Call) -> list[JSON]:
    found = call.world.guild(call.params["guild"])
    return [shapes.channel(call.world, call.world.channels[key]) for key in found.channels]


@on("POST", "/guilds/{guild}/channels")
def create(call: Call) -> Any:
    found = call.world.guild(call.params["guild"])
    if not found.members[call.world.bot_id].bits.has(may.MANAGE_CHANNELS):
        raise refused(50013)
    if len(found.channels) >= 500:
        raise refused(30013)
    made = call.world.add_channel(found, call.json["name"])
    made.topic = call.json.get("topic")
    call.world.dispatch("CHANNEL_CREATE", shapes.channel(call.world, made))
    call.world.changed()
    return shapes.channel(call.world, made)


@on("GET", "/guilds/{guild}/roles")
def roles(call: Call) -> list[JSON]:
    return list(call.world.guild(call.params["guild"]).roles.values())


@on("GET", "/guilds/{guild}/members")
def members(call: Call) -> list[JSON]:
    found = call.world.guild(call.params["guild"])
    if not call.world.settings.members_intent:
        raise refused(50001)
    after = int(call.query.get("after", "0"))
    listed = sorted(
        (one for one in found.members.values() if int(one.id) > after), key=lambda one: int(one.id)
    )
    return [shapes.member(call.world, one) for one in listed[: call.number("limit", 1, 1000)]]


@on("GET", "/guilds/{guild}/members/search")
def search(call: Call) -> list[JSON]:
    found = call.world.guild(call.params["guild"])
    start = call.query.get("query", "").lower()
    listed = [one for one in found.members.values() if one.name.lower().startswith(start)]
    return [shapes.member(call.world, one) for one in listed[: call.number("limit", 1, 1000)]]


@on("GET", "/guilds/{guild}/members/{user}")
def member(call: Call) -> JSON:
    return shapes.member(call.world, _member(call))


@on("PUT", "/guilds/{guild}/members/{user}/roles/{role}")
def give_role(call: Call) -> None:
    one = _member(call)
    if _role(call) not in one.roles:
        one.roles.append(call.params["role"])
        _tell_member(call, one)


@on("DELETE", "/guilds/{guild}/members/{user}/roles/{role}")
def take_role(call: Call) -> None:
    one = _member(call)
    if _role(call) in one.roles:
        one.roles.remove(call.params["role"])
        _tell_member(call, one)


def _member(call: Call) -> Member:
    found = call.world.guild(call.params["guild"])
    user_id = call.params["user"].replace("@me", call.world.bot_id)
    if user_id not in found.members:
        raise refused(10007)
    return found.members[user_id]


def _role(call: Call) -> str:
    found = call.world.guild(call.params["guild"])
    role = found.roles.get(call.params["role"])
    if role is None:
        raise refused(10011)
    bot = found.members[call.world.bot_id]
    highest = max((found.roles[one]["position"] for one in bot.roles), default=0)
    if not bot.bits.has(may.MANAGE_ROLES) or role["position"] >= highest:
        raise refused(50013)
    return str(role["id"])


def _tell_member(call: Call, one: Member) -> None:
    call.world.dispatch("GUILD_MEMBER_UPDATE", {**shapes.member(call.world, one), "guild_id": one.guild})
    call.world.changed()


@on("GET", "/channels/{channel}")
def channel(call: Call) -> JSON:
    return shapes.channel(call.world, call.channel())


@on("PATCH", "/channels/{channel}")
def change(call: Call) -> JSON:
    found = call.channel()
    if found.is_thread:
        return rest_threads.change(call, found)
    found = call.channel(may.MANAGE_CHANNELS)
    body = call.json
    found.name = body.get("name") or found.name
    found.topic = body.get("topic", found.topic)
    found.slow_s = body.get("rate_limit_per_user", found.slow_s) or 0
    call.world.dispatch("CHANNEL_UPDATE", shapes.channel(call.world, found))
    call.world.changed()
    return shapes.channel(call.world, found)


@on("DELETE", "/channels/{channel}")
def delete(call: Call) -> JSON:
    found = call.channel()
    found = call.channel(may.MANAGE_THREADS if found.is_thread else may.MANAGE_CHANNELS)
    shape = shapes.channel(call.world, found)
    rest_threads.forget(call.world, found)
    return shape
