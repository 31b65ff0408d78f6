"""Lines of a terminal: cut, wrapped, hanging; and the styles of what they say."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from incidents.visible import visible

STYLES = {
    "good": "green", "bad": "bold red", "warn": "yellow", "quiet": "dim", "busy": "cyan", "asks": "bold yellow",
}  # fmt: skip
NARROW = 24  # cells that a text needs beside its name; with fewer it goes under it

_RULER = Console(width=80, color_system=None, force_terminal=False)  # only measures and breaks lines


def cut(line: Text, width: int) -> Text:
    """`line` on at most `width` cells, `…` where something was left out."""
    line.truncate(width, overflow="ellipsis")
    return line


def hang(head: Text, body: str, width: int, style: str = "") -> list[Text]:
    """`head`, beside it the prose `body`, its lines hanging under its first; under the head where it is too narrow."""
    room = width - head.cell_len
    pieces = [
        piece
        for line in visible(body).split("\n")
        for piece in _wrap(line, room if room >= NARROW else width - 4)
    ]
    return _beside(head, pieces, room, style)


def hang_exact(head: Text, body: str, width: int, style: str = "") -> list[Text]:
    """The same for what must be read letter by letter: broken only where the line is full, marked with `↳`."""
    room = width - head.cell_len
    pieces = [
        piece
        for line in visible(body).split("\n")
        for piece in _chop(line, room if room >= NARROW else width - 4)
    ]
    return _beside(head, pieces, room, style)


def _beside(head: Text, pieces: Sequence[str], room: int, style: str) -> list[Text]:
    if room < NARROW:
        return [head, *(Text("    ").append(piece, style) for piece in pieces)]
    indent = " " * head.cell_len
    lines = [head.copy().append(pieces[0] if pieces else "", style)]
    return [*lines, *(Text(indent).append(piece, style) for piece in pieces[1:])]


def _wrap(line: str, width: int) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())][: width // 2]
    wrapped = Text(line.strip()).wrap(_RULER, max(8, width - len(indent)), overflow="fold")
    return [indent + piece.plain.rstrip() for piece in wrapped]


def _chop(line: str, width: int) -> list[str]:
    first = chop_cells(line, width) or [""]
    if len(first) == 1:
        return first
    return [first[0], *("↳ " + piece for piece in chop_cells(line[len(first[0]) :], width - 2))]
