"""The state as JSON, in the shapes that Discord sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.chat.discord.errors import JSON
from tests.chat.discord.permissions import ALL, PERSON
from tests.chat.discord.state import Channel, Guild, Member, Message, World, iso

EPHEMERAL, LOADING, HAS_THREAD, V2 = 1 << 6, 1 << 7, 1 << 5, 1 << 15
CONTENT_FLAG, CONTENT_LIMITED_FLAG = 1 << 18, 1 << 19
BLANKED: dict[str, Any] = {"content": "", "embeds": [], "attachments": [], "components": []}


def user(member: Member) -> JSON:
    return {
        "id": member.id,
        "username": member.name,
        "global_name": member.name.title(),
        "discriminator": "0",
        "avatar": None,
        "bot": member.bot,
        "public_flags": 0,
        "flags": 0,
    }


def member(world: World, one: Member, *, with_user: bool = True) -> JSON:
    shape: JSON = {
        "roles": list(one.roles),
        "nick": None,
        "avatar": None,
        "joined_at": iso(world.clock.now() - 3600),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
    }
    return {**shape, "user": user(one)} if with_user else shape


def channel(world: World, one: Channel) -> JSON:
    if one.is_thread:
        return thread(world, one)
    return {
        "id": one.id,
        "type": one.type,
        "guild_id": one.guild,
        "name": one.name,
        "topic": one.topic,
        "position": world.guilds[one.guild].channels.index(one.id),
        "nsfw": False,
        "parent_id": None,
        "rate_limit_per_user": one.slow_s,
        "last_message_id": one.messages[-1] if one.messages else None,
        "permission_overwrites": _overwrites(world, one),
        "flags": 0,
    }


def _overwrites(world: World, one: Channel) -> list[JSON]:
    """What differs for the bot in this channel, said the way Discord says it."""
    if one.bits is None:
        return []
    deny = ALL & ~int(one.bits)
    mine = {"id": world.bot_id, "type": 1, "allow": str(int(one.bits)), "deny": str(deny)}
    return [mine]


def thread(world: World, one: Channel) -> JSON:
    shown = [key for key in one.messages if world.messages[key].wire["type"] != 21]
    return {
        "id": one.id,
        "type": one.type,
        "guild_id": one.guild,
        "parent_id": one.parent,
        "owner_id": one.owner,
        "name": one.name,
        "last_message_id": one.messages[-1] if one.messages else None,
        "message_count": len(shown),
        "total_message_sent": len(shown),
        "member_count": len(one.members),
        "rate_limit_per_user": one.slow_s,
        "flags": 0,
        "thread_metadata": {
            "archived": one.archived,
            "locked": one.locked,
            "auto_archive_duration": one.auto_archive,
            "archive_timestamp": iso(one.archived_at),
            "create_timestamp": iso(one.archived_at),
            **({"invitable": True} if one.type == 12 else {}),
        },
        **({"member": thread_member(world, one, world.bot_id)} if world.bot_id in one.members else {}),
    }


def thread_member(world: World, one: Channel, user_id: str) -> JSON:
    return {"id": one.id, "user_id": user_id, "join_timestamp": iso(one.archived_at), "flags": 0}


def guild(world: World, one: Guild) -> JSON:
    return {
        "id": one.id,
        "name": one.name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "owner_id": "1",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "roles": list(one.roles.values()),
        "emojis": [],
        "stickers": [],
        "features": [],
        "mfa_level": 0,
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "vanity_url_code": None,
        "description": None,
        "banner": None,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "public_updates_channel_id": None,
        "nsfw_level": 0,
        "premium_progress_bar_enabled": False,
        "safety_alerts_channel_id": None,
    }


def guild_create(world: World, one: Guild) -> JSON:
    """The guild as the gateway tells it: active threads alone, and the bot as the only member."""
    threads = [c for c in world.channels.values() if c.guild == one.id and c.is_thread and not c.archived]
    return {
        **guild(world, one),
        "joined_at": iso(world.clock.now() - 3600),
        "large": False,
        "unavailable": False,
        "member_count": len(one.members),
        "voice_states": [],
        "members": [member(world, one.members[world.bot_id])],
        "channels": [channel(world, world.channels[key]) for key in one.channels],
        "threads": [thread(world, c) for c in threads],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application_flags(world: World) -> int:
    """What the portal allows, as the application's flags."""
    return CONTENT_LIMITED_FLAG if world.settings.message_content else 0


def application(world: World) -> JSON:
    me = next(iter(world.guilds.values())).members[world.bot_id]
    return {
        "id": world.app_id,
        "name": "howdah",
        "icon": None,
        "description": "",
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": application_flags(world),
        "owner": {**user(me), "bot": False, "username": "owner", "id": "1"},
        "team": None,
        "summary": "",
        "bot": user(me),
    }


def interaction_member(world: World, one: Member) -> JSON:
    return {**member(world, one), "permissions": str(int(one.bits) | PERSON)}


def interaction_channel(world: World, one: Channel, person: Member) -> JSON:
    shape = channel(world, one)
    shape.pop("permission_overwrites", None)
    return {**shape, "permissions": str(int(person.bits) | PERSON)}


def seen_by_bot(world: World, wire: JSON, *, content: bool) -> JSON:
    """The message as the bot gets it: blank where the message content intent is missing."""
    about_bot = any(one["id"] == world.bot_id for one in wire["mentions"])
    if content or about_bot or wire["author"]["id"] == world.bot_id or wire["type"] not in (0, 19, 20, 23):
        return wire
    return {**wire, **BLANKED}


def message(world: World, one: Message) -> JSON:
    """A message as it stands now, with its thread."""
    wire = dict(one.wire)
    made = world.thread_of(one.id)
    if made is not None:
        wire["thread"] = thread(world, made)
        wire["flags"] |= HAS_THREAD
    if "reactions" in wire:
        wire["reactions"] = [{key: one[key] for key in one if key != "by"} for one in wire["reactions"]]
    return wire


def mentions(world: World, guild_id: str, text: str, allowed: JSON | None) -> JSON:
    """Whom a text pings: `mentions`, `mention_roles`, `mention_everyone`."""
    people, roles = re.findall(r"<@!?(\d+)>", text), re.findall(r"<@&(\d+)>", text)
    parse: list[str] = ["users", "roles", "everyone"] if allowed is None else allowed.get("parse", [])
    if "users" not in parse:
        people = [one for one in people if one in (allowed or {}).get("users", [])]
    if "roles" not in parse:
        roles = [one for one in roles if one in (allowed or {}).get("roles", [])]
    found = [world.member(guild_id, one) for one in dict.fromkeys(people)]
    return {
        "mentions": [user(one) for one in found if one is not None],
        "mention_roles": list(dict.fromkeys(roles)),
        "mention_everyone": "everyone" in parse and bool(re.search(r"@(everyone|here)\b", text)),
    }


def components(tree: list[JSON]) -> Iterator[JSON]:
    """Every component of a message or modal, whatever holds it."""
    for one in tree:
        yield one
        yield from components(one.get("components", []))
        for key in ("accessory", "component"):
            if key in one:
                yield from components([one[key]])


def text_of(wire: JSON) -> str:
    """All that a person reads of a message."""
    lines = [wire.get("content", "")]
    for one in wire.get("embeds", []):
        lines += [(one.get("author") or {}).get("name", ""), one.get("title", ""), one.get("description", "")]
        for entry in one.get("fields", []):
            lines += [entry["name"], entry["value"]]
        lines.append((one.get("footer") or {}).get("text", ""))
    lines += [one["content"] for one in components(wire.get("components", [])) if one["type"] == 10]
    return "\n".join(line for line in lines if line)
