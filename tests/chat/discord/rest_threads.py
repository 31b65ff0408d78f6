"""Threads: from a message and without one, archived, locked, with members."""

from __future__ import annotations

from tests.chat.discord import permissions as may
from tests.chat.discord import posting, shapes
from tests.chat.discord.errors import JSON, invalid, refused
from tests.chat.discord.rest_messages import MESSAGES, me
from tests.chat.discord.routes import Answer, Call, need, on
from tests.chat.discord.state import PRIVATE_THREAD, PUBLIC_THREAD, Channel, Message, World, iso

ARCHIVE_MINUTES = (60, 1440, 4320, 10080)


def make(world: World, parent: Channel, thread_id: str, kind: int, body: JSON) -> Channel:
    active = [one for one in world.channels.values() if one.is_thread and not one.archived]
    if sum(one.guild == parent.guild for one in active) >= world.settings.active_threads:
        raise refused(160006)
    made = Channel(thread_id, parent.guild, body["name"], kind, parent=parent.id, owner=world.bot_id)
    made.auto_archive = body.get("auto_archive_duration") or 1440
    made.archived_at = world.clock.now()
    made.slow_s = body.get("rate_limit_per_user") or 0
    made.members.add(world.bot_id)
    world.channels[thread_id] = made
    world.dispatch("THREAD_CREATE", {**shapes.thread(world, made), "newly_created": True})
    return made


@on("POST", MESSAGES + "/{message}/threads")
def from_message(call: Call) -> Answer:
    world = call.world
    channel = call.channel(may.CREATE_PUBLIC_THREADS)
    if channel.is_thread:
        raise refused(50024)
    kept = world.message(channel.id, call.params["message"])
    if world.thread_of(kept.id) is not None:
        raise refused(160004)
    made = make(world, channel, kept.id, PUBLIC_THREAD, call.json)
    where = {"type": 0, "channel_id": channel.id, "message_id": kept.id, "guild_id": channel.guild}
    author = world.member(channel.guild, kept.wire["author"]["id"]) or me(world, channel)
    posting.post(world, made, author, {}, type=posting.STARTER, message_reference=where)
    posting.tell(world, "MESSAGE_UPDATE", kept)
    return Answer(201, shapes.thread(world, made))


@on("POST", "/channels/{channel}/threads")
def without_message(call: Call) -> Answer:
    world, body = call.world, call.json
    kind = body.get("type", PRIVATE_THREAD)
    channel = call.channel(
        may.CREATE_PRIVATE_THREADS if kind == PRIVATE_THREAD else may.CREATE_PUBLIC_THREADS
    )
    if channel.is_thread:
        raise refused(50024)
    made = make(world, channel, world.new_id(), kind, body)
    if kind == PUBLIC_THREAD:
        where = {"channel_id": made.id, "guild_id": channel.guild}
        named = {"content": made.name}
        author = me(world, channel)
        posting.post(world, channel, author, named, type=posting.THREAD_CREATED, message_reference=where)
    return Answer(201, shapes.thread(world, made))


def change(call: Call, thread: Channel) -> JSON:
    """PATCH of a thread: its owner may archive and rename, locking needs MANAGE_THREADS."""
    world, body = call.world, call.json
    bits = world.bits(thread)
    manages = bits.has(may.MANAGE_THREADS)
    wanted = {key: body[key] for key in body if body[key] is not None}
    if thread.archived and wanted.get("archived") is not False:
        raise refused(50083)
    if not manages:
        owner = thread.owner == world.bot_id
        opening = wanted == {"archived": False} and not thread.locked
        if "locked" in wanted or thread.locked or not (owner or opening):
            raise refused(50013)
        need(world, thread, may.SEND_MESSAGES_IN_THREADS)
    if wanted.get("auto_archive_duration", 60) not in ARCHIVE_MINUTES:
        text = f"Value must be one of {{{', '.join(map(str, ARCHIVE_MINUTES))}}}."
        raise invalid(("auto_archive_duration", "BASE_TYPE_CHOICES", text))
    thread.name = wanted.get("name", thread.name)
    thread.locked = wanted.get("locked", thread.locked)
    thread.auto_archive = wanted.get("auto_archive_duration", thread.auto_archive)
    thread.slow_s = wanted.get("rate_limit_per_user", thread.slow_s)
    set_archived(world, thread, wanted.get("archived", thread.archived))
    return shapes.thread(world, thread)


def set_archived(world: World, thread: Channel, archived: bool) -> None:
    if archived != thread.archived:
        thread.archived, thread.archived_at = archived, world.clock.now()
    world.dispatch("THREAD_UPDATE", shapes.thread(world, thread))
    world.changed()


def _thread(call: Call) -> Channel:
    found = call.channel()
    if not found.is_thread:
        raise refused(50024)
    return found


def _user(call: Call) -> str:
    return call.params["user"].replace("@me", call.world.bot_id)


@on("GET", "/channels/{channel}/thread-members")
def members(call: Call) -> list[JSON]:
    thread = _thread(call)
    return [shapes.thread_member(call.world, thread, one) for one in sorted(thread.members)]


@on("GET", "/channels/{channel}/thread-members/{user}")
def member(call: Call) -> JSON:
    thread, user_id = _thread(call), _user(call)
    if user_id not in thread.members:
        raise refused(10007)
    return shapes.thread_member(call.world, thread, user_id)


@on("PUT", "/channels/{channel}/thread-members/{user}")
def join(call: Call) -> None:
    thread, user_id = _thread(call), _user(call)
    if thread.archived:
        raise refused(50083)
    if call.world.member(thread.guild, user_id) is None:
        raise refused(10013)
    if user_id != call.world.bot_id:
        need(call.world, thread, may.SEND_MESSAGES_IN_THREADS)
    thread.members.add(user_id)
    _tell_members(call.world, thread, added=user_id)


@on("DELETE", "/channels/{channel}/thread-members/{user}")
def leave(call: Call) -> None:
    thread, user_id = _thread(call), _user(call)
    if thread.archived:
        raise refused(50083)
    if user_id != call.world.bot_id:
        need(call.world, thread, may.MANAGE_THREADS)
    thread.members.discard(user_id)
    _tell_members(call.world, thread, removed=user_id)


def _tell_members(world: World, thread: Channel, *, added: str = "", removed: str = "") -> None:
    data: JSON = {"id": thread.id, "guild_id": thread.guild, "member_count": len(thread.members)}
    if added:
        one = world.guilds[thread.guild].members[added]
        shape = {**shapes.thread_member(world, thread, added), "member": shapes.member(world, one)}
        data["added_members"] = [{**shape, "presence": None}]
    if removed:
        data["removed_member_ids"] = [removed]
    world.dispatch("THREAD_MEMBERS_UPDATE", data)
    world.changed()


@on("GET", "/guilds/{guild}/threads/active")
def active(call: Call) -> JSON:
    world, guild = call.world, call.world.guild(call.params["guild"])
    found = [
        one
        for one in world.channels.values()
        if one.guild == guild.id
        and one.is_thread
        and not one.archived
        and world.bits(one).has(may.VIEW_CHANNEL)
    ]
    return _list(world, found)


@on("GET", "/channels/{channel}/threads/archived/public")
def archived(call: Call) -> JSON:
    world = call.world
    channel = call.channel(may.READ_MESSAGE_HISTORY)
    before = call.query.get("before", "9")
    found = [
        one
        for one in world.channels.values()
        if one.parent == channel.id and one.type == PUBLIC_THREAD and one.archived
        and iso(one.archived_at) < before
    ]  # fmt: skip
    found.sort(key=lambda one: one.archived_at, reverse=True)
    limit = call.number("limit", 50, 100)
    return {**_list(world, found[:limit]), "has_more": len(found) > limit}


def _list(world: World, found: list[Channel]) -> JSON:
    mine = [shapes.thread_member(world, one, world.bot_id) for one in found if world.bot_id in one.members]
    return {"threads": [shapes.thread(world, one) for one in found], "members": mine}


def forget(world: World, channel: Channel) -> None:
    """A channel or thread is gone, with its messages and threads."""
    for one in [one for one in world.channels.values() if one.parent == channel.id]:
        forget(world, one)
    shape = shapes.channel(world, channel)
    gone: list[Message] = [kept for kept in world.messages.values() if kept.channel == channel.id]
    for kept in gone:
        del world.messages[kept.id]
    del world.channels[channel.id]
    if channel.is_thread:
        where = {
            "id": channel.id,
            "guild_id": channel.guild,
            "parent_id": channel.parent,
            "type": channel.type,
        }
        world.dispatch("THREAD_DELETE", where)
    else:
        world.guilds[channel.guild].channels.remove(channel.id)
        world.dispatch("CHANNEL_DELETE", shape)
    world.changed()
