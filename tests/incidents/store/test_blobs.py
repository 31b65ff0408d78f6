"""Evidence is whole on disk, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from incidents.errors import NotDurable
from incidents.store import place
from incidents.store.blobs import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs"), place.Modes(0o600, 0o700))


def test_the_same_bytes_are_kept_once(blobs: Blobs) -> None:
    first = blobs.put(b"same", media_type="text/plain", name="a")
    second = blobs.put(b"same", media_type="text/plain", name="b")
    assert first.sha256 == second.sha256 == hashlib.sha256(b"same").hexdigest()
    assert os.listdir(blobs.folder) == [first.sha256]


def test_a_large_file_is_adopted_without_a_copy(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"x" * 3_000_000)
    inode = os.stat(tmp_path / "out").st_ino
    evidence = blobs.adopt(str(tmp_path / "out"), media_type="text/plain", name="out")
    assert os.stat(blobs.path(evidence.sha256)).st_ino == inode and evidence.size == 3_000_000


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_leaves_nothing(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotDurable, match="evidence was not kept"):
        blobs.put(b"x", media_type="text/plain", name="x")
    assert os.listdir(blobs.folder) == []


def test_the_bytes_and_their_name_are_synced_before_it_returns(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def watch(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", watch)
    evidence = blobs.put(b"x", media_type="text/plain", name="x")
    part, folder = synced
    assert part.startswith(blobs.folder) and folder == blobs.folder
    assert blobs.get(evidence.sha256) == b"x"


def test_what_a_killed_writer_left_is_no_blob(blobs: Blobs) -> None:
    blobs.put(b"x", media_type="text/plain", name="x")
    Path(blobs.folder, ".abc.part").write_bytes(b"half")
    assert list(blobs.names()) == [hashlib.sha256(b"x").hexdigest()]
