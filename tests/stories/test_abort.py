"""Ending a run before its end."""

from __future__ import annotations

from tests.stories.scene import Scene, ended


def test_an_abort_of_a_parked_run_runs_its_always_steps_and_exits_1(scene: Scene) -> None:
    book = scene.runbook("""
name: parked
steps:
  - {id: ask, confirm: Really?, timeout: 20s, run: "echo ask >> 'ACTS'"}
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
rescue:
  - {id: saved, timeout: 20s, run: "echo saved >> 'ACTS'"}
always:
  - {id: last, timeout: 20s, run: "echo last >> 'ACTS'"}
""")
    assert scene("run", book).code == 3
    scene.ok("abort", by="ada")
    end = scene.wait_for("run.ended")
    assert (end.data["status"], end.data["exit"]) == ("aborted", 1)
    assert scene.acts() == ["last"]
    again = scene("abort", scene.run())
    assert again.code == 4 and "has ended" in again.text
    assert scene("attach", scene.run()).code == 1
    assert scene.incidents() == {"inc-1": "investigating"}  # nothing was cured


def test_questions_of_always_steps_are_asked_also_after_an_abort(scene: Scene) -> None:
    book = scene.runbook("""
name: always
steps:
  - {id: ask, confirm: Really?, timeout: 20s, run: "true"}
always:
  - {id: last, confirm: And this?, timeout: 20s, run: "echo last >> 'ACTS'"}
""")
    assert scene("run", book).code == 3
    scene.ok("abort")
    scene.wait_for("question.asked", path="always/last")
    scene.wait_for("run.parked")
    assert scene("attach").code == 3
    assert len([e for e in scene.events() if e.kind == "question.asked"]) == 2
    scene.ok("confirm", "last")
    assert scene.wait_for("run.ended").data["status"] == "aborted"
    assert scene.acts() == ["last"]


def test_an_abort_ends_a_long_wait_at_once(scene: Scene) -> None:
    book = scene.runbook("""
name: waits
steps:
  - {id: rest, wait: {for: 1h}}
always:
  - {id: last, wait: {for: 300ms}}
""")
    viewer = scene.begin("run", book)
    scene.wait_for("step.started", path="rest")
    scene.ok("abort")
    assert ended(viewer).code == 1
    assert scene.status("rest") == "aborted" and scene.status("always/last") == "ok"


def test_a_stopped_wait_has_failed(scene: Scene) -> None:
    book = scene.runbook("name: waits\nsteps:\n  - {id: rest, wait: {for: 1h}}\n")
    viewer = scene.begin("run", book)
    scene.wait_for("step.started", path="rest")
    scene.ok("stop", by="ada")
    assert ended(viewer).code == 1
    assert "a person stopped it" in scene.journal().step("rest").why


def test_an_abort_does_not_wait_for_the_next_attempt_of_a_retry(scene: Scene) -> None:
    book = scene.runbook("""
name: retries
steps:
  - {id: act, effect: read, run: "echo act >> 'ACTS'; exit 1", retry: {max: 5, delay: 1h}}
""")
    viewer = scene.begin("run", book)
    scene.wait_for("step.ended", path="act", status="again")
    scene.ok("abort")
    assert ended(viewer).code == 1
    assert scene.acts() == ["act"] and scene.wait_for("run.ended").data["status"] == "aborted"


def test_stop_where_nothing_runs_is_refused_and_not_recorded(scene: Scene) -> None:
    book = scene.runbook('name: asks\nsteps:\n  - {id: ask, confirm: Really?, timeout: 20s, run: "true"}\n')
    assert scene("run", book).code == 3
    before = len(scene.events())
    refused = scene("stop")
    assert refused.code == 4 and "nothing of" in refused.text
    assert len(scene.events()) == before
