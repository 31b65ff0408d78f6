"""The output of an attempt on disk: `N.out.0` holds its first MiB, segments of 5 MiB follow, the last three stay.

A byte's place in the whole output decides its file and its place there, so that what is not kept leaves a gap and
moves nothing: a segment that was removed, or a hole in a file where the disk had no room. A step that writes
without end costs at most 16 MiB. A full disk costs it its output but for the first 24 KiB, which the keeper holds
and tells with the end; it never costs it its life.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

HEAD = 1 << 20
SEGMENT = 5 << 20
KEPT_SEGMENTS = 3
HELD = (
    24 << 10
)  # bytes in memory of an output of which a full disk took nothing; with base64 they fit a packet
_BLOCK = 4096  # after a hole writing goes on at a block's begin, so that the hole can be seen (SEEK_HOLE)


class OutputInfo(NamedTuple):
    """Bytes written by the attempt, bytes of these that were not kept, and the indexes of the files that remain.

    `held`: the begin of an output of which a full disk took nothing.
    """

    total: int = 0
    dropped: int = 0
    segments: tuple[int, ...] = ()
    held: bytes = b""

    def text(self) -> bytes:
        """What is held, with a marker for what is not."""
        return self.held + gap_marker(self.total - len(self.held)) if self.held else b""


class Chunk(NamedTuple):
    """`data` stands at `offset` of the whole output; `gap` bytes before it were not kept."""

    offset: int
    data: bytes
    gap: int


def name(n: int, index: int) -> str:
    return f"{n}.out.{index}"


def begin(index: int) -> int:
    """The place in the whole output at which a file begins."""
    return 0 if index == 0 else HEAD + (index - 1) * SEGMENT


def index_at(offset: int) -> int:
    return 0 if offset < HEAD else 1 + (offset - HEAD) // SEGMENT


class Writer:
    """Writes one attempt's output into a folder given as a descriptor. No error of the disk leaves it.

    `at`: goes on behind so many bytes that were kept before.
    """

    def __init__(self, folder: int, n: int, mode: int, *, at: int = 0) -> None:
        self._folder, self._n, self._mode = folder, n, mode
        self.total = at
        self._fd = -1
        self._index = -1
        self._resume = 0  # what stands before this place is dropped
        self._kept: dict[int, int] = {}  # index -> bytes kept in that file
        self._held = bytearray()
        for index in range(index_at(at) + 1 if at else 0):
            with contextlib.suppress(OSError):
                self._kept[index] = os.stat(name(n, index), dir_fd=folder).st_size

    def write(self, data: memoryview) -> None:
        while len(data) > 0:
            index = index_at(self.total)
            room = begin(index + 1) - self.total
            done = self._write(index, data[:room])
            self.total += done
            data = data[done:]

    def _write(self, index: int, part: memoryview) -> int:
        if self.total < self._resume:
            return self._hold(part[: self._resume - self.total])
        place = self.total - begin(index)
        try:
            if index != self._index:
                self._open(index)
            done = os.pwrite(self._fd, part, place)
        except OSError as error:
            if error.errno == errno.EINTR:
                return 0
            end = place + len(part)
            self._resume = begin(index) + -(-end // _BLOCK) * _BLOCK
            return self._hold(part)
        self._kept[index] = self._kept.get(index, 0) + done
        return done

    def _hold(self, part: memoryview) -> int:
        """Counts what the disk did not take; of an output of which it took nothing the begin stays in memory."""
        if not any(self._kept.values()) and self.total == len(self._held):
            self._held += part[: HELD - len(self._held)]
        return len(part)

    def _open(self, index: int) -> None:
        self._leave()
        fd = os.open(
            name(self._n, index),
            os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if self._kept.get(index) else os.O_TRUNC),
            self._mode,
            dir_fd=self._folder,
        )
        self._fd, self._index = fd, index
        for old in [i for i in self._kept if 0 < i <= index - KEPT_SEGMENTS]:
            with contextlib.suppress(OSError):
                os.unlink(name(self._n, old), dir_fd=self._folder)
            del self._kept[old]
        self._kept.setdefault(index, 0)

    def _leave(self) -> None:
        """Closes the file; its length tells of a hole at its end too."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            length = min(self.total, begin(self._index + 1)) - begin(self._index)
            if os.fstat(self._fd).st_size < length:
                os.ftruncate(self._fd, length)
        os.close(self._fd)
        self._fd = self._index = -1

    def close(self) -> OutputInfo:
        """Held is only what no file has: where the disk took a later part, the files tell the output."""
        self._leave()
        kept = sum(self._kept.values())
        held = b"" if kept else bytes(self._held)
        return OutputInfo(self.total, self.total - kept - len(held), tuple(sorted(self._kept)), held)


# -- reading -----------------------------------------------------------------------------------------------


def indexes(run_dir: str, n: int) -> list[int]:
    """The indexes of the files that are there, in order."""
    prefix = f"{n}.out."
    try:
        names = os.listdir(run_dir)
    except FileNotFoundError:
        return []
    return sorted(
        int(tail) for item in names if item.startswith(prefix) and (tail := item[len(prefix) :]).isdigit()
    )


def segments(run_dir: str, n: int) -> list[str]:
    """The paths of the files that are there, in order."""
    return [os.path.join(run_dir, name(n, index)) for index in indexes(run_dir, n)]


def drop_output(run_dir: str, n: int) -> None:
    """Removes the output of an attempt."""
    for path in segments(run_dir, n):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def read_from(run_dir: str, n: int, offset: int, limit: int = 1 << 18) -> Chunk:
    """What was kept at `offset` or next after it, at most `limit` bytes; empty without gap where nothing is yet.

    The next call asks for `chunk.offset + len(chunk.data)`. Safe while the keeper writes.
    """
    place = offset
    for index in indexes(run_dir, n):
        if begin(index + 1) <= place:
            continue
        place = max(place, begin(index))
        found = _read(os.path.join(run_dir, name(n, index)), place - begin(index), limit)
        if found is None:
            continue  # removed just now: the next file has what follows
        inside, data, size = found
        if data:
            place = begin(index) + inside
            return Chunk(place, data, place - offset)
        place = max(place, begin(index) + size)
    return Chunk(place, b"", place - offset)


def _read(path: str, place: int, limit: int) -> tuple[int, bytes, int] | None:
    """(place of the data, data, length of the file), None where the file is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(fd).st_size
        try:
            start = os.lseek(fd, place, os.SEEK_DATA)
            stop = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError:
            return place, b"", size  # ENXIO: nothing but a hole up to the end
        return start, os.pread(fd, min(limit, stop - start), start), size
    finally:
        os.close(fd)


def chunks(run_dir: str, n: int) -> Iterator[Chunk]:
    """All that was kept, in order; the last chunk may be a gap without data."""
    offset = 0
    while True:
        chunk = read_from(run_dir, n, offset)
        if chunk.data or chunk.gap:
            yield chunk
        if not chunk.data:
            return
        offset = chunk.offset + len(chunk.data)


def gap_marker(size: int) -> bytes:
    """What people see where bytes were not kept."""
    return b"" if size == 0 else f"\n[howdah: {size:,} bytes of output were not kept]\n".encode()


def read_output(run_dir: str, n: int) -> bytes:
    """All that was kept, at most 16 MiB, with a marker at each gap; empty where there is no output."""
    return b"".join(gap_marker(chunk.gap) + chunk.data for chunk in chunks(run_dir, n))


def length(run_dir: str, n: int) -> int:
    """Bytes of the whole output up to now, kept or not."""
    found = indexes(run_dir, n)
    if not found:
        return 0
    try:
        size = os.stat(os.path.join(run_dir, name(n, found[-1]))).st_size
    except FileNotFoundError:
        size = 0
    return begin(found[-1]) + size


def left_output(run_dir: str, n: int) -> OutputInfo:
    """What is there of an output whose writer was lost."""
    total, found = length(run_dir, n), indexes(run_dir, n)
    return OutputInfo(total, sum(chunk.gap for chunk in chunks(run_dir, n)), tuple(found))


def tail(run_dir: str, n: int, limit: int = 8192) -> bytes:
    """The last `limit` bytes of the output at most, with a marker where bytes before the end were not kept."""
    offset = max(0, length(run_dir, n) - limit)
    found = b""
    while (chunk := read_from(run_dir, n, offset)).data or chunk.gap:
        found += gap_marker(chunk.gap) + chunk.data
        if not chunk.data:
            break
        offset = chunk.offset + len(chunk.data)
    return found[-limit:]
