"""The command vocabulary and its surfaces. `command` defines a word, `Reply` is what its handler answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatops.vocabulary import Call as Call
    from chatops.vocabulary import Reply as Reply
    from chatops.vocabulary import command as command

__all__ = ["Call", "Reply", "command"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from chatops import vocabulary

        return getattr(vocabulary, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
