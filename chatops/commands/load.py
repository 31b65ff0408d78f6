"""What on call costs whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.views import Column, Drawing, Stack, Table, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from chatops.layout import Line
    from incidents.oncall.load import Report

_HALF = 5  # on a narrow screen the second table begins with this column
_WHOLE = 120  # cells: as wide as the names make it
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@command(
    "people load",
    "What on call has cost each person: hours, pages by their own clock, nights, weekends, rest.",
    params.number("weeks", "So many weeks back.", default=8),
    group="oncall",
    permission="read",
    writes=False,
    details="gini is 0 where all carry the same and towards 1 where one carries everything. Drills and what was recorded"
    " afterwards count for nothing.",
)
def people_load(call: Call, weeks: int) -> Reply:
    from incidents import carried, clock
    from incidents.errors import BadInput
    from incidents.oncall import load, versions

    if weeks > 520:
        raise BadInput("--weeks is at most 520", hint="ten years")
    start = call.now - weeks * 7 * clock.DAY
    rota = versions.read(call.store, call.config, call.now)
    facts = carried.facts(call.store, call.config, rota, call.now, since=start)
    report = load.report(facts.values(), start, call.now)
    return Reply(Stack((_drawn(_table(report)), *_heat(report))), _document(report))


def _drawn(table: Table) -> Drawing:
    """On a narrow screen in two tables, one below the other."""

    from chatops import layout

    def draw(width: int) -> list[Line]:
        lines = table.lines(max(width, _WHOLE))
        if all(layout.cells(layout.plain([line])) <= width for line in lines):
            return lines
        left, right = (_cut(table, part) for part in (slice(1, _HALF), slice(_HALF, None)))
        return [*left.lines(width), (), *right.lines(width)]

    return Drawing(draw, table)


def _cut(table: Table, part: slice) -> Table:
    rows = tuple((row[0], *row[part]) for row in table.rows)
    return table._replace(columns=(table.columns[0], *table.columns[part]), rows=rows)


def _table(report: Report) -> Table:
    columns = (
        Column("", grow=True), Column("on call", right=True), Column("nights", right=True), Column("weekend", right=True),
        Column("pages", right=True), Column("at night", right=True), Column("at work", right=True),
        Column("rest", right=True), Column("longest", right=True),
    )  # fmt: skip
    rows: list[tuple[str, ...]] = [
        (
            row.person, _hours(row.duty), str(row.nights), str(row.weekends), str(row.pages), str(row.night_pages),
            _hours(row.active), _hours(row.rest), _hours(row.longest_rest),
        )
        for row in report.rows
    ]  # fmt: skip
    if rows:
        rows.append(("gini", *(f"{report.gini[name]:.2f}" for name in report.gini)))
    tones = (*("" for _ in report.rows), "quiet") if rows else ()
    return Table(columns, tuple(rows), empty="nobody is on call, and nobody was paged", tones=tones)


def _hours(micros: int) -> str:
    from incidents import clock

    hours = micros / clock.HOUR
    return f"{hours:.0f} h" if hours >= 10 or hours == 0 else f"{hours:.1f} h"


def _heat(report: Report) -> list[Text]:
    """Pages by weekday and hour, of the clock of whoever was paged; a dot is none, + is more than 9."""
    if not any(map(sum, report.heat)):
        return [Text("nobody was paged", "quiet")]
    head = " " * 4 + "".join(f"{hour:<6}" for hour in range(0, 24, 3)) + " sum"
    lines = [head.rstrip()]
    for day, counts in zip(DAYS, report.heat, strict=True):
        cells = "".join(f"{_cell(count)} " for count in counts)
        lines.append(f"{day:4}{cells}{sum(counts):>4}")
    total = [sum(column) for column in zip(*report.heat, strict=True)]
    night = sum(total[22:]) + sum(total[:6])
    lines.append(f"by the clock of whoever was paged; {night} of {sum(total)} between 22:00 and 06:00")
    return [Text("\n".join(lines), exact=True)]


def _cell(count: int) -> str:
    return "·" if not count else str(count) if count <= 9 else "+"


def _document(report: Report) -> dict[str, object]:
    from incidents import clock

    return {
        "from": clock.iso(report.start),
        "to": clock.iso(report.end),
        "people": [row._asdict() for row in report.rows],
        "gini": {name: f"{value:.3f}" for name, value in report.gini.items()},
        "heat": [list(day) for day in report.heat],
    }
