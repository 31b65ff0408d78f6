"""Evidence as files beside the store, named by their SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator

from incidents import ids
from incidents.errors import BadInput, NotDurable, NotFound
from incidents.events import Evidence
from incidents.store import place

_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """The folder of one store's blobs; made when the first one comes."""

    def __init__(self, folder: str, modes: place.Modes):
        self.folder = folder
        self._modes = modes

    def path(self, sha256: str) -> str:
        if not _NAME.fullmatch(sha256):
            raise BadInput(f"{sha256[:80]!r} is not a SHA-256")
        return os.path.join(self.folder, sha256)

    def put(self, data: bytes, *, media_type: str, name: str) -> Evidence:
        """Keep `data`; the file and its name are durable on return. Raises NotDurable."""
        with _durably(self.folder):
            place.make_folder(self.folder, self._modes)
            temporary = os.path.join(self.folder, f".{ids.short(12)}.part")
            try:
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._modes.file)
                with os.fdopen(fd, "wb") as f:
                    os.fchmod(fd, self._modes.file)
                    f.write(data)
                return self.adopt(temporary, media_type=media_type, name=name)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
                raise

    def adopt(self, path: str, *, media_type: str, name: str) -> Evidence:
        """Keep the file by renaming it. Raises NotDurable, and OSError where it is on another filesystem."""
        with _durably(self.folder):
            place.make_folder(self.folder, self._modes)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as f:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
                size = os.fstat(fd).st_size
                os.fsync(fd)
            os.rename(path, self.path(digest))
            place.sync_folder(self.folder)
        return Evidence(digest, media_type, size, name)

    def get(self, sha256: str) -> bytes:
        try:
            with open(self.path(sha256), "rb") as f:
                return f.read()
        except FileNotFoundError:
            raise NotFound(f"there is no blob {sha256}") from None

    def destroy(self, sha256: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(sha256))

    def names(self) -> Iterator[str]:
        """The digests that the folder claims to hold, sorted."""
        with contextlib.suppress(FileNotFoundError):
            yield from sorted(name for name in os.listdir(self.folder) if _NAME.fullmatch(name))


@contextlib.contextmanager
def _durably(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in place.NO_ROOM:
            raise
        raise NotDurable(
            f"the disk of {folder} is full: the evidence was not kept", hint="free space there, then repeat"
        ) from None
