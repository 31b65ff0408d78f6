"""The JSON Schema (draft 2020-12) of the runbook's file, for editors; read off the tables of `keys.py`.

It knows what a table knows: keys, their shapes, where they may stand. What the whole file must agree on (ids, names
in expressions) only the loader knows.
"""

from __future__ import annotations

from typing import Any

from runbooks import keys
from runbooks.actions import base
from runbooks.keys import Key

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:howdah:runbook:1"

_DURATION = r"^([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d|w))+$"
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_EXPRESSION: Schema = {"type": "string", "pattern": r"^\s*\$\{\{[\s\S]*\}\}\s*$"}
_TEXTS: Schema = {"type": "array", "items": _SCALAR, "minItems": 1}
_EXIT: Schema = {"type": "integer", "minimum": 1, "maximum": 255}
_BATCH: Schema = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]{0,2}%$"}]
}
_STEPS: Schema = {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1}
_SCRIPT: Schema = {"type": ["string", "number", "boolean"], "pattern": r"^(?![\s\S]*\$\{\{)[\s\S]*\S"}

_SHAPES: dict[str, Schema] = {
    "version": {"const": 1},
    "line": {**_SCALAR, "pattern": r"^\s*\S[^\n]*\s*$"},
    "text": _SCALAR,
    "scalar": {"type": ["string", "number", "boolean", "array", "null"], "items": _SCALAR},
    "template": {**_SCALAR, "pattern": r"\S"},
    "templates": {"anyOf": [_SCALAR, _TEXTS]},
    "expression": _EXPRESSION,
    "expressions": {"anyOf": [_EXPRESSION, {"type": "array", "items": _EXPRESSION}]},
    "shown": {
        "anyOf": [
            {"type": "string", "pattern": r"\S"},
            {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
        ]
    },
    "bool": {"type": "boolean"},
    "true": {"const": True},
    "count": {"type": "integer", "minimum": 1, "maximum": 10_000},
    "percentage": {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 100},
            {"type": "string", "pattern": "^[0-9]{1,3}%$"},
        ]
    },
    "serial": {"anyOf": [_BATCH, {"type": "array", "items": _BATCH, "minItems": 1}]},
    "factor": {"type": "number", "minimum": 1, "maximum": 100},
    "words": {"anyOf": [_SCALAR, _TEXTS]},
    "duration": {"type": "string", "pattern": _DURATION},
    "time": {"type": "string", "anyOf": [{"pattern": _DURATION}, {"pattern": r"\$\{\{"}]},
    "pattern": {"type": "string", "format": "regex"},
    "group": {"type": "string", "format": "regex", "pattern": r"\("},
    "json-path": {
        "type": "string",
        "pattern": r"^(\.|((\.[A-Za-z_][A-Za-z0-9_-]*)|(\[[0-9]+\])|(\.?\[\"[^\"]+\"\]))*)$",
    },
    "exits": {"anyOf": [_EXIT, {"type": "array", "items": _EXIT, "minItems": 1}]},
    "id": {"type": "string", "pattern": f"^{keys.ID}$", "not": {"enum": ["rescue", "always"]}},
    "command": {"anyOf": [_SCRIPT, _TEXTS]},
    "steps": _STEPS,
    "with": {"type": "object"},
    "given": {"type": ["string", "number", "boolean", "array", "object", "null"]},
    "data": {"type": ["string", "number", "boolean", "array", "object", "null"]},
    "texts": {"type": "object", "additionalProperties": _SCALAR},
    "verbatim": {**_SCALAR, "pattern": r"^(?![\s\S]*\$\{\{)[\s\S]*$"},
    "numbers": {
        "anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]
    },
    "whole": {"type": "integer", "minimum": 0},
    "probes": {"type": "array", "items": {"$ref": "#/$defs/diagnose"}, "minItems": 1},
    "offer": {
        "type": "object",
        "patternProperties": {f"^{keys.ID}$": {**_SCALAR, "pattern": r"\S"}},
        "additionalProperties": False,
    },
    "env": {
        "type": "object",
        "properties": {
            "inherit": {
                "description": "Variables of howdah's own environment that the program gets, too.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            }
        },
        "patternProperties": {
            f"^(?!IN_|HOWDAH_|inherit$){keys.VARIABLE}$": {**_SCALAR, "type": [*_SCALAR["type"], "null"]}
        },
        "additionalProperties": False,
    },
}


def schema() -> Schema:
    """The whole schema, as one document that needs no other."""
    levels = {level: _level(level) for level in keys.LEVELS if level not in ("runbook", "step")}
    kinds = {f"{kind}-step": _step(kind) for kind in keys.STEP_KINDS}
    kinds["uses-step"]["allOf"] = _actions()
    step = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in kinds]}
    return {
        "$schema": DRAFT,
        "$id": ID,
        "title": "howdah runbook",
        **_level("runbook"),
        "$defs": {"step": step, **kinds, **levels},
    }


def _level(level: str) -> Schema:
    return _object(keys.LEVELS[level], level)


def _step(kind: str) -> Schema:
    """A step that does `kind`: the keys that go with it, and no other kind."""
    table = {
        name: key._replace(required=name == kind)
        for name, key in keys.STEP.items()
        if (name == kind or name not in keys.STEP_KINDS) and (not key.on or kind in key.on)
    }
    return _object(table, "step")


def _actions() -> list[Schema]:
    """For each action that comes with howdah: what its `with` holds. Another package's may hold anything."""
    found = []
    for name in base.names():
        action = base.find(name)
        known = _object(dict(action.takes), "with") if not action.any_names else {"type": "object"}
        made: Schema = {"properties": {"with": {"description": action.doc, **known}}}
        if known.get("required"):
            made["required"] = ["with"]
        found.append({"if": {"properties": {"uses": {"const": name}}}, "then": made})
    return found


def _object(table: dict[str, Key], level: str) -> Schema:
    made: Schema = {
        "type": "object",
        "properties": {name: {"description": key.doc, **_shape(key)} for name, key in table.items()},
        "additionalProperties": False,
    }
    required = [name for name, key in table.items() if key.required]
    if required:
        made["required"] = required
    if level == "output":
        made["oneOf"] = [{"required": [name]} for name in ("json", "regex", "lines", "text")]
    if level in ("check", "verify", "undo"):
        made["oneOf"] = [{"required": [name]} for name in ("run", "uses")]
    if level == "wait":
        made["anyOf"] = [{"required": [name]} for name in ("for", "until")]
    return made


def _shape(key: Key) -> Schema:
    if key.kind == "option":
        return {"enum": list(key.options)}
    if key.kind == "level":
        return {"$ref": f"#/$defs/{key.level}"}
    if key.kind == "named":
        return {
            "type": "object",
            "patternProperties": {f"^{keys.ID}$": {"$ref": f"#/$defs/{key.level}"}},
            "additionalProperties": False,
        }
    return _SHAPES[key.kind]
