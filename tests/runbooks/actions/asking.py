"""An action as a step starts it: a process of its own, values in, the last line out."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, NamedTuple

from runbooks import using
from runbooks.expressions import Place


class Told(NamedTuple):
    code: int
    outputs: Any
    text: str


def ask(action: str, given: dict[str, Any], **env: str) -> Told:
    uses = using.Uses(action, {}, Place("book.yaml", 1, 1))
    done = subprocess.run(
        uses.argv, env={"PATH": os.environ["PATH"], **using.environment(given), **env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", timeout=60, check=False,
    )  # fmt: skip
    text = done.stdout.decode()
    assert "Traceback" not in text, text
    return Told(done.returncode, json.loads(text.splitlines()[-1]) if done.returncode == 0 else None, text)
