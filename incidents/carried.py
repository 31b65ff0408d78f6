"""What people have carried, read from the record and the schedules: the facts on which limits and reliefs are decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from incidents import clock
from incidents.errors import NotFound
from incidents.oncall import load, relief, windows
from incidents.oncall.duty import STREAM
from incidents.oncall.schedule import Span
from incidents.oncall.strain import Facts

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.events import Event
    from incidents.oncall.versions import Rota
    from incidents.store.protocol import Store

AHEAD = 14 * clock.DAY  # duties that are planned count as far as this


def facts(
    store: Store, config: Config, rota: Rota, now: int, *, since: int | None = None
) -> dict[str, Facts]:
    """person -> what they carried from `since` (µs; else the weeks that a relief is chosen by) until now, and what is
    planned for them. Everybody who is configured, on a schedule, or in the log. Raises StoreError."""
    since = now - relief.WEEKS * 7 * clock.DAY if since is None else since
    duties: dict[str, list[Span]] = {}
    away: dict[str, list[Span]] = {}
    for name in rota.names():
        for absence in rota.schedule(name, now).absences:
            away.setdefault(absence.user, []).append((absence.start, absence.end))
        for segment in rota.shifts(name, since, now + AHEAD):
            for person in segment.people:
                duties.setdefault(person, []).append((segment.start, segment.end))
    joined = {person: windows.joined(sorted(spans)) for person, spans in duties.items()}
    return load.facts(zones(config, rota, now), joined, log(store, since), now, absences=away)


def zones(config: Config, rota: Rota, now: int) -> dict[str, str]:
    """person -> whose clock they live by: their own, else that of the first schedule that names them. Reads no log."""
    found: dict[str, str] = {}
    for name in rota.names():
        schedule = rota.schedule(name, now)
        for person in schedule.people():
            found.setdefault(person, schedule.zone)
    return found | {one.name: one.zone or found.get(one.name, "UTC") for one in config.people}


def log(store: Store, since: int) -> Iterator[list[Event]]:
    """The events of each real incident that was written to after `since` (µs), and of the stream `oncall`."""
    for row in store.incidents(mode="real"):
        if row.last_at >= since:
            yield list(store.events(row.name))
    yield list(store.events(STREAM))


def candidates(config: Config, rota: Rota, now: int) -> list[str]:
    """Who may be asked to relieve somebody: everybody on a schedule; without schedules everybody who is configured."""
    found: set[str] = set()
    for name in rota.names():
        try:
            found |= set(rota.schedule(name, now).people())
        except NotFound:
            continue
    return sorted(found) or sorted(config.people.names())


def zone_of(config: Config, people: Iterable[str], usual: str = "UTC") -> str:
    """The zone in which to write to these people: the first that is known."""
    return next((one.zone for name in people if (one := config.people.get(name)) and one.zone), usual)
