"""`uses: wait`: what is waited for comes while it waits."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.runbooks.actions.asking import ask

SOON = 0.4  # s


def later(act: Any) -> threading.Thread:
    thread = threading.Timer(SOON, act)
    thread.start()
    return thread


def test_a_file_that_comes(tmp_path: Path) -> None:
    thread = later((tmp_path / "made").touch)
    began = time.monotonic()
    assert ask("wait", {"file": str(tmp_path / "made"), "every": 50_000}).outputs == {}
    assert time.monotonic() - began >= SOON / 2
    thread.join()


def test_a_port_that_opens() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        thread = later(server.listen)
        assert ask("wait", {"port": f"127.0.0.1:{server.getsockname()[1]}", "every": 50_000}).code == 0
        thread.join()


@contextlib.contextmanager
def page(statuses: list[int]) -> Iterator[str]:
    """A page that answers each request with the next of these, and its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_page_that_gets_well() -> None:
    statuses = [503, 500, 200]
    with page(statuses) as address:
        assert ask("wait", {"http": address, "every": 50_000}).code == 0
    assert statuses == []


def test_what_it_sees_instead_is_told_once_each(tmp_path: Path) -> None:
    later((tmp_path / "made").touch)
    told = ask("wait", {"file": str(tmp_path / "made"), "every": 20_000})
    assert told.text == f"{tmp_path}/made: there is no such file\n{{}}\n"
    statuses = [503, 503, 500, 404, 200]
    with page(statuses) as address:
        seen = ask("wait", {"http": address, "every": 20_000}).text
    assert [line.rpartition(": ")[2] for line in seen.splitlines()[:-1]] == [
        "status 503",
        "status 500",
        "status 404",
    ]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{closed.getsockname()[1]}"
        thread = later(closed.listen)
        assert ask("wait", {"port": where, "every": 20_000}).text.startswith(f"{where}: Connection refused\n")
        thread.join()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "one of port, file, http"),
        ({"port": "1", "file": "x"}, "one of port, file, http"),
        ({"port": "nowhere"}, "HOST:NUMBER"),
        ({"port": "127.0.0.1:99999"}, "a number from 1 to 65535"),
        ({"port": "127.0.0.1:0"}, "a number from 1 to 65535"),
        ({"port": ":80"}, "HOST:NUMBER"),
        ({"http": "file:///"}, "must begin with http"),
    ],
)
def test_what_cannot_be_waited_for_fails_at_once(given: dict[str, Any], says: str) -> None:
    told = ask("wait", given)
    assert told.code == 1 and says in told.text
