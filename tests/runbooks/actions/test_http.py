"""`uses: http` against a server on loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from runbooks.actions import base
from tests.runbooks.actions.asking import ask


class Page(BaseHTTPRequestHandler):
    asked: list[tuple[str, str, dict[str, str], str]] = []  # noqa: RUF012 - the server makes one object a request

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        Page.asked.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/vanishes":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/ok")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        text = (
            json.dumps({"load": 0.25, "list": [1, None, "x"]}) if self.path == "/ok" else "nobody is here\n"
        )
        self.send_response({"/ok": 200, "/made": 201, "/gone": 404}.get(self.path, 503))
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Queue", "7")
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Page.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_status_body_data_and_headers_are_outputs(url: str) -> None:
    told = ask("http", {"url": url + "/ok"})
    assert told.code == 0
    assert told.outputs["status"] == 200
    assert told.outputs["json"]["list"] == [1, None, "x"]
    assert told.outputs["text"].startswith('{"load": 0.25')
    assert told.outputs["headers"]["x-queue"] == "7"


def test_a_body_is_sent_as_it_is(url: str) -> None:
    ask("http", {"url": url + "/ok", "json": {"a": ["ä", 1, True]}, "headers": {"X-Who": "nova"}})
    ask("http", {"url": url + "/ok", "body": "a=b\n", "method": "PUT"})
    (post, _, headers, data), (put, _, _, text) = Page.asked
    assert (post, json.loads(data), put, text) == ("POST", {"a": ["ä", 1, True]}, "PUT", "a=b\n")
    assert (headers["X-Who"], headers["Content-Type"]) == ("nova", "application/json")


def test_a_read_follows_where_it_is_sent_and_a_post_does_not(url: str) -> None:
    assert ask("http", {"url": url + "/elsewhere"}).outputs["status"] == 200
    assert ask("http", {"url": url + "/elsewhere", "body": "x"}).outputs["status"] == 302


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"url": "/gone"}, 1, "status 404: nobody is here"),
        ({"url": "/gone", "status": [404]}, 0, ""),
        ({"url": "/ok", "status": [201, 204]}, 10, "otherwise: GET"),
        ({"url": "/vanishes"}, 75, "no answer"),
        ({"url": "/vanishes", "body": "x"}, 75, "no answer: POST"),
        ({"url": "/ok", "json": 1, "body": "x"}, 1, "the same thing twice"),
        ({"url": "/ok", "headers": {"A": "b\r\nC: d"}}, 1, "cannot hold a newline"),
    ],
)
def test_each_answer_has_its_exit(url: str, given: dict[str, Any], code: int, says: str) -> None:
    told = ask("http", {**given, "url": url + given["url"]})
    assert told.code == code and says in told.text, told


def test_who_is_not_there_was_asked_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told = ask("http", {"url": f"http://127.0.0.1:{taken.getsockname()[1]}/?key=geheim", "body": "x"})
    assert told.code == 1 and "refused" in told.text and "geheim" not in told.text


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "x", "http://[", "http://127.0.0.1:99999/"])
def test_an_address_that_is_none_is_told_and_read_from_nowhere(url: str) -> None:
    told = ask("http", {"url": url})
    assert told.code in (1, 75) and "root:" not in told.text


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        ({}, "read"), ({"method": "HEAD"}, "read"), ({"method": "PUT"}, "idempotent"), ({"body": "x"}, "unsafe"),
        ({"method": "POST"}, "unsafe"), ({"method": "PATCH"}, "unsafe"),
    ],
)  # fmt: skip
def test_the_effect_is_that_of_the_method(given: dict[str, Any], effect: str) -> None:
    assert base.find("http").effect(given) == effect
