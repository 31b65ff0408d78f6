"""The brief of whoever takes over: what is open, what was tried, what is to be decided, who has what, who was paged.

Each open incident is told by `briefing`, as `howdah summary` tells it; here is only what goes around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chatops import briefing, cards, layout
from incidents import clock
from incidents.oncall import load
from runbooks import consent

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.events import Event
    from incidents.store.protocol import IncidentRow, Store

MOST = 3  # incidents that are told in full
PAGES = 5  # that are named


def brief(store: Store, config: Config, zone: str, now: int, *, since: int, only: str | None = None) -> str:
    """Of the incident `only`, or of all that are open; with the pages since `since` (µs). Times are in `zone`."""
    rows = [row for row in store.incidents(mode="real") if row.last_at >= since or row.open]
    told = [row for row in rows if row.open] if only is None else _one(store, only)
    parts = [_incident(store, config, row, zone, now) for row in told[:MOST]]
    if len(told) > MOST:
        parts.append(_line(f"and {len(told) - MOST} more are open: howdah list --open"))
    if not told:
        parts.append("nothing is open")
    over = [row for row in rows if not row.open] if only is None else []
    around = [*_over(over, since, zone, now), *_pages(store, rows, since, zone, now, only)]
    around.append(
        f"{'times':<{briefing.NAME}} {zone}"
    )  # whoever reads it on a phone sees no zone anywhere else
    return "\n\n".join([*parts, *(["\n".join(around)] if around else [])])


def _one(store: Store, name: str) -> list[IncidentRow]:
    row = store.incident(name)
    return [row] if row is not None else []


def _incident(store: Store, config: Config, row: IncidentRow, zone: str, now: int) -> str:
    runs = [consent.read_run(store, run.run) for run in store.runs(stream=row.name)]
    events = list(store.events(row.name))
    reading = clock.read()._replace(at=now)
    return briefing.brief(events, runs, config.updates, zone, reading).text


def _over(rows: Iterable[IncidentRow], since: int, zone: str, now: int) -> list[str]:
    """What ended since then, a line each."""
    ended = [row for row in rows if row.last_at >= since]
    lines = [_line(f"{row.name} {row.status}, {row.severity}: {row.title}") for row in ended[:MOST]]
    if len(ended) > MOST:
        lines.append(_line(f"and {len(ended) - MOST} more ended"))
    return [f"{'over' if i == 0 else '':<{briefing.NAME}} {line}" for i, line in enumerate(lines)]


def _pages(
    store: Store, rows: Sequence[IncidentRow], since: int, zone: str, now: int, only: str | None
) -> list[str]:
    """Who was paged since then, the newest last."""
    found = [
        (at, f"{person}, {row.name}" if only is None else person)
        for row in rows
        for person, at in load.pages(_events(store, row.name))
        if at >= since and only in (None, row.name)
    ]
    found.sort()
    since_words = f"since {cards.short_moment(since, zone, now)}"
    if not found:
        return [f"{'pages':<{briefing.NAME}} none {since_words}"]
    shown = "; ".join(f"{cards.short_moment(at, zone, now)} {whom}" for at, whom in found[-PAGES:])
    head = f"{len(found)} {since_words}" + (", the last: " if len(found) > PAGES else ": ")
    lines = layout.wrap(layout.one_line(head + shown), briefing.WIDTH - briefing.NAME - 1)
    return [f"{'pages' if i == 0 else '':<{briefing.NAME}} {line}" for i, line in enumerate(lines)]


def _events(store: Store, name: str) -> list[Event]:
    return [event for event in store.events(name) if event.kind in ("page.started", "page.sending")]


def _line(text: str) -> str:
    return layout.cut(layout.one_line(text), briefing.WIDTH)
