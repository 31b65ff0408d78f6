"""At a real terminal: colours, width, questions; nothing of it in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from typing import NamedTuple

from tests.chatops.conftest import Howdah

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Seen(NamedTuple):
    code: int
    text: str


def at_terminal(
    howdah: Howdah,
    *args: str,
    types: list[tuple[str, str]] | None = None,
    columns: int = 80,
    environ: dict[str, str] | None = None,
) -> Seen:
    """Run a command on a terminal of that width; `types` are (wait for this, then type that). Bounded."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color", **(environ or {})}
    process = subprocess.Popen(
        howdah.argv(*args), stdin=slave, stdout=slave, stderr=slave, env=env, close_fds=True
    )
    os.close(slave)
    seen, steps, until = "", list(types or ()), time.monotonic() + 60
    try:
        while time.monotonic() < until:
            ready, _, _ = select.select([master], [], [], 1)
            if ready:
                try:
                    chunk = os.read(master, 65_536)
                except OSError:  # the other side has closed
                    break
                if not chunk:
                    break
                seen += chunk.decode("utf-8", "replace")
            if steps and steps[0][0] in seen:
                os.write(master, (steps.pop(0)[1] + "\n").encode())
        return Seen(process.wait(timeout=30), seen.replace("\r\n", "\n"))
    finally:
        os.close(master)
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_terminal_gets_colours_and_a_pipe_gets_none(howdah: Howdah) -> None:
    howdah.ok("declare", "Media uploads fail")
    seen = at_terminal(howdah, "timeline")
    assert seen.code == 0
    assert "\x1b[1m" in seen.text
    assert ESCAPES.sub("", seen.text).startswith("inc-1  Media uploads fail")
    piped = howdah.process("timeline")
    assert b"\x1b" not in piped.stdout


def test_no_color_and_dumb_terminals_are_respected(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        seen = at_terminal(howdah, "list", environ=environ)
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", seen.text), environ


def test_lines_fit_the_width_of_the_terminal(howdah: Howdah) -> None:
    howdah.ok("declare", "A title that is long enough to need more than one line of a narrow terminal")
    howdah.ok("note", "word " * 60)
    for columns in (60, 200):
        for words in (["timeline"], ["list"], ["show"]):
            text = ESCAPES.sub("", at_terminal(howdah, *words, columns=columns).text)
            assert max(map(len, text.splitlines())) <= min(columns, 120), (columns, words)


def test_escape_sequences_in_the_record_do_not_reach_the_terminal(howdah: Howdah) -> None:
    howdah.ok("declare", "evil \x1b]0;pwned\x07 title")
    howdah.ok("note", "\x1b[2J\x1b[1;31m\x9b5n \u202etext")
    for words in (["timeline"], ["status"], ["list"], ["postmortem"], ["timeline", "--json"]):
        text = ESCAPES.sub("", at_terminal(howdah, *words).text)
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text), words


def test_which_incident_is_asked_at_a_terminal(howdah: Howdah) -> None:
    howdah.ok("declare", "one")
    howdah.ok("declare", "two")
    seen = at_terminal(howdah, "note", "hello", types=[("1-2? ", "7"), ("1-2? 7", "2")])
    assert seen.code == 0
    assert "Which incident?" in seen.text
    assert "inc-1 #2  hello" in seen.text
    seen = at_terminal(howdah, "note", "hello", types=[("1-2? ", "")])
    assert (seen.code, "2 incidents are open" in ESCAPES.sub("", seen.text)) == (2, True)


def test_redact_shows_what_will_be_gone_and_asks(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("note", "the password is hunter2")
    seen = at_terminal(howdah, "redact", "2", "--why", "oops", types=[("1-2? ", "no")])
    text = ESCAPES.sub("", seen.text)
    assert (seen.code, "#2  the password is hunter2" in text, "nothing was redacted" in text) == (
        4,
        True,
        True,
    )
    assert at_terminal(howdah, "redact", "2", "--why", "oops", types=[("1-2? ", "yes")]).code == 0
    assert "hunter2" not in howdah.ok("timeline", "--all")
    howdah.ok("note", "another")
    assert at_terminal(howdah, "redact", "4", "--why", "oops", "--yes").code == 0


def test_a_word_that_answers_in_one_line_loads_no_rich(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    argv = [
        "-c",
        "import sys; from chatops.cli import main; c = main(sys.argv[1:]); print('rich' in sys.modules)",
        "note",
        "y",
    ]
    howdah.argv = lambda *args: [os.sys.executable, *argv]  # type: ignore[method-assign,attr-defined]
    assert at_terminal(howdah).text.endswith("y\nFalse\n")
