"""Overrides, swaps and absences by command: decided on the stream, recorded if nobody was quicker, told with what they
change.

What was is never changed: a span that began before now is cut to begin now. An event's `at` is its call's own instant,
so that a call repeated with the same key is recognised although `+3h` means another instant then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from incidents import clock
from incidents.errors import BadInput, IllegalTransition, KeyConflict, NotFound, Refused
from incidents.near import near_hint
from incidents.oncall import changes as by_command
from incidents.oncall import versions
from incidents.oncall.changes import STREAM, Made, Moved

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.events import Event
    from incidents.oncall.schedule import Absence, Segment
    from incidents.oncall.versions import Rota

M = TypeVar("M", bound=Made)

AHEAD = 26 * 7 * clock.DAY  # how far the effect of a change is told; a longer one counts all the same
_TRIES = 50


class Asked(NamedTuple):
    """When, as a person gave it: µs, None where they said nothing."""

    start: int | None
    end: int | None
    length: int | None = None

    def span(self, call: Call, now: int) -> tuple[int, int]:
        """[start, end) in whole seconds, cut to begin now at the earliest. Raises BadInput."""
        now = clock.whole(now)
        if (self.end is None) == (self.length is None):
            what = (
                "it is not said when it ends" if self.end is None else "--to and --for both say when it ends"
            )
            raise BadInput(what, hint="give --to TIME, or --for 8h")
        start = now if self.start is None else clock.whole(self.start)
        end = clock.whole(start + (self.length or 0) if self.end is None else self.end)
        if end <= start:
            raise BadInput(
                f"it would end {clock.iso(end, call.zone)}, not after it begins: {clock.iso(start, call.zone)}",
                hint="a time without a date is today's; write --to 2022-11-12T21:00, or --for 8h",
            )
        if end <= now:
            what = f"it would be over already: it ends {clock.iso(end, call.zone)}"
            raise BadInput(what, hint="what was is not changed")
        if end - start > clock.LONGEST:
            raise BadInput("it would last longer than 10,000 days", hint="change the schedule in the file")
        return max(start, now), end

    def agrees(self, call: Call, known: Event) -> bool:
        """Whether `known` can be what a call with the same words recorded, at its own time."""
        if self == Asked(None, None):
            return True
        shift = known.at - call.now
        starts = {self.start} if self.start is None else {self.start, self.start + shift}
        ends = {self.end} if self.end is None else {self.end, self.end + shift}
        for start in starts:
            for end in ends:
                try:
                    if Asked(start, end, self.length).span(call, known.at) == (
                        known.data["start"],
                        known.data["end"],
                    ):
                        return True
                except BadInput:
                    continue
        return False


class Decided(NamedTuple):
    """The data of an event, but for its name where it makes something; `why` are the person's words."""

    data: Mapping[str, Any]
    why: str = ""


class Done(NamedTuple):
    """What was recorded, with the rota before and after it."""

    event: Event
    before: Rota
    after: Rota

    @property
    def name(self) -> str:
        return str(self.event.data.get("name", ""))

    def moved(self, name: str, start: int, end: int) -> list[Moved]:
        """Whose time it moves in [start, end) of this schedule, as far ahead as it is told."""
        start = max(start, clock.whole(self.event.at))
        end = min(end, start + AHEAD)
        if start >= end:
            return []
        return by_command.moved(self.before.shifts(name, start, end), self.after.shifts(name, start, end))


def rota(call: Call) -> Rota:
    return versions.read(call.store, call.config, call.now)


def listed(call: Call) -> Rota:
    """The same for a list, which says what is not in it."""
    found = rota(call)
    if lost := found.changes.lost:
        what = (
            "1 change is redacted or retracted and takes"
            if lost == 1
            else f"{lost} changes are redacted or retracted and take"
        )
        call.warn(f"{what} no part any more")
    return found


def me(call: Call) -> str:
    """The person, as schedules name them."""
    return call.who.person or call.actor.shown


def schedule_named(call: Call, rota: Rota, name: str | None, person: str | None = None) -> str:
    """The schedule of that name; without one the only one, or the only one that names `person`. Raises NotFound,
    BadInput."""
    names = rota.names()
    if name is not None or not names:
        return rota.schedule(name or "", call.now).name
    if len(names) > 1 and person is not None:
        names = [one for one in names if person in rota.schedule(one, call.now).people()] or names
    if len(names) > 1:
        raise BadInput("several schedules could be meant", hint=f"name one: {', '.join(names)}")
    return names[0]


def found(made: Mapping[str, M], name: str, what: str) -> M:
    """The one of that name. Raises NotFound."""
    if name in made:
        return made[name]
    hint = near_hint(name, made) if made else f"howdah {what} list shows them"
    raise NotFound(f"there is no {what} {name}", hint=hint)


def record(call: Call, kind: str, same: Callable[[Event], bool], decide: Callable[[Rota], Decided]) -> Done:
    """Record what `decide` makes of the rota as it is; it is asked again where somebody was quicker, and what it
    raises ends it. Where the call's key was used before, the event of that time comes back if it is the `same`."""
    from incidents import timeline
    from incidents.store.protocol import StreamMoved

    key = call.places.key
    now = rota(call)
    for _ in range(_TRIES):
        known = call.store.by_key(key) if key is not None else None
        if known is not None:
            return _known(call, now, known, known.kind == kind and (known.redacted or same(known)))
        decided = decide(now)
        name = {"name": now.changes.next_name(kind)} if kind in by_command.PREFIXES else {}
        data = {**name, **decided.data}
        draft = call.draft(STREAM, kind, at=call.now, data=data, body=decided.why, key=key)
        try:
            (event,) = timeline.record(call.store, draft, expect={STREAM: now.changes.seq})
        except StreamMoved:
            now = now.also(by_command.fold(call.store.events(STREAM)))
            continue
        return _done(call, now, event)
    raise Refused("the schedule was changed faster than this could be decided", hint="repeat it")


def _known(call: Call, now: Rota, known: Event, same: bool) -> Done:
    if not same:
        what = f"the key {call.places.key!r} was used before, for {known.stream}#{known.seq}"
        raise KeyConflict(what, hint="another change needs another key")
    return _done(call, now, dataclasses.replace(known, replayed=True))


def _done(call: Call, now: Rota, event: Event) -> Done:
    events = [one for one in call.store.events(STREAM) if one.seq <= event.seq]
    return Done(event, now.also(by_command.fold(events[:-1])), now.also(by_command.fold(events)))


# -- whose time ------------------------------------------------------------------------------------------------------


def check_counts(call: Call, made: Made) -> None:
    """Raises IllegalTransition where it is over, or was cancelled."""
    by = f" by {made.ended_by}" if made.ended_by else ""
    if not made.counts:
        raise IllegalTransition(f"{made.name} was cancelled{by}: it counts no more")
    if made.end <= call.now:
        raise IllegalTransition(f"{made.name} is over since {clock.iso(made.end, call.zone)}{by}")


def ended(made: Made) -> str:
    """`; cancelled by nova`, for a list; empty where it was let be."""
    if not made.ended_by:
        return ""
    return f"; {'ended' if made.counts else 'cancelled'} by {made.ended_by}"


def layer_times(rota: Rota, name: str, person: str, start: int, end: int) -> list[tuple[int, int]]:
    """When the layers give time to `person` in [start, end), swaps counted, whatever hides it: what can be offered."""
    from incidents.oncall.resolve import Resolver

    bare = rota.schedule(name, start)._replace(union=True, overrides=(), temporary=(), absences=())
    return times_of(Resolver(bare).shifts(start, end), person)


def times_of(segments: Iterable[Segment], person: str) -> list[tuple[int, int]]:
    """The spans of these segments that have `person`, joined."""
    spans: list[tuple[int, int]] = []
    for one in segments:
        if person not in one.people:
            continue
        if spans and spans[-1][1] == one.start:
            spans[-1] = (spans[-1][0], one.end)
        else:
            spans.append((one.start, one.end))
    return spans


def absent(rota: Rota, name: str, person: str, start: int, end: int) -> list[Absence]:
    """The absences of `person` that touch [start, end), of the file and by command."""
    absences = rota.schedule(name, start).absences
    return [one for one in absences if one.user == person and one.start < end and start < one.end]
