"""The table of routes: a method and a template name a handler and the bucket that it counts in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.chat.discord.errors import JSON, ApiError, invalid, refused
from tests.chat.discord.state import Channel, World


class File(NamedTuple):
    """One uploaded file."""

    field: str
    name: str
    media_type: str
    content: bytes


@dataclass
class Call:
    """One request, taken apart."""

    world: World
    method: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: Any = None
    files: list[File] = field(default_factory=list)

    @property
    def json(self) -> JSON:
        """The body, which must be an object."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise invalid(("", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType"))
        return self.body

    def channel(self, *wanted: int) -> Channel:
        """The channel that the path names, with the bits that the bot must have there."""
        found = self.world.channel(self.params["channel"])
        need(self.world, found, *wanted)
        return found

    def number(self, name: str, default: int, most: int) -> int:
        text = self.query.get(name, str(default))
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise invalid((name, "NUMBER_TYPE_MAX", f"int value should be between 1 and {most}."))
        return int(text)


class Answer(NamedTuple):
    """A status with its body; None is an empty one."""

    status: int
    body: Any = None


Handler = Callable[[Call], Any]


class Route(NamedTuple):
    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler
    tokenless: bool

    @property
    def key(self) -> str:
        """How limits name it, e.g. `POST /channels/{channel}/messages`."""
        return f"{self.method} {self.template}"


TABLE: list[Route] = []


def on(method: str, template: str, *, tokenless: bool = False) -> Callable[[Handler], Handler]:
    """Registers a handler; the literal routes must be registered before those that match them too."""

    def register(handler: Handler) -> Handler:
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?")
        TABLE.append(Route(method, template, pattern, handler, tokenless))
        return handler

    return register


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a request, with what the path says; None: there is none."""
    known = False
    for route in TABLE:
        match = route.pattern.fullmatch(path)
        if match is None:
            continue
        known = True
        if route.method == method:
            return route, match.groupdict()
    if known:
        raise ApiError(405, {"message": "405: Method Not Allowed", "code": 0})
    return None


VIEW = 1 << 10


def need(world: World, channel: Channel, *wanted: int) -> None:
    """50001 without sight of the channel, 50013 without the bits."""
    bits = world.bits(channel)
    if not bits.has(VIEW):
        raise refused(50001)
    if not all(bits.has(bit) for bit in wanted):
        raise refused(50013)
