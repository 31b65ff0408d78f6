"""A change record in words: what, from which value to which. Pure texts of the record, for one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 60  # characters of a value in a line
NO_NEWLINE = "\\ no newline at the end"  # stands as a line of its own in a difference
_DIGEST = re.compile(r"(?<=sha256 )([0-9a-f]{12})[0-9a-f]{52}")


def line(change: Mapping[str, Any]) -> str:
    """`/etc/app.conf: 8 bytes → 14 bytes, +1 −0 lines; can be undone`; empty where nothing is told."""
    if not change.get("what"):
        return ""
    undo = "; can be undone" if change.get("undo") and not change.get("same") else ""
    return f"{name(change['what'])}: {values(change)}{undo}"


def name(what: object) -> str:
    """On one line; of a long path its end tells more than its beginning."""
    line = " ".join(str(what).split())
    return line if len(line) <= LONGEST else f"…{line[1 - LONGEST :]}"


def values(change: Mapping[str, Any]) -> str:
    """`8 bytes → 14 bytes, +1 −0 lines`, `unchanged`, `20 → unknown (why)`."""
    if change.get("same"):
        return "unchanged"
    why = f" ({short(change['unknown'], 120)})" if change.get("unknown") else ""
    if "from" not in change and "to" not in change:
        return f"unknown{why}" if change.get("subject") else "changed"
    unread = "unknown" if change.get("subject") else "…"
    old, new = (short(change.get(word) or unread) for word in ("from", "to"))
    return f"{old} → {new}{counted(change)}{why}"


def counted(change: Mapping[str, Any]) -> str:
    """`, +1 −0 lines` of all that differs, also where only its beginning is recorded; empty where that is not known."""
    if "added" not in change:
        return ""
    return f", +{change['added']} −{change['removed']} lines"


def short(text: object, most: int = LONGEST) -> str:
    """On one line, cut where it is longer; of a digest its beginning."""
    line = _DIGEST.sub(r"\1", " ".join(str(text).split()))
    return line if len(line) <= most else line[: most - 1] + "…"
