"""What the parts of the embedded store need of its database, so that one module alone imports the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Value = int | str | bytes | None


class DiskFull(Exception):
    """The database could not be written because a disk, quota or file limit is full."""


class Database(Protocol):
    """One connection; not for two threads at once."""

    path: str

    @property
    def wal_pages(self) -> int:
        """Pages in the write-ahead log after this connection's last commit."""
        ...

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement. Raises DiskFull, StoreBusy, StoreError."""
        ...

    def do(self, sql: str, values: Sequence[Value] = ()) -> None:
        """As `run`, for statements without rows."""
        ...

    def allocate(self, size: int) -> None:
        """Let the database's file own `size` bytes of disk. Raises DiskFull."""
        ...

    def script(self, sql: str) -> None:
        """Run several statements."""
        ...

    def rollback(self) -> None:
        """End the open transaction, if there is one, without its changes."""
        ...

    def checkpoint(self, mode: str = "PASSIVE") -> bool:
        """Copy the write-ahead log into the database; whether all of it was copied."""
        ...

    def limit_wal(self, size: int | None) -> None:
        """Let the write-ahead log shrink to `size` bytes when it starts anew; None: it keeps what it has."""
        ...
