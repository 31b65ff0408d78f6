"""What one look by the clock sees of duty: the record, the schedules, what people carried; each read once, when asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from incidents import carried, clock
from incidents.escalation import pages
from incidents.escalation.policy import Policy, Step
from incidents.events import Draft
from incidents.oncall import duty, load, relief, versions

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.oncall.relief import Choice
    from incidents.oncall.strain import Facts
    from incidents.store.protocol import Store

ACTOR = pages.DUTY
RECENT = 3 * clock.DAY  # so far back a limit can reach; a choice looks further
PAGED_AGAIN = 15 * clock.MINUTE
WORKDAY = 8 * clock.HOUR  # for which a relief is asked where `active` is no limit


class Seen:
    def __init__(self, store: Store, config: Config, now: int):
        self.store, self.config, self.now = store, config, now
        self.limits = config.limits
        self.rota = versions.read(store, config, now)
        self.oncall = list(store.events(duty.STREAM))
        self._facts: dict[int | None, dict[str, Facts]] = {}
        self._zones: dict[str, str] | None = None

    def zones(self) -> dict[str, str]:
        """Whose clock each person lives by."""
        if self._zones is None:
            self._zones = carried.zones(self.config, self.rota, self.now)
        return self._zones

    def facts(self) -> dict[str, Facts]:
        """Of the weeks by which people are chosen."""
        return self._since(None)

    def recent(self) -> dict[str, Facts]:
        """Of as many days as a limit reaches back."""
        return self._since(self.now - RECENT)

    def _since(self, since: int | None) -> dict[str, Facts]:
        if since not in self._facts:
            self._facts[since] = carried.facts(self.store, self.config, self.rota, self.now, since=since)
        return self._facts[since]

    def others(self, without: Iterable[str]) -> set[str]:
        return set(carried.candidates(self.config, self.rota, self.now)) - set(without)

    def standby(self, without: Iterable[str], end: int) -> Choice:
        """Who could have the duty from now to `end`."""
        return relief.choose(self.others(without), self.facts(), self.limits, self.now, end, work=False)

    def relieving(self, person: str, without: Iterable[str], start: int) -> Choice:
        """Who could relieve `person` at `start`, and be at work from then on."""
        end = start + (self.limits.active or WORKDAY)
        people = self.others([person, *without])
        return relief.relieving(person, people, self.facts(), self.limits, start, end)

    def page(self, incident: str, people: Sequence[str], words: str, key: str) -> Draft:
        """One after the other, until somebody acknowledges."""
        wait = self.limits.handoff or PAGED_AGAIN
        steps = tuple(Step("person", person, wait) for person in people if person)
        target = ", ".join(step.name for step in steps)
        return pages.begin(
            incident, Policy(pages.HANDOFF, steps), target=target, actor=ACTOR, text=words, key=key
        )

    def brief(self, incident: str, person: str, words: str, key: str) -> Draft:
        """Sent once to this person, by their channels."""
        policy = Policy(load.BRIEF, (Step("person", person, self.limits.handoff or PAGED_AGAIN),))
        return pages.begin(incident, policy, target=person, actor=ACTOR, text=words, key=key)

    def remind(self, person: str, words: str, key: str) -> Draft:
        """The same of something that concerns no incident, and that can wait."""
        policy = Policy(load.REMINDER, (Step("person", person, PAGED_AGAIN),))
        return pages.begin(duty.STREAM, policy, target=person, actor=ACTOR, text=words, key=key)


def oncall(kind: str, key: str, data: dict[str, Any], *, body: str = "", loud: bool = False) -> Draft:
    """An event of the stream `oncall`."""
    return Draft(
        stream=duty.STREAM, kind=kind, actor=ACTOR, data=data, body=body, key=key,
        importance="high" if loud else "normal",
    )  # fmt: skip
