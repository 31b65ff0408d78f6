"""What an event says, in one sentence, and which events a reader of the timeline need not see.

Sentences are plain text in the words of the record; whoever prints them makes them safe for the medium.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from incidents import clock, page_words
from incidents.events import Event

CHAPTERS = {  # what a note is about -> the words before it
    "summary": "in short",
    "impact": "impact",
    "cause": "a cause",
    "well": "went well",
    "badly": "went badly",
    "luck": "luck",
    "surprise": "a surprise",
}

_ENDINGS = {
    "in_doubt": "IN DOUBT",
    "continued": "failed (continued)",
    "again": "failed, tries again",
    "checking": "ran, to be verified",
    "no": "did not happen",
}


def who(event: Event) -> str:
    """Whose doing it was, for people: the person a program acted for, else the actor."""
    return event.actor.shown


def sentence(event: Event, *, body: str | None = None, tasks: Mapping[int, str] | None = None) -> str:
    """One sentence. `body` replaces the event's own (a correction); `tasks` are the tasks' texts by number."""
    words = event.body if body is None else body
    if event.redacted:
        return "content redacted" if event.kind == "note" else f"{event.kind}, content redacted"
    teller = _TELLERS.get(event.kind)
    if teller is None:
        return _with(event.kind, words)
    return teller(event, words, tasks or {})


class Changes(NamedTuple):
    """Which later event of the stream has the last word about an entry: its seq -> that event."""

    corrected: dict[int, Event]
    retracted: dict[int, Event]
    redacted: dict[int, Event]


def changes(events: Iterable[Event]) -> Changes:
    """What was said about entries; a correction that was retracted counts no more."""
    found = Changes({}, {}, {})
    events = list(events)
    for event in events:
        if event.kind == "retraction" and event.data:
            found.retracted[event.data["target"]] = event
        elif event.kind == "redaction":
            found.redacted.update((seq, event) for seq in event.data.get("targets", ()))
    for event in events:
        if event.kind == "correction" and event.data and event.seq not in found.retracted:
            found.corrected[event.data["target"]] = event
    return found


def hidden(events: Iterable[Event]) -> set[int]:
    """The seqs of events that another event of the same stream says better."""
    gone: set[int] = set()
    started: dict[tuple[str | None, Any], int] = {}
    asked: dict[tuple[str | None, Any], int] = {}
    sent: dict[tuple[Any, ...], int] = {}
    for event in events:
        kind = event.kind
        if kind in _ALWAYS_HIDDEN:
            gone.add(event.seq)
        elif event.redacted:
            continue
        elif kind == "step.started":
            started[event.run, event.data.get("n")] = event.seq
        elif kind == "step.ended":
            if event.data.get("status") == "entered":  # a block: its steps are told
                gone.add(event.seq)
            gone.add(started.pop((event.run, event.data.get("n")), 0))
        elif kind == "page.sending":
            sent[page_words.sending(event)] = event.seq
        elif kind in ("page.delivered", "page.failed"):
            gone.add(sent.pop(page_words.sending(event), 0))
        elif kind == "question.asked":
            asked[event.run, event.data.get("question")] = event.seq
        elif kind in ("question.answered", "question.void"):
            gone.add(asked.pop((event.run, event.data.get("question")), 0))
    return gone - {0}


def asking(events: Iterable[Event]) -> dict[str, str]:
    """Runs that ask a person something -> the step of the oldest open question."""
    asked: dict[str, tuple[str, str]] = {}  # question -> (run, path)
    for event in events:
        question = str(event.data.get("question"))
        if event.kind == "question.asked" and event.run is not None:
            asked[question] = (event.run, str(event.data.get("path")))
        elif event.kind in ("question.answered", "question.void"):
            asked.pop(question, None)
        elif event.kind == "run.ended":
            asked = {name: place for name, place in asked.items() if place[0] != event.run}
    found: dict[str, str] = {}
    for run, path in asked.values():
        found.setdefault(run, path)
    return found


_ALWAYS_HIDDEN = frozenset(
    ("correction", "retraction", "redaction", "run.resumed", "run.parked", "question.void", "system.ballast")
)


Teller = Callable[[Event, str, Mapping[int, str]], str]


def _with(head: str, words: str) -> str:
    return f"{head}: {words}" if words and head else head or words


def _plain(head: str) -> Teller:
    """`head` may name fields of the data: `{severity}`."""
    return lambda event, words, tasks: _with(head.format_map(event.data), words)


def _declared(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    by = f" by {event.data['by_run']}" if event.data.get("by_run") else ""
    return f"declared {event.data['severity']}{by}: {event.data['title']}" + (f" · {words}" if words else "")


def _task(verb: str) -> Teller:
    def tell(event: Event, words: str, tasks: Mapping[int, str]) -> str:
        number, owner = event.data["task"], event.data.get("owner")
        head = f"task {number} {verb}" + (f" ({owner})" if owner else "")
        text = tasks.get(number, "")
        if event.kind == "task.added" or not words:
            return _with(head, words or text)
        return _with(head, f"{text}, {words}" if text else words)

    return tell


def _run(what: str) -> Teller:
    """A line about the run as a whole: its name first."""
    return lambda event, words, tasks: _with(f"{event.run} {what.format_map(event.data)}", words)


def _run_ended(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    return _with(f"{event.run} ended: {event.data['status']}", event.data.get("say") or words)


def _step_started(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    attempt = event.data.get("attempt", 1)
    return f"{_step(event.data)}: started" + (f", attempt {attempt}" if attempt > 1 else "")


def _step_ended(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    data, status = event.data, event.data["status"]
    parts = []
    if status not in ("ok", "skipped", "checking"):
        if data.get("signal") is not None:
            parts.append(f"signal {data['signal']}")
        elif data.get("exit") is not None:
            parts.append(f"exit {data['exit']}")
    if data.get("took") is not None:
        parts.append(took(data["took"]))
    if data.get("attempt", 1) > 1:
        parts.append(f"attempt {data['attempt']}")
    if data.get("recovered"):
        parts.append("found after a crash")
    if data.get("why"):
        parts.append(str(data["why"]))
    tail = f" ({', '.join(parts)})" if parts else ""
    return _with(f"{_step(data)}: {_ENDINGS.get(status, status)}{tail}{_changed(data)}", words)


def _changed(data: Mapping[str, Any]) -> str:
    """What it has changed; what a step only declares is told where it went well."""
    change = data.get("change")
    if not change or not (change.get("subject") or data["status"] in ("ok", "checking")):
        return ""
    from incidents import change_words

    return f" · {change_words.line(change)}"


def _step(data: Mapping[str, Any]) -> str:
    part = data.get("part", "run")
    what = (data.get("name") or data["path"]) + _of_several(data["path"])
    return what if part in ("run", "wait", "spread") else f"{part.replace('_', ' ')} of {what}"


_SEVERAL = re.compile(r"(?:\[([0-9]+)\])?(?:@([^/]+))?$")


def _of_several(path: str) -> str:
    """` on web1`, ` [2] on web1`: which one of a step that is made several times; else nothing."""
    found = _SEVERAL.search(path)
    item, host = found.groups() if found is not None else (None, None)
    return (f" [{item}]" if item is not None else "") + (f" on {host}" if host is not None else "")


def host_of(path: str) -> str:
    """The host of one that is made for several; else empty."""
    found = _SEVERAL.search(path)
    return (found[2] or "") if found is not None else ""


def _spread(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    hosts, batches = event.data["hosts"], event.data["batches"]
    items = event.data.get("items", {}).get("values", ())
    parts = [f"{len(items)} items"] if items else []
    if hosts:
        named = ", ".join(hosts[:20]) + (f" and {len(hosts) - 20} more" if len(hosts) > 20 else "")
        several = f", in batches of {', '.join(map(str, batches))}" if len(batches) > 1 else ""
        parts.append(f"on {named}{several}")
    return _with(f"{event.data['name']}: {', '.join(parts)}", words)


def took(micros: int | None) -> str:
    """A duration of a step: as clock.words, in ms below a second."""
    if micros is not None and 0 <= micros < clock.SECOND:
        return f"{micros / 1000:.0f} ms"
    return clock.words(micros)


def _asked(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    options = "/".join(event.data["options"])
    return _with(
        f"{event.data['path']}: asks {options}", words or str(event.data.get("shows", {}).get("text", ""))
    )


_ANSWERED = {
    "yes": "confirmed", "skip": "skipped", "abort": "aborted", "done": "vouched for", "retry": "runs again",
    "approve": "may go on", "decline": "declined", "retry-beside": "runs again, beside what still runs", "wait": "goes on", "stop": "is stopped",
}  # fmt: skip


def _answered(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    answer = event.data["answer"]
    return _with(f"{event.data['path']}: {_ANSWERED.get(answer, f'answered {answer}')}", words)


def _request(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    at = f" of {event.data['path']}" if event.data.get("path") else ""
    return _with(f"{event.run}: {event.data['what']}{at} asked for", words)


def _reminder(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    if event.data["what"] == "swap":
        return _with(f"nobody has taken {event.data['name']}, so it stays with {event.data['person']}", words)
    late = event.at - event.data["due"]
    since = f", {clock.words(late)} late" if late >= clock.MINUTE else ""
    whom = f", {event.data['person']}" if event.data.get("person") else ""
    return f"an update to the people outside is due{since}{whom}"


def _overridden(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    from incidents.oncall import changes

    data = event.data
    people = (data.get("users", ()), data.get("remove", ""), data.get("add", ""))
    what = changes.phrase(data["kind"], *people)
    return _with(f"{data['name']}: {data['schedule']}: {what}, {_span(data)}", words)


def _span(data: Mapping[str, Any]) -> str:
    return f"{clock.iso(data['start'], precision='seconds')} to {clock.iso(data['end'], precision='seconds')}"


def _offered(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    """The brief, which is the body, is for who takes over; the timeline says that there is one."""
    data = event.data
    what = ", ".join(data.get("roles", ())) or data.get("schedule") or "the work"
    why = {"limit": ", a limit is reached", "shift": ", a shift ends"}.get(data.get("why", ""), "")
    giver = f" from {', '.join(data['giver'])}" if data["giver"] else ""
    return f"asks {' or '.join(data['receiver'])} to take over {what}{giver}{why}"


def _stayed(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    return _with(
        f"{event.data['person']} stays until {clock.iso(event.data['until'], precision='minutes')}", words
    )


def _shielded(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    data = event.data
    cover = f"; {data['cover']} has their pages" if data.get("cover") else ""
    return _with(
        f"{data['person']} rests until {clock.iso(data['until'], precision='minutes')}{cover}", words
    )


def _overdue(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    people = [*event.data["people"], *filter(None, (event.data.get("next"),))]
    return f"NOBODY HAS TAKEN OVER {event.data['handoff']}: pages {', then '.join(people)}"


def _relief(event: Event, words: str, tasks: Mapping[int, str]) -> str:
    data = event.data
    due = clock.iso(data["due"], precision="minutes")
    limit = {"active": "active hours"}.get(data["limit"], data["limit"].replace("_", " "))
    breaks = f", AGAINST {', '.join(data['breaks'])}" if data.get("breaks") and data["relief"] else ""
    whom = f"{data['relief']} relieves" if data["relief"] else "NOBODY can relieve"
    return _with(f"{whom} {data['person']} at {due}, the limit of {limit}{breaks}", words)


_TELLERS: dict[str, Teller] = {
    **page_words.TELLERS,
    "incident.declared": _declared,
    "incident.severity": _plain("severity is {severity}"),
    "incident.status": _plain("status is {status}"),
    "incident.mitigated": _plain("mitigated"),
    "incident.resolved": _plain("resolved"),
    "incident.reopened": _plain("reopened"),
    "incident.cancelled": _plain("cancelled"),
    "note": lambda event, words, tasks: _with(CHAPTERS.get(event.data.get("about", ""), ""), words),
    "update": _plain("update"),
    "reminder.due": _reminder,
    "reminder.snoozed": lambda event, words, tasks: _with(
        f"reminders are silent until {clock.iso(event.data['until'])}", words
    ),
    "reminder.stopped": _plain("reminders are stopped"),
    "reminder.started": _plain("reminders go on"),
    "role.assigned": _plain("{person} is {role}"),
    "role.released": _plain("{person} is no longer {role}"),
    "task.added": _task("added"),
    "task.assigned": _task("assigned"),
    "task.done": _task("done"),
    "task.dropped": _task("dropped"),
    "evidence.expired": lambda event, words, tasks: _with(
        f"{len(event.data['blobs'])} old pieces of evidence destroyed, {event.data['bytes']:,} bytes", words
    ),
    "correction": _plain("corrects #{target}"),
    "retraction": _plain("retracts #{target}"),
    "redaction": lambda event, words, tasks: _with(
        "redacts " + ", ".join(f"#{seq}" for seq in event.data["targets"]), words
    ),
    "oncall.overridden": _overridden,
    "oncall.override_ended": _plain("{name} is ended"),
    "oncall.swap_offered": lambda event, words, tasks: _with(
        f"{event.data['name']}: {event.data['person']} offers {event.data['schedule']}, {_span(event.data)}",
        words,
    ),
    "oncall.swap_taken": _plain("{name}: {person} takes it"),
    "oncall.swap_withdrawn": _plain("{name} is withdrawn"),
    "oncall.absent": lambda event, words, tasks: _with(
        f"{event.data['name']}: {event.data['person']} is absent, {_span(event.data)}", words
    ),
    "oncall.absence_ended": _plain("{name} is ended"),
    "duty.joined": _plain("{person} is at work here"),
    "duty.left": _plain("{person} has left"),
    "duty.stayed": _stayed,
    "duty.released": lambda event, words, tasks: _with(
        f"NOBODY HAS TAKEN OVER {event.data['handoff']}: {', '.join(event.data['people'])} is let go", words
    ),
    "handoff.offered": _offered,
    "handoff.acknowledged": _plain("{person} has it ({handoff})"),
    "handoff.overdue": _overdue,
    "relief.named": _relief,
    "relief.shielded": _shielded,
    "relief.cover": lambda event, words, tasks: _with(
        f"morning cover for {event.data['person']}: {event.data['cover']}, by {event.data['command']}", words
    ),
    "run.started": _run("started: {runbook}"),
    "run.paused": _run("paused"),
    "run.parked": _run("waits for a person"),
    "run.resumed": _run("goes on"),
    "run.ended": _run_ended,
    "run.request": _request,
    "undo.started": _run("is being undone"),
    "step.started": _step_started,
    "step.ended": _step_ended,
    "step.spread": _spread,
    "step.overdue": _plain("{path}: overdue"),
    "question.asked": _asked,
    "question.answered": _answered,
    "question.void": _run("takes a question back"),
    "approval.given": _plain("{path}: approved"),
    "lock.released": _plain("lock {name} of {run} freed"),
}


def figure(value: object) -> str:
    """A recorded number for people: `12,340`, `−210.5`; two decimals at most."""
    whole, _, rest = str(value).lstrip("-").partition(".")
    rest = rest[:2].rstrip("0")
    return ("−" if str(value).startswith("-") else "") + f"{int(whole):,}" + (f".{rest}" if rest else "")


def watched(numbers: Mapping[str, Mapping[str, object]]) -> list[str]:
    """What became of each number that a step was watched by: `waiting 15,000 → 0 (0–16,200)`."""
    found = []
    for name, one in numbers.items():
        ends = {one["first"], one["last"]}
        around = (
            "" if {one["least"], one["most"]} <= ends else f" ({figure(one['least'])}–{figure(one['most'])})"
        )
        anew = f", {one['resets']} resets" if one.get("resets") else ""
        found.append(f"{name} {figure(one['first'])} → {figure(one['last'])}{around}{anew}")
    return found
