"""The store's own disk is full for the whole run, and somebody takes every byte that is freed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from incidents.store import open_store
from tests.incidents.store.test_full_disk import hostile_writer
from tests.stories.scene import Scene, ended, kill, until
from tests.stories.scene import scene as made

BOOK = """
name: full
lock: disk
steps:
  - {id: before, effect: read, run: "touch begun; until test -e go; do sleep 0.05; done; echo free 0", outputs: {free: {regex: 'free (\\d+)', type: bytes}}}
  - {id: big, effect: read, if: "${{ steps.before.outputs.free == 0 }}", run: "seq 100000"}
  - {id: again, effect: idempotent, run: "echo try; test $HOWDAH_ATTEMPT = 6", retry: {max: 9, delay: 10ms}}
  - {id: binary, effect: read, run: "head -c 9000 /dev/urandom"}
  - {id: grow, confirm: "Free ${{ steps.before.outputs.free }}. Grow it?", timeout: 20s, run: "echo grown >> 'ACTS'", undo: {timeout: 9s, run: "echo shrunk >> 'ACTS'"}}
  - {id: dies, timeout: 20s, run: "echo dies >> 'ACTS'; kill -9 $$", verify: {no: [10], timeout: 9s, run: "exit 0"}}
  - {id: long, timeout: 20s, run: "echo long >> 'ACTS'; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done; echo over >> 'ACTS'"}
  - {id: last, timeout: 20s, run: "echo last >> 'ACTS'; echo '{\\"a\\": [1, 2]}'", outputs: {a: {json: .a}}}
"""


@pytest.fixture
def machine(tmp_path: Path, tiny_disk: Path) -> Iterator[Scene]:
    """Its store lies on a small disk of its own, its steps act elsewhere."""
    with made(str(tmp_path), str(tiny_disk / "store.db")) as one:
        yield one


@pytest.mark.lab
@pytest.mark.parametrize("full", ["before the run", "in its first step"])
def test_a_run_completes_on_a_full_disk_with_a_question_a_doubt_and_a_dead_driver(
    machine: Scene, tiny_disk: Path, full: str
) -> None:
    scene = machine
    scene.ok("declare", "the disk is full")
    book, go = scene.runbook(BOOK), Path(scene.folder, "go")
    if full == "in its first step":
        viewer = scene.begin("run", book)
        until(lambda: Path(scene.folder, "begun").exists(), "the first step")
    with hostile_writer(tiny_disk / "hog"):
        with pytest.raises(OSError, match="No space"):
            (tiny_disk / "probe").write_bytes(bytes(1 << 20))
        go.touch()
        if full == "before the run":
            viewer = scene.begin("run", book)
        parked = ended(viewer)
        assert parked.code == 3, parked
        noted = scene.ok("note", "everything is full", by="ada")
        scene.ok("confirm", "grow", by="ada")
        scene.wait_for_act("long")
        kill(scene.driver())
        scene.wait_for_act("over")
        resumed = scene("resume")
        assert resumed.code == 0, resumed
        scene.ok("undo", scene.run())
        scene.wait_for("run.ended", status="undone")
        assert "whole" in scene.ok("verify")
        assert scene.ok("timeline")
    assert scene.acts() == ["grown", "dies", "long", "over", "last", "shrunk"]
    run = scene.journal()
    assert run.step("before").outputs == {"free": 0} and run.step("last").outputs == {"a": [1, 2]}
    assert run.step("again").count("run") == 6
    assert "verify says" in run.step("dies").why
    outcomes = {e.step: e for e in scene.events() if e.kind == "step.ended" and e.data["n"] is not None}
    assert outcomes["long"].data["recovered"]
    big = outcomes["big"].data
    assert big["bytes"] == 588_895 and big["dropped"] > 500_000 and "were not kept" in big["tail"]
    assert "everything is full" in scene.ok("timeline") and noted
    with open_store(scene.store) as store:
        assert [event.seq for event in store.events("inc-1")] == list(range(1, store.last_seq("inc-1") + 1))
    assert "whole" in scene.ok("verify")
    assert not [name for name in os.listdir(scene.run_dir()) if name.startswith("spare")]


@pytest.mark.lab
def test_a_second_run_on_a_full_disk_that_is_refused_its_lock_leaves_nothing_behind(
    machine: Scene, tiny_disk: Path
) -> None:
    scene = machine
    book = scene.runbook(
        "name: held\nlock: a\nsteps:\n  - {id: ask, confirm: Go?, timeout: 9s, run: \"echo x >> 'ACTS'\"}\n"
    )
    assert scene("run", book).code == 3
    folders = os.listdir(f"{scene.store}.runs")
    with hostile_writer(tiny_disk / "hog"):
        assert scene("run", book).code == 4
        assert os.listdir(f"{scene.store}.runs") == folders
        scene.ok("confirm", "ask")
        assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["x"]


@pytest.mark.lab
def test_when_not_even_an_attempt_s_file_fits_the_driver_ends_and_a_resume_goes_on_when_there_is_room(
    machine: Scene, tiny_disk: Path
) -> None:
    """Attempts in doubt keep their files, so doubt after doubt uses up what the run owns."""
    scene = machine
    book = scene.runbook("""
name: doubts
steps:
  - {id: act, timeout: 9s, run: "echo act >> 'ACTS'; test -e healed || kill -9 $$"}
""")
    assert scene("run", book).code == 3
    with hostile_writer(tiny_disk / "hog"):
        for _ in range(100):  # a block that is freed may be had once more before the writer wakes
            scene.ok("retry", "act")
            if scene("resume").code != 3:
                break
        told = scene("resume")
        assert told.code == 5, told
        assert "cannot be written" in told.text and f"then howdah resume {scene.run()}" in told.text
        acts = len(scene.acts())
    os.unlink(tiny_disk / "hog")
    Path(scene.folder, "healed").touch()
    assert scene("resume").code == 0
    assert len(scene.acts()) == acts + 1
    assert "whole" in scene.ok("verify")
