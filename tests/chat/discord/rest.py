"""One request from its bytes to its answer: faults, token, limits, judgement, handler."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web

from tests.chat.discord import (
    rest_commands,
    rest_guild,
    rest_interactions,
    rest_messages,
    rest_threads,
    routes,
)
from tests.chat.discord.errors import ApiError, invalid, not_found, refused, unauthorized
from tests.chat.discord.faults import Fault, Faults
from tests.chat.discord.limits import Limits, too_many
from tests.chat.discord.posting import signature
from tests.chat.discord.routes import Answer, Call, File, Route
from tests.chat.discord.state import World

PREFIX = "/api/v10"
HANDLERS = (rest_commands, rest_guild, rest_interactions, rest_messages, rest_threads)
BANNED = "<html><body>Error 1015: You are being rate limited</body></html>"


class Request(NamedTuple):
    """One request as it came, with the answer's status (0: the connection was cut)."""

    method: str
    path: str
    body: Any
    status: int
    at: float


@dataclass
class Rest:
    """The REST side of the server."""

    world: World
    limits: Limits
    faults: Faults
    judge: Callable[[Route, Call], ApiError | None]
    requests: list[Request] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answers any request below /api/v10 and keeps it in `requests`."""
        at = time.monotonic()
        path = request.path.removeprefix(PREFIX)
        broken: ApiError | None = None
        body: Any = None
        files: list[File] = []
        try:
            body, files = await _read(request, self.world.settings.request_bytes)
        except ApiError as error:
            broken = error
        rule = self.faults.meet(request.method, path)
        if rule is not None and rule.delay is not None:
            await asyncio.sleep(rule.delay)
        status, answer = 0, None
        headers: dict[str, str] = {}
        if rule is None or rule.drop != "before":
            for _ in range(2 if rule is not None and rule.duplicate else 1):
                status, answer, headers = self._answer(request, path, body, files, broken, rule)
        cut = rule is not None and rule.drop is not None
        self.requests.append(Request(request.method, path, body, 0 if cut else status, at))
        self.world.changed()
        if cut:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return _response(status, answer, headers)

    def _answer(
        self,
        request: web.Request,
        path: str,
        body: Any,
        files: list[File],
        broken: ApiError | None,
        rule: Fault | None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers; everything in it happens at one instant."""
        headers: dict[str, str] = {}
        try:
            if self.limits.invalid >= self.world.settings.ban_after:
                return 429, BANNED, {}
            if rule is not None and (rule.status is not None or rule.code is not None):
                raise _wanted(rule)
            if not request.headers.get("User-Agent"):
                raise refused(40333)
            found = routes.find(request.method, path)
            if found is None:
                raise not_found()
            route, params = found
            self._check_token(request, route)
            call = Call(self.world, request.method, path, params, dict(request.query), body, files)
            if self.world.settings.rate_limits:
                headers = self.limits.check(route, call)
            return (*self._handle(route, call, broken), headers)
        except ApiError as error:
            shared = error.headers.get("X-RateLimit-Scope") == "shared"
            if error.status in (401, 403, 429) and not shared:
                self.limits.refused()
            extra = dict(error.headers)
            if error.status == 429:
                extra["Via"] = "1.1 google"
                extra.setdefault("Retry-After", str(error.body.get("retry_after", 0)))
            return error.status, error.body, {**headers, **extra}

    def _handle(self, route: Route, call: Call, broken: ApiError | None) -> tuple[int, Any]:
        wrong = broken or rest_messages.bad_snowflake(call) or self.judge(route, call)
        if wrong is not None:
            raise wrong
        result = route.handler(call)
        if isinstance(result, Answer):
            return result.status, result.body
        return (204, None) if result is None else (200, result)

    def _check_token(self, request: web.Request, route: Route) -> None:
        if route.tokenless:
            return
        given = request.headers.get("Authorization", "")
        if self.world.revoked or given != f"Bot {self.world.token}":
            raise unauthorized()

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        """The bytes of an attachment while its link is good."""
        info = request.match_info
        content = self.world.files.get((info["id"], info["name"]))
        expires = request.query.get("ex", "")
        good = request.query.get("hm") == signature(info["id"], expires)
        if content is None or not good or int(expires, 16) < self.world.clock.now():
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=content, content_type="application/octet-stream")


async def _read(request: web.Request, most: int) -> tuple[Any, list[File]]:
    """The JSON of a request and its files; raises 40005, 50109, 50035."""
    if (request.content_length or 0) > most:
        await request.release()
        raise refused(40005)
    files: list[File] = []
    if request.content_type.startswith("multipart/"):
        text = ""
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files.append(File(name, value.filename, value.content_type, value.file.read()))
            elif name == "payload_json":
                text = str(value)
    else:
        text = (await request.read()).decode("utf-8", "replace")
        if text and request.content_type != "application/json":
            accepted = "Expected \"Content-Type\" header to be one of {'application/json'}."
            raise invalid(("", "CONTENT_TYPE_INVALID", accepted))
    if not text:
        return None, files
    try:
        return json.loads(text), files
    except json.JSONDecodeError:
        raise refused(50109) from None


def _wanted(rule: Fault) -> ApiError:
    """The answer that a rule asks for."""
    if rule.code is not None:
        return refused(rule.code)
    status = rule.status or 500
    if status == 429:
        return too_many(rule.retry_after if rule.retry_after is not None else 1.0, scope=rule.scope)
    if status == 401:
        return unauthorized()
    if status == 403:
        return refused(50013)
    if status == 503:
        return refused(130000)
    return ApiError(status, {"message": f"{status}: fault", "code": 0})


def _response(status: int, answer: Any, headers: dict[str, str]) -> web.Response:
    """The content type stands alone, without a charset: discord.py compares it as a whole."""
    if isinstance(answer, str):
        return web.Response(status=status, text=answer, content_type="text/html")
    if answer is None:
        return web.Response(status=status, headers=headers)
    content = json.dumps(answer).encode()
    return web.Response(status=status, body=content, headers={**headers, "Content-Type": "application/json"})
