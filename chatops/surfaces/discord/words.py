"""Several values in one text option: words between spaces, quotes around what holds spaces. No shell ever sees it.

`mount=/var note="two words"` is two words. Inside quotes a backslash makes a quote or a backslash of itself;
elsewhere it is a letter, as are quotes in the middle of a word. A phone writes “ ” for ": they count as the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from incidents.errors import BadInput

_CLOSING = {'"': '"', "'": "'", "“": "”", "„": "“”", "‘": "’"}


def split(text: str) -> list[str]:
    """The words. Raises BadInput where a quote is not closed."""
    found = _read(text)
    if not found.closed:
        raise BadInput(f"a quote is not closed: {found.words[-1]}", hint='write name="two words"')
    return found.words


def being_typed(text: str) -> tuple[str, list[str], str]:
    """While the text is typed: what stands before the last word, the words in it, the last word as far as it goes."""
    start = _read(text).last
    return text[:start], _read(text[:start]).words, text[start:]


def join(words: Iterable[str]) -> str:
    """The text that `split` makes these words of."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    name, equals, value = word.partition("=")
    if not equals or _odd(name):
        name, equals, value = "", "", word
    if not _odd(value):
        return word
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}{equals}"{escaped}"'


def _odd(text: str) -> bool:
    return not text or text[0] in _CLOSING or any(char.isspace() for char in text)


class _Read(NamedTuple):
    words: list[str]
    closed: bool  # no quote is open at the end
    last: int  # where the word begins that is being written


def _read(text: str) -> _Read:
    found: list[str] = []
    word: str | None = None
    closing, last, place = "", 0, 0
    while place < len(text):
        char = text[place]
        place += 1
        if closing and char == "\\" and text[place : place + 1] in ("\\", *closing):
            word = f"{word}{text[place]}"
            place += 1
        elif closing:
            closing, word = ("", word) if char in closing else (closing, f"{word}{char}")
        elif char.isspace():
            found += [] if word is None else [word]
            word, last = None, place
        elif char in _CLOSING and (word is None or word.find("=") == len(word) - 1 >= 0):
            closing, word = _CLOSING[char], word or ""
        else:
            word = (word or "") + char
    return _Read(found + ([] if word is None else [word]), not closing, last)
