"""A tiny disk of its own, and programs run as an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[3])
NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter and write."""
    with tempfile.TemporaryDirectory(prefix="howdah-open-") as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


Ordinary = Callable[..., "subprocess.CompletedProcess[str]"]

# Python itself may lie where only root can read: what the code needs is loaded before root is given up.
_GIVE_UP_ROOT = """
import os, sys
import encodings.idna, grp, incidents.store.embedded, incidents.store.creation, tests.drafts
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({0}, {0}, {0})
    os.setresuid({0}, {0}, {0})
"""


@pytest.fixture
def as_ordinary_user() -> Ordinary:
    """Runs Python code in a process that is not root, with the arguments in sys.argv."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _GIVE_UP_ROOT.format(NOBODY) + code, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": ROOT},
        )

    return run
