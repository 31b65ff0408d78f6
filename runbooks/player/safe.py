"""What people and programs wrote, made fit for a terminal: nothing of it can act there."""

from __future__ import annotations

import re

# C0 without newline, DEL, C1; the directional marks, embeddings, overrides and isolates, which make a text read
# otherwise than it is (Unicode TR 36 section 2.9.1); line and paragraph separator; byte-order mark; surrogates
_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_COLOUR = re.compile(
    "\x1b\\[[0-9;:]*[mK]"
)  # colours and "clear to the end of the line" say nothing by themselves
_PIECES = re.compile(r"\r+\n|\n")


def visible(text: str) -> str:
    """`text` with everything that could act on a terminal written out (`\\x1b`); newlines stay, a tab is spaces."""
    return _UNSAFE.sub(_written_out, text) if _UNSAFE.search(text) else text


def _written_out(match: re.Match[str]) -> str:
    if match[0] == "\t":
        return "    "
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def one_line(text: str) -> str:
    """`text` made visible, its lines joined by ` ⏎ `."""
    return " ⏎ ".join(part for line in visible(text).split("\n") if (part := line.strip()))


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
