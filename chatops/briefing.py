"""Catch me up: an incident on 15 lines, for somebody who was just woken.

Pure: from the incident's events, the folds of its runs and the clock. Nothing is guessed; what nobody wrote down is
said to be unknown, with the words that would write it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops import cards, layout
from incidents import cadence, clock, lifecycle, telling, timeline
from runbooks import follow, journal

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.lifecycle import Incident

WIDTH = 80  # cells of a line
LINES = 15
NAME = 8  # cells of a line's first word
TRIED, NOW = 3, 3  # lines at most
ACTIVE = 30 * clock.MINUTE  # who wrote within it is at work
DOUBTS = ("doubt", "undo")
QUESTIONS = {
    "doubt": 0,
    "undo": 1,
    "failed": 2,
    "confirm": 3,
    "approve": 3,
    "manual": 3,
    "overdue": 4,
}  # the most pressing first


class Decision(NamedTuple):
    """What is to be decided next, and the command that does it."""

    what: str
    command: str


@dataclasses.dataclass(frozen=True, slots=True)
class Briefing:
    lines: tuple[str, ...]
    decision: Decision

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class View(NamedTuple):
    """Everything that a briefing is made from."""

    one: Incident
    events: Sequence[Event]
    runs: Sequence[journal.Run]
    promise: cadence.Promise
    zone: str
    now: clock.Reading


def brief(
    events: Sequence[Event], runs: Sequence[journal.Run], settings: Mapping[str, int | None], zone: str,
    now: clock.Reading,
) -> Briefing:  # fmt: skip
    """The briefing of one incident: `events` is its stream, `runs` the folds of its runs, oldest first."""
    one = lifecycle.fold(events)
    view = View(one, events, runs, cadence.promise(events, settings), zone, now)
    decision = decide(view)
    lines = [
        _head(one),
        *_hurts(view),
        _line("since", _since(view)),
        *_tried(view),
        *_now(view),
        _line("who", _who(view)),
        *_tasks(one),
        *_told(view),
        *_noted(view),
        _line("next", decision.what + (f": {decision.command}" if decision.command else "")),
    ]
    return Briefing(tuple(lines), decision)


def document(briefing: Briefing, one: Incident) -> dict[str, Any]:
    """For `--json`."""
    decision = {"what": briefing.decision.what, "command": briefing.decision.command}
    return {"incident": one.name, "lines": list(briefing.lines), "decision": decision}


# -- lines -----------------------------------------------------------------------------------------------------


def _line(name: str, text: str) -> str:
    return layout.cut(f"{name:<{NAME}} {layout.one_line(text)}", WIDTH)


def _head(one: Incident) -> str:
    state = cards.state(one)
    room = WIDTH - layout.cells(state) - 2
    title = layout.cut(layout.one_line(cards.heading(one)), room)
    return layout.cut(layout.pad(title, room) + "  " + state, WIDTH)


def _hurts(view: View) -> Iterator[str]:
    """What people said of the impact; else of the last update; else that nobody said."""
    entries = [e for e in timeline.view(view.events) if not (e.retracted or e.redacted)]
    said = [e for e in entries if e.event.kind == "note" and e.event.data.get("about") == "impact"]
    if not said:
        said = [e for e in entries if e.event.kind == "update"]
    if said:
        yield _line("hurts", f"{said[-1].body} ({telling.who(said[-1].event)}, {_at(view, said[-1].at)})")
    else:
        yield _line("hurts", f"unknown: howdah note --incident {view.one.name} --about impact TEXT")


def _since(view: View) -> str:
    found = view.one.milestones
    parts = [
        f"{name} {_at(view, found[name].at)}" for name in ("started", "detected", "declared") if name in found
    ]
    begin = found.get("started") or found.get("declared", view.one.opened)
    if view.one.closed is not None:
        return f"{view.one.status} after {cards.length(begin, view.one.closed)}; {', '.join(parts)}"
    return f"{cards.length(begin, view.now)}: {', '.join(parts)}"


def _tried(view: View) -> Iterator[str]:
    """Runs that have ended, the newest first, and what of them failed."""
    ended = [run for run in reversed(view.runs) if run.end is not None]
    if not ended:
        yield _line("tried", "nothing yet, as far as it is recorded")
        return
    shown = ended if len(ended) <= TRIED else ended[: TRIED - 1]
    for place, run in enumerate(shown):
        yield _line("tried" if place == 0 else "", _run_ended(run))
    if len(ended) > len(shown):
        failed = sum(run.end is not None and run.end.status != "ok" for run in ended[len(shown) :])
        yield _line(
            "", f"and {len(ended) - len(shown)} runs before, {failed} of them not ok: howdah timeline"
        )


def _run_ended(run: journal.Run) -> str:
    assert run.end is not None
    failed = [
        f"{s.path}: {s.why or s.status}" for s in run.steps.values() if s.status in ("failed", "continued")
    ]
    why = run.end.say or "; ".join(failed)
    return f"{run.id} {_title(run)}: {run.end.status}" + (f" · {why}" if why else "")


def _now(view: View) -> Iterator[str]:
    """What runs or waits; who is in doubt first."""
    at_work = sorted((run for run in view.runs if run.end is None), key=_urgency)
    if not at_work:
        yield _line("now", "nothing runs")
        return
    shown = at_work if len(at_work) <= NOW else at_work[: NOW - 1]
    for place, run in enumerate(shown):
        yield _line("now" if place == 0 else "", _run_now(run))
    if len(at_work) > len(shown):
        yield _line("", f"and {len(at_work) - len(shown)} more: howdah status")


def _run_now(run: journal.Run) -> str:
    question = _question(run)
    if question is not None:
        what = "IN DOUBT whether it happened" if question.what in DOUBTS else f"asks ({question.what})"
        return f"{run.id} {question.path} {what} · {_title(run)}"
    attempt = follow.running(run)
    if attempt is not None:
        return f"{run.id} {attempt.path} runs · {_title(run)}"
    return f"{run.id} {run.status} · {_title(run)}"


def _who(view: View) -> str:
    held = [f"{role} {', '.join(people)}" for role, people in view.one.roles.items() if people]
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for event in view.events:
        if event.actor.type == "human":
            who = event.actor.shown
            first.setdefault(who, event.recorded_at)
            last[who] = event.recorded_at
    end = view.one.closed.at if view.one.closed is not None else view.now.at
    at_work = [who for who, at in last.items() if end - at <= ACTIVE]
    parts = [" · ".join(held) or "nobody leads"]
    if at_work:
        parts.append("at work " + ", ".join(at_work))
    if first:
        longest = max(first, key=lambda who: last[who] - first[who])
        if last[longest] - first[longest] >= clock.HOUR:
            parts.append(f"{longest} for {clock.words(last[longest] - first[longest])}")
    return "; ".join(parts)


def _tasks(one: Incident) -> Iterator[str]:
    tasks = [task for task in one.tasks.values() if task.status == "open"]
    if tasks:
        listed = "; ".join(f"{t.number} {t.text}" + (f" ({t.owner})" if t.owner else "") for t in tasks)
        yield _line("tasks", f"{len(tasks)} open: {listed}")


def _told(view: View) -> Iterator[str]:
    updates = [e for e in view.events if e.kind == "update" and not e.redacted]
    said = f"last update {_at(view, updates[-1].at)}" if updates else "nobody outside yet"
    due = cadence.words(view.promise, view.now.at)
    if updates or due:
        yield _line("told", said + (f"; due {_at(view, view.promise.due or 0)}, {due}" if due else ""))


def _noted(view: View) -> Iterator[str]:
    notes = [
        e
        for e in timeline.view(view.events)
        if e.event.kind == "note"
        and e.event.actor.type != "system"
        and not e.event.data.get("about")
        and not (e.retracted or e.redacted)
    ]
    if notes:
        last = notes[-1]
        yield _line("noted", f"{_at(view, last.at)} {telling.who(last.event)}: {last.body}")


def _at(view: View, at: int) -> str:
    return cards.short_moment(at, view.zone, view.now.at)


def _title(run: journal.Run) -> str:
    return run.started.runbook if run.started is not None else run.id


# -- what is to be decided ---------------------------------------------------------------------------------------


def decide(view: View) -> Decision:
    """The most pressing: a doubt, then a question, a late update, nobody who leads, then how it stands."""
    name, one = view.one.name, view.one
    if not one.open:
        return Decision("it is over", f"howdah postmortem {name}")
    asking = sorted((run for run in view.runs if run.end is None and run.open_questions()), key=_urgency)
    if asking:
        question = _question(asking[0])
        assert question is not None
        what = (
            f"did {question.path} happen?"
            if question.what in DOUBTS
            else f"{question.path} waits for an answer"
        )
        return Decision(what, f"howdah attach {asking[0].id}")
    stopped = [run for run in view.runs if run.end is None and run.status in ("paused", "parked")]
    if stopped:
        return Decision(f"{_title(stopped[0])} is {stopped[0].status}", f"howdah resume {stopped[0].id}")
    if view.promise.late(view.now.at):
        return Decision("an update is overdue", f"howdah update --incident {name} TEXT")
    if not any(one.roles.values()):
        return Decision("nobody leads", f"howdah role --incident {name} commander me")
    if one.status == "mitigated":
        return Decision("is it over?", f"howdah resolve --incident {name}")
    return Decision("nothing is asked; what helps the people outside?", "howdah triage")


def _question(run: journal.Run) -> journal.Question | None:
    return min(run.open_questions(), key=lambda q: QUESTIONS.get(q.what, 9), default=None)


def _urgency(run: journal.Run) -> int:
    question = _question(run)
    return QUESTIONS.get(question.what, 9) if question is not None else 10
