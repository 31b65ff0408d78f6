"""What `--json` says: plain documents of the record's things (docs/json.md).

Instants are RFC 3339 in UTC with microseconds, durations integer µs, names as in the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incidents import clock
from incidents.documents import event as event
from incidents.documents import instant, present

if TYPE_CHECKING:
    from incidents.lifecycle import Incident
    from incidents.store.protocol import IncidentRow, LockRow, RunRow
    from incidents.timeline import Entry


def stamp(at: int) -> str:
    """An instant of a schedule, and as a command takes it: whole seconds without a fraction."""
    return clock.iso(at, precision="microseconds" if at % clock.SECOND else "seconds")


def entry(entry: Entry) -> dict[str, Any]:
    """An event as the timeline shows it: `at` and `body` as corrected, and what was done to it."""
    return present(
        {
            **event(entry.event),
            "at": clock.iso(entry.at),
            "body": entry.body,
            "corrected": entry.corrected,
            "original_at": instant(entry.original_at),
            "original_body": entry.original_body,
            "retracted": entry.retracted,
            "why": entry.why or None,
        }
    )


def incident(one: Incident) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "severity": one.severity,
        "status": one.status,
        "mode": one.mode,
        "open": one.open,
        "declared_at": clock.iso(one.opened.at),
        "closed_at": instant(one.closed.at if one.closed else None),
        "roles": {role: list(people) for role, people in one.roles.items() if people},
        "tasks": [
            {
                "task": task.number,
                "text": task.text,
                "owner": task.owner,
                "status": task.status,
                "added_at": clock.iso(task.added),
                "ended_at": instant(task.ended),
            }
            for task in one.tasks.values()
        ],
        "milestones": {name: clock.iso(reading.at) for name, reading in one.milestones.items()},
        "people": list(one.people),
        "last_seq": one.last_seq,
    }


def row(row: IncidentRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "severity": row.severity,
        "status": row.status,
        "mode": row.mode,
        "declared_at": clock.iso(row.opened_at),
        "last_at": clock.iso(row.last_at),
    }


def run(row: RunRow) -> dict[str, Any]:
    return {
        "run": row.run,
        "incident": row.stream,
        "runbook": row.runbook,
        "status": row.status,
        "started_at": clock.iso(row.started_at),
        "by": row.by,
        "locks": list(row.locks),
    }


def lock(row: LockRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "run": row.run,
        "incident": row.stream,
        "since": clock.iso(row.since),
        "by": row.by,
    }
