"""How often a channel takes something: so many posts in a while, and edits a while apart.

A platform's library that finds a limit used up makes whoever asks wait, and with them everything behind. So the
mirror stays below it, and what does not go out now is put together with what comes next. Two of the posts are kept for
what people must see at once: the message of a run, a question.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from incidents import clock

KEPT = 2  # posts of a window that plain lines leave free; the last one is nobody's


class Limits(Protocol):
    """`burst` posts within `window` (µs) in one channel; edits there are `gap` (µs) apart."""

    @property
    def burst(self) -> int: ...

    @property
    def window(self) -> int: ...

    @property
    def gap(self) -> int: ...


class Pace:
    """Shared by all who show something on one surface; safe to use from many threads."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._lock = threading.Lock()
        self._posts: dict[str, deque[int]] = {}
        self._edits: dict[str, int] = {}

    def post(self, channel: str, *, urgent: bool = False) -> int:
        """0: the post may go out, and counts; else µs until it may."""
        now, most = clock.monotonic(), max(1, self._limits.burst - (1 if urgent else KEPT))
        with self._lock:
            sent = self._posts.setdefault(channel, deque())
            while sent and now - sent[0] >= self._limits.window:
                sent.popleft()
            if len(sent) < most:
                sent.append(now)
                return 0
            return sent[len(sent) - most] + self._limits.window - now

    def edit(self, channel: str) -> int:
        """0: the edit may go out, and counts; else µs until it may."""
        now = clock.monotonic()
        with self._lock:
            last = self._edits.get(channel)
            if last is None or now - last >= self._limits.gap:
                self._edits[channel] = now
                return 0
            return last + self._limits.gap - now

    def unused(self, channel: str) -> None:
        """The edit that was allowed is not needed."""
        with self._lock:
            self._edits.pop(channel, None)
