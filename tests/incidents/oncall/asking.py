"""Schedules in their own format, asked in ISO 8601: what the tests of rules are written in."""

from __future__ import annotations

import datetime

from incidents import clock
from incidents.oncall import reading
from incidents.oncall.resolve import Resolver


def resolver(text: str) -> Resolver:
    """Of the value of one schedule, as YAML."""
    return Resolver(reading.loads(f"schedules:\n  infra: {text}\n", "f").schedules["infra"])


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * clock.SECOND


def iso(micros: int) -> str:
    """In UTC, to the minute."""
    return datetime.datetime.fromtimestamp(micros // clock.SECOND, datetime.UTC).strftime("%Y-%m-%dT%H:%MZ")


def who(text: str, *instants: str) -> list[str]:
    """Who is on call at each of these, `a+b` for two; explain and the segment of that instant say the same."""
    answers = resolver(text)
    found = []
    for instant in instants:
        people = answers.on_call(at(instant))
        assert answers.explain(at(instant)).people == people
        assert answers.shifts(at(instant), at(instant) + 1)[0].people == people
        found.append("+".join(people))
    return found


def shifts(text: str, start: str, end: str) -> list[tuple[str, str, str]]:
    """(start, end, `a+b`) of each segment; they cover the whole span without a hole."""
    found = resolver(text).shifts(at(start), at(end))
    edges = [edge for one in found for edge in (one.start, one.end)]
    assert (edges[0], edges[-1]) == (at(start), at(end)) and edges[1:-1:2] == edges[2::2]
    return [(iso(one.start), iso(one.end), "+".join(one.people)) for one in found]


def handoffs(text: str, start: str, end: str) -> list[str]:
    """Of the only layer."""
    (edges,) = resolver(text).handoffs(at(start), at(end)).values()
    return [iso(edge) for edge in edges]
