"""The output of a program as the lines that a terminal would have shown; nothing of it can act there."""

from __future__ import annotations

import re

from incidents.visible import visible

_COLOUR = re.compile(
    "\x1b\\[[0-9;:]*[mK]"
)  # colours and "clear to the end of the line" say nothing by themselves
_PIECES = re.compile(r"\r+\n|\n")


def output_lines(output: str) -> list[str]:
    """A program's output as a terminal would have left it: colours gone, of an overwritten line its last state."""
    text = _COLOUR.sub("", output)
    lines = [_last_state(line) for line in _PIECES.split(text)]
    while lines and not lines[-1].strip():
        lines.pop()
    return [visible(line) for line in lines]


def _last_state(line: str) -> str:
    """A progress bar writes its line again and again after a carriage return; what stood there last counts."""
    return next((piece for piece in reversed(line.split("\r")) if piece), "")
