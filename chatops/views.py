"""What a command answers, for no platform in particular; each view has a plain-text form.

A surface either draws a view in its own way (a chat card, a button) or prints its lines. Instants stay numbers
where a reader elsewhere needs another zone (`Entry.at`); everything else is text, made safe by `layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from chatops import layout
from chatops.layout import Line, Span


class Text(NamedTuple):
    """One paragraph. `tone` is a style of layout.STYLES, or empty; `exact`: to be read letter by letter."""

    text: str
    tone: str = ""
    exact: bool = False

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        return [(Span(line, self.tone),) for line in layout.wrap(self.text, width)]


class Field(NamedTuple):
    """A name and its values, one a line. `exact`: to be read letter by letter, as commands and programs' output are."""

    name: str
    values: tuple[str, ...]
    tone: str = ""
    exact: bool = False


class Card(NamedTuple):
    """A heading, a line under it, fields. `state` stands at the heading's right end."""

    title: str
    fields: tuple[Field, ...] = ()
    state: str = ""
    under: str = ""
    tone: str = ""

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        lines = heading(self.title, self.state, self.tone, width)
        if self.under:
            lines.extend((Span(line, "quiet"),) for line in layout.wrap(self.under, width))
        widest = max((layout.cells(field.name[:_WIDEST_NAME]) for field in self.fields), default=0)
        name_width = min(widest, _WIDEST_NAME) + 2
        if self.fields:
            lines.append(())
        for field in self.fields:
            name = field.name
            for value in field.values:
                first = (Span(layout.pad(name, name_width), "quiet"),)
                lines.extend(layout.hang(first, value, field.tone, width))
                name = ""
        return lines


class Column(NamedTuple):
    """`right` aligns to the right; the one column with `grow` takes what room is left and wraps."""

    name: str
    right: bool = False
    grow: bool = False


class Table(NamedTuple):
    """Rows of texts under named columns; `empty` is said instead when there are none.

    On a narrow screen the growing column stands under its row.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "nothing"
    tones: tuple[str, ...] = ()  # one a row, where given

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        if not self.rows:
            return [(Span(self.empty, "quiet"),)]
        shown = [
            tuple(map(layout.one_line, row)) for row in (tuple(c.name for c in self.columns), *self.rows)
        ]
        widths = [max(layout.cells(row[i]) for row in shown) for i in range(len(self.columns))]
        growing = next((i for i, column in enumerate(self.columns) if column.grow), None)
        under = None  # the column that stands under its row
        if growing is not None:
            room = width - sum(widths) + widths[growing] - 2 * (len(widths) - 1)
            if widths[growing] > room:
                under = growing if room < _NARROWEST else None
                widths[growing] = room if under is None else max(width - 2, _NARROWEST)
        lines: list[Line] = []
        for i, row in enumerate(shown):
            tone = "quiet" if i == 0 else self.tones[i - 1] if self.tones else ""
            lines.extend((Span(line, tone),) for line in self._row(row, widths, under))
        return lines

    def _row(self, row: tuple[str, ...], widths: list[int], under: int | None) -> list[str]:
        cells = [layout.wrap(text, width) for text, width in zip(row, widths, strict=True)]
        beside = [i for i in range(len(row)) if i != under]
        lines = []
        for depth in range(max(len(cells[i]) for i in beside)):
            texts = [
                layout.pad(
                    cells[i][depth] if depth < len(cells[i]) else "", widths[i], right=self.columns[i].right
                )
                for i in beside
            ]
            lines.append("  ".join(texts).rstrip())
        return lines if under is None else [*lines, *(f"  {line}" for line in cells[under])]


_WIDEST_NAME = 40  # cells of a field's name
_NARROWEST = 16  # cells that a growing column needs to be read beside the others


class Entry(NamedTuple):
    """One line of a timeline. `at` µs; `mark` says what became of it; `inside` sets it in under a run.

    `minute`: the time was given to the minute, so no seconds are shown.
    """

    number: int
    at: int
    who: str
    text: str
    tone: str = ""
    mark: str = ""
    inside: bool = False
    minute: bool = False


class Log(NamedTuple):
    """Entries by day, in `zone` with UTC beside it."""

    title: str
    entries: tuple[Entry, ...]
    zone: str = "UTC"
    state: str = ""
    under: str = ""
    empty: str = "nothing yet"

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        lines = heading(self.title, self.state, "", width)
        if self.under:
            lines.extend((Span(line, "quiet"),) for line in layout.wrap(self.under, width))
        if not self.entries:
            return [*lines, (), (Span(self.empty, "quiet"),)]
        from incidents import clock

        number_width = max(len(str(entry.number)) for entry in self.entries) + 1
        who_width = min(max(layout.cells(layout.one_line(entry.who)) for entry in self.entries), 12)
        day = ""
        for entry in self.entries:
            stamp = clock.iso(entry.at, self.zone, precision="seconds")
            if stamp[:10] + stamp[19:] != day:
                day = stamp[:10] + stamp[19:]
                lines.extend(((), self._day(clock.day_name(day[:10]), stamp)))
            utc = clock.iso(entry.at, precision="seconds")
            first = self._first(entry, (stamp, utc), (number_width, who_width))
            lines.extend(_marked(layout.hang(first, entry.text, entry.tone, width), first, entry.mark, width))
        return lines

    def _day(self, name: str, stamp: str) -> Line:
        offset = "" if self.zone == "UTC" else f" {self.zone}, UTC{stamp[19:]}"
        return (Span(name, "name"), Span(offset or " UTC", "quiet"))

    def _first(self, entry: Entry, stamps: tuple[str, str], widths: tuple[int, int]) -> tuple[Span, ...]:
        stamp, utc = stamps
        number = layout.pad(f"#{entry.number}", widths[0], right=True)
        end = 16 if entry.minute else 19
        spans = [Span(number, "quiet"), Span(f"  {stamp[11:end]:8}")]
        if self.zone != "UTC":
            spans.append(Span(f"  {utc[11:end].rstrip('Z') + 'Z':9}", "quiet"))
        spans.append(Span(f"  {layout.pad(layout.one_line(entry.who), widths[1])}  ", "name"))
        if entry.inside:
            spans.append(Span("  "))
        return tuple(spans)


def _marked(lines: list[Line], first: Sequence[Span], mark: str, width: int) -> list[Line]:
    """The lines with `(mark)` after the last of them, or under it where it does not fit."""
    if not mark:
        return lines
    mark = f"({layout.one_line(mark)})"
    used = sum(layout.cells(span.text) for span in lines[-1])
    if used + 1 + layout.cells(mark) <= width:
        return [*lines[:-1], (*lines[-1], Span(f" {mark}", "quiet"))]
    indent = (Span(" " * sum(layout.cells(span.text) for span in first)),)
    return [*lines, *layout.hang(indent, mark, "quiet", width)]


class Drawing(NamedTuple):
    """A picture of letters, which only a screen of fixed cells can show; `told` is the same in words.

    `draw` takes the width in cells and gives the lines, or none where that is too narrow.
    """

    draw: Callable[[int], list[Line]]
    told: Table

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        return self.draw(width) or self.told.lines(width)


class Button(NamedTuple):
    """Does `command` (words as typed) when pressed.

    In a chat a button outlives what it was made for, so it carries what it is about: the event `seq` of `incident`'s
    stream, and the `word` that is said to it (chatops/presses.py). `form`: it asks something more when pressed.
    """

    label: str
    command: str
    tone: str = ""
    incident: str = ""
    seq: int = 0
    word: str = ""
    form: bool = False

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        return layout.hang((Span(f"[{self.label}] ", "name"),), self.command, "quiet", width)


class Option(NamedTuple):
    value: str
    label: str = ""


class Choice(NamedTuple):
    """One of several; the chosen value becomes the parameter `param` of the command that was given."""

    question: str
    options: tuple[Option, ...]
    param: str

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        lines: list[Line] = [(Span(line),) for line in layout.wrap(self.question, width)]
        value_width = max(layout.cells(option.value) for option in self.options)
        for number, option in enumerate(self.options, 1):
            first = (
                Span(f"{number:>3}  ", "quiet"),
                Span(layout.pad(option.value, value_width) + "  ", "name"),
            )
            lines.extend(layout.hang(first, layout.one_line(option.label), "", width))
        return lines


class Form(NamedTuple):
    """What a command asks for when it is given nothing; `fields` hold a name and its help."""

    title: str
    command: str
    fields: tuple[Field, ...]

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        return Card(self.title, self.fields, under=self.command).lines(width)


class Stack(NamedTuple):
    """Several views, one under the other, a blank line between them."""

    parts: tuple[Part, ...]

    def lines(self, width: int = layout.WIDTH) -> list[Line]:
        lines: list[Line] = []
        for part in self.parts:
            lines.extend([(), *part.lines(width)] if lines else part.lines(width))
        return lines


Part: TypeAlias = Text | Card | Table | Log | Drawing | Button | Choice | Form
View: TypeAlias = Part | Stack


def heading(title: str, state: str, tone: str, width: int) -> list[Line]:
    """The title, and the state at the right end where there is room for both, else under it."""
    title = layout.one_line(title)
    width = min(width, layout.WIDEST_HEADING)
    gap = width - layout.cells(title) - layout.cells(state)
    if state and gap >= 2:
        return [(Span(title, "title"), Span(" " * gap), Span(state, tone))]
    lines: list[Line] = [(Span(line, "title"),) for line in layout.wrap(title, width)]
    return [*lines, (Span(state, tone),)] if state else lines


def plain(view: View, width: int = layout.WIDTH) -> str:
    """The view as text: no style, no control characters, no final newline."""
    return layout.plain(view.lines(width))


def joined(words: Sequence[str], *, last: str = "or") -> str:
    """`a, b or c`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:]))) if words else ""
