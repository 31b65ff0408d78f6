"""Shifts as an iCalendar feed (RFC 5545), for the calendar that a person looks at anyway.

The name of an event, its UID, is made of schedule, person and the day on which the shift begins: a feed that is read
again moves an event whose times changed, and never doubles it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from incidents import clock
from incidents.errors import BadInput
from incidents.oncall import stints
from incidents.oncall.schedule import Segment
from incidents.oncall.zones import zone

HISTORY = 4 * 7 * clock.DAY  # what is over stays in the feed so long
_LOOK_BACK = 26 * 7 * clock.DAY  # further back no shift's begin is looked for
_LOOK_AHEAD = 62 * clock.DAY  # further ahead no shift's end
_ENDLESS = "always"
_EPOCH = datetime.date(1970, 1, 1)


class Duty(NamedTuple):
    """One shift of one person, as an event; `uid` is its name for ever."""

    uid: str
    start: int
    end: int
    person: str
    schedule: str


def window(zone_name: str, since: int, until: int) -> tuple[int, int]:
    """[start, end) of the segments that `duties` wants for the shifts between `since` and `until`: whole months, so that
    what lasts longer does not change with each reading."""
    clocks = zone(zone_name)
    start, end = (_date(clocks.wall(at)).replace(day=1) for at in (since - _LOOK_BACK, until + _LOOK_AHEAD))
    return clocks.first((start - _EPOCH).days * clock.DAY), clocks.first((end - _EPOCH).days * clock.DAY)


def duties(
    schedule: str, zone_name: str, segments: Iterable[Segment], *, since: int, until: int
) -> list[Duty]:
    """The shifts that end after `since` (µs) and begin before `until`, whole. `segments` are those of the `window`: a
    shift that begins with them has no begin that could name it."""
    clocks = zone(zone_name)
    segments = list(segments)
    first = segments[0].start if segments else 0
    numbers: dict[str, int] = {}
    found = []
    for one in stints.stints(segments):
        day = _ENDLESS if one.start == first else _date(clocks.wall(one.start)).strftime("%Y%m%d")
        uid = f"{schedule}-{one.person}-{day}"
        numbers[uid] = number = numbers.get(uid, 0) + 1
        if one.end > since and one.start < until:
            name = f"{uid}@howdah" if number == 1 else f"{uid}-{number}@howdah"
            found.append(Duty(name, one.start, one.end, one.person, schedule))
    return found


def calendar(found: Sequence[Duty], name: str, now: int) -> str:
    """The feed. Raises BadInput where the library is not installed."""
    try:
        import icalendar
    except ImportError:
        raise BadInput(
            "the library for calendars is not installed", hint="pip install 'howdah[calendar]'"
        ) from None
    feed = icalendar.Calendar()
    feed.add("prodid", "-//howdah//on call//EN")
    feed.add("version", "2.0")
    feed.add("x-wr-calname", name)
    feed.add("x-published-ttl", "PT1H")
    for duty in found:
        event = icalendar.Event()
        event.add("uid", duty.uid)
        event.add("dtstamp", _moment(now))
        event.add("dtstart", _moment(duty.start))
        event.add("dtend", _moment(duty.end))
        event.add("summary", f"{duty.person} on call: {duty.schedule}")
        event.add("categories", ["on call"])
        event.add("transp", "TRANSPARENT")  # on call is not busy
        feed.add_component(event)
    return str(feed.to_ical().decode("utf-8"))


def _moment(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at // clock.SECOND, tz=datetime.UTC)


def _date(wall: int) -> datetime.date:
    return _EPOCH + datetime.timedelta(days=wall // clock.DAY)
