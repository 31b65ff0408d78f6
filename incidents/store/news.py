"""Whether the record has grown: by this process, which wakes who waits, or by another, which is looked for."""

from __future__ import annotations

import threading

from incidents import clock


class News:
    """Whether the record has grown since a thread asked last: by this process, or by another one."""

    def __init__(self) -> None:
        self._told = threading.Condition()
        self._generation = 0
        self._version: int | None = None
        self._seen = threading.local()

    def tell(self) -> None:
        with self._told:
            self._generation += 1
            self._told.notify_all()

    def look(self, version: int) -> bool:
        """`version` is the reading connection's data_version, which every other connection's commit moves."""
        with self._told:
            if version != self._version:
                self._version = version
                self._generation += 1
            seen = getattr(self._seen, "generation", None)
            self._seen.generation = self._generation
            return seen != self._generation

    def wait(self, micros: int) -> None:
        with self._told:
            if self._generation == self._seen.generation:
                self._told.wait(micros / clock.SECOND)
