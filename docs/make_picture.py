"""Makes docs/drill.svg: `howdah drill disk-full --auto --fault deleted-open` as it was printed, at a terminal of its own.

    sudo .venv/bin/python docs/make_picture.py

Lines are left out and cut at the picture's edge; nothing is added but the prompt with the command.
"""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import tempfile
import termios
from pathlib import Path

import rich.console
from rich.text import Text

COMMAND = ["howdah", "drill", "disk-full", "--auto", "--fault", "deleted-open"]
COLUMNS = 112
LEFT_OUT = re.compile(
    r"\s+(this is a drill|disk-full ended|\d+ ok)|\S+\s+(end|skipped|incident)\s|\w+day .*times in"
)


def play() -> str:
    """What the command prints at a terminal so wide that no line breaks."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(os.path.dirname(sys.executable), COMMAND[0])
        pid, terminal = pty.fork()
        if pid == 0:
            termios.tcsetwinsize(0, (60, 500))
            env = {
                **os.environ,
                "HOWDAH_STORE": f"{folder}/store.db",
                "TERM": "xterm-256color",
                "COLUMNS": "500",
            }
            os.execve(program, [program, *COMMAND[1:]], env)
        printed = b""
        try:
            while chunk := os.read(terminal, 65_536):
                printed += chunk
        except OSError:  # the other end is closed
            pass
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 or b"ok       cured" not in printed:
            sys.exit(printed.decode(errors="replace"))
    return printed.decode()


def story(printed: str) -> list[Text]:
    """The lines that tell it."""
    kept = []
    for line in printed.replace("\r", "").splitlines():
        text = Text.from_ansi(line)
        if not LEFT_OUT.match(text.plain):
            text.truncate(COLUMNS, overflow="ellipsis")
            kept.append(text)
    return kept


def main() -> None:
    console = rich.console.Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("# " + " ".join(COMMAND), "bold"))
    for line in story(play()):
        console.print(line, no_wrap=True, overflow="crop", highlight=False)
    svg = console.export_svg(title=" ".join(COMMAND), unique_id="drill")
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # the reader's own letters
    Path(__file__).with_name("drill.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
