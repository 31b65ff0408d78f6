"""Rate limits: buckets by route and major parameter, the global limit, and the ban of an address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tests.chat.discord.errors import JSON, ApiError
from tests.chat.discord.routes import Call, Route
from tests.chat.discord.state import Clock

POST_MESSAGE = "POST /channels/{channel}/messages"
RENAME = "PATCH /channels/{channel} name or topic"
OTHERS = "*"
MAJOR = ("channel", "guild", "token")


@dataclass
class Window:
    """How often within the window that began with the first request."""

    until: float
    used: int = 0


@dataclass
class Limits:
    """`numbers[route] = (requests, seconds)`; a test may set any of them.

    Discord publishes no numbers; those of messages, webhooks and renames are what is observed.
    """

    clock: Clock
    numbers: dict[str, tuple[int, float]] = field(
        default_factory=lambda: {
            POST_MESSAGE: (5, 5.0),
            "POST /webhooks/{app}/{token}": (5, 2.0),
            "PATCH /webhooks/{app}/{token}/messages/{message}": (5, 2.0),
            "PATCH /channels/{channel}/messages/{message}": (5, 5.0),
            RENAME: (2, 600.0),
            OTHERS: (50, 1.0),
        }
    )
    global_number: tuple[int, float] = (50, 1.0)
    refusals: list[float] = field(default_factory=list)  # when 401, 403 and 429 (but shared) were answered
    _windows: dict[str, Window] = field(default_factory=dict)

    @property
    def invalid(self) -> int:
        """Refused requests of the last 10 minutes."""
        now = self.clock.steady()
        self.refusals = [at for at in self.refusals if now - at < 600]
        return len(self.refusals)

    def refused(self) -> None:
        """Counts one."""
        self.refusals.append(self.clock.steady())

    def check(self, route: Route, call: Call) -> dict[str, str]:
        """The headers of this request's bucket; raises the 429 when it is used up."""
        if not _own_limit(route):
            self._take("global", self.global_number, scope="global")
        if route.key.startswith("POST /interactions/"):
            return {}
        named = isinstance(call.body, dict) and {"name", "topic"} & set(call.body)
        if route.key == "PATCH /channels/{channel}" and named:
            self._take(f"{RENAME}:{call.params['channel']}", self.numbers[RENAME], scope="user")
        major = next((call.params[name] for name in MAJOR if name in call.params), "")
        number = self.numbers.get(route.key, self.numbers[OTHERS])
        return self._take(f"{route.key}:{major}", number, scope="user")

    def _take(self, key: str, number: tuple[int, float], *, scope: str) -> dict[str, str]:
        most, seconds = number
        now = self.clock.steady()
        window = self._windows.get(key)
        if window is None or now >= window.until:
            window = self._windows[key] = Window(now + seconds)
        left = most - window.used - 1
        reset = window.until - now
        headers = {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(max(left, 0)),
            "X-RateLimit-Reset": f"{self.clock.now() + reset:.3f}",
            "X-RateLimit-Reset-After": f"{reset:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(key.rsplit(":", 1)[0].encode()).hexdigest()[:32],
        }
        if left < 0:
            raise too_many(reset, scope=scope, headers=headers)
        window.used += 1
        return headers


def _own_limit(route: Route) -> bool:
    """Interaction endpoints are outside the bot's global limit."""
    return route.tokenless


def too_many(seconds: float, *, scope: str, headers: dict[str, str] | None = None, code: int = 0) -> ApiError:
    """A 429; `scope` is user, global or shared."""
    body: JSON = {"message": "You are being rate limited.", "retry_after": round(seconds, 3)}
    body["global"] = scope == "global"
    if code:
        body["code"] = code
    extra = {"Retry-After": f"{max(seconds, 0.0):.3f}", "X-RateLimit-Scope": scope}
    if scope == "global":
        extra["X-RateLimit-Global"] = "true"
        headers = {}
    return ApiError(429, body, {**(headers or {}), **extra})
