"""A small language for the limits of a body: what a value may be, with Discord's own words for what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Mistake(NamedTuple):
    """One thing that Discord refuses: where (dotted), its code, its text."""

    path: str
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.path or 'the body'}: {self.text} ({self.code})"


Check = Callable[[Any, str], Iterator[Mistake]]


def under(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def text(low: int = 0, high: int = 1 << 20) -> Check:
    """A string of so many characters."""

    def check(value: Any, path: str) -> Iterator[Mistake]:
        if not isinstance(value, str):
            yield Mistake(path, "STRING_TYPE_CONVERT", "Could not interpret value as string.")
        elif low and not value.strip():
            yield Mistake(path, "BASE_TYPE_REQUIRED", "This field is required")
        elif len(value) > high and low:
            yield Mistake(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
        elif len(value) > high:
            yield Mistake(path, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")

    return check


def whole(low: int, high: int) -> Check:
    """An integer within both ends."""

    def check(value: Any, path: str) -> Iterator[Mistake]:
        if isinstance(value, bool) or not isinstance(value, int):
            yield Mistake(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
        elif not low <= value <= high:
            yield Mistake(path, "NUMBER_TYPE_MAX", f"int value should be between {low} and {high}.")

    return check


def number(value: Any, path: str) -> Iterator[Mistake]:
    """Any number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield Mistake(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not float.')


def flag(value: Any, path: str) -> Iterator[Mistake]:
    """true or false."""
    if not isinstance(value, bool):
        yield Mistake(path, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")


def snowflake(value: Any, path: str) -> Iterator[Mistake]:
    """An id, as a string or a number."""
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not good and not (isinstance(value, str) and value.isdigit()):
        yield Mistake(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')


def anything(value: Any, path: str) -> Iterator[Mistake]:
    """What is not looked at."""
    yield from ()


def one_of(*values: Any) -> Check:
    """One of these values."""

    def check(value: Any, path: str) -> Iterator[Mistake]:
        if isinstance(value, bool) or value not in values:
            listed = ", ".join(repr(one) for one in values)
            yield Mistake(path, "BASE_TYPE_CHOICES", f"Value must be one of {{{listed}}}.")

    return check


def items(each: Check, low: int = 0, high: int = 1 << 20) -> Check:
    """A list of so many."""

    def check(value: Any, path: str) -> Iterator[Mistake]:
        if not isinstance(value, list):
            yield Mistake(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return
        if not low <= len(value) <= high:
            told = (
                f"Must be between {low} and {high} in length."
                if low
                else f"Must be {high} or fewer in length."
            )
            yield Mistake(path, "BASE_TYPE_BAD_LENGTH" if low else "BASE_TYPE_MAX_LENGTH", told)
        for index, one in enumerate(value):
            yield from each(one, under(path, index))

    return check


def shape(needed: str = "", /, **fields: Check) -> Check:
    """An object with these keys and no others; `needed` lists those that must be there.

    null counts as absent. Discord ignores most unknown keys; here they are mistakes, because whoever
    sends one believes that it does something.
    """
    required = needed.split()

    def check(value: Any, path: str) -> Iterator[Mistake]:
        if not isinstance(value, dict):
            yield Mistake(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
            return
        for key in required:
            if value.get(key) is None:
                yield Mistake(under(path, key), "BASE_TYPE_REQUIRED", "This field is required")
        for key, one in value.items():
            if key not in fields:
                yield Mistake(under(path, key), "UNKNOWN_KEY", "There is no such field")
            elif one is not None:
                yield from fields[key](one, under(path, key))

    return check


def by_type(branches: dict[int, Check]) -> Check:
    """The object that its `type` says."""

    def check(value: Any, path: str) -> Iterator[Mistake]:
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, bool) or not isinstance(kind, int) or kind not in branches:
            told = f'Value of field "type" must be one of ({", ".join(map(str, sorted(branches)))}).'
            yield Mistake(under(path, "type"), "UNION_TYPE_CHOICES", told)
        else:
            yield from branches[kind](value, path)

    return check


def both(*checks: Check) -> Check:
    """All of these; the later ones only when the first finds nothing, so they may trust the shape."""

    def check(value: Any, path: str) -> Iterator[Mistake]:
        first, *rest = checks
        found = list(first(value, path))
        yield from found
        if not found:
            for one in rest:
                yield from one(value, path)

    return check
