"""`howdah stop`: what it ends, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

from tests.stories import test_targets
from tests.stories.scene import Scene, until
from tests.stories.test_targets import Far

far = test_targets.far  # the fixture


def test_a_stop_that_names_no_step_stops_all_that_run(scene: Scene) -> None:
    scene.begin(
        "run",
        scene.runbook("""
name: three
steps:
  - id: act
    for_each: [a, b, c]
    parallel: 3
    timeout: 60s
    run: [bash, -c, "echo ${{ item }} >> 'ACTS'; sleep 50"]
"""),
    )
    until(lambda: len(scene.acts()) == 3, "all to begin")
    scene.ok("stop")
    until(lambda: [e for e in scene.events() if e.kind == "question.asked"], "their doubts")
    ends = [e.data for e in scene.events() if e.kind == "step.ended"]
    assert [(end["status"], end["why"]) for end in ends] == [("in_doubt", "stopped: a person stopped it")] * 3


def test_an_end_by_the_clock_here_cuts_no_link_to_another_machine(far: Far) -> None:
    """What ssh leaves behind for the next connection becomes a child of the keeper, and is none of the step's."""
    far.begin("""
name: both
steps:
  - id: act
    targets: {hosts: [localhost, web1, web2], max_fail_percentage: 100}
    parallel: 2
    timeout: 10s
    env: {HOST: "${{ host }}"}
    run: |
      echo "$HOST" >> 'ACTS'
      case $HOST in localhost) sleep 50;; web1) sleep 5;; esac
      until [ -e 'ACTS.go' ] || [ "$HOST" = web1 ]; do sleep 0.1; done
""")
    far.scene.wait_for("step.ended", path="act@localhost")
    assert "web2" in far.scene.acts()
    Path(far.scene.acts_file + ".go").touch()
    far.scene.wait_for("step.ended", path="act@web2")
    assert far.outcomes()["act@web1"] == far.outcomes()["act@web2"] == "ok"
    assert not [e.body for e in far.scene.events() if e.kind == "note" and "link" in e.body]
