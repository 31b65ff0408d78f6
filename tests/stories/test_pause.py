"""A pause asked of a run that waits for a person is kept: nothing starts after it until somebody takes the run up."""

from __future__ import annotations

from tests.stories.scene import Scene, until

BOOK = """\
name: parked
steps:
  - {id: ask, effect: read, confirm: Go on?, run: "echo asked >> 'ACTS'"}
  - {id: next, effect: read, run: "echo next >> 'ACTS'"}
"""


def test_a_parked_run_is_paused_and_its_driver_leaves(scene: Scene) -> None:
    terminal = scene.sit("run", scene.runbook(BOOK))
    scene.wait_for("run.parked")
    assert "pauses" in scene.ok("pause", by="ada")
    scene.wait_for("run.paused")
    until(lambda: not scene.drives(), "the driver to leave")
    terminal.close()
    assert [e.kind for e in scene.events()][-2:] == ["run.request", "run.paused"]
    assert scene.acts() == []
    scene.ok("confirm")
    scene.wait_for("run.ended", status="ok")
    assert scene.acts() == ["asked", "next"]
