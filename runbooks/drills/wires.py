"""Just enough of PostgreSQL's and Redis's protocols for a lab to write and to read back, without a library.

Unix sockets only, no password, one request at a time. PostgreSQL: protocol 3.0, simple queries
(postgresql.org/docs/current/protocol-message-formats.html); Redis: RESP2 (redis.io/docs/latest/develop/reference/protocol-spec).
"""

from __future__ import annotations

import socket
import struct

PATIENCE = 10.0  # seconds for one answer


class Refusal(Exception):
    """The server answered with an error, or went away."""


class _Line:
    def __init__(self, path: str, patience: float):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise Refusal(f"{path}: {error}") from None
        self._file = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Refusal(str(error)) from None

    def take(self, count: int) -> bytes:
        try:
            data = self._file.read(count)
        except OSError as error:
            raise Refusal(str(error)) from None
        if len(data) < count:
            raise Refusal("the connection was closed")
        return data

    def line(self) -> bytes:
        try:
            line = self._file.readline()
        except OSError as error:
            raise Refusal(str(error)) from None
        if not line.endswith(b"\r\n"):
            raise Refusal("the connection was closed")
        return line[:-2]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Postgres:
    """One session. Raises Refusal where it cannot be had."""

    def __init__(self, path: str, user: str, *, patience: float = PATIENCE):
        self._line = _Line(path, patience)
        names = b"".join(
            f"{name}\0{value}\0".encode() for name, value in (("user", user), ("database", "postgres"))
        )
        self._line.send(struct.pack("!ii", len(names) + 9, 196608) + names + b"\0")
        self._answer()

    def run(self, sql: str) -> list[tuple[str | None, ...]]:
        """The rows of the query's answer. Raises Refusal: nothing is known about what was not acknowledged."""
        text = sql.encode() + b"\0"
        self._line.send(b"Q" + struct.pack("!i", len(text) + 4) + text)
        return self._answer()

    def close(self) -> None:
        self._line.close()

    def _answer(self) -> list[tuple[str | None, ...]]:
        rows: list[tuple[str | None, ...]] = []
        wrong = ""
        while True:
            kind = self._line.take(1)
            (length,) = struct.unpack("!i", self._line.take(4))
            body = self._line.take(length - 4)
            if kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                wrong = _error(body)
                if "FATAL" in wrong or "PANIC" in wrong:
                    raise Refusal(wrong)
            elif kind == b"R" and body[:4] != b"\0\0\0\0":
                raise Refusal("it wants a password")
            elif kind == b"Z":
                if wrong:
                    raise Refusal(wrong)
                return rows


def _row(body: bytes) -> tuple[str | None, ...]:
    (count,) = struct.unpack("!h", body[:2])
    at, found = 2, []
    for _ in range(count):
        (length,) = struct.unpack("!i", body[at : at + 4])
        at += 4
        found.append(None if length < 0 else body[at : at + length].decode())
        at += max(0, length)
    return tuple(found)


def _error(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return f"{fields.get(b'S', '')}: {fields.get(b'M', '')}"


class Redis:
    """One connection. Raises Refusal where it cannot be had."""

    def __init__(self, path: str, *, patience: float = PATIENCE):
        self._line = _Line(path, patience)

    def run(self, *words: str) -> str | None:
        """The answer to one command, of a bulk or simple string or a number. Raises Refusal for an error."""
        self._ask(words)
        return self._answer(self._line.line())

    def rows(self, *words: str) -> list[str]:
        """The answer to one command that gives a list of strings. Raises Refusal for an error."""
        self._ask(words)
        line = self._line.line()
        if line[:1] != b"*":
            raise Refusal(self._answer(line) or "no list")
        return [self._answer(self._line.line()) or "" for _ in range(int(line[1:]))]

    def _ask(self, words: tuple[str, ...]) -> None:
        parts = [word.encode() for word in words]
        head = f"*{len(parts)}\r\n".encode()
        self._line.send(head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))

    def _answer(self, line: bytes) -> str | None:
        kind, rest = line[:1], line[1:].decode("utf-8", "replace")
        if kind == b"-":
            raise Refusal(rest)
        if kind != b"$":
            return rest
        if rest == "-1":
            return None
        return self._line.take(int(rest) + 2)[:-2].decode("utf-8", "replace")

    def close(self) -> None:
        self._line.close()
