"""`howdah do`: one command by hand is a run like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.scene import HOWDAH, Scene

ARGS = [
    "",
    " ",
    "a b",
    "$HOME",
    "${{ inputs.x }}",
    "'\"",
    "-x",
    "--",
    "*",
    "a\nb",
    "é\u202e",
    "$(touch pwned)",
    "\\",
]
ECHO = "import json, sys; print(json.dumps(sys.argv[1:]))"


def test_a_command_gets_exactly_the_words_that_were_typed_and_its_output_is_shown(scene: Scene) -> None:
    answer = scene("do", "-m", "look", "--effect", "read", "--", sys.executable, "-c", ECHO, *ARGS)
    assert answer.code == 0, answer.err
    (shown,) = [line for line in answer.out.splitlines() if "| [" in line]
    assert json.loads(shown.partition("| ")[2]) == ARGS
    (event,) = [one for one in scene.events() if one.kind == "step.ended"]
    assert json.loads(event.data["tail"]) == ARGS and event.data["name"] == "look"


def test_what_fails_ends_with_1_and_says_how(scene: Scene) -> None:
    answer = scene("do", "--", "sh", "-c", "echo no room >&2; exit 7")
    assert answer.code == 1
    assert "exit 7" in answer.out and "| no room" in answer.out


def test_it_declares_an_incident_or_joins_the_open_one(scene: Scene) -> None:
    scene.ok("do", "--", "true")
    assert scene.incidents() == {"inc-1": "resolved"}
    scene.ok("declare", "web is slow")
    scene.ok("do", "--", "true")
    assert scene.incidents() == {"inc-1": "resolved", "inc-2": "investigating"}
    scene.ok("declare", "mail is slow")
    refused = scene("do", "--", "true")
    assert refused.code == 2 and "--incident" in refused.out + refused.err
    assert scene("do", "--incident", "inc-3", "--", "true").code == 0


def test_its_undo_takes_it_back(scene: Scene) -> None:
    path = f"{scene.folder}/a file"
    scene.ok("do", "--undo", f"rm '{path}'", "--", "touch", path)
    run = scene.run()
    assert scene("undo", run).code == 0
    scene.wait_for("run.ended", status="undone")
    assert scene("do", "--", "test", "-e", path).code == 1


def test_what_was_changed_is_in_the_record(scene: Scene) -> None:
    scene.ok("do", "--what", "app.conf:pool", "--old", "20", "--new", "5", "--", "true")
    run = scene.run()
    row = f"| app.conf:pool | 20 | 5 | nova | `{run}/command` | ok |"
    assert row in scene.ok("postmortem")


def test_the_same_key_runs_it_once_and_another_command_by_that_key_is_refused(scene: Scene) -> None:
    run = ("do", "--key", "k1", "--", "sh", "-c", f"echo once >> {scene.acts_file}")
    scene.ok(*run)
    scene.ok(*run)
    assert scene.acts() == ["once"]
    answer = scene("do", "--key", "k1", "--", "sh", "-c", f"echo other >> {scene.acts_file}")
    assert answer.code == 2 and "this key has started" in answer.err
    assert scene.acts() == ["once"]


def test_two_commands_that_only_begin_alike_are_two(scene: Scene) -> None:
    begin = "echo " + "x" * 80
    scene.ok("do", "--key", "k1", "--", "sh", "-c", begin)
    answer = scene("do", "--key", "k1", "--", "sh", "-c", begin + " y")
    assert answer.code == 2 and "this key has started" in answer.err
    assert len(scene.runs()) == 1


def test_what_is_piped_to_it_is_refused_and_not_lost(scene: Scene) -> None:
    path = Path(scene.folder, "dump.sql")
    path.write_text("DROP TABLE\n")
    run = [HOWDAH, "do", "--", "cat"]
    shared = {"env": scene.env("nova", {}), "cwd": scene.folder, "text": True, "capture_output": True}
    piped = subprocess.run(run, input="DROP TABLE\n", **shared)  # type: ignore[call-overload]
    with path.open() as file:
        read = subprocess.run(run, stdin=file, **shared)  # type: ignore[call-overload]
    for answer in (piped, read):
        assert answer.returncode == 2 and "something is piped to it" in answer.stderr
    assert not scene.runs()
    theirs, ours = os.pipe()  # as of ssh or cron: open, and nobody writes
    empty = subprocess.run(run, stdin=theirs, **shared)  # type: ignore[call-overload]
    os.close(theirs)
    os.close(ours)
    assert empty.returncode == 0, empty.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("do",), "there is no command to run"),
        (("do", "--", ""), "there is no command to run"),
        (("do", "--undo", "mv 'a", "--", "true"), "a quote is not closed"),
        (("do", "--old", "1", "--", "true"), "--old and --new need --what"),
        (("do", "--timeout", "soon", "--", "true"), "soon"),
        (("do", "--", "cat", "\udcff"), "word 2 of the command is not UTF-8"),
        (("do", "ls", "-la"), "put -- before"),
    ],
)
def test_what_cannot_be_run_is_refused_with_one_message(
    scene: Scene, words: tuple[str, ...], says: str
) -> None:
    answer = scene(*words)
    assert answer.code == 2 and says in answer.err, answer
    assert not scene.runs()
