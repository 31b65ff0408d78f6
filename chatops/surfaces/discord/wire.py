"""Requests to Discord, from any thread, through discord.py's own HTTP client and its rate limits.

Bodies are plain JSON, made in `render`. What Discord refuses becomes one of `surfaces.base`'s errors: what is gone,
what is not allowed, what is too old to be edited; everything that may pass is PlatformDown.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, ClassVar, TypeVar

import aiohttp
import discord
from discord.http import Route

from chatops.surfaces.base import Denied, File, Gone, Own, PlatformDown, Post, Ref, TooOld
from chatops.surfaces.discord import render, tree
from incidents import clock
from incidents.errors import Failed

PATIENCE = 120 * clock.SECOND  # for one request with all its repeats
EPOCH = 1_420_070_400_000  # ms: Discord's ids count from 2015
PAGES = 5  # of 100 messages of a channel's history
AUTO_ARCHIVE = 4320  # minutes
GONE = {10003: "channel", 10004: "channel", 10008: "message", 160005: "locked"}
DENIED = (50001, 50013, 160006, 30003, 30033)
TOO_OLD = 30046
ARCHIVED = 50083
BY_TOKEN = ("/webhooks/", "/interactions/")  # these carry a token of their own, which lives for 15 minutes
THREAD_EXISTS = 160004
NOT_A_PLACE = (50024, 50068)  # a channel of another type: a forum, a voice channel

T = TypeVar("T")


class Unsendable(Failed):
    """Discord does not take this. `number` is its own error code."""

    code = "chat_unsendable"

    def __init__(self, message: str, *, number: int):
        self.number = number
        super().__init__(message)


class Wire:
    """`chatops.surfaces.base.Surface` on the client that is connected at the moment."""

    name: ClassVar[str] = "discord"
    burst: ClassVar[int] = (
        5  # posts a channel takes within `window` (µs): observed, Discord publishes no numbers
    )
    window: ClassVar[int] = 5 * clock.SECOND
    gap: ClassVar[int] = 1_200_000  # µs between two edits, of which a channel takes as many

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self.client: discord.Client | None = None
        self.token_refused = False
        self._pending: set[Future[Any]] = set()
        self.guild: str | None = None  # the one that is served where none is configured
        self.channels: tuple[str, ...] = ()  # where an incident may be shown, the best first

    # -- the surface

    def homes(self, wished: str | None) -> Sequence[str]:
        return tuple(dict.fromkeys(filter(None, (wished, *self.channels))))

    def send(self, channel: str, post: Post, *, nonce: str) -> Ref:
        body = {**render.message(post, say=tree.spoken), "nonce": nonce, "enforce_nonce": True}
        route = ("POST", "/channels/{channel_id}/messages")
        made = self._wait(self._posted(route, {"channel_id": channel}, body, post))
        return Ref(channel, str(made["id"]))

    def edit(self, ref: Ref, post: Post) -> None:
        body = render.message(post, say=tree.spoken)
        route = ("PATCH", "/channels/{channel_id}/messages/{message_id}")
        self._wait(self._posted(route, _ids(ref), body, post))

    def thread(self, ref: Ref, name: str) -> str:
        """A thread that was made from a message before has its id."""
        body = {"name": name, "auto_archive_duration": AUTO_ARCHIVE}
        path = "/channels/{channel_id}/messages/{message_id}/threads"
        try:
            return str(self._wait(self.ask("POST", path, _ids(ref), json=body))["id"])
        except Unsendable as error:
            if error.number != THREAD_EXISTS:
                raise
        return ref.message

    def pin(self, ref: Ref) -> None:
        path = "/channels/{channel_id}/messages/pins/{message_id}"
        self._wait(self.ask("PUT", path, _ids(ref)))

    def unpin(self, ref: Ref) -> None:
        path = "/channels/{channel_id}/messages/pins/{message_id}"
        self._wait(self.ask("DELETE", path, _ids(ref)))

    def rename(self, channel: str, name: str) -> None:
        self._wait(self.ask("PATCH", "/channels/{channel_id}", {"channel_id": channel}, json={"name": name}))

    def remove(self, ref: Ref) -> None:
        self._wait(self.ask("DELETE", "/channels/{channel_id}/messages/{message_id}", _ids(ref)))

    def ours(self, channel: str, since: int) -> list[Own]:
        after = max(0, (since // 1000 - EPOCH - 1000) << 22)  # a second earlier: two clocks
        found: list[Own] = []
        for _ in range(PAGES):
            params = {"limit": "100", "after": str(after)}
            page = self._wait(
                self.ask("GET", "/channels/{channel_id}/messages", {"channel_id": channel}, params=params)
            )
            page = sorted(page, key=lambda message: int(message["id"]))
            found += [
                Own(Ref(channel, str(message["id"])), text_of(message))
                for message in page
                if str(message.get("author", {}).get("id")) == self._own_id()
            ]
            if len(page) < 100:
                break
            after = int(page[-1]["id"])
        return found

    def roles_of(self, guild: str, account: str) -> list[str]:
        """The ids of the roles that a member has."""
        path = "/guilds/{guild_id}/members/{user_id}"
        member = self._wait(self.ask("GET", path, {"guild_id": guild, "user_id": account}))
        return [str(role) for role in member.get("roles") or ()]

    def give_role(self, guild: str, account: str, role: str) -> None:
        self._wait(self.ask("PUT", _ROLE, {"guild_id": guild, "user_id": account, "role_id": role}))

    def take_role(self, guild: str, account: str, role: str) -> None:
        self._wait(self.ask("DELETE", _ROLE, {"guild_id": guild, "user_id": account, "role_id": role}))

    def fetch(self, url: str) -> bytes:
        """What stands at the address of an attachment. Raises Gone, PlatformDown."""
        return self._wait(self._fetch(url))

    async def _fetch(self, url: str) -> bytes:
        client = self.client
        if client is None or client.is_closed():
            raise PlatformDown("Discord is not connected")
        try:
            return await client.http.get_from_cdn(url)
        except (discord.NotFound, discord.Forbidden) as error:
            raise Gone(f"the attachment is there no more ({error.status})", what="message") from None
        except (TimeoutError, discord.HTTPException, aiohttp.ClientError, OSError) as error:
            raise PlatformDown(f"the attachment cannot be fetched: {type(error).__name__}: {error}") from None

    def _own_id(self) -> str:
        return str(self.client.user.id) if self.client is not None and self.client.user is not None else ""

    # -- requests

    async def _posted(
        self, route: tuple[str, str], ids: Mapping[str, str], body: dict[str, Any], post: Post
    ) -> Any:
        """The message, unarchiving its thread first where that is needed; in plain text where Discord refuses it."""
        files = (*render.attachments(post, say=tree.spoken), *post.files)
        try:
            return await self.ask(*route, ids, json=body, files=files)
        except Unsendable as error:
            if error.number == ARCHIVED:
                await self._unarchive(ids)
                return await self.ask(*route, ids, json=body, files=files)
            plain = render.plain(post)
            kept = {name: body[name] for name in ("nonce", "enforce_nonce") if name in body}
            return await self.ask(*route, ids, json={**plain, **kept})

    async def _unarchive(self, ids: Mapping[str, str]) -> None:
        """Raises Gone where the thread is locked."""
        path = "/channels/{channel_id}"
        try:
            await self.ask("PATCH", path, ids, json={"archived": False})
        except Denied:
            found = await self.ask("GET", path, ids)
            if (found.get("thread_metadata") or {}).get("locked"):
                raise Gone("the thread is locked", what="locked") from None
            raise

    async def ask(
        self, method: str, path: str, ids: Mapping[str, str], *, json: Any = None, files: Sequence[File] = (),
        params: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """One request; returns the answer's JSON. Raises Gone, Denied, TooOld, Unsendable, PlatformDown."""
        client = self.client
        if client is None or client.is_closed():
            raise PlatformDown("Discord is not connected")
        given: dict[str, Any] = {}
        if params is not None:
            given["params"] = params
        if files:
            given["form"] = _form(json, files)
        elif json is not None:
            given["json"] = json
        try:
            return await client.http.request(Route(method, path, metadata=None, **ids), **given)
        except discord.HTTPException as error:
            if error.status == 401 and not path.startswith(BY_TOKEN) and not self.token_refused:
                self.token_refused = True
                self._closing = asyncio.ensure_future(client.close())
            raise _meaning(error, f"{method} {path}") from None
        except discord.RateLimited as error:
            raise PlatformDown(f"Discord takes no more for {error.retry_after:.0f} s") from None
        except (TimeoutError, aiohttp.ClientError, OSError, RuntimeError) as error:
            raise PlatformDown(f"Discord cannot be reached: {type(error).__name__}: {error}") from None

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop has ended
            work.close()
            raise PlatformDown("Discord is not connected") from None
        self._pending.add(future)
        try:
            return future.result(PATIENCE / clock.SECOND)
        except (TimeoutError, CancelledError):
            future.cancel()
            raise PlatformDown("Discord does not answer") from None
        finally:
            self._pending.discard(future)

    def close(self) -> None:
        """Nobody waits for an answer any more."""
        for future in tuple(self._pending):
            future.cancel()


_ROLE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"


def _ids(ref: Ref) -> dict[str, str]:
    return {"channel_id": ref.channel, "message_id": ref.message}


def _form(body: Any, files: Sequence[File]) -> list[dict[str, Any]]:
    form = [
        {"name": f"files[{i}]", "value": file.data, "filename": file.name, "content_type": file.media_type}
        for i, file in enumerate(files)
    ]
    described = {**(body or {}), "attachments": [{"id": i, "filename": f.name} for i, f in enumerate(files)]}
    return [{"name": "payload_json", "value": json.dumps(described)}, *form]


def _meaning(error: discord.HTTPException, what: str) -> Exception:
    said = f"Discord refuses it: {error.text or error.status} (error {error.code}, {what})"
    if error.code in GONE:
        return Gone(said, what=GONE[error.code])
    if error.code in DENIED or error.code in NOT_A_PLACE:
        return Denied(said, hint="howdah doctor discord says what is missing")
    if error.code == TOO_OLD:
        return TooOld(said)
    if error.status == 401:
        return PlatformDown("Discord does not know the token any more", hint="howdah doctor discord")
    if error.status == 429 or error.status >= 500:
        return PlatformDown(said)
    if error.status == 404 and error.code == 0:
        return PlatformDown(said)  # no word of Discord's: something between says it
    if error.status == 404:
        return Gone(said, what="message" if "message_id" in what else "channel")
    if error.status == 403:
        return Denied(said, hint="howdah doctor discord says what is missing")
    return Unsendable(said, number=error.code)


def text_of(message: dict[str, Any]) -> str:
    """All that a message of ours says, its content first."""
    parts = [str(message.get("content") or "")]
    for embed in message.get("embeds") or ():
        parts += [str(embed.get("title") or ""), str(embed.get("description") or "")]
    return "\n".join(part for part in parts if part)
