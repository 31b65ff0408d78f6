"""Messages of channels: list, read, post, edit, delete, pins, reactions."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from tests.chat.discord import permissions as may
from tests.chat.discord import posting, shapes
from tests.chat.discord.errors import JSON, ApiError, invalid, refused
from tests.chat.discord.routes import Answer, Call, need, on
from tests.chat.discord.state import Channel, Member, Message, World, iso

MESSAGES = "/channels/{channel}/messages"
OLD_EDITS, OLD_EDITS_S = 3, 20.0  # observed, not documented: edits of messages older than an hour


def me(world: World, channel: Channel) -> Member:
    return world.guilds[channel.guild].members[world.bot_id]


def shown(world: World, kept: Message) -> JSON:
    """A message as REST gives it to the bot."""
    wire = posting.fresh(world, shapes.message(world, kept))
    return shapes.seen_by_bot(world, wire, content=world.settings.message_content)


def check_writing(world: World, channel: Channel, body: JSON, files: list[Any]) -> None:
    """50001, 50013, 160005, 20016: whether the bot may post this here."""
    bits = world.bits(channel)
    if channel.is_thread:
        need(world, channel, may.SEND_MESSAGES_IN_THREADS)
        if channel.locked and not bits.has(may.MANAGE_THREADS):
            raise refused(160005)
    else:
        need(world, channel, may.SEND_MESSAGES)
    if body.get("embeds"):
        need(world, channel, may.EMBED_LINKS)
    if files:
        need(world, channel, may.ATTACH_FILES)
    last = world.last_post.get((channel.id, world.bot_id), float("-inf"))
    wait = channel.slow_s - (world.clock.steady() - last)
    if channel.slow_s and wait > 0 and not bits.has(may.BYPASS_SLOWMODE):
        raise refused(20016, retry_after=round(wait, 3))


@on("GET", MESSAGES)
def listed(call: Call) -> list[JSON]:
    world, channel = call.world, call.channel()
    if not world.bits(channel).has(may.READ_MESSAGE_HISTORY):
        return []
    limit = call.number("limit", 50, 100)
    ids = channel.messages
    if "after" in call.query:
        found = [key for key in ids if int(key) > int(call.query["after"])][:limit]
    elif "around" in call.query:
        middle = int(call.query["around"])
        earlier = [key for key in ids if int(key) < middle][-(limit // 2) :]
        found = earlier + [key for key in ids if int(key) >= middle][: limit - len(earlier)]
    else:
        before = int(call.query.get("before") or 1 << 63)
        found = [key for key in ids if int(key) < before][-limit:]
    return [shown(world, world.messages[key]) for key in reversed(found)]


@on("POST", MESSAGES)
def posted(call: Call) -> JSON:
    world, channel, body = call.world, call.channel(), call.json
    again = repeated(world, body)
    if again is not None:
        return shown(world, again)
    check_writing(world, channel, body, call.files)
    kept = posting.post(world, channel, me(world, channel), body, call.files)
    world.last_post[channel.id, world.bot_id] = world.clock.steady()
    if body.get("enforce_nonce") and body.get("nonce") is not None:
        world.nonces[str(body["nonce"])] = (world.clock.now(), kept.id)
    return shown(world, kept)


def repeated(world: World, body: JSON) -> Message | None:
    """The message that this nonce made within the window, if it still exists.

    The documentation speaks of the author alone, so a nonce counts over all channels.
    """
    if not body.get("enforce_nonce") or body.get("nonce") is None:
        return None
    at, message_id = world.nonces.get(str(body["nonce"]), (float("-inf"), ""))
    if world.clock.now() - at >= world.settings.nonce_s:
        return None
    return world.messages.get(message_id)


PINS_NEW, PINS_OLD = MESSAGES + "/pins", "/channels/{channel}/pins"


@on("GET", PINS_NEW)
def pins(call: Call) -> JSON:
    world, channel = call.world, call.channel()
    if not world.bits(channel).has(may.READ_MESSAGE_HISTORY):
        return {"items": [], "has_more": False}
    limit, before = call.number("limit", 50, 50), call.query.get("before")
    found = [kept for kept in pinned(world, channel) if before is None or iso(kept.pinned_at) < before]
    items = [{"pinned_at": iso(kept.pinned_at), "message": shown(world, kept)} for kept in found[:limit]]
    return {"items": items, "has_more": len(found) > limit}


@on("GET", PINS_OLD)
def pins_before(call: Call) -> list[JSON]:
    world, channel = call.world, call.channel()
    return [shown(world, kept) for kept in pinned(world, channel)[:50]]


def pinned(world: World, channel: Channel) -> list[Message]:
    """The pinned messages of a channel, the newest pin first."""
    kept = [world.messages[key] for key in channel.messages if world.messages[key].pinned_at]
    return sorted(kept, key=lambda one: one.pinned_at, reverse=True)


@on("PUT", PINS_OLD + "/{message}")
@on("PUT", PINS_NEW + "/{message}")
def pin(call: Call) -> None:
    world = call.world
    channel = call.channel(may.PIN_MESSAGES)
    kept = world.message(channel.id, call.params["message"])
    if not kept.pinned_at:
        set_pin(world, channel, kept, me(world, channel))


def set_pin(world: World, channel: Channel, kept: Message, by: Member) -> None:
    if channel.archived:
        raise refused(50083)
    if len(pinned(world, channel)) >= world.settings.pins:
        raise refused(30003)
    kept.pinned_at = world.clock.now()
    kept.wire["pinned"] = True
    tell_pins(world, channel, kept)
    where = {"type": 0, "channel_id": channel.id, "message_id": kept.id, "guild_id": channel.guild}
    posting.post(world, channel, by, {}, type=posting.PINNED, message_reference=where)


@on("DELETE", PINS_OLD + "/{message}")
@on("DELETE", PINS_NEW + "/{message}")
def unpin(call: Call) -> None:
    world = call.world
    channel = call.channel(may.PIN_MESSAGES)
    kept = world.message(channel.id, call.params["message"])
    kept.pinned_at, kept.wire["pinned"] = 0.0, False
    tell_pins(world, channel, kept)


def tell_pins(world: World, channel: Channel, kept: Message) -> None:
    posting.tell(world, "MESSAGE_UPDATE", kept)
    last = max((one.pinned_at for one in pinned(world, channel)), default=0.0)
    stamp = iso(last) if last else None
    where = {"guild_id": channel.guild, "channel_id": channel.id, "last_pin_timestamp": stamp}
    world.dispatch("CHANNEL_PINS_UPDATE", where)
    world.changed()


@on("GET", MESSAGES + "/{message}")
def read(call: Call) -> JSON:
    channel = call.channel(may.READ_MESSAGE_HISTORY)
    return shown(call.world, call.world.message(channel.id, call.params["message"]))


@on("PATCH", MESSAGES + "/{message}")
def edited(call: Call) -> JSON:
    world, channel = call.world, call.channel()
    kept = world.message(channel.id, call.params["message"])
    if kept.wire["author"]["id"] != world.bot_id and set(call.json) - {"flags"}:
        raise refused(50005)
    if kept.wire["type"] in (posting.PINNED, posting.THREAD_CREATED, posting.STARTER):
        raise refused(50021)
    if channel.archived:
        raise refused(50083)
    if call.json.get("embeds"):
        need(world, channel, may.EMBED_LINKS)
    _count_old_edit(world, kept)
    return shown(world, posting.edit(world, kept, call.json, call.files))


def _count_old_edit(world: World, kept: Message) -> None:
    """30046: a message older than an hour takes few edits."""
    now = world.clock.now()
    if now - kept.at <= world.settings.edit_free_s:
        return
    recent = [at for at in world.old_edits.get(kept.channel, []) if now - at < OLD_EDITS_S]
    if len(recent) >= OLD_EDITS:
        wait = round(OLD_EDITS_S - (now - recent[0]), 3)
        raise refused(30046, retry_after=wait, **{"global": False})
    world.old_edits[kept.channel] = [*recent, now]


@on("DELETE", MESSAGES + "/{message}")
def deleted(call: Call) -> None:
    world, channel = call.world, call.channel()
    kept = world.message(channel.id, call.params["message"])
    if kept.wire["author"]["id"] != world.bot_id:
        need(world, channel, may.MANAGE_MESSAGES)
    if channel.archived:
        raise refused(50083)
    posting.remove(world, kept)


REACTIONS = MESSAGES + "/{message}/reactions/{emoji}"


@on("PUT", REACTIONS + "/@me")
def react(call: Call) -> None:
    world = call.world
    channel = call.channel(may.READ_MESSAGE_HISTORY)
    kept = world.message(channel.id, call.params["message"])
    emoji = unquote(call.params["emoji"])
    if all(ord(letter) < 256 and letter not in "©®" for letter in emoji):
        raise refused(10014)
    if not any(one["emoji"]["name"] == emoji for one in kept.wire.get("reactions", [])):
        need(world, channel, may.ADD_REACTIONS)
    if channel.archived:
        raise refused(50083)
    set_reaction(world, kept, me(world, channel), emoji)


def set_reaction(world: World, kept: Message, by: Member, emoji: str) -> None:
    """The member's reaction is on the message; dispatched with ids alone, as Discord does."""
    reactions = kept.wire.setdefault("reactions", [])
    found = next((one for one in reactions if one["emoji"]["name"] == emoji), None)
    if found is None:
        found = {"emoji": {"id": None, "name": emoji}, "count": 0, "me": False, "me_burst": False,
                 "burst_colors": [], "count_details": {"normal": 0, "burst": 0}, "by": []}  # fmt: skip
        reactions.append(found)
    if by.id in found["by"]:
        return
    found["by"].append(by.id)
    _recount(world, found)
    tell_reaction(world, "MESSAGE_REACTION_ADD", kept, by, emoji)


def clear_reaction(world: World, kept: Message, by: Member, emoji: str) -> None:
    reactions = kept.wire.get("reactions", [])
    found = next((one for one in reactions if one["emoji"]["name"] == emoji), None)
    if found is None or by.id not in found["by"]:
        return
    found["by"].remove(by.id)
    _recount(world, found)
    if not found["by"]:
        reactions.remove(found)
    tell_reaction(world, "MESSAGE_REACTION_REMOVE", kept, by, emoji)


def _recount(world: World, reaction: JSON) -> None:
    reaction["count"] = len(reaction["by"])
    reaction["count_details"] = {"normal": reaction["count"], "burst": 0}
    reaction["me"] = world.bot_id in reaction["by"]


def tell_reaction(world: World, event: str, kept: Message, by: Member, emoji: str) -> None:
    data: JSON = {
        "user_id": by.id,
        "channel_id": kept.channel,
        "message_id": kept.id,
        "guild_id": by.guild,
        "emoji": {"id": None, "name": emoji},
        "burst": False,
        "type": 0,
    }
    if event.endswith("ADD"):
        data |= {"member": shapes.member(world, by), "message_author_id": kept.wire["author"]["id"]}
    world.dispatch(event, data)
    world.changed()


@on("DELETE", REACTIONS + "/{user}")
def unreact(call: Call) -> None:
    world, channel = call.world, call.channel()
    kept = world.message(channel.id, call.params["message"])
    user_id = call.params["user"].replace("@me", world.bot_id)
    if user_id != world.bot_id:
        need(world, channel, may.MANAGE_MESSAGES)
    by = world.member(channel.guild, user_id)
    if by is None:
        raise refused(10013)
    clear_reaction(world, kept, by, unquote(call.params["emoji"]))


@on("GET", REACTIONS)
def reacted(call: Call) -> list[JSON]:
    world, channel = call.world, call.channel()
    kept = world.message(channel.id, call.params["message"])
    emoji = unquote(call.params["emoji"])
    by = [one["by"] for one in kept.wire.get("reactions", []) if one["emoji"]["name"] == emoji]
    found = [world.member(channel.guild, user_id) for user_id in (by[0] if by else [])]
    return [shapes.user(one) for one in found if one is not None]


@on("POST", "/channels/{channel}/typing")
def typing(call: Call) -> None:
    call.channel()


def bad_snowflake(call: Call) -> ApiError | None:
    """A path whose ids are not ids is 50035, before anything is looked for."""
    wrong = [
        (name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
        for name, value in call.params.items()
        if name in ("channel", "guild", "message", "user") and value not in ("@me", "@original", "pins")
        if not value.isdigit()
    ]
    return invalid(*wrong) if wrong else None


__all__ = ["Answer", "check_writing", "me", "set_pin", "set_reaction", "shown"]
