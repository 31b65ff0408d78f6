"""The viewer's loop: what was recorded is shown, what a person answers is recorded, and nothing else is decided here.

A viewer may end at any moment, the run does not notice. It wakes when the driver that it started has committed,
when a key is typed, at a signal, and every 100 ms to look for what other processes recorded.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from incidents import cadence, clock, kinds
from incidents.errors import AlreadyAnswered, HowdahError, Parked, Refused, StoreError
from incidents.events import Draft, Event
from incidents.store.protocol import Store
from runbooks import approving, consent, driver, follow, journal, samples
from runbooks.approving import Approver
from runbooks.player import alone
from runbooks.player.beside import Beside
from runbooks.player.keys import Chosen, Intent, Leave, in_foreground
from runbooks.question import Card, card
from runbooks.quoting import shell_quote
from runbooks.samples import Track

if TYPE_CHECKING:
    from runbooks.document import Runbook

LOOK = 100_000  # µs between two looks at the record when nothing wakes the viewer
PACE = 40_000  # µs at least between two looks: a run of short steps is read in batches
TAIL = 16_384  # bytes of a running step's output that are read for the screen
LEFT = 130


class View(Protocol):
    """One way to show a run. `asks`: a person can answer here; `fd` is where keys arrive."""

    fd: int | None
    asks: bool

    def __enter__(self) -> Any: ...
    def __exit__(self, *_: object) -> None: ...
    def tell(self, news: Sequence[Event], run: journal.Run) -> None: ...
    def ask(self, card: Card) -> None: ...
    def say(self, text: str, tone: str = "") -> None: ...
    def draw(self, run: journal.Run, cards: Sequence[Card], output: Callable[[], bytes]) -> None: ...
    def heard(self, cards: Sequence[Card]) -> list[Intent] | None: ...
    def suspend(self) -> None: ...
    def resume(self) -> None: ...
    def resized(self) -> None: ...
    def close(self, summary: follow.Summary, problem: HowdahError | None) -> None: ...


class Viewer:
    """One viewer of one run."""

    def __init__(
        self, store: Store, run_id: str, by: Approver, handle: driver.Handle | None, runbook: Runbook | None,
        updates: Mapping[str, int | None] = cadence.DEFAULTS,
    ):  # fmt: skip
        self.store = store
        self.run = journal.Run(run_id)
        self.signals: int | None = None
        self._by, self._actor = by, by.actor
        self._runbook = runbook
        self.beside = Beside(store, updates)
        self._unreadable = False
        self._folder = driver.run_dir(store.path, run_id)
        self._howdah = _prefix(store.path)
        self._lookout = alone.Lookout(self._folder, self._howdah)
        self._handle = handle
        self._follower: follow.Follower | None = None
        self._shown: set[str] = set()
        self._tracks: dict[str, tuple[object, list[Track]]] = {}
        self._cards: list[Card] = []
        self._interrupts = 0
        self._pausing = False  # this viewer asked for the pause
        self._leaving = False
        self._stopped = False  # by Ctrl-Z, or in the background since
        self._began = clock.wall()
        self._last_look = 0

    # -- the loop --------------------------------------------------------------------------------------------

    def loop(self, view: View) -> int:
        while True:
            self._look(view)
            verdict = self._verdict(view)
            if verdict is not None:
                code, problem = verdict
                view.close(self._summary(code, problem), problem)
                return code
            if not self._stopped:
                view.draw(self.run, self._cards, self._output)
            self._wait(view)

    def _summary(self, code: int, problem: HowdahError | None) -> follow.Summary:
        summary = follow.summary(self.run, clock.read(), howdah=self._howdah)
        if code == LEFT and self.run.status in ("running", "starting"):
            summary = summary._replace(line=f"this viewer has left and the run goes on: {summary.line}")
        if problem is not None:
            summary = summary._replace(tone="bad", next=())  # the problem says what to do
        return summary._replace(exit=code)

    def _look(self, view: View) -> None:
        """Reads what is new and shows it."""
        self._last_look = clock.monotonic()
        if self._follower is None and not self._find():
            return
        assert self._follower is not None
        news = self._follower.poll()
        if news:
            self._lookout.news()
            view.tell(news, self.run)
        if self._pausing and self._interrupts == 0 and self.run.status != "ended":
            self._interrupts = 1
            self._request("pause")
        self._questions(view)

    def _find(self) -> bool:
        started = self.store.by_key(f"{self.run.id}:started")
        row = self.store.run(self.run.id) if started is None else None
        if started is not None:
            self._follower = follow.Follower(self.store, self.run.id, started.stream, after=started.seq - 1)
        elif row is not None:
            self._follower = follow.Follower(self.store, self.run.id, row.stream)
        else:
            return False
        self.run = self._follower.run
        return True

    def _questions(self, view: View) -> None:
        """A question is shown once, in full, as soon as nothing can go on without its answer."""
        still = self.run.status in ("parked", "paused")
        waiting = [
            q for q in self.run.open_questions() if still or q.what == "overdue" or q.id in self._shown
        ]
        if [q.id for q in waiting] != [one.question for one in self._cards]:
            self._cards = [card(self.run, q, self.document(), howdah=self._howdah) for q in waiting]
        for one in self._cards:
            if one.question not in self._shown:
                self._shown.add(one.question)
                view.ask(one)

    def document(self) -> Runbook | None:
        """The runbook that the run is pinned to, read when something first needs it."""
        start, started = self.run.start, self.run.started
        if self._runbook is None and not self._unreadable and started is not None and start is not None:
            from runbooks.loader import loads

            self._unreadable = True  # redacted, or another howdah's: then shown as the log tells it
            with contextlib.suppress(HowdahError, IndexError):
                self._runbook = loads(
                    self.store.get_blob(start.evidence[0].sha256).decode(), started.file, started.subs
                )
        return self._runbook

    def _output(self) -> bytes:
        """The end of what the running step has printed by now."""
        from runbooks import attempt

        now = follow.running(self.run)
        return attempt.tail(self._folder, now.n, TAIL) if now is not None and now.part != "wait" else b""

    def watched(self) -> dict[str, list[Track]]:
        """The numbers of the steps that are watched now, by path; a file that has not changed is not read again."""
        found = {}
        for state in self.run.steps.values():
            first = samples.first(state) if state.status not in journal.SETTLED else None
            if first is None:
                continue
            try:
                status = os.stat(samples.path(self._folder, first.n))
            except OSError:
                continue
            version = (status.st_ino, status.st_size)
            if self._tracks.get(state.path, (None,))[0] != version:
                self._tracks[state.path] = (version, samples.tracks(self._folder, state))
            found[state.path] = self._tracks[state.path][1]
        return found

    # -- waiting ---------------------------------------------------------------------------------------------

    def _wait(self, view: View) -> None:
        """Until something happens, at most LOOK."""
        pipe = self._handle.pipe if self._handle is not None else None
        keys = None if self._stopped else view.fd
        sources = [fd for fd in (pipe, self.signals, keys) if fd is not None]
        ready = select.select(sources, [], [], LOOK / clock.SECOND)[0]
        if self.signals in ready:
            self._signalled(view)
        if keys in ready and not self._leaving and not self._stopped:
            self._typed(view)
        if pipe in ready:
            assert self._handle is not None
            if not self._handle.listen() and self._handle.result() is None:
                self.let_go()
                self._lookout.lost()
            else:
                self._gather(self._handle)

    def _gather(self, handle: driver.Handle) -> None:
        """Lets short steps gather for PACE, so that they are read in batches; the end is heard at once."""
        while handle.result() is None and (left := PACE - (clock.monotonic() - self._last_look)) > 0:
            if select.select([handle.pipe], [], [], left / clock.SECOND)[0] and not handle.listen():
                return

    def let_go(self) -> None:
        """Closes this viewer's end of the driver's pipe."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle.pipe)
            with contextlib.suppress(ChildProcessError):
                handle.reap()

    def _signalled(self, view: View) -> None:
        assert self.signals is not None
        for number in os.read(self.signals, 512):
            if number == signal.SIGINT or (number == signal.SIGTERM and not view.asks):
                self._interrupted(view)
            elif number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
                self._leaving = True
            elif number == signal.SIGTSTP:
                view.suspend()
                self._stopped = True
                os.kill(os.getpid(), signal.SIGSTOP)  # here it stands until it is continued
            elif number == signal.SIGWINCH:
                view.resized()
        if self._stopped and (view.fd is None or in_foreground(view.fd)):
            self._stopped = False
            view.resume()

    # -- what a person asks for ------------------------------------------------------------------------------

    def _interrupted(self, view: View) -> None:
        """Once pauses after the step, twice stops the step, once more leaves. With nothing running: leaves."""
        if self._follower is not None:
            self._look(view)  # a step that has begun by now is the one that is meant
        attempt = follow.running(self.run)
        if self._follower is None and not self._pausing:
            self._pausing = True
            view.say("the run pauses as soon as it has begun; Ctrl-C again only closes this viewer", "warn")
            return
        self._interrupts += 1
        if self.run.status != "running" or self._interrupts > 2:
            self._leaving = True
        elif self._interrupts == 1:
            self._pausing = True
            self._request("pause")
            after = f"after {attempt.path}" if attempt is not None else "before the next step"
            more = f"stops {attempt.path} now" if attempt is not None else "only closes this viewer"
            view.say(f"the run pauses {after}; Ctrl-C again {more}", "warn")
        elif attempt is None:
            self._leaving = True
        else:
            self._request("stop", attempt.path)
            view.say(
                f"stopping {attempt.path}; {_after_stop(attempt)}; Ctrl-C again only closes this viewer",
                "bad",
            )

    def _request(self, what: str, path: str | None = None) -> None:
        mode = self.run.start.mode if self.run.start is not None else "real"
        self.store.append([
            Draft(
                stream=self.run.stream, kind="run.request", actor=self._actor, run=self.run.id, step=path, mode=mode,
                data=kinds.RunRequest(what, path)._asdict(),
            )
        ])  # fmt: skip

    def _typed(self, view: View) -> None:
        intents = view.heard(self._cards)
        if intents is None:
            self._leaving = True
            return
        for intent in intents:
            if isinstance(intent, Leave):
                self._leaving = True
            else:
                self._answer(view, intent)

    def _answer(self, view: View, chosen: Chosen) -> None:
        """Records a person's answer; where no driver is left to act on it, starts one."""
        from runbooks import recover

        question = self.run.questions[chosen.question]
        try:
            if chosen.word == "approve":
                approving.approve(self.store, self.run, question, self._by, gate=str(question.shows["gate"]))
                self._take_up()
                return
            if question.what == "approve":
                approving.may_decline(self.run, question, self._by, word=chosen.word)
            why = chosen.outputs.get("why", "") if chosen.word == "decline" else ""
            given = {} if why else chosen.outputs
            outputs = recover.typed_outputs(self.store, self.run, question.path, given)
            if chosen.word == "retry" and not chosen.beside:
                recover.must_not_run(self.store, self.run, question.path)
            answer = consent.answer(
                self.run, question, chosen.word, self._actor, outputs=outputs, beside=chosen.beside, body=why
            )
            consent.record(self.store, answer)
        except AlreadyAnswered as first:
            view.say(f"{first.message}; your answer was not recorded", "warn")
            return
        except StoreError:
            raise
        except HowdahError as problem:
            view.say(str(problem), "bad")
            return
        self._take_up()

    def _take_up(self) -> None:
        if driver.lock_is_free(self._folder):
            self.let_go()
            self._handle = driver.spawn(driver.Resume(store=self.store.path, run=self.run.id, attended=True))

    def check(self, one: Card, values: Mapping[str, str]) -> None:
        """Raises BadInput where an output's value is not what the step declares."""
        from runbooks import recover

        recover.typed_outputs(self.store, self.run, one.path, values)

    # -- the end ---------------------------------------------------------------------------------------------

    def _verdict(self, view: View) -> tuple[int, HowdahError | None] | None:
        """(exit code, why) when this viewer has seen enough."""
        run = self.run
        if self._leaving:
            return LEFT, None
        said = self._handle.result() if self._handle is not None else None
        if run.end is not None and not run.requests:
            if said is not None and said[0] == Refused.exit_code:  # somebody resumes what had ended before
                return said[0], _problem(*said)
            if self._handle is None or said is not None or (run.ended_at and run.ended_at.at >= self._began):
                return run.end.exit, None
        if said is not None:
            self.let_go()
            another_drives = said[0] == Refused.exit_code and self._follower is not None
            if said[0] not in (0, 1, Parked.exit_code) and not another_drives:
                return said[0], _problem(*said)
            if said[1] and not another_drives:
                return said[0], _problem(*said)
            self._look(view)  # what it recorded before its last word
            return self._verdict(view)
        if self._handle is not None and not self._handle.begun:
            return None  # how the run stands is about to change
        if run.status == "paused":
            return (LEFT if self._pausing else Parked.exit_code), None
        if run.status == "parked" and not view.asks:
            return Parked.exit_code, None
        if self._handle is None and run.status in ("running", "starting") and not run.end:
            problem = self._lookout.look(run)
            return (1, problem) if problem is not None else None
        return None


def _after_stop(attempt: journal.Attempt) -> str:
    if attempt.effect == "unsafe" and attempt.part in ("run", "undo"):
        return "it is unsafe: whether it happened will be IN DOUBT, and a person must decide"
    return f"it is {attempt.effect}: it will count as failed"


def _problem(code: int, error: Mapping[str, Any]) -> HowdahError:
    """The driver's last word as an error of the name that it gave."""
    problem = HowdahError(
        str(error.get("message") or f"the driver ended with exit {code}"), hint=error.get("hint") or None
    )
    problem.__dict__["code"] = str(error.get("code", "error"))
    return problem


def _prefix(path: str) -> str:
    """How a command of another terminal finds this store."""
    from incidents.store import place

    try:
        usual = place.resolve(None) == path
    except HowdahError:
        usual = False
    return "howdah" if usual else f"howdah --store {shell_quote([path])}"
