"""A timeline and a table as lines of a Discord message, narrow enough for a phone."""

from __future__ import annotations

from collections.abc import Sequence

from chatops import layout
from chatops.surfaces.discord import marking
from chatops.surfaces.discord.marking import units
from chatops.views import Entry, Log, Table
from incidents import clock

NARROW = 46  # cells of a line of code that a phone shows without breaking it
EARLIER = "… earlier entries are in the file"
SHORTEST = 150  # units of an entry's text that is cut


def table_text(table: Table, room: int) -> marking.Fitted:
    """Columns where they are narrow enough, else a line a row."""
    if not table.rows:
        return marking.prose(table.empty, room)
    lines = [layout.plain([line]) for line in table.lines(NARROW)]
    if max(map(layout.cells, lines)) <= NARROW:
        return marking.exact("\n".join(lines), room)
    return _cut(["\n".join(_row(table, row)) for row in table.rows], room)


def _row(table: Table, row: Sequence[str]) -> list[str]:
    """The first cell stands out; the column that grows goes under the others."""
    words = [marking.label(cell) for cell in row]
    grown = next((i for i, column in enumerate(table.columns) if column.grow and i > 0), None)
    beside = [word for i, word in enumerate(words) if i not in (0, grown) and word]
    first = f"**{words[0]}**" if marking.readable(words[0]) else marking.NOTHING
    lines = [" · ".join((first, *beside))]
    return lines if grown is None or not words[grown] else [*lines, f"\u2002{words[grown]}"]


def _cut(drawn: Sequence[str], room: int) -> marking.Fitted:
    """As many of these lines from the begin as fit."""
    kept = list(drawn)
    if sum(units(line) + 1 for line in kept) - 1 <= room:
        return marking.Fitted("\n".join(kept), True)
    room -= units(marking.NOTICE) + 1
    while kept and sum(units(line) + 1 for line in kept) > room:
        kept.pop()
    return marking.Fitted("\n".join((*kept, marking.NOTICE)), False)


def log_text(log: Log, room: int) -> marking.Fitted:
    """The timeline; each reader sees their own clock. Of a long one the end."""
    head = []
    if marking.readable(marking.label(log.title)):
        state = f" · {marking.title(log.state, 100)}" if log.state else ""
        head.append(f"**{marking.title(log.title, 256)}**{state}")
    if log.under.strip():
        head.append(marking.title(log.under, 200))
    if not log.entries:
        return marking.Fitted("\n".join((*head, marking.title(log.empty, 200))), True)
    left = room - sum(units(line) + 1 for line in head)
    days = len({entry.at // clock.DAY for entry in log.entries}) > 1
    lines = [_entry(entry, left, days) for entry in log.entries]
    if sum(units(line.text) + 1 for line in lines) - 1 > left:
        share = max(SHORTEST, (left - units(EARLIER)) // len(lines) - 1)
        lines = [_entry(entry, min(share, left), days) for entry in log.entries]
    kept, left = _end(lines, left)
    text = "\n".join((*head, *([EARLIER] if len(kept) < len(lines) else []), *(line.text for line in kept)))
    return marking.Fitted(text, len(kept) == len(lines) and all(line.whole for line in kept))


def _end(lines: Sequence[marking.Fitted], left: int) -> tuple[list[marking.Fitted], int]:
    """As many of the last lines as fit, with room for the word that earlier ones are missing."""
    if sum(units(line.text) + 1 for line in lines) - 1 <= left:
        return list(lines), left
    left -= units(EARLIER) + 1
    kept: list[marking.Fitted] = []
    for line in reversed(lines):
        if units(line.text) + 1 > left:
            break
        left -= units(line.text) + 1
        kept.insert(0, line)
    return kept, left


def _entry(entry: Entry, room: int, days: bool) -> marking.Fitted:
    """`#12` 14:05 **nova**: text."""
    time = marking.stamp(entry.at, "f" if days else "t" if entry.minute else "T")
    who = marking.title(entry.who, 80)
    first = f"`#{entry.number}` {time} **{who}**: "
    mark = f" ({marking.title(entry.mark, 300)})" if entry.mark else ""
    text = marking.prose(entry.text, max(room - units(first) - units(mark) - 4, 40))
    said = text.text
    if entry.tone == "struck" and "\n" not in said and said:
        said = f"~~{said}~~"
    return marking.Fitted(f"{first}{said}{mark}", text.whole)
