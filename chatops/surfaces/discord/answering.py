"""How an interaction is answered: first of all acknowledged, then the work, then what came of it.

Discord wants the first answer within 3 s; the work follows in a thread, and its answer is an edit that the person
alone sees. Where that cannot be any more it is said in the channel, and calls them. What somebody else has answered
first (a second bot with the same token has every delivery too) is carried out only where this record knows it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import discord

from chatops import dispatch
from chatops.surfaces.base import File
from chatops.surfaces.discord import render, tree
from chatops.surfaces.discord.wire import Unsendable, text_of
from chatops.vocabulary import Reply
from incidents import clock
from incidents.errors import HowdahError

if TYPE_CHECKING:
    from chatops.rooms import Rooms
    from chatops.surfaces.discord.front import DiscordFront
    from chatops.surfaces.discord.wire import Wire
    from chatops.vocabulary import Call

EXPIRED = (10062, 50027, 10015)  # the interaction's token is good no more
ANSWERED = 40060
LOADING = 1 << 7  # flag of an answer that is still `thinking…`
ELSEWHERE = 6.0  # seconds after which an answer that nobody gave is given up
ROOM_WITHIN = 3.0  # seconds that the answer to a declaration waits for the incident's thread

T = TypeVar("T")
Interaction = discord.Interaction[Any]


class Answers:
    """`pool` is where commands are carried out."""

    def __init__(self, call: Call, wire: Wire, rooms: Rooms, pool: ThreadPoolExecutor):
        self._call, self._wire, self._rooms, self._pool = call, wire, rooms, pool
        self._store = call.store

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def answer(
        self,
        interaction: Interaction,
        work: Callable[[], Reply | dict[str, Any]],
        front: DiscordFront,
        key: str | None = None,
    ) -> None:
        """Acknowledges, does the work, tells what came of it, and what `front` was told beside it.

        `key` is what the work is known by, the interaction's own unless it is another.
        """
        first = await self._acknowledge(interaction)
        try:
            if first is None and not await self.in_thread(lambda: self._knows(key, interaction.id)):
                await self._leave(interaction)
                return
            reply = await self.in_thread(work)
        except HowdahError as error:
            reply = dispatch.failure(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours is one line for the person, as in dispatch
            reply = dispatch.unexpected(error)
        await self._tell(interaction, reply, front, first is not False)

    def _knows(self, key: str | None, id: int) -> bool:
        """Whether something of this delivery is recorded here: then the answer of before was our own."""
        from incidents import ids
        from runbooks import consent

        own = f"discord:{id}"
        store = self._store
        if any(store.by_key(one) or store.run(ids.run_name_of(one)) for one in {own, key or own}):
            return True
        return consent.given_before(store, own) is not None

    async def _leave(self, interaction: Interaction) -> None:
        """Somebody else has answered first: a second bot with this token, or this one before it was killed."""
        self._call.warn(
            f"interaction {interaction.id} was answered already, and not from this record: nothing was carried out"
            " (is a second bot running with the same token?)"
        )
        await asyncio.sleep(ELSEWHERE)
        path = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
        ids = {"webhook_id": str(interaction.application_id), "webhook_token": interaction.token}
        with contextlib.suppress(HowdahError):
            answer = await self._wire.ask("GET", path, ids)
            if int(answer.get("flags", 0)) & LOADING:
                words = "howdah was stopped at this moment: nothing of this was recorded. Say it again."
                await self._wire.ask("PATCH", path, ids, json=render.words_alone(words))

    async def _acknowledge(self, interaction: Interaction) -> bool | None:
        """Whether the person can still be answered alone; None where somebody has answered them already."""
        if interaction.response.is_done():
            return True
        try:
            await interaction.response.defer(ephemeral=True, thinking=True)
        except discord.HTTPException as error:
            return None if error.code == ANSWERED else False
        except Exception:  # noqa: BLE001 - a connection that was cut: what was asked is done, the edit shows the rest
            return True
        return True

    async def _tell(
        self, interaction: Interaction, reply: Reply | dict[str, Any], front: DiscordFront, acked: bool
    ) -> None:
        files: tuple[File, ...] = ()
        if isinstance(reply, Reply):
            beside = tuple(front.beside)
            body, files = await self.in_thread(lambda: render.reply(reply, beside=beside, say=tree.spoken))
            await self._point_to_room(reply, front, body)
        else:
            body = reply
        if acked and await self._edit_answer(interaction, body, files):
            return
        with contextlib.suppress(HowdahError):
            await self.say_aloud(front, body, interaction.id, files)

    async def _edit_answer(
        self, interaction: Interaction, body: dict[str, Any], files: tuple[File, ...]
    ) -> bool:
        path = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
        ids = {"webhook_id": str(interaction.application_id), "webhook_token": interaction.token}
        try:
            await self._wire.ask("PATCH", path, ids, json=body, files=files)
        except Unsendable as error:
            return error.number not in EXPIRED and await self._edit_plainly(path, ids, body)
        except HowdahError:
            return False
        return True

    async def _edit_plainly(self, path: str, ids: dict[str, str], body: dict[str, Any]) -> bool:
        """Discord does not take the answer as it is drawn: its words alone."""
        with contextlib.suppress(HowdahError):
            await self._wire.ask("PATCH", path, ids, json=render.words_alone(text_of(body)))
            return True
        return False

    async def say_aloud(
        self, front: DiscordFront, body: dict[str, Any], id: int, files: tuple[File, ...] = ()
    ) -> None:
        """The answer came too late for the person alone: it goes into the channel, and calls them."""
        said = render.aloud(body, front.account)
        ids = {"channel_id": front.place.here}
        nonce = {"nonce": f"{id}"[:25], "enforce_nonce": True}
        await self._wire.ask(
            "POST", "/channels/{channel_id}/messages", ids, json={**said, **nonce}, files=files
        )

    async def _point_to_room(self, reply: Reply, front: DiscordFront, body: dict[str, Any]) -> None:
        """The answer to a declaration names the incident's thread."""
        about = (reply.document or {}).get("event", {})
        if not isinstance(about, dict) or about.get("kind") != "incident.declared":
            return
        until = clock.monotonic() + int(ROOM_WITHIN * clock.SECOND)
        while (room := self._rooms.of(str(about.get("stream")))) is None and clock.monotonic() < until:
            await asyncio.sleep(0.05)
        if room is not None and room.thread != front.place.here:
            body["content"] = f"{body.get('content', '')}\n<#{room.thread}>".strip()
