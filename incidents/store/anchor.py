"""Keeps the blocks of FILE-shm, the shared index of SQLite's write-ahead log, when nobody has the store open.

The first connection that opens a store truncates FILE-shm and lets it grow again; on a disk whose every freed block
is taken by somebody else the store could not be opened any more. SQLite asks by a lock on one byte (UNIX_SHM_DMS in
its os_unix.c) whether it is the first: we hold that lock before it asks, and when we are the first we overwrite the
index with zeros in place, which tells SQLite the same as truncating: make the index again from the log.

Our lock belongs to our open file, not to the process, and so is not mixed up with SQLite's. But closing *any*
descriptor of the file drops the locks that SQLite holds for this process; so there is one descriptor for all stores
of the process on that file, closed after the last of them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import sys
import threading

from incidents import clock
from incidents.errors import StoreBusy

# Four of the 32 KiB regions in which SQLite maps the index: enough for a log of 64 MiB. It gives the file a byte every
# 4 KiB itself; where blocks are smaller the rest would be holes, and filling one on a full disk kills the process.
INDEX_BYTES = 128 * 1024
_VERSION = 3_007_000  # of the index's format
_FIRST_BYTE = 128  # UNIX_SHM_DMS
_WAIT = 5 * clock.SECOND
_ANOTHERS = (errno.EAGAIN, errno.EACCES)

_mutex = threading.Lock()
_anchors: dict[tuple[int, int], Anchor] = {}


class Anchor:
    """The descriptor of one FILE-shm in this process, for all its stores on that file."""

    def __init__(self, fd: int, inode: tuple[int, int]):
        self._fd = fd
        self._inode = inode
        self.stores = 1

    def let_go(self) -> None:
        """One store has closed its connections."""
        with _mutex:
            self.stores -= 1
            if not self.stores:
                _anchors.pop(self._inode, None)
                os.close(self._fd)

    def forget(self) -> None:
        """In a forked child: the lock is the parent's."""
        with contextlib.suppress(OSError):
            os.close(self._fd)


def hold(path: str) -> Anchor | None:
    """Hold FILE-shm at `path` before SQLite opens it; None where there is none. Raises StoreBusy, OSError."""
    with _mutex:
        try:
            status = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return None
        inode = (status.st_dev, status.st_ino)
        if inode in _anchors:
            _anchors[inode].stores += 1
            return _anchors[inode]
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            held = _is_index(fd) and _lock(fd, path)
        except BaseException:
            os.close(fd)  # safe: had this process a connection to it, it had an anchor too
            raise
        if not held:
            os.close(fd)
            return None
        _anchors[inode] = Anchor(fd, inode)
        return _anchors[inode]


def _is_index(fd: int) -> bool:
    """Whether the file is SQLite's, so that it may be overwritten (walformat.html, 2.1: its version number)."""
    start = os.pread(fd, 4, 0)
    return len(start) < 4 or start in (bytes(4), _VERSION.to_bytes(4, sys.byteorder))


def _lock(fd: int, path: str) -> bool:
    until = clock.monotonic() + _WAIT
    while not _try(fd, fcntl.F_WRLCK):  # there is another; it may be about to say that it is the first
        if _try(fd, fcntl.F_RDLCK):
            return True
        if clock.monotonic() > until:
            raise StoreBusy(
                f"another program is opening {path} and does not finish", hint="look for it, then repeat"
            )
        clock.sleep(clock.SECOND // 1000)
    size = os.fstat(fd).st_size
    os.pwrite(fd, bytes(size), 0)
    with contextlib.suppress(OSError):  # a full disk: what is there must do
        os.pwrite(fd, bytes(max(0, INDEX_BYTES - size)), size)
    return _try(fd, fcntl.F_RDLCK)


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, _FIRST_BYTE, 1, 0))
    except OSError as error:
        if error.errno in _ANOTHERS:
            return False
        raise
    return True


def _after_fork() -> None:
    global _mutex
    _mutex = threading.Lock()
    for anchor in _anchors.values():
        anchor.forget()
    _anchors.clear()


os.register_at_fork(after_in_child=_after_fork)
