"""Of Discord's published OpenAPI the bodies of the routes that the loopback server has.

`python -m tests.chat.discord.cut FULL` writes `openapi.json` beside this file. The whole is 1.2 MB; what is cut out are
other routes, answers, and words for people. Its licence is in openapi.LICENSE.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CUT = Path(__file__).with_name("openapi.json")
_ROUTES = re.compile(
    r"/(channels/\{channel_id\}(/(messages|threads|pins).*)?|applications/(@me|\{application_id\}/(commands|guilds).*)"
    r"|interactions/.*|webhooks/\{webhook_id\}/\{webhook_token\}.*|users/@me|oauth2/applications/@me"
    r"|guilds/\{guild_id\}|gateway.*)"
)
_METHODS = ("get", "post", "put", "patch", "delete")
_FOR_PEOPLE = ("description", "title")


def cut(document: dict[str, Any]) -> dict[str, Any]:
    """The document with these routes' request bodies, and every schema that they need."""
    paths = {
        path: {
            method: {"requestBody": about["requestBody"]} if "requestBody" in about else {}
            for method, about in methods.items()
            if method in _METHODS
        }
        for path, methods in document["paths"].items()
        if _ROUTES.fullmatch(path)
    }
    schemas = document["components"]["schemas"]
    needed: dict[str, Any] = {}
    left = list(_references(paths))
    while left:
        name = left.pop()
        if name not in needed:
            needed[name] = schemas[name]
            left += _references(schemas[name])
    kept = {"paths": paths, "components": {"schemas": dict(sorted(needed.items()))}}
    return {"openapi": document["openapi"], "info": document["info"], **_without_words(kept)}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _without_words(value: Any) -> Any:
    """Without texts for people; a property that is called `title` is none."""
    if isinstance(value, dict):
        return {
            name: _without_words(inner)
            for name, inner in value.items()
            if name not in _FOR_PEOPLE or not isinstance(inner, str)
        }
    return [_without_words(inner) for inner in value] if isinstance(value, list) else value


def main(full: str) -> None:
    document = json.loads(Path(full).read_text())
    CUT.write_text(json.dumps(cut(document), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
