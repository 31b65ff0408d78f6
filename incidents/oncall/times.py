"""The three forms of a time in a schedule: wall times and times of day as clocks show them, instants with an offset."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from incidents import clock
from incidents.oncall import fields
from incidents.oncall.schedule import wall_of

if TYPE_CHECKING:
    from incidents.oncall.fields import Fields
    from incidents.yamlfile import Node

EARLIEST, LATEST = 1900, 9000  # years
_DATE, _TIME = r"(\d{4})-(\d\d)-(\d\d)", r"(\d\d):(\d\d)(?::(\d\d))?"
_OFFSET = r"(Z|[+-]\d\d:?\d\d)"
_WALL = re.compile(f"{_DATE}T{_TIME}", re.ASCII)
_INSTANT = re.compile(rf"{_DATE}T{_TIME}(?:\.(\d{{1,6}}))?{_OFFSET}", re.ASCII)
_WITHOUT_T = re.compile(rf"{_DATE}(?:[ t]+{_TIME}(?:\.\d+)? ?{_OFFSET}?)?", re.ASCII)
_OF_DAY = re.compile(_TIME, re.ASCII)
_OF_DAY_OFFSET = re.compile(rf"{_TIME} ?{_OFFSET}", re.ASCII)


def wall(notes: Fields, node: Node, key: str) -> int | None:
    """`2022-11-07T09:00` as wall µs."""
    if fields.scalar(node) and (match := _WALL.fullmatch(node.text)):
        return _moment(notes, node, key, match)
    example = '"2022-11-07T09:00"'
    if not fields.scalar(node):
        notes.wrong(node, f"`{key}` is a wall time, not {fields.shown(node)}", f"write {example}")
    elif match := _INSTANT.fullmatch(node.text):
        what = f"`{key}` is a wall time and has no offset: {node.text!r}"
        notes.wrong(node, what, f'write "{node.text[:16]}", as clocks in the zone show it')
    elif match := _WITHOUT_T.fullmatch(node.text):
        notes.wrong(node, f"`{key}` has no T: {node.text!r}", f'write "{_with_t(match)}"')
    else:
        notes.wrong(node, f"`{key}` is not a wall time: {fields.shown(node)}", f"write {example}")
    return None


def instant(notes: Fields, node: Node, key: str) -> int | None:
    """`2022-11-09T18:00:00Z` as µs since the epoch."""
    if fields.scalar(node) and (match := _INSTANT.fullmatch(node.text)):
        offset = _offset(match[8])
        if offset is not None:
            shown = _moment(notes, node, key, match)
            return None if shown is None else shown + int((match[7] or "").ljust(6, "0")) - offset
    example = "write 2022-11-09T18:00:00Z or 2022-11-09T19:00:00+01:00"
    if not fields.scalar(node):
        notes.wrong(node, f"`{key}` is an instant, not {fields.shown(node)}", example)
    elif _WALL.fullmatch(node.text):
        what = f"`{key}` is an instant and needs an offset: {node.text!r}"
        notes.wrong(node, what, f'write "{node.text}Z", or with +01:00')
    elif match := _WITHOUT_T.fullmatch(node.text):
        meant = f"{_with_t(match)}{match[7] or 'Z'}"
        notes.wrong(node, f"`{key}` has no T: {node.text!r}", f'write "{meant}"')
    else:
        notes.wrong(node, f"`{key}` is not an instant: {fields.shown(node)}", example)
    return None


def _with_t(match: re.Match[str]) -> str:
    year, month, day, *time = match.groups()[:6]
    return f"{year}-{month}-{day}T{':'.join(part for part in time if part) or '00:00'}"


def _moment(notes: Fields, node: Node, key: str, match: re.Match[str]) -> int | None:
    """Wall µs of year to second; a mistake where the calendar has no such time."""
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not EARLIEST <= year <= LATEST:
        hint = f"a year from {EARLIEST} to {LATEST}"
        notes.wrong(node, f"`{key}` is too far away: {node.text!r}", hint)
        return None
    try:
        return wall_of(datetime.datetime(year, month, day, hour, minute, second))  # noqa: DTZ001 - wall time
    except ValueError:
        notes.wrong(node, f"`{key}`: there is no {node.text!r}", "look at month, day and time")
        return None


def _offset(text: str) -> int | None:
    """µs east of UTC."""
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        return None
    size = hours * clock.HOUR + minutes * clock.MINUTE
    return -size if text[0] == "-" else size


def time_of_day(notes: Fields, node: Node, key: str) -> int | None:
    """`22:00` as µs after midnight."""
    return _of_day(notes, node, key, 86_399)


def end_of_day(notes: Fields, node: Node, key: str) -> int | None:
    """`06:00`, and also `24:00`."""
    return _of_day(notes, node, key, 86_400)


def _of_day(notes: Fields, node: Node, key: str, latest: int) -> int | None:
    hint = 'write "09:00", or 24:00 for the end of the day' if latest == 86_400 else 'write "09:00"'
    if not fields.scalar(node):
        notes.wrong(node, f"`{key}` is a time of day, not {fields.shown(node)}", hint)
        return None
    if match := _OF_DAY.fullmatch(node.text):
        hour, minute, second = (int(part or 0) for part in match.groups())
        total = hour * 3600 + minute * 60 + second
        if minute < 60 and second < 60 and total <= latest:
            return total * clock.SECOND
        notes.wrong(node, f"`{key}`: there is no {node.text!r}", hint)
    elif _OF_DAY_OFFSET.fullmatch(node.text):
        what = f"`{key}` is a wall time and has no offset: {node.text!r}"
        notes.wrong(node, what, f'write "{node.text[:5]}"; `timezone` says whose clock')
    else:
        notes.wrong(node, f"`{key}` is not a time of day: {fields.shown(node)}", hint)
    return None
