"""The numbers of a watched step: one file beside its attempts' output, read by who writes it on and by every viewer.

`FILE.runs/RUN/N.samples` is CSV, a row a look: when, seconds since the step began, each number and its rate, and why
the look gave none. N is the step's first attempt. A row counts when its newline is there. The file becomes evidence of the
outcome.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import clock, telling
from incidents.errors import BadInput
from runbooks import exact, journal, typed
from runbooks.document import Sampled, Watch

if TYPE_CHECKING:
    from fractions import Fraction

MOST = 4_000  # rows that are kept; then of all but the last DENSE every second one goes
DENSE = 1_000
MOST_SAID = 200  # characters of why a look gave nothing
_BEFORE, _AFTER = ("at", "seconds"), ("trouble",)


class Row(NamedTuple):
    """One look, `ran` µs after the step began. `values` as the record holds them, none where `trouble` says why."""

    at: int
    ran: int
    values: Mapping[str, typed.Value]
    trouble: str = ""


def path(run_dir: str, n: int) -> str:
    return os.path.join(run_dir, f"{n}.samples")


def first(state: journal.StepState) -> journal.Attempt | None:
    """The attempt after which the file is called: that with which the step began what it does now, or did last."""
    found = None
    for attempt in reversed([one for one in state.attempts if one.part in ("run", "wait")]):
        if found is not None and (attempt.end is None or attempt.end.status != "again"):
            break
        found = attempt
    return found


# -- numbers -------------------------------------------------------------------------------------------------


def rates(rows: Sequence[Row], watch: Watch) -> dict[str, typed.Value]:
    """NAME_rate -> its value at the last row; None while the samples cover less than half of its time."""
    return {
        f"{name}_rate": rate(_points(rows, name, one), one)
        for name, one in watch.outputs.items()
        if one.rate is not None
    }


def _points(rows: Sequence[Row], name: str, one: Sampled) -> list[tuple[int, Any]]:
    assert one.rate is not None
    found: list[tuple[int, Any]] = []
    for row in reversed(rows):
        if rows[-1].ran - row.ran > one.rate:
            break
        if name in row.values:
            found.append((row.ran, exact.from_record(one.spec.type or "int", row.values[name])))
    return found[::-1]


def rate(points: Sequence[tuple[int, Any]], one: Sampled) -> str | None:
    """Change a second from the first to the last of the points, (µs, number), to three decimals.

    What a counter has grown between two of them where it fell is its new value: it began anew at nothing.
    """
    assert one.rate is not None
    if len(points) < 2 or 2 * (points[-1][0] - points[0][0]) < one.rate:
        return None
    grown = points[-1][1] - points[0][1]
    if one.counter:
        pairs = itertools.pairwise(points)
        grown = sum(now - before if now >= before else now for (_, before), (_, now) in pairs)
    per_second = round(exact.fraction(grown * clock.SECOND) / (points[-1][0] - points[0][0]), 3)
    return exact.decimal_text(per_second)


def resets(rows: Iterable[Row], name: str) -> int:
    """How often a counter began anew."""
    values = [exact.fraction(str(row.values[name])) for row in rows if name in row.values]
    return sum(now < before for before, now in itertools.pairwise(values))


def summary(rows: Sequence[Row], watch: Watch) -> dict[str, dict[str, typed.Value]]:
    """What the outcome says of each number: first, last, least, most, samples; resets where it is a counter that had
    some."""
    found: dict[str, dict[str, typed.Value]] = {}
    for name, one in watch.outputs.items():
        values = [row.values[name] for row in rows if name in row.values]
        if not values:
            continue
        ordered = sorted(values, key=lambda value: exact.fraction(str(value)))
        found[name] = {
            "first": values[0], "last": values[-1], "least": ordered[0], "most": ordered[-1], "samples": len(values),
        }  # fmt: skip
        if one.counter and (anew := resets(rows, name)):
            found[name]["resets"] = anew
    return found


def thinned(rows: list[Row]) -> list[Row]:
    """The same with every second of the older ones left out; the first stays."""
    return rows[:-DENSE:2] + rows[-DENSE:]


# -- the file ------------------------------------------------------------------------------------------------


def columns(watch: Watch) -> list[str]:
    names = []
    for name, one in watch.outputs.items():
        names += [name, f"{name}_rate"] if one.rate is not None else [name]
    return [*_BEFORE, *names, *_AFTER]


def line(row: Row, rate_of: Mapping[str, typed.Value], watch: Watch) -> str:
    known = {**row.values, **{name: value for name, value in rate_of.items() if value is not None}}
    names = columns(watch)[len(_BEFORE) : -len(_AFTER)]
    cells = [clock.iso(row.at), _seconds(row.ran), *(_cell(name, known, watch) for name in names)]
    said = " ".join(row.trouble.replace(",", ";").replace('"', "'").split())[:MOST_SAID]
    return ",".join([*cells, said]) + "\n"


def _seconds(micros: int) -> str:
    return f"{micros // clock.SECOND}.{micros % clock.SECOND:06d}"


def _cell(name: str, known: Mapping[str, typed.Value], watch: Watch) -> str:
    value = known.get(name)
    if value is None:
        return ""
    one = watch.outputs.get(name)
    return (
        typed.seconds(int(str(value)))
        if one is not None and one.spec.type == "duration"
        else typed.as_text(value)
    )


def text(rows: Sequence[Row], watch: Watch) -> str:
    """The whole file anew."""
    made = [",".join(columns(watch)) + "\n"]
    made += [line(row, rates(rows[: place + 1], watch), watch) for place, row in enumerate(rows)]
    return "".join(made)


def _records(file: str) -> Iterator[tuple[list[str], list[str]]]:
    """(names, cells) of every whole row."""
    with open(file, encoding="utf-8", errors="replace") as opened:
        lines = opened.read().split("\n")[:-1]
    names = lines[0].split(",") if lines else []
    for one in lines[1:]:
        cells = one.split(",", len(names) - 1)
        if len(cells) == len(names):
            yield names, cells


def read(file: str, watch: Watch) -> list[Row]:
    """The rows that another driver has written; none where there is no such file, or it is of other numbers."""
    rows: list[Row] = []
    try:
        for names, cells in _records(file):
            if names != columns(watch):
                return []
            known = dict(zip(names, cells, strict=True))
            values = {
                name: typed.parse_typed(kind, known[name] + ("s" if kind == "duration" else ""))
                for name, one in watch.outputs.items()
                if known[name] and (kind := one.spec.type or "int")
            }
            rows.append(
                Row(clock.parse_iso(known["at"]), _micros(known["seconds"]), values, known["trouble"])
            )
    except (OSError, BadInput, ValueError):
        return rows
    return rows


def _micros(seconds: str) -> int:
    return int(exact.fraction(seconds) * clock.SECOND)


# -- for viewers ---------------------------------------------------------------------------------------------


class Track(NamedTuple):
    """One number as a viewer shows it: its values in order, the last rate as text, empty where there is none; `trouble`:
    why the last look gave nothing."""

    name: str
    values: tuple[Fraction, ...]
    rate: str = ""
    trouble: str = ""


def tracks(run_dir: str, state: journal.StepState) -> list[Track]:
    """What a viewer shows of a step that is watched now; nothing where it is not."""
    attempt = first(state)
    if attempt is None:
        return []
    try:
        records = list(_records(path(run_dir, attempt.n)))
    except OSError:
        return []
    if not records:
        return []
    names, last = records[-1]
    shown = names[len(_BEFORE) : -len(_AFTER)]
    found = []
    for name in shown:
        if name.endswith("_rate") and name.removesuffix("_rate") in shown:
            continue
        place = names.index(name)
        told = [cells for _, cells in records if _number(cells[place]) is not None]
        values = tuple(exact.fraction(cells[place]) for cells in told)
        pace = told[-1][place + 1] if told and f"{name}_rate" in shown else ""
        found.append(Track(name, values, pace, last[-1]))
    return found


def words(track: Track) -> str:
    """`waiting 12,340 (9,800–15,000), −210/s`."""
    if not track.values:
        return f"{track.name}: {track.trouble}"
    least, most = min(track.values), max(track.values)
    between = f" ({_shown(least)}–{_shown(most)})" if least != most else ""
    pace = f", {telling.figure(track.rate)}/s" if track.rate else ""
    return f"{track.name} {_shown(track.values[-1])}{between}{pace}" + (
        f"; {track.trouble}" if track.trouble else ""
    )


def _shown(number: Fraction) -> str:
    return telling.figure(exact.decimal_text(number))


def _number(cell: str) -> Fraction | None:
    try:
        return exact.fraction(cell) if cell else None
    except ValueError:
        return None
