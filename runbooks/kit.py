"""Room for a run on a full disk: files in its folder that own their blocks before anybody else takes them.

Every run keeps a few spare files for its attempts; where the disk takes no more, an attempt's file is one of them,
renamed, which needs no block, and then that of an attempt whose outcome is recorded. A run that begins on a disk
which is nearly full also lays in a file for the runbook's text, all of it out of the store's ballast if need be.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from incidents.errors import NotDurable

if TYPE_CHECKING:
    from incidents.store import place

LOW_BYTES = 16 << 20  # free on the store's disk; below, a run also lays in room for its text
SPARES = 4  # files for attempts: two while one runs, and one for each of the first doubts, which keep theirs
SPARE_BYTES = 64  # exactly an attempt's record: a longer file is none
TEXT_BYTES = 128 << 10  # for the runbook's text
TEXT = "spare.text"


def make_folder(store: str, folder: str) -> None:
    """Makes FILE.runs/RUN with its kit; does nothing where it is. Raises NotDurable where nothing helps."""
    from incidents.store import place

    if os.path.isdir(folder):
        return None
    while True:
        try:
            return _make(store, folder)
        except OSError as problem:
            clear(folder)
            if problem.errno in place.NO_ROOM and _ballast_gives(store):
                continue
            with contextlib.suppress(OSError):
                os.rmdir(folder)
            if problem.errno not in place.NO_ROOM:
                raise
            raise NotDurable(
                f"the disk of {store} is full: no run can begin there, nothing was recorded",
                hint="free a few MiB there, or give --store FILE on another disk",
            ) from None


def _ballast_gives(store: str) -> bool:
    from incidents.store import room

    return room.give_way(f"{store}.ballast") > 0


def _make(store: str, folder: str) -> None:
    from incidents.store import place

    modes = place.modes(store)
    for path in (os.path.dirname(folder), folder):
        place.make_folder(path, modes)
    for number in range(SPARES):
        _own(os.path.join(folder, f"spare.{number}"), SPARE_BYTES, modes)
    status = os.statvfs(folder)
    free = (status.f_bfree if os.geteuid() == 0 else status.f_bavail) * status.f_frsize
    if free < LOW_BYTES:
        place.make_folder(f"{store}.blobs", modes)
        _own(os.path.join(folder, TEXT), TEXT_BYTES, modes)


def _own(path: str, size: int, modes: place.Modes) -> None:
    from incidents.store.place import create_file

    create_file(path, modes)
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(fd, 0, size)
    finally:
        os.close(fd)


def attempt_file(folder: str, path: str) -> bool:
    """Turns a spare file into the empty attempt file `path`, whose block it owns; False where none is left."""
    for number in range(SPARES):
        with contextlib.suppress(OSError):
            os.rename(os.path.join(folder, f"spare.{number}"), path)
            return True
    return False


def text_file(folder: str, text: bytes) -> str:
    """The runbook's text in a file of the kit. Raises NotDurable where there is none, or it is too small."""
    path = os.path.join(folder, TEXT)
    try:
        with open(path, "r+b", buffering=0) as file:
            if len(text) > TEXT_BYTES:
                raise NotDurable(f"a runbook of {len(text)} bytes does not fit onto the full disk")
            os.pwrite(file.fileno(), text, 0)
            os.ftruncate(file.fileno(), len(text))
    except OSError as problem:
        raise NotDurable(f"the runbook's text cannot be kept: {problem.strerror}") from None
    return path


def clear(folder: str) -> None:
    """Removes what is left of the kit."""
    for name in (*(f"spare.{number}" for number in range(SPARES)), TEXT):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, name))
