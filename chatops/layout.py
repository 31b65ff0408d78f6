"""Lines of styled spans: the one layout that plain text, the terminal and the tests share.

Widths are terminal cells. Whatever people or programs wrote is made visible here (incidents.visible).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from incidents.visible import one_line, visible

__all__ = [
    "INSTANT",
    "STYLES",
    "WIDTH",
    "Line",
    "Span",
    "cells",
    "cut",
    "hang",
    "instant",
    "one_line",
    "pad",
    "plain",
    "visible",
    "wrap",
]

WIDEST_HEADING = 100  # cells between the start of a title and the end of the state beside it
_LINK = re.compile(r"https?://\S{1,400}\Z")  # stays in one piece: a broken link cannot be followed
WIDTH = 80  # cells, where nothing is known about the reader's screen


class Span(NamedTuple):
    """A piece of a line. `style` is one of STYLES, or empty."""

    text: str
    style: str = ""


STYLES = ("title", "name", "quiet", "good", "bad", "warn", "key", "struck")
HUES = ("hue1", "hue2", "hue3", "hue4", "hue5", "hue6")  # styles that only tell one from another

Line = tuple[Span, ...]


def cells(text: str) -> int:
    """How many terminal cells `text` takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_cell, text))


def _cell(char: str) -> int:
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 0 if unicodedata.category(char) in ("Mn", "Me", "Cf") else 1


def _exceeds(text: str, width: int) -> bool:
    """Whether `text` is wider than `width`; looks no further than it must."""
    if text.isascii():
        return len(text) > width
    used = 0
    for char in text:
        used += _cell(char)
        if used > width:
            return True
    return False


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled with spaces to `width` cells, or cut to it with `…`."""
    if _exceeds(text, width):
        text = cut(text, width)
    gap = width - cells(text)
    return " " * gap + text if right else text + " " * gap


def cut(text: str, width: int) -> str:
    """The first `width` cells of `text`, the last of them `…` where something was left out."""
    if not _exceeds(text, width):
        return text
    kept, used = [], 0
    for char in text:
        used += _cell(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


#: an instant inside a text: µs, form, and the words for a surface that cannot tell it to each reader
INSTANT = re.compile("\ue000(-?[0-9]{1,18}):(moment|short|ago):([^\ue000\ue001\n]*)\ue001")


def instant(at: int, form: str, words: str) -> str:
    """An instant (µs) in a text that people in many zones read, or read later: a surface that can tells it to each.

    `form`: moment is date and time, short the time and what of the date is needed, ago how long since.
    """
    return f"\ue000{at}:{form}:{words}\ue001"


def wrap(text: str, width: int) -> list[str]:
    """`text` made visible and broken at spaces into lines of at most `width` cells; longer words are split,
    but for links.

    A line's own indentation is kept on its first line. There is always at least one line.
    """
    if "\ue000" in text:
        text = INSTANT.sub(r"\3", text)
    lines: list[str] = []
    for paragraph in visible(text).rstrip().split("\n"):
        lines.extend(_fill(paragraph.rstrip(), max(width, 8)))
    return lines or [""]


def _fill(paragraph: str, width: int) -> list[str]:
    if not _exceeds(paragraph, width):
        return [paragraph]
    indent = paragraph[: len(paragraph) - len(paragraph.lstrip())][: width // 2]
    lines: list[str] = []
    line = indent
    for word in paragraph.split():
        glue = "" if line in ("", indent) and not lines else " " if line else ""
        if not _exceeds(line + glue + word, width):
            line += glue + word
            continue
        if line.strip():
            lines.append(line)
            line = ""
        while _exceeds(line + word, width) and not _LINK.match(word):
            head = _head(word, width - cells(line))
            lines.append(line + head)
            line, word = "", word[len(head) :]
        line += word
    return [*lines, line] if line else lines


def _head(word: str, width: int) -> str:
    used = 0
    for index, char in enumerate(word):
        used += _cell(char)
        if used > width:
            return word[: max(index, 1)]
    return word


def hang(first: Sequence[Span], text: str, style: str, width: int) -> list[Line]:
    """`first`, then `text` wrapped beside it: the lines after the first hang under the text."""
    indent = sum(cells(span.text) for span in first)
    texts = wrap(text, width - indent)
    lines: list[Line] = [(*first, Span(texts[0], style))]
    lines.extend((Span(" " * indent), Span(line, style)) for line in texts[1:])
    return lines


def plain(lines: Iterable[Line]) -> str:
    """The lines as text without any style, no trailing spaces, no final newline."""
    return "\n".join(visible("".join(span.text for span in line)).rstrip() for line in lines)
