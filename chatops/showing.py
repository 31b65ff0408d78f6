"""The card of an incident as it stands in a chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatops import cards, lately, presses
from chatops.surfaces.base import Post
from chatops.views import Button

if TYPE_CHECKING:
    from incidents.changelog import Changed
    from incidents.events import Event
    from incidents.store.protocol import Store


class Reader(NamedTuple):
    """The zone and now (µs) that stand in the card where a surface cannot tell an instant to each of its readers."""

    zone: str
    now: int


def incident_post(
    store: Store, name: str, zone: str, now: int, *, events: Sequence[Event] | None = None,
    changed: Sequence[Changed] | None = None,
) -> Post:  # fmt: skip
    """The incident's card, with what was changed before it and what can be pressed while it is open; `events` is its
    stream, `changed` what lately.before says of it, where these were read.

    Raises NotFound.
    """
    shown = cards.of_record(store, name, Reader(zone, now), lasting=True, events=events)
    if not shown.one.open:
        return Post(shown.card)
    if changed is None:
        changed = lately.before(store, shown.events[0])
    card = shown.card._replace(fields=(*shown.card.fields, *lately.field(changed, now)))
    return Post(card, tuple(_buttons(shown)))


def _buttons(shown: cards.Shown) -> list[Button]:
    name = shown.one.name
    seq = next(event.seq for event in reversed(shown.events) if event.kind in presses.INCIDENT_STATES)
    return [
        Button("Note", f"howdah note --incident {name} TEXT", "", name, seq, "note", form=True),
        Button("Take command", f"howdah role commander me --incident {name}", "", name, seq, "commander"),
        Button("Resolve", f"howdah resolve --incident {name} TEXT", "good", name, seq, "resolve", form=True),
    ]
