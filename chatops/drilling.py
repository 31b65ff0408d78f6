"""What the drills of all scenarios share: choosing a fault, playing its runbook, telling and recording the score."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops.views import Card, Field, Text
from chatops.vocabulary import Call, Reply

if TYPE_CHECKING:
    from runbooks.document import Runbook
    from runbooks.drills.base import Lab
    from runbooks.drills.harness import Result


def faults(scenario: str) -> Reply:
    """Every fault of a scenario, and the usual one."""
    from runbooks.drills import harness

    known = {name: harness.load(name, scenario).SUMMARY for name in harness.names(scenario)}
    usual = harness.scene(scenario).usual()
    fields = tuple(Field(name, (text,)) for name, text in known.items())
    document = {
        "faults": [{"name": name, "summary": text, "usual": name == usual} for name, text in known.items()]
    }
    under = f"Without --fault it is {usual} on this machine."
    return Reply(Card(f"faults of drill {scenario}", fields, under=under), document)


class Asked(NamedTuple):
    """What the person wants played."""

    scenario: str
    fault: str | None
    auto: bool
    output: str | None


def play(call: Call, asked: Asked, **options: Any) -> Reply:
    """Breaks a lab, plays the runbook of the scenario's name, records the score. Raises Failed where no lab can be made."""
    from runbooks.drills import harness

    name = asked.scenario
    book, fault = library(name), asked.fault or harness.scene(name).usual()
    harness.able(name, tempfile.gettempdir())
    player = _Player(call, book, harness.load(fault, name).ANSWERS if asked.auto else ())
    result = harness.drill(fault, player.play, scenario=name, say=_say(call), **options)
    return _end(call, player, result, asked)


def library(name: str) -> Runbook:
    """The runbook of that name that comes with howdah."""
    from runbooks import loader

    path, _ = loader.find(name, beside=None)
    return loader.load(path)


def _say(call: Call) -> Any:
    return (lambda line: call.emit({"drill": line})) if call.json else call.say


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
            hosts=getattr(lab, "hosts", dict)(),
        )  # fmt: skip
        self.run, self.store = start.run, start.store
        lab.seen()
        lab.plays(driver.run_dir(start.store, start.run))
        return watch.watch(
            start.store, start.run, handle=driver.spawn(start), terminal=call.terminal, json=call.json,
            plain=self.auto, actor=call.actor, answer=not self.auto,
        )  # fmt: skip


def _end(call: Call, player: _Player, result: Result, asked: Asked) -> Reply:
    """Records the score, closes the drill's incident, writes its postmortem."""
    from incidents import timeline
    from incidents.events import Actor
    from incidents.postmortem import collect, markdown
    from runbooks.drills import harness

    store = call.store
    row = store.run(player.run)
    if row is None:
        return Reply(Text("the run did not begin", "bad"), {"cured": False}, exit=1)
    score, told = result.score, harness.scene(asked.scenario).sentence(result.score)
    observer = Actor("system", "observer")
    draft = call.draft(row.stream, "x.drill.score", data=_facts(result), body=told, mode="drill")
    timeline.record(store, dataclasses.replace(draft, actor=observer))
    incident = store.incident(row.stream)
    if incident is not None and incident.open:
        kind = "incident.resolved" if score.cured and result.exit == 0 else "incident.cancelled"
        timeline.record(
            store, call.draft(row.stream, kind, data={}, body="the drill has ended", mode="drill")
        )
    path = asked.output or os.path.join(os.path.dirname(store.path), f"postmortem-{row.stream}.md")
    markdown.write(markdown.render(collect.collect(store, row.stream), zone=call.zone), path, force=True)
    cured = score.cured and result.exit == 0 and not result.left
    fields = [Field("score", tuple(told.split("; ")), "good" if score.cured else "bad")]
    if score.reasons:
        fields.append(Field("why not", score.reasons, "bad"))
    if result.exit != 0:
        fields.append(Field("the run", (f"ended with {result.exit}: howdah steps {player.run}",), "bad"))
    if result.left:
        fields.append(Field("left behind", result.left, "bad"))
    fields.append(Field("postmortem", (path,)))
    title = f"drill {asked.scenario}: {'cured' if score.cured else 'NOT cured'}"
    document = {"incident": row.stream, "run": player.run, "postmortem": path, **_facts(result)}
    return Reply(Card(title, tuple(fields), state=row.stream), {"result": document}, exit=0 if cured else 1)


def _facts(result: Result) -> dict[str, Any]:
    """The score as the record can hold it."""
    found = dataclasses.asdict(result.score)
    score = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
    return {**score, "exit": result.exit, "left": list(result.left)}
