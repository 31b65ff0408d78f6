"""Arithmetic and comparison without floats and without surprises.

Inside an expression a number is an int or a Fraction, so nothing is rounded until somebody asks with `| round(n)`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from incidents.yamlfile import LARGEST_INT
from runbooks import typed

if TYPE_CHECKING:
    from fractions import Fraction

MAX_POWER = 64
MAX_DIGITS = 60  # of a numerator or denominator in between


class Trouble(Exception):
    """An expression cannot be evaluated: what is wrong, and what to do. The place is added by whoever knows it."""

    def __init__(self, message: str, *, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.hint = hint


def is_number(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or type(value).__name__ == "Fraction")


def from_record(kind: str, value: Any) -> Any:
    """The number that a recorded `number`, `percent` or `duration` stands for; others as they are."""
    if kind.endswith("[]"):
        return [from_record(kind[:-2], item) for item in value]
    if kind in ("number", "percent"):
        text = str(value)
        return _lowest(fraction(text)) if "." in text else int(text)
    if kind == "duration":
        return _lowest(fraction(value) / 1_000_000)
    return value


def fraction(value: Any) -> Fraction:
    """The value as it is, nothing rounded."""
    from fractions import Fraction  # 3 ms, and most runbooks never divide, and watch nothing

    return Fraction(value)


def _lowest(value: Any) -> Any:
    return int(value) if value.denominator == 1 else value


def to_record(value: Any) -> Any:
    """What the record can hold: a fraction as decimal text. Raises Trouble where that would have to be rounded."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST_INT:
            raise Trouble(f"{value} is too large to be recorded exactly", hint=f"at most {LARGEST_INT}")
        return value
    if isinstance(value, list):
        return [to_record(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_record(item) for key, item in value.items()}
    if is_number(value):
        return decimal_text(value)
    raise Trouble(
        f"{describe(value)} is not a value", hint="ask for a part of it: inputs.NAME, steps.ID.outputs.NAME"
    )


def decimal_text(value: Any) -> str:
    """A whole number or fraction as decimal text. Raises Trouble where the digits never end."""
    rest = value.denominator
    twos = (rest & -rest).bit_length() - 1
    fives = 0
    rest >>= twos
    while rest % 5 == 0:
        rest //= 5
        fives += 1
    if rest != 1:
        raise Trouble("the digits of this number never end", hint="round it: | round(2), or divide with //")
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    text = digits[:-places] + "." + digits[-places:] if places else digits
    return typed.decimal(("-" if value < 0 else "") + text)


def json_text(value: Any) -> str:
    """Data as JSON in which a number has all of its digits. Raises ValueError, TypeError where it is no data."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_key(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    if type(value).__name__ == "Fraction":
        return decimal_text(value)
    if type(value).__name__ == "Decimal":
        if not value.is_finite():
            raise ValueError(f"{value} is no number of JSON")
        return str(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _key(key: Any) -> str:
    return json.dumps(key if isinstance(key, str) else str(key), ensure_ascii=False)


def from_json(text: str) -> Any:
    """What `json_text` wrote: a number that a float would round is a Decimal. Raises ValueError."""
    return json.loads(text, parse_float=_number)


def _number(text: str) -> Any:
    from decimal import Decimal

    near = float(text)
    return near if Decimal(repr(near)) == Decimal(text) else Decimal(text)


def describe(value: Any) -> str:
    """A value with its type, for messages: `5 (number)`, `'no' (text)`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"{typed.show(value)} (text)"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if is_number(value):
        return f"{value} (number)"
    return "a map" if hasattr(value, "keys") else "this"


def arithmetic(op: str, values: list[Any]) -> Any:
    """`neg + - * / // % **` on numbers; `+` also joins two texts or two lists. Raises Trouble."""
    if op == "+" and all(isinstance(value, str) for value in values):
        return values[0] + values[1]
    if op == "+" and all(isinstance(value, list) for value in values):
        return [*values[0], *values[1]]
    for value in values:
        if not is_number(value):
            hint = "join texts with ~" if op == "+" else "| number makes a number of a text"
            raise Trouble(f"`{'-' if op == 'neg' else op}` needs numbers, not {describe(value)}", hint=hint)
    return _within(-values[0] if op == "neg" else _binary(op, values[0], values[1]))


def _binary(op: str, left: Any, right: Any) -> Any:
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op == "*":
        return left * right
    if op == "**":
        if not isinstance(right, int) or not 0 <= right <= MAX_POWER:
            raise Trouble(f"`**` takes a whole number from 0 to {MAX_POWER}, not {describe(right)}")
        return left**right
    if right == 0:
        raise Trouble(f"`{op}` by zero", hint="test the divisor first")
    if op == "/":
        return fraction(left) / right
    return left // right if op == "//" else left % right


def _within(value: Any) -> Any:
    limit = 10**MAX_DIGITS
    if abs(value.numerator) > limit or value.denominator > limit:
        raise Trouble("this number has too many digits", hint="compute it in a step")
    return _lowest(value) if not isinstance(value, int) else value


def compare(signs: tuple[str, ...], values: list[Any]) -> bool:
    """A chain of comparisons; all must hold. Raises Trouble where two kinds can never be compared."""
    return all(_pair(sign, left, right) for sign, left, right in zip(signs, values, values[1:], strict=False))


def kind(value: Any) -> str:
    """null, bool, number, text, list or map."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "text"
    if is_number(value):
        return "number"
    return "list" if isinstance(value, list) else "map"


def _pair(sign: str, left: Any, right: Any) -> bool:
    if sign in ("in", "not in"):
        return _contains(left, right) is (sign == "in")
    kinds = (kind(left), kind(right))
    if sign in ("==", "!="):
        if kinds[0] != kinds[1] and "null" not in kinds:
            raise Trouble(
                f"{describe(left)} and {describe(right)} are of different types and never equal",
                hint="write true, not 'true'; 5, not '5'; | int or | number makes a number of a text",
            )
        return (left == right) is (sign == "==")
    if kinds not in (("number", "number"), ("text", "text")):
        raise Trouble(
            f"`{sign}` cannot compare {describe(left)} with {describe(right)}", hint="compare two numbers"
        )
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign])


def _contains(left: Any, right: Any) -> bool:
    if isinstance(right, str) and isinstance(left, str):
        return left in right
    if isinstance(right, list):
        return any(kind(item) == kind(left) and item == left for item in right)
    if kind(right) == "map" and isinstance(left, str):
        return left in right
    raise Trouble(
        f"`in` cannot look for {describe(left)} in {describe(right)}", hint="item in list, or text in text"
    )
