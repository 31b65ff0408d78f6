"""`localhost` in `targets` is this machine: no ssh, no `hosts:`, and the same runbook goes elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from incidents.hosts import HERE, Host, choose, is_here
from tests.stories.scene import Scene, until

BOOK = """
name: look
inputs:
  on: {type: host, default: localhost}
steps:
  - id: look
    targets: {hosts: ["${{ inputs.on }}"]}
    effect: read
    run: [sh, -c, 'echo "on $HOWDAH_STEP, $PWD"']
    outputs: {said: {regex: '(?m)^on (.*)$'}}
  - id: change
    targets: {hosts: ["${{ inputs.on }}"]}
    timeout: 20s
    run: [touch, made]
    undo: {run: [rm, made], effect: idempotent, timeout: 20s}
  - stop: {status: ok, say: "it said ${{ steps.look.outputs.said[inputs.on] }}"}
"""


def test_a_step_on_localhost_runs_here_without_ssh_and_is_undone_here(scene: Scene) -> None:
    answer = scene("run", scene.runbook(BOOK), PATH="/usr/bin:/bin")
    assert answer.code == 0, answer
    assert f"it said look@localhost, {scene.folder}" in answer.out
    made = Path(scene.folder, "made")
    assert made.exists()
    run = next(event.run for event in scene.events() if event.run)
    assert scene("undo", str(run)).code == 0
    until(lambda: not made.exists(), "the undo")


@pytest.mark.parametrize("known", [{}, {"web1": Host("web1", "10.0.0.1")}])
def test_localhost_is_here_unless_hosts_gives_the_name_to_another_machine(known: dict[str, Host]) -> None:
    assert [one.name for one in choose([HERE], known)] == [HERE]
    assert is_here(HERE, known)
    other = {**known, HERE: Host(HERE, "10.0.0.9")}
    assert choose([HERE], other) == [other[HERE]]
    assert not is_here(HERE, other)
