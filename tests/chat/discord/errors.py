"""Discord's own error answers: the code, its HTTP status and its text."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]

TEXTS: dict[int, tuple[int, str]] = {
    10002: (404, "Unknown Application"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10014: (400, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    20016: (429, "This action cannot be performed due to slowmode rate limit"),
    20028: (429, "The write action you are performing on the channel has hit the write rate limit."),
    30003: (400, "Maximum number of pins reached for the channel (250)"),
    30013: (400, "Maximum number of guild channels reached (500)"),
    30032: (400, "Maximum number of application commands reached (100)"),
    30034: (429, "Max number of daily application command creates has been reached (200)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later."),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40333: (403, "internal network error"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50021: (403, "Cannot execute action on a system message"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50033: (400, "Invalid Recipient(s)"),
    50035: (400, "Invalid Form Body"),
    50045: (400, "File uploaded exceeds the maximum size"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    130000: (503, "API resource is currently overloaded. Try again a little later"),
    160004: (400, "A thread has already been created for this message"),
    160005: (400, "Thread is locked"),
    160006: (400, "Maximum number of active threads reached"),
}


class ApiError(Exception):
    """An answer that is an error: `status`, the JSON `body` and extra `headers`."""

    def __init__(self, status: int, body: JSON, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


class CannotSend(Exception):
    """The real client of a person would not send this."""


def refused(code: int, **more: Any) -> ApiError:
    """The error with this Discord code, e.g. `raise refused(10008)`; `more` joins the body."""
    status, text = TEXTS[code]
    return ApiError(status, {"message": text, "code": code, **more})


def not_found() -> ApiError:
    """The answer to a route that does not exist."""
    return ApiError(404, {"message": "404: Not Found", "code": 0})


def unauthorized() -> ApiError:
    """The answer to a missing, wrong or revoked token."""
    return ApiError(401, {"message": "401: Unauthorized", "code": 0})


def invalid(*mistakes: tuple[str, str, str]) -> ApiError:
    """50035 with Discord's nested `errors`; a mistake is (dotted path, CODE, text)."""
    errors: JSON = {}
    for path, code, text in mistakes:
        place = errors
        for part in path.split(".") if path else []:
            place = place.setdefault(part, {})
        place.setdefault("_errors", []).append({"code": code, "message": text})
    return refused(50035, errors=errors)
