"""How a driver comes to its run: a new one from its start, or one whose driver died from the record."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from incidents import hosts, kinds, telling
from incidents.errors import BadInput, IncidentClosed, NotDurable, NotFound, Refused
from incidents.events import NEW_INCIDENT, Actor, Draft, Event, Evidence
from incidents.store.protocol import Store
from runbooks import (
    attempt,
    consent,
    flow,
    inputs,
    journal,
    kit,
    orders,
    quoting,
    reach,
    resting,
    showing,
    using,
)
from runbooks.course import Course
from runbooks.document import Runbook, Step
from runbooks.expressions import UNKNOWN, forecast, render_text
from runbooks.keeper import Keeper
from runbooks.loader import loads
from runbooks.process import crash_point
from runbooks.scribe import Scribe
from runbooks.surroundings import Surroundings


def begin(store: Store, start: orders.Start, folder: str, keeper: Keeper) -> Course:
    """Writes the run's first event, with its incident and its locks, in one transaction.

    Raises LockHeld, IncidentClosed, BadInput; nothing is written then.
    """
    runbook = loads(start.text, start.file, start.subs)
    secrets = _secrets(start.secrets, start.prompted)
    pinned = _pin(store, start, folder)
    actor = Actor(**start.actor)
    drafts = []
    incident = start.incident or _the_open_one(store, start.mode)
    if incident is None:
        declared = kinds.IncidentDeclared(start.title, start.severity, by_run=start.run)
        drafts.append(Draft(
            stream=NEW_INCIDENT, kind="incident.declared", actor=actor, data=declared._asdict(), run=start.run,
            key=f"{start.run}:declared", mode=start.mode, milestone="declared", zone=start.zone,
        ))  # fmt: skip
    else:
        _must_be_open(store, incident)
    started = kinds.RunStarted(
        runbook=runbook.name, digest=runbook.digest, file=start.file, inputs=start.inputs, secrets=start.secrets,
        locks=_locks(runbook, start.inputs), journal=journal.JOURNAL, cwd=start.cwd, umask=start.umask,
        path=start.path, attended=start.attended, allowed=start.allowed, closes=incident is None, hosts=start.hosts,
        subs=start.subs,
    )._asdict()  # fmt: skip
    if not start.hosts:
        del started["hosts"]  # most runbooks stay here
    if not start.subs:
        del started["subs"]  # and have no other in them
    drafts.append(Draft(
        stream=incident or NEW_INCIDENT, kind="run.started", actor=actor, data=started,
        run=start.run, key=f"{start.run}:started", mode=start.mode, zone=start.zone, evidence=(pinned,),
    ))  # fmt: skip
    event = store.append(drafts)[-1]
    crash_point("after-run-started")
    run = journal.fold(start.run, [event])
    return _course(store, event, run, runbook, secrets, folder, keeper, start.attended, event.seq)


def _pin(store: Store, start: orders.Start, folder: str) -> Evidence:
    """The runbook's text as evidence; on a full disk in a file of the run's kit."""
    about = {"media_type": "application/yaml", "name": f"{start.run}/runbook.yaml"}
    try:
        return store.put_blob(start.text.encode(), **about)
    except NotDurable:
        return store.adopt_blob(kit.text_file(folder, start.text.encode()), **about)


def resume(store: Store, what: orders.Resume, folder: str, keeper: Keeper) -> Course:
    """The run as the record tells it. Raises NotFound, Refused (other journal), BadInput (secret not to be had)."""
    row = store.run(what.run)
    if row is None:
        raise NotFound(
            f"there is no run {what.run}",
            hint="howdah status shows the open runs, howdah show INC all of an incident",
        )
    stream = list(store.events(row.stream))
    happened = [event for event in stream if event.run == what.run]
    run = journal.fold(what.run, happened)
    started, event = run.started, next((e for e in happened if e.kind == "run.started"), None)
    if started is None or event is None:
        raise Refused(f"the start of {what.run} was redacted; it cannot go on")
    if started.journal != journal.JOURNAL:
        raise Refused(
            f"{what.run} follows journal {started.journal}; this howdah knows {journal.JOURNAL}",
            hint=f"resume it with a howdah {started.journal}.x",
        )
    runbook = loads(store.get_blob(event.evidence[0].sha256).decode(), started.file, started.subs)
    course = _course(
        store,
        event,
        run,
        runbook,
        _secrets(started.secrets, what.prompted),
        folder,
        keeper,
        what.attended,
        stream[-1].seq,
    )
    if run.status == "ended" and not run.requests:
        raise Refused(f"{what.run} has ended: {run.end.status if run.end else ''}")
    course.resumed = True
    course.scribe.emit("run.resumed", kinds.RunResumed(os.getpid())._asdict())
    course.scribe.flush()
    return course


def _course(
    store: Store, event: Event, run: journal.Run, runbook: Runbook, secrets: dict[str, quoting.Secret], folder: str,
    keeper: Keeper, attended: bool, seen: int,
) -> Course:  # fmt: skip
    started = run.started
    assert started is not None
    actor = Actor("system", "driver", on_behalf_of=telling.who(event), assurance=event.actor.assurance)
    around = Surroundings(
        run=run.id, incident=event.stream, store=store.path, runbook=runbook, values=started.inputs, secrets=secrets,
        cwd=started.cwd, umask=started.umask, path=started.path, zone=event.zone or "UTC",
        hosts=started.hosts,
    )  # fmt: skip
    return Course(
        runbook=runbook, run=run, scribe=Scribe(store, run, actor, mode=event.mode, seen=seen),
        keeper=keeper, around=around, runs_dir=folder, allowed=frozenset(started.allowed),
        patience=orders.PATIENCE if attended else 0,
    )  # fmt: skip


def _the_open_one(store: Store, mode: str) -> str | None:
    """The incident that a run joins: the only open one of its mode; drills always declare their own."""
    if mode != "real":
        return None
    rows = store.incidents(status="open", mode=mode)
    if len(rows) > 1:
        names = ", ".join(f"{row.name} ({row.title})" for row in rows[:10])
        raise BadInput(f"{len(rows)} incidents are open: {names}", hint="say which one: --incident INC")
    return rows[0].name if rows else None


def _must_be_open(store: Store, incident: str) -> None:
    row = store.incident(incident)
    if row is None:
        raise NotFound(f"there is no incident {incident}", hint="howdah list shows them")
    if not row.open:
        raise IncidentClosed(f"{incident} is {row.status}", hint=f"howdah reopen --incident {incident} WHY")


def _locks(runbook: Runbook, values: dict[str, Any]) -> list[str]:
    names: dict[str, Any] = {"inputs": values, "steps": UNKNOWN, "run": {}, "incident": {}}
    found = {render_text(template, names) for template in runbook.lock}
    return sorted(found.union(*(_inner_locks(step, names) for step in runbook.steps_of_others())))


def _inner_locks(step: Step, names: Mapping[str, Any]) -> set[str]:
    """The locks of a runbook inside of another, taken at the start with the others."""
    assert step.sub is not None
    inner = using.inside(step.sub, names)
    book = step.sub.book
    for template in book.lock:
        if any(forecast(expr, inner) is UNKNOWN for expr in template.expressions):
            raise BadInput(
                f"{step.path}: the lock of {book.path} is not known before the first step",
                hint="give the inputs that it looks at from inputs of this runbook",
            )
    found = {render_text(template, inner) for template in book.lock}
    return found.union(*(_inner_locks(one, inner) for one in book.steps_of_others()))


def _secrets(references: dict[str, str], prompted: dict[str, str]) -> dict[str, quoting.Secret]:
    def typed(name: str) -> str:
        if name not in prompted:
            raise BadInput(
                f"the secret {name} must be typed at a terminal", hint="or give it as env:NAME or file:PATH"
            )
        return prompted[name]

    return {
        name: quoting.Secret(typed(name), name=name)
        if reference == "prompt"
        else quoting.resolve_secret(reference)
        for name, reference in references.items()
    }


# -- what others ask about a run -------------------------------------------------------------------------------


def read(store: Store, name: str) -> tuple[journal.Run, Runbook]:
    """A run and the runbook that it is pinned to. Raises NotFound, Refused (its start was redacted)."""
    run = consent.read_run(store, name)
    start = run.start
    if start is None or not start.evidence:
        raise Refused(f"the start of {name} was redacted")
    text = store.get_blob(start.evidence[0].sha256).decode()
    assert run.started is not None
    return run, loads(text, run.started.file, run.started.subs)


def typed_outputs(store: Store, run: journal.Run, path: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Outputs that a person vouches for, as the step declares them. Raises BadInput."""
    if not given:
        return {}
    _, runbook = read(store, run.id)
    specs = runbook.step(path).outputs
    for name in given:
        if name not in specs:
            known = ", ".join(specs) or "none"
            raise BadInput(f"{path} has no output {name!r}", hint=f"it has: {known}")
    return {name: inputs.parse_typed(specs[name].type or "string", text) for name, text in given.items()}


def must_not_run(store: Store, run: journal.Run, path: str) -> None:
    """Raises Refused while one of the step's attempts is known to run, or its host does not say whether it does."""
    folder = orders.run_dir(store.path, run.id)
    for act in reversed(resting.acts(run.step(path))):
        seen = attempt.witness(folder, act.n)
        if who := showing.who_runs(folder, seen):
            raise Refused(f"{path} still runs: {who}", hint="wait for its end, or end it, or say --beside")
        host = act.command.host if seen.state != "ended" else None
        known = run.started.hosts.get(host) if host is not None and run.started is not None else None
        if known is not None:
            _must_not_run_there(store, run, act, hosts.of_facts(known))


def _must_not_run_there(store: Store, run: journal.Run, act: journal.Attempt, host: hosts.Host) -> None:
    """The same for an attempt on another machine, which is asked."""
    from runbooks.targets import asking, ssh

    answer = asking.ask(ssh.far(host, run.id, store.path), act.n, timeout=host.connect_timeout + reach.TALK)
    if answer.state == "unreached":
        raise Refused(
            f"nobody knows whether {act.path} still runs: {answer.why}",
            hint=f"wait until {host.name} answers, or say --beside: another one then starts, maybe beside it",
        )
    if not answer.rests:
        who = ", ".join(answer.left) or f"something on {host.name}"
        raise Refused(f"{act.path} still runs: {who}", hint="wait for its end, or end it, or say --beside")


def may_undo(store: Store, run: journal.Run, runbook: Runbook) -> list[str]:
    """The steps that an undo of an ended run would take back, in that order. Raises Refused."""
    if run.status != "ended":
        raise Refused(f"{run.id} has not ended", hint=f"howdah abort {run.id} --undo")
    if run.doubts():
        raise Refused(f"{run.doubts()[0].path} is in doubt", hint="answer the doubt first")
    steps = [step.path for step in flow.undo_order(runbook, run)]
    if not steps:
        raise Refused(f"{run.id} did nothing that can be undone")
    if later := _took_a_lock_after(store, run):
        raise Refused(
            f"{later} took the same lock later",
            hint="what it did may stand on these steps: undo them by hand",
        )
    return steps


def _took_a_lock_after(store: Store, run: journal.Run) -> str | None:
    """A run that began after the end of `run`, by their places in the record, and took one of its locks."""
    assert run.started is not None
    ends = [
        event.pos for event in store.events(run.stream) if event.run == run.id and event.kind == "run.ended"
    ]
    for row in store.runs():
        if row.run != run.id and set(row.locks) & set(run.started.locks):
            started = store.by_key(f"{row.run}:started")
            if started is not None and started.pos > ends[-1]:
                return row.run
    return None
