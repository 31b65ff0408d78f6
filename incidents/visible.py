"""Text that cannot act: what people or programs wrote, made safe to print.

A control character, an escape sequence or a text-direction override is written out instead of sent: a record that
is read at a terminal must not be able to move its cursor, change its title or show words in another order.
"""

from __future__ import annotations

import re

# C0 without newline, DEL, C1; line and paragraph separator; the directional marks, embeddings, overrides and
# isolates (Unicode TR 36 section 2.9.1: they make text read otherwise than it is); byte-order mark; surrogates
UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """`text` with everything that could act on a terminal written out (`\\x1b`); newlines stay, a tab is spaces."""
    return UNSAFE.sub(_written_out, text) if UNSAFE.search(text) else text


def _written_out(match: re.Match[str]) -> str:
    number = ord(match[0])
    if match[0] == "\t":
        return "    "
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def one_line(text: str) -> str:
    """`text` made visible, its lines joined by ` ⏎ `."""
    return " ⏎ ".join(part for line in visible(text).split("\n") if (part := line.strip()))
