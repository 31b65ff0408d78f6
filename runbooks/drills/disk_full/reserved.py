"""Fault: so much is reserved for root that nobody else can write, while root sees room.

    python -m runbooks.drills.disk_full.reserved DATA ACKS

mkfs keeps 5 % back, of a large disk hundreds of GiB; here somebody raised it to a quarter. What fills the rest is
data that people want (it is acknowledged as the service's own is), and there is no other filesystem to move it to.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from typing import TYPE_CHECKING

from incidents import ids
from runbooks.drills import ordinary

if TYPE_CHECKING:
    from runbooks.drills.disk_full.lab import Lab
    from runbooks.procfs import Process

RESERVED_PERCENT = 25
FILE = 1 << 20  # bytes of each file

SUMMARY = "A quarter of the filesystem is kept for root: root sees room, and nobody else can write."
ANSWERS = ("lend",)


def inject(lab: Lab) -> Process:
    """Raises the reserve and fills the rest; returns the service, because no process is at fault."""
    lab.reserve(RESERVED_PERCENT)
    lab.nowhere_to_move()
    lab.start("filler", "runbooks.drills.disk_full.reserved", lab.data, lab.acks)
    lab.wait_full()
    return lab.writer


def main() -> None:
    folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    acks = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
    ordinary.become()
    size = FILE
    while size >= 512:
        try:
            _fill(folder, acks, size)
        except OSError:  # the disk is full: that was the order; what is left takes smaller ones
            size //= 2


def _fill(folder: int, acks: int, size: int) -> None:
    """One file of `size` bytes, acknowledged when it is durable; raises OSError, and leaves nothing of it then."""
    name, content = ids.short(12), os.urandom(size)
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
    try:
        written = 0
        while written < size:
            written += os.write(fd, content[written:])
        os.fsync(fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(fd)
    os.write(acks, f"0 {name} 0 {size} {hashlib.sha256(content).hexdigest()}\n".encode())


if __name__ == "__main__":
    main()
