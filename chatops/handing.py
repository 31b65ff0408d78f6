"""Duty by the clock: handoffs at the end of a shift, reliefs before a limit, cover in the morning after.

Pure calculators say what is due (incidents/oncall/handoff, strain, relief); here it becomes events, each with a key by
which any number of processes make one event of it. Whatever was recorded, a chat, a page and a terminal show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops import handover
from incidents import carried, clock, lifecycle, timeline
from incidents.errors import NotFound, Refused
from incidents.escalation import pages
from incidents.escalation.policy import Policy, Step
from incidents.events import Actor, Draft
from incidents.oncall import active, duty, handoff, relief, strain, versions
from incidents.store.protocol import KeyUsed

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.events import Event
    from incidents.oncall.duty import Edge
    from incidents.oncall.handoff import Handoff
    from incidents.oncall.relief import Choice
    from incidents.oncall.strain import Facts
    from incidents.oncall.versions import Rota
    from incidents.store.protocol import Store

ACTOR = Actor("system", "duty")
SHORT = 3 * clock.DAY  # so far back a limit can reach; a choice looks further
SAME = 10 * clock.MINUTE  # two instants at which one limit is reached that are so near are one
MORNING = 6 * clock.HOUR  # after a night its cover is proposed
PAGED_AGAIN = 15 * clock.MINUTE


class Handing:
    """For a loop: `look` records what is due, at most every `every` µs."""

    def __init__(self, store: Store, config: Callable[[], Config], *, every: int = 5 * clock.SECOND):
        self._store, self._config, self._every = store, config, every
        self._next = 0

    def look(self) -> list[Event]:
        """What was recorded now by this process, mostly nothing. Raises StoreError."""
        at = clock.monotonic()
        if at < self._next:
            return []
        self._next = at + self._every
        return look(self._store, self._config(), clock.wall())


def look(store: Store, config: Config, now: int) -> list[Event]:
    """Records what is due at `now` (µs), and returns it. Raises StoreError."""
    looking = Looking(store, config, now)
    made: list[Event] = []
    for drafts in looking.due():
        try:
            made += [event for event in timeline.record(store, *drafts) if not event.replayed]
        except (KeyUsed, Refused, NotFound):  # another process said it; the incident has ended
            continue
    return made


class At(NamedTuple):
    """Somebody who is at work in an incident and near a limit, which they reach at `due` (µs)."""

    person: str
    limit: str
    due: int


class Looking:
    """One look. `due` gives groups of drafts; each group is recorded as a whole or not at all."""

    def __init__(self, store: Store, config: Config, now: int):
        self.store, self.config, self.now = store, config, now
        self.limits = config.limits
        self.rota: Rota = versions.read(store, config, now)
        self.oncall = list(store.events(duty.STREAM))
        self._facts: dict[int | None, dict[str, Facts]] = {}

    def facts(self, since: int | None = None) -> dict[str, Facts]:
        if since not in self._facts:
            self._facts[since] = carried.facts(self.store, self.config, self.rota, self.now, since=since)
        return self._facts[since]

    def due(self) -> list[list[Draft]]:
        found = [drafts for name in self.rota.names() for drafts in self._edges(name)]
        for row in self.store.incidents(status="open", mode="real"):
            found += self._incident(row.name)
        found += [drafts for name in self.rota.names() for drafts in self._mornings(name)]
        return [drafts for drafts in found if not all(self._known(draft) for draft in drafts)]

    def _known(self, draft: Draft) -> bool:
        return draft.key is not None and self.store.by_key(draft.key) is not None

    def choose(self, without: Sequence[str], start: int, end: int, *, work: bool) -> Choice:
        people = set(carried.candidates(self.config, self.rota, self.now)) - set(without)
        return relief.choose(people, self.facts(), self.limits, start, end, work=work)

    # -- the end of a shift

    def _edges(self, name: str) -> list[list[Draft]]:
        begin = self.now - self.limits.overrun - clock.DAY
        edges = duty.edges(name, self.rota, self.oncall, begin, self.now)
        by_name = {edge.name: edge for edge in edges}
        found = []
        for act in handoff.due_edges(edges, self.oncall, self.now, self.limits):
            if isinstance(act, handoff.Offer):
                found.append([self._offer(act.edge)])
            elif isinstance(act, handoff.Overdue):
                found.append(self._edge_overdue(by_name[act.name]))
            else:
                data = {"handoff": act.edge.name, "people": list(act.edge.outgoing), "schedule": name}
                found.append([_oncall("duty.released", f"released:{act.edge.name}", data, loud=True)])
        return found

    def _offer(self, edge: Edge) -> Draft:
        """The brief of the last shift, for those who come."""
        shifts = self.rota.shifts(edge.schedule, edge.at - carried.AHEAD, edge.at)
        since = shifts[-1].start if shifts else edge.at - clock.DAY
        zone = carried.zone_of(self.config, edge.incoming, self.rota.schedule(edge.schedule, self.now).zone)
        brief = handover.brief(self.store, self.config, zone, self.now, since=since)
        data = {
            "receiver": list(edge.incoming), "giver": list(edge.outgoing), "schedule": edge.schedule, "edge": edge.at,
            "why": handoff.SHIFT,
        }  # fmt: skip
        return _oncall("handoff.offered", f"handoff:{edge.name}", data, body=brief)

    def _edge_overdue(self, edge: Edge) -> list[Draft]:
        """Those who come are paged, then the one who could best take it."""
        others = [*edge.incoming, *edge.outgoing]
        end = self.now + (self.limits.rest or clock.DAY)
        choice = self.choose(others, self.now, end, work=False)
        data = {"handoff": edge.name, "people": list(edge.incoming), "next": choice.person}
        key = f"overdue:{edge.name}"
        drafts = [_oncall("handoff.overdue", key, data, body=choice.reason, loud=True)]
        rows = self.store.incidents(status="open", mode="real")
        if rows:
            words = f"nobody has taken over {edge.schedule}: howdah handoff ack"
            people = [*edge.incoming, choice.person]
            drafts.append(self._page(rows[0].name, people, words, f"page:{key}"))
        return drafts

    # -- in an incident

    def _incident(self, name: str) -> list[list[Draft]]:
        events = list(self.store.events(name))
        offers = handoff.fold(events)
        found = [
            self._role_overdue(events, offers[act.name])
            for act in handoff.due_roles(offers.values(), self.now, self.limits)
        ]
        work = active.at_work(events, self.now)
        present = [person for person, spans in work.items() if spans[-1][1] >= self.now]
        for person in present:
            near = self._near(person)
            if near is not None:
                found += self._relief(events, offers, near, present)
        return found

    def _near(self, person: str) -> At | None:
        """The limit that this person reaches within the notice, if they do not stay."""
        facts = self.facts(self.now - SHORT)
        reached = strain.limit_at(facts[person], self.limits, self.now) if person in facts else None
        if reached is None:
            return None
        due = max(reached[1], duty.staying(self.oncall).get(person, reached[1]))
        return At(person, reached[0], due) if self.now >= due - self.limits.notice else None

    def _relief(
        self, events: list[Event], offers: dict[str, Handoff], near: At, present: list[str]
    ) -> list[list[Draft]]:
        """The relief is named; once the limit is reached, called."""
        name, found = events[0].stream, []
        named = next((e for e in reversed(events) if e.kind == "relief.named" and _is(e, near)), None)
        if named is not None:
            who, reason = str(named.data["relief"]), named.body
        else:
            choice = self.choose(present, max(near.due, self.now), self._until(near.due), work=True)
            who, reason = choice.person, choice.reason
            found.append([self._naming(name, near, choice)])
        mine = [
            one for one in offers.values() if near.person in one.giver and abs(one.at - near.due) < clock.HOUR
        ]
        waits = [one for one in offers.values() if one.waits and near.person in one.giver]
        if who and self.now >= near.due and not waits and not any(one.by or one.void for one in mine):
            found.append(self._call(events, near.person, [who], reason, f"{near.person}:{near.due // SAME}"))
        return found

    def _until(self, start: int) -> int:
        return max(start, self.now) + (self.limits.active or 8 * clock.HOUR)

    def _naming(self, name: str, near: At, choice: Choice) -> Draft:
        data = {
            "person": near.person, "relief": choice.person, "limit": near.limit, "due": near.due,
            "breaks": [breach.limit for breach in choice.breaches],
        }  # fmt: skip
        loud = bool(choice.breaches) or not choice.person
        return Draft(
            stream=name, kind="relief.named", actor=ACTOR, data=data, body=choice.reason,
            key=f"relief:{name}:{near.person}:{near.due // SAME}", importance="high" if loud else "normal",
        )  # fmt: skip

    def _call(
        self, events: list[Event], giver: str, receivers: list[str], reason: str, key: str
    ) -> list[Draft]:
        """The receivers are paged with the brief; the first of them to acknowledge has it."""
        one = lifecycle.fold(events)
        roles = [role for role, people in one.roles.items() if giver in people]
        zone = carried.zone_of(self.config, receivers)
        since = min((a for a, _ in active.at_work(events, self.now).get(giver, ())), default=self.now)
        brief = handover.brief(self.store, self.config, zone, self.now, since=since, only=one.name)
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
        return [offer, self._page(one.name, receivers, words, f"page:{key}")]

    def _role_overdue(self, events: list[Event], one: Handoff) -> list[Draft]:
        """The receiver has not said "I have it": the next best is asked as well. Without one it is loud, and stays."""
        tried = {person for other in handoff.fold(events).values() for person in other.receiver}
        present = [p for p, spans in active.at_work(events, self.now).items() if spans[-1][1] >= self.now]
        choice = self.choose([*tried, *one.giver, *present], self.now, self._until(self.now), work=True)
        data = {"handoff": one.name, "people": list(one.receiver), "next": choice.person}
        overdue = Draft(
            stream=one.stream, kind="handoff.overdue", actor=ACTOR, data=data, body=choice.reason,
            key=f"overdue:{one.name}", importance="high",
        )  # fmt: skip
        if not choice.person or not one.giver:
            return [overdue]
        people = [*one.receiver, choice.person]
        return [overdue, *self._call(events, one.giver[0], people, choice.reason, f"after:{one.name}")]

    def _page(self, incident: str, people: Sequence[str], words: str, key: str) -> Draft:
        wait = self.limits.handoff or PAGED_AGAIN
        steps = tuple(Step("person", person, wait) for person in people if person)
        target = ", ".join(step.name for step in steps)
        return pages.begin(
            incident, Policy("handoff", steps), target=target, actor=ACTOR, text=words, key=key
        )

    # -- the morning after

    def _mornings(self, name: str) -> list[list[Draft]]:
        """Who was woken and has duty before they are rested: somebody could have it until then."""
        found = []
        for person in self.rota.on_call(name, self.now):
            facts = self.facts(self.now - SHORT).get(person)
            night = strain.night_at(facts.zone, self.now - MORNING) if facts is not None else None
            if facts is None or night is None or self.now < night[1] or not _woken(facts, night):
                continue
            until = min(strain.rested_at(facts, self.limits, self.now), self._duty_end(name, person))
            if until - self.now < clock.HOUR:
                continue
            choice = self.choose([person], self.now, until, work=False)
            if choice.person and not choice.breaches:
                found.append([self._cover(name, person, choice, until, night[1])])
        return found

    def _duty_end(self, name: str, person: str) -> int:
        shifts = self.rota.shifts(name, self.now, self.now + clock.DAY)
        return next((one.start for one in shifts if person not in one.people), self.now + clock.DAY)

    def _cover(self, name: str, person: str, choice: Choice, until: int, night: int) -> Draft:
        start, end = (at // clock.MINUTE * clock.MINUTE for at in (self.now, until))
        told = clock.iso(end, precision="minutes")
        command = f"howdah override {name} --replace {person} --with {choice.person} --to {told}"
        data: dict[str, Any] = {
            "person": person, "cover": choice.person, "schedule": name, "start": start, "end": end, "command": command,
        }  # fmt: skip
        return _oncall("relief.cover", f"cover:{name}:{person}:{night}", data, body=choice.reason)


def _is(event: Event, near: At) -> bool:
    return (
        bool(event.data) and event.data["person"] == near.person and abs(event.data["due"] - near.due) <= SAME
    )


def _woken(facts: Facts, night: strain.Span) -> bool:
    """Paged in this night, or at work in it; whose work went on into the morning has a relief, no cover."""
    worked = any(a < night[1] and b > night[0] for a, b in facts.work)
    return worked or any(night[0] <= page < night[1] for page in facts.pages)


def _oncall(kind: str, key: str, data: dict[str, Any], *, body: str = "", loud: bool = False) -> Draft:
    return Draft(
        stream=duty.STREAM, kind=kind, actor=ACTOR, data=data, body=body, key=key,
        importance="high" if loud else "normal",
    )  # fmt: skip
