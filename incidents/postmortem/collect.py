"""From the log to the document that a postmortem is written from: all facts, no wording of a medium.

Every duration is a Span: by the monotonic clock within one boot, by the wall clock (`exact` False) otherwise, None
where nobody can tell. Corrections and retractions are folded; what was redacted is named as redacted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import kinds, lifecycle, telling, timeline
from incidents.clock import MINUTE, Reading, Span, between
from incidents.events import MILESTONES, Event
from incidents.lifecycle import Incident, Task
from incidents.postmortem.steps import Run, runs

if TYPE_CHECKING:
    from incidents.store.protocol import Head, Store
    from incidents.timeline import Entry

__all__ = ["Document", "collect", "runs"]

# What people ask first: (its name, from, to); one that ends with a milestone of RARE only where that is known
INTERVALS = (
    ("until it was noticed", "started", "detected"),
    ("until a monitor said so", "started", "alerted"),
    ("until it was declared", "detected", "declared"),
    ("until somebody took it", "declared", "acknowledged"),
    ("until it hurt nobody", "declared", "mitigated"),
    ("until it worked again", "declared", "recovered"),
    ("until it was over", "declared", "resolved"),
    ("from start to end", "started", "resolved"),
)


RARE = ("alerted",)


class Milestone(NamedTuple):
    """`seq` is the entry that says so; `by_hand`: the time was given by a person, not read from a clock."""

    name: str
    reading: Reading
    seq: int
    by_hand: bool

    @property
    def precision(self) -> str:
        return _precision(self.reading.at) if self.by_hand else "us"


class Interval(NamedTuple):
    """`missing` names the milestones that nobody recorded; then `span` is unknown. `turned`: the end came first."""

    name: str
    start: str
    end: str
    span: Span
    missing: tuple[str, ...]
    turned: bool = False


class Change(NamedTuple):
    """Another event said something about an entry."""

    seq: int
    who: str
    why: str


class Line(NamedTuple):
    """One entry of the timeline. `at` and `text` are as corrected; `first_text`, `first_at` as first written.

    `words` are the person's own, without what the kind adds. `about` is the chapter that it was written for, `until`
    when what began `at` was over.
    """

    seq: int
    at: int
    until: int | None
    about: str
    precision: str
    who: str
    kind: str
    text: str
    words: str
    run: str | None
    milestone: str | None
    corrected: Change | None
    retracted: Change | None
    redacted: Change | None
    first_text: str
    first_at: int


class Person(NamedTuple):
    """`did` is what they did, in words, most first; `first` and `last` (µs) their first and last word, if any."""

    name: str
    roles: tuple[str, ...]
    did: tuple[str, ...]
    first: int | None
    last: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Everything a postmortem of one incident can say. `severities` is every severity it had, in order, `lines` the timeline,
    `chapters` what was written for one (kinds.ABOUT) and was not taken back."""

    incident: Incident
    severities: tuple[tuple[int, str], ...]
    milestones: tuple[Milestone, ...]
    intervals: tuple[Interval, ...]
    updates: tuple[Line, ...]
    lines: tuple[Line, ...]
    chapters: Mapping[str, tuple[Line, ...]]
    runs: tuple[Run, ...]
    people: tuple[Person, ...]
    tasks: tuple[Task, ...]
    head: Head
    declared_by: str
    last_hash: str

    @property
    def name(self) -> str:
        return self.incident.name

    @property
    def declared_at(self) -> int:
        return self.incident.milestones.get("declared", self.incident.opened).at

    @property
    def whole(self) -> Span:
        """From the declaration to the end, unknown while it is open."""
        incident = self.incident
        if incident.closed is None:
            return Span(None, False)
        return between(incident.milestones.get("declared", incident.opened), incident.closed)

    @property
    def inexact(self) -> bool:
        """Whether a duration here is by the wall clock only."""
        spans = [interval.span for interval in self.intervals] + [
            self.whole,
            *(run.took for run in self.runs),
        ]
        return any(span.micros is not None and not span.exact for span in spans)

    @property
    def can_be_given(self) -> str:
        """The first milestone without a time that a note can still give; empty when there is none."""
        found = self.incident.milestones
        return next(
            (name for name in ("started", "detected", "acknowledged", "recovered") if name not in found), ""
        )

    @property
    def mark(self) -> str:
        """The head in the form that `verify --expect` takes."""
        return f"{self.head.pos}:{self.head.hash}"


def collect(store: Store, name: str) -> Document:
    """The document of the incident as it is recorded now. Raises NotFound."""
    head = store.head()
    return document(list(store.events(name)), head)


def document(events: list[Event], head: Head) -> Document:
    """The document that these events of one stream make; `head` is the record's when they were read."""
    incident = lifecycle.fold(events)
    lines = _lines(events, timeline.view(events), incident)
    return Document(
        incident=incident,
        severities=tuple(
            (event.at, str(event.data["severity"]))
            for event in events
            if event.kind in ("incident.declared", "incident.severity") and not event.redacted
        ),
        milestones=_milestones(incident, events),
        intervals=_intervals(incident.milestones),
        updates=tuple(line for line in lines if line.kind == "update" and not line.retracted),
        lines=tuple(line for line in lines if not line.about),
        chapters={
            about: tuple(line for line in lines if line.about == about and not line.retracted)
            for about in kinds.ABOUT
        },
        runs=tuple(runs(events)),
        people=_people(events, incident),
        tasks=tuple(incident.tasks.values()),
        head=head,
        declared_by=telling.who(events[0]),
        last_hash=events[-1].hash,
    )


def _precision(at: int) -> str:
    """How exactly a time was meant that a person gave."""
    return "s" if at % MINUTE else "min"


def _milestones(incident: Incident, events: list[Event]) -> tuple[Milestone, ...]:
    found = []
    for name, reading in incident.milestones.items():
        seqs = [
            mark.seq
            for mark in incident.marks
            if mark.milestone == name and mark.seq not in incident.retracted
        ]
        seq = seqs[0] if name == "acknowledged" else seqs[-1]
        found.append(Milestone(name, reading, seq, reading.boot == "unknown"))
    return tuple(sorted(found, key=lambda one: (one.reading.at, MILESTONES.index(one.name))))


def _intervals(milestones: Mapping[str, Reading]) -> tuple[Interval, ...]:
    found = []
    for name, start, end in INTERVALS:
        if end in RARE and end not in milestones:
            continue
        missing = tuple(one for one in (start, end) if one not in milestones)
        span = Span(None, False) if missing else between(milestones[start], milestones[end])
        turned = not missing and span.micros is None and _by_hand(milestones[start], milestones[end])
        found.append(Interval(name, start, end, span, missing, turned))
    return tuple(found)


def _by_hand(*readings: Reading) -> bool:
    """Whether a person gave one of the times: then no clock went back, things happened in another order."""
    return any(reading.boot == "unknown" for reading in readings)


def _lines(events: list[Event], entries: Iterable[Entry], incident: Incident) -> tuple[Line, ...]:
    gone = telling.hidden(events)
    tasks = {task.number: task.text for task in incident.tasks.values()}
    changes = telling.changes(events)
    lines = []
    for entry in entries:
        event = entry.event
        if event.seq in gone:
            continue
        lines.append(
            Line(
                event.seq,
                entry.at,
                event.until,
                str(event.data.get("about") or "") if event.kind == "note" else "",
                event.precision if entry.at == event.at else _precision(entry.at),
                telling.who(event),
                event.kind,
                telling.sentence(event, body=entry.body, tasks=tasks),
                entry.body,
                event.run,
                event.milestone,
                _change(changes.corrected.get(event.seq)) if entry.corrected else None,
                _change(changes.retracted.get(event.seq)),
                _change(changes.redacted.get(event.seq)),
                telling.sentence(event, tasks=tasks),
                event.at,
            )
        )
    return tuple(lines)


def _change(event: Event | None) -> Change | None:
    return None if event is None else Change(event.seq, telling.who(event), event.body)


_DEEDS = {  # kind -> what one is, what several are
    "note": ("1 note", "{} notes"),
    "update": ("1 update", "{} updates"),
    "incident.declared": ("declared it", ""),
    "incident.severity": ("1 severity change", "{} severity changes"),
    "incident.status": ("1 status change", "{} status changes"),
    "incident.mitigated": ("mitigated it", "mitigated it {} times"),
    "incident.resolved": ("resolved it", "resolved it {} times"),
    "incident.reopened": ("reopened it", "reopened it {} times"),
    "incident.cancelled": ("cancelled it", "cancelled it {} times"),
    "role.assigned": ("1 role given", "{} roles given"),
    "task.added": ("1 task added", "{} tasks added"),
    "task.done": ("1 task done", "{} tasks done"),
    "run.started": ("1 run started", "{} runs started"),
    "question.answered": ("1 question answered", "{} questions answered"),
    "correction": ("1 correction", "{} corrections"),
    "retraction": ("1 retraction", "{} retractions"),
    "redaction": ("1 redaction", "{} redactions"),
}


def _people(events: list[Event], incident: Incident) -> tuple[Person, ...]:
    """Everyone who wrote, and everyone who had a role, in order of their first word."""
    deeds: dict[str, dict[str, int]] = {}
    seen: dict[str, tuple[int, int]] = {}
    roles: dict[str, list[str]] = {}
    for event in events:
        data: Mapping[str, Any] = event.data
        if event.kind == "role.assigned" and not event.redacted:
            held = roles.setdefault(str(data["person"]), [])
            if data["role"] not in held:
                held.append(str(data["role"]))
        if event.actor.type != "human":
            continue
        name = event.actor.shown
        first, last = seen.get(name, (event.at, event.at))
        seen[name] = (min(first, event.at), max(last, event.at))
        if event.kind in _DEEDS:
            counts = deeds.setdefault(name, {})
            counts[event.kind] = counts.get(event.kind, 0) + 1
    names = [*seen, *(name for name in roles if name not in seen)]
    return tuple(
        Person(
            name,
            tuple(roles.get(name, ())),
            tuple(_deed(kind, count) for kind, count in _most_first(deeds.get(name, {}))),
            *seen.get(name, (None, None)),
        )
        for name in names
    )


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Most often first; of equals in the order of _DEEDS."""
    order = list(_DEEDS)
    return sorted(counts.items(), key=lambda pair: (-pair[1], order.index(pair[0])))


def _deed(kind: str, count: int) -> str:
    one, several = _DEEDS[kind]
    return one if count == 1 or not several else several.format(count)
