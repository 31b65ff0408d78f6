"""What a person asks of a run is acted on once, whichever driver meets it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from incidents import clock, kinds
from incidents.events import Draft
from incidents.store import open_store
from runbooks import course
from tests.crash.harness import PERSON, Bench, bench

STOPPABLE = """
name: stop
steps:
  - id: act
    timeout: 60s
    run: "echo act >> '{acts}'; test $HOWDAH_ATTEMPT = 2 || exec sleep 50"
"""


def ask(run: Bench, what: str) -> None:
    with open_store(run.store) as store:
        row = store.run(run.run)
        assert row is not None
        data = kinds.RunRequest(what)._asdict()
        store.append([Draft(stream=row.stream, kind="run.request", actor=PERSON, data=data, run=run.run)])


def ask_when_begun(run: Bench, what: str) -> threading.Thread:
    def later() -> None:
        until = time.monotonic() + 20
        while not run.acts("act") and time.monotonic() < until:
            time.sleep(0.01)
        ask(run, what)

    thread = threading.Thread(target=later)
    thread.start()
    return thread


def test_a_stop_ends_the_attempt_it_was_meant_for_and_no_later_one(tmp_path: Path) -> None:
    with bench(str(tmp_path), STOPPABLE) as run:
        asking = ask_when_begun(run, "stop")
        assert run.start() == 3
        asking.join()
        state = run.journal().step("act")
        assert state.status == "in_doubt" and state.why == "stopped: a person stopped it"
        run.answer("retry")
        assert run.resume() == 0
        assert (run.journal().step("act").status, run.acts("act")) == ("ok", 2)


def test_an_abort_waits_for_the_step_and_only_always_runs_after_it(tmp_path: Path) -> None:
    body = """
name: abort
steps:
  - {id: act, timeout: 20s, run: "echo act >> '{acts}'; sleep 0.5"}
  - {id: never, timeout: 20s, run: "echo never >> '{acts}'"}
always:
  - {id: last, timeout: 20s, run: "echo last >> '{acts}'"}
"""
    with bench(str(tmp_path), body) as run:
        asking = ask_when_begun(run, "abort")
        assert run.start() == 1
        asking.join()
        assert (run.acts("act"), run.acts("never"), run.acts("last")) == (1, 0, 1)
        end = run.journal().end
        assert end is not None and end.status == "aborted"


def test_a_paused_run_goes_on_where_it_was(tmp_path: Path) -> None:
    body = """
name: pause
steps:
  - {id: act, timeout: 20s, run: "echo act >> '{acts}'; sleep 0.5"}
  - {id: next, timeout: 20s, run: "echo next >> '{acts}'"}
"""
    with bench(str(tmp_path), body) as run:
        asking = ask_when_begun(run, "pause")
        assert run.start() == 3
        asking.join()
        assert run.journal().status == "paused" and run.acts("next") == 0
        assert run.resume() == 0
        assert (run.acts("act"), run.acts("next")) == (1, 1)


UNDOABLE = """
name: undo
steps:
  - {id: one, effect: idempotent, run: "echo one >> '{acts}'", undo: {effect: idempotent, run: "echo -one >> '{acts}'"}}
  - {id: two, effect: idempotent, run: "echo two >> '{acts}'", undo: {effect: idempotent, run: "echo -two >> '{acts}'"}}
  - {id: three, effect: idempotent, run: "exit 1"}
"""


def test_an_undo_takes_done_steps_back_in_reverse_order(tmp_path: Path) -> None:
    with bench(str(tmp_path), UNDOABLE) as run:
        assert run.start() == 1
        ask(run, "undo")
        assert run.resume() == 0
        lines = (tmp_path / "acts").read_text().split()
        assert lines == ["one", "two", "-two", "-one"]
        end = run.journal().end
        assert end is not None and end.status == "undone"


def test_an_undo_killed_in_the_middle_is_taken_up_and_undoes_nothing_twice(tmp_path: Path) -> None:
    with bench(str(tmp_path), UNDOABLE) as run:
        assert run.start() == 1
        ask(run, "undo")
        assert run.resume("after-outcome:two") is None
        assert run.resume() == 0
        assert (tmp_path / "acts").read_text().split() == ["one", "two", "-two", "-one"]


def test_a_failed_undo_stops_and_asks(tmp_path: Path) -> None:
    body = UNDOABLE.replace("echo -two >> '{acts}'", "exit 5")
    with bench(str(tmp_path), body) as run:
        assert run.start() == 1
        ask(run, "undo")
        assert run.resume() == 3
        [question] = run.journal().open_questions()
        assert (question.path, question.what) == ("two", "undo")
        run.answer("skip")
        assert run.resume() == 0
        assert (tmp_path / "acts").read_text().split() == ["one", "two", "-one"]


def test_an_unsafe_step_without_a_bound_is_reported_and_a_person_may_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "OVERDUE_AFTER", 200_000)
    body = """
name: overdue
steps:
  - {id: act, run: "echo act >> '{acts}'; test $HOWDAH_ATTEMPT = 2 || exec sleep 50"}
"""

    def stop_when_asked(run: Bench) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if run.acts("act") and [q for q in run.journal().open_questions() if q.what == "overdue"]:
                return run.answer("stop")
            time.sleep(0.05)
        raise AssertionError("nobody was asked")

    with bench(str(tmp_path), body) as run:
        thread = threading.Thread(target=stop_when_asked, args=(run,))
        thread.start()
        assert run.start() == 3
        thread.join()
        state = run.journal().step("act")
        assert (state.status, state.why) == ("in_doubt", "stopped: a person stopped it")
        run.answer("retry")
        assert run.resume() == 0
        assert [q.path for q in run.journal().open_questions()] == []


def test_a_step_that_ends_by_itself_takes_its_overdue_question_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "OVERDUE_AFTER", 100_000)
    with bench(str(tmp_path), "name: overdue\nsteps:\n  - {id: act, run: sleep 0.6}\n") as run:
        assert run.start() == 0
        [question] = run.journal().questions.values()
        assert question.what == "overdue" and question.void


def test_an_overdue_step_is_stopped_also_when_the_clock_steps_back_before_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock is no witness of what was asked about which attempt."""
    monkeypatch.setattr(course, "OVERDUE_AFTER", 200_000)
    read = clock.read

    def steps_back() -> clock.Reading:
        now = read()
        return now._replace(at=now.at - (clock.HOUR if (tmp_path / "acts").exists() else 0))

    monkeypatch.setattr(clock, "read", steps_back)
    body = """
name: overdue
steps:
  - {id: act, run: "echo act >> '{acts}'; exec sleep 50"}
"""

    def stop_when_asked(run: Bench) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if run.acts("act") and [q for q in run.journal().open_questions() if q.what == "overdue"]:
                return run.answer("stop")
            time.sleep(0.05)
        raise AssertionError("nobody was asked")

    with bench(str(tmp_path), body) as run:
        thread = threading.Thread(target=stop_when_asked, args=(run,))
        thread.start()
        assert run.start() == 3
        thread.join()
        assert run.journal().step("act").why == "stopped: a person stopped it"
        run.answer("skip")
        assert run.resume() == 0
