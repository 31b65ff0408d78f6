"""Who has a schedule's pages now: by duty, which is another fact than the schedule, and by what people can bear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from incidents import carried, clock
from incidents.errors import NotFound
from incidents.oncall import active, duty, relief, versions

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.oncall.duty import Duty
    from incidents.store.protocol import Store


def on_duty(store: Store, config: Config, schedule: str, at: int) -> Duty:
    """Who carries the duty of the schedule at `at` (µs). Raises NotFound, StoreError."""
    rota = versions.read(store, config, at)
    return duty.on_duty(schedule, rota, store.events(duty.STREAM), at, config.limits)


def awake(store: Store, people: Sequence[str], at: int) -> tuple[list[str], str]:
    """Whom a page at `at` goes to that names `people`: they themselves, but for whoever rests, who is stood in for;
    and the reasons. Where nobody else is left it goes to them all the same. Raises StoreError."""
    resting = duty.shields(store.events(duty.STREAM), at)
    found: list[str] = []
    reasons = []
    for person in people:
        until = clock.iso(resting[person].until, precision="minutes") if person in resting else ""
        (one,), _ = duty.covered([person], resting, at)
        if one not in resting:
            found.append(one)
        if until:
            has = f", {one} has their pages" if one != person else ""
            reasons.append(f"{person} rests until {until}{has}")
    return list(dict.fromkeys(found or people)), "; ".join(reasons)


def instead(
    store: Store, config: Config, schedule: str, people: Sequence[str], at: int, incident: str = ""
) -> tuple[list[str], str]:
    """Whom a page at `at` for `incident` goes to that is meant for `people`: they themselves, but for whom it would
    break a limit while another of the schedule may take it; and the reasons, empty where nobody stands in. Raises
    StoreError."""
    rota = versions.read(store, config, at)
    try:
        known = set(rota.schedule(schedule, at).people())
    except NotFound:
        return list(people), ""
    facts = carried.facts(store, config, rota, at)
    events = list(store.events(duty.STREAM))
    staying = {person for person, until in duty.staying(events).items() if until > at}
    resting = duty.shields(events, at)
    here = active.running(store.events(incident), at) if incident not in ("", duty.STREAM) else {}
    found: list[str] = []
    reasons = []
    for person in people:
        others = known - set(people) - set(found) - resting.keys()
        choice = relief.answering(person, others, facts, config.limits, at, here=person in here)
        if person in staying or not choice.person:
            found.append(person)
            continue
        found.append(choice.person)
        if choice.reason:
            stands_in = choice.person != person
            reasons.append(
                f"{choice.person} stands in for {person}; {choice.reason}" if stands_in else choice.reason
            )
    return list(dict.fromkeys(found)), "; ".join(reasons)
