"""Judges request bodies."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.chat.discord.errors import ApiError
from tests.chat.discord.routes import Call, Route


class Wrong(NamedTuple):
    """A body that Discord would refuse, with the reasons."""

    method: str
    path: str
    body: Any
    reasons: list[str]


class Judge:
    """Judges a request; what it refuses is kept in `wrong`."""

    def __init__(self, wrong: list[Wrong]) -> None:
        self.wrong = wrong

    def __call__(self, route: Route, call: Call) -> ApiError | None:
        return None
