"""A view on a terminal: laid out by `layout`, coloured by rich; without a terminal the same lines as plain text.

rich is imported only when there is something to colour on a terminal. JSON is one document on standard output,
with every character that could act on a terminal written as `\\uXXXX`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from chatops import layout
from chatops.layout import Line
from chatops.views import View
from incidents.visible import UNSAFE

ENDLESS = 1_000_000  # cells: in a pipe or a file nothing is wrapped, so that a line stays a line
WIDEST = 120  # cells: longer lines are hard to read
RICH_STYLES = {
    "title": "bold",
    "name": "cyan",
    "quiet": "dim",
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "key": "bold",
    "struck": "dim strike",
    "hue1": "cyan",
    "hue2": "green",
    "hue3": "magenta",
    "hue4": "yellow",
    "hue5": "blue",
    "hue6": "bright_cyan",
}


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def width(stream: TextIO) -> int:
    """The cells of the terminal's line (COLUMNS decides), at most WIDEST; ENDLESS where there is no terminal."""
    if not is_terminal(stream):
        return ENDLESS
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return min(int(given), WIDEST)
    try:
        return min(os.get_terminal_size(stream.fileno()).columns or layout.WIDTH, WIDEST)
    except (OSError, ValueError):
        return layout.WIDTH


def show(view: View, stream: TextIO) -> None:
    """Write the view and a newline."""
    lines = view.lines(width(stream))
    if is_terminal(stream) and any(span.style for line in lines for span in line):
        _colour(lines, stream)
    else:
        stream.write(layout.plain(lines) + "\n")
    stream.flush()


def _colour(lines: Sequence[Line], stream: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    for line in lines:
        spans = [(layout.visible(span.text), RICH_STYLES.get(span.style, "")) for span in line]
        text = Text.assemble(*spans)
        text.rstrip()
        console.print(text, soft_wrap=True)


def document(value: Mapping[str, Any], stream: TextIO, *, lines: bool = False) -> None:
    """Write one JSON document and a newline; `lines` puts it on one line."""
    import json

    text = json.dumps(value, ensure_ascii=False, indent=None if lines else 2)
    stream.write(UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")
    stream.flush()
