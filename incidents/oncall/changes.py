"""What was changed by command: overrides, swaps and absences as a pure fold of the stream `oncall`.

They take part exactly as those of the file, after them, in the order in which they were recorded (docs/oncall.md,
rules 7 to 10). The fold is total: a word about something that is not there, or that was decided before, changes
nothing. A retracted or redacted event counts as if it had never been said, and what is said about it neither.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents.oncall.schedule import OVERRIDES, Absence, Override, Schedule, Segment, Swap
from incidents.oncall.schedule import STREAM as STREAM

if TYPE_CHECKING:
    from incidents.events import Event

PREFIXES = {  # kind of event -> how the things that it makes are called, with a number
    "oncall.overridden": "ov",
    "oncall.swap_offered": "sw",
    "oncall.absent": "ab",
}
OPEN, TAKEN, PAST_DUE, WITHDRAWN = "open", "taken", "past_due", "deleted"  # of a swap, as in a file


def phrase(kind: str, users: Sequence[str], remove: str, add: str) -> str:
    """What an override does, in words: `nova instead of hazel`."""
    return {
        "replace_all": f"only {', '.join(users) or 'nobody'}",
        "replace_user": f"{add} instead of {remove}",
        "add_user": f"{add} too",
        "remove_user": f"without {remove}",
    }.get(kind, kind)


@dataclasses.dataclass(slots=True)
class Made:
    """One override, swap or absence as it stands. `start` and `end` are µs, half-open, as they count now: one that
    was ended early has that as its end, and one that never began has no length.

    `schedule` is empty for an absence, which holds in all of them. `by` is whose doing it was, `why` their words.
    """

    name: str
    schedule: str
    start: int
    end: int
    by: str
    why: str
    seq: int
    at: int
    asked: tuple[int, int] = (0, 0)  # start and end as they were when it was made
    ended_by: str = ""

    @property
    def counts(self) -> bool:
        return self.start < self.end

    def words(self) -> str:
        """What it is, in a few words."""
        return self.schedule


@dataclasses.dataclass(slots=True)
class MadeOverride(Made):
    kind: str = ""
    level: int = 0
    users: tuple[str, ...] = ()
    remove: str = ""
    add: str = ""

    def people(self) -> set[str]:
        """Whom it names; of a replace_all nobody, as in rule 10."""
        return {self.remove, self.add} - {""}

    def words(self) -> str:
        return f"{self.schedule}: {phrase(self.kind, self.users, self.remove, self.add)}"

    def override(self) -> Override:
        return Override(
            self.kind, self.start, self.end, self.level, self.users, self.remove, self.add, self.name
        )


@dataclasses.dataclass(slots=True)
class MadeSwap(Made):
    """`to` and `since` (µs) once it is taken: the part before `since` stays with who offered it."""

    giver: str = ""
    to: str = ""
    since: int = 0
    withdrawn: bool = False

    def words(self) -> str:
        return f"{self.schedule}: {self.giver} → {self.to or '?'}"

    def status(self, now: int) -> str:
        if self.withdrawn:
            return WITHDRAWN
        if self.to:
            return TAKEN
        return PAST_DUE if self.start <= now else OPEN

    def can_be_taken(self, now: int) -> bool:
        """For what remains of it."""
        return not self.withdrawn and not self.to and now < self.end

    def swap(self) -> Swap:
        start = max(self.start, self.since)
        return Swap(self.giver, self.to, start, max(start, self.end), TAKEN, self.name)


@dataclasses.dataclass(slots=True)
class MadeAbsence(Made):
    user: str = ""

    def words(self) -> str:
        return f"{self.user} is absent"

    def absence(self) -> Absence:
        return Absence(self.user, self.start, self.end, self.why, self.name)


class Changes(NamedTuple):
    """All that was made by command, by name, in the order of recording. `seq` is the last event of the stream;
    `numbers` the last number of each prefix, given away for ever; `lost` how many no longer take part because they
    are redacted or retracted."""

    overrides: Mapping[str, MadeOverride] = {}
    swaps: Mapping[str, MadeSwap] = {}
    absences: Mapping[str, MadeAbsence] = {}
    seq: int = 0
    numbers: Mapping[str, int] = {}
    lost: int = 0

    def everything(self) -> list[Made]:
        return [*self.overrides.values(), *self.swaps.values(), *self.absences.values()]

    def next_name(self, kind: str) -> str:
        prefix = PREFIXES[kind]
        return f"{prefix}-{self.numbers.get(prefix, 0) + 1}"

    def applied(self, schedule: Schedule) -> Schedule:
        """`schedule` with what was made for it: the same as if it stood in the file, after what stands there."""
        mine = schedule.name
        overrides = tuple(
            one.override() for one in self.overrides.values() if one.schedule == mine and one.counts
        )
        taken = (one.swap() for one in self.swaps.values() if one.schedule == mine and one.to)
        swaps = tuple(one for one in taken if one.start < one.end)
        absences = tuple(one.absence() for one in self.absences.values() if one.counts)
        if not (overrides or swaps or absences):
            return schedule
        return schedule._replace(
            overrides=schedule.overrides + overrides,
            swaps=schedule.swaps + swaps,
            absences=schedule.absences + absences,
        )


NONE = Changes()


def fold(events: Iterable[Event]) -> Changes:
    """What stands after these events of the stream; what is no change of the schedule is passed over."""
    events = list(events)
    void = {event.data.get("target") for event in events if event.kind == "retraction"}
    words = {
        e.data.get("target"): e.data["body"]
        for e in events
        if e.kind == "correction" and e.seq not in void and e.data.get("body") is not None
    }
    folding = _Folding()
    seq = 0
    for event in events:
        seq = max(seq, event.seq)
        folding.number(event)
        teller = _FOLDS.get(event.kind)
        if teller is None:
            continue
        if event.redacted or event.seq in void:
            folding.lost += 1
            continue
        teller(folding, event, str(words.get(event.seq, event.body)))
    return Changes(
        folding.overrides, folding.swaps, folding.absences, seq, dict(folding.numbers), folding.lost
    )


class _Folding:
    def __init__(self) -> None:
        self.overrides: dict[str, MadeOverride] = {}
        self.swaps: dict[str, MadeSwap] = {}
        self.absences: dict[str, MadeAbsence] = {}
        self.numbers: dict[str, int] = {}
        self.lost = 0

    def number(self, event: Event) -> None:
        """Each of these events used one number up, whatever became of it."""
        prefix = PREFIXES.get(event.kind)
        if prefix is None:
            return
        _, _, given = str(event.data.get("name", "")).rpartition("-")
        count = self.numbers.get(prefix, 0) + 1
        self.numbers[prefix] = max(count, int(given) if given.isdecimal() and len(given) < 10 else 0)


def _made(event: Event, why: str) -> dict[str, Any]:
    data = event.data
    span = (data["start"], data["end"])
    return {
        "name": data["name"],
        "schedule": data.get("schedule", ""),
        "start": span[0],
        "end": span[1],
        "asked": span,
        "by": event.actor.shown,
        "why": why,
        "seq": event.seq,
        "at": event.at,
    }


def _overridden(folding: _Folding, event: Event, why: str) -> None:
    data = event.data
    if data["kind"] in OVERRIDES and data["name"] not in folding.overrides:
        folding.overrides[data["name"]] = MadeOverride(
            **_made(event, why),
            kind=data["kind"],
            level=data.get("level", 0),
            users=tuple(data.get("users", ())),
            remove=data.get("remove", ""),
            add=data.get("add", ""),
        )


def _absent(folding: _Folding, event: Event, why: str) -> None:
    if event.data["name"] not in folding.absences:
        made = MadeAbsence(**_made(event, why), user=event.data["person"])
        folding.absences[made.name] = made


def _offered(folding: _Folding, event: Event, why: str) -> None:
    if event.data["name"] not in folding.swaps:
        made = MadeSwap(**_made(event, why), giver=event.data["person"])
        folding.swaps[made.name] = made


def _taken(folding: _Folding, event: Event, why: str) -> None:
    swap = folding.swaps.get(event.data["name"])
    if swap is not None and not swap.to and not swap.withdrawn:
        swap.to, swap.since = event.data["person"], event.data["start"]


def _withdrawn(folding: _Folding, event: Event, why: str) -> None:
    swap = folding.swaps.get(event.data["name"])
    if swap is not None and not swap.to:
        swap.withdrawn, swap.ended_by = True, event.actor.shown


def _end(made: Made | None, event: Event) -> None:
    if made is not None and event.data["end"] < made.end:
        made.end = max(made.start, event.data["end"])
        made.ended_by = event.actor.shown


_FOLDS: dict[str, Callable[[_Folding, Event, str], None]] = {
    "oncall.overridden": _overridden,
    "oncall.override_ended": lambda f, event, why: _end(f.overrides.get(event.data["name"]), event),
    "oncall.swap_offered": _offered,
    "oncall.swap_taken": _taken,
    "oncall.swap_withdrawn": _withdrawn,
    "oncall.absent": _absent,
    "oncall.absence_ended": lambda f, event, why: _end(f.absences.get(event.data["name"]), event),
}


class Moved(NamedTuple):
    """In [start, end) these people instead of those."""

    start: int
    end: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def moved(before: Iterable[Segment], after: Iterable[Segment]) -> list[Moved]:
    """Where two answers over the same span differ, neighbours that differ in the same way joined."""
    found: list[Moved] = []
    old, new = list(before), list(after)
    i = j = 0
    while i < len(old) and j < len(new):
        start, end = max(old[i].start, new[j].start), min(old[i].end, new[j].end)
        was, now = old[i].people, new[j].people
        if start < end and was != now:
            last = found[-1] if found else None
            if last and last.end == start and (last.before, last.after) == (was, now):
                found[-1] = last._replace(end=end)
            else:
                found.append(Moved(start, end, was, now))
        if old[i].end <= new[j].end:
            i += 1
        else:
            j += 1
    return found
