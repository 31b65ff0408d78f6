"""The examples of the guides work as they stand: the command is given, the fault breaks a disk that a runbook cures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chatops.commands
import runbooks.drills.disk_full
from chatops import vocabulary
from runbooks.drills import harness
from tests.chatops.conftest import Howdah, howdah
from tests.docs import pages
from tests.runbooks.drills.conftest import Place, place

__all__ = ["howdah", "place"]


def example(page: str) -> str:
    (block,) = pages.blocks(page, "python")
    return block.text


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command of the guide as a file of chatops/commands/."""
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "deploy.py").write_text(example("docs/guides/add-a-command.md"))
    monkeypatch.setattr(vocabulary, "_commands", dict(vocabulary.registry()))
    monkeypatch.setattr(chatops.commands, "__path__", [*chatops.commands.__path__, str(folder)])
    yield
    sys.modules.pop("chatops.commands.deploy", None)
    vars(chatops.commands).pop("deploy", None)


@pytest.mark.usefixtures("command")
def test_the_command_of_the_guide_is_there_by_being_a_file(howdah: Howdah) -> None:
    howdah.ok("declare", "uploads fail")
    (shown,) = pages.blocks("docs/guides/add-a-command.md", "text")
    assert howdah.ok("deploy", "4.2") == shown.text.split("\n", 1)[1]
    assert howdah("deploy", "4.3", "--json").json == {"seq": 3}
    assert howdah("deploy", "--at", "2030-01-01T00:00Z", "4.4").code == 2
    assert "Note a deployment" in howdah("--help").out
    assert "deployed" not in howdah("timeline").out and "4.2" in howdah("timeline").out


@pytest.mark.lab
def test_the_fault_of_the_guide_breaks_the_disk_and_is_cured_by_its_answers(
    place: Place, howdah: Howdah, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "faults"
    folder.mkdir()
    (folder / "debug_log.py").write_text(example("docs/guides/add-a-fault.md"))
    package = runbooks.drills.disk_full
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    monkeypatch.setattr(harness, "names", lambda scenario="disk-full": ("debug-log",))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", place.folder)
    howdah.at = None
    answer = howdah("drill", "disk-full", "--fault", "debug-log", "--auto")
    assert answer.code == 0, answer
    assert "broken: A service's log grows until the disk is full" in answer.out
    assert "drill disk-full: cured" in answer.out
    sys.modules.pop("runbooks.drills.disk_full.debug_log", None)
