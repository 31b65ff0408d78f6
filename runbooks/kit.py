"""Room for a run on a full disk: files in its folder that own their blocks before anybody else takes them.

A run that begins while the store's disk is nearly full lays in a kit; where nothing fits any more, the store's
ballast gives up piece after piece until the kit is there. On ENOSPC an attempt's file, and the evidence of the
runbook's text, are then made of the kit by renaming, which needs no block.
"""

from __future__ import annotations

import contextlib
import os

from incidents.errors import NotDurable

LOW_BYTES = 16 << 20  # free on the store's disk; below, a run lays in its kit
SPARES = 64  # files for attempts
SPARE_BYTES = 4096
TEXT_BYTES = 128 << 10  # for the runbook's text
TEXT = "spare.text"


def make_folder(store: str, folder: str) -> None:
    """Makes FILE.runs/RUN, with a kit where the disk is nearly full. Raises NotDurable where nothing helps."""
    from incidents.store import place

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
    status = os.statvfs(folder)
    free = (status.f_bfree if os.geteuid() == 0 else status.f_bavail) * status.f_frsize
    if free >= LOW_BYTES or os.path.exists(os.path.join(folder, TEXT)):
        return
    place.make_folder(f"{store}.blobs", modes)
    for number in range(SPARES):
        _own(os.path.join(folder, f"spare.{number}"), SPARE_BYTES)
    _own(os.path.join(folder, TEXT), TEXT_BYTES)


def _own(path: str, size: int) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
