"""The incident itself: declare it, say how it stands, end it, find it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.params import When
from chatops.views import Column, Stack, Table, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from incidents.events import Event

AT = params.time()
INCIDENT = params.incident()
WHY = params.text("text", "What to add; - reads it from standard input.", place=True, rest=True, dashed=True)


@command(
    "declare",
    "Open an incident.",
    params.text("title", "What is wrong, in one line.", place=True, rest=True, required=True),
    params.severity(default="sev3"),
    params.time(help="When it was declared, where that was earlier."),
    params.flag("drill", "An exercise: it pages nobody and stays out of the figures."),
    params.flag("retrospective", "Recorded afterwards, from notes: with --at, and note --at."),
    params.flag("page_real", "With --drill: it may wake people."),
    group="incident",
    last_good=True,
    details="Severity is sev3 unless you say more; change it later with `howdah sev`. A second incident may be "
    "open at the same time; then the other words ask which one is meant.",
)
def declare(
    call: Call, title: str, sev: str, at: When | None, drill: bool, retrospective: bool, page_real: bool
) -> Reply:
    from chatops import cards, lately, layout
    from incidents import timeline
    from incidents.errors import BadInput
    from incidents.events import NEW_INCIDENT

    if drill and retrospective:
        raise BadInput("--drill and --retrospective exclude each other")
    if page_real and not drill:
        raise BadInput("--page-real is for drills", hint="other incidents page as it is")
    title = layout.one_line(title)
    if layout.cells(title) > 200:
        raise BadInput("the title is longer than 200 characters", hint="put the rest into a note")
    draft = call.draft(
        NEW_INCIDENT,
        "incident.declared",
        data={"title": title, "severity": sev, **({"page_real": True} if page_real else {})},
        mode="drill" if drill else "retrospective" if retrospective else "real",
        **params.happened(at),
    )
    (event,) = timeline.record(call.store, draft)
    _page(call, sev)
    named = f" --incident {event.stream}" if drill else ""
    more = f"next: howdah note{named} TEXT · howdah role{named} commander me · howdah status{named}"
    if event.mode == "real" and not event.replayed:
        more = "\n".join([*lately.lines(call.store, call.now), more])
    return cards.recorded(call, event, given=at is not None, more=more)


@command(
    "status",
    "Show how the incident stands; with a word: say how it stands.",
    params.choice("word", "investigating, identified or monitoring.", params.STATUSES, place=True),
    AT,
    INCIDENT,
    group="incident",
    last_good=True,
)
def status(call: Call, word: str | None, at: When | None, incident: str | None) -> Reply:
    from chatops import instead, which

    if word is not None:
        instead.same_rules(call)
        return _change(call, incident, "incident.status", at, data={"status": word})
    return _show_incident(call, which.to_read(call, incident).name, everything=False)


@command(
    "sev",
    "Change the severity.",
    params.severity("level", place=True, required=True),
    params.text("why", "Why."),
    AT,
    INCIDENT,
    group="incident",
)
def sev(call: Call, level: str, why: str | None, at: When | None, incident: str | None) -> Reply:
    reply = _change(call, incident, "incident.severity", at, data={"severity": level}, body=why or "")
    _page(call, level)
    return reply


def _page(call: Call, severity: str) -> None:
    """Where a policy wakes people for this severity and no process runs the timers, they are woken from here."""
    if any(severity in policy.severities for policy in call.config.escalation.values()):
        from chatops import paging, timers

        for event in timers.at_once(call):
            if event.kind != "page.sending":
                call.warn(paging.line(event))


@command(
    "mitigate", "The users are no longer hurt; the cause may remain.", WHY, AT, INCIDENT, group="incident"
)
def mitigate(call: Call, text: str | None, at: When | None, incident: str | None) -> Reply:
    return _change(call, incident, "incident.mitigated", at, body=text or "")


@command(
    "resolve", "It is over. Prints the record's head, to keep elsewhere.", WHY, AT, INCIDENT, group="incident"
)
def resolve(call: Call, text: str | None, at: When | None, incident: str | None) -> Reply:
    from chatops import cards, which

    event = _end(call, incident, "incident.resolved", at, text)
    after = which.named(call, event.stream)
    head = call.store.head()
    mark = f"{head.pos}:{head.hash}"
    lines = []
    if after.closed is not None:
        lines.append(
            f"{event.stream} took {cards.length(after.milestones.get('declared', after.opened), after.closed)}"
        )
    left = [task for task in after.tasks.values() if task.status == "open"]
    if left:
        lines.append(f"still open: {len(left)} task{'s' if len(left) > 1 else ''}, kept for the postmortem")
    lines.append(f"head {mark}")
    lines.append(f"next: howdah postmortem {event.stream}")
    reply = cards.recorded(call, event, given=at is not None, more="\n".join(lines))
    document = {**(reply.document or {}), "head": {"pos": head.pos, "hash": head.hash, "expect": mark}}
    return Reply(reply.view, document, public=True)


def _end(call: Call, incident: str | None, kind: str, at: When | None, text: str | None) -> Event:
    """Record the end. What it stands on (no run is open) holds at that very moment: else it is looked at again."""
    from chatops import which
    from incidents import timeline
    from incidents.errors import Refused
    from incidents.store.protocol import StreamMoved

    for _ in range(20):
        one = which.to_write(call, incident)
        _nothing_runs(call, one.name, kind.partition(".")[2])
        draft = call.draft(one, kind, body=text or "", key=call.places.key, **params.happened(at))
        try:
            (event,) = timeline.record(call.store, draft, expect={one.name: one.last_seq})
        except StreamMoved:
            continue
        return event
    raise Refused("the incident changes faster than this can be decided", hint="repeat it")


def _nothing_runs(call: Call, name: str, word: str) -> None:
    """Raises Refused, LockHeld: an incident is not over while its runs are not."""
    from incidents.errors import LockHeld, Refused

    for row in call.store.runs(stream=name, open_only=True):
        raise Refused(
            f"{name} cannot be {word}: {row.run} ({row.runbook}) is {row.status}",
            hint=f"look at it with howdah attach {row.run}, or end it with howdah abort {row.run}",
        )
    for lock in call.store.locks():
        if lock.stream == name:
            raise LockHeld(
                f"{name} cannot be {word}: {lock.run} still holds the lock {lock.name}",
                hint=f"howdah unlock {lock.name} --why TEXT",
            )


@command("reopen", "It was not over.", WHY, AT, INCIDENT, group="incident")
def reopen(call: Call, text: str | None, at: When | None, incident: str | None) -> Reply:
    from chatops import which

    name = which.to_reopen(call, incident).name
    return _change(call, name, "incident.reopened", at, body=text or "")


@command("cancel", "It was no incident.", WHY, AT, INCIDENT, group="incident")
def cancel(call: Call, text: str | None, at: When | None, incident: str | None) -> Reply:
    from chatops import cards

    event = _end(call, incident, "incident.cancelled", at, text)
    return cards.recorded(call, event, given=at is not None)


def _change(call: Call, incident: str | None, kind: str, at: When | None, *,
            body: str = "", data: dict[str, object] | None = None) -> Reply:  # fmt: skip
    from chatops import cards, which
    from incidents import timeline

    one = which.to_write(call, incident)
    draft = call.draft(one, kind, data=data or {}, body=body, **params.happened(at))
    (event,) = timeline.record(call.store, draft)
    return cards.recorded(call, event, given=at is not None)


@command(
    "list",
    "The incidents, newest first.",
    params.flag("open", "Only those that are open."),
    params.number("limit", "How many at most.", default=20),
    group="incident",
    permission="read",
    writes=False,
    last_good=True,
)
def list_incidents(call: Call, open: bool, limit: int) -> Reply:
    from chatops import cards, documents

    rows = call.store.incidents(status="open" if open else None, limit=limit)
    table = Table(
        (Column("incident"), Column("sev"), Column("status"), Column("declared"), Column("title", grow=True)),
        tuple(
            (
                row.name,
                row.severity,
                row.status if row.mode == "real" else f"{row.status} ({row.mode})",
                cards.short_moment(row.opened_at, call.zone, call.now),
                row.title,
            )
            for row in rows
        ),
        empty="no incident is open" if open else "no incident was ever declared here",
        tones=tuple("" if row.open else "quiet" for row in rows),
    )
    return Reply(table, {"incidents": [documents.row(row) for row in rows]})


@command(
    "show",
    "Everything about an incident, or about a run.",
    params.text("id", "inc-7 or run-abc234.", place=True, metavar="ID"),
    group="incident",
    permission="read",
    writes=False,
    last_good=True,
)
def show(call: Call, id: str | None) -> Reply:
    from chatops import which

    if id is not None and id.strip().lower().startswith("run-"):
        return _show_run(call, params.run().parse(id, call))
    name = params.incident().parse(id, call) if id is not None else None
    return _show_incident(call, which.to_read(call, name).name, everything=True)


def _show_incident(call: Call, name: str, *, everything: bool) -> Reply:
    from chatops import cards, documents
    from incidents import cadence

    shown = cards.of_record(call.store, name, call, everything=everything, updates=call.config.updates)
    document = {
        "incident": documents.incident(shown.one),
        "runs": [documents.run(row) for row in shown.runs],
        "locks": [documents.lock(row) for row in shown.locks],
        "update": cadence.document(cadence.promise(shown.events, call.config.updates)),
    }
    return Reply(shown.card, document)


def _show_run(call: Call, name: str) -> Reply:
    from chatops import cards, documents
    from chatops.views import Card, Field
    from incidents.errors import NotFound
    from incidents.postmortem import collect

    row = call.store.run(name)
    if row is None:
        raise NotFound(f"there is no run {name}", hint="howdah show INC lists the runs of an incident")
    (found,) = (run for run in collect.runs(call.store.events(row.stream)) if run.name == name)
    steps = Table(
        (Column("step"), Column("result"), Column("took", right=True), Column("what", grow=True)),
        tuple(
            (step.path, step.result, step.took_words, ": ".join(filter(None, (step.name, step.detail))))
            for step in found.steps
        ),
        empty="no step has begun",
    )
    changed = tuple(one.line for step in found.steps for one in step.changes)
    diffs = [one for step in found.steps for one in step.changes if one.change.get("diff")]
    fields = [
        Field("incident", (row.stream,)),
        Field("runbook", (f"{found.runbook} (sha256 {found.digest[:12]})",)),
        Field("started", (f"{cards.moment(row.started_at, call.zone)}, by {row.by}",)),
        *([Field("inputs", tuple(f"{k}={v}" for k, v in found.inputs.items()))] if found.inputs else []),
        *([Field("locks", tuple(row.locks))] if row.locks and row.status != "ended" else []),
        *([Field("changed", changed)] if changed else []),
    ]
    card = Card(f"{row.run}  {row.runbook}", tuple(fields), state=found.status)
    document = {
        **documents.run(row),
        "status": found.status,
        "steps": [step.document() for step in found.steps],
    }
    more = [Text(f"{one.host} {one.change['what']}\n{one.change['diff']}", exact=True) for one in diffs]
    return Reply(Stack((card, steps, *more)), {"run": document})
