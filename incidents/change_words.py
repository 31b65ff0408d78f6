"""A change record in words: what, from which value to which. Pure texts of the record, for one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 60  # characters of a value in a line
WHY = 120  # characters of a reason
DIFFERS = "differs"
SHOWN = 8  # lines of a difference where a person must decide something else too
NO_NEWLINE = "\\ no newline at the end"  # stands as a line of its own in a difference
_DIGEST = re.compile(r"(?<=sha256 )([0-9a-f]{12})[0-9a-f]{52}")


def line(change: Mapping[str, Any]) -> str:
    """`/etc/app.conf: 8 bytes → 14 bytes, +1 −0 lines; can be undone`; empty where nothing is told."""
    if not change.get("what"):
        return ""
    undo = "; can be undone" if change.get("undo") and not nothing(change) else ""
    return f"{name(change['what'])}: {values(change)}{undo}"


def nothing(change: Mapping[str, Any]) -> bool:
    """Was nothing found to have changed?"""
    return bool(change.get("same") or change.get("unread"))


def name(what: object) -> str:
    """On one line; of a long path its end tells more than its beginning."""
    line = " ".join(str(what).split())
    return line if len(line) <= LONGEST else f"…{line[1 - LONGEST :]}"


def values(change: Mapping[str, Any]) -> str:
    """`8 bytes → 14 bytes, +1 −0 lines`, `unchanged`, `20 → unknown (why)`, `not read (why)`."""
    if change.get("same"):
        return "unchanged"
    why = f" ({short(change['unknown'], WHY)})" if change.get("unknown") else ""
    if change.get("unread"):
        return f"not read{why}"
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


def acted(change: Mapping[str, Any], *, ended: bool) -> Iterator[tuple[str, str]]:
    """For who must say whether an act happened: names and texts of what was read before it, and where it has `ended` of
    what was read after it and how that differs. What only the step says is told as that."""
    if not change.get("what"):
        return
    what = name(change["what"])
    if not change.get("subject"):
        said = f", {values(change)} as the step says" if "from" in change or "to" in change else ""
        yield "changes", f"{what}{said}; howdah does not read it"
        return
    yield "changes", what
    unread = f"unknown: {short(change.get('unknown') or 'it was not read', 2 * WHY)}"
    yield "before the act", short(change["from"], WHY) if change.get("from") else unread
    if not ended:
        return
    if change.get("same"):
        yield "after the act", "the same"
    elif change.get("to") and not change.get("unread"):
        yield "after the act", short(change["to"], WHY) + counted(change)
    else:
        yield "after the act", unread
    if change.get("diff"):
        lines = str(change["diff"]).split("\n")
        lines = lines[2:] if lines[0] == "--- before" else lines
        more = [f"… {len(lines) - SHOWN + 1} lines more, in howdah show RUN"] if len(lines) > SHOWN else []
        yield DIFFERS, "\n".join([*(lines[: SHOWN - 1] if more else lines), *more])
