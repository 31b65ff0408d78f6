"""A Discord on loopback, on a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from copy import deepcopy
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from tests.chat.discord import permissions, posting, rest_messages, rest_threads, shapes
from tests.chat.discord.errors import JSON, ApiError
from tests.chat.discord.faults import Fault, Faults
from tests.chat.discord.gateway import Gateway
from tests.chat.discord.judge import Judge, Wrong, published
from tests.chat.discord.limits import Limits
from tests.chat.discord.permissions import Bits
from tests.chat.discord.person import Answer, Person
from tests.chat.discord.rest import PREFIX, Request, Rest
from tests.chat.discord.state import Channel, Clock, Interaction, Message, Settings, World

T = TypeVar("T")


class Discord:
    """The server; use it as a context manager. `settings` are the fields of `state.Settings`.

    Everything a test calls here is done on the server's thread, at one instant.
    """

    def __init__(self, token: str = "test-token", *, port: int = 0, **settings: Any) -> None:
        self.token = token
        self.world = World(Settings(**settings), token)
        guild = self.world.add_guild("Hachyderm")
        self.guild = guild.id
        self.channel = self.world.add_channel(guild, "ops").id
        self.limits = Limits(self.world.clock)
        self.faults = Faults()
        self.wrong: list[Wrong] = []
        self.judge = Judge(self.wrong, published=published())
        self._rest = Rest(self.world, self.limits, self.faults, self.judge)
        self._gateway = Gateway(self.world, self.faults)
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="discord-on-loopback", daemon=True
        )
        self._runner: web.AppRunner | None = None

    def __enter__(self) -> Discord:
        self._thread.start()
        self._await(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _start(self) -> None:
        application = web.Application(client_max_size=self.world.settings.request_bytes + (1 << 20))
        application.router.add_route("*", PREFIX + "/{rest:.*}", self._rest.serve)
        application.router.add_get("/gateway", self._gateway.serve)
        application.router.add_get("/gateway/", self._gateway.serve)
        application.router.add_get("/attachments/{channel}/{id}/{name}", self._rest.attachment)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        host, port = self._runner.addresses[0][:2]
        self.world.origin = f"http://{host}:{port}"
        self.world.dispatch = self._gateway.dispatch
        self.world.clock.watchers.append(lambda: self.call(self._expire))

    async def _stop(self) -> None:
        await self._gateway.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        tasks = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _await(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def call(self, act: Callable[[], T]) -> T:
        """Does something on the server's thread and gives its result."""
        if threading.current_thread() is self._thread:
            return act()

        async def run() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=30)

    @property
    def api(self) -> str:
        return self.world.origin + PREFIX

    @property
    def gateway(self) -> str:
        return self.world.origin.replace("http", "ws") + "/gateway"

    def environ(self) -> dict[str, str]:
        """The environment that points the bot here."""
        return {
            "HOWDAH_DISCORD_API": self.api,
            "HOWDAH_DISCORD_GATEWAY": self.gateway,
            "HOWDAH_DISCORD_TOKEN": self.token,
        }

    @property
    def clock(self) -> Clock:
        return self.world.clock

    @property
    def application(self) -> str:
        """The id of the application and of its bot."""
        return self.world.app_id

    @property
    def requests(self) -> list[Request]:
        """Every REST request so far: (method, path, body, status, at)."""
        return self.call(lambda: list(self._rest.requests))

    @property
    def identifies(self) -> int:
        return self._gateway.identifies

    @property
    def resumes(self) -> int:
        return self._gateway.resumes

    @property
    def connections(self) -> int:
        return self._gateway.connections

    @property
    def connected(self) -> bool:
        """Whether a bot is there now, identified or resumed."""
        return self.call(lambda: any(line.session is not None for line in self._gateway.lines))

    @property
    def invalid_requests(self) -> int:
        """Answers of 401, 403 and 429 (but shared); 10,000 in 10 minutes ban the address."""
        return self.call(lambda: self.limits.invalid)

    def wait_for(self, predicate: Callable[[], T], timeout: float = 10.0, *, what: str = "") -> T:
        """The predicate's first true value; asked again on every change. Raises TimeoutError."""
        until = time.monotonic() + timeout
        while True:
            seen = self.world.version
            value = predicate()
            if value:
                return value
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"waited {timeout} s for {what or 'something that did not happen'}")
            with self.world.news:
                self.world.news.wait_for(lambda seen=seen: self.world.version != seen, min(left, 0.1))  # type: ignore[misc]

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Waits until a bot is connected."""
        self.wait_for(lambda: self.connected, timeout, what="a bot to connect")

    # People and places

    def person(
        self, name: str, roles: tuple[str, ...] = (), *, guild: str = "", bits: int = permissions.PERSON
    ) -> Person:
        """A new member with these roles (names), who types in the guild's first channel."""
        place = self.world.guilds[guild or self.guild]
        member = self.call(lambda: self.world.add_member(place, name, tuple(roles), bits))
        return Person(self, member, place.channels[0])

    def role(self, name: str) -> str:
        """The id of the role with this name."""
        return self.call(lambda: self.world.role(self.world.guilds[self.guild], name))

    def add_guild(self, name: str = "Another") -> str:
        """A further guild with a channel #general; its id."""

        def add() -> str:
            guild = self.world.add_guild(name)
            self.world.add_channel(guild, "general")
            self.world.dispatch("GUILD_CREATE", shapes.guild_create(self.world, guild))
            return guild.id

        return self.call(add)

    def channels(self, guild: str = "") -> list[JSON]:
        """The channels of a guild."""
        place = self.world.guilds[guild or self.guild]
        return self.call(
            lambda: [shapes.channel(self.world, self.world.channels[key]) for key in place.channels]
        )

    def add_channel(self, name: str, guild: str = "") -> str:
        def add() -> str:
            made = self.world.add_channel(self.world.guilds[guild or self.guild], name)
            self.world.dispatch("CHANNEL_CREATE", shapes.channel(self.world, made))
            return made.id

        return self.call(add)

    # What is to be seen

    def messages(self, channel: str = "", *, system: bool = False) -> list[JSON]:
        """What everybody sees in a channel or thread, oldest first; without Discord's own lines."""

        def read() -> list[JSON]:
            where = self.world.channels[channel or self.channel]
            kept = [self.world.messages[key] for key in where.messages]
            shown = [one for one in kept if system or one.wire["type"] in (0, 19, 20, 23)]
            return [deepcopy(shapes.message(self.world, one)) for one in shown]

        return self.call(read)

    def message(self, message_id: str) -> JSON:
        """One message, ephemeral ones too. Raises KeyError."""
        return self.call(lambda: deepcopy(shapes.message(self.world, self.kept(message_id))))

    def existing(self, ids: list[str]) -> list[JSON]:
        """Those of the messages that exist."""
        return [self.message(one) for one in ids if one in self.world.messages]

    def kept(self, message_id: str) -> Message:
        return self.world.messages[message_id]

    def text(self, channel: str = "") -> str:
        """All that is to read in a channel."""
        return "\n".join(shapes.text_of(one) for one in self.messages(channel))

    def threads(self) -> list[JSON]:
        """Every thread, archived ones too."""

        def read() -> list[JSON]:
            found = [one for one in self.world.channels.values() if one.is_thread]
            return [deepcopy(shapes.thread(self.world, one)) for one in found]

        return self.call(read)

    def pins(self, channel: str = "") -> list[JSON]:
        """The pinned messages, the newest pin first."""

        def read() -> list[JSON]:
            found = rest_messages.pinned(self.world, self.world.channels[channel or self.channel])
            return [deepcopy(shapes.message(self.world, one)) for one in found]

        return self.call(read)

    def commands(self, guild: str | None = None) -> list[JSON]:
        """The registered commands of the guild and the global ones."""
        lists = self.world.commands
        return self.call(lambda: deepcopy([*lists.get(guild or self.guild, []), *lists.get("", [])]))

    @property
    def permissions(self) -> MutableMapping[str, Bits]:
        """The bot's permissions by channel: `discord.permissions[channel] -= PIN_MESSAGES`."""
        return _Permissions(self)

    # Interactions

    def inject(self, payload: JSON, person: str, channel: str) -> Interaction:
        """Sends an INTERACTION_CREATE; on the server's thread."""
        world, settings = self.world, self.world.settings
        one = Interaction(
            payload["id"], payload["token"], payload["type"], payload, person, channel,
            at=world.clock.now(), sent=time.monotonic(),
        )  # fmt: skip
        world.interactions[one.id] = world.by_token[one.token] = one
        world.dispatch("INTERACTION_CREATE", payload)
        self._loop.call_later(settings.first_answer_s, self._expire)
        return one

    def _expire(self) -> None:
        """Marks the interactions that nobody answered in time."""
        now, limit = self.world.clock.now(), self.world.settings.first_answer_s
        for one in self.world.interactions.values():
            if not one.callback and not one.failed and now - one.at >= limit:
                one.failed = True
        self.world.changed()

    def deliver_again(self, answer: Answer) -> None:
        """The very same event once more."""
        self.call(lambda: self.world.dispatch("INTERACTION_CREATE", answer.interaction.payload))

    # What goes wrong

    def fault(self, method: str, path_regex: str, times: int = 1, **what: Any) -> Fault:
        """A rule of `faults.Fault`: status, code, delay, drop, duplicate, retry_after, scope."""
        return self.call(lambda: self.faults.add(Fault(method, re.compile(path_regex), times, **what)))

    def heal(self) -> None:
        """No rule is in force any more."""
        self.call(self.faults.rules.clear)

    def delete_message(self, message_id: str) -> None:
        self.call(lambda: posting.remove(self.world, self.kept(message_id)))

    def delete_channel(self, channel: str) -> None:
        self.call(lambda: rest_threads.forget(self.world, self.world.channels[channel]))

    def lock_thread(self, thread: str, *, locked: bool = True) -> None:
        """Locks and archives, as a moderator does."""

        def lock() -> None:
            self.world.channels[thread].locked = locked
            rest_threads.set_archived(self.world, self.world.channels[thread], locked)

        self.call(lock)

    def slow_mode(self, channel: str, seconds: int) -> None:
        """One message in so many seconds."""
        self.world.channels[channel].slow_s = seconds

    def archive(self, thread: str) -> None:
        self.call(lambda: rest_threads.set_archived(self.world, self.world.channels[thread], True))

    def revoke_token(self) -> None:
        """The token is void: REST says 401, the gateway closes with 4004."""
        self.call(self._gateway.end_all)

    def disconnect(self, code: int = 4000) -> None:
        """Closes the gateway connections; 1000 and 1001 end the session too."""
        self.call(lambda: self._gateway.disconnect(code))

    def cut(self, *, in_replay: int | None = None) -> None:
        """Cuts the gateway's TCP connections; the next replay is cut after so many events."""

        def act() -> None:
            self._gateway.close_in_replay = in_replay
            self._gateway.abort()

        self.call(act)

    def refuse_gateway(self, refusing: bool = True) -> None:
        """New connections get a 503."""
        self._gateway.refusing = refusing

    def invalidate(self, resumable: bool = False) -> None:
        """Op 9."""
        self.call(lambda: self._gateway.invalidate(resumable=resumable))

    def reconnect_op7(self) -> None:
        self.call(self._gateway.reconnect)


class _Permissions(MutableMapping[str, Bits]):
    def __init__(self, discord: Discord) -> None:
        self._discord = discord

    def _channel(self, key: str) -> Channel:
        return self._discord.world.channels[key]

    def __getitem__(self, key: str) -> Bits:
        return self._discord.world.bits(self._channel(key))

    def __setitem__(self, key: str, bits: int) -> None:
        def give() -> None:
            channel = self._channel(key)
            channel.bits = Bits(bits)
            if not channel.is_thread:
                self._discord.world.dispatch("CHANNEL_UPDATE", shapes.channel(self._discord.world, channel))

        self._discord.call(give)

    def __delitem__(self, key: str) -> None:
        self._channel(key).bits = None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._discord.world.channels))

    def __len__(self) -> int:
        return len(self._discord.world.channels)


__all__ = ["Answer", "ApiError", "Discord", "Person"]
