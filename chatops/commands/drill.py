"""Drills: a real fault in a lab of its own, played, and scored from outside."""

from __future__ import annotations

from chatops import params
from chatops.views import Card, Field, Option
from chatops.vocabulary import Call, Param, Reply, command

TERMINAL = ("terminal",)
BECAUSE = "a drill breaks a disk of the machine it runs on, and needs root there"
JOBS = 50_000
FEWEST = 500  # below it nothing backs up

ALL = "?"  # --fault ?: which there are
AUTO = params.flag("auto", "Play without a person: each confirmation is given beforehand and recorded.")
OUTPUT = params.path("output", "Where the postmortem goes; else beside the store.", short="o")


def _fault_of(scenario: str, help: str) -> Param:
    """The parameter `--fault` of a scenario."""

    def check(value: str, call: Call) -> str:
        from runbooks.drills import harness

        return value if value == ALL else params.one_of(value, harness.names(scenario), "fault")

    def options(start: str, call: Call) -> list[Option]:
        from runbooks.drills import harness

        return [Option(name) for name in harness.names(scenario) if name.startswith(start)]

    return Param("fault", "choice", help, check, options)


@command(
    "drill disk-full",
    "Fill a real filesystem, cure it with the runbook, and be scored.",
    _fault_of(
        "disk-full",
        "What fills the disk; wal-archive where PostgreSQL and Redis are installed, else deleted-open. ? names all.",
    ),
    AUTO,
    params.flag("else_plan", "Where no lab can be made: plan the runbook for this machine's own disk."),
    OUTPUT,
    group="drill",
    streams=True,
    surfaces=TERMINAL,
    because=BECAUSE,
)
def disk_full(call: Call, fault: str | None, auto: bool, else_plan: bool, output: str | None) -> Reply:
    import tempfile

    from chatops import drilling
    from runbooks.drills import harness

    if fault == ALL:
        return drilling.faults("disk-full")
    if else_plan:
        able, why = harness.scene("disk-full").able(tempfile.gettempdir())
        if not able:
            return _plan_own_disk(call, why)
    return drilling.play(call, drilling.Asked("disk-full", fault, auto, output))


def _plan_own_disk(call: Call, why: str) -> Reply:
    """No lab here: what the runbook would do on the machine's own disk, read-only."""
    from chatops import drilling
    from runbooks import inputs, planner

    call.say(f"No lab can be made here ({why}), so this only plans: nothing is executed.")
    book = drilling.library("disk-full")
    planned = planner.plan(book, inputs.normalise(book, {"mount": "/"}))
    return Reply(planner.text(planned), {"plan": planner.document(planned), "why": why})


@command(
    "drill queue-backlog",
    "Let real Sidekiq queues grow, cure them with the runbook, and be scored: lost, doubled, done.",
    _fault_of("queue-backlog", "Why the queues grow; too-few-workers unless given. ? names all."),
    AUTO,
    params.number("jobs", f"How many jobs wait, at least {FEWEST}; {JOBS} unless given."),
    OUTPUT,
    group="drill",
    streams=True,
    surfaces=TERMINAL,
    because="a drill breaks Redis and Sidekiq of its own on the machine it runs on, and needs root there",
)
def queue_backlog(call: Call, fault: str | None, auto: bool, jobs: int | None, output: str | None) -> Reply:
    from chatops import drilling
    from incidents.errors import BadInput

    if fault == ALL:
        return drilling.faults("queue-backlog")
    if jobs is not None and jobs < FEWEST:
        raise BadInput(f"{jobs} jobs are no backlog", hint=f"--jobs {FEWEST} or more")
    return drilling.play(call, drilling.Asked("queue-backlog", fault, auto, output), jobs=jobs or JOBS)


@command(
    "drill nfs-stall",
    "Let a real NFS mount hang, cure it with the runbook, and be scored: lost, doubled, how long.",
    _fault_of("nfs-stall", "Why it hangs; slow-disk unless given. ? names all."),
    AUTO,
    OUTPUT,
    group="drill",
    streams=True,
    surfaces=TERMINAL,
    because="a drill boots a small virtual machine on the machine it runs on, and needs root there",
)
def nfs_stall(call: Call, fault: str | None, auto: bool, output: str | None) -> Reply:
    from chatops import drilling

    if fault == ALL:
        return drilling.faults("nfs-stall")
    return drilling.play(call, drilling.Asked("nfs-stall", fault, auto, output))


@command(
    "drill list",
    "Which drills there are, and the faults of each.",
    group="drill",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
)
def list_all(call: Call) -> Reply:
    from runbooks.drills import harness

    drills, fields = [], []
    for scenario in harness.scenarios():
        scene = harness.scene(scenario)
        known = {name: harness.load(name, scenario).SUMMARY for name in harness.names(scenario)}
        lines = (scene.SUMMARY, *(f"--fault {name}  {text}" for name, text in known.items()))
        fields.append(Field(scenario, lines))
        named = [{"name": name, "summary": text} for name, text in known.items()]
        drills.append({"name": scenario, "summary": scene.SUMMARY, "faults": named, "usual": scene.usual()})
    under = "howdah drill NAME --fault FAULT, with --auto to play without a person"
    return Reply(Card("drills", tuple(fields), under=under), {"drills": drills})


@command(
    "drill cleanup",
    "Remove what a killed drill has left: processes, mounts, loop devices, folders.",
    group="drill",
    writes=False,
    surfaces=TERMINAL,
    because=BECAUSE,
)
def cleanup(call: Call) -> Reply:
    from runbooks.drills import janitor

    swept = janitor.cleanup()
    lines = [f"removed {one}" for one in swept.removed] + [f"still there: {one}" for one in swept.left]
    document = {"removed": list(swept.removed), "left": list(swept.left)}
    return Reply("\n".join(lines) or "nothing was left behind", document, exit=1 if swept.left else 0)
