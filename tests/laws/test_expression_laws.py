"""Laws of expressions: what they mean is what Jinja would make of them, and nothing else can be written."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from incidents.errors import BadInput
from runbooks import expressions, typed
from runbooks.exact import decimal_text
from runbooks.expressions import Place
from runbooks.grammar import Unreadable

PLACE = Place("f", 1, 1)
JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
NAMES: dict[str, Any] = {
    "inputs": {"a": 3, "b": -2, "s": "ab", "t": "b", "yes": True, "no": False, "l": [1, 3], "w": ["ab", ""]}
}

number_leaf = st.sampled_from(
    ("1", "2", "7", "inputs.a", "inputs.b", "inputs['a']", "inputs.l[0]", "inputs.l[-1]")
)
text_leaf = st.sampled_from(("'ab'", '"b"', "inputs.s", "inputs.t", "inputs.w[0]", "'a\\'\\n'"))
bool_leaf = st.sampled_from(("true", "false", "inputs.yes", "inputs.no"))


def joined(operators: tuple[str, ...], operand: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """`a op b op c` without parentheses: how it binds is the question."""
    return st.lists(operand, min_size=2, max_size=4).flatmap(
        lambda parts: st.lists(
            st.sampled_from(operators), min_size=len(parts) - 1, max_size=len(parts) - 1
        ).map(
            lambda signs: (
                parts[0] + "".join(f" {sign} {part}" for sign, part in zip(signs, parts[1:], strict=True))
            )
        )
    )


def numbers(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return number_leaf
    inner = numbers(depth - 1)
    return st.one_of(
        number_leaf,
        joined(("+", "-", "*", "//", "%"), inner),
        inner.map(lambda x: f"-{x}"),
        inner.map(lambda x: f"({x})"),
        inner.map(lambda x: f"{x} | abs"),
        texts(depth - 1).map(lambda x: f"{x} | length"),
        st.tuples(inner, truths(depth - 1), inner).map(lambda x: f"{x[0]} if {x[1]} else {x[2]}"),
        number_leaf.map(lambda x: f"{x} ** 2"),
    )


def texts(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return text_leaf
    inner = texts(depth - 1)
    return st.one_of(
        text_leaf,
        joined(("~",), st.one_of(inner, number_leaf)),
        joined(("+",), text_leaf),
        inner.map(lambda x: f"({x})"),
        inner.map(lambda x: f"{x} | upper"),
        number_leaf.map(lambda x: f"{x} | string"),
    )


def truths(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return bool_leaf
    inner = truths(depth - 1)
    return st.one_of(
        bool_leaf,
        joined(("and", "or"), inner),
        inner.map(lambda x: f"not {x}"),
        inner.map(lambda x: f"({x})"),
        joined(("<", "<=", ">", ">=", "==", "!="), numbers(depth - 1)),
        st.tuples(texts(depth - 1), st.sampled_from(("in", "not in", "==", "<")), texts(depth - 1)).map(
            " ".join
        ),
        st.tuples(numbers(depth - 1), st.sampled_from(("in", "not in"))).map(
            lambda x: f"{x[0]} {x[1]} inputs.l"
        ),
    )


@settings(max_examples=400, deadline=None)
@given(st.one_of(numbers(3), texts(2), truths(3)))
def test_an_expression_means_what_jinja_would_make_of_it(text: str) -> None:
    try:
        ours = expressions.evaluate(expressions.parse(text, PLACE), NAMES)
    except (BadInput, Unreadable):  # stricter than Jinja: no truthiness, no mixing of types, no huge results
        assume(False)
        return
    theirs = JINJA.compile_expression(text, undefined_to_none=False)(**NAMES)
    assert (ours, type(ours)) == (theirs, type(theirs))


pieces = st.sampled_from(
    (
        "inputs", ".", "a", "b", "s", "[", "]", "(", ")", "1", "0.5", "'x'", '"', "'", "+", "-", "*", "/", "//", "%", "**",
        "~", "|", "length", "join", ",", "and", "or", "not", "in", "if", "else", "is", "==", "<", "{", "}", "$", "\\", "\n",
        "true", "null", "__class__", "steps", "é", "\0", "lambda", ":", "@",
    )
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=14).map(" ".join))
def test_no_text_can_do_more_than_be_refused(text: str) -> None:
    try:
        expr = expressions.parse(text, PLACE)
    except Unreadable as error:
        assert 0 <= error.at <= len(text) and error.message
        return
    try:
        value = expressions.evaluate(expr, NAMES)
    except BadInput as error:
        assert error.where == "f:1:1"
        return
    assert value is None or isinstance(value, bool | int | str | list | dict)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_a_template_keeps_every_character_that_is_no_expression(text: str) -> None:
    assume("${{" not in text)
    assert expressions.render(expressions.parse_template(text, PLACE), {}) == text


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_a_decimal_is_exact(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    text = decimal_text(value)
    assert Fraction(text) == value
    assert typed.decimal(text) == text
