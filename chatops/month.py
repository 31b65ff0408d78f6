"""A month of a schedule as a calendar: a week a row, a day a column, who takes over at what time inside a day.

Names are cut to fit and told under the calendar with the hours that each has. Where nobody is on call it says so in
capitals, since colours may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops import layout, rota
from chatops.layout import Line, Span
from chatops.views import Column, Table
from incidents import clock
from incidents.oncall import month
from incidents.oncall.schedule import Segment

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.oncall.month import Day, Week
    from incidents.oncall.versions import Rota

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_NARROWEST, _WIDEST = 9, 14  # cells of a day
_BETWEEN = 1
_PAGE = 1_000  # cells: what is wider is no screen
_TIME = 3  # cells of `09 `
_MOST = 6  # lines of a day
_GAPS = 6  # that are told under the calendar


class Month(NamedTuple):
    """One schedule's month, ready to be drawn. `zone` is whose days they are, `now` µs."""

    call: Call
    name: str
    year: int
    number: int
    weeks: list[Week]
    segments: list[Segment]

    @property
    def title(self) -> str:
        return f"{self.name}  {_MONTHS[self.number - 1]} {self.year}"

    def listed(self) -> Table:
        """The same in words: a row a shift."""
        rows = tuple(
            (
                rota.span_words(self.call, one.start, one.end),
                rota.names(one.people).replace(rota.NOBODY, "NOBODY"),
            )
            for one in self.segments
        )
        tones = tuple("" if one.people else "bad" for one in self.segments)
        return Table((Column(self.title), Column("on call", grow=True)), rows, tones=tones)

    def draw(self, width: int) -> list[Line]:
        """The calendar in at most `width` cells, or nothing where that is too narrow."""
        width = width if width < _PAGE else layout.WIDTH  # a pipe has no width
        cell = min((width - 6 * _BETWEEN) // 7, _WIDEST)
        if cell < _NARROWEST:
            return []
        drawn = _Drawn(self, cell)
        return [*drawn.head(), *drawn.body(), *drawn.foot(min(width, 7 * cell + 6 * _BETWEEN))]


def this_month(call: Call) -> tuple[int, int]:
    year, number = clock.iso(call.now, call.zone)[:7].split("-")
    return int(year), int(number)


def span(call: Call, year: int, number: int) -> tuple[int, int]:
    return month.span(call.zone, year, number)


def read(call: Call, schedules: Rota, name: str, year: int, number: int) -> Month:
    segments = schedules.there(name, *span(call, year, number))
    return Month(call, name, year, number, month.weeks(segments, call.zone, year, number), segments)


def document(one: Month) -> dict[str, Any]:
    days = [day for week in one.weeks for day in week if day is not None]
    return {
        "month": f"{one.year}-{one.number:02}",
        "zone": one.call.zone,
        "days": [{"date": day.date.isoformat(), "segments": rota.segments(day.pieces)} for day in days],
    }


class _Drawn:
    """The drawing of one month at one width of a day."""

    def __init__(self, one: Month, cell: int):
        self.one, self.cell = one, cell
        self.width = 7 * cell + 6 * _BETWEEN
        people = list(month.hours(one.segments))
        together = max((len(segment.people) for segment in one.segments), default=1)
        self.group = min(max(together, 1), 3)  # more than three are counted
        self.short = [_short(people, cell - _TIME, size) for size in range(1, self.group + 1)]
        self.hues = {who: layout.HUES[i % len(layout.HUES)] for i, who in enumerate(sorted(people))}

    def head(self) -> list[Line]:
        zone = f"times of {self.one.call.zone}"
        title = layout.cut(self.one.title, self.width - len(zone) - 2)
        gap = self.width - layout.cells(title) - len(zone)
        days = (" " * _BETWEEN).join(layout.pad(name, self.cell) for name in _DAYS)
        return [(Span(title, "title"), Span(" " * gap), Span(zone, "quiet")), (), (Span(days, "quiet"),)]

    def body(self) -> Iterator[Line]:
        for week in self.one.weeks:
            yield (Span("─" * self.width, "quiet"),)
            columns = [self._day(day) if day is not None else [] for day in week]
            for depth in range(max(map(len, columns))):
                line: list[Span] = []
                for i, column in enumerate(columns):
                    line += column[depth] if depth < len(column) else [Span(" " * self.cell)]
                    if i < 6:
                        line.append(Span(" " * _BETWEEN))
                yield tuple(line)

    def _day(self, day: Day) -> list[list[Span]]:
        """The lines of one day, each as wide as the cell."""
        now = self.one.call.now
        today = day.start <= now < day.end
        number = f"[{day.date.day}]" if today else str(day.date.day)
        jump = f" {_jump(day.by)}" if day.by else ""
        gap = " " * (self.cell - len(number) - len(jump))
        lines = [[Span(number, "key" if today else "quiet"), Span(jump, "warn"), Span(gap)]]
        if day.start == day.end:
            return [*lines, [Span(layout.pad("skipped", self.cell), "warn")]]
        for i, piece in enumerate(day.pieces):
            if len(lines) == _MOST and i < len(day.pieces) - 1:
                lines.append([Span(layout.pad(f"+ {len(day.pieces) - i} more", self.cell), "quiet")])
                break
            lines.append(self._piece(piece, at=None if i == 0 else piece.start))
        return lines

    def _piece(self, piece: Segment, at: int | None) -> list[Span]:
        time = "" if at is None else _time(at, self.one.call.zone) + " "
        room = self.cell - len(time)
        spans = [Span(time, "quiet")] if time else []
        if not piece.people:
            word = "NOBODY" if room >= 6 else "NONE"
            return [*spans, Span(word, "bad"), Span(" " * (room - len(word)))]
        shown = piece.people[: self.group] if len(piece.people) <= self.group else piece.people[:1]
        short = self.short[len(shown) - 1 if len(shown) == len(piece.people) else self.group - 1]
        more = f"+{len(piece.people) - len(shown)}" if len(shown) < len(piece.people) else ""
        room -= len(more)
        for i, who in enumerate(shown):
            text = layout.cut(("+" if i else "") + short[who], max(room, 1))
            room -= layout.cells(text)
            spans.append(Span(text, self.hues[who]))
            if room <= 0:
                break
        return [*spans, Span(more + " " * max(room, 0))]

    def foot(self, width: int) -> Iterator[Line]:
        yield (Span("─" * self.width, "quiet"),)
        yield from self._legend(width)
        gaps = [segment for segment in self.one.segments if not segment.people]
        for one in gaps[:_GAPS]:
            words = f"NOBODY  {rota.span_words(self.one.call, one.start, one.end)} ({rota.length(one.start, one.end)})"
            yield (Span(words, "bad"),)
        if len(gaps) > _GAPS:
            total = clock.words(sum(one.end - one.start for one in gaps))
            yield (Span(f"NOBODY  and {len(gaps) - _GAPS} times more; {total} in all", "bad"),)
        for day in (day for week in self.one.weeks for day in week if day is not None and day.by):
            way = "forward" if day.by > 0 else "back"
            text = (
                f"{_DAYS[day.date.weekday()]} {day.date.day}: the clocks go {way} {clock.words(abs(day.by))}"
            )
            yield (Span(text, "warn"),)

    def _legend(self, width: int) -> Iterator[Line]:
        """Everybody with their hours, and the short name where the calendar has one."""
        line: list[Span] = []
        used = 0
        for who, micros in month.hours(self.one.segments).items():
            others = sorted({names[who] for names in self.short} - {who})
            also = f" ({', '.join(others)})" if others else ""
            spans = [Span(who, self.hues[who]), Span(f"{also} {round(micros / clock.HOUR)} h")]
            cells = sum(layout.cells(span.text) for span in spans)
            if line and used + 3 + cells > width:
                yield tuple(line)
                line, used = [], 0
            if line:
                line.append(Span("   "))
                used += 3
            line += spans
            used += cells
        if line:
            yield tuple(line)


def _short(people: Sequence[str], room: int, size: int) -> dict[str, str]:
    """The names as they stand where `size` people share the room."""
    return short_names(people, max((room - size + 1) // size, 2))


def short_names(people: Sequence[str], room: int) -> dict[str, str]:
    """A name of at most `room` cells for each, none twice: the name itself, its beginning, or what tells it from the
    names that begin like it (`a…roe`)."""
    found: dict[str, str] = {}
    for who in sorted(people, key=lambda who: (layout.cells(who) > room, who)):
        short = who if layout.cells(who) <= room else _head(who, room)
        alike = max((_shared(who, other) for other in people if other != who), default=0)
        if short != who and alike >= len(short) and room > 2:
            short = f"{who[0]}…{_head(who[alike:], room - 2)}"
        number = 2
        while short in found.values():
            short = _head(who, room - len(str(number))) + str(number)
            number += 1
        found[who] = short
    return found


def _shared(first: str, second: str) -> int:
    """How many characters both begin with."""
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )


def _head(text: str, width: int) -> str:
    kept = ""
    for char in text:
        if layout.cells(kept + char) > width:
            break
        kept += char
    return kept


def _time(at: int, zone: str) -> str:
    """`09`, or `09:30` where it is not the full hour."""
    text = clock.iso(at, zone, precision="seconds")[11:16]
    return text.removesuffix(":00")


def _jump(by: int) -> str:
    minutes = abs(by) // clock.MINUTE
    sign = "+" if by > 0 else "-"
    return f"{sign}{minutes // 60}h" if minutes % 60 == 0 else f"{sign}{minutes}m"
