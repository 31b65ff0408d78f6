"""Drills: a real fault on a filesystem of its own, played, and scored from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatops import params
from chatops.views import Card, Field, Option, Text
from chatops.vocabulary import Call, Param, Reply, command

if TYPE_CHECKING:
    from runbooks.document import Runbook
    from runbooks.drills.disk_full.lab import Lab
    from runbooks.drills.harness import Result

TERMINAL = ("terminal",)
ALL = "?"  # --fault ?: which there are
BECAUSE = "a drill breaks a disk of the machine it runs on, and needs root there"


def _fault(value: str, call: Call) -> str:
    from runbooks.drills import harness

    return value if value == ALL else params.one_of(value, harness.names(), "fault")


def _usual(call: Call) -> str:
    """The fault of the night of 13 December 2022, where its databases are installed."""
    from runbooks.drills import databases

    return "wal-archive" if databases.installed() else "deleted-open"


def _faults(start: str, call: Call) -> list[Option]:
    from runbooks.drills import harness

    return [Option(name) for name in harness.names() if name.startswith(start)]


@command(
    "drill disk-full",
    "Fill a real filesystem, cure it with the runbook, and be scored.",
    Param(
        "fault",
        "choice",
        "What fills the disk; wal-archive where PostgreSQL and Redis are installed, else deleted-open. ? names all.",
        _fault,
        _faults,
    ),
    params.flag("auto", "Play without a person: each confirmation is given beforehand and recorded."),
    params.flag("else_plan", "Where no lab can be made: plan the runbook for this machine's own disk."),
    params.path("output", "Where the postmortem goes; else beside the store.", short="o"),
    group="drill",
    streams=True,
    surfaces=TERMINAL,
    because=BECAUSE,
)
def disk_full(call: Call, fault: str | None, auto: bool, else_plan: bool, output: str | None) -> Reply:
    import tempfile

    from incidents.errors import Failed
    from runbooks.drills import harness
    from runbooks.drills.disk_full import lab

    if fault == ALL:
        return _name_all(call)
    book, fault = _library("disk-full"), fault or _usual(call)
    able, why = lab.can_mount(tempfile.gettempdir())
    if not able:
        if else_plan:
            return _plan_own_disk(call, book, why)
        raise Failed(f"no lab can be made here: {why}", hint="as root, on a Linux that has loop devices")
    player = _Player(call, book, harness.load(fault).ANSWERS if auto else ())
    result = harness.drill(fault, player.play, say=_say(call))
    return _end(call, player, result, output)


def _name_all(call: Call) -> Reply:
    from runbooks.drills import harness

    known = {name: harness.load(name).SUMMARY for name in harness.names()}
    fields = tuple(Field(name, (text,)) for name, text in known.items())
    usual = _usual(call)
    document = {
        "faults": [{"name": name, "summary": text, "usual": name == usual} for name, text in known.items()]
    }
    return Reply(
        Card("faults of drill disk-full", fields, under=f"Without --fault it is {usual} on this machine."),
        document,
    )


def _say(call: Call) -> Any:
    return (lambda line: call.emit({"drill": line})) if call.json else call.say


def _library(name: str) -> Runbook:
    from runbooks import loader

    path, _ = loader.find(name, beside=None)
    return loader.load(path)


class _Player:
    """Plays the runbook against a lab, as a person would from a terminal."""

    def __init__(self, call: Call, book: Runbook, answers: tuple[str, ...]):
        self.call = call
        self.book = book
        self.answers = answers
        self.auto = bool(answers)
        self.run = ""
        self.store = ""

    def play(self, lab: Lab) -> int:
        from runbooks import driver, starting
        from runbooks.player import watch

        call = self.call
        start = starting.prepare(
            self.book, given=lab.inputs(), store=call.places.store, actor=call.actor, zone=call.zone,
            attended=call.attended and not call.json and not self.auto, allowed=self.answers, mode="drill",
        )  # fmt: skip
        self.run, self.store = start.run, start.store
        lab.seen()
        lab.plays(driver.run_dir(start.store, start.run))
        return watch.watch(
            start.store, start.run, handle=driver.spawn(start), terminal=call.terminal, json=call.json,
            plain=self.auto, actor=call.actor, answer=not self.auto,
        )  # fmt: skip


def _end(call: Call, player: _Player, result: Result, output: str | None) -> Reply:
    """Records the score, closes the drill's incident, writes its postmortem."""
    import os

    from incidents import timeline
    from incidents.events import Actor
    from incidents.postmortem import collect, markdown

    store = call.store
    row = store.run(player.run)
    if row is None:
        return Reply(Text("the run did not begin", "bad"), {"cured": False}, exit=1)
    score = result.score
    observer = Actor("system", "observer")
    draft = call.draft(row.stream, "x.drill.score", data=_facts(result), body=_sentence(result), mode="drill")
    timeline.record(store, _by(draft, observer))
    incident = store.incident(row.stream)
    if incident is not None and incident.open:
        kind = "incident.resolved" if score.cured and result.exit == 0 else "incident.cancelled"
        timeline.record(
            store, call.draft(row.stream, kind, data={}, body="the drill has ended", mode="drill")
        )
    path = output or os.path.join(os.path.dirname(store.path), f"postmortem-{row.stream}.md")
    markdown.write(markdown.render(collect.collect(store, row.stream), zone=call.zone), path, force=True)
    cured = score.cured and result.exit == 0 and not result.left
    fields = [Field("score", tuple(_sentence(result).split("; ")), "good" if score.cured else "bad")]
    if score.reasons:
        fields.append(Field("why not", score.reasons, "bad"))
    if result.exit != 0:
        fields.append(Field("the run", (f"ended with {result.exit}: howdah steps {player.run}",), "bad"))
    if result.left:
        fields.append(Field("left behind", result.left, "bad"))
    fields.append(Field("postmortem", (path,)))
    title = f"drill disk-full: {'cured' if score.cured else 'NOT cured'}"
    document = {"incident": row.stream, "run": player.run, "postmortem": path, **_facts(result)}
    return Reply(Card(title, tuple(fields), state=row.stream), {"result": document}, exit=0 if cured else 1)


def _by(draft: Any, actor: Any) -> Any:
    import dataclasses

    return dataclasses.replace(draft, actor=actor)


def _facts(result: Result) -> dict[str, Any]:
    import dataclasses

    score = dataclasses.asdict(result.score)
    score["reasons"] = list(result.score.reasons)
    return {**score, "exit": result.exit, "left": list(result.left)}


def _sentence(result: Result) -> str:
    """The score in one line; parts are divided by `; `."""
    from incidents import clock

    score = result.score

    def span(micros: int | None) -> str:
        return "never" if micros is None else f"after {clock.words(micros)}"

    return "; ".join(
        (
            f"seen {span(score.detected)}",
            f"writable again {span(score.mitigated)}",
            f"the service acknowledges again {span(score.recovered)}",
            f"{score.lost_bytes} of {score.acknowledged_bytes} acknowledged bytes lost",
            f"{score.free >> 20} MiB free of {score.need >> 20} MiB wanted",
        )
    )


def _plan_own_disk(call: Call, book: Runbook, why: str) -> Reply:
    """No lab here: what the runbook would do on the machine's own disk, read-only."""
    from runbooks import inputs, planner

    call.say(f"No lab can be made here ({why}), so this only plans: nothing is executed.")
    planned = planner.plan(book, inputs.normalise(book, {"mount": "/"}))
    return Reply(planner.text(planned), {"plan": planner.document(planned), "why": why})


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
