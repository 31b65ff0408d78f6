"""What the Discord on loopback knows: guilds, channels, messages, people, interactions.

Everything here is read and changed on the server's own thread alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chat.discord.errors import JSON, refused
from tests.chat.discord.permissions import LEAST, PERSON, Bits

EPOCH_MS = 1_420_070_400_000
TEXT, PUBLIC_THREAD, PRIVATE_THREAD = 0, 11, 12
THREADS = (10, PUBLIC_THREAD, PRIVATE_THREAD)


class Clock:
    """The server's time, in seconds: the machine's, moved on by `advance`."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.watchers: list[Callable[[], None]] = []

    def now(self) -> float:
        """Wall time since 1970."""
        return time.time() + self._ahead

    def steady(self) -> float:
        """Time that never goes back, moved by `advance` likewise."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Everything is `seconds` older now: tokens, nonces, links, messages."""
        self._ahead += seconds
        for watcher in self.watchers:
            watcher()

    def stamp(self) -> str:
        return iso(self.now())


def iso(seconds: float) -> str:
    """An instant as Discord writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@dataclass
class Settings:
    """The lifetimes (seconds) and numbers that Discord does not let anyone move."""

    first_answer_s: float = 3.0
    token_s: float = 900.0
    nonce_s: float = 300.0
    edit_free_s: float = 3600.0
    link_s: float = 86_400.0
    session_s: float = 180.0
    heartbeat_s: float = 41.25
    rate_limits: bool = True
    message_content: bool = False
    members_intent: bool = False
    commands_scope: bool = True
    identifies_a_day: int = 1000
    creates_a_day: int = 200
    active_threads: int = 1000
    pins: int = 250
    file_bytes: int = 10 * 1024 * 1024
    request_bytes: int = 25 * 1024 * 1024
    ban_after: int = 10_000


@dataclass
class Message:
    """One message: what goes over the wire, and what only the server knows."""

    wire: JSON
    at: float
    for_person: str = ""  # an ephemeral message is shown to this person alone
    pinned_at: float = 0.0

    @property
    def id(self) -> str:
        return str(self.wire["id"])

    @property
    def channel(self) -> str:
        return str(self.wire["channel_id"])


@dataclass
class Channel:
    """A text channel or a thread."""

    id: str
    guild: str
    name: str
    type: int = TEXT
    parent: str = ""
    topic: str | None = None
    owner: str = ""
    archived: bool = False
    locked: bool = False
    auto_archive: int = 1440
    archived_at: float = 0.0
    slow_s: int = 0
    members: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    bits: Bits | None = None  # the bot's; None: as the guild gives

    @property
    def is_thread(self) -> bool:
        return self.type in THREADS


@dataclass
class Member:
    """A person or the bot, in one guild."""

    id: str
    name: str
    guild: str
    roles: list[str] = field(default_factory=list)
    bits: Bits = field(default_factory=lambda: Bits(PERSON))
    bot: bool = False


@dataclass
class Guild:
    id: str
    name: str
    channels: list[str] = field(default_factory=list)
    roles: dict[str, JSON] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)


@dataclass
class Interaction:
    """One interaction from injection to its last visible change."""

    id: str
    token: str
    type: int
    payload: JSON
    person: str
    channel: str
    at: float
    sent: float  # steady machine time of the first delivery, for the latency
    callback: int = 0  # the type of the first answer; 0: none yet
    answered: float = 0.0
    failed: bool = False
    ephemeral: bool = False
    loading: bool = False
    original: str = ""  # id of the message that `@original` means
    modal: JSON | None = None
    choices: list[JSON] | None = None
    followups: list[str] = field(default_factory=list)


class World:
    """The whole state, with the announcement of every change."""

    def __init__(self, settings: Settings, token: str) -> None:
        self.settings = settings
        self.token = token
        self.revoked = False
        self.clock = Clock()
        self.origin = ""  # http://127.0.0.1:PORT
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, Message] = {}
        self.files: dict[tuple[str, str], bytes] = {}
        self.interactions: dict[str, Interaction] = {}
        self.by_token: dict[str, Interaction] = {}
        self.commands: dict[str, list[JSON]] = {}  # guild id, or "" for the global ones
        self.creates: list[float] = []
        self.nonces: dict[str, tuple[float, str]] = {}
        self.old_edits: dict[str, list[float]] = {}
        self.last_post: dict[tuple[str, str], float] = {}
        self.version = 0
        self.news = threading.Condition()
        self.dispatch: Callable[[str, JSON], None] = lambda _event, _data: None
        self._last_id = 0
        self.app_id = self.new_id()
        self.bot_id = self.app_id

    def new_id(self) -> str:
        """A snowflake later than every other."""
        moment = (int(self.clock.now() * 1000) - EPOCH_MS) << 22
        self._last_id = max(self._last_id + 1, moment)
        return str(self._last_id)

    def changed(self) -> None:
        """Wakes whoever waits for something to happen."""
        with self.news:
            self.version += 1
            self.news.notify_all()

    def add_guild(self, name: str) -> Guild:
        guild = Guild(self.new_id(), name)
        self.guilds[guild.id] = guild
        guild.roles[guild.id] = _role(guild.id, "@everyone", PERSON, 0)
        mine = self.new_id()
        guild.roles[mine] = _role(mine, "howdah", LEAST, 1, tags={"bot_id": self.bot_id})
        guild.members[self.bot_id] = Member(self.bot_id, "howdah", guild.id, [mine], Bits(LEAST), bot=True)
        return guild

    def add_channel(self, guild: Guild, name: str) -> Channel:
        channel = Channel(self.new_id(), guild.id, name)
        self.channels[channel.id] = channel
        guild.channels.append(channel.id)
        return channel

    def add_member(self, guild: Guild, name: str, roles: tuple[str, ...], bits: int) -> Member:
        ids = [self.role(guild, role) for role in roles]
        member = Member(self.new_id(), name, guild.id, ids, Bits(bits))
        guild.members[member.id] = member
        return member

    def role(self, guild: Guild, name: str) -> str:
        """The id of the role with this name; made when there is none."""
        for role_id, role in guild.roles.items():
            if role["name"] == name:
                return role_id
        role_id = self.new_id()
        guild.roles[role_id] = _role(role_id, name, 0, len(guild.roles))
        return role_id

    def bits(self, channel: Channel) -> Bits:
        """What the bot may do in this channel; a thread has its parent's."""
        if channel.bits is not None:
            return channel.bits
        if channel.parent and channel.parent in self.channels:
            return self.bits(self.channels[channel.parent])
        return self.guilds[channel.guild].members[self.bot_id].bits

    def channel(self, channel_id: str) -> Channel:
        """Raises 10003 where there is none."""
        found = self.channels.get(channel_id)
        if found is None:
            raise refused(10003)
        return found

    def guild(self, guild_id: str) -> Guild:
        """Raises 10004 where there is none."""
        found = self.guilds.get(guild_id)
        if found is None:
            raise refused(10004)
        return found

    def message(self, channel_id: str, message_id: str) -> Message:
        """A message that everybody sees; raises 10008 for the rest."""
        found = self.messages.get(message_id)
        if found is None or found.channel != channel_id or found.for_person:
            raise refused(10008)
        return found

    def member(self, guild_id: str, user_id: str) -> Member | None:
        guild = self.guilds.get(guild_id)
        return guild.members.get(user_id) if guild else None

    def thread_of(self, message_id: str) -> Channel | None:
        """The thread that was made from this message: it has the message's id."""
        found = self.channels.get(message_id)
        return found if found is not None and found.is_thread else None


def _role(role_id: str, name: str, bits: int, position: int, **more: Any) -> JSON:
    return {
        "id": role_id,
        "name": name,
        "permissions": str(bits),
        "position": position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": bool(more),
        "mentionable": False,
        "flags": 0,
        **more,
    }
