"""A service is restarted on twelve machines, batch by batch, and one of them is cut off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.far import twelve
from tests.far.twelve import Fleet
from tests.stories.scene import Scene, until

pytestmark = pytest.mark.lab
CONNECT = 3  # seconds

BOOK = """
name: restart
steps:
  - id: restart
    name: Restart the service
    targets: {hosts: web, serial: [1, 25%], max_fail_percentage: 20}
    timeout: 30s
    run: |
      cd "$HOME"
      test ! -e pid || kill "$(cat pid)"
      setsid sleep 60 >log 2>&1 </dev/null &
      echo $! >pid
      echo restarted >>acts
    undo:
      effect: idempotent
      run: echo undone >>"$HOME/acts"
  - {id: after, effect: read, run: "true"}
"""


@pytest.fixture
def fleet(scene: Scene) -> Iterator[Fleet]:
    if why := twelve.lacks():
        pytest.skip(f"needs {why}")
    with twelve.fleet(os.path.join(scene.folder, "far")) as made:
        Path(scene.folder, "howdah.yaml").write_text("hosts:\n" + made.hosts(connect_timeout=f"{CONNECT}s"))
        yield made


def acts(fleet: Fleet, name: str) -> list[str]:
    path = Path(fleet.home(name), "acts")
    return path.read_text().split() if path.exists() else []


def test_the_stop_comes_at_the_right_batch_and_undo_takes_back_the_hosts_that_were_done(
    scene: Scene, fleet: Fleet
) -> None:
    fleet.cut("web03")
    told = scene("run", scene.runbook(BOOK), PATH=fleet.path)
    assert told.code == 1, told
    done = ["web01", "web02", "web04"]
    assert [name for name in fleet.names if acts(fleet, name)] == done
    (end,) = [e for e in scene.events() if e.kind == "step.ended" and e.step == "restart"]
    assert end.data["why"].startswith(
        "stopped after batch 2 of 5: 3 ok, 1 unreachable (web03), 8 not reached (web05, "
    )
    timeline = scene.ok("timeline")
    assert (
        "Restart the service: on web01, web02, " in timeline and ", in batches of 1, 3, 3, 3, 2" in timeline
    )
    for name in done:
        assert f"Restart the service on {name}: ok" in timeline
    assert "Restart the service on web03: failed (" in timeline and "web03 cannot be reached: " in timeline
    assert "on web05: " not in timeline
    scene.ok("undo", scene.run(), PATH=fleet.path)
    until(lambda: sum(len(acts(fleet, name)) for name in fleet.names) == 6, "the undo")
    assert [acts(fleet, name) for name in done] == [["restarted", "undone"]] * 3


def test_one_host_that_is_cut_off_does_not_hold_up_the_others(scene: Scene, fleet: Fleet) -> None:
    fleet.cut("web03")
    book = "name: look\nsteps:\n  - {id: look, effect: read, targets: {hosts: web}, parallel: 12, run: [uname]}\n"
    scene("run", scene.runbook(book), PATH=fleet.path)
    ends = {str(e.step): e for e in scene.events() if e.kind == "step.ended"}
    assert sum(e.data["status"] == "ok" for e in ends.values()) == 11
    late = [e for name, e in ends.items() if name.startswith("look@") and e.seq > ends["look@web03"].seq]
    assert late == [], "whoever could be reached had ended before the one that could not"


def test_a_link_that_is_cut_while_the_step_runs_leaves_a_doubt_that_names_the_host(
    scene: Scene, fleet: Fleet
) -> None:
    book = """
name: long
steps:
  - id: act
    targets: {hosts: [web01, web02]}
    timeout: 8s
    run: 'echo begun >>"$HOME/acts"; sleep 2; echo ended >>"$HOME/acts"'
"""
    scene.begin("run", scene.runbook(book), PATH=fleet.path)
    until(lambda: acts(fleet, "web01") and acts(fleet, "web02"), "both to begin")
    fleet.cut("web02")
    asked = scene.wait_for("question.asked")
    assert asked.step == "act@web02" and asked.data["shows"]["host"] == "web02"
    assert acts(fleet, "web02") == ["begun", "ended"], "what runs over there goes on"
    states = {str(e.step): e.data["status"] for e in scene.events() if e.kind == "step.ended"}
    assert states == {"act@web01": "ok", "act@web02": "in_doubt"}
