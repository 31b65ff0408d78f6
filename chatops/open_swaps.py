"""A swap that is offered and that nobody takes: who offered it and who could take it hear of it once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chatops import changing, moves
from incidents import carried, clock, reminding
from incidents.escalation import contacts
from incidents.events import Draft
from incidents.oncall import duty, strain
from incidents.people import CHATS

if TYPE_CHECKING:
    from chatops.seen import Seen
    from incidents.oncall.changes import MadeSwap

AHEAD = clock.DAY  # before it begins


def due_at(one: MadeSwap) -> int:
    """When (µs) it is time to remind of it: a day before it begins; of one that was offered later, when it begins."""
    return one.start - AHEAD if one.at <= one.start - AHEAD else one.start


def key(one: MadeSwap) -> str:
    """Of the event that reminds of it, whoever records it."""
    return f"reminder:{one.name}"


def due(seen: Seen) -> Iterator[list[Draft]]:
    """What is to be recorded now, of all swaps: the reminder, and its way to each person once it is day where they are."""
    for one in seen.rota.changes.swaps.values():
        if due_at(one) <= seen.now and one.can_be_taken(seen.now) and one.schedule in seen.rota.names():
            yield from _reminders(seen, one)


def _reminders(seen: Seen, one: MadeSwap) -> Iterator[list[Draft]]:
    schedule = seen.rota.schedule(one.schedule, seen.now)
    others = {name for name in schedule.people() if name != one.giver}
    asked = [name for name in sorted(others) if not _away(seen, one, name)]
    data = {
        "what": reminding.SWAP, "due": due_at(one), "number": 0, "person": one.giver, "name": one.name, "people": asked,
    }  # fmt: skip
    zone = carried.zone_of(seen.config, [one.giver], schedule.zone)
    body = f"{one.schedule}, {moves.when(one.start, one.end, zone)}: howdah swap take {one.name}"
    yield [
        Draft(
            stream=duty.STREAM, kind="reminder.due", actor=reminding.ACTOR, data=data, body=body, key=key(one)
        )
    ]
    for person in filter(lambda name: _reached(seen, name), (one.giver, *asked)):
        when = moves.when(one.start, one.end, carried.zone_of(seen.config, [person], schedule.zone))
        if person == one.giver:
            text = f"nobody has taken {one.name}, so it stays with you: {one.schedule}, {when}"
        else:
            text = f"{one.giver} offers {one.schedule}, {when}, and nobody has taken it: howdah swap take {one.name}"
        yield [seen.remind(person, text, f"page:{key(one)}:{person}")]


def _away(seen: Seen, one: MadeSwap, name: str) -> bool:
    """Who is absent then cannot take it."""
    return bool(changing.absent(seen.rota, one.schedule, name, max(one.start, seen.now), one.end))


def _reached(seen: Seen, name: str) -> bool:
    """By a channel that needs no incident, and now: it can wait until they are awake."""
    paging = seen.config.paging or contacts.Paging()
    ways = [way for way in contacts.ways(seen.config.people.get(name), paging) if way not in CHATS]
    asleep = strain.night_at(seen.zones().get(name, "UTC"), seen.now) is not None
    return bool(ways) and not asleep and name not in duty.shields(seen.oncall, seen.now)
