"""A page as a fold of its incident's log: which steps fired, whom they meant, what was tried, who took it.

A page is named by its incident and the number of the event that began it: `inc-7#12`. It goes by the policy that
its first event holds, so that a change of the file changes no page under way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

from incidents.clock import Reading
from incidents.escalation.policy import Policy, of_facts
from incidents.events import Actor, Draft, Event
from incidents.oncall.load import BRIEF, REMINDER, TELLING

ACTOR = Actor("system", "paging")
DUTY = Actor("system", "duty")  # whose pages ask somebody to take over
HANDOFF = "handoff"  # the name of their policy; that of a brief is load.BRIEF
SENDING, DELIVERED, FAILED = "sending", "delivered", "failed"
TOLD = "told"  # how a reminder ends
ENDINGS = {
    "page.acknowledged": "acknowledged",
    "page.exhausted": "exhausted",
    "incident.resolved": "resolved",
    "incident.cancelled": "cancelled",
}


class Fired(NamedTuple):
    """The firing `n` (from 0, over all passes) meant `people`; the next one is due `wait` µs after `reading`."""

    n: int
    people: tuple[str, ...]
    wait: int
    reading: Reading


class Try(NamedTuple):
    """One channel, once. `attempt` is from 1; more than 1: whoever sent before died without saying what came of it."""

    channel: str
    attempt: int
    state: str
    reading: Reading
    why: str = ""


@dataclasses.dataclass(slots=True)
class Page:
    """`over` is empty while it goes on. `tries` and `unreachable` are by (firing, person)."""

    stream: str
    number: int
    target: str
    policy: Policy
    text: str
    by: str
    mode: str
    auto: bool
    began: Reading
    key: str = ""  # of the event that it began with
    fired: list[Fired] = dataclasses.field(default_factory=list)
    tries: dict[tuple[int, str], list[Try]] = dataclasses.field(default_factory=dict)
    unreachable: set[tuple[int, str]] = dataclasses.field(default_factory=set)
    asked: int | None = None  # the firing after which somebody wanted the next one at once
    over: str = ""
    ended_by: Event | None = None

    @property
    def name(self) -> str:
        return f"{self.stream}#{self.number}"

    @property
    def steps(self) -> int:
        """How many firings there are at most."""
        return len(self.policy.steps) * (1 + self.policy.repeat)

    @property
    def asks_to_take_over(self) -> bool:
        """Whether it asks its people, by name, to take over a shift or the work in an incident."""
        return self.policy.name in (HANDOFF, BRIEF) and self.by == DUTY.id

    @property
    def is_brief(self) -> bool:
        """Whether it only tells its people something, as that their shift begins: nobody is called after it, and it is no
        page in any figure."""
        return self.policy.name in TELLING and self.by == DUTY.id

    @property
    def is_reminder(self) -> bool:
        """Whether it tells of what can wait: it is over once a channel took it, or none did."""
        return self.policy.name == REMINDER and self.by == DUTY.id

    def people(self) -> list[str]:
        """Everybody whom it meant so far, each once."""
        return list(dict.fromkeys(person for fired in self.fired for person in fired.people))


def fold(events: Iterable[Event]) -> dict[int, Page]:
    """The pages of one incident by number, from all of its events in order. A page whose begin is redacted is none."""
    found: dict[int, Page] = {}
    for event in events:
        if event.kind == "page.started" and event.data:
            found[event.seq] = _begun(event)
        elif event.kind in ("incident.resolved", "incident.cancelled"):
            for page in found.values():
                _end(page, event)
        elif event.kind.startswith("page.") and event.data.get("page") in found:
            _change(found[event.data["page"]], event)
    return found


def _begun(event: Event) -> Page:
    data = event.data
    return Page(
        event.stream, event.seq, data["target"], of_facts(data["policy"]), event.body, event.actor.shown,
        event.mode, bool(data.get("auto")), reading(event), event.key or "",
    )  # fmt: skip


def _change(page: Page, event: Event) -> None:
    data = event.data
    if event.kind == "page.fired":
        page.fired.append(Fired(data["n"], tuple(data["people"]), data["wait"], reading(event)))
    elif event.kind == "page.sending":
        one = Try(data["channel"], data["attempt"], SENDING, reading(event))
        page.tries.setdefault((data["n"], data["person"]), []).append(one)
    elif event.kind in ("page.delivered", "page.failed"):
        state = event.kind.removeprefix("page.")
        tries = page.tries.get((data["n"], data["person"]), [])
        for place, one in enumerate(tries):
            if (one.channel, one.attempt) == (data["channel"], data["attempt"]):
                tries[place] = one._replace(state=state, why=data.get("why", ""))
    elif event.kind == "page.unreachable":
        page.unreachable.add((data["n"], data["person"]))
    elif event.kind == "page.escalated":
        page.asked = data["n"]
    elif event.kind in ENDINGS:
        _end(page, event)
    if page.is_reminder and event.kind in ("page.delivered", "page.unreachable") and not page.over:
        page.over, page.ended_by = TOLD, event


def _end(page: Page, event: Event) -> None:
    late = (
        page.over == "exhausted" and event.kind == "page.acknowledged"
    )  # whoever was woken answers after all
    if not page.over or late:
        page.over, page.ended_by = ENDINGS[event.kind], event


def reading(event: Event) -> Reading:
    """What the clocks said when it was recorded."""
    return Reading(event.recorded_at, event.boot, event.mono)


def last_paged(events: Iterable[Event], into: dict[str, int], lost: dict[str, int] | None = None) -> None:
    """Adds to `into` when (µs) each person was meant by a page of these events last, but for what did not reach them,
    and to `lost` when that was last."""
    briefs: set[int] = set()
    meant: dict[tuple[object, object, str], int] = {}
    for event in events:
        if event.kind == "page.started" and event.data and _begun(event).is_brief:
            briefs.add(event.seq)
        if event.kind == "page.fired" and event.mode == "real" and event.data.get("page") not in briefs:
            for person in event.data.get("people", ()):
                meant[event.data["page"], event.data["n"], person] = event.recorded_at
        elif event.kind == "page.unreachable" and event.data:
            person = event.data["person"]
            if (
                meant.pop((event.data["page"], event.data["n"], person), None) is not None
                and lost is not None
            ):
                lost[person] = max(lost.get(person, event.recorded_at), event.recorded_at)
    for (_, _, person), at in meant.items():
        into[person] = max(into.get(person, at), at)


# -- the events ----------------------------------------------------------------------------------------------


def facts(target: str, policy: Policy, *, auto: bool = False) -> dict[str, Any]:
    """The data of the event that a page begins with; `target` is what was asked for, in words."""
    return {"target": target, "policy": policy.facts(), "auto": auto}


def begin(
    incident: str, policy: Policy, *, target: str, actor: Actor, text: str = "", auto: bool = False,
    key: str | None = None, mode: str = "real",
) -> Draft:  # fmt: skip
    """The event that a page begins with."""
    return Draft(
        stream=incident, kind="page.started", actor=actor, body=text, key=key, mode=mode, importance="high",
        data=facts(target, policy, auto=auto),
    )  # fmt: skip


def auto_key(incident: str, policy: str) -> str:
    """The key of the page that a severity begins: one for each policy and incident."""
    return f"page:{incident}:auto:{policy}"


def key(page: Page, *words: object) -> str:
    return ":".join(("page", page.stream, str(page.number), *map(str, words)))


def outcome_key(intent: str) -> str:
    """The key of what came of a send: delivered and failed share it, so that there is one outcome."""
    return f"{intent}:outcome"


def delivered(sending: Event) -> Draft:
    """That a chat has taken the mention which this intent asked for."""
    return Draft(
        stream=sending.stream, kind="page.delivered", actor=ACTOR, data=dict(sending.data), mode=sending.mode,
        key=outcome_key(sending.key),
    )  # fmt: skip
