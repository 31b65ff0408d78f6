"""Commands and secrets as types that cannot be mistaken for text, and the one function that quotes for a shell.

What starts a process takes an Argv or a Script, never a str. A Secret shows itself only where somebody asks.
"""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from incidents.errors import BadInput

HIDDEN = "(secret)"
SECRET_BYTES = 64 * 1024


class Argv(tuple[str, ...]):
    """A program and its arguments; each item is one argument, whatever it holds. Never empty, never with NUL."""

    __slots__ = ()

    def __new__(cls, items: Iterable[str]) -> Argv:
        made = super().__new__(cls, items)
        if not made or not made[0]:
            raise BadInput("a command needs the name of a program")
        for item in made:
            if not isinstance(item, str):
                raise TypeError(f"an argument must be a str, not {type(item).__name__}")
            if "\0" in item:
                raise BadInput("an argument cannot hold NUL", hint="no program can receive it")
        return made

    def __repr__(self) -> str:
        return f"Argv({list(self)!r})"


class Script(NamedTuple):
    """Text for `bash -euo pipefail -c`, verbatim as its author wrote it. The place is where the text begins."""

    text: str
    line: int = 0
    column: int = 0
    literal: bool = False  # the text stands in a `|` block, so that its lines follow `line`

    @property
    def argv(self) -> Argv:
        return Argv(("bash", "-euo", "pipefail", "-c", self.text))


class Secret:
    """A value that must not be seen. repr and str hide it, it cannot be compared, hashed into a record or pickled."""

    __slots__ = ("_value", "name")

    def __init__(self, value: str, *, name: str = ""):
        self._value = value
        self.name = name

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled")


_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def shell_quote(argv: Iterable[str]) -> str:
    """One line of POSIX shell that yields exactly these arguments. Raises BadInput for NUL.

    For display, and for carrying an argv over a link that only takes a line. A first word with `=` would be an
    assignment, so it is quoted, and so is everything else that is not plainly harmless. (A program whose name begins
    with `%` bash takes for a job however it is quoted; it needs its path.)
    """
    return " ".join(_quote_one(item, first=place == 0) for place, item in enumerate(argv))


def _quote_one(item: str, *, first: bool) -> str:
    if "\0" in item:
        raise BadInput("an argument cannot hold NUL", hint="no program can receive it")
    if _SAFE.fullmatch(item) and not (first and ("=" in item or item in _RESERVED)):
        return item
    return "'" + item.replace("'", "'\"'\"'") + "'"


# Words that a shell reads as grammar where a command is expected (POSIX 2.4, and bash's own).
_RESERVED = frozenset(
    (
        "case",
        "coproc",
        "do",
        "done",
        "elif",
        "else",
        "esac",
        "fi",
        "for",
        "function",
        "if",
        "in",
        "select",
        "then",
    )
) | {"time", "until", "while"}


def resolve_secret(reference: str, *, prompt: Callable[[str], str] | None = None) -> Secret:
    """The secret that `env:NAME`, `file:PATH` or `prompt` refers to. Raises BadInput, whose text never holds it.

    `prompt` asks a person; without it a `prompt` reference is refused. One newline at a file's end is not part of it.
    """
    check_reference(reference)
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        value = os.environ.get(rest)
        if value is None:
            raise BadInput(f"the secret's environment variable {rest} is not set", hint=f"export {rest}")
    elif scheme == "file":
        value = _secret_file(rest)
    else:
        if prompt is None:
            raise BadInput(
                "this secret must be typed, and there is no terminal", hint="use env:NAME or file:PATH"
            )
        value = prompt(reference)
    if not value:
        raise BadInput(f"the secret {reference} is empty")
    if "\0" in value:
        raise BadInput(f"the secret {reference} holds NUL")
    return Secret(value, name=reference)


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_reference(text: str) -> None:
    """Raises BadInput where `text` is no reference to a secret. The text itself is not repeated: it may be one."""
    scheme, _, rest = text.partition(":")
    good = (
        text == "prompt"
        or (scheme == "env" and _VARIABLE.fullmatch(rest))
        or (scheme == "file" and rest.startswith("/") and "\0" not in rest)
    )
    if not good:
        raise BadInput(
            "a secret is given by reference, not by value", hint="write env:NAME, file:/PATH or prompt"
        )


def _secret_file(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            raw = file.read(SECRET_BYTES + 1)
    except OSError as error:
        raise BadInput(f"the secret's file {path} cannot be read: {error.strerror}") from None
    if len(raw) > SECRET_BYTES:
        raise BadInput(f"the secret's file {path} is larger than {SECRET_BYTES} bytes")
    try:
        return raw.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise BadInput(f"the secret's file {path} is not UTF-8 text") from None


MASK = b"***"
SHORTEST = 8  # characters; a shorter value would be found in what is not the secret


class Masker:
    """Replaces secrets in a stream of bytes, also where a secret is cut by the border of two chunks.

    A value of 8 characters or more is found as it is, line by line, and URL-quoted, JSON-escaped, shell-quoted or
    in base64 at each of its three offsets. What else a program makes of it (hex, compression, base64 with line
    breaks inside, single characters) gets through. However the stream is cut, the result is the same; at most the
    longest form's length is held back until more comes or `flush`.
    """

    def __init__(self, values: Iterable[str]):
        forms = {form for value in values for part in _lines(value) for form in _forms(part)}
        self._forms = sorted(forms)
        self._held = b""
        self._covered = 0  # bytes at the start of `_held` whose mask is already out

    def feed(self, chunk: bytes) -> bytes:
        """What may be shown of everything so far, less what was returned before."""
        if not self._forms:
            return chunk
        data = self._held + chunk
        keep = min((_begun(data, form) for form in self._forms), default=len(data))
        return self._show(data, keep)

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._show(self._held, len(self._held))

    def _show(self, data: bytes, end: int) -> bytes:
        """`data` up to `end` with its secrets masked; the rest is held back."""
        shown: list[bytes] = []
        at = self._covered
        for start, stop in self._found(data):
            if start >= end:
                break
            if start >= at:  # else it overlaps what is masked already
                shown += (data[at:start], MASK)
            at = max(at, stop)
        shown.append(data[at:end])
        self._held, self._covered = data[end:], max(0, at - end)
        return b"".join(shown)

    def _found(self, data: bytes) -> list[tuple[int, int]]:
        found = []
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = data.find(form, at + 1)
        return sorted(found)


def _lines(value: str) -> set[str]:
    return {part for part in (value, *value.splitlines()) if len(part) >= SHORTEST}


def _forms(value: str) -> Iterable[bytes]:
    import json

    raw = value.encode("utf-8", "surrogateescape")
    yield raw
    for safe in (b"", b"/"):
        quoted = b"".join(bytes([c]) if c in _UNRESERVED + safe else b"%%%02X" % c for c in raw)
        yield from (quoted, quoted.replace(b"%20", b"+"), re.sub(rb"%..", lambda m: m[0].lower(), quoted))
    for escaped in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield from (
            escaped.encode("utf-8", "surrogateescape"),
            escaped.replace("/", "\\/").encode("utf-8", "surrogateescape"),
        )
    yield raw.replace(b"'", b"'\"'\"'")
    yield raw.replace(b"'", b"'\\''")
    yield re.sub(rb"([^A-Za-z0-9_@%+=:,./\x80-\xff-])", rb"\\\1", raw)
    for offset in range(3):
        yield from _base64(raw, offset)


_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def _base64(raw: bytes, offset: int) -> Iterable[bytes]:
    """The letters that depend on `raw` alone when it stands `offset` bytes after a multiple of three."""
    letters = binascii.b2a_base64(b"\0" * offset + raw, newline=False)
    inner = letters[-(-8 * offset // 6) : 8 * (offset + len(raw)) // 6]
    yield from (inner, inner.replace(b"+", b"-").replace(b"/", b"_"))


def _begun(data: bytes, form: bytes) -> int:
    """Where at the end of `data` a beginning of `form` stands that may go on; len(data) where none does."""
    at = data.find(form[:1], max(0, len(data) - len(form) + 1))
    while at >= 0:
        if form.startswith(data[at:]):
            return at
        at = data.find(form[:1], at + 1)
    return len(data)
