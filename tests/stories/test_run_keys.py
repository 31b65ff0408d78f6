"""`run --key`: the same key again is the same run, at a terminal too."""

from __future__ import annotations

from tests.stories.scene import Scene, ended

QUICK = "name: quick\nsteps:\n  - {id: look, effect: read, run: [echo, x]}\n"
ASKS = "name: asks\nsteps:\n  - {id: ask, confirm: Go?, timeout: 20s, run: \"echo x >> 'ACTS'\"}\n"


def test_a_run_that_has_ended_is_shown_and_not_run_again(scene: Scene) -> None:
    book = scene.runbook(QUICK)
    first, again = scene("run", book, "--key", "k"), scene("run", book, "--key", "k")
    assert (first.code, again.code) == (0, 0)
    assert len(scene.runs()) == 1
    assert "look" in again.out
    assert [event.kind for event in scene.events()].count("step.started") == 1


def test_two_at_once_are_one_run(scene: Scene) -> None:
    book = scene.runbook(ASKS)
    answers = [ended(process) for process in [scene.begin("run", book, "--key", "k") for _ in range(3)]]
    assert [answer.code for answer in answers] == [3, 3, 3], answers
    assert len(scene.runs()) == 1
    scene.ok("confirm")
    scene.wait_for("run.ended", status="ok")
    assert scene.acts() == ["x"]


def test_a_key_that_started_another_runbook_is_refused(scene: Scene) -> None:
    assert scene("run", scene.runbook(QUICK), "--key", "k").code == 0
    other = scene.runbook(QUICK.replace("quick", "other"), "other.yaml")
    answer = scene("run", other, "--key", "k")
    assert answer.code == 2
    assert answer.err.startswith("this key has started run-")
    assert len(scene.runs()) == 1
