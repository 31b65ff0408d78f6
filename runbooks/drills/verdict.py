"""What every scenario's score has in common: how it is written down, read again, and told."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from incidents import clock

Score = TypeVar("Score")


def to_json(score: Any) -> dict[str, Any]:
    """A score is a frozen dataclass of numbers, texts, and tuples of these."""
    return dataclasses.asdict(score)


def from_json(kind: type[Score], data: dict[str, Any]) -> Score:
    """The score that was written so."""
    return kind(**{name: tuple(one) if isinstance(one, list) else one for name, one in data.items()})


def after(micros: int | None) -> str:
    """A span of the score in words."""
    return "never" if micros is None else f"after {clock.words(micros)}"
