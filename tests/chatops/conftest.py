"""`howdah` gives a command line on a store of its own: in this process for speed, as a process where it matters."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chatops import cli
from incidents import clock
from tests.chatops.chat import Chat
from tests.chatops.chat import chat as opened_chat

NOW = clock.parse_iso("2022-12-13T18:53:10Z")


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)["error"]


class Howdah:
    """One person's command line. `at` (µs) holds the clock of commands in this process, where it is set."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self.folder = folder
        self.store = folder / "store.db"
        self.at: int | None = NOW
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *args: str, stdin: str = "", by: str = "nova") -> Answer:
        self._monkeypatch.setenv("SUDO_USER", by)
        self._monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape")))
        )
        self._capsys.readouterr()
        if self.at is None:
            code = cli.main(args)
        else:
            with clock.freeze(self.at):
                code = cli.main(args)
        return Answer(code, *self._capsys.readouterr())

    def ok(self, *args: str, **about: str) -> str:
        answer = self(*args, **about)
        assert (answer.code, answer.err) == (0, ""), answer
        return answer.out

    def later(self, micros: int) -> None:
        assert self.at is not None
        self.at += micros

    def process(self, *args: str, **about: Any) -> subprocess.CompletedProcess[bytes]:
        """The same command in a process of its own, by the real clock; bounded."""
        about.setdefault("capture_output", True)
        return subprocess.run(self.argv(*args), timeout=60, check=False, **about)

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-c", "import sys; from chatops.cli import main; sys.exit(main())", *args]


@pytest.fixture
def howdah(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Howdah]:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name in ("HOWDAH_AS", "HOWDAH_CONFIG", "HOWDAH_DEBUG", "COLUMNS", "SUDO_UID", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOWDAH_STORE", str(tmp_path / "store.db"))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    yield Howdah(tmp_path, monkeypatch, capsys)


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    with opened_chat(str(tmp_path)) as one:
        yield one
