"""Reliefs in an incident: named before a limit is reached, called with the brief at it, followed by the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatops import handover
from chatops.seen import ACTOR, Seen
from incidents import carried, clock, lifecycle
from incidents.events import Draft
from incidents.oncall import active, duty, handoff, strain

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.oncall.handoff import Handoff
    from incidents.oncall.relief import Choice

SAME = 10 * clock.MINUTE  # two instants at which one limit is reached that are so near are one
AGAIN = clock.HOUR  # whom nobody can relieve is looked after so often


class At(NamedTuple):
    """Somebody who is at work in an incident and near a limit, which they reach at `due` (µs)."""

    person: str
    limit: str
    due: int


def due(seen: Seen, name: str) -> list[list[Draft]]:
    """What is due in this incident, in groups that are recorded as a whole."""
    events = list(seen.store.events(name))
    offers = handoff.fold(events)
    late = handoff.due_roles(offers.values(), seen.now, seen.limits)
    found = [_overdue(seen, events, offers[act.name]) for act in late]
    present = _present(events, seen.now)
    for person, since in active.running(events, seen.now).items():
        near = _near(seen, person, since)
        if near is not None and not _only_stays_on(events, offers, person):
            found += _relief(seen, events, offers, near, present)
    return found


def _present(events: Sequence[Event], now: int) -> list[str]:
    return [person for person, spans in active.at_work(events, now).items() if spans[-1][1] >= now]


def _near(seen: Seen, person: str, since: int) -> At | None:
    """The limit that this person, whose clock runs here since `since`, reaches within the notice, if they do not stay."""
    facts = seen.recent().get(person)
    reached = strain.limit_at(facts, seen.limits, seen.now) if facts is not None else None
    if reached is None:
        return None
    due = max(reached[1], since, duty.staying(seen.oncall).get(person, reached[1]))
    return At(person, reached[0], due) if seen.now >= due - seen.limits.notice else None


def _only_stays_on(events: Sequence[Event], offers: dict[str, Handoff], person: str) -> bool:
    """Whoever was relieved and is there again without a role has nothing to hand over."""
    relieved = any(one.by and person in one.giver and one.why == handoff.LIMIT for one in offers.values())
    return relieved and not any(person in people for people in lifecycle.fold(events).roles.values())


def _relief(
    seen: Seen, events: list[Event], offers: dict[str, Handoff], near: At, present: list[str]
) -> list[list[Draft]]:
    """The relief is named; once the limit is reached, called."""
    waits = [one for one in offers.values() if one.waits and near.person in one.giver]
    if waits:
        return []
    found: list[list[Draft]] = []
    named = [event for event in events if event.kind == "relief.named" and _is(event, near)]
    last = named[-1] if named else None
    if last is not None and not _stale(seen, last, present):
        who, reason = str(last.data["relief"]), last.body
    else:
        choice = seen.relieving(near.person, present, max(near.due, seen.now))
        who, reason = choice.person, choice.reason
        found.append([_naming(events[0].stream, near, choice, len(named))])
    if who and seen.now >= near.due:
        found.append(_call(seen, events, near.person, [who], reason, f"{near.person}:{near.due // SAME}"))
    return found


def _is(event: Event, near: At) -> bool:
    return (
        bool(event.data) and event.data["person"] == near.person and abs(event.data["due"] - near.due) <= SAME
    )


def _stale(seen: Seen, named: Event, present: list[str]) -> bool:
    """Whether another choice is in order: nobody could be named a while ago; who was named cannot come after all."""
    who, due = str(named.data["relief"]), int(named.data["due"])
    if not who:
        return seen.now >= named.at + AGAIN
    if seen.now < due or named.data.get("breaks"):
        return False
    facts = seen.recent().get(who)
    end = seen.now + (seen.limits.active or clock.HOUR)
    if facts is None:
        return False
    return (
        who in present
        or facts.absent(seen.now, end)
        or bool(strain.broken(facts, seen.limits, seen.now, end))
    )


def _naming(name: str, near: At, choice: Choice, number: int) -> Draft:
    data = {
        "person": near.person, "relief": choice.person, "limit": near.limit, "due": near.due,
        "breaks": [breach.limit for breach in choice.breaches],
    }  # fmt: skip
    loud = bool(choice.breaches) or not choice.person
    return Draft(
        stream=name, kind="relief.named", actor=ACTOR, data=data, body=choice.reason,
        key=f"relief:{name}:{near.person}:{near.due // SAME}:{number}", importance="high" if loud else "normal",
    )  # fmt: skip


def _call(
    seen: Seen, events: list[Event], giver: str, receivers: list[str], reason: str, key: str
) -> list[Draft]:
    """The receivers are paged with the brief; the first of them to acknowledge has it."""
    one = lifecycle.fold(events)
    roles = [role for role, people in one.roles.items() if giver in people]
    zone = carried.zone_of(seen.config, receivers)
    since = min((a for a, _ in active.at_work(events, seen.now).get(giver, ())), default=seen.now)
    brief = handover.brief(seen.store, seen.config, zone, seen.now, since=since, only=one.name)
    data = {
        "receiver": receivers,
        "giver": [giver],
        "roles": roles,
        "why": handoff.LIMIT,
        "reason": reason,
    }
    key = f"handoff:{one.name}:{key}"
    offer = Draft(stream=one.name, kind="handoff.offered", actor=ACTOR, data=data, body=brief, key=key)
    what = ", ".join(roles) or "the work"
    words = f"take over {what} from {giver}: howdah handoff ack\n{brief}"
    return [offer, seen.page(one.name, receivers, words, f"page:{key}")]


def _overdue(seen: Seen, events: list[Event], one: Handoff) -> list[Draft]:
    """The receiver has not said "I have it": the next best is asked as well. Without one it is loud, and stays."""
    asked = [other for other in handoff.fold(events).values() if other.giver == one.giver and not other.by]
    tried = {person for other in asked for person in other.receiver}
    giver = one.giver[0] if one.giver else ""
    choice = seen.relieving(giver, [*tried, *one.giver, *_present(events, seen.now)], seen.now)
    data = {"handoff": one.name, "people": list(one.receiver), "next": choice.person}
    overdue = Draft(
        stream=one.stream, kind="handoff.overdue", actor=ACTOR, data=data, body=choice.reason,
        key=f"overdue:{one.name}", importance="high",
    )  # fmt: skip
    if not choice.person or not giver:
        return [overdue]
    people = [*one.receiver, choice.person]
    return [overdue, *_call(seen, events, giver, people, choice.reason, f"after:{one.name}")]
