"""Expressions: exact, typed, closed; every error names its place, the value and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from incidents.errors import BadInput
from runbooks import expressions
from runbooks.expressions import UNKNOWN, Expr, Place, Template
from runbooks.grammar import Unreadable
from runbooks.quoting import Argv

PLACE = Place("f.yaml", 3, 7)
NAMES: dict[str, Any] = {
    "inputs": {
        "count": 3,
        "want": 2 << 30,
        "ratio": "0.5",
        "limit": "90",
        "pause": 90_000_000,
        "short": 250_000,
        "name": "web",
        "flag": True,
        "empty": None,
        "list": ["a", "b c"],
        "my-id": "x",
        "evil": "${{ inputs.name }} {{ 7*7 }}",
    },
    "steps": {
        "ok": {"status": "ok", "exit": 0, "outputs": {"avail": 5, "load": "1.25", "loads": ["0.5", "1"], "doc": {"a": [1, {"b": "c"}]}}},
        "skipped": {"status": "skipped", "exit": None},
        "failed": {"status": "continued", "exit": 3, "outputs": {}},
    },
    "run": {"id": "run-abc"},
    "incident": {"id": "inc-1"},
}  # fmt: skip
TYPES = {
    "inputs.ratio": "number",
    "inputs.limit": "percent",
    "inputs.pause": "duration",
    "inputs.short": "duration",
    "steps.ok.outputs.load": "number",
    "steps.ok.outputs.loads": "number[]",
}


def parsed(text: str) -> Expr:
    return expressions.parse(text, PLACE, types=TYPES)


def evaluate(text: str) -> Any:
    return expressions.evaluate(parsed(text), NAMES)


def template(text: str) -> Template:
    return expressions.parse_template(text, PLACE, types=TYPES)


def trouble(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        evaluate(text)
    assert caught.value.where == "f.yaml:3:7"
    return str(caught.value).removeprefix("f.yaml:3:7: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 * 1024**3", 2 << 30),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("4 / 2", 2),
        ("1 / 4", "0.25"),
        ("0.1 + 0.2", "0.3"),
        ("0.1 + 0.2 == 0.3", True),
        ("1 / 3 * 3 == 1", True),
        ("1.50", "1.5"),
        ("- inputs.count", -3),
        ("inputs.want >= 2 * 1024**3", True),
        ("1 < inputs.count <= 3", True),
        ("1 < inputs.count < 3", False),
        ("'a' < 'b'", True),
        ("inputs.name == 'web' and not inputs.flag", False),
        ("inputs.flag or inputs.missing", True),
        ("inputs.count > 5 and inputs.missing", False),
        ("'b c' in inputs.list", True),
        ("'b' not in inputs.list", True),
        ("'e' in inputs.name", True),
        ("5 in ['5']", False),
        ("true in [1]", False),
        ("'a' in steps.ok.outputs.doc", True),
        ("inputs.list[0]", "a"),
        ("inputs.list[-1]", "b c"),
        ("inputs['my-id']", "x"),
        ("steps.ok.outputs.doc.a[1].b", "c"),
        ("[1, 'a', inputs.count, 0.5]", [1, "a", 3, "0.5"]),
        ("inputs.empty == null", True),
        ("inputs.name != null", True),
        ("inputs.empty | default('none')", "none"),
        ("'a' ~ 1 ~ true ~ 0.5", "a1true0.5"),
        ("'a' + 'b'", "ab"),
        ("[1] + [2]", [1, 2]),
        ("'big' if inputs.want > 5 else 'small'", "big"),
        ("1 if false else 2 if false else 3", 3),
        (r"'it\'s' ~ '\n' ~ \"\u00e9\"".replace('\\"', '"'), "it's\né"),
        ("run.id ~ incident.id", "run-abcinc-1"),
        ("steps.ok.exit == 0", True),
        ("steps.skipped.status == 'skipped'", True),
        ("steps.never.status == null", True),
        ("steps.never.exit", None),
    ],
)
def test_an_expression_yields(text: str, value: object) -> None:
    found = evaluate(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.ratio * 2 == 1", True),
        ("inputs.ratio < 0.75", True),
        ("inputs.ratio", "0.5"),
        ("inputs.limit > 85", True),
        ("inputs.limit", 90),
        ("inputs.pause", 90),
        ("inputs.pause > 60", True),
        ("inputs.short", "0.25"),
        ("inputs.short * 4", 1),
        ("inputs.pause | duration", "1 min 30 s"),
        ("steps.ok.outputs.load > 1", True),
        ("steps.ok.outputs.loads | sum", "1.5"),
        ("inputs['pause']", 90),
    ],
)
def test_a_declared_type_makes_a_number_of_recorded_text_and_seconds_of_a_duration(
    text: str, value: object
) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.list | length", 2),
        ("inputs.name | length", 3),
        ("inputs.want | bytes", "2.0 GiB"),
        ("1023 | bytes", "1023 B"),
        ("1536 | bytes", "1.5 KiB"),
        ("1048575 | bytes", "1.0 MiB"),
        ("-1536 | bytes", "-1.5 KiB"),
        ("433 | duration", "7 min 13 s"),
        ("0.25 | duration", "0.2 s"),
        ("'  a ' | trim | upper", "A"),
        ("'A' | lower", "a"),
        ("inputs.list | join(', ')", "a, b c"),
        ("'a,b' | split(',') | last", "b"),
        ("[] | first", None),
        ("'a-b' | replace('-', '')", "ab"),
        ("[3, 1, 2] | sort", [1, 2, 3]),
        ("[3, 1.5] | min", "1.5"),
        ("[3, 1.5] | max", 3),
        ("[] | max", None),
        ("[1, 2] | sum", 3),
        ("' 12 ' | int", 12),
        ("12.9 | int", 12),
        ("'1.5' | number * 2", 3),
        ("10 / 3 | round(2)", "10/3"),
        ("(10 / 3) | round(2)", "3.33"),
        ("(5 / 2) | round", 2),
        ("-3 | abs", 3),
        ("12 | string", "12"),
        ("['a', 1] | tojson", '["a",1]'),
        ("steps.ok.outputs.doc | tojson", '{"a":[1,{"b":"c"}]}'),
    ],
)
def test_filters(text: str, value: object) -> None:
    if value == "10/3":  # a filter binds tighter than a sign, as in Jinja
        assert "digits of this number never end" in trouble(text)
        return
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inputs.mont", "inputs has no `mont`; there are count, want"),
        ("nothing", "`nothing` is not known here; known are incident, inputs, run, steps"),
        ("inputs.name.x", "'web' (text) has no part `x`"),
        ("inputs.flag == 'true'", "true and 'true' (text) are of different types and never equal"),
        ("inputs.count == '3'", "3 (number) and '3' (text) are of different types and never equal"),
        ("inputs.count and true", "`and` needs true or false, not 3 (number)"),
        ("not inputs.list", "`not` needs true or false, not a list of 2"),
        ("1 if inputs.name else 2", "`if` needs true or false, not 'web' (text)"),
        ("inputs.name > 1", "`>` cannot compare 'web' (text) with 1 (number)"),
        ("inputs.empty > 1", "`>` cannot compare null with 1 (number)"),
        ("inputs.list > 1", "`>` cannot compare a list of 2 with 1 (number)"),
        ("'a' + 1", "`+` needs numbers, not 'a' (text); join texts with ~"),
        ("'a' * 9", "`*` needs numbers, not 'a' (text)"),
        ("true + 1", "`+` needs numbers, not true"),
        ("1 / 0", "`/` by zero"),
        ("1 // 0", "`//` by zero"),
        ("1 % 0", "`%` by zero"),
        ("1 / 3", "the digits of this number never end; round it: | round(2)"),
        ("2 ** 65", "`**` takes a whole number from 0 to 64, not 65 (number)"),
        ("2 ** -1", "`**` takes a whole number from 0 to 64"),
        ("2 ** 53", "9007199254740992 is too large to be recorded exactly"),
        ("9 ** 64 * 9 ** 64", "this number has too many digits"),
        ("inputs.list[2]", "there is no item 2: it holds 2"),
        ("inputs.list['a']", "a list of 2 has no part `a`"),
        ("inputs.list[true]", "a list of 2 has no item true"),
        ("1 in 'a'", "`in` cannot look for 1 (number) in 'a' (text)"),
        ("1 in 2", "`in` cannot look for 1 (number) in 2 (number)"),
        ("'a' ~ null", "`~`: there is no value; give one, or use | default('…')"),
        ("steps.skipped.outputs.x", "step `skipped` has no outputs: it was skipped; test steps.skipped.status"),
        ("steps.never.outputs.x", "step `never` has no outputs: it has not run"),
        ("steps.failed.outputs.x", "step `failed` has no outputs: it failed"),
        ("steps.ok.outputs.x", "steps.ok.outputs has no `x`; there are avail, load"),
        ("steps.ok", "this is not a value"),
        ("steps.ok == 1", "steps.ok is a step, not a value"),
        ("steps.ok.x", "a step has no `x`"),
        ("1 | nothing", "there is no filter `nothing`"),
        ("1 | length", "| length needs a text or a list, not 1 (number)"),
        ("'a' | bytes", "| bytes needs a number, not 'a' (text)"),
        ("'a' | int", "| int: 'a' is not a whole number"),
        ("['a', 1] | sort", "| sort needs a list of numbers or a list of texts"),
        ("['a'] | sum", "| sum needs numbers, not 'a' (text)"),
        ("'a' | split('')", "| split needs a text to cut at"),
        ("1 | round(99)", "| round takes 0 to 9 digits, not 99 (number)"),
        ("1 | default", "| default takes 1 argument, not 0"),
        ("null | string", "| string: there is no value"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error_that_names_it(text: str, words: str) -> None:
    assert words in trouble(text)


def test_a_condition_must_be_true_or_false() -> None:
    assert expressions.condition(parsed("inputs.count > 1"), NAMES) is True
    for text, words in (("inputs.count", "3 (number)"), ("inputs.name", "'web' (text)"), ("null", "null")):
        with pytest.raises(BadInput, match="a condition must be true or false, this is") as caught:
            expressions.condition(parsed(text), NAMES)
        assert words in str(caught.value)
        assert caught.value.where == "f.yaml:3:7"


@pytest.mark.parametrize(
    "text",
    [
        "inputs.__class__",
        "''.__class__.__mro__",
        "inputs.name.format",
        "inputs['__class__']",
        "steps.__init__.__globals__",
        "inputs.list.append",
        "[].__class__",
        "(1).real",
    ],
)
def test_no_expression_reaches_python(text: str) -> None:
    assert "has no" in trouble(text)


@pytest.mark.parametrize(
    "text",
    ["f()", "inputs.name.upper()", "x is defined", "[x for x in y]", "lambda: 1", "a := 1", "{'a': 1}"],
)
def test_what_the_grammar_lacks_cannot_be_written(text: str) -> None:
    with pytest.raises(Unreadable):
        parsed(text)


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["1"] * 500),
        "(" * 200 + "1" + ")" * 200,
        "-" * 900 + "1",
        "not " * 240 + "true",
        "a" + ".b" * 490,
        "1" + "|abs" * 240,
        "[" * 200 + "]" * 200,
        "'" + "a" * 2000 + "'",
        "9" * 900,
    ],
)
def test_an_expression_cannot_be_too_long_or_too_deep(text: str) -> None:
    with pytest.raises(Unreadable, match=r"too long|too deep|longer than|too large"):
        parsed(text)


def test_a_result_cannot_grow_without_bound() -> None:
    big = "'" + "a" * 400 + "'"
    doubled = "inputs.big ~ inputs.big ~ inputs.big"
    names = {"inputs": {"big": "a" * 400_000}}
    for text in (
        doubled,
        "inputs.big | replace('a', 'aaaa')",
        "[inputs.big, inputs.big, inputs.big] | join('x')",
    ):
        with pytest.raises(BadInput, match="the result is too large"):
            expressions.evaluate(parsed(text), names)
    assert len(str(evaluate(f"{big} ~ {big}"))) == 800


def test_numbers_cannot_grow_without_bound() -> None:
    for text in ("*".join(["9**60"] * 40), "+".join(["9**64"] * 40), "1 / 7**25 / 7**25 / 7**25"):
        with pytest.raises(BadInput, match="too many digits"):
            evaluate(text)


# -- templates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ inputs.count }}", 3),
        ("${{ inputs.flag }}", True),
        ("${{ inputs.list }}", ["a", "b c"]),
        ("${{ inputs.empty }}", None),
        (" ${{ inputs.count }}", " 3"),
        ("x${{ inputs.flag }}y", "xtruey"),
        ("${{ inputs.count }}${{ inputs.count }}", "33"),
        ("${{ inputs.list }}.", '["a","b c"].'),
        ("${{ inputs.pause }}s", "90s"),
        ("plain {{ text }} $x", "plain {{ text }} $x"),
        ("", ""),
        ("${{ '}}' }}", "}}"),
        ("a\n${{ 1 +\n 2 }}", "a\n3"),
    ],
)
def test_a_lone_expression_keeps_its_type_and_mixed_text_is_text(text: str, value: object) -> None:
    found = expressions.render(template(text), NAMES)
    assert found == value
    assert type(found) is type(value)


def test_a_value_is_never_rendered_again() -> None:
    assert expressions.render(template("${{ inputs.evil }}"), NAMES) == "${{ inputs.name }} {{ 7*7 }}"
    assert expressions.render(template("<${{ inputs.evil }}>"), NAMES) == "<${{ inputs.name }} {{ 7*7 }}>"


def test_an_argument_that_has_no_value_is_an_error_not_an_empty_text() -> None:
    argv = (template("echo"), template("${{ inputs.empty }}"))
    with pytest.raises(BadInput, match="there is no value"):
        expressions.render_argv(argv, NAMES)
    with pytest.raises(BadInput, match="there is no value"):
        expressions.render(template("a${{ inputs.empty }}"), NAMES)


def test_each_item_of_an_argv_is_one_argument() -> None:
    argv = tuple(
        template(text)
        for text in ("echo", "${{ inputs.list }}", "-n ${{ inputs.count }}", "${{ inputs.flag }}")
    )
    assert expressions.render_argv(argv, NAMES) == Argv(("echo", '["a","b c"]', "-n 3", "true"))


@pytest.mark.parametrize("text", ["${{", "${{ a", "a ${{ 'x }} b", "${{ a }", "${{ }}", "${{ a b }}"])
def test_a_template_that_cannot_be_read_says_where(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        template(text)
    assert 0 <= caught.value.at <= len(text)


def test_references_are_the_names_an_expression_looks_at() -> None:
    expr = parsed("inputs.a > steps.x.outputs.y and inputs['b-c'] ~ run.id == list[0] | default(inputs.d)")
    assert expressions.references(expr) == {
        "inputs.a",
        "steps.x.outputs.y",
        "inputs.b-c",
        "run.id",
        "list",
        "inputs.d",
    }


# -- what is not known yet -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps.a.outputs.x", UNKNOWN),
        ("steps.a.outputs.x >= inputs.want", UNKNOWN),
        ("inputs.flag or steps.a.outputs.x", True),
        ("steps.a.outputs.x or inputs.flag", True),
        ("inputs.count > 5 and steps.a.outputs.x", False),
        ("steps.a.outputs.x and inputs.count > 5", False),
        ("inputs.flag and steps.a.outputs.x", UNKNOWN),
        ("not steps.a.outputs.x", UNKNOWN),
        ("1 if steps.a.outputs.x else 2", UNKNOWN),
        ("steps.a.outputs.x | default(1)", UNKNOWN),
        ("[steps.a.outputs.x]", UNKNOWN),
        ("'a' ~ steps.a.outputs.x", UNKNOWN),
        ("inputs.count", 3),
    ],
)
def test_a_forecast_decides_what_the_unknown_cannot_change(text: str, value: object) -> None:
    names = {**NAMES, "steps": UNKNOWN}
    assert expressions.forecast(parsed(text), names) == value


def test_only_a_forecast_may_be_unknown() -> None:
    with pytest.raises(BadInput, match="not known yet"):
        expressions.evaluate(parsed("steps.a.outputs.x"), {**NAMES, "steps": UNKNOWN})
    shown = expressions.forecast_text(template("a ${{ steps.a.outputs.x }}"), {**NAMES, "steps": UNKNOWN})
    assert shown == "a <unknown>"
