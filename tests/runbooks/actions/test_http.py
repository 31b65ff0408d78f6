"""`uses: http` against a server on loopback."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from runbooks import borrowed, inputs, using
from runbooks.actions import base
from runbooks.expressions import Place
from tests.runbooks.actions.asking import ask

ODD = {  # answers that cannot be kept as they are
    "/huge": '{"a": "' + "x" * (2 << 20) + '"}',
    "/large": json.dumps(["y" * 600_000]),
    "/digits": '{"big": 12345678901234567890123, "far": 1e400, "half": 0.50, "fine": 12345678901234567890.5}',
    "/nul": '{"a": "b\\u0000c"}',
    "/nan": '{"a": NaN}',
    "/deep": "[" * 5000 + "]" * 5000,
    "/deeper": "[" * 60 + "]" * 60,
    "/raw": "a\0b",
}


class Page(BaseHTTPRequestHandler):
    asked: list[tuple[str, str, dict[str, str], str]] = []  # noqa: RUF012 - the server makes one object a request

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        Page.asked.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/vanishes":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.path.startswith("/elsewhere"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2] or "/ok")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        text = (
            json.dumps({"load": 0.25, "list": [1, None, "x"]}) if self.path == "/ok" else "nobody is here\n"
        )
        text = ODD.get(self.path, text)
        known = {"/ok": 200, "/made": 201, "/gone": 404, "/later": 503}
        gateways = {f"/{status}": status for status in (500, 502, 503, 504, 524)}
        self.send_response(200 if self.path in ODD else {**known, **gateways}.get(self.path, 503))
        if self.path == "/later":
            self.send_header("Retry-After", "120")
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
    with served() as one:
        yield one


@contextlib.contextmanager
def served() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
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


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"url": "/502", "body": "x"}, 75),
        ({"url": "/504", "body": "x"}, 75),
        ({"url": "/524", "method": "POST"}, 75),
        ({"url": "/503", "body": "x"}, 75),
        ({"url": "/later", "body": "x"}, 1),  # it says when to come again: it took nothing
        ({"url": "/500", "body": "x"}, 1),
        ({"url": "/502", "body": "x", "status": [200]}, 75),
        ({"url": "/502", "body": "x", "status": [502]}, 0),
        ({"url": "/502", "status": [200]}, 75),  # no word of the server's, so no `no` of a verify
        ({"url": "/503", "status": [200]}, 10),
    ],
)
def test_what_a_gateway_says_of_a_server_that_did_not_answer_is_no_answer(
    url: str, given: dict[str, Any], code: int
) -> None:
    told = ask("http", {**given, "url": url + given["url"]})
    assert told.code == code, told
    if code == 75:
        assert "no answer: " in told.text and f"status {given['url'][1:]}" in told.text


def test_a_read_that_is_sent_to_another_server_takes_no_secret_along(url: str) -> None:
    secrets = {"Authorization": "Bearer geheim", "Cookie": "a=geheim", "X-Api-Key": "geheim"}
    headers = {**secrets, "Accept": "text/x"}
    with served() as other:
        for target in (f"{other}/ok", url.replace("127.0.0.1", "localhost") + "/ok"):
            Page.asked = []
            assert ask("http", {"url": f"{url}/elsewhere?{target}", "headers": headers}).code == 0
            (_, _, first, _), (_, _, second, _) = Page.asked
            assert first["Authorization"] == "Bearer geheim" and second["Accept"] == "text/x"
            assert "geheim" not in str(second)
    Page.asked = []
    assert ask("http", {"url": f"{url}/elsewhere?{url}/ok", "headers": headers}).code == 0
    assert str(Page.asked[1][2]).count("geheim") == 3


def test_who_is_not_there_was_asked_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told = ask("http", {"url": f"http://127.0.0.1:{taken.getsockname()[1]}/?key=geheim", "body": "x"})
    assert told.code == 1 and "refused" in told.text and "geheim" not in told.text


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "x", "http://[", "http://127.0.0.1:99999/"])
def test_an_address_that_is_none_is_told_and_read_from_nowhere(url: str) -> None:
    told = ask("http", {"url": url})
    assert told.code in (1, 75) and "root:" not in told.text


@pytest.mark.parametrize("path", ODD)
def test_a_change_that_was_answered_has_happened_whatever_the_answer_looks_like(url: str, path: str) -> None:
    told = ask("http", {"url": url + path, "body": "x"})
    assert told.code == 0 and told.outputs["status"] == 200, told
    for name, spec in borrowed.outputs_of(using.Uses("http", {}, Place("book.yaml", 1, 1))).items():
        inputs.read_outputs({name: spec}, told.text.encode())  # as the step will read it


def test_what_of_an_answer_cannot_be_kept(url: str) -> None:
    def got(path: str) -> Any:
        return ask("http", {"url": url + path}).outputs

    assert got("/digits")["json"] == {
        "big": "12345678901234567890123", "far": "1e400", "half": "0.5", "fine": "12345678901234567890.5",
    }  # fmt: skip
    assert got("/nul")["json"] == {"a": "b\ufffdc"} and got("/raw")["text"] == "a\ufffdb"
    assert got("/nan")["json"] is None and got("/deep")["json"] is None
    for path in ("/huge", "/large"):
        told = ask("http", {"url": url + path})
        assert told.code == 1 and "longer than can be kept" in told.text
        kept = ask("http", {"url": url + path, "body": "x"})
        assert "too long to be kept" in kept.text and len(kept.outputs["text"]) > 60_000


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "/a b"}, "url holds ' ': write it as %20"),
        ({"url": "/a\u0001"}, "url holds '\\x01': write it as %01"),
        ({"url": "/ä"}, "url holds 'ä'"),
        ({"url": "/ok", "headers": {"A": "b\u2028c"}}, "not in range"),
        ({"url": "/ok", "headers": {"Ä": "c"}}, "not in range"),
    ],
)
def test_what_is_refused_before_it_is_sent_has_not_happened(
    url: str, given: dict[str, Any], says: str
) -> None:
    told = ask("http", {"body": "x", **given, "url": url + given["url"]})
    assert told.code == 1 and says in told.text and Page.asked == [], told


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/", "data:text/plain,x"])
def test_a_page_that_sends_elsewhere_than_to_the_web_has_answered(url: str, where: str) -> None:
    told = ask("http", {"url": f"{url}/elsewhere?{where}"})
    assert told.code == 1 and "status 302: " in told.text, told


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        ({}, "read"), ({"method": "HEAD"}, "read"), ({"method": "PUT"}, "idempotent"), ({"body": "x"}, "unsafe"),
        ({"method": "POST"}, "unsafe"), ({"method": "PATCH"}, "unsafe"),
    ],
)  # fmt: skip
def test_the_effect_is_that_of_the_method(given: dict[str, Any], effect: str) -> None:
    assert base.find("http").effect(given) == effect
