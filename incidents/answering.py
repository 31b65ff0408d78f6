"""Who has a schedule's pages now: by duty, which is another fact than the schedule, and by what people can bear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from incidents import carried
from incidents.errors import NotFound
from incidents.oncall import duty, relief, versions

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.oncall.duty import Duty
    from incidents.store.protocol import Store


def on_duty(store: Store, config: Config, schedule: str, at: int) -> Duty:
    """Who carries the duty of the schedule at `at` (µs). Raises NotFound, StoreError."""
    rota = versions.read(store, config, at)
    return duty.on_duty(schedule, rota, store.events(duty.STREAM), at, config.limits)


def instead(
    store: Store, config: Config, schedule: str, people: Sequence[str], at: int
) -> tuple[list[str], str]:
    """Whom a page at `at` goes to that is meant for `people`: they themselves, but for whom it would break a limit
    while another of the schedule may take it; and the reasons, empty where nobody stands in. Raises StoreError."""
    rota = versions.read(store, config, at)
    try:
        known = set(rota.schedule(schedule, at).people())
    except NotFound:
        return list(people), ""
    facts = carried.facts(store, config, rota, at)
    staying = {person for person, until in duty.staying(store.events(duty.STREAM)).items() if until > at}
    found: list[str] = []
    reasons = []
    for person in people:
        others = known - set(people) - set(found)
        choice = relief.answering(person, others, facts, config.limits, at)
        if person in staying or not choice.person:
            found.append(person)
            continue
        found.append(choice.person)
        if choice.reason:
            reasons.append(
                f"instead of {person} {choice.reason}" if choice.person != person else choice.reason
            )
    return list(dict.fromkeys(found)), "; ".join(reasons)
