"""What the shell offers: from the record and the runbooks, and never at their cost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chatops.conftest import Howdah

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")


def offered(howdah: Howdah, line: str) -> list[str]:
    words = line.split(" ")
    env = {**os.environ, "HOWDAH_STORE": str(howdah.store), "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
           "_HOWDAH_COMPLETE": "bash_complete", "HOWDAH_CONFIG": "/dev/null"}  # fmt: skip
    done = subprocess.run([HOWDAH], env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_words_incidents_runbooks_inputs_and_steps_are_offered(howdah: Howdah, tmp_path: Path) -> None:
    book = tmp_path / "book.yaml"
    book.write_text("name: cure\nsteps:\n  - {id: cure, confirm: Sure?, run: 'true'}\n")
    howdah.ok("declare", "one")
    howdah("run", str(book))
    assert offered(howdah, "howdah sum") == ["summary"]
    assert "inc-1" in offered(howdah, "howdah summary ")
    assert "disk-full" in offered(howdah, "howdah run dis")
    assert "mount=" in offered(howdah, "howdah run disk-full -i ")
    assert offered(howdah, "howdah confirm ") == ["cure"]
    assert offered(howdah, "howdah note --milestone al") == ["alerted"]


@pytest.mark.parametrize(
    "line", ["howdah summary ", "howdah run disk-full -i ", "howdah confirm ", "howdah run nothere -i "]
)
def test_where_there_is_no_record_none_is_made_and_nothing_is_said(howdah: Howdah, line: str) -> None:
    offered(howdah, line)
    assert not list(howdah.store.parent.glob("store.db*"))


def test_a_broken_record_offers_nothing_and_says_nothing(howdah: Howdah) -> None:
    howdah.store.parent.mkdir(exist_ok=True, parents=True)
    howdah.store.write_bytes(b"no database" * 1000)
    assert offered(howdah, "howdah summary ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_of_its_own(howdah: Howdah, shell: str) -> None:
    script = howdah.ok("completion", shell)
    assert "_HOWDAH_COMPLETE" in script
    program = shutil.which(shell)
    if program is not None:
        done = subprocess.run(
            [program, "-n"], input=script, text=True, capture_output=True, timeout=20, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_real_bash_completes_an_incident(howdah: Howdah, tmp_path: Path) -> None:
    howdah.ok("declare", "one")
    script = tmp_path / "howdah.bash"
    script.write_text(howdah.ok("completion", "bash"))
    line = (
        f"source '{script}'; COMP_WORDS=(howdah summary in); COMP_CWORD=2; "
        '_howdah_completion howdah in summary; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = {
        **os.environ,
        "HOWDAH_STORE": str(howdah.store),
        "PATH": os.path.dirname(HOWDAH) + os.pathsep + os.environ["PATH"],
    }
    done = subprocess.run(
        ["bash", "-c", line], env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("inc-1\n", "")
