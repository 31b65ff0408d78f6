"""Fault: a process fills a folder with files, and takes every byte that somebody frees.

python -m runbooks.drills.disk_full.runaway FOLDER
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from incidents import clock, ids
from runbooks.drills import ordinary

if TYPE_CHECKING:
    from runbooks.drills.disk_full.lab import Lab
    from runbooks.procfs import Process

FILE = 512 * 1024  # bytes of each file
CHUNK = 64 * 1024
SMALLEST = 4096
RETRY = 2_000  # µs: quicker than whoever frees something can use it

SUMMARY = "A process fills a folder with files and takes every byte that is freed."
ANSWERS = ("pause", "move_files")


def inject(lab: Lab) -> Process:
    """Starts the process; returns it once the disk is full."""
    folder = lab.make_folder()
    process = lab.start("runaway", "runbooks.drills.disk_full.runaway", folder)
    lab.wait_full()
    return process


def main() -> None:
    folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    ordinary.become()
    while True:
        with contextlib.suppress(OSError):
            _fill(folder, ids.short(12))
        clock.sleep(RETRY)


def _fill(folder: int, name: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
    chunk = os.urandom(CHUNK)
    try:
        written = 0
        size = CHUNK
        while written < FILE:
            try:
                written += os.write(fd, chunk[:size])
                size = CHUNK
            except OSError:
                size = max(SMALLEST, size // 2)
                clock.sleep(RETRY)
    finally:
        os.close(fd)


if __name__ == "__main__":
    main()
