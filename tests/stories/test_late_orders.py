"""An order that reaches its host late: after the attempt was stopped there, or asked about over another link."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runbooks.targets import ssh
from tests.stories.scene import until
from tests.stories.test_targets import far

__all__ = ["far"]  # the fixture


class Agent:
    """The far end of a link, in a shell of this machine."""

    def __init__(self, shell: str, key: str):
        self.key, self.mark = key, ssh.new_mark()
        text = ssh.COMMAND.replace("/bin/sh", shell)
        self.process = subprocess.Popen(["sh", "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.heard = b""
        self.tell(ssh.script(key, self.mark))
        self.hear("hello")

    def tell(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self, word: str) -> str:
        """What follows the word, as soon as it is said."""
        assert self.process.stdout is not None
        start = self.mark + b" " + word.encode()
        while (at := self.heard.find(start)) < 0 or b"\n" not in self.heard[at:]:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, self.heard
            self.heard += data
        line, _, self.heard = self.heard[at + len(start) :].partition(b"\n")
        return line.decode().strip()

    def order(self, n: int, file: Path) -> None:
        words = ["sh", "-c", 'echo begun >"$1"', "sh", str(file)]
        text = ssh.payload(words, {"PATH": os.environ["PATH"]}, f"{self.key}/{n}/")
        self.tell(b"run %d\n" % n + text + b"\n")

    def end(self) -> None:
        self.tell(b"bye\n")
        self.process.communicate(timeout=60)


@pytest.fixture
def key(shell: str) -> str:
    return f"run-late-{os.getpid()}-{shell.split()[0]}"


def test_what_another_link_asked_about_does_not_begin_any_more(shell: str, key: str, tmp_path: Path) -> None:
    late, other = Agent(shell, key), Agent(shell, key)
    other.tell(b"ask 1\n")
    assert other.hear("absent") == "1"
    late.order(1, tmp_path / "act")
    assert late.hear("unstarted").startswith("1 126 before it began")
    other.tell(b"ask 1\n")
    assert other.hear("absent") == "1", "it is still said to be unknown"
    late.order(2, tmp_path / "next")
    assert late.hear("end") == "2 0" and (tmp_path / "next").exists(), "another attempt begins"
    for one in (other, late):
        one.end()
    assert not (tmp_path / "act").exists()


def test_what_was_stopped_before_its_order_was_read_does_not_begin(
    shell: str, key: str, tmp_path: Path
) -> None:
    agent = Agent(shell, key)
    agent.tell(b"stop 1 stopped 10\n")
    until(lambda: list(Path("/").glob(f"run/howdah-{os.geteuid()}/{key}/1")), "the stop")
    agent.order(1, tmp_path / "act")
    assert agent.hear("unstarted").startswith("1 126 before it began")
    agent.end()
    assert not (tmp_path / "act").exists()


def test_an_attempt_that_is_known_is_not_begun_twice(shell: str, key: str, tmp_path: Path) -> None:
    agent = Agent(shell, key)
    agent.order(1, tmp_path / "act")
    assert agent.hear("end") == "1 0"
    agent.order(1, tmp_path / "again")
    assert agent.hear("refused") == "1"
    agent.end()
    assert (tmp_path / "act").exists() and not (tmp_path / "again").exists()
