"""Terminals that are shared, closed in the middle, or not there."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.stories.scene import HOWDAH, PATIENCE, Scene, ended, until

ASKS = """
name: asks
steps:
  - {id: first, effect: read, run: [echo, one]}
  - {id: ask, name: Grow the volume, confirm: Really grow it?, timeout: 20s, run: "echo grown >> 'ACTS'"}
  - {id: again, name: Grow it more, confirm: Even more?, timeout: 20s, run: "echo more >> 'ACTS'; sleep 1"}
"""


def test_of_two_terminals_one_answers_and_the_other_follows_and_the_first_is_closed(scene: Scene) -> None:
    first = scene.sit("run", scene.runbook(ASKS), by="nova")
    first.see("Really grow it?")
    second = scene.sit("attach", by="ada")
    second.see("Really grow it?")
    second.press("y")
    first.see("ada: yes")  # the first follows
    first.see("Even more?")
    second.see("Even more?")
    first.close()
    assert first.process.wait(PATIENCE) == 130
    second.press("y")
    assert second.end() == 0
    assert scene.acts() == ["grown", "more"]
    answers = [(e.step, e.actor.id) for e in scene.events() if e.kind == "question.answered"]
    assert answers == [("ask", "ada"), ("again", "ada")]


def test_the_terminal_that_started_a_run_is_closed_in_the_middle_of_a_step(scene: Scene) -> None:
    book = scene.runbook("""
name: long
steps:
  - {id: act, timeout: 20s, run: "echo begun >> 'ACTS'; for i in 1 2 3 4 5; do echo $i; sleep 0.1; done; echo ended >> 'ACTS'"}
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
""")
    terminal = scene.sit("run", book)
    scene.wait_for_act("begun")
    terminal.close()
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["begun", "ended", "next"]


def test_of_two_people_who_answer_at_once_one_is_recorded_and_the_other_reads_who_was_first(
    scene: Scene,
) -> None:
    assert scene("run", scene.runbook(ASKS.partition("  - {id: again")[0])).code == 3
    run = scene.run()
    people = {by: scene.begin("confirm", f"{run}/ask", by=by) for by in ("ada", "nova", "kim")}
    told = {by: ended(process) for by, process in people.items()}
    assert sorted(answer.code for answer in told.values()) == [0, 4, 4]
    [first] = [by for by, answer in told.items() if answer.code == 0]
    for by, answer in told.items():
        if by != first:
            assert f"{first} answered 'yes' before you" in answer.err
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["grown"]
    assert [e.actor.id for e in scene.events() if e.kind == "question.answered"] == [first]
    late = scene("skip", f"{run}/ask", by="eve")
    assert late.code == 4 and f"{first} answered 'yes' before you" in late.err
    unknown = scene("confirm", f"{run}/nothing")
    assert unknown.code == 2


@pytest.mark.parametrize(
    "script", ['x=$("$0" run "$1"); echo "code $?"', '"$0" run "$1" | tee log; echo "code ${PIPESTATUS[0]}"']
)
def test_a_shell_that_captures_a_run_goes_on_when_it_parks(scene: Scene, script: str) -> None:
    done = subprocess.run(
        ["bash", "-c", script, HOWDAH, scene.runbook(ASKS)], env=scene.env("nova", {}), cwd=scene.folder,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert done.stdout.endswith(b"code 3\n"), done
    assert scene.journal().status == "parked"
    until(lambda: not scene.ours(), "the end of all processes")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_int_and_term_pause_the_run_after_its_step(
    scene: Scene, number: signal.Signals
) -> None:
    book = scene.runbook("""
name: long
steps:
  - {id: act, timeout: 20s, run: "echo begun >> 'ACTS'; sleep 0.6; echo ended >> 'ACTS'"}
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
""")
    viewer = scene.begin("run", book)
    scene.wait_for_act("begun")
    viewer.send_signal(number)
    told = ended(viewer)
    assert told.code == 130
    assert f"howdah resume {scene.run()}" in told.out.replace(f"--store {scene.store} ", "")
    assert scene.acts() == ["begun", "ended"] and scene.journal().status == "paused"
    paused = scene("attach")
    assert paused.code == 3 and "is paused" in paused.out
    assert scene("resume").code == 0
    assert scene.acts() == ["begun", "ended", "next"]


def test_foreground_is_one_process_group_and_term_pauses_after_the_step(scene: Scene) -> None:
    book = scene.runbook("""
name: service
steps:
  - {id: act, timeout: 20s, run: "echo begun >> 'ACTS'; sleep 0.6; echo ended >> 'ACTS'"}
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
""")
    viewer = scene.begin("run", book, "--foreground")
    scene.wait_for_act("begun")
    assert os.getpgid(scene.driver()) == viewer.pid
    os.killpg(viewer.pid, signal.SIGTERM)
    assert ended(viewer).code in (3, 130)
    assert scene.acts() == ["begun", "ended"] and scene.journal().status == "paused"
    until(lambda: not scene.ours(), "the end of all processes")
    assert scene("resume", "--foreground").code == 0
    assert scene.acts() == ["begun", "ended", "next"]


def test_ctrl_c_once_pauses_and_twice_stops_and_says_that_it_is_in_doubt(scene: Scene) -> None:
    book = scene.runbook("""
name: long
steps:
  - {id: act, timeout: 40s, run: "echo begun >> 'ACTS'; exec sleep 39"}
""")
    terminal = scene.sit("run", book)
    scene.wait_for_act("begun")
    terminal.press("\x03")
    terminal.see("the run pauses after act")
    terminal.press("\x03")
    terminal.see("IN DOUBT")
    scene.wait_for("step.ended", path="act", status="in_doubt")
    terminal.press("\x03")
    terminal.end()
    assert [e.data["what"] for e in scene.events() if e.kind == "run.request"] == ["pause", "stop"]
    assert "IN DOUBT" in scene.ok("steps")


def test_a_question_in_json_is_the_last_but_one_line_and_the_run_is_parked(scene: Scene) -> None:
    parked = scene("run", scene.runbook(ASKS), "--json")
    assert parked.code == 3
    assert [line["kind"] for line in parked.lines][-2:] == ["question.asked", "run.parked"]
    assert parked.lines[-1]["exit"] == 3
    scene.ok("confirm", "ask")
    scene.wait_for("question.asked", path="again")
    scene.ok("skip", "again")
    followed = scene("attach", scene.run(), "--json")
    assert followed.lines[-1]["kind"] == "run.ended" and followed.lines[-1]["exit"] == followed.code == 0
