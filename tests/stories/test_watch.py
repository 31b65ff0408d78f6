"""A step that is watched: its samples are evidence and a chart, and whatever becomes of a look, the step goes its way."""

from __future__ import annotations

import os

from incidents.events import Event
from runbooks import procfs
from tests.stories.scene import Scene, ended, kill, until

DRAINS = """
name: drains
steps:
  - id: drained
    wait: {for: 40s, until: "${{ result.outputs.waiting == 0 and result.outputs.waiting_rate < 0 }}"}
    env: {FILE: "QUEUE"}
    watch:
      every: 200ms
      run: |
        n=$(cat "$FILE"); echo "$(( n > 4000 ? n - 3000 : 0 ))" >"$FILE"; echo "waiting=$n"
      outputs: {waiting: {regex: 'waiting=([0-9]+)', type: int, rate: 500ms}}
  - id: last
    effect: read
    env: {RATE: "${{ steps.drained.outputs.waiting_rate }}"}
    if: ${{ steps.drained.outputs.waiting_rate < 0 }}
    run: echo "$RATE"
"""
HANGS = """
name: hangs
steps:
  - id: act
    timeout: 40s
    run: until [[ $(wc -l <'LOOKS') -ge 5 ]]; do sleep 0.05; done; echo acted >>'ACTS'
    watch:
      every: 100ms
      timeout: 300ms
      run: |
        echo $$ >>'LOOKS'
        case $(wc -l <'LOOKS') in 1) sleep 1000 & sleep 1000;; 2) echo none;; *) echo 7;; esac
      outputs: {left: {text: true, type: int}}
"""
WAITS = """
name: waits
steps:
  - id: rest
    wait: {for: 40s, until: "${{ result.outputs.looks >= 12 }}"}
    watch:
      every: 100ms
      run: "echo x >>'LOOKS'; wc -l <'LOOKS'"
      outputs: {looks: {text: true, type: int}}
"""


def filled(scene: Scene, text: str) -> str:
    return scene.runbook(text.replace("LOOKS", os.path.join(scene.folder, "looks")))


def outcome(scene: Scene, path: str) -> Event:
    [end] = [e for e in scene.events() if e.kind == "step.ended" and e.data["path"] == path]
    return end


def rows(scene: Scene, end: Event) -> list[str]:
    [kept] = [one for one in end.evidence if one.media_type == "text/csv"]
    with open(os.path.join(f"{scene.store}.blobs", kept.sha256)) as file:
        return file.read().splitlines()


def test_the_samples_of_a_wait_are_one_evidence_outputs_and_a_chart(scene: Scene) -> None:
    queue = os.path.join(scene.folder, "queue")
    with open(queue, "w") as file:
        file.write("12340\n")
    person = scene.sit("run", scene.runbook(DRAINS.replace("QUEUE", queue)))
    person.see("█")
    person.see("12,340")
    person.see("/s")
    assert person.end() == 0
    end = outcome(scene, "drained")
    assert [row.split(",")[2] for row in rows(scene, end)] == [
        "waiting",
        "12340",
        "9340",
        "6340",
        "3340",
        "0",
    ]
    assert end.data["outputs"]["waiting"] == 0 and float(end.data["outputs"]["waiting_rate"]) < 0
    assert end.data["watched"]["waiting"]["first"] == 12340 and "unwatched" not in end.data
    kinds = [e.kind for e in scene.events() if e.step == "drained"]
    assert kinds == ["step.started", "step.ended"]  # none a sample
    assert not [name for name in os.listdir(scene.run_dir()) if ".samples" in name]
    assert "waiting 12,340 → 0" in scene("steps", scene.run()).out
    told = scene("postmortem").out
    assert "waiting 12,340 → 0" in told and f"{end.run}/1.samples.csv" in told


def test_a_look_that_hangs_is_abandoned_and_named_and_the_step_does_not_notice(scene: Scene) -> None:
    open(os.path.join(scene.folder, "looks"), "w").close()
    told = scene("run", filled(scene, HANGS))
    assert told.code == 0, told
    end = outcome(scene, "act")
    assert end.data["status"] == "ok" and end.data["outputs"] == {"left": 7}
    said = [row.rpartition(",")[2] for row in rows(scene, end)[1:]]
    assert said[0].startswith("a look took longer than ") and said[0].endswith(" and was abandoned")
    assert "is not a whole number" in said[1] and said[2] == ""
    assert "a number was not always to be had" in told.out
    with open(os.path.join(scene.folder, "looks")) as file:
        assert {procfs.state(int(pid)) for pid in file} <= {None, "Z"}


def test_a_killed_driver_leaves_its_samples_and_the_next_one_goes_on_with_them(scene: Scene) -> None:
    open(os.path.join(scene.folder, "looks"), "w").close()
    viewer = scene.begin("run", filled(scene, WAITS))

    def sampled() -> list[str]:
        try:
            with open(os.path.join(scene.run_dir(), "1.samples")) as file:
                return file.read().splitlines()[1:]
        except (OSError, AssertionError):
            return []

    until(lambda: len(sampled()) >= 3, "three samples")
    kill(scene.driver())
    ended(viewer)
    before = sampled()
    assert scene("resume").code == 0
    end = outcome(scene, "rest")
    assert rows(scene, end)[1 : len(before) + 1] == before
    assert end.data["watched"]["looks"]["first"] == 1 and end.data["watched"]["looks"]["last"] >= 12
