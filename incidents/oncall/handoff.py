"""Handoffs as a pure fold: what is offered, what waits to be acknowledged, and what of it is due now.

Two kinds: the duty of a schedule at an edge of it (`infra@2022-11-14T08:00Z`, events in the stream `oncall`), and roles
of an incident (`inc-7#12`, by the number of the event that offers them). Until the receiver acknowledges, the giver
keeps what they have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from incidents.oncall.duty import Edge
from incidents.oncall.limits import Limits

if TYPE_CHECKING:
    from incidents.events import Event

LIMIT, SHIFT = "limit", "shift"  # why; empty where a person asked for it
_ENDS = ("incident.resolved", "incident.cancelled")


@dataclasses.dataclass(slots=True)
class Handoff:
    """`at` (µs) is when it was offered, `by` who acknowledged it, `void` what made it moot."""

    name: str
    stream: str
    receiver: tuple[str, ...]
    giver: tuple[str, ...]
    at: int
    roles: tuple[str, ...] = ()
    schedule: str = ""
    edge: int | None = None
    why: str = ""
    reason: str = ""
    brief: str = ""
    mode: str = "real"
    by: str = ""
    overdue: bool = False
    void: str = ""

    @property
    def waits(self) -> bool:
        return not self.by and not self.void

    def what(self) -> str:
        """What is handed over, in words."""
        return ", ".join(self.roles) or self.schedule or "the work"


def fold(events: Iterable[Event]) -> dict[str, Handoff]:
    """The handoffs of one stream by name, in the order in which they were offered.

    A newer offer of the same role, or to relieve the same person, takes the place of one that waits.
    """
    found: dict[str, Handoff] = {}
    for event in events:
        data = event.data
        if event.kind == "handoff.offered" and data:
            one = _offered(event)
            for other in found.values():
                if other.waits and _same(other, one):
                    other.void = one.name
            found[one.name] = one
        elif event.kind == "handoff.acknowledged" and data.get("handoff") in found:
            one = found[data["handoff"]]
            if one.waits:
                one.by = str(data["person"])
        elif event.kind == "handoff.overdue" and data.get("handoff") in found:
            one = found[data["handoff"]]
            one.overdue = True
            if one.edge is not None:  # of a role there is a new offer
                asked = [*one.receiver, *data["people"], *filter(None, [data.get("next")])]
                one.receiver = tuple(dict.fromkeys(asked))
        elif event.kind in _ENDS:
            for one in found.values():
                if one.waits:
                    one.void = event.kind.partition(".")[2]
    return found


def _offered(event: Event) -> Handoff:
    data = event.data
    edge = data.get("edge")
    name = f"{event.stream}#{event.seq}"
    if edge is not None:
        name = Edge(str(data["schedule"]), edge, (), ()).name
    return Handoff(
        name, event.stream, tuple(data["receiver"]), tuple(data["giver"]), event.at, tuple(data.get("roles", ())),
        str(data.get("schedule", "")), edge, str(data.get("why", "")), str(data.get("reason", "")), event.body, event.mode,
    )  # fmt: skip


def _same(one: Handoff, other: Handoff) -> bool:
    if one.edge is not None or other.edge is not None:
        return False
    return bool(set(one.roles) & set(other.roles)) or (
        one.giver == other.giver and not (one.roles and other.roles)
    )


def waiting(found: Iterable[Handoff], person: str | None = None) -> list[Handoff]:
    """Those that nobody has acknowledged; of `person` only what they are to take over."""
    return [one for one in found if one.waits and (person is None or person in one.receiver)]


# -- what is due -----------------------------------------------------------------------------------------------------


class Offer(NamedTuple):
    """The brief of this edge goes to those who come."""

    edge: Edge


class Overdue(NamedTuple):
    """Nobody has acknowledged it in time."""

    name: str
    people: tuple[str, ...]


class Release(NamedTuple):
    """Those who went are let go, although nobody took over."""

    edge: Edge


Act = Offer | Overdue | Release


def due_edges(edges: Iterable[Edge], events: Iterable[Event], now: int, limits: Limits) -> list[Act]:
    """What is to be done at `now` about these edges. Of one that was missed by more than the overrun, because nothing
    ran, nothing: a brief of yesterday's shift helps nobody."""
    if limits.handoff is None:
        return []
    events = list(events)
    said = {str(e.data.get("handoff")) for e in events if e.kind == "handoff.overdue" and e.data}
    released = {str(e.data.get("handoff")) for e in events if e.kind == "duty.released" and e.data}
    offered = fold(events)
    acts: list[Act] = []
    for edge in edges:
        if edge.acknowledged or not edge.incoming or edge.at > now:
            continue
        over = now >= edge.at + limits.overrun
        if edge.name not in offered and not over:
            acts.append(Offer(edge))
        if edge.outgoing and edge.name not in said and edge.at + limits.handoff <= now and not over:
            acts.append(Overdue(edge.name, edge.incoming))
        if edge.outgoing and over and edge.name in offered and edge.name not in released:
            acts.append(Release(edge))
    return acts


def due_roles(found: Iterable[Handoff], now: int, limits: Limits) -> list[Overdue]:
    """Which handoffs of an incident have waited for too long."""
    if limits.handoff is None:
        return []
    late = [one for one in found if one.waits and one.edge is None and not one.overdue]
    return [
        Overdue(one.name, one.receiver)
        for one in late
        if now >= one.at + limits.handoff and one.mode == "real"
    ]
