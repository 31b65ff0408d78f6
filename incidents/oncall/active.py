"""Who is at work in an incident, and since when: a pure fold of its events.

A person's clock runs from taking a role, acknowledging a page or a handoff, or `howdah join`, until their last role is
given back or handed over, they leave, or the incident ends. Of whom it does not run their own words count, half an hour
each: whoever writes in an incident works in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from incidents import clock
from incidents.oncall import windows
from incidents.oncall.schedule import STREAM, Span

if TYPE_CHECKING:
    from incidents.events import Event

WORD = 30 * clock.MINUTE  # what one's own word counts for
_ENDS = ("incident.resolved", "incident.cancelled")
_BEGINS = ("page.acknowledged", "handoff.acknowledged", "duty.joined")


class _Fold:
    def __init__(self) -> None:
        self.since: dict[str, int] = {}  # whose clock runs
        self.roles: dict[str, set[str]] = {}
        self.spans: dict[str, list[Span]] = {}
        self.open = True
        self.ended = 0

    def begin(self, person: str, at: int) -> None:
        if person and self.open:
            self.since.setdefault(person, at)

    def stop(self, person: str, at: int) -> None:
        begin = self.since.pop(person, None)
        self.roles.pop(person, None)
        if begin is not None:
            self.spans.setdefault(person, []).append((begin, at))

    def role(self, person: str, role: str, at: int, *, taken: bool) -> None:
        if taken:
            self.roles.setdefault(person, set()).add(role)
            self.begin(person, at)
            return
        left = self.roles.get(person, set())
        left.discard(role)
        if not left:
            self.stop(person, at)

    def word(self, person: str, at: int) -> None:
        """Cut where the incident ends, in `close`."""
        if self.open and person not in self.since:
            self.spans.setdefault(person, []).append((at, at + WORD))

    def close(self, at: int) -> None:
        for person in list(self.since):
            self.stop(person, at)
        self.cut(at)
        self.open = False

    def cut(self, at: int) -> None:
        self.spans = {
            person: [(a, min(b, at)) for a, b in spans if a < at] for person, spans in self.spans.items()
        }


def at_work(events: Iterable[Event], now: int) -> dict[str, tuple[Span, ...]]:
    """person -> when they worked in this incident, sorted, up to `now` (µs). Drills are nobody's work."""
    fold = _folded(events, now)
    for person in list(fold.since):
        fold.stop(person, now)
    fold.cut(now)
    joined = {
        person: windows.joined(sorted(s for s in spans if s[0] < s[1]))
        for person, spans in fold.spans.items()
    }
    return {person: tuple(spans) for person, spans in sorted(joined.items()) if spans}


def running(events: Iterable[Event], now: int) -> dict[str, int]:
    """person -> since when their clock runs in this incident."""
    return dict(sorted(_folded(events, now).since.items()))


def _folded(events: Iterable[Event], now: int) -> _Fold:
    fold = _Fold()
    for event in events:
        if event.mode != "real" or event.at > now:
            continue
        kind, data, at = event.kind, event.data, event.at
        if kind in ("role.assigned", "role.released") and data:
            fold.role(str(data["person"]), str(data["role"]), at, taken=kind == "role.assigned")
        elif kind in _BEGINS and event.stream != STREAM:  # to have a shift is duty, and no work yet
            fold.begin(str(data.get("person") or event.actor.shown), at)
        elif kind == "duty.left":
            fold.stop(str(data.get("person") or event.actor.shown), at)
            continue  # to say that one leaves is no work
        elif kind in _ENDS:
            fold.close(at)
        elif kind == "incident.reopened":
            fold.open = True
        if event.actor.type == "human":
            fold.word(event.actor.shown, at)
    return fold
