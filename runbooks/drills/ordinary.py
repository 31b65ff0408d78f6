"""An ordinary user: what root may still do on a full disk says nothing about what a service can."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

UID = 65534  # nobody, on every Linux


def become() -> None:
    """Makes this process the ordinary user for good, where it is root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)


def own(path: str) -> None:
    """Gives a file or folder to the ordinary user, where this process is root."""
    if os.geteuid() == 0:
        os.chown(path, UID, UID)


@contextlib.contextmanager
def acting() -> Iterator[None]:
    """Inside the block files are opened and blocks taken as the ordinary user, where this process is root.

    For a process of one thread. The kernel asks the filesystem uid, which follows the effective one (credentials(7)).
    """
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(UID)
    os.seteuid(UID)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def main() -> None:
    """python -m runbooks.drills.ordinary PROGRAM ARGUMENT…: the program, as the ordinary user."""
    become()
    os.environ["HOME"] = "/"
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
