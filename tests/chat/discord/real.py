"""The real discord.py client on a thread of its own: the counterpart in the tests of the server."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine
from email.message import Message
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import discord
import discord.gateway
import discord.http
import yarl
from discord.http import Route

from tests.chat.discord.server import Discord

T = TypeVar("T")
OnInteraction = Callable[[discord.Interaction], Awaitable[None]]


class Bot(discord.Client):
    """A client that keeps what it hears; unpatched but for the two addresses.

    `with Bot(server) as bot:`; `bot.do(coroutine)` runs on its loop.
    """

    def __init__(
        self,
        server: Discord,
        on_interaction: OnInteraction | None = None,
        *,
        commands: list[dict[str, Any]] | None = None,
        intents: discord.Intents | None = None,
        **options: Any,
    ) -> None:
        options = {"guild_ready_timeout": 0.05, "max_messages": None, **options}
        wanted = intents or discord.Intents(guilds=True, guild_messages=True, guild_reactions=True)
        super().__init__(intents=wanted, **options)
        self.server = server
        self.heard: list[tuple[str, Any]] = []
        self.ended: discord.DiscordException | None = None
        self._answer = on_interaction
        self._commands = commands
        self._thread = threading.Thread(target=self._run, name="discord.py", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self.start(self.server.token))
        except discord.DiscordException as error:
            self.ended = error
        finally:
            self._up.set()
            self._loop.run_until_complete(self.close())
            self._loop.run_until_complete(asyncio.sleep(0))

    def __enter__(self) -> Bot:
        discord.http.Route.BASE = self.server.api
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self.server.gateway)
        self._thread.start()
        if not self._up.wait(15):
            raise TimeoutError("the client did not become ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self.close(), self._loop).result(15)
        self._thread.join(15)
        self._loop.close()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs it on the client's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def request(self, method: str, path: str, *, body: Any = None, **more: Any) -> Any:
        """One request through discord.py's own rate limiter."""
        places = {key: value for key, value in more.items() if key.endswith("_id")}
        rest = {key: value for key, value in more.items() if key not in places}
        if body is not None:
            rest["json"] = body
        return self.do(self.http.request(Route(method, path, **places), **rest))

    async def on_ready(self) -> None:
        if self._commands is not None:
            assert self.application_id is not None
            for guild in self.guilds:
                payload: Any = self._commands
                await self.http.bulk_upsert_guild_commands(self.application_id, guild.id, payload=payload)
        self.heard.append(("ready", None))
        self._up.set()

    async def on_resumed(self) -> None:
        self.heard.append(("resumed", None))

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(("message", message))

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self.heard.append(("edit", event))

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.heard.append(("reaction", event))

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self.heard.append(("thread", thread))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.heard.append(("interaction", interaction))
        if self._answer is not None:
            await self._answer(interaction)

    def hearing(self, what: str) -> list[Any]:
        """Everything of one kind that was heard."""
        return [value for kind, value in list(self.heard) if kind == what]


class Reply(NamedTuple):
    """What a bare HTTP request came back with."""

    status: int
    body: Any
    headers: Message

    @property
    def code(self) -> int:
        """Discord's error code."""
        return int(self.body["code"])


def bare(server: Discord, method: str, path: str, body: Any = None, *, token: str | None = "") -> Reply:
    """One request without any library between; `token` None sends none, "" the good one."""
    headers = {"User-Agent": "DiscordBot (tests, 1)", "Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bot {token or server.token}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.api + path, content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            text, status, got = response.read(), response.status, response.headers
    except urllib.error.HTTPError as error:
        text, status, got = error.read(), error.code, error.headers
    kind = got.get("Content-Type", "")
    return Reply(status, json.loads(text) if kind == "application/json" else text.decode(), got)
