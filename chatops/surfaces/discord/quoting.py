"""A Discord message as the message that a command is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from chatops.surfaces.discord.front import Place
from chatops.vocabulary import Attached, Quoted
from incidents import clock

LINK = "https://discord.com/channels/{guild}/{channel}/{message}"


class Fetcher(Protocol):
    def fetch(self, url: str) -> bytes:
        """What stands at the address of an attachment. Raises Gone, PlatformDown."""


def quoted(message: Mapping[str, Any], place: Place, fetcher: Fetcher) -> Quoted:
    """`message` as Discord gives it; its files are fetched when they are read, as their addresses expire."""
    author = message.get("author") or {}
    id, channel = str(message["id"]), str(message.get("channel_id") or place.here)
    link = LINK.format(guild=place.guild or "@me", channel=channel, message=id)
    return Quoted(
        author=str(author.get("global_name") or author.get("username") or "somebody"),
        account=str(author.get("id") or ""),
        text=_text(message),
        at=clock.parse_iso(str(message["timestamp"])),
        source=place._replace(message=id).source()._replace(permalink=link),
        key=f"discord:message:{id}",
        files=tuple(_attached(one, fetcher) for one in message.get("attachments") or ()),
    )


def _text(message: Mapping[str, Any]) -> str:
    """What it says; a bot may say it in its embeds alone."""
    parts = [str(message.get("content") or "")]
    for embed in message.get("embeds") or ():
        parts += [str(embed.get(name) or "") for name in ("title", "description", "url")]
    return "\n".join(filter(None, parts[:1] if parts[0] else parts))


def _attached(one: Mapping[str, Any], fetcher: Fetcher) -> Attached:
    url = str(one.get("url") or "")
    kind = str(one.get("content_type") or "application/octet-stream")
    return Attached(
        str(one.get("filename") or "file"), kind, int(one.get("size") or 0), lambda: fetcher.fetch(url)
    )
