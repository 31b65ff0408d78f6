"""One run as a chat shows it: one message that fills in step by step, with what is asked and what can be pressed.

Everything is read from the log and from the output on disk; nothing is remembered that a restart would miss. A post
that says the same as the one before it is equal to it, so that nothing need be sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatops import layout, presses, step_list
from chatops.surfaces.base import Post
from chatops.views import Button, Card, Field, Stack
from incidents import clock
from incidents.errors import HowdahError
from runbooks import attempt, driver, follow, inputs, listing, orders, question
from runbooks.player import alone, safe

if TYPE_CHECKING:
    from incidents.events import Event
    from incidents.store.protocol import Store
    from runbooks import journal
    from runbooks.document import Runbook
    from runbooks.listing import Row

MOST_QUESTIONS = 4  # drawn at once, each with a row of buttons
TAIL = 8_192  # bytes of a running step's output that are read
LIVE_LINES = 8  # of the output of what runs
FAILED_LINES = 12  # of the output of what failed
WIDEST = 100  # cells of a line of output
LONGEST_OUTPUT = 550  # characters

LABELS = {
    "yes": "Confirm", "skip": "Skip", "abort": "Abort", "done": "Done", "retry": "Retry", "beside": "Retry beside",
    "approve": "Approve", "decline": "Decline", "wait": "Wait", "stop": "Stop", "pause": "Pause", "resume": "Resume",
}  # fmt: skip
#: what a run is doing -> (words, tone)
STATES = {
    "starting": ("is being started", "quiet"),
    "running": ("running", ""),
    "parked": ("waits for a person", "warn"),
    "paused": ("paused", "warn"),
}
ENDS = {"ok": "good", "undone": "warn"}
_GRAINS = (  # a running step's age -> how finely it is told, so that a message is not edited for a second's sake
    (30 * clock.SECOND, 2 * clock.SECOND),
    (5 * clock.MINUTE, 10 * clock.SECOND),
)


class _Open(NamedTuple):
    """An open question and the seq of the event that asked it."""

    seq: int
    question: journal.Question


class _Shown(NamedTuple):
    """The same as it is drawn."""

    seq: int
    card: question.Card


class Running:
    """Follows one run. `poll` reads the news; all else tells how it stands after the last poll."""

    def __init__(self, store: Store, run_id: str, stream: str):
        self.id = run_id
        started = store.by_key(f"{run_id}:started")
        self._follower = follow.Follower(store, run_id, stream, after=started.seq - 1 if started else 0)
        self._store = store
        self._folder = orders.run_dir(store.path, run_id)
        self._lookout = alone.Lookout(self._folder, "howdah")
        self._died: HowdahError | None = None
        self._runbook: Runbook | None = None
        self._unreadable = False
        self._asked: dict[str, int] = {}  # question -> seq of its question.asked
        self._begun: dict[int, int] = {}  # ordinal of an open attempt -> seq of its step.started
        self._state, self._state_seq = "starting", 0

    def poll(self) -> list[Event]:
        """What was recorded since the last poll and concerns this run. Raises StoreError."""
        news = self._follower.poll()
        if news:
            self._lookout.news()
            self._died = None
        for event in news:
            if event.run == self.id:
                self._note(event)
        return news

    def _note(self, event: Event) -> None:
        """Remembers the seqs that buttons are about."""
        if event.kind == "question.asked":
            self._asked[str(event.data.get("question"))] = event.seq
        elif event.kind == "step.started":
            self._begun[int(event.data.get("n", 0))] = event.seq
        elif event.kind == "step.ended":
            self._begun.pop(event.data.get("n") or 0, None)
        state = presses.state_after(self._state, event)
        if state != self._state or event.kind in presses.RUN_STATES:
            self._state, self._state_seq = state, event.seq

    # -- how it stands

    @property
    def run(self) -> journal.Run:
        """The fold of what was read."""
        return self._follower.run

    @property
    def ended(self) -> bool:
        return self.run.status == "ended"

    @property
    def busy(self) -> bool:
        """How it is shown may change without any event: by what it prints, by its time, by its driver's death."""
        return self.run.status in ("starting", "running") or (
            not self.ended and bool(self.run.open_attempts())
        )

    def _driver_died(self) -> HowdahError | None:
        """Why nobody drives a run that should go on; None where somebody does, or nobody need."""
        if self.run.status not in ("starting", "running"):
            return None
        found = self._lookout.look(self.run)  # looks once a second, and says nothing in between
        if found is not None:
            self._died = found
        elif self._died is not None and not driver.lock_is_free(self._folder):
            self._died = None
        return self._died

    def open_questions(self) -> dict[str, int]:
        """The ids of the questions that wait for an answer, each with the seq of the event that asked it."""
        return {one.question.id: one.seq for one in self._open()}

    def _open(self) -> list[_Open]:
        if self.ended:
            return []
        return [_Open(self._asked.get(q.id, 0), q) for q in self.run.open_questions()]

    def document(self) -> Runbook | None:
        """The runbook that the run is pinned to; None where its text is redacted or another howdah's."""
        start, started = self.run.start, self.run.started
        if self._runbook is None and not self._unreadable and started is not None and start is not None:
            from runbooks.loader import loads

            self._unreadable = True
            with contextlib.suppress(HowdahError, IndexError, UnicodeDecodeError):
                self._runbook = loads(
                    self._store.get_blob(start.evidence[0].sha256).decode(), started.file, started.subs
                )
        return self._runbook

    # -- what is shown

    def post(self, now: clock.Reading) -> Post:
        """The run's message at `now`."""
        died = self._driver_died()
        asked = self._open()
        shown = [
            _Shown(one.seq, question.card(self.run, one.question, self.document()))
            for one in asked[:MOST_QUESTIONS]
        ]
        cards = [self._card(now, died), *(_question_card(one.card, self.run) for one in shown)]
        if more := len(asked) - len(shown):
            waits = f"{more} more question{'s wait' if more > 1 else ' waits'}"
            cards[-1] = cards[-1]._replace(fields=(*cards[-1].fields, Field("more", (waits,))))
        view = cards[0] if len(cards) == 1 else Stack(tuple(cards))
        return Post(view, tuple(self._buttons(shown, died)))

    def _card(self, now: clock.Reading, died: HowdahError | None) -> Card:
        run = self.run
        name = run.started.runbook if run.started is not None else "a run"
        rows = listing.rows(self.document(), run, _coarse(run, now))
        state, tone = self._standing(now, died)
        under = "\n".join((*_head(run, self.document()), *step_list.lines(rows)))
        fields = [*self._output(rows), *_last_words(run, now, died, under)]
        return Card(
            f"{name} · {run.id}",
            tuple(fields),
            state=state,
            under=under,
            tone=tone,
        )

    def _standing(self, now: clock.Reading, died: HowdahError | None) -> tuple[str, str]:
        run = self.run
        mode = run.start.mode if run.start is not None else "real"
        if run.end is not None and self.ended:
            words, tone = f"ended: {run.end.status}", ENDS.get(run.end.status, "bad")
            span = clock.between(run.started_at, run.ended_at) if run.started_at and run.ended_at else None
            if span is not None:
                words += f" after {'' if span.exact else '~'}{clock.words(span.micros)}"
        elif died is not None:
            words, tone = "nobody drives it", "bad"
        else:
            words, tone = STATES.get(run.status, (run.status, ""))
            if run.doubts() or any(one.question.what == "undo" for one in self._open()):
                tone = "bad"
            if run.requests:
                words += f"; {run.requests[-1][0].what.replace('-', ' with ')} asked for"
        return (words if mode == "real" else f"{mode} · {words}"), tone

    def _output(self, rows: Sequence[Row]) -> Iterator[Field]:
        """What the running step prints; of a run that failed what the step printed that failed."""
        now_on = follow.running(self.run)
        if now_on is not None and not self.ended:
            if now_on.part != "wait":
                raw = b""
                with contextlib.suppress(OSError):  # another account's run may not be readable
                    raw = attempt.tail(self._folder, now_on.n, TAIL)
                yield from _printed(
                    f"{now_on.command.name or now_on.path} prints", raw.decode("utf-8", "replace"), LIVE_LINES
                )
            return
        failed = [row for row in rows if row.status in ("failed", "in_doubt")]
        for row in failed[-1:]:
            state = self.run.steps.get(row.path)
            if state is not None and (self.ended or not self._open()):
                yield from _printed(f"{row.name} printed", state.tail, FAILED_LINES)

    def _buttons(self, shown: Sequence[_Shown], died: HowdahError | None) -> Iterator[Button]:
        if self.ended:
            return
        words = {request.what for request, _ in self.run.requests}
        for one in shown:
            words |= {answer.word for answer in one.card.answers if len(shown) == 1}
            yield from self._answers(one, of=one.card.path if len(shown) > 1 else "")
        if died is not None:
            yield self._button("resume", "good")
        elif not shown or self.run.status == "running":
            yield from self._of_the_run(words)

    def _of_the_run(self, said: set[str]) -> Iterator[Button]:
        if self.run.status in ("paused", "parked"):
            yield self._button("resume", "good")
        elif self.run.status == "running" and "pause" not in said:
            yield self._button("pause")
        if "abort" not in said and not self.run.aborting:
            yield self._button("abort", "bad")
        now_on = follow.running(self.run)
        if now_on is not None and "stop" not in said and now_on.n in self._begun:
            yield self._button("stop", "bad")._replace(seq=self._begun[now_on.n])

    def _button(self, word: str, tone: str = "") -> Button:
        return Button(
            LABELS[word], f"howdah {word} {self.id}", tone, incident=self.run.stream, seq=self._state_seq, word=word
        )  # fmt: skip

    def _answers(self, one: _Shown, of: str) -> Iterator[Button]:
        risky = one.card.what in ("doubt", "undo")
        for answer in one.card.answers:
            word = _word(one.card, answer.word)
            label = f"{LABELS.get(word, word)} {of.rpartition('/')[2]}".strip()
            form = word == "decline" or (word == "done" and bool(one.card.outputs))
            yield Button(
                label, answer.command, _answer_tone(word, risky), incident=self.run.stream, seq=one.seq, word=word,
                form=form,
            )  # fmt: skip


def _answer_tone(word: str, risky: bool) -> str:
    if word in ("abort", "stop", "beside", "decline") or (word == "retry" and risky):
        return "bad"
    return "good" if word in ("yes", "approve", "done") and not risky else ""


# -- what it runs with, and how finely its time is told -------------------------------------------------------


def _head(run: journal.Run, runbook: Runbook | None) -> Iterator[str]:
    """The inputs that somebody gave: what the run does depends on them."""
    if run.started is None:
        return
    specs = {} if runbook is None else runbook.inputs
    given = [
        f"{name} = {inputs.shown(specs.get(name), value)}"
        for name, value in run.started.inputs.items()
        if value not in (None, [], "") and (name not in specs or value != specs[name].default)
    ]
    if given:
        yield layout.cut(layout.one_line(", ".join(given)), 200)


def _coarse(run: journal.Run, now: clock.Reading) -> clock.Reading:
    """`now`, as finely as the age of what runs deserves."""
    now_on = follow.running(run)
    age = clock.between(now_on.started, now).micros if now_on is not None else None
    if not age:
        return now
    grain = next((grain for limit, grain in _GRAINS if age < limit), clock.MINUTE)
    return clock.Reading(now.at - age % grain, now.boot, now.mono - age % grain)


# -- questions, output, last words ---------------------------------------------------------------------------


def _question_card(card: question.Card, run: journal.Run) -> Card:
    """What a person needs to decide: short facts first, then what runs letter by letter, then what each answer risks."""
    given = run.started.inputs if run.started is not None else {}
    absent = {f"{name} = {inputs.shown(None, value)}" for name, value in given.items() if value is None}
    told: list[str] = []
    fields: list[Field] = []
    for fact in card.facts:
        if fact.form == "output":
            fields += _printed(fact.name, fact.text, FAILED_LINES)
        elif fact.form == "exact" or "\n" in fact.text:
            lines = fact.text.split("\n")
            if fact.name == "inputs":
                lines = [line for line in lines if line not in absent]
            fields += [Field(fact.name, tuple(lines), exact=fact.form == "exact")] if lines else []
        else:
            told.append(f"{fact.name} – {fact.text}")
    risks = tuple(f"{LABELS[_word(card, one.word)]}: {one.risk}" for one in card.answers)
    tone = "bad" if card.what in ("doubt", "undo") else "warn"
    return Card(
        card.title, (Field("what is known", tuple(told)), *fields, Field("answers", risks)), under=card.text, tone=tone
    )  # fmt: skip


def _word(card: question.Card, word: str) -> str:
    """The word of an answer's button: a retry while the earlier attempt lives is another matter."""
    return "beside" if word == "retry" and card.alive else word


def _printed(name: str, text: str, most: int) -> Iterator[Field]:
    lines = [layout.cut(line, WIDEST) for line in safe.output_lines(text)][-most:]
    while len(lines) > 1 and sum(map(len, lines)) + len(lines) > LONGEST_OUTPUT:
        del lines[0]
    if lines:
        yield Field(name, ("\n".join(lines),), exact=True)


def _last_words(
    run: journal.Run, now: clock.Reading, died: HowdahError | None, told_already: str
) -> Iterator[Field]:
    if died is not None:
        yield Field("the driver", (died.message,), "bad")
    if run.end is None or run.status != "ended":
        return
    summary = follow.summary(run, now)
    told = [run.end.say] if run.end.say and run.end.say not in told_already else []
    told += [summary.counts] if summary.counts else []
    yield Field("the end", (*told, *summary.doubts) or (summary.line,), "bad" if summary.doubts else "")
