"""The client of a lab's databases: it writes into both, and notes what was acknowledged, outside of what breaks.

    python -m runbooks.drills.databases_client POSTGRES REDIS ACKS

`p N` in ACKS: PostgreSQL has committed row N; `r N`: Redis has taken key N. Whatever is refused is tried again with
the next number, on a new connection.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from incidents import clock
from runbooks.drills import wires

PAUSE = 15_000  # µs between two writes
RETRY = 100_000
PATIENCE = 5.0  # seconds


class Client:
    def __init__(self, postgres: str, redis: str, acks: str):
        self.postgres, self.redis = postgres, redis
        self.acks = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.session: wires.Postgres | None = None
        self.line: wires.Redis | None = None

    def run(self, user: str) -> None:
        number = 0
        while True:
            number += 1
            ok = self.attempt("p", number, lambda n=number: self.commit(n, user))  # type: ignore[misc]
            ok = self.attempt("r", number, lambda n=number: self.set(n)) and ok  # type: ignore[misc]
            clock.sleep(PAUSE if ok else RETRY)

    def attempt(self, mark: str, number: int, write: Callable[[], None]) -> bool:
        try:
            write()
        except wires.Refusal:
            self.forget(mark)
            return False
        os.write(self.acks, f"{mark} {number}\n".encode())
        os.fsync(self.acks)
        return True

    def commit(self, number: int, user: str) -> None:
        if self.session is None:
            self.session = wires.Postgres(self.postgres, user, patience=PATIENCE)
        self.session.run(f"INSERT INTO kept VALUES ({number})")

    def set(self, number: int) -> None:
        if self.line is None:
            self.line = wires.Redis(self.redis, patience=PATIENCE)
        self.line.run("SET", f"kept:{number}", str(number))

    def forget(self, mark: str) -> None:
        with contextlib.suppress(OSError):
            if mark == "p" and self.session is not None:
                self.session.close()
            elif mark == "r" and self.line is not None:
                self.line.close()
        if mark == "p":
            self.session = None
        else:
            self.line = None


def main() -> None:
    from runbooks.drills import databases

    Client(*sys.argv[1:4]).run(databases.user())


if __name__ == "__main__":
    main()
