"""Handing over and taking over, by command: what waits for whom, "I have it", and who is sent to bed by it.

Everything is decided on the streams as they are, and recorded if nobody was quicker. Until the receiver says so the
giver keeps what they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chatops import handover
from incidents import carried, clock, lifecycle, timeline
from incidents.errors import AlreadyAnswered, BadInput, NotFound, Refused
from incidents.escalation import pages
from incidents.oncall import active, duty, handoff, strain, versions
from incidents.oncall.handoff import Handoff
from incidents.store.protocol import StreamMoved

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.escalation.pages import Page
    from incidents.events import Draft, Event
    from incidents.lifecycle import Incident

_TRIES = 20


def me(call: Call) -> str:
    return call.who.person or call.actor.shown


def waiting(call: Call, incident: str | None = None) -> list[Handoff]:
    """All that nobody has acknowledged: of this incident, or of all open ones and of the schedules."""
    rows = call.store.incidents(status="open")
    names = [incident] if incident else [row.name for row in rows if row.mode != "drill"]
    found = [one for name in names for one in handoff.waiting(handoff.fold(call.store.events(name)).values())]
    return found if incident else [*edges(call), *found]


def edges(call: Call) -> list[Handoff]:
    """The ends of shifts that wait; also those whose brief nobody has sent yet."""
    rota = versions.read(call.store, call.config, call.now)
    events = list(call.store.events(duty.STREAM))
    offered = handoff.fold(events)
    limits, found = call.config.limits, []
    for name in rota.names() if limits.handoff is not None else ():
        for edge in duty.edges(name, rota, events, call.now - limits.overrun, call.now):
            if edge.incoming and not edge.acknowledged:
                one = Handoff(
                    edge.name,
                    duty.STREAM,
                    edge.incoming,
                    edge.outgoing,
                    edge.at,
                    (),
                    name,
                    edge.at,
                    handoff.SHIFT,
                )
                found.append(offered.get(edge.name, one))
    return found


def brief(call: Call, one: Handoff) -> str:
    """As things stand now."""
    only = None if one.edge is not None else one.stream
    since = one.at - clock.DAY if one.edge is None else _shift_start(call, one)
    return handover.brief(call.store, call.config, call.zone, call.now, since=since, only=only)


def _shift_start(call: Call, one: Handoff) -> int:
    rota = versions.read(call.store, call.config, call.now)
    assert one.edge is not None
    shifts = rota.shifts(one.schedule, one.edge - carried.AHEAD, one.edge)
    return shifts[-1].start if shifts else one.edge - clock.DAY


# -- "I have it" -----------------------------------------------------------------------------------------------------


def asked_by(call: Call, page: Page) -> Handoff | None:
    """What this page asks somebody to take over, if it waits and is not this call's person's own."""
    events = list(call.store.events(page.stream)) if page.asks_to_take_over else []
    found = [] if not events else [*edges(call), *handoff.waiting(handoff.fold(events).values())]
    return next((one for one in found if _asks(page, events, one) and me(call) not in one.giver), None)


def _asks(page: Page, events: Sequence[Event], one: Handoff) -> bool:
    """Whether this page asks for `one`, or to relieve the same person. Their keys say so (shift_ends, relieving)."""
    word = page.key.removeprefix("page:")
    if one.edge is not None:
        return word == f"overdue:{one.name}" or word.startswith(f"handoff:{one.name}:")
    return any(
        event.kind == "handoff.offered"
        and event.key == word
        and tuple(event.data.get("giver", ())) == one.giver
        for event in events
    )


def accept(call: Call, one: Handoff) -> list[Event]:
    """Records that this call's person has it, and what follows: nobody is paged for it any more. Raises
    AlreadyAnswered, IncidentClosed, Refused."""
    if one.edge is not None:
        open_ = [row.name for row in call.store.incidents(status="open", mode="real")]
        called = [draft for name in (duty.STREAM, *open_) for draft in _taken(call, name, one)]
        return timeline.record(call.store, _acknowledged(call, duty.STREAM, one.name), *called)
    for _ in range(_TRIES):
        events = list(call.store.events(one.stream))
        now = handoff.fold(events)[one.name]
        if now.by:
            raise AlreadyAnswered(f"{now.by} has it already", hint=f"howdah role --incident {one.stream}")
        if not now.waits:
            raise Refused(f"{one.name} is over: {now.void}", hint="howdah handoff shows what waits")
        drafts = [
            _acknowledged(call, one.stream, one.name, mode=one.mode),
            *_moved(call, lifecycle.fold(events), one),
            *_taken(call, one.stream, one),
            *_rest(call, events, one),
        ]
        try:
            return timeline.record(call.store, *drafts, expect={one.stream: events[-1].seq})
        except StreamMoved:
            continue
    raise Refused("the incident changes faster than this can be decided", hint="repeat it")


def _acknowledged(call: Call, stream: str, name: str, **about: Any) -> Draft:
    data = {"handoff": name, "person": me(call)}
    return call.draft(stream, "handoff.acknowledged", data=data, **about)


def _moved(call: Call, incident: Incident, one: Handoff) -> list[Draft]:
    """The roles, from whom they were to whom they are."""
    drafts = []
    for role in one.roles:
        holders = incident.roles.get(role, [])
        if me(call) not in holders:
            drafts.append(call.draft(incident, "role.assigned", data={"role": role, "person": me(call)}))
        for giver in holders:
            if giver in one.giver and giver != me(call):
                drafts.append(call.draft(incident, "role.released", data={"role": role, "person": giver}))
    return drafts


def _taken(call: Call, stream: str, one: Handoff) -> list[Draft]:
    """The pages that called somebody to take it over are over."""
    events = list(call.store.events(stream))
    return [
        call.draft(stream, "page.acknowledged", data={"page": page.number}, mode=page.mode)
        for page in pages.fold(events).values()
        if page.asks_to_take_over and page.over in ("", "exhausted") and _asks(page, events, one)
    ]


def _rest(call: Call, events: Sequence[Event], one: Handoff) -> list[Draft]:
    """Whom a limit sends to bed: their clock ends, and no page reaches them until they are rested."""
    if one.why != handoff.LIMIT:
        return []
    drafts = []
    running = active.running(events, call.now)
    for giver in one.giver:
        if giver in running:
            drafts.append(call.draft(one.stream, "duty.left", data={"person": giver}, mode=one.mode))
        until = rested(call, giver)
        if one.mode == "real" and until > call.now:
            data = {"person": giver, "until": until, "cover": me(call)}
            drafts.append(call.draft(duty.STREAM, "relief.shielded", data=data))
    return drafts


def rested(call: Call, person: str) -> int:
    """From when on this person is rested, if nothing more happens."""
    rota = versions.read(call.store, call.config, call.now)
    facts = carried.facts(call.store, call.config, rota, call.now, since=call.now - 3 * clock.DAY)
    one = facts.get(person)
    return call.now if one is None else strain.rested_at(one, call.config.limits, call.now)


# -- giving ----------------------------------------------------------------------------------------------------------


def offer(call: Call, incident: Incident, role: str, person: str) -> list[Event]:
    """Records that `person` is asked to take over the role; at once where it is the caller. Raises BadInput, Refused."""
    holders = incident.roles.get(role, [])
    if not holders:
        held = ", ".join(name for name, people in incident.roles.items() if people)
        hint = f"{held} is held" if held else f"howdah role --incident {incident.name} {role} {person}"
        raise NotFound(f"nobody is {role} in {incident.name}", hint=hint)
    if person in holders:
        raise Refused(f"{person} is {role} already")
    giver = [me(call)] if me(call) in holders else holders
    zone = carried.zone_of(call.config, [person], call.zone)
    since = call.now - clock.DAY
    text = handover.brief(call.store, call.config, zone, call.now, since=since, only=incident.name)
    data = {"receiver": [person], "giver": giver, "roles": [role]}
    (event,) = timeline.record(call.store, call.draft(incident, "handoff.offered", data=data, body=text))
    if person != me(call):
        return [event]
    found = handoff.fold(call.store.events(incident.name))
    return [event, *accept(call, found[f"{incident.name}#{event.seq}"])]


# -- joining and leaving -----------------------------------------------------------------------------------------------


def join(call: Call, incident: Incident) -> Event:
    """Says beside it when they were to rest. Raises Refused where their clock runs already."""
    since = active.running(call.store.events(incident.name), call.now).get(me(call))
    if since is not None and call.places.key is None:
        raise Refused(
            f"you are at work in {incident.name} since {clock.iso(since, call.zone, precision='minutes')}"
        )
    shield = duty.shields(call.store.events(duty.STREAM), call.now).get(me(call))
    if shield is not None:
        until = clock.iso(shield.until, call.zone, precision="minutes")
        call.warn(f"you are to rest until {until}, and no page reaches you; howdah stay says otherwise")
    return timeline.record(call.store, call.draft(incident, "duty.joined", data={"person": me(call)}))[0]


def leave(call: Call, incident: Incident) -> Event:
    """Raises Refused for whoever still has a role (somebody has to have it), and for who is not at work there."""
    mine = [role for role, people in incident.roles.items() if me(call) in people]
    if mine:
        hint = f"howdah handoff --incident {incident.name} {mine[0]} PERSON"
        raise Refused(f"you are {', '.join(mine)} of {incident.name}", hint=hint)
    running = active.running(call.store.events(incident.name), call.now)
    if incident.mode == "real" and me(call) not in running and call.places.key is None:
        hint = f"howdah join --incident {incident.name} says that you are"
        raise Refused(f"you are not at work in {incident.name}", hint=hint)
    return timeline.record(call.store, call.draft(incident, "duty.left", data={"person": me(call)}))[0]


def stay(call: Call, length: int) -> Event:
    if not clock.MINUTE <= length <= clock.DAY:
        raise BadInput("--for is from 1m to 24h", hint="a longer stay is somebody else's shift")
    data = {"person": me(call), "until": call.now + length}
    return timeline.record(call.store, call.draft(duty.STREAM, "duty.stayed", data=data))[0]
