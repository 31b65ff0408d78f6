"""`howdah runbook from INC`: what was done in an incident cures the same fault again."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from runbooks import procfs
from runbooks.drills import harness
from runbooks.drills.disk_full.lab import Lab
from tests.runbooks.drills.conftest import Place, place
from tests.stories.scene import HOWDAH, Scene

__all__ = ["place"]


def draft(scene: Scene, incident: str) -> str:
    path = os.path.join(scene.folder, f"{incident}.yaml")
    scene.ok("runbook", "from", incident, "-o", path)
    lint = scene("runbook", "lint", path)
    assert lint.code == 0, lint.out
    return path


def run(scene: Scene, book: str, lab: Lab, *words: str) -> int:
    lab.plays(os.path.join(f"{scene.store}.runs", "none"))
    done = subprocess.run(
        [HOWDAH, "run", book, *words, "--json"], env=scene.env("nova", {}), cwd=scene.folder, capture_output=True,
        timeout=100, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.returncode


@pytest.mark.lab
@pytest.mark.parametrize("fault", ["deleted-open", "reserved"])
def test_the_draft_of_a_drill_cures_the_same_fault(scene: Scene, place: Place, fault: str) -> None:
    env = {"TMPDIR": place.folder, "XDG_STATE_HOME": place.folder + "/state"}
    drilled = scene("drill", "disk-full", "--auto", "--fault", fault, **env)
    assert drilled.code == 0, drilled.err
    book = draft(scene, "inc-1")
    text = Path(book).read_text()
    assert "id: move_files" not in text, "what did nothing is left out"
    answer = {"deleted-open": "truncate", "reserved": "lend"}[fault]

    def play(lab: Lab) -> int:
        lab.seen()
        given = [word for name, value in lab.inputs().items() for word in ("-i", f"{name}={value}")]
        return run(scene, book, lab, *given, "--yes", answer)

    result = harness.drill(fault, play, folder=place.folder, ledgers=place.ledgers)
    assert result.score.cured, result.score.reasons
    assert result.left == ()


@pytest.mark.lab
def test_commands_by_hand_that_cured_it_are_a_runbook_that_cures_it(scene: Scene, place: Place) -> None:
    def by_hand(lab: Lab) -> int:
        lab.seen()
        fd = deleted(lab)
        scene.ok("do", "-m", "how full is it?", "--effect", "read", "--", "df", lab.mount)
        scene("do", "-m", "delete it again", "--", "rm", lab.log)
        scene.ok("do", "-m", "empty what nobody can read", "--", "truncate", "-s", "0", fd)
        scene.ok("do", "-m", "look again", "--effect", "read", "--", "stat", "-L", fd)
        return 0

    scene.ok("declare", "the disk is full")
    assert harness.drill("deleted-open", by_hand, folder=place.folder, ledgers=place.ledgers).score.cured
    book = draft(scene, "inc-1")
    shown = json.loads(scene.ok("runbook", "show", book, "--json"))["text"]
    assert "Not kept, it did not help: rm " in shown
    (name,) = re.findall(r"^  (\w+): \{type: path, required: true", shown, re.MULTILINE)
    scene.ok("resolve")

    def again(lab: Lab) -> int:
        lab.seen()
        steps = ["--yes", "truncate"]
        text = Path(book).read_text().replace(old_mount(shown), lab.mount)
        Path(book).write_text(text)
        return run(scene, book, lab, "-i", f"{name}={deleted(lab)}", *steps)

    assert harness.drill("deleted-open", again, folder=place.folder, ledgers=place.ledgers).score.cured


def old_mount(text: str) -> str:
    found = re.search(r'"df", "([^"]+)"', text)
    assert found is not None
    return found[1]


def deleted(lab: Lab) -> str:
    folder = f"/proc/{lab.writer.pid}/fd"
    links = (os.path.join(folder, name) for name in os.listdir(folder))
    assert procfs.look(lab.writer.pid) is not None
    return next(link for link in links if os.readlink(link) == f"{lab.log} (deleted)")


def test_what_is_redacted_is_not_in_the_draft_and_what_is_noted_is(scene: Scene) -> None:
    scene.ok("declare", "web is slow")
    scene.ok("note", "the pool is too small")
    scene.ok("do", "--", "echo", "s3cret-s3cret")
    text = scene.ok("runbook", "from", "inc-1")
    assert "nova: the pool is too small" in text and '["echo", "s3cret-s3cret"]' in text
    numbers = [str(event.seq) for event in scene.events() if event.run is not None]
    scene.ok("redact", *numbers, "--why", "a password")
    answer = scene("runbook", "from", "inc-1")
    assert answer.code == 0 and "is left out: the start of run-" in answer.err
    assert "s3cret" not in answer.out and "the pool is too small" in answer.out


def test_a_file_that_is_there_is_never_replaced(scene: Scene) -> None:
    scene.ok("declare", "web is slow")
    path = os.path.join(scene.folder, "mine.yaml")
    Path(path).write_text("mine\n")
    answer = scene("runbook", "from", "inc-1", "-o", path)
    assert answer.code == 2 and "-o names a new file" in answer.err
    assert Path(path).read_text() == "mine\n"
