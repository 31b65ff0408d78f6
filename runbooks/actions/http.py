"""`uses: http`: one request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from incidents import clock
from runbooks import exact
from runbooks.actions.base import (
    Action,
    Failed,
    Gives,
    Key,
    Otherwise,
    Unanswered,
    data,
    digits,
    line,
    literal,
)

if TYPE_CHECKING:
    import urllib.request

READS = ("GET", "HEAD", "OPTIONS")
TWICE = ("PUT", "DELETE")  # RFC 9110 section 9.2.2: a second one changes nothing more
METHODS = (*READS, *TWICE, "POST", "PATCH")
REDIRECTS = (301, 302, 303, 307, 308)
# What a proxy says of a server that did not answer it, and Cloudflare's likewise: no word of the server's own.
GATEWAY = (502, 504, 520, 522, 524)
UNAVAILABLE = 503  # the server's own word, or that of a proxy which lost it; its own mostly has Retry-After
ALONG = (
    "accept",
    "accept-language",
    "user-agent",
    "range",
)  # the headers that a redirect takes to another server
TIMEOUT = 30 * clock.SECOND
MOST = 1 << 20  # bytes of a body that is read
CUT = 1 << 16  # characters that are kept of one that is too long


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    from http.client import HTTPException
    from urllib.error import HTTPError

    request = _request(given)
    sent: list[bool] = []
    opener = _opener(given, sent)
    seconds = given.get("timeout", TIMEOUT) / clock.SECOND
    where = f"{request.get_method()} {_without_query(request.full_url)}"
    try:
        with opener.open(request, timeout=seconds) as answer:
            body = answer.read(MOST + 1)
            status, headers = answer.status, answer.headers
    except HTTPError as problem:  # an answer: a read was sent somewhere that it does not go
        raise Failed(f"{where}: status {problem.code}: {_first(str(problem.reason))}") from None
    except (OSError, HTTPException, ValueError) as problem:
        raise _trouble(where, problem, sent) from None
    text = body[:MOST].decode("utf-8", "replace")
    wanted = given.get("status", [])
    if status not in wanted and _lost(request.get_method(), status, headers):
        raise Unanswered(f"{where}: status {status}, which is no word of the server's own: {_first(text)}")
    if wanted and status not in wanted:
        raise Otherwise(f"{where}: status {status}, not {', '.join(map(str, wanted))}: {_first(text)}")
    if not wanted and status >= 400:
        raise Failed(f"{where}: status {status}: {_first(text)}")
    known = {name.lower(): value for name, value in headers.items()}
    found = {"status": status, "text": data(text), "json": _json(text), "headers": data(known)}
    return _fitting(found, where, len(body), reads=request.get_method() in READS)


def _lost(method: str, status: int, headers: Mapping[str, str]) -> bool:
    """Whether this status leaves open what the server did with the request, or what it would have answered."""
    changes = method not in READS and "Retry-After" not in headers
    return status in GATEWAY or (status == UNAVAILABLE and changes)


def _fitting(found: dict[str, Any], where: str, size: int, *, reads: bool) -> dict[str, Any]:
    """The outputs, small enough. A change that was answered has happened, however long the answer is."""
    try:
        if size <= MOST:
            line(found)
            return found
    except Failed:
        pass
    if reads:
        raise Failed(f"{where}: the answer is longer than can be kept, of {MOST} bytes: ask for less")
    print(
        f"{where}: status {found['status']}; the answer is too long to be kept: text holds its begin, json nothing"
    )
    return {**found, "text": found["text"][:CUT], "json": None, "headers": {}}


def _opener(given: Mapping[str, Any], sent: list[bool]) -> urllib.request.OpenerDirector:
    """`sent` gets an item as soon as a byte of a request has gone out: before that nothing can have happened."""
    import http.client
    import ssl
    import urllib.request
    from urllib.error import HTTPError

    class Plain(urllib.request.HTTPErrorProcessor):
        """Every status is an answer; only a read goes where it is sent."""

        def http_response(self, request: Any, response: Any) -> Any:
            if response.status in REDIRECTS and request.get_method() in READS:
                return super().http_response(request, response)
            return response

        https_response = http_response

    class Web(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not newurl.startswith(("http://", "https://")):
                raise HTTPError(
                    req.full_url, code, f"sent to {newurl[:80]!r}, which is no web address", headers, fp
                )
            new = super().redirect_request(req, fp, code, msg, headers, newurl)
            if new is not None and _server(newurl) != _server(
                req.full_url
            ):  # a key of the one is none of the other's
                new.headers = {name: text for name, text in new.headers.items() if name.lower() in ALONG}
            return new

    class Watched(http.client.HTTPConnection):
        def send(self, data: Any) -> None:
            if self.sock is None:
                self.connect()
            sent.append(True)
            super().send(data)

    class WatchedTls(Watched, http.client.HTTPSConnection):
        pass

    try:
        trust = ssl.create_default_context(cafile=given.get("ca"))
    except OSError as problem:
        raise Failed(f"ca {given.get('ca')}: {problem.strerror or problem}") from None

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: Any) -> Any:
            return self.do_open(Watched, req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: Any) -> Any:
            return self.do_open(WatchedTls, req, context=trust)

    return urllib.request.build_opener(Plain, Web, Http, Https)


def _request(given: Mapping[str, Any]) -> urllib.request.Request:
    import urllib.request

    url = str(given["url"])
    if not url.startswith(("http://", "https://")):
        raise Failed(f"url must begin with http:// or https://, not {url[:40]!r}")
    if not (url.isascii() and url.isprintable()) or " " in url:
        odd = next(sign for sign in url if not sign.isascii() or not sign.isprintable() or sign == " ")
        raise Failed(f"url holds {odd!r}: write it as %{odd.encode()[0]:02X}, as the server wants to read it")
    headers = {str(name): str(value) for name, value in given.get("headers", {}).items()}
    if any("\n" in text or "\r" in text for pair in headers.items() for text in pair):
        raise Failed("a header cannot hold a newline")
    body = None
    if "json" in given and "body" in given:
        raise Failed("`json` and `body` are the same thing twice")
    if "json" in given:
        body = exact.json_text(given["json"]).encode()
        headers = {"Content-Type": "application/json", **headers}
    elif "body" in given:
        body = str(given["body"]).encode()
    try:
        return urllib.request.Request(url, body, headers, method=_method(given))
    except ValueError as problem:
        raise Failed(f"{url}: {problem}") from None


def _method(given: Mapping[str, Any]) -> str:
    return str(given.get("method", "POST" if "json" in given or "body" in given else "GET"))


def _trouble(where: str, problem: Exception, sent: list[bool]) -> Exception:
    """Nothing has happened where nothing was sent; else nobody knows what the server did."""
    reason = getattr(problem, "reason", problem)
    text = f"{where}: {getattr(reason, 'strerror', None) or reason or type(reason).__name__}"
    return Unanswered(text) if sent else Failed(text)


def _json(text: str) -> Any:
    def never(name: str) -> Any:
        raise ValueError(name)

    try:
        return data(json.loads(text, parse_float=digits, parse_constant=never))
    except (ValueError, RecursionError):
        return None


def _first(text: str) -> str:
    return next((line.strip()[:200] for line in text.splitlines() if line.strip()), "no text")


def _without_query(url: str) -> str:
    """A query often holds a key."""
    return url.partition("?")[0]


def _server(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: whom a key is for."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _effect(given: Mapping[str, Any]) -> str:
    method = literal(given["method"]) if "method" in given else _method(given)
    return "read" if method in READS else "idempotent" if method in TWICE else "unsafe"


ACTION = Action(
    doc="One HTTP request. A status of 400 or more fails, unless `status` lists it.",
    takes={
        "url": Key("template", "http:// or https://", required=True),
        "method": Key("option", "GET unless given, POST with a body.", options=METHODS),
        "headers": Key("texts", "NAME: value."),
        "json": Key("data", "The body, as JSON."),
        "body": Key("template", "The body, as text."),
        "status": Key("numbers", "The statuses that are wanted; any other one is exit 10."),
        "timeout": Key("duration", "Between two packets; 30s unless given."),
        "ca": Key("template", "A file of certificates to trust instead of the machine's."),
    },
    gives={
        "status": Gives("200", "int"),
        "text": Gives("the body", "string"),
        "json": Gives(
            "the body as data; nothing where it is no JSON. A number with a fraction, or of more than 15 digits, is text"
        ),
        "headers": Gives("by name, in small letters"),
    },
    effect=_effect,
    act=act,
)
