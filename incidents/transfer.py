"""Backup and restore: a whole record at one moment, verified, with its evidence and the output of its runs.

A copy of the file alone is no backup: what the write-ahead log holds is missing from it, or torn.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from incidents import clock, verify
from incidents.errors import BadInput, Damage, NotDurable, NotFound, StoreError
from incidents.store import open_store, place
from incidents.store.protocol import BackupRow, Head, Store

_BESIDE = ("-wal", "-shm", "-journal", ".lock", ".ballast")
_FOLDERS = (".blobs", ".runs")


class BackupInfo(NamedTuple):
    """`head` is the last event that it holds; `bytes` counts the database, the evidence and the output."""

    path: str
    head: Head
    events: int
    blobs: int
    bytes: int


def backup(store: Store | str, to: str) -> BackupInfo:
    """Copy a store, online, into the new file `to`, with `to`.blobs and `to`.runs; the copy is verified.

    The store remembers it: what is redacted later is still in it. Raises BadInput where something is there
    already, Damage where the copy does not verify (it is removed then), NotDurable, StoreError.
    """
    if isinstance(store, str):
        with open_store(store, create=False) as opened:
            return backup(opened, to)
    to = os.path.abspath(to)
    with _new(to):
        # Evidence before and after the database: no event without its evidence, whatever is redacted meanwhile.
        _copy_folder(store.blobs_dir, to + ".blobs")
        place.create_file(to, place.modes(to))
        store.copy_to(to)
        _copy_folder(store.blobs_dir, to + ".blobs")
        _copy_folder(store.runs_dir, to + ".runs")
        info = _verified(to)
    store.note_backup(BackupRow(to, clock.wall(), info.head.pos))
    return info


def restore(source: str, to: str | None = None) -> BackupInfo:
    """Make the store `to` (None: the default place) from the backup `source`; it is verified.

    Raises BadInput where a store is there already: nothing is ever overwritten; Damage, NotDurable, StoreError.
    """
    source = os.path.abspath(source)
    if not os.path.isfile(source):
        raise NotFound(f"there is no backup {source}")
    target = place.resolve(to)
    with _new(target):
        place.create_file(target, place.modes(target))
        shutil.copyfile(source, target)
        for folder in _FOLDERS:
            _copy_folder(source + folder, target + folder)
        info = _verified(target)
        open_store(target, create=False).close()  # brings an older one to the present schema
    return info


def _verified(path: str) -> BackupInfo:
    from incidents.store import embedded

    with contextlib.closing(embedded.Backup(path)) as copy:
        scan = verify.examine(copy)
    for digest in scan.leftovers:  # redacted while the copy was made
        os.unlink(os.path.join(path + ".blobs", digest))
    report = scan.report
    for finding in report.findings:
        if finding.where.removeprefix("blob ") not in scan.leftovers:
            raise Damage(f"{path} is damaged: {finding}", hint="`howdah verify` on its source says more")
    size = place.sync_file(path) + sum(_sync_folder(path + folder) for folder in _FOLDERS)
    place.sync_folder(os.path.dirname(path))
    return BackupInfo(path, report.head, report.events, report.blobs, size)


@contextlib.contextmanager
def _new(path: str) -> Iterator[None]:
    """Refuse to write over anything; when it fails, leave nothing behind."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise BadInput(f"there is no folder {folder}")
    for suffix in ("", *_FOLDERS, *_BESIDE):
        if os.path.lexists(path + suffix):
            raise BadInput(
                f"{path + suffix} is there already: it is not overwritten", hint="give another name"
            )
    try:
        yield
    except BaseException as error:
        for suffix in ("", *_BESIDE):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + suffix)
        for suffix in _FOLDERS:
            shutil.rmtree(path + suffix, ignore_errors=True)
        if isinstance(error, OSError):
            kind = NotDurable if error.errno in place.NO_ROOM else StoreError
            raise kind(f"{path} cannot be written: {error.strerror}", hint="nothing was kept of it") from None
        raise


def _copy_folder(source: str, to: str) -> None:
    """Copy the regular files below `source` that `to` does not have."""
    for folder, folders, names in os.walk(source):
        target = os.path.normpath(os.path.join(to, os.path.relpath(folder, source)))
        if names or folders:
            place.make_folder(target, place.modes(to))
        for name in names:
            copy = os.path.join(target, name)
            if os.path.exists(copy) or not os.path.isfile(os.path.join(folder, name)):
                continue
            with contextlib.suppress(FileNotFoundError):  # a run's output that became a blob, or was redacted
                shutil.copyfile(os.path.join(folder, name), copy)
                os.chmod(copy, place.modes(to).file)


def _sync_folder(path: str) -> int:
    size = 0
    for folder, _, names in os.walk(path):
        size += sum(place.sync_file(os.path.join(folder, name)) for name in names)
        place.sync_folder(folder)
    return size
