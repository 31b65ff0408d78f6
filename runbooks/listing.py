"""The list of a run's steps, as every viewer shows it: pure, from the fold of the log to neutral texts.

Texts are as people and programs wrote them: each surface makes them safe in its own way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import clock, kinds, telling
from runbooks import journal, parts

if TYPE_CHECKING:
    from runbooks.document import Runbook, Step

MOST_PARTS = 20  # of a step that are shown whatever became of them
LONGEST_VALUE = 60  # characters of an output's value in a list of steps
MOST_OUTPUTS = 8  # that are shown there

#: status of a step -> (word, tone); tones: good bad warn quiet busy
STATUSES: dict[str, tuple[str, str]] = {
    "pending": ("to come", "quiet"),
    "confirmed": ("about to start", "busy"),
    "entered": ("under way", "busy"),
    "spread": ("under way", "busy"),
    "waiting": ("waiting", "busy"),
    "answered": ("to be checked", "busy"),
    "running": ("running", "busy"),
    "checking": ("verifying", "busy"),
    "ok": ("ok", "good"),
    "continued": ("failed (continued)", "warn"),
    "failed": ("failed", "bad"),
    "skipped": ("skipped", "quiet"),
    "in_doubt": ("IN DOUBT", "bad"),
    "aborted": ("aborted", "bad"),
    "undoing": ("being undone", "busy"),
    "undo_again": ("undo to come", "busy"),
    "undo_failed": ("undo failed", "bad"),
    "undo_doubt": ("undo IN DOUBT", "bad"),
    "undone": ("undone", "warn"),
    "kept": ("not undone", "warn"),
}
NOT_REACHED = "not reached"
OVER = "over"
MARKS = {"good": "✓", "bad": "✗", "warn": "!", "quiet": "·", "busy": "▸", "asks": "?"}
PLAIN_MARKS = {"✓": "+", "✗": "x", "·": ".", "▸": ">"}  # for terminals without these signs


class Row(NamedTuple):
    """One step. `word`, `mark` and `tone` say the status in three ways; `took` is empty where nothing ran."""

    path: str
    depth: int
    name: str
    status: str
    word: str
    mark: str
    tone: str
    took: str
    detail: str

    @property
    def settled(self) -> bool:
        return self.status in journal.SETTLED


def rows(runbook: Runbook | None, run: journal.Run, now: clock.Reading) -> list[Row]:
    """All steps in the order of the file; steps of a `rescue` only once it has begun.

    Without the runbook: the steps that the log knows, in the order in which they began.
    """
    if runbook is None:
        return [
            _row(path, path.count("/"), _name(run, path), state.status, run, now)
            for path, state in run.steps.items()
        ]
    return [
        row
        for step, depth, rescue in _walk(runbook)
        if not rescue or _begun(step, run)
        for row in (
            _row(step.path, depth, step.name, _status(step, run), run, now),
            *_parts(step, depth, run, now),
        )
    ]


def _parts(step: Step, depth: int, run: journal.Run, now: clock.Reading) -> Iterator[Row]:
    """The rows of a step that was made several times; of many, those that did not simply go well."""
    every = parts.parts_of(step, run)
    for part in every:
        status = _status(part, run)
        if len(every) <= MOST_PARTS or status not in ("ok", "skipped", "pending"):
            suffix = part.path.removeprefix(step.path).lstrip("@")
            yield _row(part.path, depth + 1, suffix, status, run, now)


def _walk(runbook: Runbook) -> Iterator[tuple[Step, int, bool]]:
    yield from _descend(runbook.steps, 0, False)
    yield from _descend(runbook.rescue, 0, True)
    yield from _descend(runbook.always, 0, False)


def _descend(steps: Iterable[Step], depth: int, rescue: bool) -> Iterator[tuple[Step, int, bool]]:
    for step in steps:
        yield step, depth, rescue
        yield from _descend(step.block, depth + 1, rescue)
        yield from _descend(step.rescue, depth + 1, True)
        yield from _descend(step.always, depth + 1, rescue)


def _inner(step: Step) -> Iterator[Step]:
    return (inner for inner, _, _ in _descend((*step.block, *step.rescue, *step.always), 0, False))


def _begun(step: Step, run: journal.Run) -> bool:
    return step.path in run.steps or any(inner.path in run.steps for inner in _inner(step))


def _status(step: Step, run: journal.Run) -> str:
    """The step's own status; a block's follows from what is in it."""
    state = run.steps.get(step.path)
    own = state.status if state is not None else "pending"
    if step.kind != "block" or own in journal.SETTLED:
        return own
    if not _begun(step, run):
        return own
    if any(
        run.steps[inner.path].status not in journal.SETTLED
        for inner in _inner(step)
        if inner.path in run.steps and inner.kind != "block"
    ):
        return "entered"
    ended = _stopped((*step.block, *step.rescue, *step.always), run)
    if ended is not None:
        return ended
    within = [_status(inner, run) for inner in step.block]
    if "aborted" in within:
        return "aborted"
    if "failed" in within:
        if step.rescue and all(
            _status(inner, run) in ("ok", "continued", "skipped") for inner in step.rescue
        ):
            return "ok"
        return "continued" if step.continue_on_error else "failed"
    if not {"pending", "entered"} & set(within):
        return "ok"
    if run.end is None:
        return "entered"
    return run.end.status if run.end.status in ("failed", "aborted") else "ok"  # it ended from elsewhere


def _stopped(steps: Iterable[Step], run: journal.Run) -> str | None:
    """How a `stop` has ended these steps and what is around them, up to the runbook that it stands in."""
    for step in steps:
        state = run.steps.get(step.path)
        if step.stop is not None and state is not None and state.status == "ok":
            return step.stop.status
        if step.sub is None and (found := _stopped((*step.block, *step.rescue, *step.always), run)):
            return found
    return None


def _name(run: journal.Run, path: str) -> str:
    state = run.steps[path]
    return next((a.command.name for a in reversed(state.attempts) if a.command.name), path.rpartition("/")[2])


def _row(path: str, depth: int, name: str, status: str, run: journal.Run, now: clock.Reading) -> Row:
    state = run.steps.get(path) or journal.StepState(path)
    word, tone = STATUSES[status]
    mark = MARKS[tone]
    detail = _detail(run, state, status, now)
    if status == "pending" and run.status == "ended":
        word = NOT_REACHED
    elif (
        status in ("entered", "spread") and run.status == "ended"
    ):  # the log alone does not tell how it ended
        word, mark, tone = OVER, MARKS["quiet"], "quiet"
    elif status == "skipped":
        mark = "-"
    question = next((q for q in run.open_questions() if q.path == path), None)
    if question is not None:
        mark, tone = MARKS["asks"], "bad" if question.what in ("doubt", "undo") else "warn"
        if status in ("pending", "confirmed"):
            word, detail = "asks", ""
    return Row(path, depth, name, status, word, mark, tone, elapsed(state, now), detail)


def elapsed(state: journal.StepState, now: clock.Reading) -> str:
    """How long the step's programs have run in all, in words; `~` where only the wall clock can tell."""
    total, exact, ran = 0, True, False
    for attempt in state.attempts:
        ran = True
        if attempt.end is not None:
            span = clock.Span(attempt.end.took, True)
        else:
            span = clock.between(attempt.started, now)
        if span.micros is None:
            return "unknown"
        total, exact = total + span.micros, exact and span.exact
    return ("" if exact else "~") + clock.words(total) if ran else ""


def _detail(run: journal.Run, state: journal.StepState, status: str, now: clock.Reading) -> str:
    """What else there is to say about a step, in few words."""
    parts = []
    attempt = state.open_attempt()
    if attempt is not None:
        if attempt.part == "wait" and attempt.command.timeout is not None:
            waited = clock.between(attempt.started, now).micros or 0
            parts.append(f"{clock.words(max(0, attempt.command.timeout - waited))} left")
        elif attempt.number > 1:
            parts.append(f"attempt {attempt.number}")
        if state.overdue == attempt.n:
            parts.append("overdue: it has no bound and is not killed")
    elif state.count("run") > 1:
        parts.append(f"{state.count('run')} attempts")
    if state.why and status not in ("pending", "confirmed", "running", "checking"):
        parts.append(state.why)
    if state.outputs and status == "ok" and state.spread is None:  # else each part says its own
        end = _end(state)
        rest = {name: one for name, one in state.outputs.items() if end is None or name not in end.watched}
        parts += [shown_outputs(rest)] if rest else []
    parts += _watched(state)
    parts += _decided(run, state.path, status)
    act = state.last("run", "undo")
    if act is not None and act.end is not None:
        if act.end.recovered:
            parts.append("its end was found after a crash")
        if act.end.services:
            parts.append("left running: " + ", ".join(act.end.services))
        if act.end.survivors:
            parts.append("still running: " + ", ".join(act.end.survivors))
    return "; ".join(parts)


def _watched(state: journal.StepState) -> list[str]:
    """From which value to which the numbers went by which the step was watched."""
    end = _end(state)
    if end is None:
        return []
    why = [f"a number was not always to be had: {end.unwatched}"] if end.unwatched else []
    return telling.watched(end.watched) + why


def _end(state: journal.StepState) -> kinds.StepEnded | None:
    """The outcome of the step's last act, or wait."""
    last = state.last("run", "wait")
    return last.end if last is not None else None


#: what a question was about -> the answer -> what it says of the step that came of it
_DID: dict[str, dict[str, str]] = {
    "confirm": {"yes": "confirmed by", "skip": "skipped by", "abort": "aborted by"},
    "approve": {"skip": "skipped by"},
    "manual": {"done": "done by", "skip": "skipped by", "abort": "aborted by"},
    "doubt": {
        "retry": "run again at the word of", "retry-beside": "run again at the word of", "done": "vouched for by",
        "skip": "skipped by", "abort": "aborted by",
    },
}  # fmt: skip


def _decided(run: journal.Run, path: str, status: str) -> list[str]:
    """Which person decided how the step stands, where one did."""
    last = next((q for q in reversed(run.questions.values()) if q.path == path and q.by is not None), None)
    if last is None or last.by is None or status not in journal.SETTLED:
        return []
    undone = status in ("kept", "undone")
    did = "decided by" if undone else _DID.get(last.what, {}).get(last.answer or "", "")
    if not did or undone != (last.what == "undo"):
        return []
    return [f"{did} {last.by.shown}"]


def shown_outputs(outputs: Mapping[str, Any]) -> str:
    """`avail = 1073741824, mount = /var`, each value cut; of many those first that say something."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in outputs.items()
    }
    more = max(0, len(texts) - MOST_OUTPUTS)
    if more:
        telling = sorted(texts, key=lambda name: not texts[name].strip())[:MOST_OUTPUTS]
        texts = {name: texts[name] for name in sorted(telling)}
    shown = ", ".join(
        f"{name} = {text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + '…'}"
        for name, text in texts.items()
    )
    return f"{shown} and {more} more" if more else shown
