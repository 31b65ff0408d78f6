"""What was changed before an incident was declared: the first thing that who declares it wants to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chatops import cards, layout
from chatops.views import Field
from incidents import changelog, clock

if TYPE_CHECKING:
    from incidents.changelog import Changed
    from incidents.events import Event
    from incidents.store.protocol import Store

SHOWN = 5  # lines


def lines(store: Store, now: int) -> list[str]:
    """What runs have changed in the last 24 h, the newest first: a heading and few lines, or none."""
    told = _told(changelog.since(store, now - clock.DAY), lambda at: cards.ago(at, now))
    return ["changed in the last 24 h:", *(f"  {line}" for line in told)] if told else []


def before(store: Store, declared: Event) -> list[Changed]:
    """What runs had changed in the 24 h before this declaration, as the record had it then; of an exercise, or of what
    is entered afterwards, nothing."""
    if declared.mode != "real":
        return []
    return changelog.since(store, declared.recorded_at - clock.DAY, upto=declared.pos)


def field(found: Sequence[Changed], now: int) -> list[Field]:
    """The same for a card, which others read later and elsewhere."""
    told = _told(found, lambda at: layout.instant(at, "ago", cards.ago(at, now)))
    return [Field("changed", tuple(told))] if told else []


def _told(found: Sequence[Changed], ago: Callable[[int], str]) -> list[str]:
    told = [f"{ago(one.at)}  {layout.one_line(one.line)}, by {one.by} ({one.run})" for one in found[:SHOWN]]
    return [*told, f"and {len(found) - SHOWN} more: howdah changes"] if len(found) > SHOWN else told
