"""An incident is a fold of its events: `next_state(incident, event)`, and nothing else decides its status.

`WHEN` is the one table of what may happen when; what it does not allow is an error that names both sides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from incidents.clock import Reading
from incidents.errors import BadInput, IllegalTransition, IncidentClosed, NotFound
from incidents.events import NEW_INCIDENT, Draft, Event

OPEN_STATUSES = ("investigating", "identified", "monitoring", "mitigated")
CLOSED_STATUSES = ("resolved", "cancelled")
SETTABLE_STATUSES = ("investigating", "identified", "monitoring")  # by incident.status

STATUS_AFTER = {
    "incident.declared": "investigating",
    "incident.mitigated": "mitigated",
    "incident.resolved": "resolved",
    "incident.cancelled": "cancelled",
    "incident.reopened": "investigating",
}

# The milestone that an event of this kind is, unless its writer says another.
MILESTONE_OF = {
    "incident.declared": "declared",
    "incident.mitigated": "mitigated",
    "incident.resolved": "resolved",
    "page.acknowledged": "acknowledged",
}


class Task(NamedTuple):
    """`status` is open, done or dropped; `added` and `ended` are µs, `by` who added it."""

    number: int
    text: str
    owner: str | None
    status: str
    added: int
    ended: int | None
    by: str


class Mark(NamedTuple):
    """An event said when a milestone was."""

    seq: int
    milestone: str
    reading: Reading


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What the events up to `last_seq` say. `people` are the humans who wrote, in order of their first word."""

    name: str
    title: str
    severity: str
    status: str
    mode: str
    opened: Reading
    closed: Reading | None = None
    by_run: str | None = None
    roles: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    tasks: Mapping[int, Task] = dataclasses.field(default_factory=dict)
    people: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    corrected_at: tuple[tuple[int, int, int], ...] = ()  # (seq of the correction, its target, the new µs)
    retracted: frozenset[int] = frozenset()
    last_seq: int = 0

    @property
    def open(self) -> bool:
        return self.status not in CLOSED_STATUSES

    @property
    def milestones(self) -> dict[str, Reading]:
        """When each milestone was, corrections and retractions folded.

        The first acknowledgement counts, of the others the last word. A time that was set by hand has the boot
        `unknown`: only the wall clock knows it.
        """
        moved = {t: at for seq, t, at in sorted(self.corrected_at) if seq not in self.retracted}
        found: dict[str, Reading] = {}
        for mark in self.marks:
            if mark.seq in self.retracted or (mark.milestone == "acknowledged" and "acknowledged" in found):
                continue
            at = moved.get(mark.seq)
            found[mark.milestone] = mark.reading if at is None else Reading(at, "unknown", 0)
        return found

    @property
    def next_task(self) -> int:
        return max(self.tasks, default=0) + 1


def status_after(kind: str, data: Mapping[str, Any]) -> str | None:
    """The status that an event of this kind leaves; None where it leaves it alone (or is redacted)."""
    if kind == "incident.status":
        return data.get("status")
    return STATUS_AFTER.get(kind)


NONE, OPEN, CLOSED = "no incident", "an open incident", "a closed incident"

# kind -> the states in which it may happen; the other kinds may happen to any incident
WHEN: dict[str, tuple[str, ...]] = {
    "incident.declared": (NONE,),
    "incident.severity": (OPEN,),
    "incident.status": (OPEN,),
    "incident.mitigated": (OPEN,),
    "incident.resolved": (OPEN,),
    "incident.cancelled": (OPEN,),
    "incident.reopened": (CLOSED,),
    "update": (OPEN,),
    "reminder.due": (OPEN,),
    "reminder.snoozed": (OPEN,),
    "reminder.stopped": (OPEN,),
    "reminder.started": (OPEN,),
    "role.assigned": (OPEN,),
    "role.released": (OPEN,),
    "task.added": (OPEN,),
    "task.assigned": (OPEN,),
    "task.done": (OPEN,),
    "task.dropped": (OPEN,),
    "run.started": (OPEN,),
    "duty.joined": (OPEN,),
    "handoff.offered": (OPEN,),
    "handoff.acknowledged": (OPEN,),
    "handoff.overdue": (OPEN,),
    "relief.named": (OPEN,),
    "page.started": (OPEN,),
    "page.acknowledged": (OPEN,),
    "page.escalated": (OPEN,),
}


def next_state(incident: Incident | None, item: Event | Draft) -> Incident:
    """The incident after `item`. Raises IncidentClosed, IllegalTransition, NotFound, BadInput."""
    _check_when(incident, item)
    if incident is None:
        after = _declare(item)
    else:
        change = _CHANGES.get(item.kind)
        after = change(incident, item) if change else incident
    actor, milestone = item.actor, item.milestone or MILESTONE_OF.get(item.kind)
    seq = item.seq if isinstance(item, Event) else after.last_seq + 1
    people, marks = after.people, after.marks
    if actor.type == "human" and actor.id not in people:
        people = (*people, actor.id)
    if milestone:
        marks = (*marks, Mark(seq, milestone, _reading(item)))
    return dataclasses.replace(after, people=people, marks=marks, last_seq=seq)


def fold(events: Iterable[Event]) -> Incident:
    """The incident that all of a stream's events make. Raises NotFound for an empty stream."""
    incident: Incident | None = None
    for event in events:
        incident = next_state(incident, event)
    if incident is None:
        raise NotFound("there is no such incident", hint="`howdah list` shows them")
    return incident


def _check_when(incident: Incident | None, item: Event | Draft) -> None:
    name = item.stream
    state = NONE if incident is None else OPEN if incident.open else CLOSED
    allowed = WHEN.get(item.kind, (OPEN, CLOSED))
    if state in allowed:
        return
    if incident is None:
        raise NotFound(f"there is no incident {name}", hint="`howdah list` shows them")
    if state == CLOSED:
        raise IncidentClosed(
            f"{name} is {incident.status}: {item.kind} is not possible",
            hint=f"howdah reopen --incident {name} WHY",
        )
    raise IllegalTransition(f"{name} is {incident.status}: {item.kind} needs {' or '.join(allowed)}")


def _declare(item: Event | Draft) -> Incident:
    name = "" if item.stream == NEW_INCIDENT else item.stream
    return Incident(
        name=name,
        title=item.data.get("title", ""),
        severity=item.data.get("severity", ""),
        status=STATUS_AFTER[item.kind],
        mode=item.mode,
        opened=_reading(item),
        by_run=item.data.get("by_run"),
    )


def _reading(item: Event | Draft) -> Reading:
    """The monotonic clock counts only for what was recorded when it happened."""
    if isinstance(item, Event) and item.at == item.recorded_at:
        return Reading(item.at, item.boot, item.mono)
    return Reading(item.at or 0, "unknown", 0)


# -- what each kind changes --------------------------------------------------------------------------------


def _severity(incident: Incident, item: Event | Draft) -> Incident:
    return dataclasses.replace(incident, severity=item.data.get("severity", incident.severity))


def _status(incident: Incident, item: Event | Draft) -> Incident:
    status = item.data.get("status", incident.status)
    if item.data and status not in SETTABLE_STATUSES:
        raise BadInput(
            f"{status!r} is not a status that can be set",
            hint=f"one of {', '.join(SETTABLE_STATUSES)}; mitigate, resolve, cancel have words of their own",
        )
    return dataclasses.replace(incident, status=status)


def _mitigated(incident: Incident, item: Event | Draft) -> Incident:
    if incident.status == "mitigated":
        raise IllegalTransition(f"{item.stream} is mitigated already: {item.kind} changes nothing")
    return dataclasses.replace(incident, status="mitigated")


def _close(incident: Incident, item: Event | Draft) -> Incident:
    return dataclasses.replace(incident, status=STATUS_AFTER[item.kind], closed=_reading(item))


def _reopen(incident: Incident, item: Event | Draft) -> Incident:
    over = ("mitigated", "recovered", "resolved")
    marks = tuple(mark for mark in incident.marks if mark.milestone not in over)
    return dataclasses.replace(incident, status=STATUS_AFTER[item.kind], closed=None, marks=marks)


def _role_assigned(incident: Incident, item: Event | Draft) -> Incident:
    return _role(incident, item, add=True)


def _role_released(incident: Incident, item: Event | Draft) -> Incident:
    return _role(incident, item, add=False)


def _role(incident: Incident, item: Event | Draft, *, add: bool) -> Incident:
    if not item.data:
        return incident  # redacted
    role, person = item.data["role"], item.data["person"]
    holders = incident.roles.get(role, [])
    if add == (person in holders):
        raise IllegalTransition(
            f"{person} {'has' if add else 'does not have'} the role {role} of {item.stream}"
        )
    holders = [*holders, person] if add else [one for one in holders if one != person]
    return dataclasses.replace(incident, roles={**incident.roles, role: holders})


def _task_added(incident: Incident, item: Event | Draft) -> Incident:
    if not item.data:
        return incident  # redacted
    number = item.data["task"]
    if number in incident.tasks:
        raise IllegalTransition(f"{item.stream} has a task {number} already")
    task = Task(number, item.body, item.data.get("owner"), "open", item.at or 0, None, item.actor.id)
    return dataclasses.replace(incident, tasks={**incident.tasks, number: task})


def _task_changed(incident: Incident, item: Event | Draft) -> Incident:
    if not item.data:
        return incident  # redacted
    number = item.data["task"]
    task = incident.tasks.get(number)
    if task is None:
        raise NotFound(f"{item.stream} has no task {number}")
    if task.status != "open":
        raise IllegalTransition(f"task {number} of {item.stream} is {task.status}: {item.kind} needs it open")
    if item.kind == "task.assigned":
        task = task._replace(owner=item.data["owner"])
    else:
        task = task._replace(status=item.kind.removeprefix("task."), ended=item.at or 0)
    return dataclasses.replace(incident, tasks={**incident.tasks, number: task})


def _corrected(incident: Incident, item: Event | Draft) -> Incident:
    at = item.data.get("at")
    if at is None:
        return incident
    seq = item.seq if isinstance(item, Event) else incident.last_seq + 1
    return dataclasses.replace(
        incident, corrected_at=(*incident.corrected_at, (seq, item.data["target"], at))
    )


def _retracted(incident: Incident, item: Event | Draft) -> Incident:
    if not item.data:
        return incident  # redacted
    return dataclasses.replace(incident, retracted=incident.retracted | {item.data["target"]})


_CHANGES: dict[str, Callable[[Incident, Event | Draft], Incident]] = {
    "incident.severity": _severity,
    "incident.status": _status,
    "incident.mitigated": _mitigated,
    "incident.resolved": _close,
    "incident.cancelled": _close,
    "incident.reopened": _reopen,
    "role.assigned": _role_assigned,
    "role.released": _role_released,
    "task.added": _task_added,
    "task.assigned": _task_changed,
    "task.done": _task_changed,
    "task.dropped": _task_changed,
    "correction": _corrected,
    "retraction": _retracted,
}
