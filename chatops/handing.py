"""Duty by the clock: handoffs at the end of a shift, reliefs before a limit, cover in the morning after, swaps still open.

Pure calculators say what is due (incidents/oncall: handoff, strain, relief); `shift_ends`, `relieving` and
`open_swaps` make drafts of it, here they become events, each with a key by which any number of processes make one event of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from chatops import open_swaps, relieving, shift_ends
from chatops.seen import Seen
from incidents import clock, timeline
from incidents.errors import NotFound, Refused
from incidents.reminding import Paced
from incidents.store.protocol import KeyUsed

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.events import Draft, Event
    from incidents.store.protocol import Store


def handing(store: Store, config: Callable[[], Config], *, every: int = 5 * clock.SECOND) -> Paced:
    """`look`, for a loop."""
    return Paced(lambda now: look(store, config(), now), every=every)


def look(store: Store, config: Config, now: int) -> list[Event]:
    """Records what is due at `now` (µs), and returns it. Raises StoreError."""
    made: list[Event] = []
    for drafts in _due(Seen(store, config, now)):
        if all(draft.key is not None and store.by_key(draft.key) is not None for draft in drafts):
            continue
        try:
            made += [event for event in timeline.record(store, *drafts) if not event.replayed]
        except (KeyUsed, Refused, NotFound):  # another process said it; the incident has ended
            continue
    return made


def _due(seen: Seen) -> Iterator[list[Draft]]:
    for name in seen.rota.names():
        yield from shift_ends.edges(seen, name)
    for row in seen.store.incidents(status="open", mode="real"):
        yield from relieving.due(seen, row.name)
    for name in seen.rota.names():
        yield from shift_ends.mornings(seen, name)
    yield from open_swaps.due(seen)
