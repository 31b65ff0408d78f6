"""A night at a real terminal: tmux, 80 by 24, keys; a confirmation, a failing step, a doubt, an undo, and a second
terminal that attaches in the middle. What the screen shows at each of them is a golden file.

HOWDAH_TEST_GOLDEN=write writes the files anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.scene import HOWDAH, PATIENCE, Scene
from tests.stories.scene import scene as made
from tests.stories.tmux import Tmux, same

CASES = Path(__file__).parents[1] / "cases" / "night"
BOOK = """\
runbook: 1
name: night
inputs:
  service: {type: string, default: web}
steps:
  - id: look
    name: Look at the service
    effect: read
    run: echo "$IN_SERVICE answers slowly"
  - id: drain
    name: Take the service out of the pool
    confirm: Take it out? Users of this machine are moved to the others.
    touches: {hosts: web1, services: "${{ inputs.service }}"}
    timeout: 1m
    run: echo drained >> ACTS
    undo: {run: echo back >> ACTS, effect: idempotent}
  - id: tidy
    name: Tidy up the caches
    effect: idempotent
    continue-on-error: true
    run: echo "no such cache" >&2; exit 3
  - id: pay
    name: Charge the account
    timeout: 1m
    run: echo charging; kill -9 $$
  - id: wait
    name: Say that it is well
    manual: Look at the dashboard. Is it well?
"""


def golden(name: str, screen: str) -> None:
    path, shown = CASES / f"{name}.txt", same(screen)
    if os.environ.get("HOWDAH_TEST_GOLDEN") == "write":
        CASES.mkdir(exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text(), screen


@pytest.fixture
def scene() -> Iterator[Scene]:
    """In a folder whose name is as long every time: lines break where they broke before."""
    with tempfile.TemporaryDirectory(prefix="n-", dir="/tmp") as folder, made(folder) as one:
        yield one


@pytest.fixture
def terminals(scene: Scene) -> Iterator[list[Tmux]]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not here: apt-get install tmux")
    opened: list[Tmux] = []
    yield opened
    for one in opened:
        one.close()


@pytest.mark.lab
def test_a_night_by_keys_with_a_second_terminal_in_the_middle(scene: Scene, terminals: list[Tmux]) -> None:
    book = scene.runbook(BOOK, "night.yaml")
    first = Tmux(scene, "first", HOWDAH, "run", book)
    terminals.append(first)
    first.see("Confirm: Take the service", "Your answer?")
    golden("confirm", first.see("Your answer?"))
    assert scene.acts() == []
    first.press("y")
    first.see("IN DOUBT", "twice)")
    golden("doubt", first.see("Your answer?"))
    assert scene.acts() == ["drained"]

    second = Tmux(scene, "second", HOWDAH, "attach")
    terminals.append(second)
    second.see("IN DOUBT", "Your answer?")
    first.resize(40, 20)
    first.see("Your answer?")
    golden("doubt-narrow", first.see("Your answer?"))
    first.resize(80, 24)
    second.press("d")
    second.see("Press d again")
    second.press("d")
    second.see("By hand", "Your answer?")
    golden("answered-elsewhere", first.see("nova: done", "By hand", "Your answer?"))
    first.press("q")
    until = time.monotonic() + PATIENCE
    while "q" in first.screen() and time.monotonic() < until and first.screen().strip():
        time.sleep(0.1)
    second.press("a")
    second.see("Press a again")
    second.press("a")
    end = scene.wait_for("run.ended")
    assert end.data["status"] == "aborted"

    undo = scene("undo", scene.run())
    assert undo.code == 0, undo.err
    scene.wait_for_act("back")
    scene.wait_for("run.ended", status="undone")
    assert scene.acts() == ["drained", "back"]
    told = scene.ok("steps", scene.run())
    assert "undone" in told and "failed (continued)" in told
