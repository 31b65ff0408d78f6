"""Judges request bodies: by the published OpenAPI, and by the overlay written by hand.

The whole schema is used where it lies beside the repository, else the part of it that is kept here (cut.py).
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, relevance
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.chat.discord import overlay
from tests.chat.discord.cut import CUT
from tests.chat.discord.errors import ApiError, invalid, refused
from tests.chat.discord.routes import Call, Route
from tests.chat.discord.specs import Mistake

PUBLISHED = Path(__file__).parents[4] / "shared/platforms/discord-openapi.json"
DOCUMENT = "urn:discord"


class Wrong(NamedTuple):
    """A body that Discord would refuse, with the reasons."""

    method: str
    path: str
    body: Any
    reasons: list[str]


class Published:
    """The published schema; one validator a route, kept."""

    def __init__(self, file: Path = PUBLISHED) -> None:
        document = json.loads(file.read_text())
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(DOCUMENT, resource)
        self._paths: dict[str, dict[str, Any]] = document["paths"]
        # Literal parts first: messages/@original before messages/{message_id}.
        self._ordered: list[tuple[str, re.Pattern[str]]] = [
            (template, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))))
            for template in sorted(self._paths, key=lambda one: (one.count("{"), one))
        ]
        self._kept: dict[tuple[str, str], Draft202012Validator | None] = {}

    def template(self, method: str, path: str) -> str | None:
        """The published path that a request is for; None: it is not published."""
        for template, pattern in self._ordered:
            if pattern.fullmatch(path) and method.lower() in self._paths[template]:
                return template
        return None

    def validator(self, method: str, template: str) -> Draft202012Validator | None:
        """The schema of the JSON body; None where the route has none."""
        key = (method, template)
        if key not in self._kept:
            content = self._paths[template][method.lower()].get("requestBody", {}).get("content", {})
            if "application/json" not in content:
                self._kept[key] = None
            else:
                steps = ["paths", template, method.lower(), "requestBody", "content", "application/json"]
                pointer = "/".join(_escaped(step) for step in [*steps, "schema"])
                self._kept[key] = Draft202012Validator(
                    {"$ref": f"{DOCUMENT}#/{pointer}"},
                    registry=self._registry,
                    format_checker=FormatChecker(),
                )
        return self._kept[key]

    def mistakes(self, method: str, path: str, body: Any) -> list[Mistake]:
        """What the schema refuses: the one error that says most."""
        template = self.template(method, path)
        validator = None if template is None else self.validator(method, template)
        if validator is None:
            return []
        errors = list(validator.iter_errors(as_published(body)))
        if not errors:
            return []
        error = _deepest(min(errors, key=relevance))
        where = ".".join(str(step) for step in error.absolute_path)
        return [Mistake(where, "PUBLISHED_SCHEMA", error.message[:300])]


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _deepest(error: ValidationError) -> ValidationError:
    """Of a union the branch that the `type` picks, so that the field is named and not the branch."""
    while error.context:
        other = {one.schema_path[0] for one in error.context if list(one.relative_path) == ["type"]}
        picked = [one for one in error.context if one.schema_path[0] not in other]
        error = min(picked or error.context, key=relevance)
    return error


def as_published(body: Any) -> Any:
    """Ids as the schema writes them: Discord takes numbers too, and discord.py sends them."""
    if isinstance(body, list):
        return [as_published(one) for one in body]
    if not isinstance(body, dict):
        return body
    body = deepcopy(body)
    if "data" in body and isinstance(body["data"], dict):
        body["data"] = as_published(body["data"])
    for one in body.get("attachments") or []:
        if isinstance(one, dict) and isinstance(one.get("id"), int):
            one["id"] = str(one["id"])
    for holder, keys in (("allowed_mentions", ("users", "roles")), ("message_reference", ())):
        inner = body.get(holder)
        if not isinstance(inner, dict):
            continue
        for key in keys:
            inner[key] = [str(one) for one in inner.get(key) or []]
        for key in ("message_id", "channel_id", "guild_id"):
            if isinstance(inner.get(key), int):
                inner[key] = str(inner[key])
    bits = body.get("default_member_permissions")
    if isinstance(bits, str) and bits.isdigit():
        body["default_member_permissions"] = int(bits)
    return body


class Judge:
    """Judges a request; what it refuses is kept in `wrong`."""

    def __init__(self, wrong: list[Wrong], *, published: Published | None = None) -> None:
        self.wrong = wrong
        self.published = published

    def mistakes(self, route: Route, call: Call) -> list[Mistake]:
        """Everything wrong with the request's body; the overlay's words come first."""
        found = overlay.mistakes(route.key, call.body, files=len(call.files), flags=_flags(call))
        if found or self.published is None:
            return found
        return self.published.mistakes(call.method, call.path, {} if call.body is None else call.body)

    def __call__(self, route: Route, call: Call) -> ApiError | None:
        if call.method not in ("POST", "PUT", "PATCH") or route.key not in overlay.BODIES:
            return None
        found = self.mistakes(route, call)
        if not found:
            return None
        self.wrong.append(Wrong(call.method, call.path, call.body, [str(one) for one in found]))
        if overlay.EMPTY in found and len(found) == 1:
            return refused(50006)
        return invalid(*((one.path, one.code, one.text) for one in found if one is not overlay.EMPTY))


def _flags(call: Call) -> int:
    """The flags of the message that a request changes, as far as the path names it."""
    world = call.world
    key = call.params.get("message", "")
    one = world.by_token.get(call.params.get("token", ""))
    if one is not None:
        pressed = one.payload.get("message", {}).get("id", "")
        key = (one.original or pressed) if key in ("", "@original") else key
    kept = world.messages.get(key)
    return int(kept.wire["flags"]) if kept is not None else 0


_PUBLISHED: list[Published] = []


def published() -> Published:
    """The published schema, read once a process."""
    if not _PUBLISHED:
        _PUBLISHED.append(Published(PUBLISHED if PUBLISHED.exists() else CUT))
    return _PUBLISHED[0]
