"""What Discord sends for what a person does: a slash command, a form that is filled in, a click under our message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.chat.discord import judge, overlay

CALLBACK = "POST /interactions/{interaction}/{token}/callback"


def slash(path: str, *, focused: str = "", **options: Any) -> dict[str, Any]:
    """`/inc task add` with its options, as the data of an interaction; `focused` is the option being typed."""
    kinds = {bool: 5, int: 4}
    typed = [
        {
            "name": name,
            "type": kinds.get(type(value), 3),
            "value": value,
            **({"focused": True} if name == focused else {}),
        }
        for name, value in options.items()
    ]
    tree, *inner = path.removeprefix("/").split(" ")
    for place, name in reversed(list(enumerate(inner))):
        typed = [{"name": name, "type": 1 if place == len(inner) - 1 else 2, "options": typed}]
    return {"id": "1", "name": tree, "type": 1, "options": typed}


def filled(modal: Mapping[str, Any], **values: str) -> dict[str, Any]:
    """The modal as it comes back: what the person wrote into fields (by their names), else what stood there."""
    components = []
    left = dict(values)
    for label in modal["components"]:
        one = label["component"]
        name = one["custom_id"].partition(":")[0]
        before = one.get("value", next((o["value"] for o in one.get("options", ()) if o.get("default")), ""))
        value = left.pop(name.partition("=")[2] or name, before)
        sent: dict[str, Any] = {"type": one["type"], "custom_id": one["custom_id"]}
        sent |= {"values": [value] if value else []} if one["type"] == 3 else {"value": value}
        components.append({"type": 18, "id": 1, "component": sent})
    assert not left, f"the form has no {left}"
    return {"custom_id": modal["custom_id"], "components": components}


def names(modal: Mapping[str, Any]) -> list[str]:
    """The fields of a modal."""
    found = [label["component"]["custom_id"].partition(":")[0] for label in modal["components"]]
    return [name.partition("=")[2] or name for name in found]


def shown(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Our message as it comes back with a click under it."""
    found: dict[str, Any] = json.loads(json.dumps(payload))
    return {"id": "9", "content": found["content"], "embeds": found["embeds"]}


def judged_modal(modal: dict[str, Any]) -> dict[str, Any]:
    return _judged(CALLBACK, "POST", "/interactions/1/token/callback", {"type": 9, "data": modal}, modal)


def judged_message(payload: dict[str, Any]) -> dict[str, Any]:
    data = {"type": 4, "data": {**payload, "flags": 64}}
    return _judged(CALLBACK, "POST", "/interactions/1/token/callback", data, payload)


def _judged(route: str, method: str, path: str, body: Any, given: dict[str, Any]) -> dict[str, Any]:
    """`given`, where Discord would take the body: by the limits written out, and the published schema where it is."""
    assert overlay.mistakes(route, body) == []
    published = judge.published()
    if published is not None:
        assert published.mistakes(method, path, body) == []
    return given
