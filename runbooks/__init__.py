"""Executable runbooks. The public calls are `load`, `plan`, `start` and `attach`, each imported when first used.

>>> from runbooks import load, plan
>>> book = load("runbooks/library/disk-full.yaml")
>>> steps = plan(book, {"mount": "/var"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runbooks.api import attach as attach
    from runbooks.api import load as load
    from runbooks.api import plan as plan
    from runbooks.api import start as start

__all__ = ["attach", "load", "plan", "start"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from runbooks import api

        return getattr(api, name)
    raise AttributeError(f"module 'runbooks' has no attribute {name!r}")
