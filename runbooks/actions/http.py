"""`uses: http`: one request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from incidents import clock
from runbooks.actions.base import Action, Failed, Gives, Key, Otherwise, Unanswered, literal

if TYPE_CHECKING:
    import urllib.request

READS = ("GET", "HEAD", "OPTIONS")
TWICE = ("PUT", "DELETE")  # RFC 9110 section 9.2.2: a second one changes nothing more
METHODS = (*READS, *TWICE, "POST", "PATCH")
REDIRECTS = (301, 302, 303, 307, 308)
TIMEOUT = 30 * clock.SECOND
MOST = 1 << 20  # bytes of a body that is read


def act(given: Mapping[str, Any]) -> Mapping[str, Any]:
    from http.client import HTTPException

    request = _request(given)
    opener = _opener(given)
    seconds = given.get("timeout", TIMEOUT) / clock.SECOND
    where = f"{request.get_method()} {_without_query(request.full_url)}"
    try:
        with opener.open(request, timeout=seconds) as answer:
            body = answer.read(MOST + 1)
            status, headers = answer.status, answer.headers
    except (OSError, HTTPException, ValueError) as problem:
        raise _trouble(where, problem) from None
    if len(body) > MOST:
        raise Failed(f"{where}: the answer is longer than {MOST} bytes")
    text = body.decode("utf-8", "replace")
    wanted = given.get("status", [])
    if wanted and status not in wanted:
        raise Otherwise(f"{where}: status {status}, not {', '.join(map(str, wanted))}: {_first(text)}")
    if not wanted and status >= 400:
        raise Failed(f"{where}: status {status}: {_first(text)}")
    known = {name.lower(): value for name, value in headers.items()}
    return {"status": status, "text": text, "json": _json(text), "headers": known}


def _opener(given: Mapping[str, Any]) -> urllib.request.OpenerDirector:
    import ssl
    import urllib.request

    class Plain(urllib.request.HTTPErrorProcessor):
        """Every status is an answer; only a read goes where it is sent."""

        def http_response(self, request: Any, response: Any) -> Any:
            if response.status in REDIRECTS and request.get_method() in READS:
                return super().http_response(request, response)
            return response

        https_response = http_response

    try:
        trust = ssl.create_default_context(cafile=given.get("ca"))
    except OSError as problem:
        raise Failed(f"ca {given.get('ca')}: {problem.strerror or problem}") from None
    return urllib.request.build_opener(Plain, urllib.request.HTTPSHandler(context=trust))


def _request(given: Mapping[str, Any]) -> urllib.request.Request:
    import urllib.request

    url = str(given["url"])
    if not url.startswith(("http://", "https://")):
        raise Failed(f"url must begin with http:// or https://, not {url[:40]!r}")
    headers = {str(name): str(value) for name, value in given.get("headers", {}).items()}
    if any("\n" in text or "\r" in text for pair in headers.items() for text in pair):
        raise Failed("a header cannot hold a newline")
    body = None
    if "json" in given and "body" in given:
        raise Failed("`json` and `body` are the same thing twice")
    if "json" in given:
        body = json.dumps(given["json"]).encode()
        headers = {"Content-Type": "application/json", **headers}
    elif "body" in given:
        body = str(given["body"]).encode()
    try:
        return urllib.request.Request(url, body, headers, method=_method(given))
    except ValueError as problem:
        raise Failed(f"{url}: {problem}") from None


def _method(given: Mapping[str, Any]) -> str:
    return str(given.get("method", "POST" if "json" in given or "body" in given else "GET"))


def _trouble(where: str, problem: Exception) -> Exception:
    """Nothing was sent where nobody could be reached; else nobody knows what the server did."""
    import socket
    import ssl

    reason = getattr(problem, "reason", problem)
    refused = isinstance(reason, ConnectionRefusedError | socket.gaierror | ssl.SSLError)
    text = f"{where}: {getattr(reason, 'strerror', None) or reason or type(reason).__name__}"
    return Failed(text) if refused else Unanswered(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _first(text: str) -> str:
    return next((line.strip()[:200] for line in text.splitlines() if line.strip()), "no text")


def _without_query(url: str) -> str:
    """A query often holds a key."""
    return url.partition("?")[0]


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
        "json": Gives("the body as data; nothing where it is no JSON"),
        "headers": Gives("by name, in small letters"),
    },
    effect=_effect,
    act=act,
)
