"""A run without a screen: each event one line with its time.

No escape code leaves this module, and nothing that a step printed reaches the reader raw.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from incidents import clock, kinds, telling
from incidents.errors import HowdahError
from incidents.events import Event
from incidents.visible import one_line, visible
from runbooks import follow, journal, listing, samples
from runbooks.player.keys import Intent, Leave, read_line
from runbooks.player.safe import output_lines
from runbooks.question import Card, parted
from runbooks.samples import Track
from runbooks.typed import as_text

WORD = 8  # cells of the second column
INDENT = " " * 10  # under the word
OUTPUT_LINES = 20  # of a failed step
PRINTED_LINES = 200  # of a command by hand
CHART = 10 * clock.SECOND  # between two lines about the numbers of a watched step


class Plain:
    """Writes lines to `out`. With `stdin` a person is asked and answers by whole typed words."""

    fd: int | None

    def __init__(
        self, out: TextIO, zone: str, *, stdin: int | None = None,
        watched: Callable[[], Mapping[str, Sequence[Track]]] = dict,
    ):  # fmt: skip
        self.fd = stdin
        self.asks = stdin is not None
        self._out = out
        self._zone = zone
        self._day = ""
        self._typed = b""
        self._watched = watched
        self._charted: dict[str, tuple[int, Sequence[Track]]] = {}  # path -> when it was told last, and what

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, news: Sequence[Event], run: journal.Run) -> None:
        self._write(line for event in news for line in self._event(event, run))

    def ask(self, card: Card) -> None:
        """The question in full, and how to answer it."""
        long, card = parted(card)
        lines = []
        for fact in long:
            lines += [f"{INDENT}{fact.name}: {one_line(card.title)}"]
            lines += [f"{INDENT}  {line}" for line in visible(fact.text).split("\n")]
        lines += [f"{self._time(card.asked.at)}  {'?':<{WORD}} {one_line(card.title)}"]
        lines += question_lines(card)
        if self.asks:
            words = ", ".join(answer.word for answer in card.answers)
            lines.append(f"{INDENT}type one of {words} and Enter; quit only closes this viewer")
        self._write(lines)

    def say(self, text: str, tone: str = "") -> None:
        self._write(f"{INDENT}{visible(line)}" for line in text.split("\n"))

    def draw(self, run: journal.Run, cards: Sequence[Card], output: Callable[[], bytes]) -> None:
        """What is on its way shows when it has ended; of a watched step its numbers, now and then."""
        now = clock.monotonic()
        for path, tracks in self._watched().items():
            when, before = self._charted.get(path, (-CHART, ()))
            if tracks == before or (now - when < CHART and before and not _leapt(before, tracks)):
                continue
            self._charted[path] = now, tracks
            parts = "; ".join(samples.words(track) for track in tracks)
            self._write([f"{self._time(clock.wall())}  {_line('watch', path, parts)}"])

    def heard(self, cards: Sequence[Card]) -> list[Intent] | None:
        """Answers typed since the last call; None when the input has ended."""
        assert self.fd is not None
        try:
            raw = os.read(self.fd, 4096)
        except OSError:
            return None
        self._typed += raw
        *lines, self._typed = self._typed.split(b"\n")
        intents: list[Intent] = []
        for line in lines:
            if not cards:
                if line.strip() in (b"q", b"quit", b"detach"):
                    intents.append(Leave())
                continue
            found = read_line(line.decode("utf-8", "replace"), cards[0])
            if isinstance(found, str):
                self.say(found)
            else:
                intents.append(found)
        return intents if raw else None

    def suspend(self) -> None:
        """The terminal is as it was; nothing to give back."""

    def resume(self) -> None:
        """Nothing was given back."""

    def resized(self) -> None:
        """Lines have no width."""

    def close(self, summary: follow.Summary, problem: HowdahError | None) -> None:
        lines = [visible(summary.line)]
        if summary.counts:
            lines.append(summary.counts)
        lines += map(visible, summary.doubts)
        if problem is not None:
            lines += visible(problem.message).split("\n")
            lines += [visible(problem.hint)] if problem.hint else []
        lines += [f"next: {visible(command)}" for command in summary.next]
        self._write(INDENT + line for line in lines)

    def _write(self, lines: Iterator[str] | Sequence[str]) -> None:
        text = "".join(f"{line.rstrip()}\n" for line in lines)
        if text:
            self._out.write(text)
            self._out.flush()

    def _time(self, at: int) -> str:
        return clock.iso(at, self._zone, precision="seconds")[11:19]

    def _event(self, event: Event, run: journal.Run) -> Iterator[str]:
        stamp = clock.iso(event.at, self._zone, precision="seconds")
        if stamp[:10] + stamp[19:] != self._day:
            self._day = stamp[:10] + stamp[19:]
            day = datetime.date.fromisoformat(stamp[:10])
            zone = "UTC" if self._zone == "UTC" else f"{self._zone}, UTC{stamp[19:]}"
            yield f"{_DAYS[day.weekday()]} {stamp[:10]}, times in {zone}"
        lines = [*event_lines(event), *(_printed(event) if follow.by_hand(run) else ())]
        for place, line in enumerate(lines):
            yield f"{stamp[11:19]}  {line}" if place == 0 else f"{INDENT}{line}"


def _leapt(before: Sequence[Track], now: Sequence[Track]) -> bool:
    """Is one of the numbers twice as large as it was, or half as large?"""
    pairs = [(a.values[-1], b.values[-1]) for a, b in zip(before, now, strict=False) if a.values and b.values]
    return any(a != b and max(abs(a), abs(b)) >= 2 * min(abs(a), abs(b)) for a, b in pairs)


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


# -- one event -----------------------------------------------------------------------------------------------


def event_lines(event: Event) -> Iterator[str]:
    """The event as one line; after a failure the last lines of its output follow."""
    if event.redacted:
        yield _line("", f"{event.kind}: its content was redacted")
        return
    teller = _TELLERS.get(event.kind)
    if teller is not None:
        yield from teller(event, kinds.view(event.kind, event.data))
    elif event.kind == "question.void":
        return
    else:
        yield _line(
            "note" if event.kind == "note" else "incident", f"{telling.who(event)}: {telling.sentence(event)}"
        )


def _line(word: str, *parts: str) -> str:
    return f"{word:<{WORD}} " + "  ".join(filter(None, map(one_line, parts)))


def _run_started(event: Event, data: kinds.RunStarted) -> Iterator[str]:
    given = " ".join(f"{name}={as_text(value)}" for name, value in data.inputs.items() if value is not None)
    yield _line(
        "run", f"{event.run} in {event.stream}: {data.runbook}, started by {telling.who(event)}", given
    )
    if event.mode == "drill":
        yield _line("", "this is a drill")


def _run_ended(event: Event, data: kinds.RunEnded) -> Iterator[str]:
    yield _line("end", f"{event.run}: {data.status}", data.say)


def _parked(event: Event, data: kinds.RunParked) -> Iterator[str]:
    yield _line("parked", f"{event.run} waits for a person")


def _paused(event: Event, data: kinds.RunPaused) -> Iterator[str]:
    yield _line("paused", f"{event.run}")


def _request(event: Event, data: kinds.RunRequest) -> Iterator[str]:
    yield _line("asks", f"{telling.who(event)}: {data.what}", data.path or "")


def _resumed(event: Event, data: kinds.RunResumed) -> Iterator[str]:
    yield _line("resumed", f"{event.run}: a driver has taken it up")


def _undo(event: Event, data: kinds.UndoStarted) -> Iterator[str]:
    yield _line("undo", ", ".join(data.steps))


def _step_started(event: Event, data: kinds.StepStarted) -> Iterator[str]:
    part = "" if data.part == "run" else f"({data.part})"
    attempt = f"(attempt {data.attempt})" if data.attempt > 1 and data.part in ("run", "undo") else ""
    yield _line("start", data.path, part, attempt, data.name)


_WORDS = {
    "ok": "ok", "failed": "FAILED", "continued": "FAILED", "in_doubt": "IN DOUBT", "again": "failed",
    "skipped": "skipped", "checking": "ok", "no": "no", "undone": "undone",
}  # fmt: skip
_MORE = {"continued": "the run goes on", "again": "tries again", "checking": "verify has the last word"}


def _step_ended(event: Event, data: kinds.StepEnded) -> Iterator[str]:
    if data.status == "entered":
        return
    parts = [data.path, "" if data.part in ("run", "spread") else f"({data.part})"]
    if data.took is not None:
        parts.append(clock.words(data.took))
    parts += [data.why, _MORE.get(data.status, "")]
    if data.outputs and data.part != "spread":  # its parts have said their own
        rest = {name: one for name, one in data.outputs.items() if name not in data.watched}
        parts.append(listing.shown_outputs(rest))
    parts += telling.watched(data.watched)
    if data.unwatched:
        parts.append(f"a number was not always to be had: {data.unwatched}")
    if data.recovered:
        parts.append("its end was found after a crash")
    if data.dropped == 1:  # as the engine says it where it cannot know
        parts.append("some of its output may be missing")
    elif data.dropped:
        parts.append(f"{data.dropped:,} of {data.bytes:,} bytes of its output were not kept")
    if data.services:
        parts.append("left running: " + ", ".join(data.services))
    if data.survivors:
        parts.append("still running: " + ", ".join(data.survivors))
    yield _line(_WORDS.get(data.status, data.status), *parts)
    if data.status in ("failed", "continued", "in_doubt", "again"):
        yield from tail_lines(data.tail)


def _printed(event: Event) -> Iterator[str]:
    """What a command that was given by hand has printed, where it went well too."""
    if event.kind == "step.ended" and not event.redacted and event.data["status"] == "ok":
        yield from tail_lines(event.data.get("tail", ""), PRINTED_LINES)


def tail_lines(tail: str, limit: int = OUTPUT_LINES) -> Iterator[str]:
    """The last lines of an output, each behind a bar."""
    lines = output_lines(tail)
    if len(lines) > limit:
        yield "| …"
    for line in lines[-limit:]:
        yield f"| {line}"


def _overdue(event: Event, data: kinds.StepOverdue) -> Iterator[str]:
    yield _line(
        "OVERDUE", data.path, f"runs for {clock.words(data.ran)}; it has no timeout and is not killed"
    )


def _asked(event: Event, data: kinds.QuestionAsked) -> Iterator[str]:
    yield _line("asks", data.path, f"{data.what}: {', '.join(data.options)}?")


def _answered(event: Event, data: kinds.QuestionAnswered) -> Iterator[str]:
    yield _line(
        "answer",
        data.path,
        f"{telling.who(event)}: {data.answer}",
        listing.shown_outputs(data.outputs),
        event.body,
    )


def _approved(event: Event, data: kinds.ApprovalGiven) -> Iterator[str]:
    yield _line("approves", data.path, telling.who(event), f"gate {data.gate}")


_TELLERS: dict[str, Any] = {
    "run.started": _run_started,
    "run.ended": _run_ended,
    "run.parked": _parked,
    "run.paused": _paused,
    "run.resumed": _resumed,
    "run.request": _request,
    "undo.started": _undo,
    "step.started": _step_started,
    "step.ended": _step_ended,
    "step.overdue": _overdue,
    "question.asked": _asked,
    "question.answered": _answered,
    "approval.given": _approved,
}


# -- a question ----------------------------------------------------------------------------------------------


def question_lines(card: Card) -> Iterator[str]:
    """All that a person needs to decide, and the commands that answer."""
    for line in visible(card.text).split("\n"):
        yield INDENT + line
    width = max(len(fact.name) for fact in card.facts if fact.form != "output")
    for fact in card.facts:
        if fact.form == "output":
            yield INDENT + fact.name
            yield from (f"{INDENT}  {line}" for line in tail_lines(fact.text, 40))
            continue
        for place, line in enumerate(visible(fact.text).split("\n")):
            yield f"{INDENT}{fact.name if place == 0 else '':<{width}}  {line}"
    yield f"{INDENT}answer with one of:"
    width = max(len(answer.command) for answer in card.answers)
    for answer in card.answers:
        yield f"{INDENT}  {visible(answer.command):<{width}}  {answer.risk}"
