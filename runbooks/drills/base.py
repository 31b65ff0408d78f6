"""What every drill is made of: a lab that can really break, a fault that breaks it, programs that outlive a kill.

A scenario is a folder here (`disk_full`) with `scene.py`, `lab.py` and one file a fault; the file name is the registry.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from incidents import clock
from incidents.errors import Failed
from runbooks import procfs
from runbooks.procfs import Process

if TYPE_CHECKING:
    from runbooks.drills.janitor import Ledger
    from runbooks.drills.watching import Watch


class Lab(Protocol):
    """What a drill asks of every lab; each scenario's own has more."""

    @property
    def what(self) -> str:
        """One line for people: what was built."""

    def up(self) -> None:
        """Builds it, each thing written into its ledger before. Raises Failed."""

    def seen(self) -> None:
        """The player saw the trouble, or declared it: the first call counts."""

    def plays(self, run_dir: str) -> None:
        """Notes a run before its driver starts, so that a kill of the drill leaves neither driver nor keeper."""

    def inputs(self) -> dict[str, str]:
        """What the runbook that has the scenario's name is given."""


class Played:
    """What every lab does alike. `folder` is its own, below the one that is given, else below that for temporary files;
    `seen_at` is when the trouble was seen (boot's monotonic µs)."""

    def __init__(self, folder: str | None, ledger: Ledger):
        self.ledger = ledger
        self.folder = ledger.lab_folder(folder or tempfile.gettempdir())
        self.seen_at: int | None = None

    def seen(self) -> None:
        """The player saw the trouble, or declared it: the first call counts."""
        if self.seen_at is None:
            self.seen_at = clock.monotonic()

    def plays(self, run_dir: str) -> None:
        """Notes a run before its driver starts, so that a kill of the drill leaves neither driver nor keeper."""
        self.ledger.note("run", folder=os.path.realpath(run_dir))

    def start(self, role: str, *program: str) -> Process:
        """Starts one of the lab's own programs in a session of its own, written into the ledger."""
        self.ledger.note("starting", role=role)
        process = start(program, log=os.path.join(self.folder, f"{role}.out"), env=self.ledger.env)
        self.ledger.process(role, process)
        return process


class Scenario(Protocol):
    """A module `scene.py`: how the lab of a scenario is made, watched and scored. It may also have `NEEDS`: what to do
    where no lab can be made."""

    SUMMARY: str

    def able(self, folder: str) -> tuple[bool, str]:
        """Can its lab be made below `folder`? The second says why not."""

    def usual(self) -> str:
        """The fault that is played where nobody says."""

    def make(self, folder: str | None, ledger: Ledger, fault: Any, **options: Any) -> Any:
        """The scenario's Lab, nothing of it built yet."""

    def begin(self, lab: Any, hold: int) -> Watch:
        """Starts the observer and returns once it looks. A cure must hold for `hold` µs."""

    def broken(self, lab: Any, watch: Watch, culprit: Process) -> None:
        """Returns when the observer, too, has seen that it is broken. Raises Failed."""

    def end(self, lab: Any, watch: Watch, fault: Any, hold: int) -> Any:
        """Stops the observer and reads its score, which has at least `cured` and `reasons`."""

    def sentence(self, score: Any) -> str:
        """The score in one line; parts are divided by `; `."""


class Fault(Protocol):
    """A module: one way in which a system really breaks.

    It may also have `LAB_SIZE`, bytes of the filesystem, and `JUDGE`, a module whose `judge(lab.facts)` gives reasons
    why it is not cured, asked by the observer.
    """

    SUMMARY: str  # for people, before the drill
    ANSWERS: tuple[str, ...]  # ids of the steps that `--auto` says yes to

    def inject(self, lab: Any) -> Process:
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
