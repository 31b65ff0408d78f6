"""Permission bits, and what of them the bot needs."""

from __future__ import annotations

ADMINISTRATOR = 1 << 3
MANAGE_CHANNELS = 1 << 4
ADD_REACTIONS = 1 << 6
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
MENTION_EVERYONE = 1 << 17
MANAGE_ROLES = 1 << 28
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_THREADS = 1 << 34
CREATE_PUBLIC_THREADS = 1 << 35
CREATE_PRIVATE_THREADS = 1 << 36
SEND_MESSAGES_IN_THREADS = 1 << 38
PIN_MESSAGES = 1 << 51
BYPASS_SLOWMODE = 1 << 52

LEAST = (
    VIEW_CHANNEL | SEND_MESSAGES | ADD_REACTIONS | EMBED_LINKS | ATTACH_FILES | READ_MESSAGE_HISTORY
    | CREATE_PUBLIC_THREADS | SEND_MESSAGES_IN_THREADS | PIN_MESSAGES
)  # fmt: skip
PERSON = LEAST | USE_APPLICATION_COMMANDS
ALL = (1 << 53) - 1


class Bits(int):
    """A set of permissions; `bits - PIN_MESSAGES` takes one away, `bits + PIN_MESSAGES` gives it."""

    def __sub__(self, other: int) -> Bits:
        return Bits(int(self) & ~other)

    def __add__(self, other: int) -> Bits:
        return Bits(int(self) | other)

    def has(self, wanted: int) -> bool:
        return int(self) & wanted == wanted
