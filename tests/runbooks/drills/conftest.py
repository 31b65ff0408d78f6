"""A place where a lab can be made; where none can, a skip that says why, and in CI a failure."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from incidents.errors import Failed
from runbooks.drills import janitor
from runbooks.drills.databases import programs
from runbooks.drills.disk_full import lab


class Place(NamedTuple):
    folder: str  # for labs
    ledgers: str  # for the janitor


@pytest.fixture
def place() -> Iterator[Place]:
    """Folders of their own; afterwards nothing may be left in them, mounted or not."""
    with tempfile.TemporaryDirectory(prefix="drills-") as folder:
        made = Place(os.path.realpath(folder), os.path.join(folder, "ledgers"))
        os.chmod(made.folder, 0o711)  # PostgreSQL, which does not run as root, must come to its folder
        able, why = lab.can_mount(made.folder, made.ledgers)
        if not able:
            pytest.skip(f"no lab can be made here: {why}")
        yield made
        assert janitor.cleanup(made.ledgers).left == []
        assert remains(made) == []


@pytest.fixture
def databases() -> None:
    """PostgreSQL and Redis are there; elsewhere than in CI a skip that says what to install."""
    try:
        programs()
    except Failed as error:
        pytest.skip(f"{error}; {error.hint}")


def remains(place: Place) -> list[str]:
    """Mounts, loop devices, folders and ledgers that are still there."""
    loops = [name for name in os.listdir("/sys/block") if backing(name).startswith(place.folder)]
    folders = [name for name in os.listdir(place.folder) if name.startswith(janitor.PREFIX)]
    ledgers = os.listdir(place.ledgers) if os.path.exists(place.ledgers) else []
    return [m for m in janitor.mounts() if m.startswith(place.folder)] + loops + folders + ledgers


def backing(name: str) -> str:
    try:
        with open(f"/sys/block/{name}/loop/backing_file", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
