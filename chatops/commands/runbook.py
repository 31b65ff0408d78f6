"""Runbooks: find, check, plan and run them; look at runs and take them up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatops import params
from chatops.views import Column, Table, Text
from chatops.vocabulary import Call, Reply, command

if TYPE_CHECKING:
    from runbooks.orders import Resume

TERMINAL = ("terminal",)
PLAIN = params.flag("plain", "Lines alone, nothing drawn: for a screen reader. $HOWDAH_PLAIN does so always.",
                    surfaces=("terminal",))  # fmt: skip
INPUTS = params.pairs("input", "An input of the runbook: KEY=VALUE.", short="i")


@command(
    "run",
    "Run a runbook, and watch it.",
    params.runbook(place=True, required=True),
    INPUTS,
    params.incident(),
    params.step("yes", "Confirm this step beforehand; it is recorded.", repeat=True, surfaces=params.MACHINE),
    params.flag("drill", "An exercise: it pages nobody and stays out of the figures."),
    params.flag(
        "foreground",
        "Stay one process group, for supervisors: TERM pauses after the step.",
        surfaces=TERMINAL,
    ),
    PLAIN,
    group="run",
    streams=True,
    details="Without a terminal a question parks the run (exit 3). Ctrl-C once pauses after the step, twice stops it.",
)
def run(call: Call, runbook: str, input: tuple[tuple[str, str], ...], incident: str | None, yes: tuple[str, ...],
        drill: bool, foreground: bool, plain: bool) -> Reply:  # fmt: skip
    from chatops import launching, permissions, which
    from incidents import ids
    from runbooks import starting

    document = which.runbook(call, runbook)
    permissions.check_book(call, document)
    key = call.places.key
    mode = "drill" if drill else "real"
    if call.in_chat:
        incident, mode = _of_thread(call, incident, mode)
    start = starting.prepare(
        document, given=params.once(input, "input"), store=call.store.path if call.in_chat else call.places.store,
        incident=incident or launching.choose_incident(call, drill), actor=call.actor, zone=call.zone,
        attended=call.in_chat or (call.attended and not call.json), allowed=yes, mode=mode, prompt=launching.prompt(call),
        run=ids.run_name_of(key) if key else None, hosts=call.config.hosts,
    )  # fmt: skip
    if call.in_chat:
        return launching.begin(call, start)
    return launching.fork(call, start, detach=not foreground, plain=plain)


def _of_thread(call: Call, incident: str | None, mode: str) -> tuple[str | None, str]:
    """The incident that was named, else that of the thread; a run in a drill's is a drill, a drill's is no other's."""
    name = incident or call.who.incident
    row = call.store.incident(name) if name is not None else None
    if row is not None and row.mode == "drill":
        return name, "drill"
    return (None if mode == "drill" and incident is None else name), mode


@command(
    "plan",
    "What a run would do; nothing is executed.",
    params.runbook(place=True, required=True),
    INPUTS,
    params.flag(
        "run_reads", "Run the steps that only read, so that what depends on them is told.", surfaces=TERMINAL
    ),
    group="run",
    permission="read",
    writes=False,
)
def plan(call: Call, runbook: str, input: tuple[tuple[str, str], ...], run_reads: bool) -> Reply:
    from chatops import which
    from runbooks import inputs, looking, planner

    document = which.runbook(call, runbook)
    values = inputs.normalise(document, params.once(input, "input"))
    look = (lambda step, names: looking.look(document, values, step, names)) if run_reads else None
    planned = planner.plan(document, values, known=call.config.hosts, look=look)
    view = Text(planner.text(planned), exact=True)
    return Reply(view, planner.document(planned), file=f"plan-{document.name}.txt")


@command(
    "attach",
    "Watch a run; answer its questions.",
    params.run(place=True),
    PLAIN,
    group="run",
    streams=True,
    writes=False,
    surfaces=TERMINAL,
    because="a chat shows each run in the thread of its incident, with buttons for its answers",
)
def attach(call: Call, run: str | None, plain: bool) -> Reply:
    from chatops import launching, which

    store, run_id = call.store.path, which.run(call, run)
    call.close()
    return launching.watch(call, store, run_id, None, plain=plain)


@command(
    "resume",
    "Take up a run whose driver has ended: paused, parked or died.",
    params.run(place=True),
    params.flag("foreground", "Stay one process group, for supervisors.", surfaces=TERMINAL),
    group="run",
    streams=True,
)
def resume(call: Call, run: str | None, foreground: bool) -> Reply:
    from chatops import launching, permissions, which
    from runbooks import driver

    store, run_id = call.store.path, which.run(call, run)
    permissions.check_run_of(call, run_id)
    if call.in_chat:
        return _take_up(call, driver.Resume(store=store, run=run_id, attended=True))
    attended = call.attended and not call.json
    typed = _type_again(call, run_id) if attended else {}
    call.close()
    what = driver.Resume(store=store, run=run_id, attended=attended, prompted=typed)
    return launching.watch(call, store, run_id, driver.fork(what, detach=not foreground))


def _take_up(call: Call, what: Resume) -> Reply:
    """In a chat: the run has a driver again when this returns."""
    import os

    from incidents.errors import Refused
    from runbooks import consent, driver

    found = consent.read_run(call.store, what.run)
    if not driver.lock_is_free(driver.run_dir(what.store, what.run)):
        raise Refused(f"{what.run} goes on already", hint=f"howdah steps {what.run} shows where it stands")
    handle = driver.spawn(what)
    try:
        handle.hear_start()
    finally:
        os.close(handle.pipe)
    return Reply(f"{what.run} goes on", {"run": what.run, "incident": found.stream}, public=True)


def _type_again(call: Call, run_id: str) -> dict[str, str]:
    """Secrets that were typed at the start: the record holds none of them, so a new driver needs them anew."""
    from chatops import launching
    from runbooks import consent

    prompt, started = launching.prompt(call), consent.read_run(call.store, run_id).started
    references = {} if started is None else started.secrets
    return {name: prompt(name) for name, reference in references.items() if reference == "prompt"}


@command(
    "steps",
    "Where a run stands, step by step.",
    params.run(place=True, ended=None),
    group="run",
    permission="read",
    writes=False,
)
def steps(call: Call, run: str | None) -> Reply:
    from chatops import which
    from incidents import clock
    from runbooks import listing, recover

    found, document = recover.read(call.store, which.run(call, run))
    rows = listing.rows(document, found, clock.read())
    table = Table(
        (Column("step"), Column("status"), Column("took", right=True), Column("what", grow=True)),
        tuple(
            (row.path, row.word, row.took, row.name + (f": {row.detail}" if row.detail else ""))
            for row in rows
        ),
        empty="no step has begun",
    )
    listed = [
        {"path": r.path, "name": r.name, "status": r.status, "took": r.took, "detail": r.detail} for r in rows
    ]
    return Reply(table, {"run": found.id, "incident": found.stream, "status": found.status, "steps": listed})


@command("runbook list", "The runbooks that there are.", group="run", permission="read", writes=False)
def runbook_list(call: Call) -> Reply:
    from runbooks import loader

    found = loader.available(beside=call.config.path or None)
    rows = tuple((one.name, one.description.strip().partition("\n")[0], one.path) for one in found)
    table = Table((Column("name"), Column("what", grow=True), Column("file")), rows, empty="no runbooks")
    return Reply(table, {"runbooks": [{"name": n, "description": d, "file": f} for n, d, f in rows]})


@command(
    "runbook show",
    "The text of a runbook.",
    params.runbook(place=True, required=True),
    group="run",
    permission="read",
    writes=False,
)
def runbook_show(call: Call, runbook: str) -> Reply:
    from chatops import which

    document = which.runbook(call, runbook)
    about = {"name": document.name, "file": document.path, "digest": document.digest, "text": document.text}
    return Reply(Text(document.text.rstrip("\n"), exact=True), about, file=f"{document.name}.yaml")
