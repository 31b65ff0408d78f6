"""What was changed before an incident was declared: the first thing that who declares it wants to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import cards, layout
from incidents import changelog, clock

if TYPE_CHECKING:
    from incidents.store.protocol import Store

SHOWN = 5  # lines


def lines(store: Store, now: int) -> list[str]:
    """What runs have changed in the last 24 h, the newest first: a heading and few lines, or none."""
    found = changelog.since(store, now - clock.DAY)
    told = [
        f"  {cards.ago(one.at, now)}  {layout.one_line(one.line)}, by {one.by} ({one.run})"
        for one in found[:SHOWN]
    ]
    if len(found) > SHOWN:
        told.append(f"  and {len(found) - SHOWN} more: howdah changes")
    return ["changed in the last 24 h:", *told] if told else []
