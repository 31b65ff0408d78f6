"""What an attempt leaves on the disk, and what becomes of it: its output is evidence, its file another's."""

from __future__ import annotations

import contextlib
import os

from incidents.errors import NotDurable
from incidents.events import Evidence
from incidents.store.protocol import Store
from runbooks import attempt, journal
from runbooks.attempt import Ended


def output_of(run_dir: str, n: int, ended: Ended | None) -> bytes:
    """What was kept of the attempt's output, on disk or, where that took nothing, by its keeper."""
    if ended is not None and ended.output.total == 0:
        return b""
    held = b"" if ended is None else ended.output.text()
    return held or attempt.read_output(run_dir, n)


def keep_output(store: Store, run: str, run_dir: str, n: int) -> tuple[tuple[Evidence, ...], int]:
    """Output that the outcome cannot hold becomes blobs: a second name for the same file, never a copy.

    The first name goes when the outcome is durable, so that a later driver could still judge the output. Also how
    many bytes the disk had no room for.
    """
    found, lost = [], 0
    for place, path in enumerate(attempt.segments(run_dir, n)):
        second = f"{path}.blob"
        try:
            with contextlib.suppress(FileExistsError):
                os.link(path, second)
            about = {"media_type": "application/octet-stream", "name": f"{run}/{n}.out.{place}"}
            found.append(store.adopt_blob(second, **about))
        except NotDurable:
            lost += os.stat(path).st_size
        except OSError as problem:
            if problem.errno not in attempt.NO_ROOM:
                raise
            lost += os.stat(path).st_size
    return tuple(found), lost


def reuse(run_dir: str, run: journal.Run, n: int) -> bool:
    """Gives attempt `n` the file of one whose recorded outcome needs it no more; False where there is none.

    It needs none when it ended by an exit status of its own and left nobody behind. Its outcome must be durable.
    """
    for state in run.steps.values():
        for one in state.attempts:
            if one.end is None or one.end.exit is None or one.end.status in journal.DOUBTS:
                continue
            seen = attempt.witness(run_dir, one.n)
            if seen.state == "ended" and not attempt.is_held(run_dir, one.n):
                with contextlib.suppress(OSError):
                    attempt.reuse(run_dir, one.n, n)
                    return True
    return False
