"""The steps of a run as few lines, for a message that is read on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatops import layout
from runbooks import listing

if TYPE_CHECKING:
    from runbooks.listing import Row

MOST = 14  # steps in the list
BEFORE, AFTER = 2, 3  # steps that are shown before and after what runs, of a longer list


def lines(rows: Sequence[Row], most: int = MOST) -> list[str]:
    """The steps, a line each; of a long list what runs, asks or went wrong, what is next to it, and counts."""
    shown: list[str] = []
    left: list[Row] = []
    for row, keep in zip(rows, _kept(rows, most), strict=True):
        if not keep:
            left.append(row)
            continue
        if left:
            shown.append(_counted(left))
            left = []
        shown.append(row_line(row))
    return [*shown, _counted(left)] if left else shown


def _kept(rows: Sequence[Row], most: int) -> list[bool]:
    """Which rows are shown: all where they fit, but for those that are reached no more."""
    gone = sum(row.word == listing.NOT_REACHED for row in rows)
    if gone > 2:
        kept = [row.word != listing.NOT_REACHED for row in rows]
        return kept if len(rows) - gone <= most else _nearest(rows, most)
    return [True] * len(rows) if len(rows) <= most else _nearest(rows, most)


def _nearest(rows: Sequence[Row], most: int) -> list[bool]:
    """At most `most` rows: what runs or asks, what went wrong, the blocks around it, what is just before and after."""
    hot = [i for i, row in enumerate(rows) if _hot(row)]
    here = hot or [max((i for i, row in enumerate(rows) if row.settled), default=0)]
    wrong = [i for i, row in enumerate(rows) if row.tone in ("bad", "warn") and i not in hot]
    around = [i for i, row in enumerate(rows) if any(rows[j].path.startswith(f"{row.path}/") for j in here)]
    after = range(here[-1] + 1, min(here[-1] + 1 + AFTER, len(rows)))
    before = range(max(here[0] - BEFORE, 0), here[0])
    order = dict.fromkeys((*reversed(here), *reversed(wrong), *around, *after, *before))
    kept = {i for i in list(order)[:most] if rows[i].word != listing.NOT_REACHED or i in here}
    return [i in kept for i in range(len(rows))]


def _hot(row: Row) -> bool:
    return (
        row.mark == listing.MARKS["asks"]
        or (row.tone == "busy" and row.status != "entered")
        or row.word == "IN DOUBT"
    )


def _counted(rows: Sequence[Row]) -> str:
    """`… 12 steps: 11 ok, 1 skipped`; one alone is shown as it is."""
    if len(rows) == 1:
        return row_line(rows[0])
    found: dict[str, int] = {}
    for row in rows:
        found[row.word] = found.get(row.word, 0) + 1
    told = ", ".join(f"{count} {word}" for word, count in found.items())
    return f"… {len(rows)} steps: {told}"


def row_line(row: Row) -> str:
    """`✓ Measure the disk  1.0 s`; more only where it matters."""
    words = "" if row.status in ("ok", "pending") and row.word != "asks" else row.word
    tail = " · ".join(filter(None, (words, row.took)))
    line = f"{'  ' * row.depth}{row.mark} {layout.cut(layout.one_line(row.name), 70)}"
    line += f"  {tail}" if tail else ""
    if row.detail and (row.tone in ("bad", "warn", "busy")):
        line += f"\n{'  ' * row.depth}   {layout.cut(layout.one_line(row.detail), 200)}"
    return line
