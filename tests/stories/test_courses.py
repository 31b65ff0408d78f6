"""The courses that a run can take: undo, skip, retry, wait, rescue, and what a person may say to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.scene import Scene, ended, kill

UNDOABLE = """
name: undoable
lock: volume
steps:
  - {id: one, timeout: 9s, run: "echo one >> 'ACTS'", undo: {timeout: 9s, run: "echo -one >> 'ACTS'"}}
  - {id: two, timeout: 9s, run: "echo two >> 'ACTS'"}
  - {id: three, timeout: 9s, run: "echo three >> 'ACTS'", undo: {timeout: 9s, run: "echo -three >> 'ACTS'"}}
  - {id: ask, confirm: And now?, timeout: 9s, run: "echo four >> 'ACTS'"}
"""


def test_an_undo_after_the_end_takes_back_what_was_done_in_reverse_order(scene: Scene) -> None:
    assert scene("run", scene.runbook(UNDOABLE), "--yes", "ask").code == 0
    run = scene.run()
    said = scene.ok("undo", run, by="ada")
    assert "undoing three, one" in said
    end = scene.wait_for("run.ended", status="undone")
    assert end.data["exit"] == 0
    assert scene.acts() == ["one", "two", "three", "four", "-three", "-one"]
    assert scene.locks() == []
    again = scene("undo", run)
    assert again.code == 4 and "nothing that can be undone" in again.err
    steps = scene.ok("steps", run)
    assert steps.count("undone") == 2


def test_an_abort_with_undo_ends_the_run_and_takes_back_what_was_done(scene: Scene) -> None:
    assert scene("run", scene.runbook(UNDOABLE)).code == 3
    scene.ok("abort", "--undo")
    end = scene.wait_for("run.ended")
    assert (end.data["status"], end.data["exit"]) == ("undone", 1)
    assert scene.acts() == ["one", "two", "three", "-three", "-one"]


def test_an_undo_is_refused_once_a_later_run_took_the_same_lock(scene: Scene) -> None:
    book = scene.runbook(UNDOABLE)
    assert scene("run", book, "--yes", "ask").code == 0
    first = scene.run()
    assert scene("run", book, "--yes", "ask").code == 0
    second = scene.run()
    refused = scene("undo", first)
    assert refused.code == 4 and f"{second} took the same lock later" in refused.err
    scene.ok("undo", second)
    scene.wait_for("run.ended", status="undone")


def test_an_undo_that_fails_stops_and_asks(scene: Scene) -> None:
    book = scene.runbook(UNDOABLE.replace("echo -three >> 'ACTS'", "exit 7"))
    assert scene("run", book, "--yes", "ask").code == 0
    run = scene.run()
    scene.ok("undo", run)
    scene.wait_for("run.parked")
    asked = scene("attach", run)
    assert asked.code == 3 and "The undo needs you" in asked.out and "exit 7" in asked.out
    resolve = scene("resolve", "--incident", "inc-1")
    assert resolve.code == 4
    scene.ok("skip", f"{run}/three")
    assert scene.wait_for("run.ended", status="undone")
    assert scene.acts()[-1] == "-one"
    assert "not undone" in scene.ok("steps", run)


def test_pause_and_resume(scene: Scene) -> None:
    book = scene.runbook("""
name: pauses
steps:
  - {id: act, timeout: 60s, run: "echo begun >> 'ACTS'; until [ -e 'ACTS.go' ]; do sleep 0.05; done; echo ended >> 'ACTS'"}
  - {id: next, timeout: 9s, run: "echo next >> 'ACTS'"}
""")
    viewer = scene.begin("run", book)
    scene.wait_for_act("begun")
    assert "after its present step" in scene.ok("pause", by="ada")
    Path(scene.acts_file + ".go").touch()
    told = ended(viewer)
    assert told.code == 3 and "is paused" in told.out and f"resume {scene.run()}" in told.out
    assert scene.acts() == ["begun", "ended"]
    again = scene("pause")
    assert again.code == 4 and "is paused already" in again.err and "howdah resume" in again.err
    assert scene.acts() == ["begun", "ended"]
    assert scene("resume").code == 0
    assert scene.acts() == ["begun", "ended", "next"]


def test_a_pause_never_takes_up_a_run_whose_driver_died(scene: Scene) -> None:
    book = scene.runbook("""
name: dies
steps:
  - {id: act, timeout: 9s, run: "echo begun >> 'ACTS'; sleep 0.5; echo ended >> 'ACTS'"}
  - {id: next, timeout: 9s, run: "echo next >> 'ACTS'"}
""")
    viewer = scene.begin("run", book)
    scene.wait_for_act("begun")
    kill(scene.driver())
    refused = scene("pause")
    assert refused.code == 4 and "nobody drives" in refused.err
    ended(viewer)
    assert "next" not in scene.acts()


def test_what_was_skipped_has_no_outputs_and_reading_them_names_the_skip(scene: Scene) -> None:
    book = scene.runbook("""
name: reads
steps:
  - {id: measure, confirm: Measure it?, timeout: 9s, run: [echo, "42"], outputs: {size: {regex: '(\\d+)', type: int}}}
  - {id: uses, effect: read, run: [echo, "${{ steps.measure.outputs.size }}"]}
""")
    assert scene("run", book).code == 3
    scene.ok("skip", "measure", by="ada")
    end = scene.wait_for("run.ended")
    assert end.data["status"] == "failed"
    why = scene.journal().step("uses").why
    assert "measure" in why and "skipped" in why
    assert scene("run", book, "--yes", "measure", "--incident", "inc-1").code == 0


def test_a_yes_before_the_start_is_recorded_as_what_it_is_and_is_never_a_blanket(scene: Scene) -> None:
    book = scene.runbook("""
name: two
steps:
  - {id: first, confirm: First?, timeout: 9s, run: "echo first >> 'ACTS'"}
  - {id: second, confirm: Second?, timeout: 9s, run: "echo second >> 'ACTS'"}
""")
    assert scene("run", book, "--yes", "first", by="ada").code == 3
    assert scene.acts() == ["first"]
    [answer] = [e for e in scene.events() if e.kind == "question.answered"]
    assert (answer.step, answer.data["answer"]) == ("first", "yes")
    assert "--yes" in answer.body and "ada" in (answer.actor.id, answer.actor.on_behalf_of)
    asked = [e.step for e in scene.events() if e.kind == "question.asked"]
    assert asked == ["first", "second"]
    scene.ok("abort")
    scene.wait_for("run.ended")


def test_retry_and_until(scene: Scene) -> None:
    book = scene.runbook("""
name: again
steps:
  - {id: third, effect: idempotent, run: "echo try >> 'ACTS'; test $HOWDAH_ATTEMPT = 3", retry: {max: 3, delay: 50ms, backoff: 2}}
  - {id: poll, effect: read, timeout: 9s, run: "test $HOWDAH_ATTEMPT = 2", until: "${{ result.exit == 0 }}", retry: {delay: 50ms, max: 5}}
  - {id: never, effect: idempotent, run: "exit 4", retry: {max: 1, delay: 50ms}, continue-on-error: true}
  - {id: other, effect: idempotent, run: "echo other >> 'ACTS'; exit 5", retry: {max: 3, delay: 50ms, on_exit: [4]}}
""")
    told = scene("run", book)
    assert told.code == 1
    assert scene.acts() == ["try", "try", "try", "other"]
    run = scene.journal()
    assert [run.step(path).status for path in ("third", "poll", "never", "other")] == [
        "ok",
        "ok",
        "continued",
        "failed",
    ]
    assert run.step("never").count("run") == 2
    assert "tries again" in told.out and "exit 5" in told.out


def test_a_wait_goes_on_where_it_was_when_its_driver_dies(scene: Scene) -> None:
    book = scene.runbook("""
name: waits
steps:
  - {id: rest, wait: {for: 1500ms}}
  - {id: next, timeout: 9s, run: "echo next >> 'ACTS'"}
""")
    viewer = scene.begin("run", book)
    scene.wait_for("step.started", path="rest")
    kill(scene.driver())
    ended(viewer)
    assert scene("resume").code == 0
    begun = [e for e in scene.events() if e.kind == "step.started" and e.step == "rest"]
    assert len(begun) == 1 and scene.acts() == ["next"]


def test_a_wait_until_something_holds_has_a_bound(scene: Scene) -> None:
    book = scene.runbook("""
name: waits
inputs: {never: {type: bool, default: false}}
steps:
  - {id: held, wait: {until: "${{ not inputs.never }}", for: 5s}}
  - {id: rest, wait: {until: "${{ inputs.never }}", for: 200ms}}
""")
    assert scene("run", book).code == 1
    assert (scene.status("held"), scene.status("rest")) == ("ok", "failed")
    assert "never held" in scene.journal().step("rest").why


def test_rescue_runs_on_failure_never_on_doubt_and_always_in_every_case(scene: Scene) -> None:
    text = """
name: rescued
steps:
  - {id: act, timeout: 9s, run: "HAPPENS"}
  - {id: never, timeout: 9s, run: "echo never >> 'ACTS'"}
rescue:
  - {id: help, timeout: 9s, run: "echo help >> 'ACTS'"}
always:
  - {id: tidy, timeout: 9s, run: "echo tidy >> 'ACTS'"}
"""
    assert scene("run", scene.runbook(text.replace("HAPPENS", "exit 3"))).code == 0  # it was rescued
    assert scene.acts() == ["help", "tidy"]
    assert scene("run", scene.runbook(text.replace("HAPPENS", "kill -9 $$"))).code == 3
    assert scene.acts() == ["help", "tidy"]
    scene.ok("abort")
    scene.wait_for("run.ended", status="aborted")
    assert scene.acts() == ["help", "tidy", "tidy"]


def test_a_failed_step_ends_the_run_and_says_what_it_printed(scene: Scene) -> None:
    book = scene.runbook("""
name: fails
steps:
  - {id: act, timeout: 9s, run: "echo the volume group is missing >&2; exit 5"}
  - {id: never, timeout: 9s, run: "echo never >> 'ACTS'"}
""")
    told = scene("run", book)
    assert told.code == 1
    assert "exit 5" in told.out and "| the volume group is missing" in told.out
    assert "not reached" in scene.ok("steps", scene.run())


def test_a_manual_step_is_done_by_hand_and_checked(scene: Scene) -> None:
    book = scene.runbook("""
name: byhand
steps:
  - id: plug
    manual: Plug in the second disk.
    check: {run: "test -e plugged"}
  - {id: next, timeout: 9s, run: "echo next >> 'ACTS'"}
""")
    parked = scene("run", book)
    assert parked.code == 3 and "Plug in the second disk." in parked.out, parked
    scene.ok("done", "plug", by="ada")
    scene.wait_for("run.parked")
    again = scene("attach")
    assert again.code == 3 and "it was not so" in again.out
    with open(f"{scene.folder}/plugged", "w"):
        pass
    scene.ok("done", "plug", by="ada")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["next"]


def test_a_doubt_is_ended_by_done_with_outputs_that_later_steps_read(scene: Scene) -> None:
    book = scene.runbook("""
name: vouched
steps:
  - {id: act, timeout: 9s, run: "kill -9 $$", outputs: {size: {regex: '(\\d+)', type: bytes}}}
  - {id: uses, timeout: 9s, run: ["sh", "-c", "echo $1 >> 'ACTS'", "x", "${{ steps.act.outputs.size }}"]}
""")
    assert scene("run", book).code == 3
    wrong = scene("done", "act", "-o", "size=much")
    assert wrong.code == 2 and scene.status("act") == "in_doubt"
    unknown = scene("done", "act", "-o", "sise=1")
    assert unknown.code == 2 and "size" in unknown.err
    scene.ok("done", "act", "-o", "size=2KiB")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["2048"]


def test_a_verify_decides_a_doubt_and_what_it_does_not_know_stays_one(scene: Scene) -> None:
    text = """
name: verified
steps:
  - id: act
    timeout: 9s
    run: "echo act >> 'ACTS'; test $HOWDAH_ATTEMPT = 2 || kill -9 $$"
    verify: {no: [10], timeout: 5s, run: "exit SAYS"}
"""
    assert scene("run", scene.runbook(text.replace("SAYS", "0"))).code == 0
    assert scene.acts() == ["act"] and "verify says that it happened" in scene.journal().step("act").why
    assert scene("run", scene.runbook(text.replace("SAYS", "10"))).code == 0
    assert scene.acts() == ["act"] * 3
    parked = scene("run", scene.runbook(text.replace("SAYS", "1")))
    assert parked.code == 3 and "verify does not know: exit 1" in parked.out
    assert scene.acts() == ["act"] * 4
    scene.ok("retry", "act")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["act"] * 5


@pytest.mark.parametrize("spread", ["for_each: [one]", ""])
def test_a_command_that_no_event_can_hold_is_the_failure_of_its_step(scene: Scene, spread: str) -> None:
    values = "".join(f'      V{number}: "${{{{ inputs.big }}}}"\n' for number in range(6))
    told = scene(
        "run",
        scene.runbook(f"""
name: big
inputs: {{big: {{type: string, default: "{"x" * 100_000}"}}}}
steps:
  - id: act
    {spread}
    env:
{values}
    timeout: 20s
    run: "echo begun >> 'ACTS'"
"""),
    )
    assert told.code == 1, told
    assert "and at most 458,752 can be recorded" in str(
        [e.data["why"] for e in scene.events() if e.kind == "step.ended"]
    )
    assert scene.acts() == [] and scene.journal().status == "ended"
