"""The only door to write, and the timeline as people read it: corrections, retractions, redactions folded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from incidents import clock, kinds, lifecycle
from incidents.errors import BadInput, IllegalTransition, NotFound, Refused
from incidents.events import NEW_INCIDENT, Actor, Draft, Event
from incidents.store.protocol import Store, StreamMoved

_DECIDED_WITHIN = 10 * clock.SECOND  # a decision is taken again when the stream has moved on meanwhile

# What may be retracted: words about the world. What the machine did, or a fold stands on, may not.
_RETRACTABLE = ("note", "update", "correction", "incident.mitigated")
_NOT_CORRECTABLE = ("correction", "retraction", "redaction")


def record(store: Store, *drafts: Draft, expect: Mapping[str, int] | None = None) -> list[Event]:
    """Record all of `drafts`, or none, durably; a draft's milestone is filled in from its kind.

    `expect` maps streams to the last seq that the caller decided on; then StreamMoved tells it to decide again.
    Raises BadInput for a kind or data that does not exist, IncidentClosed, IllegalTransition, NotFound where the
    incident does not allow it, and what `Store.append` raises.
    """
    drafts = tuple(_with_milestone(draft) for draft in drafts)
    for draft in drafts:
        kinds.check(draft.kind, draft.data)
    past: dict[str, list[Event]] = {}
    started = clock.monotonic()
    while clock.monotonic() - started < _DECIDED_WITHIN:
        stands_on = _check(store, drafts, past)
        try:
            return store.append(drafts, expect={**stands_on, **(expect or {})})
        except StreamMoved:
            if expect:
                raise
    raise Refused("the incident changed faster than this could be decided", hint="repeat it")


def redact(store: Store, stream: str, targets: Sequence[int], why: str, actor: Actor) -> Event:
    """Destroy what these entries (seqs) and their corrections say: text, data, evidence, output; not their headers.

    Backups made earlier still hold it: `store.backups()`. Raises NotFound, Refused.
    """
    if not targets:
        raise BadInput("nothing to redact was named")
    named, mode = set(targets), "real"
    for event in store.events(stream):
        mode = event.mode
        if event.kind == "correction" and event.data.get("target") in named:
            named.add(event.seq)  # it says the same thing in other words
    draft = Draft(
        stream=stream, kind="redaction", actor=actor, body=why, data={"targets": sorted(named)}, mode=mode
    )
    kinds.check(draft.kind, draft.data)
    return store.redact(draft)


def _with_milestone(draft: Draft) -> Draft:
    milestone = lifecycle.MILESTONE_OF.get(draft.kind)
    if milestone is None or draft.milestone is not None:
        return draft
    return dataclasses.replace(draft, milestone=milestone)


def _check(store: Store, drafts: Sequence[Draft], past: dict[str, list[Event]]) -> dict[str, int]:
    """Ask the incidents that `drafts` write to; the result is what the answers stand on.

    `past` keeps what was read of them: only what is new is read when a decision is taken again.
    """
    expect: dict[str, int] = {}
    for stream in {draft.stream for draft in drafts}:
        mine = [draft for draft in drafts if draft.stream == stream]
        if not stream.startswith("inc-") or _all_known(store, mine):
            continue
        if any(_decides(draft) for draft in mine):
            seen = past.setdefault(stream, [])
            while stream != NEW_INCIDENT and (page := store.read(stream, after=len(seen))):
                seen += page
            _decide(stream, mine, seen)
            if stream != NEW_INCIDENT:
                expect[stream] = len(seen)
        elif mine[0].kind in _NEED_EXISTENCE and not store.last_seq(stream):
            raise NotFound(f"there is no incident {stream}", hint="`howdah list` shows them")
    return expect


def _all_known(store: Store, drafts: Sequence[Draft]) -> bool:
    """Whether all were recorded before: then the store gives them back, whatever has happened since."""
    return all(draft.key is not None and store.by_key(draft.key) is not None for draft in drafts)


def _decides(draft: Draft) -> bool:
    return draft.kind in lifecycle.WHEN or draft.kind in ("correction", "retraction")


_NEED_EXISTENCE = ("note",)


def _decide(stream: str, drafts: Sequence[Draft], past: Sequence[Event]) -> None:
    """Raises where the incident, after `past`, does not allow the drafts in their order."""
    incident = lifecycle.fold(past) if past else None
    for draft in drafts:
        incident = lifecycle.next_state(incident, draft)
        if draft.kind in ("correction", "retraction"):
            _check_target(stream, draft, past)


def _check_target(stream: str, draft: Draft, past: Sequence[Event]) -> None:
    target = draft.data["target"]
    if not 1 <= target <= len(past):
        raise NotFound(f"{stream} has no entry {target}")
    event = past[target - 1]
    where = f"{stream}#{target} ({event.kind})"
    if event.redacted:
        raise IllegalTransition(f"{where} is redacted: a {draft.kind} has nothing to change")
    if _retracted_by(past, target):
        raise IllegalTransition(f"{where} is retracted already")
    if draft.kind == "correction":
        if event.kind in _NOT_CORRECTABLE:
            raise IllegalTransition(f"{where} cannot be corrected", hint="correct the entry that it is about")
        if draft.data.get("body") is None and draft.data.get("at") is None:
            raise BadInput("the correction changes nothing")
    elif not (event.kind in _RETRACTABLE or event.kind.startswith("x.")):
        raise IllegalTransition(
            f"{where} cannot be retracted: others stand on it", hint="correct it, or write a note"
        )


def _retracted_by(past: Sequence[Event], target: int) -> bool:
    return any(event.kind == "retraction" and event.data.get("target") == target for event in past)


# -- views -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: the event, and what it says after all later words about it.

    `at` (µs) and `body` are effective; `original_at` and `original_body` are what the event said, None where they
    are the same. `why` is the reason given with the retraction or redaction.
    """

    event: Event
    at: int
    body: str
    corrected: bool = False
    original_at: int | None = None
    original_body: str | None = None
    retracted: bool = False
    redacted: bool = False
    why: str = ""


def entries(store: Store, stream: str) -> list[Entry]:
    """The stream's timeline, sorted by `at`, then seq. The words about words are folded in, not listed."""
    return view(store.events(stream))


def view(events: Iterable[Event]) -> list[Entry]:
    """`entries` of events that were read already.

    Of several corrections of one entry the last word on each field counts, unless it is retracted; so corrections
    of different entries, and of different fields, give the same view in any order.
    """
    events = list(events)
    retractions = {
        event.data["target"]: event for event in events if event.kind == "retraction" and event.data
    }
    reasons = {seq: e.body for e in events if e.kind == "redaction" for seq in e.data.get("targets", [])}
    corrections: dict[int, list[Mapping[str, Any]]] = {}
    for event in events:
        if event.kind == "correction" and event.data and event.seq not in retractions:
            corrections.setdefault(event.data["target"], []).append(event.data)
    found = [
        _entry(event, corrections.get(event.seq, []), retractions.get(event.seq), reasons)
        for event in events
        if event.kind not in _NOT_CORRECTABLE
    ]
    return sorted(found, key=lambda entry: (entry.at, entry.event.seq))


def _entry(
    event: Event, corrections: list[Mapping[str, Any]], retraction: Event | None, reasons: Mapping[int, str]
) -> Entry:
    at, body = event.at, event.body
    for correction in corrections:
        at = at if correction.get("at") is None else correction["at"]
        body = body if correction.get("body") is None or event.redacted else correction["body"]
    why = retraction.body if retraction else ""
    return Entry(
        event,
        at,
        body,
        corrected=(at, body) != (event.at, event.body),
        original_at=event.at if at != event.at else None,
        original_body=event.body if body != event.body else None,
        retracted=retraction is not None,
        redacted=event.redacted,
        why=reasons.get(event.seq, "") if event.redacted else why,
    )
