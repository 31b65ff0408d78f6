"""What the bot may do on a server, and the link that asks for it.

Bits: Discord's "Permissions" page; pinning has one of its own since 2026-02-23.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

AUTHORIZE = "https://discord.com/oauth2/authorize"
SCOPES = ("bot", "applications.commands")


class Permission(NamedTuple):
    """One permission: its name in the interface, its bit, as Discord's settings call it, what it is needed for."""

    name: str
    bit: int
    label: str
    needed: str


LEAST = (
    Permission("VIEW_CHANNEL", 1 << 10, "View Channel", "to see the channel at all"),
    Permission("SEND_MESSAGES", 1 << 11, "Send Messages", "to post an incident's card"),
    Permission(
        "CREATE_PUBLIC_THREADS", 1 << 35, "Create Public Threads", "to open the thread of an incident"
    ),
    Permission(
        "SEND_MESSAGES_IN_THREADS", 1 << 38, "Send Messages in Threads", "to write its timeline there"
    ),
    Permission("EMBED_LINKS", 1 << 14, "Embed Links", "to show cards and runs as more than text"),
    Permission("ATTACH_FILES", 1 << 15, "Attach Files", "to give what is too long for a message"),
    Permission(
        "READ_MESSAGE_HISTORY", 1 << 16, "Read Message History", "to find its own posts after a restart"
    ),
    Permission("PIN_MESSAGES", 1 << 51, "Pin Messages", "to pin the card"),
    Permission("ADD_REACTIONS", 1 << 6, "Add Reactions", "to mark a message that was recorded"),
)
BITS = sum(one.bit for one in LEAST)


def link(application_id: str, guild: str | None = None) -> str:
    """Where a person who may manage a server adds the bot to it; `guild` is then chosen already."""
    query = {"client_id": application_id, "scope": " ".join(SCOPES), "permissions": str(BITS)}
    if guild is not None:
        query |= {"guild_id": guild, "disable_guild_select": "true"}
    return f"{AUTHORIZE}?{urlencode(query)}"
