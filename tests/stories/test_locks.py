"""Two runs for one lock."""

from __future__ import annotations

import os
import re

from tests.stories.scene import Scene

BOOK = """
name: grow
inputs:
  mount: {type: path, default: /var}
lock: "disk:${{ inputs.mount }}"
steps:
  - {id: grow, confirm: Grow it?, timeout: 20s, run: "echo grown >> 'ACTS'"}
"""


def test_the_second_run_for_a_lock_is_refused_and_leaves_nothing_behind(scene: Scene) -> None:
    book = scene.runbook(BOOK)
    assert scene("run", book, by="ada").code == 3
    first, before = scene.run(), len(scene.events())
    folders = os.listdir(f"{scene.store}.runs")

    for again in ("/var", "/var/", "/var/./"):  # the same folder, however it is written
        refused = scene("run", book, "-i", f"mount={again}", by="nova")
        assert refused.code == 4
        since = re.search(rf"disk:/var is locked by {first} since (\S+Z) \(ada\)", refused.text)
        assert since, refused.text
        assert "howdah unlock disk:/var --why TEXT" in refused.text
    assert (scene.runs(), len(scene.events())) == ([first], before)
    assert os.listdir(f"{scene.store}.runs") == folders
    assert list(scene.incidents()) == ["inc-1"]

    assert scene("run", book, "-i", "mount=/home").code == 3  # another lock is another matter
    assert [lock.name for lock in scene.locks()] == ["disk:/home", "disk:/var"]


def test_a_refusal_in_json_is_an_error_document(scene: Scene) -> None:
    book = scene.runbook(BOOK)
    assert scene("run", book, "--json").code == 3
    refused = scene("run", book, "--json")
    assert (refused.code, refused.out) == (4, "")
    assert '"code": "lock_held"' in refused.err and scene.run() in refused.err


def test_the_end_of_a_run_frees_its_lock(scene: Scene) -> None:
    book = scene.runbook(BOOK)
    assert scene("run", book).code == 3
    first = scene.run()
    scene.ok("confirm", f"{first}/grow")
    scene.wait_for("run.ended", status="ok")
    assert scene.locks() == []
    assert scene("run", book, "--yes", "grow").code == 0
    assert scene.acts() == ["grown", "grown"]


def test_a_person_frees_a_lock_and_the_record_says_why(scene: Scene) -> None:
    book = scene.runbook(BOOK)
    assert scene("run", book, by="ada").code == 3
    first = scene.run()
    assert scene("unlock", "disk:/var").code == 2  # a reason is asked for
    scene.ok("unlock", "disk:/var", "--why", "the host is gone", by="nova")
    [event] = [e for e in scene.events() if e.kind == "lock.released"]
    assert (event.actor.id, event.body) == ("nova", "the host is gone")
    assert scene("run", book, "--yes", "grow").code == 0
    assert scene.runs()[0] == first and scene.acts() == ["grown"]
    assert scene("unlock", "disk:/var", "--why", "again").code == 2


def test_several_locks_are_taken_all_or_none(scene: Scene) -> None:
    book = scene.runbook(BOOK)
    both = scene.runbook(
        'name: both\nlock: [a, "disk:/var"]\nsteps:\n  - {effect: read, run: "true"}\n', "both.yaml"
    )
    assert scene("run", book).code == 3
    assert scene("run", both).code == 4
    assert [lock.name for lock in scene.locks()] == ["disk:/var"]
