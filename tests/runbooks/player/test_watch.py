"""Viewers of real runs: at a terminal, without one, two at once, closed in the middle, and with the driver dead."""

from __future__ import annotations

import io
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents.events import Actor, Draft, Event
from incidents.store import open_store
from incidents.store.protocol import Store
from runbooks import consent, journal
from runbooks.approving import Approver
from runbooks.player import alone, keys
from runbooks.player.plain import Plain
from runbooks.player.viewer import Viewer
from runbooks.player.watch import watch
from tests.runbooks.player.desk import Desk, desk

ASK = """
  - {id: first, effect: read, run: [echo, hello]}
  - id: ask
    name: The question
    confirm: Really?
    run: [echo, done]
"""
SLOW = """
  - {id: slow, name: A slow one, effect: unsafe, run: "echo begun; sleep 60; echo over"}
  - {id: last, effect: read, run: [echo, last]}
"""
SHORT = """
  - {id: short, name: A short one, effect: unsafe, timeout: 1m, run: "echo begun; sleep 1.5; echo over"}
  - {id: last, effect: read, run: [echo, last]}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Desk]:
    with desk(str(tmp_path)) as made:
        yield made


# -- at a terminal -----------------------------------------------------------------------------------------


def test_a_person_confirms_by_one_key_and_sees_the_end_and_the_terminal_is_as_before(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(ASK))
    sitting.see("Your answer?")
    assert not sitting.mode[3] & 2  # no ICANON while keys are read
    sitting.press("y")
    assert sitting.end() == 0
    assert "── Confirm: The question" in sitting.seen and "Really?" in sitting.seen
    assert "tiny ended: ok" in sitting.seen
    assert sitting.mode == sitting.before
    assert place.wait_for("question.answered", answer="yes").actor.id == "ada"


def test_ctrl_c_once_pauses_after_the_step(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(SHORT))
    sitting.see("│ begun")
    sitting.press("\x03")
    sitting.see("the run pauses after short")
    assert sitting.end() == 130
    kinds = [event.kind for event in place.events()]
    assert kinds[-1] == "run.paused"
    assert place.wait_for("step.ended", path="short").data["status"] == "ok"
    assert "howdah --store" in sitting.seen and f"resume {place.run()}" in sitting.seen
    assert sitting.mode == sitting.before


def test_ctrl_c_twice_stops_the_step_and_says_that_it_will_be_in_doubt(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(SLOW))
    sitting.see("│ begun")
    sitting.press("\x03")
    sitting.see("the run pauses after slow")
    sitting.press("\x03")
    sitting.see("it is unsafe: whether it happened will be IN DOUBT")
    assert sitting.end() == 130
    assert place.wait_for("step.ended", path="slow").data["status"] == "in_doubt"
    assert "1 IN DOUBT" in sitting.seen
    assert "last" not in [event.step for event in place.events()]


def test_q_closes_the_viewer_and_the_run_goes_on(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(SHORT))
    sitting.see("│ begun")
    sitting.press("q")
    assert sitting.end() == 130
    assert "this viewer has left and the run goes on" in sitting.seen
    assert f"attach {place.run()}" in sitting.seen
    assert sitting.mode == sitting.before
    assert place.wait_for("run.ended").data["status"] == "ok"


def test_a_closed_window_touches_no_run(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(SHORT))
    sitting.see("│ begun")
    sitting.close()
    assert sitting.process.wait(60) == 130
    assert place.wait_for("run.ended").data["status"] == "ok"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_closes_the_viewer_and_restores_the_terminal(place: Desk, number: int) -> None:
    sitting = place.sit("run", place.runbook(SHORT))
    sitting.see("│ begun")
    sitting.process.send_signal(number)
    assert sitting.end() == 130
    assert sitting.mode == sitting.before
    assert place.wait_for("run.ended").data["status"] == "ok"


def test_ctrl_z_gives_the_terminal_back_and_takes_it_again(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(ASK))
    sitting.see("Your answer?")
    sitting.press("\x1a")
    os.waitpid(sitting.process.pid, os.WUNTRACED)
    assert sitting.mode == sitting.before
    sitting.process.send_signal(signal.SIGCONT)
    before = sitting.raw.count(b"Your answer?")
    while sitting.raw.count(b"Your answer?") == before:
        assert sitting.read(60)
    sitting.press("y")
    assert sitting.end() == 0


def test_of_two_viewers_one_answers_and_the_other_follows(place: Desk) -> None:
    first = place.sit("run", place.runbook(ASK))
    first.see("Your answer?")
    second = place.sit("attach", place.run(), PERSON="nova")
    second.see("Your answer?")
    second.press("y")
    assert second.end() == 0
    assert first.end() == 0
    assert "→ nova: yes" in first.seen
    assert "tiny ended: ok" in first.seen


def test_an_answer_to_a_parked_run_starts_a_driver(place: Desk) -> None:
    assert place.pipe("run", place.runbook(ASK)).wait(60) == 3
    sitting = place.sit("attach", place.run())
    sitting.see("Your answer?")
    sitting.press("y")
    assert sitting.end() == 0
    assert place.wait_for("run.ended").data["status"] == "ok"


def test_a_dumb_terminal_gets_lines_and_answers_by_whole_words(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(ASK), TERM="dumb")
    sitting.see("type one of yes, skip, abort")
    sitting.press("y\n")
    sitting.see("type one of: yes, skip, abort")
    sitting.press("yes\n")
    assert sitting.end() == 0
    assert b"\x1b" not in sitting.raw


def test_a_terminal_of_forty_columns_shows_the_run_without_a_broken_line(place: Desk) -> None:
    sitting = place.sit("run", place.runbook(ASK), columns=40)
    sitting.see("Your answer?")
    sitting.press("y")
    assert sitting.end() == 0
    written = re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", sitting.raw.decode())
    assert max(len(line) for line in re.split("[\r\n]+", written)) <= 40


# -- without a terminal ------------------------------------------------------------------------------------


def test_without_a_terminal_a_question_is_told_in_full_with_the_commands_that_answer(place: Desk) -> None:
    viewer = place.pipe("run", place.runbook(ASK))
    out, err = viewer.communicate(timeout=60)
    text, run = out.decode(), place.run()
    assert viewer.returncode == 3
    assert "Confirm: The question" in text and "Really?" in text and "echo done" in text
    for command in (f"confirm {run}/ask", f"skip {run}/ask", f"abort {run}"):
        assert f"howdah --store {place.store} {command}" in text
    assert not re.search("[\x00-\x09\x0b-\x1f]", text)
    assert err == b""


def test_a_failed_step_shows_the_end_of_its_output(place: Desk) -> None:
    viewer = place.pipe(
        "run", place.runbook("  - {id: bad, run: \"printf 'one\\\\033[2J\\ntwo\\n'; exit 7\"}\n")
    )
    out, _ = viewer.communicate(timeout=60)
    assert viewer.returncode == 1
    assert "          | one\\x1b[2J\n          | two\n" in out.decode()
    assert "exit 7" in out.decode()


def test_json_is_one_event_a_line_and_the_last_says_the_exit(place: Desk) -> None:
    viewer = place.pipe("run", place.runbook("  - {id: a, effect: read, run: [echo, x]}\n"), "--json")
    out, err = viewer.communicate(timeout=60)
    lines = [json.loads(line) for line in out.decode().splitlines()]
    assert (viewer.returncode, err) == (0, b"")
    assert [line["kind"] for line in lines] == [
        "run.started", "step.started", "step.ended", "incident.resolved", "run.ended",
    ]  # fmt: skip
    assert lines[-1]["exit"] == 0


def test_json_of_a_run_that_parks_ends_with_its_questions(place: Desk) -> None:
    viewer = place.pipe("run", place.runbook(ASK), "--json")
    out, _ = viewer.communicate(timeout=60)
    lines = [json.loads(line) for line in out.decode().splitlines()]
    assert viewer.returncode == 3
    assert (lines[-1]["kind"], lines[-1]["exit"]) == ("run.parked", 3)
    assert lines[-2]["data"]["shows"]["argv"] == ["echo", "done"]


def test_lines_and_json_load_no_rich(place: Desk) -> None:
    for options in ([], ["--json"]):
        viewer = place.pipe("run", place.runbook(ASK), *options, "--loaded")
        _, err = viewer.communicate(timeout=60)
        loaded = err.decode().split()
        assert "runbooks.player.watch" in loaded
        assert not [name for name in loaded if name.partition(".")[0] in ("rich", "pydantic", "asyncio")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_a_terminal_term_and_int_pause_the_run(place: Desk, number: int) -> None:
    viewer = place.pipe("run", place.runbook(SHORT))
    place.wait_for("step.started", path="short")
    viewer.send_signal(number)
    out, _ = viewer.communicate(timeout=60)
    assert viewer.returncode == 130
    assert "is paused" in out.decode() and f"resume {place.run()}" in out.decode()
    assert place.events()[-1].kind == "run.paused"


def test_without_a_terminal_hup_detaches(place: Desk) -> None:
    viewer = place.pipe("run", place.runbook(SHORT))
    place.wait_for("step.started", path="short")
    viewer.send_signal(signal.SIGHUP)
    out, _ = viewer.communicate(timeout=60)
    assert viewer.returncode == 130
    assert "this viewer has left and the run goes on" in out.decode()
    assert place.wait_for("run.ended").data["status"] == "ok"


def test_a_reader_that_has_seen_enough_ends_the_viewer_and_not_the_run(place: Desk) -> None:
    viewer = place.pipe("run", place.runbook(SHORT))
    assert viewer.stdout is not None and viewer.stderr is not None
    assert viewer.stdout.readline()
    viewer.stdout.close()
    assert viewer.wait(60) == 130
    assert viewer.stderr.read() == b""
    assert place.wait_for("run.ended").data["status"] == "ok"


def test_a_run_that_cannot_begin_says_why_with_its_exit(place: Desk) -> None:
    with open(place.runbook(ASK), "a") as file:
        file.write("lock: one\n")
    path = os.path.join(place.folder, "runbook.yaml")
    assert place.pipe("run", path).wait(60) == 3  # it parks, and keeps its lock
    viewer = place.pipe("run", path)
    out, _ = viewer.communicate(timeout=60)
    assert viewer.returncode == 4
    assert place.run() in out.decode()


# -- a dead driver -----------------------------------------------------------------------------------------


def test_a_viewer_whose_driver_dies_says_so_and_how_to_resume(place: Desk) -> None:
    viewer = place.pipe("run", place.runbook(SHORT))
    place.wait_for("step.started", path="short")
    os.kill(place.driver(), signal.SIGKILL)
    out, _ = viewer.communicate(timeout=60)
    text = out.decode()
    assert viewer.returncode == 1
    assert "the driver of this run has died" in text
    assert f"resume {place.run()}" in text
    resumed = place.pipe("resume", place.run())
    out, _ = resumed.communicate(timeout=60)
    assert resumed.returncode == 0
    assert "its end was found after a crash" in out.decode()


# -- the loop itself, on a record that nobody drives --------------------------------------------------------

ADA = Actor("human", "ada")
START: dict[str, Any] = {
    "runbook": "tiny", "digest": "d", "file": "f", "inputs": {}, "secrets": {}, "locks": [], "journal": 1, "cwd": "/",
    "umask": 18, "path": "/bin",
}  # fmt: skip
RUN = "run-abcdef"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        data = {"title": "t", "severity": "sev3"}
        opened.append([Draft(stream="inc-*", kind="incident.declared", actor=ADA, data=data)])
        write(opened, "run.started", **START)
        yield opened


def write(store: Store, kind: str, *, actor: Actor = ADA, **data: Any) -> Event:
    key = f"{RUN}:started" if kind == "run.started" else None
    return store.append([Draft(stream="inc-1", kind=kind, actor=actor, run=RUN, data=data, key=key)])[0]


class Streams:
    def __init__(self) -> None:
        self.stdin = self.stderr = io.StringIO()
        self.stdout = io.StringIO()
        self.attended = False


def seen(store: Store, **options: Any) -> tuple[int, str]:
    terminal = Streams()
    code = watch(store, RUN, actor=ADA, terminal=terminal, **options)
    return code, terminal.stdout.getvalue()


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("failed", 1), ("aborted", 1)])
def test_an_ended_run_is_told_from_its_begin_with_its_exit(store: Store, status: str, code: int) -> None:
    write(store, "run.ended", status=status, exit=code)
    told = seen(store)
    assert told[0] == code
    assert "started by ada" in told[1] and f"tiny ended: {status}" in told[1]


def ask(store: Store) -> str:
    question = f"{RUN}:ask:confirm:1"
    shows = {"name": "The question", "argv": ["true"], "text": "Really?"}
    write(
        store, "question.asked", question=question, path="ask", what="confirm",
        options=["yes", "skip", "abort"], shows=shows,
    )  # fmt: skip
    write(store, "run.parked", questions=[question])
    return question


def test_a_parked_run_is_left_at_once_with_its_question(store: Store) -> None:
    ask(store)
    code, text = seen(store)
    assert code == 3
    assert text.count("Really?") == 1


def test_a_question_that_was_answered_before_is_not_asked_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = ask(store)
    write(store, "question.answered", question=question, path="ask", answer="skip")
    write(store, "run.ended", status="ok", exit=0)
    code, text = seen(store)
    assert code == 0
    assert "Really?" not in text and "ada: skip" in text


def test_a_paused_run_is_left_with_the_command_that_resumes_it(store: Store) -> None:
    write(store, "run.paused")
    code, text = seen(store)
    assert code == 3
    assert f"resume {RUN}" in text


def test_a_run_that_nobody_drives_is_told_with_the_last_line_of_its_log(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "GRACE", 0)
    folder = os.path.join(f"{store.path}.runs", RUN)
    os.makedirs(folder)
    with open(os.path.join(folder, "driver.log"), "w") as log:
        log.write("Traceback\nMemoryError: no room\n\n")
    code, text = seen(store)
    assert code == 1
    assert "the driver of this run has died" in text and "MemoryError: no room" in text
    assert f"resume {RUN}" in text


def test_a_dead_driver_in_json_is_an_error_document(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "GRACE", 0)
    terminal = Streams()
    code = watch(store, RUN, actor=ADA, terminal=terminal, json=True)
    error = json.loads(terminal.stderr.getvalue())["error"]
    assert (code, error["code"], error["exit"]) == (1, "driver_died", 1)


class Ears(Plain):
    """Hears what the test says."""

    def __init__(self) -> None:
        super().__init__(io.StringIO(), "UTC")
        self.said: list[str] = []

    def say(self, text: str, tone: str = "") -> None:
        self.said.append(text)


def viewer_of(store: Store) -> tuple[Viewer, Ears]:
    viewer = Viewer(store, RUN, Approver(ADA), None, None)
    ears = Ears()
    viewer._look(ears)
    return viewer, ears


def test_of_two_people_the_second_reads_who_was_first(store: Store) -> None:
    question = ask(store)
    viewer, ears = viewer_of(store)
    run = journal.fold(RUN, store.events("inc-1"))
    consent.record(store, consent.answer(run, run.questions[question], "skip", Actor("human", "nova")))
    viewer._answer(ears, keys.Chosen(question, "yes"))
    assert ears.said == ["nova answered 'skip' before you; your answer was not recorded"]
    assert [e.actor.id for e in store.events("inc-1") if e.kind == "question.answered"] == ["nova"]


def test_an_answer_whose_outputs_cannot_be_checked_is_refused_and_nothing_recorded(store: Store) -> None:
    question = ask(store)
    viewer, ears = viewer_of(store)
    viewer._answer(ears, keys.Chosen(question, "yes", {"x": "1"}))
    assert len(ears.said) == 1
    assert not [e for e in store.events("inc-1") if e.kind == "question.answered"]


def test_interrupts_of_a_run_that_waits_only_close_the_viewer(store: Store) -> None:
    ask(store)
    viewer, ears = viewer_of(store)
    viewer._interrupted(ears)
    assert viewer._leaving
    assert not [e for e in store.events("inc-1") if e.kind == "run.request"]


def test_interrupts_pause_then_stop_then_leave(store: Store) -> None:
    write(
        store, "step.started", path="grow", name="Grow", n=1, attempt=1, effect="unsafe", part="run", argv=["true"]
    )  # fmt: skip
    viewer, ears = viewer_of(store)
    for _ in range(2):
        viewer._interrupted(ears)
    asked = [(e.data["what"], e.data["path"]) for e in store.events("inc-1") if e.kind == "run.request"]
    assert asked == [("pause", None), ("stop", "grow")]
    assert "IN DOUBT" in ears.said[-1]
    assert not viewer._leaving
    viewer._interrupted(ears)
    assert viewer._leaving


def test_a_step_that_only_reads_is_not_said_to_be_in_doubt(store: Store) -> None:
    write(
        store,
        "step.started",
        path="look",
        name="Look",
        n=1,
        attempt=1,
        effect="read",
        part="run",
        argv=["true"],
    )
    viewer, ears = viewer_of(store)
    for _ in range(2):
        viewer._interrupted(ears)
    assert "DOUBT" not in ears.said[-1] and "count as failed" in ears.said[-1]


def test_news_of_another_person_is_told_and_closes_the_question(store: Store) -> None:
    question = ask(store)
    viewer, ears = viewer_of(store)
    assert [card.question for card in viewer._cards] == [question]
    write(
        store, "question.answered", actor=Actor("human", "nova"), question=question, path="ask", answer="yes"
    )
    viewer._look(ears)
    assert viewer._cards == []
    assert "nova: yes" in ears._out.getvalue()  # type: ignore[attr-defined]
