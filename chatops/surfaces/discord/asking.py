"""One question to Discord over HTTP, for who must not depend on the bot's own library being there or in order.

It takes the way that the bot takes: no proxy of the environment, and no redirect, which would carry the token away.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from importlib import metadata
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from chatops.surfaces.base import PlatformDown
from chatops.surfaces.discord.settings import Settings
from incidents import clock

TIMEOUT_S = 10
LONGEST_WAIT = 15 * clock.SECOND  # that a 429 may ask for
LONGEST_ANSWER = 8 << 20  # bytes; 500 channels with their overwrites are below 2 MiB


class Answer(NamedTuple):
    """`body` is the JSON. `code` and `message` are Discord's own of an error. `skew` is how far this machine's clock
    is ahead of Discord's (µs; 0 where the answer's second allows it, None where it does not say)."""

    status: int
    body: Any
    code: int = 0
    message: str = ""
    skew: int | None = None

    @property
    def ok(self) -> bool:
        return self.status == 200

    def __str__(self) -> str:
        text = self.message.removeprefix(f"{self.status}: ")
        return f"{self.status}{f' {text}' if text else ''}{f' (code {self.code})' if self.code else ''}"


def get(settings: Settings, path: str) -> Answer:
    """What Discord answers to GET `path`; a 429 is waited for once, at most 15 s.

    Raises PlatformDown, in one line, where no answer of Discord's comes: no name, no connection, no trust, no JSON.
    """
    answer = _once(settings, path)
    if answer.status != 429:
        return answer
    wait = _wait(answer)
    if wait <= LONGEST_WAIT:
        clock.sleep(wait)
        answer = _once(settings, path)
    if answer.status == 429:
        raise PlatformDown(
            f"Discord answers too many questions (429) and asks to wait {clock.words(_wait(answer))}",
            hint="wait that long, then ask again; a bot that runs may be what asks so much",
        )
    return answer


def reach(address: str) -> None:
    """A connection to where the gateway is, with TLS where its address says so. Raises PlatformDown."""
    parts = urlsplit(address)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
            if secure:
                with ssl.create_default_context().wrap_socket(connection, server_hostname=host):
                    pass
    except OSError as error:
        raise PlatformDown(f"{_host(address)}: {_why(error)}", hint=_hint(error)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _once(settings: Settings, path: str) -> Answer:
    request = urllib.request.Request(
        settings.api + path,
        headers={
            "Authorization": f"Bot {settings.token.reveal()}",
            "User-Agent": f"DiscordBot (howdah, {metadata.version('howdah')})",
            "Accept": "application/json",
        },
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    before = clock.wall()
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            raw = response.read(LONGEST_ANSWER + 1)
            if response.length and len(raw) <= LONGEST_ANSWER:  # less came than was announced
                raise http.client.IncompleteRead(raw, response.length)
            return _answer(settings, response.status, response.headers, raw, before)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(settings, error.code, error.headers, _body(error), before)
    except (OSError, http.client.HTTPException) as error:
        raise PlatformDown(f"{_host(settings.api)}: {_why(error)}", hint=_hint(error)) from None


def _body(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(LONGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException):
        return b""


def _answer(settings: Settings, status: int, headers: Any, raw: bytes, before: int) -> Answer:
    after = clock.wall()
    host = _host(settings.api)
    if status >= 500:
        raise PlatformDown(
            f"{host} answers {status}: it is out of order", hint="discordstatus.com says more; later again"
        )
    if 300 <= status < 400:
        raise PlatformDown(
            f"{host} answers {status} and points elsewhere", hint="$HOWDAH_DISCORD_API names the address"
        )
    try:
        body = json.loads(raw) if len(raw) <= LONGEST_ANSWER else None
    except ValueError:
        body = None
    if body is None and status != 429:
        raise PlatformDown(
            f"{host} answers {status} with something that is not JSON",
            hint="a proxy or a firewall may stand between, or $HOWDAH_DISCORD_API names another server",
        )
    error: dict[str, Any] = body if status >= 400 and isinstance(body, dict) else {}
    code, message = error.get("code"), error.get("message")
    if status == 429:
        body = {"wait": headers.get("Retry-After") or error.get("retry_after")}
    return Answer(
        status,
        body,
        code if isinstance(code, int) else 0,
        message if isinstance(message, str) else "",
        _skew(headers.get("Date"), before, after),
    )


def _wait(answer: Answer) -> int:
    """µs that a 429 asks for; 1 s where it does not say."""
    try:
        return max(0, int(float(answer.body["wait"]) * clock.SECOND))
    except (TypeError, ValueError, OverflowError):
        return clock.SECOND


def _skew(date: str | None, before: int, after: int) -> int | None:
    try:
        second = int(email.utils.parsedate_to_datetime(date or "").timestamp()) * clock.SECOND
    except (TypeError, ValueError, OverflowError):
        return None
    if before >= second + clock.SECOND:
        return before - second - clock.SECOND
    return min(0, after - second)


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _why(error: Exception) -> str:
    """One line; the order is from the particular to the general, all of the first are OSErrors."""
    reason = getattr(error, "reason", None)
    if isinstance(error, urllib.error.URLError) and isinstance(reason, Exception):
        error = reason
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"no TLS is spoken there ({error.reason or 'handshake failed'})"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S} s"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, (ConnectionError, http.client.IncompleteRead, http.client.RemoteDisconnected)):
        return "the connection broke off before the answer was there"
    if isinstance(error, http.client.HTTPException):
        return "what answers there does not speak HTTP"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _hint(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(reason, ssl.SSLCertVerificationError):
        return "is the clock right, are the ca-certificates installed, does a proxy open TLS?"
    return "is this machine on the network, and may it reach that address on that port?"
