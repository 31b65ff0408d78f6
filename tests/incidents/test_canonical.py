"""Canonical JSON is RFC 8785 for what the record may hold, and refuses everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from incidents.canonical import canonical
from incidents.errors import BadInput


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, False, None]}, '{"a":[true,false,null],"b":1}'),
        ('€$\x0f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\b\t\n\f\r\x00\x1f\x7f", '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f"'),
        (-(2**53 - 1), "-9007199254740991"),
        ([[], {}, ""], '[[],{},""]'),
    ],
)
def test_text_of_a_value(value: Any, text: str) -> None:
    assert canonical(value) == text


def test_members_are_sorted_by_utf16_code_units_as_in_rfc_8785_section_3_2_3() -> None:
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    assert list(json.loads(canonical(value)).values()) == [2, 4, 6, 7, 1, 5, 3]


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), 2**53, -(2**53), (1, 2), b"x", {1: 2}, {"a": {None: 1}}, {1, 2}, [object()]],
)
def test_what_json_cannot_hold_exactly_is_refused(value: Any) -> None:
    with pytest.raises(BadInput):
        canonical(value)


def test_what_is_nested_too_deeply_is_refused_and_not_a_crash() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadInput, match="deeper"):
        canonical(deep)
