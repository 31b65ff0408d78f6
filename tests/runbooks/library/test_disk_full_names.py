"""disk-full.yaml and names that are everything but text: nothing of them is executed, mistaken for another, or lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from runbooks import procfs
from runbooks.drills.disk_full.lab import Lab

from .test_disk_full import APPEND, Make, fill_up, moved, numbers, running, tree, wants

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")

NAMES = (
    b"a\nnew line", b"at the end\n", b"\n", b" space ", b"'", b'"', b"`$(touch pwned)`", b"-rf", b"--help", b"-",
    b"caf\xe9", b"\xff\xfe\x80", b"back\\slash\\n\\001%s%d", b"<angles> <", b"*", b"~", b"{a,b}", b"(deleted)",
    b"tab\there", b"\x1b[31mred", b"a=b", b"file 1 2 <x>", "ünï".encode(), b"x" * 255,
)  # fmt: skip
LEFT_ALONE = (
    b"\x01"  # stands for a newline on the way through line tools, so whoever has it in his name stays
)

FILES = """
folder = os.fsencode(sys.argv[1])
for name in eval(sys.argv[2]):
    with open(os.path.join(folder, name), "wb") as file: file.write(os.urandom(350_000))
open_one = open(os.path.join(folder, b"open"), "wb")
open_one.write(b"x" * 5000); open_one.flush()
print("ready", flush=True)
time.sleep(600)
"""


DELETED = """
kept = []
for name in eval(sys.argv[2]):
    path = os.path.join(os.fsencode(sys.argv[1]), name)
    kept.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    os.write(kept[-1], os.urandom(300_000)); os.unlink(path)
print("ready", flush=True)
time.sleep(600)
"""


def nested(lab: Lab) -> str:
    """A folder in a folder in a folder, of all these names but the longest."""
    path = os.path.join(lab.mount, *(os.fsdecode(name) for name in NAMES[:-1]))
    os.makedirs(path)
    return path


@pytest.mark.lab
def test_files_of_any_name_in_folders_of_any_name_move_and_come_back(player: Make, lab: Lab) -> None:
    folder = nested(lab)
    with running(FILES, folder, repr((*NAMES, LEFT_ALONE))) as pid:
        fill_up(lab.mount)
        before = tree(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("pause", "move_files") == "ok", run.say + run.errors
        after = tree(lab.mount)
        assert len(before.keys() - after.keys()) == len(NAMES)
        assert sorted(before[name] for name in before.keys() - after.keys()) == sorted(
            tree(lab.spill)[name] for name in moved(lab)
        )
        assert os.fsdecode(LEFT_ALONE) in os.listdir(folder)
        assert run.verify("move_files").exit == 0
        assert run.undo("move_files").exit == 0, run.errors
        assert tree(lab.mount) == before
        assert run.undo("pause").exit == 0
        assert procfs.state(pid) != "T"
    assert not os.path.exists("pwned")


@pytest.mark.lab
def test_deleted_files_of_any_name_are_emptied(player: Make, lab: Lab) -> None:
    with running(DELETED, lab.mount, repr((*NAMES, LEFT_ALONE))) as pid:
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("truncate") == "ok", run.say + run.errors
        assert run.verify("truncate").exit == 0
        lines = run.steps["unnamed"]["outputs"]["shown"].splitlines()
        told = [line for line in lines if f"held by process {pid} " in line and line.endswith("(deleted)'")]
        assert len(told) == len(NAMES) + 1, "one line each, whatever the name"


@pytest.mark.lab
@pytest.mark.parametrize("name", [b"\n", b"-rf '\"`$(touch pwned)`\n", b"caf\xe9 \\n <x> \xff"])
def test_of_a_log_of_any_name_no_line_is_lost(player: Make, lab: Lab, name: bytes) -> None:
    path = os.path.join(os.fsencode(lab.mount), name)
    with running(APPEND, os.fsdecode(path), "150000") as pid:
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("move_log") == "ok", run.say + run.errors
        assert run.verify("move_log").exit == 0
        os.kill(pid, signal.SIGSTOP)
        (copy,) = (os.path.join(at, "copy") for at, _, names in os.walk(lab.spill) if "copy" in names)
        with open(copy, "rb") as one, open(path, "rb") as other:
            moved_part, log = one.read(), other.read()
        lines = numbers(moved_part + log[len(moved_part) :])
        assert lines == list(range(len(lines))) and len(lines) > 150_000
    assert not os.path.exists("pwned")


@pytest.mark.lab
def test_a_file_that_is_called_deleted_and_is_not_stays_as_it_is(player: Make, lab: Lab) -> None:
    path = os.path.join(lab.mount, "app.log (deleted)")
    with running(APPEND, path, "120000"):
        fill_up(lab.mount)
        before = os.stat(path).st_blocks
        run = player("disk-full", **wants(lab))
        assert run.play("truncate", until="lately") == ""
        assert run.steps["unnamed"]["outputs"]["bytes"] == 0
        assert os.stat(path).st_blocks >= before


@pytest.mark.lab
def test_the_whole_run_cures_it_and_undo_brings_every_name_back(lab: Lab, tmp_path: Any) -> None:
    """By the command, with its engine, its record and its screen."""
    env = {**os.environ, "HOWDAH_STORE": os.path.join(tmp_path, "record.db")}

    def howdah(*words: str) -> str:
        done = subprocess.run(
            [HOWDAH, *words, "--json"], env=env, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        return done.stdout

    folder = nested(lab)
    with running(FILES, folder, repr(NAMES)):
        fill_up(lab.mount)
        before = tree(lab.mount)
        given = [word for name, value in wants(lab).items() for word in ("-i", f"{name}={value}")]
        ended = howdah("run", "disk-full", *given, "--yes", "pause", "--yes", "move_files")
        assert len(before.keys() - tree(lab.mount).keys()) == len(NAMES)
        run = json.loads(ended.splitlines()[-1])["run"]
        howdah("undo", run)
        until = time.monotonic() + 60
        while "undone" not in howdah("steps", run) or json.loads(howdah("steps", run))["status"] != "ended":
            assert time.monotonic() < until
            time.sleep(0.1)
        assert tree(lab.mount) == before
    assert not os.path.exists("pwned")
