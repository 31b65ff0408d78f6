"""A chat in memory, for what holds of the mirror whichever platform it shows the record on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import ClassVar

from chatops import views
from chatops.surfaces.base import Denied, Gone, Own, PlatformDown, Post, Ref, TooOld
from incidents import clock


class Board:
    """`messages` maps channel -> message id -> Post; `log` is every request. `fail` may raise before one is done."""

    name: ClassVar[str] = "board"
    burst: ClassVar[int] = 1000
    window: ClassVar[int] = clock.SECOND
    gap: ClassVar[int] = 0

    def __init__(self, *homes: str):
        self.places = list(homes or ("ops",))
        self.messages: dict[str, dict[str, Post]] = {home: {} for home in self.places}
        self.at: dict[str, int] = {}
        self.pinned: list[Ref] = []
        self.locked: set[str] = set()
        self.names: dict[str, str] = {}
        self.log: list[tuple[str, str]] = []
        self.fail: Callable[[str, str], None] = lambda what, channel: None
        self.after: Callable[[str, str], None] = lambda what, channel: None
        self._nonces: dict[str, Ref] = {}
        self._count = 100
        self._lock = threading.Lock()

    def forget_nonces(self) -> None:
        """The platform remembers them for a few minutes only, and over all channels."""
        self._nonces.clear()

    def homes(self, wished: str | None) -> Sequence[str]:
        return tuple(dict.fromkeys(([wished] if wished else []) + self.places))

    def send(self, channel: str, post: Post, *, nonce: str) -> Ref:
        with self._lock:
            self._begin("send", channel)
            assert 0 < len(nonce) <= 25
            known = self._nonces.get(nonce)
            if known is None:
                self._count += 1
                known = self._nonces[nonce] = Ref(channel, str(self._count))
                self.messages[channel][known.message] = post
                self.at[known.message] = clock.wall()
            self.after("send", channel)
            return known

    def edit(self, ref: Ref, post: Post) -> None:
        with self._lock:
            self._begin("edit", ref.channel)
            if ref.message not in self.messages[ref.channel]:
                raise Gone("no such message", what="message")
            self.messages[ref.channel][ref.message] = post

    def thread(self, ref: Ref, name: str) -> str:
        with self._lock:
            self._begin("thread", ref.channel)
            self.messages.setdefault(f"t{ref.message}", {})
            self.names[f"t{ref.message}"] = name
            return f"t{ref.message}"

    def pin(self, ref: Ref) -> None:
        with self._lock:
            self._begin("pin", ref.channel)
            if ref not in self.pinned:
                self.pinned.append(ref)

    def unpin(self, ref: Ref) -> None:
        with self._lock:
            self._begin("unpin", ref.channel)
            if ref in self.pinned:
                self.pinned.remove(ref)

    def rename(self, channel: str, name: str) -> None:
        with self._lock:
            self._begin("rename", channel)
            self.names[channel] = name

    def remove(self, ref: Ref) -> None:
        with self._lock:
            self._begin("remove", ref.channel)
            if self.messages[ref.channel].pop(ref.message, None) is None:
                raise Gone("no such message", what="message")
            if ref in self.pinned:
                self.pinned.remove(ref)

    def ours(self, channel: str, since: int) -> list[Own]:
        with self._lock:
            self._begin("ours", channel)
            return [
                Own(Ref(channel, name), text(post))
                for name, post in self.messages[channel].items()
                if self.at[name] >= since
            ]

    def _begin(self, what: str, channel: str) -> None:
        self.log.append((what, channel))
        self.fail(what, channel)
        if channel in self.locked and what != "ours":
            raise Gone("locked", what="locked")
        if channel not in self.messages:
            raise Gone("no such channel", what="channel")

    # -- what a person sees

    def texts(self, channel: str) -> list[str]:
        return [text(post) for post in self.messages[channel].values()]

    def lines(self, channel: str) -> list[str]:
        return [
            line for post in self.messages[channel].values() if post.line for line in text(post).split("\n")
        ]

    def threads(self) -> list[str]:
        return [channel for channel in self.messages if channel.startswith("t")]


def text(post: Post) -> str:
    """A timeline's lines as a chat draws them, `#12 who: text`; everything else plainly."""
    if isinstance(post.view, views.Log):
        return "\n".join(f"`#{entry.number}` {entry.who}: {entry.text}" for entry in post.view.entries)
    return views.plain(post.view)


__all__ = ["Board", "Denied", "Gone", "PlatformDown", "TooOld", "text"]
