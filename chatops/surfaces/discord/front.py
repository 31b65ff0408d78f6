"""Discord as a front: who gave the command and where, what they are told beside the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops.surfaces.discord import people
from chatops.vocabulary import Terminal, Who
from incidents.events import Source

if TYPE_CHECKING:
    from chatops.views import Choice
    from chatops.vocabulary import Quoted
    from incidents.config import Config


class Place(NamedTuple):
    """Where something was said: `channel` holds the thread, where it was in one. Ids as text."""

    guild: str | None
    channel: str | None
    thread: str | None = None
    message: str | None = None

    @property
    def here(self) -> str:
        """Where an answer for everyone goes."""
        return self.thread or self.channel or ""

    def source(self) -> Source:
        return Source("discord", self.guild, self.channel, self.thread, self.message)


class DiscordFront:
    """The front of one interaction. `incident` is the one whose thread it came from."""

    name = "discord"
    terminal: Terminal | None = None

    def __init__(self, account: str, handle: str, place: Place, incident: str | None):
        self.account, self.handle, self.place, self.incident = account, handle, place, incident
        self.quoted: Quoted | None = None
        self.beside: list[str] = []

    def who(self, config: Config) -> Who:
        return people.who(config, self.account, self.handle, self.place.source(), self.incident)

    def say(self, line: str) -> None:
        self.beside.append(line)

    def warn(self, line: str) -> None:
        self.beside.append(f"note: {line}")

    def emit(self, document: Mapping[str, Any]) -> None:
        """A stream of documents is for programs."""

    def choose(self, choice: Choice) -> str | None:
        return None
