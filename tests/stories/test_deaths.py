"""Drivers and keepers that die: what still runs goes on, and what nobody knows is said."""

from __future__ import annotations

import os
import signal

import pytest

from runbooks import attempt
from tests.stories.scene import Scene, ended, kill, lives, until

PRINTS = """
name: prints
steps:
  - id: act
    timeout: 40s
    run: |
      echo begun >> 'ACTS'
      for i in $(seq 20); do echo "tick $i"; sleep 0.1; done
      echo ended >> 'ACTS'
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
"""


def test_a_step_that_prints_outlives_its_driver_and_its_outcome_is_recovered(scene: Scene) -> None:
    viewer = scene.begin("run", scene.runbook(PRINTS))
    scene.wait_for_act("begun")
    kill(scene.driver())
    told = ended(viewer)
    assert told.code == 1
    assert (
        "the driver of this run has died" in told.out and "act still runs: bash -euo pipefail -c " in told.out
    )
    assert f"resume {scene.run()}" in told.out
    scene.wait_for_act("ended")
    resumed = scene("resume")
    assert resumed.code == 0, resumed
    assert scene.acts() == ["begun", "ended", "next"]
    [outcome] = [e for e in scene.events() if e.kind == "step.ended" and e.data["path"] == "act"]
    assert outcome.data["status"] == "ok" and outcome.data["exit"] == 0 and outcome.data["recovered"]
    assert outcome.data["tail"].endswith("tick 19\ntick 20\n")


def test_a_resume_follows_the_step_that_still_runs(scene: Scene) -> None:
    viewer = scene.begin("run", scene.runbook(PRINTS))
    scene.wait_for_act("begun")
    kill(scene.driver())
    ended(viewer)
    assert scene("resume").code == 0
    assert scene.acts() == ["begun", "ended", "next"]
    assert len([e for e in scene.events() if e.kind == "step.started" and e.data["path"] == "act"]) == 1


def test_an_answer_takes_up_a_run_whose_driver_died(scene: Scene) -> None:
    book = scene.runbook(
        "name: asks\nsteps:\n  - {id: ask, confirm: Go?, timeout: 20s, run: \"echo x >> 'ACTS'\"}\n"
    )
    first = scene.sit("run", book)
    first.see("Go?")
    kill(scene.driver())
    scene.ok("confirm", by="ada")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["x"]


FOREVER = """
name: long
steps:
  - id: act
    timeout: 40s
    run: "echo begun $$ >> 'ACTS'; exec sleep 39"
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
"""


def begun(scene: Scene, book: str) -> int:
    """Starts the run and waits for its step to act; the pid that the step wrote down."""
    viewer = scene.begin("run", scene.runbook(book))
    scene.wait_for_act("begun")
    kill_both = scene.driver(), scene.keeper()
    for pid in kill_both:
        kill(pid)
    ended(viewer)
    return int(scene.acts()[1])


def test_driver_and_keeper_killed_together_leave_a_doubt_that_a_person_ends(scene: Scene) -> None:
    step = begun(scene, FOREVER)
    assert lives(step)
    kill(step)
    parked = scene("resume")
    assert parked.code == 3
    assert "Nobody knows whether this step happened" in parked.out
    assert "driver and keeper were lost" in parked.out
    assert "still running  no: nothing of it is known to run" in parked.out
    for word in ("retry", "done", "skip"):
        assert f"howdah {word} {scene.run()}/act" in parked.out
    assert scene.status("act") == "in_doubt"
    steps = scene.ok("steps")
    assert "IN DOUBT" in steps
    scene.ok("done", "act", by="ada")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["begun", str(step), "next"]
    assert "vouched for by ada" in scene.ok("steps", scene.run())


def test_a_step_whose_driver_and_keeper_died_still_runs_and_nothing_starts_beside_it(scene: Scene) -> None:
    step = begun(scene, FOREVER)
    resumed = scene.begin("resume")
    scene.wait_for("run.resumed")
    run = scene.journal()
    assert run.step("act").status == "running" and lives(step)
    assert attempt.witness(scene.run_dir(), 1).state == "running"
    scene.ok("stop")
    assert ended(resumed).code == 3
    assert not lives(step)
    assert scene.status("act") == "in_doubt"
    assert scene.acts() == ["begun", str(step)]


def test_the_time_limit_of_a_step_holds_also_when_driver_and_keeper_died(scene: Scene) -> None:
    step = begun(scene, FOREVER.replace("timeout: 40s", "timeout: 2s"))
    resumed = scene("resume")
    assert resumed.code == 3
    assert not lives(step)
    assert scene.journal().step("act").why == "stopped: its time was up"


def test_retry_beside_what_still_runs_is_refused_unless_a_person_says_so(scene: Scene) -> None:
    """The main process was killed, a child of it lives on."""
    book = scene.runbook("""
name: child
steps:
  - id: act
    timeout: 20s
    run: "test $HOWDAH_ATTEMPT = 1 || exit 0; sleep 38 & echo $! >> 'ACTS'; kill -9 $$"
""")
    parked = scene("run", book)
    assert parked.code == 3
    [child] = map(int, scene.acts())
    assert lives(child)
    assert f"still running  YES: sleep 38 (pid {child})" in parked.out, parked.out
    assert "killed by signal 9" in parked.out
    refused = scene("retry", "act")
    assert refused.code == 4 and "still runs" in refused.text and "--beside" in refused.text
    scene.ok("retry", "act", "--beside", by="ada")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    [answer] = [e for e in scene.events() if e.kind == "question.answered"]
    assert (answer.data["answer"], answer.actor.id) == ("retry-beside", "ada")
    assert lives(child)


@pytest.mark.parametrize(
    "starts",
    [
        "ticks & disown",
        "nohup bash -c 'declare -f > /dev/null; while :; do echo tick | tee -a beat; sleep 0.1; done' &",
        "setsid -f bash -c 'while :; do echo tick | tee -a beat; sleep 0.1; done'",
        "python3 ./daemon.py",
    ],
    ids=["ampersand", "nohup", "setsid", "daemonize"],
)
def test_a_service_started_by_a_step_prints_on_lives_and_holds_up_nothing(scene: Scene, starts: str) -> None:
    with open(os.path.join(scene.folder, "daemon.py"), "w") as file:
        file.write(DAEMON)
    text = SERVICE.replace("STARTS", starts)
    viewer = scene.begin("run", scene.runbook(text))
    scene.wait_for("step.started", path="hold")
    kill(scene.driver())
    assert ended(viewer).code == 1
    assert scene("resume").code == 0
    assert scene.acts() == ["started", "held"]
    [outcome] = [e for e in scene.events() if e.kind == "step.ended" and e.data["path"] == "serve"]
    assert outcome.data["status"] == "ok" and outcome.data["services"], outcome.data
    beat = os.path.join(scene.folder, "beat")
    size = os.path.getsize(beat)
    until(lambda: os.path.getsize(beat) > size + 20, "more beats after the end of the run")
    assert scene.journal().status == "ended" and not scene.drives()


SERVICE = """
name: service
steps:
  - id: serve
    timeout: 20s
    run: |
      ticks() { while :; do echo tick | tee -a beat; sleep 0.1; done; }
      STARTS
      echo started >> 'ACTS'
  - {id: hold, timeout: 20s, run: "sleep 1; echo held >> 'ACTS'"}
"""

DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir(os.environ.get("PWD", "."))
while True:
    print("tick", flush=True)
    with open("beat", "a") as beat: beat.write("tick\\n")
    time.sleep(0.1)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_driver_pauses_the_run_after_its_step(scene: Scene, number: signal.Signals) -> None:
    viewer = scene.begin("run", scene.runbook(PRINTS.replace("seq 20", "seq 5")))
    scene.wait_for_act("begun")
    os.kill(scene.driver(), number)
    told = ended(viewer)
    assert told.code == 3 and "is paused" in told.out
    assert scene.acts() == ["begun", "ended"]
    assert scene("resume").code == 0
    assert scene.acts() == ["begun", "ended", "next"]
