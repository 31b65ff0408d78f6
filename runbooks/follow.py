"""What a viewer of a run shows: its log, told. The terminal player and chat cards read the same functions.

`Follower` reads the news of the run's stream; `summary` turns the fold into neutral texts and does nothing else;
`listing.rows` does so for the steps, `question.card` for a question. Texts are as people and programs wrote them: each
surface makes them safe in its own way.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from incidents import clock
from incidents.events import Event
from runbooks import journal, listing, orders

PAGE = 1000  # events of one read
OTHER_PEOPLE = (
    "note",
    "update",
    "incident.",
    "role.",
    "task.",
    "lock.",
    "reminder.due",
)  # kinds of the incident that a viewer shows


class Reader(Protocol):
    """The one thing that a follower needs of a store."""

    def read(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Event]: ...


class Follower:
    """Follows one run from seq `after` of its stream; `run` is the fold of what was read."""

    def __init__(self, store: Reader, run_id: str, stream: str, *, after: int = 0):
        self.run = journal.Run(run_id, stream)
        self._store = store
        self._stream = stream
        self._seen = after

    def poll(self) -> list[Event]:
        """What was recorded since the last look and concerns this run's viewers, folded. Raises StoreError."""
        news: list[Event] = []
        while page := self._store.read(self._stream, after=self._seen, limit=PAGE):
            self._seen = page[-1].seq
            for event in page:
                if event.run == self.run.id:
                    journal.apply(self.run, event, clock.Reading(event.at, event.boot, event.mono))
                    self.run.last_seq = event.seq
                    news.append(event)
                elif event.run is None and event.kind.startswith(OTHER_PEOPLE):
                    news.append(event)
            if len(page) < PAGE:
                break
        return news


def by_hand(run: journal.Run) -> bool:
    """Whether the run is one command of a person, who wants to see what it printed."""
    return run.started is not None and run.started.file == orders.BY_HAND


def running(run: journal.Run) -> journal.Attempt | None:
    """The attempt whose output is the one to look at."""
    return max(run.open_attempts(), key=lambda attempt: attempt.n, default=None)


# -- the end -------------------------------------------------------------------------------------------------


class Summary(NamedTuple):
    """How a run stands when a viewer leaves it. `doubts` are sentences; `next` are commands that go on from here."""

    line: str
    counts: str
    tone: str
    exit: int
    next: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def summary(run: journal.Run, now: clock.Reading, *, howdah: str = "howdah") -> Summary:
    """The last words about a run that has ended, or that nobody drives at the moment."""
    attach, resume = (f"{howdah} attach {run.id}",), (f"{howdah} resume {run.id}",)
    if run.started is None and run.end is None:
        return Summary(f"{run.id} has not begun", "", "busy", 130, attach)
    name = run.started.runbook if run.started is not None else run.id  # its start was redacted
    took, done = _span(run.started_at, run.ended_at or now), counts(run)
    doubts = tuple(f"{state.path} is IN DOUBT: {state.why}" for state in run.doubts())
    if run.end is not None:
        status, say = run.end.status, run.end.say
        tone = "good" if status == "ok" else "warn" if status == "undone" else "bad"
        line = f"{name} ended: {status} after {took} ({exit_meaning(run.end.exit)})"
        return Summary(f"{line}: {say}" if say else line, done, tone, run.end.exit, (), doubts)
    if run.status == "paused":
        return Summary(f"{name} is paused, {took} after its start", done, "warn", 3, resume, doubts)
    if run.status == "parked":
        return Summary(f"{name} waits for a person, {took} after its start", done, "warn", 3, attach, doubts)
    return Summary(f"{name}, {took} after its start", done, "busy", 130, attach, doubts)


def exit_meaning(code: int) -> str:
    """An exit code with its meaning (design, section 11)."""
    meanings = {0: "done as asked", 1: "not done", 3: "waits for a person", 130: "this viewer left"}
    return f"exit {code}: {meanings[code]}" if code in meanings else f"exit {code}"


def counts(run: journal.Run) -> str:
    """`7 ok, 1 skipped, 1 failed`, in the order of listing.STATUSES."""
    found: dict[str, int] = {}
    for state in run.steps.values():
        if state.status in journal.SETTLED or state.status in journal.DOUBTS:
            found[state.status] = found.get(state.status, 0) + 1
    return ", ".join(
        f"{found[status]} {listing.STATUSES[status][0]}" for status in listing.STATUSES if status in found
    )


def _span(start: clock.Reading | None, end: clock.Reading) -> str:
    if start is None:
        return "unknown"
    span = clock.between(start, end)
    return ("" if span.exact else "~") + clock.words(span.micros)
