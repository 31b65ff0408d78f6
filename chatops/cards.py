"""The cards of things: what an incident looks like wherever it is shown, and the one line that a change answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chatops import documents, layout
from chatops.views import Card, Field, Text
from chatops.views import Entry as LogEntry
from chatops.vocabulary import Reply
from incidents import clock, lifecycle, telling

if TYPE_CHECKING:
    from chatops.vocabulary import Call
    from incidents.cadence import Promise
    from incidents.events import Event
    from incidents.lifecycle import Incident, Task
    from incidents.store.protocol import LockRow, RunRow, Store
    from incidents.telling import Changes
    from incidents.timeline import Entry


class Reader(Protocol):
    """For whom a card is drawn: the zone of their clock, and now (µs)."""

    @property
    def zone(self) -> str: ...
    @property
    def now(self) -> int: ...


class _Clock(NamedTuple):
    """How a card tells instants. `lasting`: it is read later and elsewhere too, so each reader's surface tells them
    (layout.instant); the words of now and here go with them for a surface that cannot."""

    zone: str
    now: int
    lasting: bool

    def moment(self, at: int, precision: str = "s") -> str:
        return self._told(at, "moment", moment(at, self.zone, precision))

    def short(self, at: int) -> str:
        return self._told(at, "short", short_moment(at, self.zone, self.now))

    def ago(self, at: int) -> str:
        return self._told(at, "ago", ago(at, self.now))

    def _told(self, at: int, form: str, text: str) -> str:
        return layout.instant(at, form, text) if self.lasting else text


TONES = {"resolved": "good", "cancelled": "quiet", "mitigated": "warn", "monitoring": "warn"}


def tone(status: str) -> str:
    return TONES.get(status, "bad")


def moment(at: int, zone: str, precision: str = "s") -> str:
    """`Tue 13 Dec 2022 19:53:10 +01:00 (Europe/Berlin)`: nobody can read it wrong."""
    stamp = clock.iso(at, zone, precision="seconds")
    time = stamp[11:16] if precision == "min" else stamp[11:19]
    if stamp.endswith("Z"):
        return f"{clock.day_name(stamp[:10])} {time} UTC"
    return f"{clock.day_name(stamp[:10])} {time} {stamp[19:]} ({zone})"


def short_moment(at: int, zone: str, now: int) -> str:
    """`19:53`, with its day where that is not today, and its year where that is another."""
    stamp, today = (clock.iso(moment, zone, precision="seconds") for moment in (at, now))
    if stamp[:10] == today[:10]:
        return stamp[11:16]
    day = clock.day_name(stamp[:10])
    return f"{day if stamp[:4] != today[:4] else day.rpartition(' ')[0]} {stamp[11:16]}"


def ago(at: int, now: int) -> str:
    return f"{clock.words(max(0, now - at))} ago" if now - at >= clock.SECOND else "just now"


def recorded(
    call: Call, event: Event, text: str | None = None, *, given: bool = False, more: str = ""
) -> Reply:
    """The answer to a change: the event's number and what it says; `given`: its time was given, so it is echoed."""
    said = layout.cut(layout.one_line(text if text is not None else telling.sentence(event)), 200)
    if event.replayed:
        said += "  (recorded before, by this key)" if call.places.key is not None else "  (recorded before)"
    line = f"{event.stream} #{event.seq}  {said}"
    if given:
        line += f"\nat {moment(event.at, call.zone, event.precision)}"
    if more:
        line += f"\n{more}"
    return Reply(Text(line), {"event": documents.event(event)}, public=True)


class Shown(NamedTuple):
    """An incident's card and what it was made from."""

    card: Card
    one: Incident
    runs: Sequence[RunRow]
    locks: Sequence[LockRow]
    events: Sequence[Event]


def of_record(
    store: Store, name: str, reader: Reader, *, everything: bool = False, lasting: bool = False,
    events: Sequence[Event] | None = None, updates: Mapping[str, int | None] | None = None,
) -> Shown:  # fmt: skip
    """The incident as the record tells it, with its card (see `incident`); `events` is its stream, where it was read,
    `updates` how often the people outside hear of it: then the card says when they will again.

    Raises NotFound.
    """
    from chatops import reliefs
    from incidents import cadence, lifecycle, timeline

    events = list(store.events(name)) if events is None else events
    one = lifecycle.fold(events)
    runs = store.runs(stream=name)
    locks = [lock for lock in store.locks() if lock.stream == name]
    live = [entry for entry in timeline.view(events) if not entry.redacted and not entry.retracted]
    last = [("last update", entry) for entry in live if entry.event.kind == "update"][-1:]
    last += [("last note", entry) for entry in live if entry.event.kind == "note"][-1:]
    waiting = telling.asking(events)
    promise = cadence.promise(events, updates) if updates is not None else None
    told = _Clock(reader.zone, reader.now, lasting)
    card = incident(
        reader,
        one,
        runs=runs,
        locks=locks,
        notes=last,
        waiting=waiting,
        promise=promise,
        duties=reliefs.fields(store, events, reader.now, told.short) if one.open else (),
        everything=everything,
        lasting=lasting,
    )
    return Shown(card, one, runs, locks, events)


def incident(
    reader: Reader,
    one: Incident,
    *,
    runs: Sequence[RunRow] = (),
    locks: Sequence[LockRow] = (),
    notes: Sequence[tuple[str, Entry]] = (),
    waiting: Mapping[str, str] | None = None,
    promise: Promise | None = None,
    duties: Sequence[Field] = (),
    everything: bool = False,
    lasting: bool = False,
) -> Card:
    """The state of an incident on half a screen; `notes` are (name, entry) lines; `waiting` maps a run to
    the step at which it asks a person; `duties` say who relieves whom; `everything` leaves nothing out; `lasting`:
    it stands in a chat.
    """
    told = _Clock(reader.zone, reader.now, lasting)
    fields = [
        *_roles(one),
        *duties,
        *_tasks(one, everything),
        *_runs(runs, waiting or {}, everything),
        *_locks(locks, told),
        *(_milestones(one, told) if everything else ()),
        *(_note(told, name, entry) for name, entry in notes),
        *_promised(promise, told),
    ]
    return Card(
        heading(one),
        tuple(fields),
        state=state(one),
        under=_since(told, one),
        tone=tone(one.status),
    )


def heading(one: Incident) -> str:
    return f"{one.name}  {one.title or '(redacted)'}"


def state(one: Incident) -> str:
    """`drill · sev2 · mitigated`."""
    mode = () if one.mode == "real" else (one.mode,)
    return " · ".join((*mode, one.severity, one.status))


def log_entries(entries: Sequence[Entry], one: Incident, changes: Changes) -> tuple[LogEntry, ...]:
    """A timeline's entries as a reader sees them, each with what later entries said about it."""
    tasks = {task.number: task.text for task in one.tasks.values()}
    return tuple(
        LogEntry(
            entry.event.seq,
            entry.at,
            telling.who(entry.event),
            telling.sentence(entry.event, body=entry.body, tasks=tasks),
            _entry_tone(entry),
            _entry_mark(entry, changes),
            entry.event.kind.startswith(("step.", "question.")),
            entry.event.precision == "min" and entry.original_at is None,
        )
        for entry in entries
    )


_ENTRY_TONES = {
    "incident.declared": "key",
    "incident.severity": "key",
    "incident.status": "key",
    "incident.mitigated": "key",
    "incident.resolved": "good",
    "incident.reopened": "bad",
    "incident.cancelled": "quiet",
    "update": "name",
}
_STEP_TONES = {
    "ok": "good",
    "failed": "bad",
    "in_doubt": "bad",
    "again": "warn",
    "continued": "warn",
    "skipped": "quiet",
}


def _entry_tone(entry: Entry) -> str:
    event = entry.event
    if entry.retracted:
        return "struck"
    if entry.redacted:
        return "quiet"
    if event.kind in ("step.ended", "run.ended"):
        return _STEP_TONES.get(str(event.data.get("status")), "")
    return _ENTRY_TONES.get(event.kind, "")


def _entry_mark(entry: Entry, changes: Changes) -> str:
    seq = entry.event.seq
    marks = []
    said = lifecycle.MILESTONE_OF.get(entry.event.kind)  # its sentence says so
    if entry.event.milestone not in (None, said, "declared", "mitigated", "resolved"):
        marks.append(f"{entry.event.milestone}")
    if entry.corrected and seq in changes.corrected:
        by = changes.corrected[seq]
        marks.append(f"corrected by {telling.who(by)}, #{by.seq}")
    for word, found in (("retracted", changes.retracted), ("redacted", changes.redacted)):
        if seq in found:
            by = found[seq]
            marks.append(f"{word} by {telling.who(by)}, #{by.seq}" + (f": {by.body}" if by.body else ""))
    return "; ".join(marks)


def _since(told: _Clock, one: Incident) -> str:
    declared = one.milestones.get("declared", one.opened)
    text = f"declared {told.moment(declared.at, 'min')}"
    if one.closed is not None:
        return f"{text}, {one.status} after {length(declared, one.closed)}"
    return f"{text}, {told.ago(declared.at)}"


def length(start: clock.Reading, end: clock.Reading) -> str:
    """How long, in words: `~` where only the wall clock says so, `unknown` where it went backwards."""
    span = clock.between(start, end)
    return ("" if span.exact or span.micros is None else "~") + clock.words(span.micros)


def _roles(one: Incident) -> list[Field]:
    held: tuple[str, ...] = tuple(
        f"{role}: {', '.join(people)}" for role, people in one.roles.items() if people
    )
    if held:
        return [Field("roles", held)]
    return [Field("roles", ("nobody leads: howdah role commander me",), "quiet")] if one.open else []


def _tasks(one: Incident, everything: bool) -> list[Field]:
    tasks = [task for task in one.tasks.values() if everything or task.status == "open"]
    if not tasks:
        return []
    lines = [task_line(task) for task in (tasks if everything else tasks[:5])]
    if len(tasks) > len(lines):
        lines.append(f"and {len(tasks) - len(lines)} more: howdah task list")
    return [Field("tasks", tuple(lines))]


def task_line(task: Task) -> str:
    box = {"open": "[ ]", "done": "[x]", "dropped": "[-]"}[task.status]
    owner = f" ({task.owner})" if task.owner else ""
    return f"{box} {task.number}  {layout.one_line(task.text)}{owner}"


def _runs(runs: Sequence[RunRow], waiting: Mapping[str, str], everything: bool) -> list[Field]:
    shown = [row for row in runs if everything or row.status != "ended"]
    lines = []
    for row in shown:
        text = f"{row.run}  {row.runbook}  {row.status}, by {row.by}"
        if row.run in waiting:
            text = f"{row.run}  {row.runbook}  asks at {waiting[row.run]}: howdah attach {row.run}"
        lines.append(text)
    return [Field("runs", tuple(lines), "warn" if waiting else "")] if lines else []


def _locks(locks: Sequence[LockRow], told: _Clock) -> list[Field]:
    lines = tuple(f"{lock.name}  {lock.run} since {told.short(lock.since)}" for lock in locks)
    return [Field("locks", lines)] if lines else []


def _promised(promise: Promise | None, told: _Clock) -> list[Field]:
    from incidents import cadence

    if promise is None or promise.due is None:
        return []
    tone = "bad" if promise.late(told.now) else ""
    return [Field("due", (f"update at {told.short(promise.due)}, {cadence.words(promise, told.now)}",), tone)]


def _milestones(one: Incident, told: _Clock) -> list[Field]:
    found = sorted(one.milestones.items(), key=lambda pair: pair[1].at)
    width = max((len(name) for name, _ in found), default=0)
    return [Field("times", tuple(f"{name:{width}}  {told.moment(r.at)}" for name, r in found))]


def _note(told: _Clock, name: str, entry: Entry) -> Field:
    said = layout.cut(layout.one_line(entry.body), 150)
    return Field(name, (f"{told.short(entry.at)}  {telling.who(entry.event)}: {said}",))


class Looked(Protocol):
    """One thing that was looked at, as a doctor tells it: `state` is ok, note or lack, `do` the cure."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def do(self) -> str: ...


_MARKS = {"ok": ("✓", "good"), "note": ("·", "warn"), "lack": ("✗", "bad")}


def checks(looked: Sequence[Looked]) -> list[Field]:
    """What a doctor found, a field each, the cure under it; a name that stood before is not said again."""
    fields = []
    before = ""
    for one in looked:
        mark, tone = _MARKS[one.state]
        values = (f"{mark} {one.says}", *([f"→ {one.do}"] if one.do else []))
        fields.append(Field("" if one.name == before else one.name, values, tone))
        before = one.name
    return fields
