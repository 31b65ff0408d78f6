"""When the people outside are to hear of an incident again: a pure fold of its log and the clock.

The promise is made by severity (`updates:` in howdah.yaml), or in an update itself (`update --next 45m`). It counts
from the last update, else from the declaration or the reopening; a severity that wants words sooner counts from its
change. An incident that is over, a drill, and what is recorded afterwards owe nobody an update.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from incidents import clock
from incidents.errors import BadInput, Mistake

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.yamlfile import Node

DEFAULTS: Mapping[str, int | None] = {
    "sev1": 30 * clock.MINUTE,
    "sev2": clock.HOUR,
    "sev3": 4 * clock.HOUR,
    "sev4": None,
    "sev5": None,
}
_ENDS = ("incident.resolved", "incident.cancelled")
NEVER = ("never", "no", "off")


@dataclasses.dataclass(slots=True)
class Promise:
    """`due` (µs) is when the next update is owed, None: none is. `every` is the severity's interval; `reminds` is
    False while nobody is to be reminded, because it was stopped or, until `quiet_until`, snoozed."""

    due: int | None = None
    every: int | None = None
    stopped: bool = False
    quiet_until: int = 0

    def late(self, now: int) -> bool:
        return self.due is not None and now >= self.due

    def reminder(self, now: int) -> int | None:
        """Which reminder is in order now: 0 at the due time, then one for each interval that has passed.

        Of those that were missed, because nothing ran, only the last counts.
        """
        if self.due is None or self.stopped or now < max(self.due, self.quiet_until):
            return None
        every = self.every or clock.HOUR
        return max(0, now - self.due) // every


def promise(events: Iterable[Event], settings: Mapping[str, int | None] = DEFAULTS) -> Promise:
    """What is owed after these events of one incident; `settings`: severity -> µs or None."""
    found = Promise()
    severity, base, given, mode, over = "", 0, None, "real", False
    for event in events:
        kind, data = event.kind, event.data
        if event.redacted:
            continue
        if kind in ("incident.declared", "incident.severity"):
            before, severity = settings.get(severity), str(data["severity"])
            after, mode = settings.get(severity), event.mode
            if kind == "incident.declared" or (after is not None and (before is None or after < before)):
                base, given = event.at, None
        elif kind == "incident.reopened":
            base, given = event.at, None
        elif kind == "update":
            base, given = max(base, event.at), data.get("next")
            found.quiet_until = 0
        elif kind == "reminder.snoozed":
            found.quiet_until = int(data["until"])
        elif kind in ("reminder.stopped", "reminder.started"):
            found.stopped, found.quiet_until = kind == "reminder.stopped", 0
        over = kind in _ENDS or (over and kind != "incident.reopened")
    found.every = settings.get(severity)
    wanted = given if given is not None else found.every
    if mode == "real" and not over and wanted:
        found.due = base + wanted
    return found


def words(promise: Promise, now: int) -> str:
    """`in 12 min`, `OVERDUE by 7 min`; empty where none is owed."""
    if promise.due is None:
        return ""
    span = clock.words(abs(promise.due - now))
    text = f"OVERDUE by {span}" if promise.late(now) else f"in {span}"
    if promise.stopped:
        return f"{text}; reminders are stopped"
    return f"{text}; snoozed" if promise.quiet_until > now else text


def parse(node: Node, path: str) -> tuple[dict[str, int | None], list[Mistake]]:
    """`updates: {sev1: 30m, sev4: never}`; what is left out has its default."""
    hint = "write `updates: {sev1: 30m, sev2: 1h, sev4: never}`"
    found: dict[str, int | None] = dict(DEFAULTS)
    if node.kind != "map":
        return found, [Mistake(path, node.line, node.column, "updates: is a map", hint)]
    wrong = []
    for word, value in node.value.items():
        key = node.keys[word]
        if word not in DEFAULTS:
            wrong.append(Mistake(path, key.line, key.column, f"updates: there is no severity {word!r}", hint))
            continue
        try:
            found[word] = _interval(value)
        except ValueError as error:
            wrong.append(Mistake(path, value.line, value.column, f"{word}: {error}", hint))
    return found, wrong


def _interval(value: Node) -> int | None:
    if value.kind in ("map", "list", "null"):
        raise ValueError("is a length of time, or never")
    text = str(value.text)
    if text in NEVER:
        return None
    try:
        micros = clock.parse_duration(text)
    except BadInput as error:
        raise ValueError(error.message) from None
    if micros < clock.MINUTE:
        raise ValueError("is at least one minute, or never")
    return micros


def document(promise: Promise) -> dict[str, Any]:
    """For `--json`."""
    return {
        "due": None if promise.due is None else clock.iso(promise.due),
        "stopped": promise.stopped,
        "quiet_until": clock.iso(promise.quiet_until) if promise.quiet_until else None,
    }
