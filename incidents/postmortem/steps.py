"""The runs of an incident as their events tell them: each step with its result, how long, how often, who decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from incidents import changelog, clock, telling
from incidents.clock import Reading, Span
from incidents.events import Event


class Decision(NamedTuple):
    """A person's answer to a question about the step; `what` is confirm, manual, doubt, undo or overdue."""

    who: str
    what: str
    answer: str
    at: int
    words: str


@dataclasses.dataclass(slots=True)
class Step:
    """`result` is the last word about the step; `took` the sum over its attempts, None where no clock can tell."""

    path: str
    name: str = ""
    effect: str = ""
    result: str = "not ended"
    attempts: int = 0
    started: int | None = None
    took: Span | None = None
    detail: str = ""
    command: str = ""
    change: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # what, from, to, as last recorded
    changes: list[changelog.Changed] = dataclasses.field(default_factory=list)  # one an attempt
    recovered: bool = False
    decisions: list[Decision] = dataclasses.field(default_factory=list)
    services: list[str] = dataclasses.field(default_factory=list)

    @property
    def took_words(self) -> str:
        return span_words(self.took) if self.took is not None else ""

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "path": self.path,
            "name": self.name,
            "effect": self.effect,
            "result": self.result,
            "attempts": self.attempts,
            "started_at": None if self.started is None else clock.iso(self.started),
            "took": None if self.took is None else self.took.micros,
            "detail": self.detail,
            "recovered": self.recovered,
            "change": dict(self.change),
            "changes": [one.document() for one in self.changes],
            "decisions": [
                {"who": d.who, "what": d.what, "answer": d.answer, "at": clock.iso(d.at)}
                for d in self.decisions
            ],
        }


@dataclasses.dataclass(slots=True)
class Run:
    """`status` is running, parked, paused, or how it ended; `took` from its start to its last end."""

    name: str
    runbook: str = ""
    digest: str = ""
    by: str = ""
    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    started: Reading | None = None
    ended: Reading | None = None
    status: str = "running"
    say: str = ""
    steps: list[Step] = dataclasses.field(default_factory=list)

    @property
    def took(self) -> Span:
        if self.started is None or self.ended is None:
            return Span(None, False)
        return clock.between(self.started, self.ended)


def span_words(span: Span) -> str:
    """`7 min 12 s`, `~7 min 12 s` by the wall clock, `unknown`."""
    return ("" if span.exact or span.micros is None else "~") + telling.took(span.micros)


def runs(events: Iterable[Event]) -> list[Run]:
    """The runs in order of their first event."""
    found: dict[str, _Folding] = {}
    events = list(events)
    for event in events:
        if event.run is not None:
            folding = found.setdefault(event.run, _Folding(event.run))
            if not event.redacted:
                folding.take(event)
            elif event.kind == "step.ended" and event.step is not None:
                folding.step(event.step).result = "redacted"
    for one in changelog.fold(events):
        step = found[one.run].step(one.step)
        step.changes.append(one)
        if not one.undo:
            step.change = one.change
    return [folding.run for folding in found.values()]


_RESULTS = {  # (part, status) -> result; a pair that is not here is `part status`
    ("run", "ok"): "ok",
    ("run", "failed"): "failed",
    ("run", "continued"): "failed (continued)",
    ("run", "skipped"): "skipped",
    ("run", "in_doubt"): "in doubt",
    ("run", "again"): "failed, tries again",
    ("run", "checking"): "ran, not yet verified",
    ("wait", "ok"): "ok",
    ("wait", "failed"): "failed",
    ("wait", "continued"): "failed (continued)",
    ("check", "ok"): "ok",
    ("check", "failed"): "check failed",
    ("verify", "ok"): "ok, by verify",
    ("verify", "no"): "failed, by verify",
    ("verify", "continued"): "failed (continued), by verify",
    ("verify", "in_doubt"): "in doubt",
    ("undo", "undone"): "undone",
    ("undo", "failed"): "undo failed",
    ("undo", "in_doubt"): "undo in doubt",
    ("undo_verify", "ok"): "undone, by verify",
    ("undo_verify", "no"): "not undone, by verify",
    ("undo_verify", "in_doubt"): "undo in doubt",
}
_ANSWERS = {  # (what was asked, answer) -> result; a pair that is not here decides nothing by itself
    ("confirm", "skip"): "skipped",
    ("confirm", "abort"): "aborted",
    ("approve", "decline"): "declined",
    ("approve", "skip"): "skipped",
    ("manual", "done"): "done by hand",
    ("manual", "skip"): "skipped",
    ("manual", "abort"): "aborted",
    ("doubt", "done"): "ok, as {who} says",
    ("doubt", "skip"): "skipped in doubt",
    ("doubt", "abort"): "aborted in doubt",
    ("undo", "done"): "undone, as {who} says",
    ("undo", "skip"): "not undone",
    ("undo", "abort"): "not undone",
}


class _Folding:
    """One run while its events are read."""

    def __init__(self, name: str):
        self.run = Run(name)
        self.steps: dict[str, Step] = {}
        self.asked: dict[str, str] = {}
        self.open: dict[tuple[str, Any], Event] = {}

    def take(self, event: Event) -> None:
        change = getattr(self, "_" + event.kind.replace(".", "_"), None)
        if change is not None:
            change(event, event.data)

    def step(self, path: str) -> Step:
        step = self.steps.get(path)
        if step is None:
            step = self.steps[path] = Step(path)
            self.run.steps.append(step)
        return step

    def _run_started(self, event: Event, data: Mapping[str, Any]) -> None:
        run = self.run
        run.runbook, run.digest, run.inputs = data["runbook"], data["digest"], data["inputs"]
        run.by, run.started = telling.who(event), _reading(event)

    def _run_parked(self, event: Event, data: Mapping[str, Any]) -> None:
        self.run.status = "parked"

    def _run_paused(self, event: Event, data: Mapping[str, Any]) -> None:
        self.run.status = "paused"

    def _run_resumed(self, event: Event, data: Mapping[str, Any]) -> None:
        self.run.status = "running"

    def _undo_started(self, event: Event, data: Mapping[str, Any]) -> None:
        self.run.status, self.run.ended = "undoing", None

    def _run_ended(self, event: Event, data: Mapping[str, Any]) -> None:
        self.run.status, self.run.say, self.run.ended = data["status"], data.get("say", ""), _reading(event)

    def _step_started(self, event: Event, data: Mapping[str, Any]) -> None:
        step = self.step(data["path"])
        self.open[step.path, data["n"]] = event
        step.name = data.get("name") or step.name
        if data.get("part", "run") == "run":
            step.attempts += 1
            step.effect = data["effect"]
            step.command = data.get("script") or " ".join(data.get("argv") or ())
        if step.started is None:
            step.started = event.at
        step.result = "not ended"

    def _step_ended(self, event: Event, data: Mapping[str, Any]) -> None:
        if data["status"] == "entered":  # a block: its steps are told
            return
        step = self.step(data["path"])
        part = data.get("part", "run").replace("spread", "run")
        start = self.open.pop((step.path, data.get("n")), None)
        if start is not None:
            step.took = _longer(step.took, _span(data, start, event))
        step.name = data.get("name") or step.name
        step.result = _RESULTS.get((part, data["status"]), f"{part} {data['status']}".removeprefix("run "))
        step.detail = _detail(data)
        for one in event.evidence if data.get("watched") else ():
            if one.media_type == "text/csv":
                step.detail += f", samples: {one.name} ({one.sha256[:12]})"
        step.recovered = step.recovered or bool(data.get("recovered"))
        step.services.extend(one for one in data.get("services", ()) if one not in step.services)

    def _question_asked(self, event: Event, data: Mapping[str, Any]) -> None:
        self.asked[data["question"]] = data["what"]
        if data["what"] in ("confirm", "approve", "manual"):
            self.step(data["path"]).result = "waits for a person"

    def _question_answered(self, event: Event, data: Mapping[str, Any]) -> None:
        step = self.step(data["path"])
        what = self.asked.get(data["question"], "question")
        who = telling.who(event)
        if data["answer"] == "approve":
            return  # the driver counts; who approved is told one by one
        step.decisions.append(Decision(who, what, data["answer"], event.at, event.body))
        result = _ANSWERS.get((what, data["answer"]))
        if result is not None:
            step.result = result.format(who=who)

    def _approval_given(self, event: Event, data: Mapping[str, Any]) -> None:
        who = telling.who(event)
        self.step(data["path"]).decisions.append(Decision(who, "confirm", "approve", event.at, event.body))


def _reading(event: Event) -> Reading:
    return Reading(event.at, event.boot, event.mono)


def _span(data: Mapping[str, Any], start: Event, end: Event) -> Span:
    took = data.get("took")
    return Span(took, True) if took is not None else clock.between(_reading(start), _reading(end))


def _longer(before: Span | None, more: Span) -> Span:
    if before is None:
        return more
    if before.micros is None or more.micros is None:
        return Span(None, False)
    return Span(before.micros + more.micros, before.exact and more.exact)


def _detail(data: Mapping[str, Any]) -> str:
    parts = []
    if data["status"] not in ("ok", "skipped", "undone"):
        if data.get("signal") is not None:
            parts.append(f"signal {data['signal']}")
        elif data.get("exit") is not None:
            parts.append(f"exit {data['exit']}")
    if data.get("why"):
        parts.append(str(data["why"]))
    parts += telling.watched(data.get("watched") or {})
    if data.get("survivors"):
        parts.append(f"survived being stopped: {', '.join(data['survivors'])}")
    return ", ".join(parts)
