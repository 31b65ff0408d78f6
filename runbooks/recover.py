"""How a driver comes to its run: a new one from its start, or one whose driver died from the record."""

from __future__ import annotations

from typing import Any

from incidents import clock, kinds, lifecycle
from incidents.errors import BadInput, IncidentClosed, NotFound, Refused
from incidents.events import NEW_INCIDENT, Actor, Draft, Event
from incidents.store.protocol import Store
from runbooks import driver, inputs, journal, load, quoting
from runbooks.course import Course
from runbooks.document import Runbook
from runbooks.keeper import Keeper
from runbooks.process import crash_point
from runbooks.scribe import Scribe
from runbooks.surroundings import Surroundings


def begin(store: Store, start: driver.Start, folder: str, keeper: Keeper) -> Course:
    """Writes the run's first event, with its incident and its locks, in one transaction.

    Raises LockHeld, IncidentClosed, BadInput; nothing is written then.
    """
    runbook = load.loads(start.text, start.file)
    secrets = _secrets(start.secrets)
    pinned = store.put_blob(start.text.encode(), media_type="application/yaml", name=f"{start.run}/runbook.yaml")
    actor = Actor(**start.actor)
    drafts = []
    if start.incident is None:
        declared = kinds.IncidentDeclared(start.title, start.severity, by_run=start.run)
        drafts.append(Draft(
            stream=NEW_INCIDENT, kind="incident.declared", actor=actor, data=declared._asdict(), run=start.run,
            mode=start.mode, milestone="declared", zone=start.zone,
        ))  # fmt: skip
    else:
        _must_be_open(store, start.incident)
    started = kinds.RunStarted(
        runbook=runbook.name, digest=runbook.digest, file=start.file, inputs=start.inputs, secrets=start.secrets,
        locks=_locks(runbook, start.inputs), journal=journal.JOURNAL, cwd=start.cwd, umask=start.umask,
        path=start.path, attended=start.attended, allowed=start.allowed, closes=start.incident is None,
    )  # fmt: skip
    drafts.append(Draft(
        stream=start.incident or NEW_INCIDENT, kind="run.started", actor=actor, data=started._asdict(),
        run=start.run, key=f"{start.run}:started", mode=start.mode, zone=start.zone, evidence=(pinned,),
    ))  # fmt: skip
    event = store.append(drafts)[-1]
    crash_point("after-run-started")
    return _course(store, event, journal.fold(start.run, [event]), runbook, secrets, folder, keeper, start.attended)


def resume(store: Store, what: driver.Resume, folder: str, keeper: Keeper) -> Course:
    """The run as the record tells it. Raises NotFound, Refused (other journal), BadInput (secret not to be had)."""
    row = store.run(what.run)
    if row is None:
        raise NotFound(f"there is no run {what.run}", hint="howdah list shows the runs")
    happened = [event for event in store.events(row.stream) if event.run == what.run]
    run = journal.fold(what.run, happened)
    started, event = run.started, next((e for e in happened if e.kind == "run.started"), None)
    if started is None or event is None:
        raise Refused(f"the start of {what.run} was redacted; it cannot go on")
    if started.journal != journal.JOURNAL:
        raise Refused(
            f"{what.run} follows journal {started.journal}; this howdah knows {journal.JOURNAL}",
            hint=f"resume it with a howdah {started.journal}.x",
        )
    runbook = load.loads(store.get_blob(event.evidence[0].sha256).decode(), started.file)
    course = _course(store, event, run, runbook, _secrets(started.secrets), folder, keeper, what.attended)
    if run.status == "ended" and not run.requests:
        raise Refused(f"{what.run} has ended: {run.end.status if run.end else ''}")
    course.scribe.emit("run.resumed", kinds.RunResumed(_pid())._asdict())
    course.scribe.flush()
    return course


def _course(
    store: Store, event: Event, run: journal.Run, runbook: Runbook, secrets: dict[str, quoting.Secret], folder: str,
    keeper: Keeper, attended: bool,
) -> Course:  # fmt: skip
    started = run.started
    assert started is not None
    actor = Actor("system", "driver", on_behalf_of=event.actor.id, assurance=event.actor.assurance)
    around = Surroundings(
        run=run.id, incident=event.stream, store=store.path, runbook=runbook, values=started.inputs, secrets=secrets,
        cwd=started.cwd, umask=started.umask, path=started.path, zone=event.zone or "UTC",
    )  # fmt: skip
    return Course(
        runbook=runbook, run=run, scribe=Scribe(store, run, actor, mode=event.mode, seen=store.last_seq(event.stream)),
        keeper=keeper, around=around, runs_dir=folder, allowed=frozenset(started.allowed),
        patience=driver.PATIENCE if attended else 0,
    )  # fmt: skip


def _must_be_open(store: Store, incident: str) -> None:
    state = lifecycle.fold(store.events(incident))
    if state.status in ("resolved", "cancelled"):
        raise IncidentClosed(f"{incident} is {state.status}", hint=f"howdah reopen {incident}")


def _locks(runbook: Runbook, values: dict[str, Any]) -> list[str]:
    from runbooks.expressions import render

    names = {"inputs": values, "steps": {}, "run": {}, "incident": {}}
    return sorted({str(render(template, names)) for template in runbook.lock})


def _secrets(references: dict[str, str]) -> dict[str, quoting.Secret]:
    return {name: quoting.resolve_secret(reference, prompt=_no_prompt) for name, reference in references.items()}


def _no_prompt(reference: str) -> str:
    raise BadInput("a secret by prompt needs a terminal", hint="give it as env:NAME or file:PATH")


def _pid() -> int:
    import os

    return os.getpid()


__all__ = ["begin", "clock", "inputs", "resume"]
