"""What runs have changed, read from the record: where, what, from which value to which, by whom, whether with an undo."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import change_words, clock, telling

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.store.protocol import Store

_LOST = {  # how a step ended -> why nobody can say that what it declares holds
    "": "it has not ended", "failed": "the step failed", "again": "the step failed", "continued": "the step failed",
    "in_doubt": "nobody knows whether it happened", "no": "it did not happen, by verify",
    "redacted": "its outcome was redacted",
}  # fmt: skip
_UNDONE = (("undo", "undone"), ("undo_verify", "ok"))


class Changed(NamedTuple):
    """One change by one attempt of a step. `change` is its record; `undo` says that it took the step back, `undone`
    that another one did so since; `at` in µs is when it ended, else when it began; `status` is empty until then."""

    at: int
    incident: str
    run: str
    step: str
    host: str
    by: str
    status: str
    undo: bool
    change: Mapping[str, Any]
    undone: bool = False

    @property
    def same(self) -> bool:
        return bool(self.change.get("same"))

    @property
    def old(self) -> str:
        """The value before; in its place that it is not known."""
        return str(self.change.get("from") or ("unknown" if self.change.get("subject") else ""))

    @property
    def new(self) -> str:
        """The value after, or why it is not known."""
        why = f" ({self.change['unknown']})" if self.change.get("unknown") else ""
        if change_words.nothing(self.change):
            return "unchanged" if self.same else f"not read{why}"
        return f"{self.change.get('to') or ('unknown' if self.change.get('subject') else '')}{why}".strip()

    @property
    def taken_back(self) -> str:
        """Whether there is a way back: yes, no, or that it was gone already."""
        if self.undo or self.undone:
            return "is the undo" if self.undo else "undone"
        return "yes" if self.change.get("undo") else "no"

    @property
    def line(self) -> str:
        """`web1 /etc/app.conf: 8 bytes → 14 bytes, +1 −0 lines; can be undone`."""
        told = {**self.change, "undo": self.taken_back == "yes"}
        more = {"is the undo": " (by undo)", "undone": "; undone since"}.get(self.taken_back, "")
        return f"{self.host} {change_words.line(told)}{more}"

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        told = self.change
        return {
            "at": clock.iso(self.at), "incident": self.incident, "run": self.run, "step": self.step, "host": self.host,
            "by": self.by, "what": told["what"], "kind": told.get("subject") or "other", "from": told.get("from"),
            "to": told.get("to"), "unknown": told.get("unknown"), "same": self.same, "diff": told.get("diff"),
            "undo": self.taken_back == "yes", "by_undo": self.undo, "undone": self.undone, "status": self.status or None,
        }  # fmt: skip


def fold(events: Iterable[Event]) -> list[Changed]:
    """The changes of these events of one stream, in the order in which they began. Of an attempt whose intent or outcome
    was redacted the other one tells what it has."""
    found: dict[tuple[str, Any], Changed] = {}
    for event in events:
        if event.run is None or event.kind not in ("step.started", "step.ended"):
            continue
        if event.redacted:
            key = (event.run, _attempt_of(event))
            if event.kind == "step.ended" and key in found:
                found[key] = _redacted(found[key], event)
            continue
        data, key = event.data, (event.run, event.data.get("n"))
        part = data.get("part", "run")
        if event.kind == "step.started":
            if (data.get("change") or {}).get("what"):
                found[key] = _begun(event)
            continue
        if key not in found and (data.get("change") or {}).get("what"):
            found[key] = _begun(event)  # its intent was redacted
        if key in found:
            found[key] = _ended(found[key], event)
        if (part, data["status"]) in _UNDONE or (part, data["status"]) == ("verify", "no"):
            last = _undone if part != "verify" else _refuted
            found |= {
                k: last(one) for k, one in found.items() if k[0] == event.run and one.step == data["path"]
            }
    return list(found.values())


def _attempt_of(event: Event) -> int | None:
    """The attempt that a redacted event is about: its key, which stays, says so."""
    start, _, number = event.key.rpartition(":")
    return int(number) if start.startswith(f"{event.run}:") and number.isdecimal() else None


def _begun(event: Event) -> Changed:
    data = event.data
    host = data.get("host") or telling.host_of(data["path"]) or event.host
    return Changed(
        event.at, event.stream, str(event.run), data["path"], host, telling.who(event), "",
        data.get("part", "run") == "undo", _told(data["change"], ""),
    )  # fmt: skip


def _redacted(one: Changed, event: Event) -> Changed:
    known = {name: value for name, value in one.change.items() if value not in _LOST.values()}
    return one._replace(at=event.at, status="redacted", change=_told(known, "redacted"))


def _ended(one: Changed, event: Event) -> Changed:
    """With its outcome; one that is told later, or by an older howdah, says nothing of the change itself."""
    known = {name: value for name, value in one.change.items() if value not in _LOST.values()}
    status = event.data["status"]
    return one._replace(at=event.at, status=status, change=_told(event.data.get("change") or known, status))


def _told(change: Mapping[str, Any], status: str) -> dict[str, Any]:
    """What the engine has read stands as it is; what a step declares holds only where that went well."""
    found = dict(change)
    if found.get("subject"):
        if status in ("", "redacted"):
            found.setdefault("unknown", _LOST[status])
        return found
    if status in _LOST:
        found["unknown"] = _LOST[status]
    return found


def _undone(one: Changed) -> Changed:
    return one._replace(undone=not one.undo)


def _refuted(one: Changed) -> Changed:
    return one if one.change.get("subject") else one._replace(change=_told(one.change, "no"))


def since(
    store: Store, start: int, *, modes: frozenset[str] = frozenset(("real",)), upto: int | None = None
) -> list[Changed]:
    """What was changed at `start` (µs) or later, the newest first; without what was found unchanged, or could not be read at all. `upto`: as the
    record had it at this position."""
    runs = {row.stream for row in store.runs()}
    streams = [row.name for row in store.incidents() if row.last_at >= start and row.name in runs]
    found = [
        one
        for stream in streams
        for one in fold(event for event in _upto(store, stream, upto) if event.mode in modes)
        if one.at >= start and not change_words.nothing(one.change)
    ]
    return sorted(found, key=lambda one: (one.at, one.run), reverse=True)


def _upto(store: Store, stream: str, upto: int | None) -> Iterable[Event]:
    events = store.events(stream)
    return events if upto is None else itertools.takewhile(lambda event: event.pos <= upto, events)
