"""The end of a shift: a brief for who comes, who is called when nobody takes over; and cover in the morning after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import handover
from chatops.seen import ACTOR, Seen, oncall
from incidents import carried, clock
from incidents.escalation import contacts
from incidents.events import Draft
from incidents.oncall import duty, handoff, strain

if TYPE_CHECKING:
    from incidents.oncall.duty import Edge
    from incidents.oncall.relief import Choice
    from incidents.oncall.schedule import Span
    from incidents.oncall.strain import Facts

MORNING = 6 * clock.HOUR  # after a night its cover is proposed


def edges(seen: Seen, name: str) -> list[list[Draft]]:
    begin = seen.now - seen.limits.overrun - clock.DAY
    edges = duty.edges(name, seen.rota, seen.oncall, begin, seen.now)
    by_name = {edge.name: edge for edge in edges}
    found = []
    for act in handoff.due_edges(edges, seen.oncall, seen.now, seen.limits):
        if isinstance(act, handoff.Offer):
            found.append(_offer(seen, act.edge))
        elif isinstance(act, handoff.Overdue):
            found.append(_edge_overdue(seen, by_name[act.name]))
        else:
            data = {"handoff": act.edge.name, "people": list(act.edge.outgoing), "schedule": name}
            key = f"released:{act.edge.name}"
            words = f"nobody has taken over {name}: {', '.join(act.edge.outgoing)} is let go"
            found.append([oncall("duty.released", key, data, loud=True), *_told(seen, words, key)])
    return found


def _offer(seen: Seen, edge: Edge) -> list[Draft]:
    """The brief of the last shift, for those who come. Where an incident is open it says so, and it goes out to them."""
    shifts = seen.rota.shifts(edge.schedule, edge.at - carried.AHEAD, edge.at)
    since = shifts[-1].start if shifts else edge.at - clock.DAY
    zone = carried.zone_of(seen.config, edge.incoming, seen.rota.schedule(edge.schedule, seen.now).zone)
    brief = handover.brief(seen.store, seen.config, zone, seen.now, since=since)
    data = {
        "receiver": list(edge.incoming), "giver": list(edge.outgoing), "schedule": edge.schedule, "edge": edge.at,
        "why": handoff.SHIFT,
    }  # fmt: skip
    key = f"handoff:{edge.name}"
    offer = oncall("handoff.offered", key, data, body=brief)
    giver = f" from {', '.join(edge.outgoing)}" if edge.outgoing else ""
    words = f"{', '.join(edge.incoming)} is to take over {edge.schedule}{giver}: howdah handoff ack"
    told = _told(seen, words, key)
    if not told:
        return [offer]
    paging = seen.config.paging or contacts.Paging()
    coming, _ = duty.covered(edge.incoming, duty.shields(seen.oncall, seen.now), seen.now)
    reached = [one for one in coming if contacts.ways(seen.config.people.get(one), paging)]
    text = f"take over {edge.schedule}{giver}: howdah handoff ack\n{brief}"
    return [offer, *told, *(seen.brief(told[0].stream, one, text, f"page:{key}:{one}") for one in reached)]


def _told(seen: Seen, words: str, key: str) -> list[Draft]:
    """A line on the timeline of each open incident."""
    return [
        Draft(stream=row.name, kind="note", actor=ACTOR, body=words, key=f"{row.name}:{key}")
        for row in seen.store.incidents(status="open", mode="real")
    ]


def _edge_overdue(seen: Seen, edge: Edge) -> list[Draft]:
    """Those who come are paged, then the one who could best take it."""
    incoming, _ = duty.covered(edge.incoming, duty.shields(seen.oncall, seen.now), seen.now)
    others = [*incoming, *edge.incoming, *edge.outgoing]
    choice = seen.standby(others, seen.now + (seen.limits.rest or clock.DAY))
    data = {"handoff": edge.name, "people": list(incoming), "next": choice.person}
    key = f"overdue:{edge.name}"
    drafts = [oncall("handoff.overdue", key, data, body=choice.reason, loud=True)]
    rows = seen.store.incidents(status="open", mode="real")
    where = rows[0].name if rows else duty.STREAM  # in an incident its chat can mention them
    words = f"nobody has taken over {edge.schedule}: howdah handoff ack"
    drafts.append(seen.page(where, [*incoming, choice.person], words, f"page:{key}"))
    return drafts


def mornings(seen: Seen, name: str) -> list[list[Draft]]:
    """Who was woken and has duty before they are rested: somebody could have it until then."""
    found = []
    for person in seen.rota.on_call(name, seen.now):
        night = strain.night_at(seen.zones().get(person, "UTC"), seen.now - MORNING)
        if night is None or seen.now < night[1]:  # most of the day; the log need not be read for that
            continue
        facts = seen.recent()[person]
        if not _woken(facts, night):
            continue
        until = min(strain.rested_at(facts, seen.limits, seen.now), _duty_end(seen, name, person))
        if until - seen.now < clock.HOUR:
            continue
        choice = seen.standby([person], until)
        if choice.person and not choice.breaches:
            found.append([_cover(seen, name, person, choice, until, night[1])])
    return found


def _duty_end(seen: Seen, name: str, person: str) -> int:
    shifts = seen.rota.shifts(name, seen.now, seen.now + clock.DAY)
    return next((one.start for one in shifts if person not in one.people), seen.now + clock.DAY)


def _cover(seen: Seen, name: str, person: str, choice: Choice, until: int, night: int) -> Draft:
    start, end = (at // clock.MINUTE * clock.MINUTE for at in (seen.now, until))
    told = clock.iso(end, precision="minutes")
    command = f"howdah override {name} --replace {person} --with {choice.person} --to {told}"
    data: dict[str, Any] = {
        "person": person, "cover": choice.person, "schedule": name, "start": start, "end": end, "command": command,
    }  # fmt: skip
    return oncall("relief.cover", f"cover:{name}:{person}:{night}", data, body=choice.reason)


def _woken(facts: Facts, night: Span) -> bool:
    """Paged in this night, or at work in it."""
    worked = any(a < night[1] and b > night[0] for a, b in facts.work)
    return worked or any(night[0] <= page < night[1] for page in facts.pages)
