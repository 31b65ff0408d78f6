"""What the pages show of a terminal is what the command prints: every `console` block is typed and compared."""

from __future__ import annotations

import os
import re
import shlex

import pytest

from tests.docs import pages
from tests.docs.pages import Block
from tests.stories.conftest import scene
from tests.stories.scene import Scene

__all__ = ["scene"]

BLOCKS = pages.every("console")
# What differs from run to run: the day, the time, the name of the run, how long it took, the machine and its folder.
DIFFERS = [
    (r"(?m)^\w+day \d{4}-\d\d-\d\d, times in UTC$", "DAY"),
    (r"(?m)^\d\d:\d\d:\d\d ", "hh:mm:ss "),
    (r"\brun-[a-z0-9]{6}\b", "run-abcdef"),
    (r"\b\d+\.\d s\b", "0.0 s"),
    (r"(?m)^\S+(: .+\. Looked at for )", r"HOST\1"),
    (r"(?m)^( +on +)\S+, in \S+$", r"\1HOST, in FOLDER"),
]


def test_there_are_consoles() -> None:
    assert len(BLOCKS) >= 4


def same_for_all(text: str) -> str:
    for pattern, instead in DIFFERS:
        text = re.sub(pattern, instead, text)
    return text


def typed(block: Block) -> list[tuple[str, str]]:
    """(command, what is shown under it)."""
    parts = re.split(r"^\$ (.+)\n", block.text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_console_shows_what_is_printed(scene: Scene, block: Block) -> None:
    for other in pages.blocks(block.page, "yaml"):
        if named := re.match(r"# (\S+\.yaml)\n", other.text):
            scene.runbook(other.text, named[1])
    for command, shown in typed(block):
        words = shlex.split(command)
        assert words[0] == "howdah", command
        answer = scene(*words[1:], COLUMNS="80")
        assert same_for_all(answer.out + answer.err) == same_for_all(shown), os.fspath(block.page)
