"""`uses: wait`: until a port takes connections, a file is there, or a page answers. Bounded by the step's timeout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from incidents import clock
from runbooks.actions.base import Action, Failed, Key, always, one_of

EVERY = clock.SECOND
LOOK = 5.0  # s; no look takes longer


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Each thing that it sees anew is a line, so that whoever reads why its time was up sees what was last there."""
    looks = {"port": _port, "file": _file, "http": _http}
    what = one_of(given, looks)
    where = str(given[what])
    if what == "http" and not where.startswith(("http://", "https://")):
        raise Failed(f"http must begin with http:// or https://, not {where[:40]!r}")
    before = ""
    while seen := looks[what](where):
        if seen != before:
            print(f"{where}: {seen}", flush=True)
            before = seen
        clock.sleep(given.get("every", EVERY))
    return {}


def _file(path: str) -> str:
    """What is seen instead of what is waited for; nothing where that is there."""
    try:
        os.stat(path)
    except OSError as problem:
        return "there is no such file" if isinstance(problem, FileNotFoundError) else _why(problem)
    except ValueError as problem:
        raise Failed(f"file: {problem}") from None
    return ""


def _port(where: str) -> str:
    import socket

    host, colon, port = where.rpartition(":")
    if not colon or not host or not port.isdecimal() or not port.isascii() or not 0 < int(port) < 65536:
        raise Failed(f"port is HOST:NUMBER, with a number from 1 to 65535, not {where[:80]!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK).close()
    except (OSError, UnicodeError) as problem:
        return _why(problem)
    return ""


def _http(url: str) -> str:
    import urllib.request
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        with urllib.request.urlopen(url, timeout=LOOK) as answer:
            return "" if answer.status < 400 else f"status {answer.status}"
    except HTTPError as problem:
        return f"status {problem.code}"
    except (OSError, HTTPException, ValueError) as problem:
        return _why(problem)


def _why(problem: Exception) -> str:
    reason = getattr(problem, "reason", problem)
    return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)[:200]


ACTION = Action(
    doc="Waits until one thing is there; the step's timeout ends it as failed.",
    takes={
        "port": Key("template", "HOST:NUMBER takes connections."),
        "file": Key("template", "A file is there."),
        "http": Key("template", "A page answers with a status below 400."),
        "every": Key("duration", "Between two looks; 1s unless given."),
    },
    gives={},
    effect=always("read"),
    act=act,
)
