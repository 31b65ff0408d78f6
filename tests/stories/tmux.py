"""A real terminal for a story: tmux with a server of its own."""

from __future__ import annotations

import os
import re
import subprocess
import time

from tests.stories.scene import PATIENCE, Scene

DIFFERS = [
    (r"run-[a-z0-9]{6}", "run-abcdef"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", "DATE"),
    (r"\b\d+(\.\d+)? (ms|s|min)\b( \d+ s)?", "TIME"),
    (r"/tmp/n-\w{8}", "/tmp/n-folder12"),
    (r"(?m)^(  on +)\S+, in", r"\1HOST, in"),
    (r" +TIME", " TIME"),
    (r"TIME +", "TIME "),
    (r"(?m)^(  \d of \d) .*$", r"\1 …"),
    (r"  howdah --store \S+", "  howdah"),
]


class Tmux:
    """A terminal of `size` columns and lines, in a server of its own."""

    def __init__(self, scene: Scene, name: str, *command: str, size: tuple[int, int] = (80, 24)):
        self.socket = os.path.join(scene.folder, f"{name}.tmux")
        env = scene.env("nova", {"TERM": "xterm-256color", "PS1": "$ "})
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(size[0]),
            "-y",
            str(size[1]),
            "--",
            *command,
            env=env,
            cwd=scene.folder,
        )

    def _tmux(self, *words: str, env: dict[str, str] | None = None, cwd: str | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-S", self.socket, *words], env=env, cwd=cwd, capture_output=True, text=True, timeout=30, check=False
        )  # fmt: skip
        return done.stdout

    def keep(self) -> None:
        """The last screen stays when the program has ended."""
        self._tmux("set-option", "remain-on-exit", "on")

    def screen(self, *, back: int = 0) -> str:
        """What stands there, with as many lines before as `back`."""
        shown = self._tmux("capture-pane", "-p", "-S", str(-back)).rstrip()
        return "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"

    def see(self, *texts: str) -> str:
        """The screen, once all of it stands there and has come to rest."""
        until, before = time.monotonic() + PATIENCE, ""
        while True:
            now = self.screen()
            if all(text in now for text in texts) and same(now) == same(before):
                return now
            assert time.monotonic() < until, f"{texts} did not come; seen:\n{now}"
            before = now
            time.sleep(0.15)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        self._tmux("kill-server")


def same(text: str) -> str:
    """The screen without what differs from night to night: names, times, places."""
    for pattern, instead in DIFFERS:
        text = re.sub(pattern, instead, text)
    return text
