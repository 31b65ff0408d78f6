"""Where data goes in a script: `x=$IN_NAME` makes `$x` data, too, until something else is put into it.

Only what is plain to see: an assignment, and a loop over words. A variable that a test or a `case` has looked at is taken
for checked, and so is one out of which `${x//…}` has cut something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from runbooks.shell_text import Command, Use, Word

# Their texts are digits, or one word: neither arithmetic nor word splitting can make more of them.
ONE_WORD = frozenset(("int", "bytes", "bool", "number", "percent", "duration"))
TESTS = frozenset(("test", "[", "[["))
ASSIGNING = frozenset(
    ("declare", "local", "typeset", "export", "readonly")
)  # their `x=$y` is no word to split
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=", re.ASCII)
_KEEPS = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*(?:\}|:?[-=?+]|%))", re.ASCII)
NO_OPTION = "path"  # as what begins with a text that is no dash counts: cut at spaces, never an option


def along(commands: Sequence[Command], data: Mapping[str, str]) -> Iterator[tuple[Command, dict[str, str]]]:
    """Each command with the variables that hold data where it stands, with their types."""
    derived: dict[str, str] = {}
    for command in commands:
        yield command, {**data, **derived}
        names = command.names()
        program = names[0].text if names else ""
        if program in TESTS or program == "case":
            for use in (use for word in names for use in word.uses):
                derived.pop(use.name, None)
            continue
        if program == "read":
            for word in names[1:]:
                derived.pop(word.text, None)
        if program == "for" and len(names) > 3 and names[2].text == "in":
            _put(derived, names[1].text, _of_words(names[3:], {**data, **derived}))
        assigned = names[1:] if program in ASSIGNING else command.words if not names else ()
        for word in assigned:
            if match := _ASSIGNMENT.match(word.text):
                kind = _of_value(word, len(match[0]), {**data, **derived})
                if kind is not None or not match[2]:
                    _put(derived, match[1], kind)


def _put(derived: dict[str, str], name: str, kind: str | None) -> None:
    if kind is None:
        derived.pop(name, None)
    else:
        derived[name] = kind


def _of_words(words: Sequence[Word], data: Mapping[str, str]) -> str | None:
    kinds = {kind for word in words if (kind := _of_value(word, 0, data)) is not None}
    return None if not kinds else kinds.pop() if len(kinds) == 1 else "string"


def _of_value(word: Word, begin: int, data: Mapping[str, str]) -> str | None:
    """The type of what the word is from its `begin` on; None where it is no data that could be more than one word."""
    held = [use for use in word.uses if data.get(use.name, "int") not in ONE_WORD and _kept(word, use)]
    if not held:
        return None
    text = word.text[begin:].lstrip("\"'")
    first = held[0]
    if first.at - word.at == len(word.text) - len(text):
        return data[first.name]
    return "string" if text[:1] in ("-", "$", "`") else NO_OPTION


def _kept(word: Word, use: Use) -> bool:
    return use.how != "indirect" and _KEEPS.match(word.text, use.at - word.at) is not None
