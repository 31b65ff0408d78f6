"""The record: `open_store` opens it, `protocol.Store` says what it promises."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from incidents.store import place

if TYPE_CHECKING:
    from incidents.store.protocol import Store


def default_path() -> str:
    """Where the store is when nobody says: $HOWDAH_STORE, /var/lib/howdah, the account's data folder."""
    return place.default_path()


def open_store(
    path: str | None = None, *, create: bool = True, wait: Callable[[str], None] | None = None
) -> Store:
    """Open the store in the file `path` (None: `default_path()`); a context manager.

    With `create` a file that is not there is made. `wait` is told, once an append has waited 2 s, which process
    holds the store; without it standard error is. Raises StoreError and its kin.
    """
    from incidents.store import embedded

    return embedded.open_embedded(place.resolve(path), create=create, notice=wait or _say)


def _say(text: str) -> None:
    print(f"howdah: {text}", file=sys.stderr, flush=True)
