"""A wall clock that steps back in the middle of a run: order and durations are those that really were."""

from __future__ import annotations

import json
import os

from incidents import clock
from tests.stories.scene import Scene, ended, kill

HOUR = str(clock.HOUR)
BOOK = """
name: clocks
lock: one
steps:
  - {id: act, timeout: 20s, run: "echo begun >> 'ACTS'; sleep 0.8; echo ended >> 'ACTS'", undo: {timeout: 9s, run: "echo undone >> 'ACTS'"}}
  - {id: rest, wait: {for: 300ms}}
  - {id: last, timeout: 20s, run: "echo last >> 'ACTS'"}
"""


def test_a_run_whose_clock_steps_back_an_hour_is_taken_up_and_its_durations_are_true(scene: Scene) -> None:
    viewer = scene.begin("run", scene.runbook(BOOK), HOWDAH_TEST_CLOCK_OFFSET=HOUR)
    scene.wait_for_act("begun")
    kill(scene.driver())
    ended(viewer)
    scene.ok("note", "the clock was set right")
    assert scene("resume").code == 0
    assert scene.acts() == ["begun", "ended", "last"]
    [outcome] = [e for e in scene.events() if e.kind == "step.ended" and e.step == "act"]
    assert 800_000 <= outcome.data["took"] < 30 * clock.SECOND
    run = scene.journal()
    assert run.started_at is not None and run.ended_at is not None
    assert run.ended_at.at < run.started_at.at  # as the clocks had it
    span = clock.between(run.started_at, run.ended_at)
    assert span.exact and span.micros is not None and clock.SECOND < span.micros < clock.MINUTE
    assert "-" not in json.loads(scene.ok("steps", scene.run(), "--json"))["steps"][0]["took"]
    assert "whole" in scene.ok("verify")
    assert scene("attach", scene.run()).code == 0
    page = os.path.join(scene.folder, "p.md")
    scene.ok("postmortem", "-o", page)
    with open(page, encoding="utf-8") as file:
        assert "clocks" in file.read()


def test_which_run_took_a_lock_later_does_not_follow_the_clock(scene: Scene) -> None:
    book = scene.runbook(BOOK.replace("sleep 0.8", "true").replace("300ms", "1ms"))
    assert scene("run", book, HOWDAH_TEST_CLOCK_OFFSET=HOUR).code == 0
    first = scene.run()
    assert scene("run", book).code == 0
    refused = scene("undo", first)
    assert refused.code == 4 and "took the same lock later" in refused.err
    assert "undone" not in scene.acts()
