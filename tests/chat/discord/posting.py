"""How a message comes to be and changes, whoever writes it: bot, webhook, person or Discord itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tests.chat.discord import shapes
from tests.chat.discord.errors import JSON, invalid, refused
from tests.chat.discord.overlay import is_empty
from tests.chat.discord.permissions import VIEW_CHANNEL
from tests.chat.discord.routes import File
from tests.chat.discord.state import Channel, Member, Message, World, iso

SUPPRESS = 1 << 2
STICKY_FLAGS = SUPPRESS | 1 << 12 | shapes.V2 | shapes.EPHEMERAL
STARTER, PINNED, THREAD_CREATED = 21, 6, 18
VISIBLE = ("content", "embeds", "components")


def post(
    world: World, channel: Channel, author: Member, body: JSON, files: Sequence[File] = (), **more: Any
) -> Message:
    """A new message in the channel, dispatched to whoever may see it; `more` joins the wire form."""
    if channel.archived and not more.get("flags_extra", 0) & shapes.EPHEMERAL:
        channel.archived = False
        world.dispatch("THREAD_UPDATE", shapes.thread(world, channel))
    for_person = more.pop("for_person", "")
    flags = body.get("flags") or 0
    now = world.clock.now()
    message_id = world.new_id()
    wire: JSON = {
        "id": message_id,
        "channel_id": channel.id,
        "type": more.pop("type", 0),
        "author": shapes.user(author),
        "content": body.get("content") or "",
        "timestamp": iso(now),
        "edited_timestamp": None,
        "tts": bool(body.get("tts")),
        "pinned": False,
        "flags": (flags & STICKY_FLAGS) | more.pop("flags_extra", 0),
        "embeds": [embed(one) for one in body.get("embeds") or []],
        "components": numbered(body.get("components") or []),
        "attachments": [],
        **shapes.mentions(world, channel.guild, body.get("content") or "", body.get("allowed_mentions")),
    }
    wire["attachments"] = attach(world, channel.id, message_id, body.get("attachments"), files, [])
    if body.get("nonce") is not None:
        wire["nonce"] = body["nonce"]
    wire.update(reference(world, channel, body))
    wire.update(more)
    kept = Message(wire, now, for_person)
    world.messages[message_id] = kept
    if channel.is_thread and not for_person:
        channel.members.add(author.id)
    if not for_person:
        channel.messages.append(message_id)
        tell(world, "MESSAGE_CREATE", kept)
    world.changed()
    return kept


def edit(world: World, kept: Message, body: JSON, files: Sequence[File] = ()) -> Message:
    """The message with what the body names changed; 50006 when nothing would be left of it."""
    wire = kept.wire
    attached = wire["attachments"] if body.get("attachments") is None else body["attachments"]
    if is_empty({**{key: wire[key] for key in VISIBLE}, **body}, len(files) + len(attached)):
        raise refused(50006)
    channel = world.channel(kept.channel)
    if "content" in body:
        wire["content"] = body["content"] or ""
    if "embeds" in body:
        wire["embeds"] = [embed(one) for one in body["embeds"] or []]
    if "components" in body:
        wire["components"] = numbered(body["components"] or [])
    if body.get("flags") is not None:
        wire["flags"] = (wire["flags"] & ~SUPPRESS) | (body["flags"] & (SUPPRESS | shapes.V2))
    if body.get("attachments") is not None or files:
        old = wire["attachments"]
        kept_ones = body["attachments"] if body.get("attachments") is not None else old
        wire["attachments"] = attach(world, kept.channel, kept.id, kept_ones, files, old)
    wire.update(shapes.mentions(world, channel.guild, wire["content"], body.get("allowed_mentions")))
    wire["edited_timestamp"] = world.clock.stamp()
    tell(world, "MESSAGE_UPDATE", kept)
    world.changed()
    return kept


def remove(world: World, kept: Message) -> None:
    """The message is gone, with its pin; a thread made from it stays."""
    del world.messages[kept.id]
    channel = world.channels.get(kept.channel)
    if channel is not None and kept.id in channel.messages:
        channel.messages.remove(kept.id)
        where = {"id": kept.id, "channel_id": kept.channel, "guild_id": channel.guild}
        world.dispatch("MESSAGE_DELETE", where)
    world.changed()


def tell(world: World, event: str, kept: Message) -> None:
    """Dispatches the message, unless the bot may not see it; ephemeral ones are never told."""
    channel = world.channel(kept.channel)
    if kept.for_person or not world.bits(channel).has(VIEW_CHANNEL):
        return
    wire = {**shapes.message(world, kept), "guild_id": channel.guild}
    author = world.member(channel.guild, wire["author"]["id"])
    if author is not None:
        wire["member"] = shapes.member(world, author, with_user=False)
    world.dispatch(event, wire)


def embed(one: JSON) -> JSON:
    return {"type": "rich", **{key: value for key, value in one.items() if value is not None}}


def numbered(components: list[JSON]) -> list[JSON]:
    """The components with the integer ids that Discord gives to those that have none."""
    count = 0

    def walk(one: JSON) -> JSON:
        nonlocal count
        count += 1
        shape = {**one, "id": one.get("id") or count}
        for key in ("components", "items"):
            if key in one and key == "components":
                shape[key] = [walk(child) for child in one[key]]
        for key in ("accessory", "component"):
            if key in one:
                shape[key] = walk(one[key])
        return shape

    return [walk(one) for one in components]


def attach(
    world: World, channel_id: str, message_id: str, named: Any, files: Sequence[File], old: list[JSON]
) -> list[JSON]:
    """The attachments of a message: those of `old` that are named again, then the new files."""
    known = {one["id"]: one for one in old}
    notes = {str(one.get("id")): one for one in named or [] if isinstance(one, dict)}
    result = [known[key] for key in notes if key in known]
    for file in files:
        match = re.fullmatch(r"files\[(\d+)\]|file", file.field)
        number = match.group(1) or "0" if match else "0"
        if len(file.content) > world.settings.file_bytes:
            raise refused(50045)
        note = notes.get(number, {})
        attachment_id = world.new_id()
        name = re.sub(r"[^\w.\-]", "_", str(note.get("filename") or file.name))
        world.files[attachment_id, name] = file.content
        result.append(
            {
                "id": attachment_id,
                "filename": name,
                "size": len(file.content),
                "content_type": file.media_type,
                "url": link(world, channel_id, attachment_id, name),
                "proxy_url": link(world, channel_id, attachment_id, name),
                **({"description": note["description"]} if note.get("description") else {}),
            }
        )
    missing = [key for key in notes if key not in known and not _has_file(key, files)]
    if missing:
        raise invalid(
            ("attachments.0", "ATTACHMENT_NOT_FOUND", f"Attachment data for {missing[0]} not found")
        )
    return result


def _has_file(number: str, files: Sequence[File]) -> bool:
    return any(file.field in (f"files[{number}]", "file") for file in files)


def link(world: World, channel_id: str, attachment_id: str, name: str) -> str:
    """A signed address of an attachment, good for `link_s`."""
    begun = int(world.clock.now())
    expires = f"{begun + int(world.settings.link_s):x}"
    mark = signature(attachment_id, expires)
    where = f"{world.origin}/attachments/{channel_id}/{attachment_id}/{quote(name)}"
    return f"{where}?ex={expires}&is={begun:x}&hm={mark}&"


def signature(attachment_id: str, expires: str) -> str:
    return hashlib.sha256(f"{attachment_id}:{expires}".encode()).hexdigest()


def fresh(world: World, wire: JSON) -> JSON:
    """The message with links that are good from now on, as fetching it gives."""
    channel_id = wire["channel_id"]
    again = []
    for one in wire["attachments"]:
        address = link(world, channel_id, one["id"], one["filename"])
        again.append({**one, "url": address, "proxy_url": address})
    return {**wire, "attachments": again}


def reference(world: World, channel: Channel, body: JSON) -> JSON:
    """The part of a reply."""
    asked = body.get("message_reference")
    if not asked:
        return {}
    target = world.messages.get(str(asked.get("message_id")))
    if target is None or target.channel != channel.id:
        if asked.get("fail_if_not_exists", True):
            raise invalid(("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message"))
        return {}
    where = {"type": 0, "message_id": target.id, "channel_id": channel.id, "guild_id": channel.guild}
    return {"type": 19, "message_reference": where, "referenced_message": shapes.message(world, target)}
