"""The exported JSON Schema: it takes what the loader takes, and refuses what a table alone can refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from incidents import yamlfile
from runbooks import keys
from runbooks.loader import available
from runbooks.schema import schema

CASES = Path(__file__).parents[1] / "cases" / "runbooks"
SCHEMA = schema()


def valid(value: Any, rule: Any) -> bool:
    return not list(Draft202012Validator(rule).iter_errors(value))


def as_editors_see(node: yamlfile.Node) -> Any:
    """The document as a YAML 1.2 parser gives it to a validator: numbers with a point are numbers."""
    if node.kind == "map":
        return {key: as_editors_see(item) for key, item in node.value.items()}
    if node.kind == "list":
        return [as_editors_see(item) for item in node.value]
    return float(node.text) if node.kind == "number" else node.value


def seen(path: Path | str) -> Any:
    return as_editors_see(yamlfile.read(str(path)))


GOOD = [*sorted((CASES / "good").glob("*.yaml")), *(Path(one.path) for one in available(beside=None))]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_what_the_loader_takes_the_schema_takes(path: Path) -> None:
    assert valid(seen(path), SCHEMA)


@pytest.mark.parametrize(
    "case",
    [
        "twelve",
        "not-yet",
        "inputs",
        "outputs",
        "commands",
        "repeats",
        "verify",
        "env",
        "steps",
        "misspelt",
        "runbook-keys",
    ],
)
def test_what_a_table_refuses_the_schema_refuses(case: str) -> None:
    assert not valid(seen(CASES / "bad" / f"{case}.yaml"), SCHEMA)


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"run": "true", "manual": "x"},
        {"run": "true", "zzz": 1},
        {"run": "echo ${{ inputs.x }}"},
        {"run": "a\n${{ inputs.x }}"},
        {"run": []},
        {"run": "true", "timeout": 5},
        {"run": "true", "timeout": "5"},
        {"run": "true", "effect": "none"},
        {"run": "true", "if": "inputs.x"},
        {"run": "true", "id": "rescue"},
        {"run": "true", "verify": {"no": [10]}},
        {"run": "true", "verify": {"run": "a", "no": [0]}},
        {"run": "true", "env": {"IN_X": "a"}},
        {"run": "true", "outputs": {"a": {"json": ".a", "text": True}}},
        {"run": "true", "rescue": [{"run": "true"}]},
        {"manual": "x", "timeout": "5m"},
        {"stop": {"status": "okay"}},
        {"wait": {}},
        {"block": []},
        {"block": [{"run": "true", "zzz": 1}]},
    ],
)  # fmt: skip
def test_a_wrong_step_is_refused(step: dict[str, Any]) -> None:
    assert not valid({"name": "x", "steps": [step]}, SCHEMA)


@pytest.mark.parametrize(
    "step",
    [
        {"run": "true"},
        {"run": ["a", 1, True, ""]},
        {"manual": "x", "check": {"run": "true"}},
        {"wait": {"for": "1h30m"}},
        {"wait": {"for": "${{ inputs.pause }}"}},
        {"run": "true", "if": "${{ a }}", "env": {"inherit": ["A"], "B": None}},
        {"block": [{"run": "true"}], "rescue": [{"stop": {"status": "failed"}}]},
    ],
)
def test_a_right_step_is_taken(step: dict[str, Any]) -> None:
    assert valid({"name": "x", "steps": [step]}, SCHEMA)


def test_the_schema_has_every_key_of_the_table_and_no_word_of_a_later_version() -> None:
    for kind in keys.STEP_KINDS:
        known = SCHEMA["$defs"][f"{kind}-step"]["properties"]
        assert set(known) == {
            name
            for name, key in keys.STEP.items()
            if (not key.on or kind in key.on) and (name == kind or name not in keys.STEP_KINDS)
        }
        assert all(one["description"] for one in known.values())
        assert not set(known) & keys.NOT_YET.get("step", frozenset())
    diagnose = SCHEMA["$defs"]["diagnose"]["properties"]
    assert keys.NOT_YET["diagnose"] and not set(diagnose) & keys.NOT_YET["diagnose"]
    assert set(SCHEMA["properties"]) == set(keys.RUNBOOK)


def test_the_schema_is_one_json_document_that_needs_no_other() -> None:
    text = json.dumps(SCHEMA)
    assert json.loads(text) == SCHEMA
    used = set(re.findall(r'"\$ref": "([^"]*)"', text))
    assert used <= {f"#/$defs/{name}" for name in SCHEMA["$defs"]}
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
