"""Fault: a process leaves a small file for all that it does and clears none away, until no file can be made.

    python -m runbooks.drills.disk_full.inodes FOLDER

`df` shows room enough; what is used up is the number of files that the filesystem was made for. The newest file stays
open, as a spool's does, and every file that is freed is taken at once.
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

SIZE = 200  # bytes of each file
RETRY = 2_000  # µs

SUMMARY = "A process leaves a small file for all that it does: there is room, but no file can be made."
ANSWERS = ("pause", "move_files")


def inject(lab: Lab) -> Process:
    """Starts the process; returns it once no file can be made."""
    folder = lab.make_folder()
    process = lab.start("spooler", "runbooks.drills.disk_full.inodes", folder)
    lab.wait_full()
    return process


def main() -> None:
    folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    ordinary.become()
    newest = -1
    while True:
        try:
            fd = os.open(ids.short(12), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
        except OSError:
            clock.sleep(RETRY)
            continue
        with contextlib.suppress(OSError):
            os.write(fd, os.urandom(SIZE))
        if newest >= 0:
            os.close(newest)
        newest = fd


if __name__ == "__main__":
    main()
