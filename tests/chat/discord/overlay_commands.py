"""Application commands written out by hand: names, options, choices, and the 8,000 characters of one command."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from tests.chat.discord.specs import (
    Check,
    Mistake,
    anything,
    both,
    by_type,
    flag,
    items,
    number,
    one_of,
    shape,
    snowflake,
    text,
    under,
    whole,
)

SUB, GROUP, STRING, INTEGER, NUMBER = 1, 2, 3, 4, 10
OPTIONS, CHOICES, CHARACTERS, COMMANDS = 25, 25, 8000, 130


def slash_name(value: Any, path: str) -> Iterator[Mistake]:
    """1 to 32 letters, digits, `-`, `_` or `'`, in lower case."""
    found = list(text(1, 32)(value, path))
    yield from found
    letters = value if isinstance(value, str) else ""
    good = all(one in "-_'" or unicodedata.category(one)[0] in "LNM" for one in letters)
    if not found and (not good or letters != letters.lower()):
        yield Mistake(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _choice(value: Check) -> Check:
    return shape("name value", name=text(1, 100), value=value, name_localizations=anything)


def _value_option(kind: int) -> Check:
    fields: dict[str, Check] = {
        "type": one_of(kind),
        "name": slash_name,
        "name_localizations": anything,
        "description": text(1, 100),
        "description_localizations": anything,
        "required": flag,
    }
    if kind in (STRING, INTEGER, NUMBER):
        value = {STRING: text(0, 100), INTEGER: whole(-(1 << 53), 1 << 53), NUMBER: number}[kind]
        fields |= {"choices": items(_choice(value), 0, CHOICES), "autocomplete": flag}
    if kind == STRING:
        fields |= {"min_length": whole(0, 6000), "max_length": whole(1, 6000)}
    if kind in (INTEGER, NUMBER):
        fields |= {"min_value": number, "max_value": number}
    if kind == 7:
        fields["channel_types"] = items(whole(0, 16), 0, 20)
    return both(shape("type name description", **fields), _choices)


def _choices(value: Any, path: str) -> Iterator[Mistake]:
    choices = value.get("choices") or []
    if choices and value.get("autocomplete"):
        told = "Autocomplete options cannot have choices"
        yield Mistake(under(path, "choices"), "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", told)
    names = [one["name"] for one in choices]
    if len(set(names)) < len(names):
        told = "Option choice names must be unique"
        yield Mistake(under(path, "choices"), "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_DUPLICATE", told)


def _order(value: Any, path: str) -> Iterator[Mistake]:
    """Names once, required ones first, subcommands not beside values."""
    options = value.get("options") or []
    where = under(path, "options")
    names = [one["name"] for one in options]
    if len(set(names)) < len(names):
        told = "Option names must be unique"
        yield Mistake(where, "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATE", told)
    required = [bool(one.get("required")) for one in options]
    if required != sorted(required, reverse=True):
        told = "Required options must be placed before non-required options"
        yield Mistake(where, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", told)
    if len({one["type"] in (SUB, GROUP) for one in options}) > 1:
        told = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        yield Mistake(where, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", told)


VALUES = {kind: _value_option(kind) for kind in range(3, 12)}


def _nest(kind: int, inner: dict[int, Check], needed: str) -> Check:
    return both(
        shape(
            needed,
            type=one_of(kind),
            name=slash_name,
            name_localizations=anything,
            description=text(1, 100),
            description_localizations=anything,
            required=flag,
            options=items(by_type(inner), 1 if kind == GROUP else 0, OPTIONS),
        ),
        _order,
    )


SUBCOMMAND = _nest(SUB, VALUES, "type name description")
TOP = {SUB: SUBCOMMAND, GROUP: _nest(GROUP, {SUB: SUBCOMMAND}, "type name description options"), **VALUES}


def _permission_set(value: Any, path: str) -> Iterator[Mistake]:
    """Bits, as a string or a number."""
    yield from snowflake(value, path)


def size(value: Any) -> int:
    """The characters that count: names, descriptions and values, all the way down."""
    total = len(value["name"]) + len(value.get("description") or "")
    for one in value.get("choices") or []:
        total += len(one["name"]) + (len(one["value"]) if isinstance(one["value"], str) else 0)
    return total + sum(size(one) for one in value.get("options") or [])


def _size(value: Any, path: str) -> Iterator[Mistake]:
    total = size(value)
    if total > CHARACTERS:
        told = f"Command exceeds maximum size ({CHARACTERS}): {total}"
        yield Mistake(path, "APPLICATION_COMMAND_TOO_LARGE", told)


_COMMON: dict[str, Check] = {
    "id": snowflake,
    "type": whole(1, 4),
    "name_localizations": anything,
    "description_localizations": anything,
    "default_member_permissions": _permission_set,
    "default_permission": flag,
    "dm_permission": flag,
    "contexts": items(whole(0, 2), 0, 3),
    "integration_types": items(whole(0, 1), 0, 2),
    "nsfw": flag,
}
SLASH = both(
    shape(
        "name description",
        name=slash_name,
        description=text(1, 100),
        options=items(by_type(TOP), 0, OPTIONS),
        **_COMMON,
    ),
    _order,
    _size,
)
MENU = shape("name type", name=text(1, 32), description=one_of(""), **_COMMON)


def command(value: Any, path: str) -> Iterator[Mistake]:
    """One command, slash or menu."""
    kind = value.get("type", 1) if isinstance(value, dict) else 1
    yield from (SLASH if kind == 1 else MENU)(value, path)


commands = items(command, 0, COMMANDS)
