"""What an incident's card says of duty: who is to take over, who relieves whom when, and a shift that nobody took over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chatops.views import Field
from incidents import clock
from incidents.oncall import active, duty, handoff

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.oncall.handoff import Handoff
    from incidents.store.protocol import Store

OLD = clock.DAY  # a shift that nobody took over for so long is told no more


def fields(store: Store, events: Sequence[Event], now: int, short: Callable[[int], str]) -> list[Field]:
    """Of an open incident with these events; `short` tells an instant."""
    offers = handoff.fold(events)
    lines = [_waits(one, short) for one in handoff.waiting(offers.values())]
    lines += _named(events, offers, now, short)
    shifts = [_shift(one, short) for one in _open_shifts(store, now)]
    loud = any(one.overdue for one in offers.values() if one.waits)
    found = [Field("relief", tuple(lines), "bad" if loud else "warn")] if lines else []
    return [*found, *([Field("on call", tuple(shifts), "bad")] if shifts else [])]


def _waits(one: Handoff, short: Callable[[int], str]) -> str:
    giver = f" from {', '.join(one.giver)}" if one.giver else ""
    asked = f"{' or '.join(one.receiver)} asked to take over {one.what()}{giver} since {short(one.at)}"
    return f"{asked}, NOBODY HAS IT YET" if one.overdue else f"{asked}: howdah handoff ack"


def _named(
    events: Sequence[Event], offers: dict[str, Handoff], now: int, short: Callable[[int], str]
) -> list[str]:
    """The last word about each person whose clock runs and who has not been relieved or asked for since."""
    last: dict[str, Event] = {}
    for event in events:
        if event.kind == "relief.named" and event.data:
            last[str(event.data["person"])] = event
    lines = []
    for person in active.running(events, now) if last else ():
        named = last.get(person)
        if named is None or any(person in one.giver and one.at >= named.at for one in offers.values()):
            continue
        who, at = named.data["relief"], short(named.data["due"])
        lines.append(f"{who} relieves {person} at {at}" if who else f"NOBODY can relieve {person} at {at}")
    return lines


def _open_shifts(store: Store, now: int) -> list[Handoff]:
    found = handoff.fold(store.events(duty.STREAM)).values()
    return [one for one in found if one.waits and one.giver and one.edge is not None and now - one.edge < OLD]


def _shift(one: Handoff, short: Callable[[int], str]) -> str:
    return f"{one.schedule}: {' or '.join(one.receiver)} has not taken over from {', '.join(one.giver)} since {short(one.at)}"
