"""What every drill is made of: a lab that can really break, a fault that breaks it, programs that outlive a kill.

A scenario is a folder here (`disk_full`) with `lab.py` and one file a fault; the file name is the registry.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from incidents.errors import Failed
from runbooks import procfs
from runbooks.procfs import Process

if TYPE_CHECKING:
    from runbooks.drills.disk_full.lab import Lab


class Fault(Protocol):
    """A module: one way in which a system really breaks.

    It may also have `LAB_SIZE`, bytes of the filesystem, and `JUDGE`, a module whose `judge(lab.facts)` gives reasons
    why it is not cured, asked by the observer.
    """

    SUMMARY: str  # for people, before the drill
    ANSWERS: tuple[str, ...]  # ids of the steps that `--auto` says yes to

    def inject(self, lab: Lab) -> Process:
        """Breaks the lab and returns the process at fault. Raises Failed when it would not break."""


def start(program: Sequence[str], *, log: str, env: dict[str, str]) -> Process:
    """Starts one of our own long-lived programs in a session of its own, its output to the file `log`.

    `program` is a module and its arguments, run by this very interpreter. posix_spawn, because only the engine may
    use subprocess and fork; the descriptors of this process are close-on-exec, so nothing else is inherited.
    Raises Failed where it ended at once.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    to_log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", *program],
        {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **env},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, to_log, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    process = procfs.look(pid)
    if process is None:
        raise Failed(f"{program[0]} ended at once; see {log}")
    return process
