"""The connection to Discord: kept, counted, and begun anew when it does not come back by itself.

discord.py reconnects and resumes; what it lacks is here: a breaker around remote closes, a bound on the wait for
READY (after a lost session it asks an address that may be gone), a durable count of identifies, and an end when the
token is no good any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from chatops.surfaces.base import PlatformDown
from chatops.surfaces.discord import tree
from chatops.surfaces.discord.breaker import Breaker, Ledger
from chatops.surfaces.discord.settings import Settings
from chatops.surfaces.discord.wire import Wire
from incidents import clock
from incidents.errors import HowdahError, Refused

READY_WITHIN = 30.0  # seconds
TEXT_CHANNEL = 0
GATEWAY_MESSAGE_CONTENT = 1 << 18 | 1 << 19  # flags of an application: on, or on for small ones
PIN = "\N{PUSHPIN}"


class Ears(NamedTuple):
    """What is to be done with what comes in; `lost` is told the channel where something of ours was deleted.

    `back`: the session goes on, nothing was missed; `doubt`: something may have been missed, or be allowed now.
    """

    interaction: Callable[[discord.Interaction[Any]], Awaitable[None]]
    pinned: Callable[[discord.RawReactionActionEvent], Awaitable[None]]
    lost: Callable[[str], None]
    warn: Callable[[str], None]
    say: Callable[[str], None]
    back: Callable[[], None]
    doubt: Callable[[], None]


class TokenRefused(Refused):
    """Discord does not accept the token."""

    code = "chat_token"


def point_at(settings: Settings) -> None:
    """discord.py's two addresses, for this process."""
    Route.BASE = settings.api
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway)


class Client(discord.Client):
    """One session after another, until the breaker ends it."""

    def __init__(
        self, ears: Ears, wire: Wire, ledger: Ledger, breaker: Breaker, settings: Settings, *, content: bool
    ):
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = True
        intents.message_content = intents.guild_reactions = content
        super().__init__(
            intents=intents, max_messages=None, member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False, guild_ready_timeout=0.2, max_ratelimit_timeout=30.0,
            enable_debug_events=False, allowed_mentions=discord.AllowedMentions.none(),
        )  # fmt: skip
        self.ears, self.wire, self.ledger, self.breaker, self.settings = ears, wire, ledger, breaker, settings
        self.arrived = asyncio.Event()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        wait = self.ledger.wait(clock.wall())
        if wait:
            self.ears.warn(f"Discord is left alone for {clock.words(wait)}: too many connections in 24 hours")
            await asyncio.sleep(wait / clock.SECOND)
        await super().before_identify_hook(shard_id, initial=initial)
        self.ledger.identified(clock.wall())

    async def on_ready(self) -> None:
        self.arrived.set()
        self.breaker.ready(clock.monotonic())
        await self._settle()

    async def on_resumed(self) -> None:
        self.arrived.set()
        self.breaker.ready(clock.monotonic())
        self.ears.back()

    async def on_disconnect(self) -> None:
        self.arrived.clear()
        if self.breaker.lost(clock.monotonic()):
            await self.close()

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._settle()

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        await self.ears.interaction(interaction)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        if payload.emoji.name == PIN and self.user is not None and payload.user_id != self.user.id:
            await self.ears.pinned(payload)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self.ears.lost(str(payload.channel_id))
        self.ears.lost(str(payload.message_id))  # it may be a card

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for place in (payload.channel_id, *payload.message_ids):
            self.ears.lost(str(place))

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        self.ears.lost(str(payload.thread_id))

    async def on_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        self._look_around(channel)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self._look_around(channel)

    async def on_guild_channel_update(
        self, before: discord.abc.GuildChannel, after: discord.abc.GuildChannel
    ) -> None:
        self._look_around(after)

    async def on_guild_role_update(self, before: discord.Role, after: discord.Role) -> None:
        if before.permissions != after.permissions and after.guild.me in after.members:
            self.ears.doubt()

    async def on_member_update(self, before: discord.Member, after: discord.Member) -> None:
        if self.user is not None and after.id == self.user.id:
            self.ears.doubt()

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        import traceback

        self.ears.warn(f"a fault in {event_method}: {traceback.format_exc(limit=-3)}")

    def served(self) -> str | None:
        """The one guild that is served: the configured one, else the only one that the bot was in at first.

        Whoever adds the bot to another guild later gains nothing, and stops nothing.
        """
        if self.settings.guild is None and self.wire.guild is None and len(self.guilds) == 1:
            self.wire.guild = str(self.guilds[0].id)
        return self.settings.guild or self.wire.guild

    async def _settle(self) -> None:
        """Once the guild is known: where incidents may be shown, and its commands."""
        served = self.served()
        guild = self.get_guild(int(served)) if served is not None else None
        if guild is None:
            count = len(self.guilds)
            why = f"the bot is in {count} servers" if count else "the bot is in no server"
            cure = "howdah.yaml: discord: {guild: ID}" if count else "howdah discord invite prints the link"
            self.ears.warn(f"{why}{'' if served is None else f' and not in {served}'}; {cure}")
            return
        self.wire.channels = self._homes(guild)
        await self._sync(str(guild.id))
        self.ears.say(f"{self.user} serves {guild.name}")
        self.ears.doubt()

    def _homes(self, guild: discord.Guild) -> tuple[str, ...]:
        """Where incidents may be shown, the best first."""
        texts = sorted(guild.text_channels, key=lambda channel: channel.position)
        first = guild.system_channel
        wanted = (self.settings.channel, first.id if first else None, *(channel.id for channel in texts))
        return tuple(dict.fromkeys(str(channel) for channel in wanted if channel is not None))

    def _look_around(self, channel: discord.abc.GuildChannel) -> None:
        """A channel came, went, or has other permissions; of a voice channel's name nothing hangs."""
        if isinstance(channel, discord.TextChannel) and str(channel.guild.id) == self.served():
            self.wire.channels = self._homes(channel.guild)
            self.ears.doubt()

    async def _sync(self, guild: str) -> None:
        """The guild's commands are ours; they are sent only where they differ (200 may be made a day)."""
        path, ids = (
            "/applications/{application_id}/guilds/{guild_id}/commands",
            {"application_id": str(self.application_id), "guild_id": guild},
        )
        wanted = tree.payload()
        try:
            there = await self._commands(path, ids)
            if not same(wanted, there):
                await self.wire.ask("PUT", path, ids, json=wanted)
        except HowdahError as error:
            self.ears.warn(f"the commands cannot be registered: {error}")

    async def _commands(self, path: str, ids: dict[str, str]) -> Any:
        with contextlib.suppress(HowdahError):  # then they are simply sent
            return await self.wire.ask("GET", path, ids)
        return None


def same(wanted: Any, there: Any) -> bool:
    """Whether Discord has what we want; it adds fields of its own, and leaves out what is false or empty."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(same(value, there.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        if wanted and all(isinstance(one, dict) and "name" in one for one in wanted):
            named = {
                (one.get("type", 1), one.get("name")): one for one in there or () if isinstance(one, dict)
            }
            return len(named) == len(wanted) and all(
                same(one, named.get((one.get("type", 1), one["name"]))) for one in wanted
            )
        return (there or []) == wanted
    return bool(wanted == there or (not wanted and not there))


async def live(settings: Settings, ears: Ears, wire: Wire, ledger: Ledger, stop: asyncio.Event) -> None:
    """Keeps a connection until `stop`. Raises TokenRefused."""
    point_at(settings)
    breaker, content, barred = Breaker(), False, False
    while not stop.is_set():
        client = Client(ears, wire, ledger, breaker, settings, content=content)
        why = ""
        try:
            await client.login(settings.token.reveal())
            flags = client.application.flags.value if client.application is not None else 0
            if bool(flags & GATEWAY_MESSAGE_CONTENT) != content and not barred:
                content = not content
                continue
            wire.client = client
            await _until(stop, client)
            if wire.token_refused:
                raise TokenRefused("Discord has revoked the token", hint="reset it in the developer portal")
        except discord.LoginFailure:
            raise TokenRefused(hint="reset it in the developer portal; howdah doctor discord") from None
        except discord.PrivilegedIntentsRequired:
            content, barred, why = False, True, "the message content intent is switched off"
        except discord.ConnectionClosed as error:
            if error.code == 4004:
                raise TokenRefused(
                    "Discord has revoked the token", hint="reset it in the developer portal"
                ) from None
            why = f"Discord closed the connection ({error.code})"
        except TokenRefused:
            raise
        except Exception as error:  # noqa: BLE001 - a client that is closed under way fails in ways of its own
            why = f"{type(error).__name__}: {error}"
        finally:
            wire.client = None
            await _close(client)
        if not stop.is_set():
            wait = breaker.wait(clock.monotonic())
            ears.warn(
                f"Discord: {why or 'the connection was lost again and again'}; next in {clock.words(wait)}"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait / clock.SECOND)


async def _until(stop: asyncio.Event, client: Client) -> None:
    """The client's life: till it ends, `stop` is set, or it has been without a session for READY_WITHIN."""
    life = asyncio.ensure_future(client.connect())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while True:
            waiting = asyncio.ensure_future(client.arrived.wait())
            done, _ = await asyncio.wait(
                (life, stopped, waiting), timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()
            if life in done:
                return life.result()
            if stopped in done:
                return None
            if not done:
                raise PlatformDown("no session within 30 s")
            await asyncio.wait((life, stopped), timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not life.done():
            await _close(client)
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await asyncio.wait_for(life, 5.0)


async def _close(client: discord.Client) -> None:
    with contextlib.suppress(Exception):  # whatever is left of a connection, a new one is made
        await asyncio.wait_for(client.close(), 5.0)
    with contextlib.suppress(
        Exception
    ):  # of a connection that was lost, close() leaves the heartbeat's thread
        if client.ws is not None:
            await asyncio.wait_for(client.ws.close(), 5.0)
