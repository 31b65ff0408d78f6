"""How a change of the schedule is told: what it is, when, in the person's zone and in UTC, and whose time it moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chatops import documents, layout
from chatops.documents import stamp as stamp
from chatops.views import Text
from chatops.vocabulary import Reply
from incidents import clock

if TYPE_CHECKING:
    from chatops.changing import Done
    from chatops.vocabulary import Call
    from incidents.oncall.changes import Moved

_SHOWN = 5  # lines of what moves


def when(start: int, end: int, zone: str) -> str:
    """`Sat 12 Nov 2022 09:00 to 21:00 +01:00 (Europe/Berlin), which is 08:00 to 20:00 UTC`."""
    if zone == "UTC":
        return f"{_span(start, end, 'UTC')} UTC"
    local, utc = _span(start, end, zone), _span(start, end, "UTC")
    day = _day(start, zone) + " "
    if utc.startswith(day) and local.startswith(day):
        utc = utc.removeprefix(day)
    return f"{local} ({zone}), which is {utc} UTC"


def instant(at: int, zone: str) -> str:
    """`Sat 12 Nov 2022 09:00 +01:00`."""
    return f"{_day(at, zone)} {_time(at, zone)}{_offset(at, zone)}"


def _span(start: int, end: int, zone: str) -> str:
    day = "" if _day(end, zone) == _day(start, zone) else _day(end, zone) + " "
    before, after = _offset(start, zone), _offset(end, zone)
    first = "" if before == after else before
    return f"{_day(start, zone)} {_time(start, zone)}{first} to {day}{_time(end, zone)}{after}"


def _day(at: int, zone: str) -> str:
    return clock.day_name(clock.iso(at, zone, precision="seconds")[:10])


def _time(at: int, zone: str) -> str:
    stamp = clock.iso(at, zone, precision="seconds")
    return stamp[11:16] if stamp[17:19] == "00" else stamp[11:19]


def _offset(at: int, zone: str) -> str:
    offset = clock.iso(at, zone, precision="seconds")[19:]
    return "" if offset == "Z" else f" {offset}"


def people(group: Iterable[str]) -> str:
    return ", ".join(group) or "nobody"


def moves(moved: Iterable[tuple[str, Moved]], zone: str, *, named: bool) -> list[str]:
    """`hazel → nova, Sat 12 Nov 2022 09:00 to 21:00 +01:00`, a line each; `named`: with its schedule."""
    lines = [
        f"{f'{name}: ' if named else ''}{people(one.before)} → {people(one.after)}, {_span(one.start, one.end, zone)}"
        for name, one in moved
    ]
    more = len(lines) - _SHOWN
    return lines if more <= 1 else [*lines[:_SHOWN], f"and {more} more"]


def reply(
    call: Call, done: Done, said: str, lines: Iterable[str], moved: list[tuple[str, Moved]], *,
    document: Mapping[str, Any] | None = None,
) -> Reply:  # fmt: skip
    """The public answer to a change: its number and name, what it is, then `lines`."""
    event = done.event
    if event.redacted:
        said, lines = "content redacted", ()
    again = "  (recorded before, by this key)" if event.replayed else ""
    head = f"{event.stream} #{event.seq}  {layout.cut(layout.one_line(said), 200)}{again}"
    text = "\n".join([head, *lines])
    body = {"event": documents.event(event), "changes": [change(name, one) for name, one in moved]}
    return Reply(Text(text), {**body, **(document or {})}, public=True)


def change(name: str, one: Moved) -> dict[str, Any]:
    """For `--json`."""
    return {
        "schedule": name,
        "start": stamp(one.start),
        "end": stamp(one.end),
        "before": list(one.before),
        "after": list(one.after),
    }
