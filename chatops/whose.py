"""Whom a step of a page means, asked at the instant at which it fires.

`on_call` is the one place that says who has a schedule's pages; whoever knows better than the schedule changes it here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from incidents import clock
from incidents.errors import HowdahError, StoreError
from incidents.escalation import due, pages

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.escalation.pages import Page
    from incidents.escalation.policy import Step
    from incidents.store.protocol import Store

Whom = Callable[[str, int], Sequence[str]]  # schedule, instant (µs) -> the people who have its pages then
LOST = clock.HOUR  # who could not be reached so lately is not tried first
LOOKED_THROUGH = 200  # incidents; who was paged in none of them counts as never paged


def on_call(store: Store, config: Config) -> Whom:
    """By duty: the schedule, what was changed by command, handoffs that wait, and who rests."""

    def whom(schedule: str, at: int) -> Sequence[str]:
        from incidents import answering

        return answering.on_duty(store, config, schedule, at).people

    return whom


def people(
    step: Step, at: int, store: Store, config: Config, whom: Whom, page: Page
) -> tuple[tuple[str, ...], str]:
    """The people of the step, and why there is nobody, or somebody else than it says. Raises StoreError."""
    from incidents import answering

    instead = ""
    why = ""
    if step.what in ("person", "role"):
        named = [step.name] if step.what == "person" else _in_role(config, step.name)
        why = f"nobody has the role {step.name}" if step.what == "role" else ""
        # who is asked to take over was chosen with an eye to their rest; nobody else is asked in their place
        found, instead = (
            (named, "") if page.asks_to_take_over or page.is_reminder else answering.awake(store, named, at)
        )
    else:
        try:
            means = whom(step.name, at)
            found, instead = answering.instead(store, config, step.name, means, at, page.stream)
            why = "nobody is on call"
        except StoreError:
            raise
        except HowdahError as error:  # unreadable, or no more: the next step must not wait
            found, why = [], error.message
    found = list(dict.fromkeys(found))
    if step.round_robin and len(found) > 1:
        paged, lost = last_paged(store, found)
        others = [one for one in found if lost.get(one, -1) <= max(paged.get(one, -1), at - LOST)]
        found = [due.turn(others or found, paged)]
    return tuple(found), instead if found else why


def _in_role(config: Config, role: str) -> list[str]:
    return [person.name for person in config.people.in_role(role)]


def last_paged(store: Store, wanted: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """When (µs) each of them was paged last, and when a page did not reach them, from the incidents that were written to
    last."""
    found: dict[str, int] = {}
    lost: dict[str, int] = {}
    rows = [row for row in store.incidents(limit=LOOKED_THROUGH) if row.mode == "real"]
    for row in sorted(rows, key=lambda row: row.last_at, reverse=True):
        if all(found.get(person, -1) >= row.last_at for person in wanted):
            break  # no older incident can say anything later
        pages.last_paged(store.events(row.name), found, lost)
    return found, lost
