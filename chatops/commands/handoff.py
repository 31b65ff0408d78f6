"""Taking over and handing over, and going to bed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Column, Part, Stack, Table, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.oncall.handoff import Handoff

INCIDENT = params.incident()
ACK = "ack"


@command(
    "handoff",
    "Show what waits to be taken over; ack: you have it; ROLE PERSON: ask somebody to take over.",
    params.text("what", "ack, or the role that is handed over.", place=True),
    params.person("person", "Who shall have it; me takes it over at once.", place=True),
    INCIDENT,
    group="oncall",
    details="Whoever takes over reads a brief: what hurts, what was tried, what is to be decided, who has what, who was"
    " paged. Until they say `howdah handoff ack` the one before them keeps it.",
)
def handoff(call: Call, what: str | None, person: str | None, incident: str | None) -> Reply:
    from incidents.errors import BadInput

    if what is None:
        return _show(call, incident)
    if what.lower() == ACK:
        if person is not None:
            raise BadInput("only who takes over says so", hint="howdah handoff ack")
        return _ack(call, incident)
    if person is None:
        raise BadInput(f"who takes over {what}?", hint=f"howdah handoff {what} PERSON")
    return _give(call, what.lower(), person, incident)


def _show(call: Call, incident: str | None) -> Reply:
    from chatops import cards, handing, taking

    handing.look(call.store, call.config, call.now)  # where no process runs the timers, this one looks
    found = taking.waiting(call, incident)
    rows = tuple(
        (
            one.what(),
            ", ".join(one.giver) or "-",
            ", ".join(one.receiver),
            cards.ago(one.at, call.now),
            one.name,
        )
        for one in found
    )
    columns = (Column("what"), Column("from"), Column("to"), Column("asked"), Column("name", grow=True))
    parts: list[Part] = [Table(columns, rows, empty="nothing waits to be taken over")]
    for one in found:
        if taking.me(call) in one.receiver:
            parts.append(Text(f"{_for_you(one)}. When you have it: {_how(call, one)}", "key"))
            parts.append(Text(taking.brief(call, one), exact=True))
    return Reply(Stack(tuple(parts)), {"handoffs": [_document(one) for one in found]})


def _for_you(one: Handoff) -> str:
    giver = f" from {', '.join(one.giver)}" if one.giver else ""
    why = f", {_because(one)}" if one.why else ""
    return f"You take over {one.what()}{giver}{why}"


def _because(one: Handoff) -> str:
    return "who has reached a limit" if one.why == "limit" else "whose shift is over"


def _how(call: Call, one: Handoff) -> str:
    return "howdah handoff ack" + (f" --incident {one.stream}" if one.mode == "drill" else "")


def _document(one: Handoff) -> dict[str, Any]:
    from incidents import clock

    return {
        "name": one.name,
        "incident": one.stream if one.edge is None else None,
        "schedule": one.schedule or None,
        "roles": list(one.roles),
        "giver": list(one.giver),
        "receiver": list(one.receiver),
        "at": clock.iso(one.at),
        "why": one.why,
        "overdue": one.overdue,
    }


def _ack(call: Call, incident: str | None) -> Reply:
    from chatops import taking
    from incidents.errors import Refused

    me = taking.me(call)
    mine = [one for one in taking.waiting(call, incident) if me in one.receiver]
    if not mine:
        raise Refused(f"nothing waits for {me} to take over", hint="howdah handoff shows what waits for whom")
    events: list[Event] = []
    parts: list[Part] = []
    for one in mine:
        made = taking.accept(call, one)
        events += made
        parts.append(Text("\n".join(_said(call, one, made)), "good"))
        parts.append(Text(taking.brief(call, one), exact=True))
    from chatops import documents

    document = {
        "handoffs": [one.name for one in mine],
        "events": [documents.event(event) for event in events],
    }
    return Reply(Stack(tuple(parts)), document, public=True)


def _said(call: Call, one: Handoff, made: list[Event]) -> list[str]:
    from chatops import cards, taking

    lines = [f"{one.stream} #{made[0].seq}  {taking.me(call)} has {one.what()}"]
    if one.giver:
        lines[0] += f", {', '.join(one.giver)} has not any more"
    for event in made:
        if event.kind == "relief.shielded":
            until = cards.short_moment(event.data["until"], call.zone, call.now)
            lines.append(f"{event.data['person']} rests until {until}: no page reaches them, you have theirs")
    return lines


def _give(call: Call, role: str, person: str, incident: str | None) -> Reply:
    from chatops import cards, taking, which

    one = which.to_write(call, incident)
    events = taking.offer(call, one, role, person)
    offer = events[0]
    if len(events) > 1:
        return cards.recorded(
            call, events[1], f"{person} has {role}, {', '.join(offer.data['giver'])} has not any more"
        )
    keeps = f"until they say `howdah handoff ack` {', '.join(offer.data['giver'])} keeps it"
    return cards.recorded(call, offer, f"{person} is asked to take over {role}", more=keeps)


@command(
    "join",
    "You work in this incident: your clock of active hours runs.",
    INCIDENT,
    group="oncall",
    last_good=True,
)
def join(call: Call, incident: str | None) -> Reply:
    from chatops import cards, instead, taking, which

    instead.same_rules(call)
    return cards.recorded(call, taking.join(call, which.to_write(call, incident)))


@command("leave", "You do not work in this incident any more.", INCIDENT, group="oncall")
def leave(call: Call, incident: str | None) -> Reply:
    from chatops import cards, taking, which

    one = which.to_write(call, incident)
    event = taking.leave(call, one)
    until = taking.rested(call, taking.me(call))
    more = f"rested at {cards.short_moment(until, call.zone, call.now)}" if until > call.now else ""
    return cards.recorded(call, event, more=more)


@command(
    "stay",
    "You go on, whatever limit is reached, and pages reach you again.",
    params.duration("for_", "How long: 2h.", default=None),
    group="oncall",
    details="Nobody has to. It is for the hour in which going to bed would be worse; 2 h unless you say otherwise.",
)
def stay(call: Call, for_: int | None) -> Reply:
    from chatops import cards, taking
    from incidents import clock

    event = taking.stay(call, for_ if for_ is not None else 2 * clock.HOUR)
    until = cards.short_moment(event.data["until"], call.zone, call.now)
    return cards.recorded(call, event, f"{event.data['person']} stays until {until}")
