"""The limits that Discord holds and its published schema does not say, written out by hand; works alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.chat.discord import overlay_commands, shapes
from tests.chat.discord import overlay_components as parts
from tests.chat.discord.specs import (
    Check,
    Mistake,
    anything,
    both,
    flag,
    items,
    one_of,
    shape,
    snowflake,
    text,
    under,
    whole,
)

CONTENT, EMBEDS, EMBED_SUM, FILES, NONCE = 2000, 10, 6000, 10, 25
SENT_FLAGS = 1 << 2 | 1 << 12 | 1 << 13 | shapes.V2
ARCHIVE = one_of(60, 1440, 4320, 10080)
EMPTY = Mistake("", "EMPTY_MESSAGE", "Cannot send an empty message")
URL = text(1, 2048)

Judged = Callable[[Any, int, int], Iterator[Mistake]]  # body, number of files, the message's flags so far

embed = shape(
    title=text(0, 256),
    type=text(0, 64),
    flags=anything,  # discord.py sends it of its own accord, as it sends `tts` in edits
    description=text(0, 4096),
    url=URL,
    timestamp=text(1, 64),
    color=whole(0, 0xFFFFFF),
    footer=shape("text", text=text(1, 2048), icon_url=URL, proxy_icon_url=URL),
    image=shape("url", url=URL, proxy_url=URL, height=anything, width=anything),
    thumbnail=shape("url", url=URL, proxy_url=URL, height=anything, width=anything),
    video=anything,
    provider=anything,
    author=shape("name", name=text(1, 256), url=URL, icon_url=URL, proxy_icon_url=URL),
    fields=items(shape("name value", name=text(1, 256), value=text(1, 1024), inline=flag), 0, 25),
)


def _parse_excludes(value: Any, path: str) -> Iterator[Mistake]:
    for key in ("users", "roles"):
        if key in (value.get("parse") or []) and value.get(key):
            told = f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.'
            yield Mistake(under(path, "parse"), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", told)


allowed_mentions = both(
    shape(
        parse=items(one_of("users", "roles", "everyone"), 0, 3),
        users=items(snowflake, 0, 100),
        roles=items(snowflake, 0, 100),
        replied_user=flag,
    ),
    _parse_excludes,
)
attachment = shape(
    "id",
    id=snowflake,
    filename=text(1, 1024),
    description=text(0, 1024),
    title=text(0, 1024),
    duration_secs=anything,
    waveform=text(0, 400),
    is_spoiler=flag,
    is_remix=flag,
)


def _nonce(value: Any, path: str) -> Iterator[Mistake]:
    if isinstance(value, int):
        yield from whole(-(1 << 63), (1 << 63) - 1)(value, path)
    else:
        yield from text(0, NONCE)(value, path)


EDITABLE: dict[str, Check] = {
    "content": text(0, CONTENT),
    "embeds": items(embed, 0, EMBEDS),
    "flags": whole(0, (1 << 31) - 1),
    "allowed_mentions": allowed_mentions,
    "components": anything,  # looked at by `_parts`, which knows whether it is version 2
    "attachments": items(attachment, 0, FILES),
    "tts": flag,
}
SENT = {**EDITABLE, "poll": anything}
REFERENCE = shape(
    "message_id",
    type=whole(0, 1),
    message_id=snowflake,
    channel_id=snowflake,
    guild_id=snowflake,
    fail_if_not_exists=flag,
)
message = shape(
    nonce=_nonce,
    enforce_nonce=flag,
    message_reference=REFERENCE,
    sticker_ids=items(snowflake, 0, 3),
    **SENT,
)
edited = shape(sticker_ids=items(snowflake, 0, 3), **EDITABLE)
webhook = shape(username=text(1, 80), avatar_url=URL, thread_name=text(1, 100), applied_tags=anything, **SENT)
webhook_edited = shape(poll=anything, **EDITABLE)
answered = shape(**SENT)


def _sum(body: Any) -> Iterator[Mistake]:
    total = sum(map(embed_size, body.get("embeds") or []))
    if total > EMBED_SUM:
        told = f"Embed size exceeds maximum size of {EMBED_SUM}"
        yield Mistake("embeds", "MAX_EMBED_SIZE_EXCEEDED", told)


def embed_size(one: Any) -> int:
    """The characters of an embed that count for the sum."""
    texts = [one.get("title"), one.get("description")]
    texts += [(one.get("footer") or {}).get("text"), (one.get("author") or {}).get("name")]
    for entry in one.get("fields") or []:
        texts += [entry["name"], entry["value"]]
    return sum(len(each or "") for each in texts)


def _parts(body: Any, flags: int) -> Iterator[Mistake]:
    """The components; those of version 2 exclude content and embeds."""
    components = body.get("components")
    if components is not None:
        check = parts.v2 if flags & shapes.V2 else parts.v1
        found = list(check(components, "components"))
        yield from found or parts.tree(components, "components")
    if flags & shapes.V2:
        for key in ("content", "embeds", "poll", "sticker_ids"):
            if body.get(key):
                told = f"The {key} field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
                yield Mistake(key, code, told)


def is_empty(body: Any, files: int) -> bool:
    """Whether nobody would see anything of the message."""
    embeds = [one for one in body.get("embeds") or [] if any(key not in ("type", "color") for key in one)]
    seen = (body.get("content") or "").strip() or embeds or body.get("components") or files
    return not (seen or body.get("sticker_ids") or body.get("poll"))


def _sent(check: Check, more_flags: int = 0) -> Judged:
    """A new message."""

    def judge(body: Any, files: int, flags: int) -> Iterator[Mistake]:
        found = list(check(body, ""))
        yield from found
        if found:
            return
        flags = body.get("flags") or 0
        if flags & ~(SENT_FLAGS | more_flags):
            yield Mistake("flags", "MESSAGE_FLAGS_INVALID", f"Flags {flags} cannot be set here")
        if files > FILES:
            yield Mistake("attachments", "BASE_TYPE_MAX_LENGTH", f"Must be {FILES} or fewer in length.")
        if is_empty(body, files):
            yield EMPTY
        yield from _sum(body)
        yield from _parts(body, flags)

    return judge


def _changed(check: Check) -> Judged:
    """A change of a message, whose flags are known."""

    def judge(body: Any, files: int, flags: int) -> Iterator[Mistake]:
        found = list(check(body, ""))
        yield from found
        if found:
            return
        yield from _sum(body)
        yield from _parts(body, flags | ((body.get("flags") or 0) & shapes.V2))

    return judge


def _plain(check: Check) -> Judged:
    def judge(body: Any, files: int, flags: int) -> Iterator[Mistake]:
        yield from check(body, "")

    return judge


CHOICE = shape("name value", name=text(1, 100), name_localizations=anything, value=anything)
CHOICES = shape("choices", choices=items(CHOICE, 0, 25))


def _choice_values(body: Any) -> Iterator[Mistake]:
    for index, one in enumerate(body["choices"]):
        if isinstance(one["value"], str) and not 1 <= len(one["value"]) <= 100:
            where = f"choices.{index}.value"
            yield Mistake(where, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")


def callback(body: Any, files: int, flags: int) -> Iterator[Mistake]:
    """A callback, by its type."""
    found = list(shape("type", type=one_of(1, 4, 5, 6, 7, 8, 9, 10, 12), data=anything)(body, ""))
    yield from found
    if found:
        return
    kind, data = body["type"], body.get("data")
    if kind in (4, 8, 9) and data is None:
        yield Mistake("data", "BASE_TYPE_REQUIRED", "This field is required")
        return
    inner: list[Mistake] = []
    if kind == 4:
        inner = list(_sent(answered, shapes.EPHEMERAL)(data, files, 0))
    elif kind == 5:
        inner = list(shape(flags=one_of(0, shapes.EPHEMERAL))(data or {}, ""))
    elif kind == 7:
        inner = list(_changed(answered)(data or {}, files, flags))
    elif kind == 8:
        inner = list(CHOICES(data, "")) or list(_choice_values(data))
    elif kind == 9:
        inner = list(parts.modal(data, ""))
    elif data:
        inner = [Mistake("", "UNKNOWN_KEY", f"A callback of type {kind} has no data")]
    for one in inner:
        yield one if one is EMPTY else one._replace(path=f"data.{one.path}" if one.path else "data")


THREAD_NAME, SLOW = text(1, 100), whole(0, 21600)
THREAD = shape("name", name=THREAD_NAME, auto_archive_duration=ARCHIVE, rate_limit_per_user=SLOW)
FREE_THREAD = shape(
    "name",
    name=THREAD_NAME,
    auto_archive_duration=ARCHIVE,
    rate_limit_per_user=SLOW,
    type=one_of(10, 11, 12),
    invitable=flag,
)
CHANNEL_PATCH = shape(
    name=text(1, 100),
    archived=flag,
    locked=flag,
    invitable=flag,
    auto_archive_duration=ARCHIVE,
    rate_limit_per_user=SLOW,
    flags=whole(0, 1 << 20),
    applied_tags=anything,
    topic=text(0, 1024),
    position=whole(0, 10_000),
    nsfw=flag,
    parent_id=snowflake,
    permission_overwrites=anything,
    default_auto_archive_duration=ARCHIVE,
    default_thread_rate_limit_per_user=SLOW,
    type=whole(0, 15),
)
CHANNEL = shape(
    "name",
    name=text(1, 100),
    type=whole(0, 15),
    topic=text(0, 1024),
    position=whole(0, 10_000),
    nsfw=flag,
    parent_id=snowflake,
    permission_overwrites=anything,
    rate_limit_per_user=SLOW,
    default_auto_archive_duration=ARCHIVE,
)
APP, HOOK = "/applications/{app}", "/webhooks/{app}/{token}"
BODIES: dict[str, Judged] = {
    "POST /channels/{channel}/messages": _sent(message),
    "PATCH /channels/{channel}/messages/{message}": _changed(edited),
    "POST /channels/{channel}/messages/{message}/threads": _plain(THREAD),
    "POST /channels/{channel}/threads": _plain(FREE_THREAD),
    "PATCH /channels/{channel}": _plain(CHANNEL_PATCH),
    "POST /guilds/{guild}/channels": _plain(CHANNEL),
    "POST /interactions/{interaction}/{token}/callback": callback,
    f"POST {HOOK}": _sent(webhook, shapes.EPHEMERAL),
    f"PATCH {HOOK}/messages/{{message}}": _changed(webhook_edited),
}
for _place in (APP, APP + "/guilds/{guild}"):
    BODIES[f"PUT {_place}/commands"] = _plain(overlay_commands.commands)
    BODIES[f"POST {_place}/commands"] = _plain(overlay_commands.command)


def mistakes(route: str, body: Any, *, files: int = 0, flags: int = 0) -> list[Mistake]:
    """Everything wrong with the body of a route (`POST /channels/{channel}/messages`).

    `files` is the number of uploads; `flags` those of the message that is changed.
    """
    judge = BODIES.get(route)
    if judge is None:
        return []
    return list(judge({} if body is None else body, files, flags))
