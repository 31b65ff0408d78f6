"""Things that last from `start` to `end` (µs, half-open), found by instant."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, Protocol, TypeVar


class Lasting(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


T = TypeVar("T", bound=Lasting)


class Spans(Generic[T]):
    """They are given back in the order in which they were handed in."""

    __slots__ = ("_ends", "_items", "_starts")

    def __init__(self, items: Sequence[T]):
        self._items = sorted(enumerate(items), key=lambda pair: pair[1].start)
        self._starts = [item.start for _, item in self._items]
        self._ends = list(accumulate((item.end for _, item in self._items), max))

    def __bool__(self) -> bool:
        return bool(self._items)

    def at(self, at: int) -> list[T]:
        """What lasts at this instant."""
        return self.touching(at, at + 1) if self._items else []

    def touching(self, start: int, end: int) -> list[T]:
        """What lasts at some instant of [start, end)."""
        upto = bisect_left(self._starts, end)
        begin = bisect_right(self._ends, start, hi=upto)  # all before have ended by then
        if begin == upto:
            return []
        return [
            item
            for _, item in sorted(p for p in self._items[begin:upto] if p[1].end > max(start, p[1].start))
        ]
