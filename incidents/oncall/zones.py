"""The clocks of a zone as integers: what they show at an instant, and when they show a wall time.

Clocks jump. Two monotone readings make that harmless: `high`, the latest wall time that the clocks have shown so far,
and `low`, the latest that they will not show again. A wall time was reached when it is at most `high`, first pass and
gap alike; it is over when it is at most `low`: its last pass has begun. `first` and `last` are the same rules as
instants: the first pass of a wall time, its last, and for one that does not exist the first instant after the gap.

The transitions are found by asking zoneinfo day by day, eight years at a time and once a process.
"""

from __future__ import annotations

import datetime
import functools
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import NamedTuple

from incidents import clock

# A chunk knows more than its years, so that a wall time beside its edge is found in it.
_SLACK = 3 * clock.DAY
_YEARS = 8  # in one chunk


class Chunk(NamedTuple):
    """Some years of one zone: segment i lasts from starts[i] to starts[i+1] and shows instant + offsets[i]."""

    starts: list[int]
    offsets: list[int]
    tops: list[int]  # the highest wall time before the end of segment i, excluded
    bottoms: list[int]  # the lowest wall time from the start of segment i on


class Zone:
    """One zone's clocks. Its methods take and give µs."""

    __slots__ = ("_chunks", "_tz", "name")

    def __init__(self, name: str):
        self.name = name
        self._tz = clock.find_zone(name)
        self._chunks: dict[int, Chunk] = {}

    def wall(self, at: int) -> int:
        """What the clocks show."""
        chunk = self._chunk(at)
        return at + chunk.offsets[bisect_right(chunk.starts, at) - 1]

    def reach(self, at: int) -> tuple[int, int]:
        """`high` and `low`: the latest wall time that has been reached, the latest that is over."""
        chunk = self._chunk(at)
        i = bisect_right(chunk.starts, at) - 1
        high = low = at + chunk.offsets[i]
        if i and chunk.tops[i - 1] > high:
            high = chunk.tops[i - 1] - 1
        if i + 1 < len(chunk.bottoms) and chunk.bottoms[i + 1] <= low:
            low = chunk.bottoms[i + 1] - 1
        return high, low

    def first(self, wall: int) -> int:
        """When the clocks first show it, or have passed it without."""
        chunk = self._chunk(wall)
        i = bisect_right(chunk.tops, wall)
        return max(chunk.starts[i], wall - chunk.offsets[i])

    def last(self, wall: int) -> int:
        """When the clocks show it for the last time, or have passed it without."""
        chunk = self._chunk(wall)
        i = bisect_right(chunk.bottoms, wall) - 1
        at = wall - chunk.offsets[i]
        return min(at, chunk.starts[i + 1]) if i + 1 < len(chunk.starts) else at

    def plain(self, wall: int) -> tuple[int, int, int]:
        """(low, high, offset): each wall time in [low, high) is shown once, at wall time - offset. They are about
        `wall`, which is itself none of them where it does not exist or comes twice."""
        number = _chunk_of(wall)
        chunk = self._chunk(wall)
        i = bisect_right(chunk.tops, wall)
        offset = chunk.offsets[i]
        low, high = max(chunk.starts[i] + offset, _chunk_start(number)), _chunk_start(number + 1)
        if i:
            low = max(low, chunk.tops[i - 1])
        if i + 1 < len(chunk.starts):
            high = min(high, chunk.starts[i + 1] + offset, chunk.bottoms[i + 1])
        return low, high, offset

    def changes(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """(instant, offset before, offset after) of every change in [start, end)."""
        found, at = [], start
        while at < end:
            number = _chunk_of(at)
            chunk = self._chunk(at)
            upto = min(end, _chunk_start(number + 1))
            for i in range(max(1, bisect_left(chunk.starts, at)), bisect_left(chunk.starts, upto)):
                found.append((chunk.starts[i], chunk.offsets[i - 1], chunk.offsets[i]))
            at = upto
        return found

    def _chunk(self, at: int) -> Chunk:
        number = _chunk_of(at)
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._chunks[number] = self._read(number)
        return chunk

    def _read(self, number: int) -> Chunk:
        start, end = _chunk_start(number) - _SLACK, _chunk_start(number + 1) + _SLACK
        starts, offsets = [start], [self._offset(start)]
        for day in range(start + clock.DAY, end + clock.DAY, clock.DAY):
            if self._offset(day) != offsets[-1]:
                starts.append(self._change(day - clock.DAY, day))
                offsets.append(self._offset(day))
        ends = [*starts[1:], end + clock.DAY]
        tops = list(accumulate((e + offset for e, offset in zip(ends, offsets, strict=True)), max))
        bottoms = list(
            accumulate((s + o for s, o in zip(reversed(starts), reversed(offsets), strict=True)), min)
        )
        return Chunk(starts, offsets, tops, bottoms[::-1])

    def _change(self, low: int, high: int) -> int:
        """The instant, to the second, from which on the offset is that of `high`."""
        after = self._offset(high)
        while high - low > clock.SECOND:
            middle = (low + high) // (2 * clock.SECOND) * clock.SECOND
            if self._offset(middle) == after:
                high = middle
            else:
                low = middle
        return high

    def _offset(self, at: int) -> int:
        moment = datetime.datetime.fromtimestamp(at // clock.SECOND, tz=self._tz)
        offset = moment.utcoffset()
        assert offset is not None
        return (offset.days * 86_400 + offset.seconds) * clock.SECOND


_CHUNK_DAYS = _YEARS * 1461 // 4


def _chunk_of(at: int) -> int:
    return at // (_CHUNK_DAYS * clock.DAY)


def _chunk_start(number: int) -> int:
    return number * _CHUNK_DAYS * clock.DAY


@functools.cache
def zone(name: str) -> Zone:
    """The one Zone of that name in this process. Raises BadInput."""
    return Zone(name)
