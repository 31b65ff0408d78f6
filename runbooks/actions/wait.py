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
    looks = {"port": _port, "file": os.path.exists, "http": _http}
    what = one_of(given, looks)
    if what == "http" and not str(given[what]).startswith(("http://", "https://")):
        raise Failed(f"http must begin with http:// or https://, not {str(given[what])[:40]!r}")
    while not looks[what](str(given[what])):
        clock.sleep(given.get("every", EVERY))
    return {}


def _port(where: str) -> bool:
    import socket

    host, colon, port = where.rpartition(":")
    if not colon or not port.isdecimal():
        raise Failed(f"port is HOST:NUMBER, not {where!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK).close()
    except (OSError, OverflowError):
        return False
    return True


def _http(url: str) -> bool:
    import urllib.request
    from http.client import HTTPException

    try:
        with urllib.request.urlopen(url, timeout=LOOK) as answer:
            return bool(answer.status < 400)
    except (OSError, HTTPException, ValueError):
        return False


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
