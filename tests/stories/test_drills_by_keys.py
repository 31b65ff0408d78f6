"""The drills as a person meets them: at a terminal of 80 by 24, where every question is answered by a key."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator

import pytest

from incidents.errors import Failed
from runbooks.drills import harness
from tests.stories.scene import HOWDAH, Scene
from tests.stories.scene import scene as made
from tests.stories.tmux import Tmux

LONG = 900  # seconds: a guest is emulated, and the machine may be busy


@pytest.fixture
def scene() -> Iterator[Scene]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not here: apt-get install tmux")
    with tempfile.TemporaryDirectory(prefix="n-", dir="/tmp") as folder, made(folder) as one:
        yield one


@pytest.mark.soak
@pytest.mark.lab
@pytest.mark.parametrize(
    ("name", "fault", "question", "proof"),
    [
        ("nfs-stall", "server-stopped", "Confirm: ", "acknowledged lines lost, 0 doubled"),
        ("nfs-stall", "stale", "Confirm: Give the mount up", "acknowledged lines lost, 0 doubled"),
        ("queue-backlog", "poison", "Confirm: Put the class", "0 lost, 0 done twice"),
        ("queue-backlog", "starved", "Confirm: Start workers", "0 lost, 0 done twice"),
    ],
)
def test_who_answers_its_questions_by_keys_cures_it(
    scene: Scene, name: str, fault: str, question: str, proof: str
) -> None:
    try:
        harness.able(name, tempfile.gettempdir())
    except Failed as error:
        pytest.skip(str(error))
    terminal = Tmux(scene, "desk", HOWDAH, "drill", name, "--fault", fault)
    try:
        terminal.keep()
        asked = _until(terminal, "Your answer?")
        assert "can be undone" in asked, "what is decided on stands beside the keys"
        assert question in terminal.screen(back=200)
        while "Your answer?" in asked:
            terminal.press("y")
            asked = _until(terminal, "Your answer?", "postmortem  ", gone=asked)
        told = terminal.screen(back=40)
        assert f"drill {name}: cured" in told and proof in told, told
    finally:
        terminal.close()
    assert scene("drill", "cleanup").out == "nothing was left behind\n"


def _until(terminal: Tmux, *texts: str, gone: str = "") -> str:
    """The screen once one of the texts stands there, and not the screen that was `gone`."""
    until = time.monotonic() + LONG
    while (now := terminal.screen()) == gone or not any(text in now for text in texts):
        assert time.monotonic() < until, f"none of {texts} came; seen:\n{terminal.screen(back=100)}"
        time.sleep(0.3)
    return now
