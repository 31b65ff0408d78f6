"""The record and the people: `open_store` opens a record, `Incident` is what an incident's events say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incidents.events import Actor as Actor
    from incidents.events import Draft as Draft
    from incidents.events import Event as Event
    from incidents.lifecycle import Incident as Incident
    from incidents.store import open_store as open_store

__all__ = ["Actor", "Draft", "Event", "Incident", "open_store"]

_HOMES = {
    "Actor": "events",
    "Draft": "events",
    "Event": "events",
    "Incident": "lifecycle",
    "open_store": "store",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"incidents.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
