"""The scenario disk-full: how its lab is watched, when it counts as broken, what its score is."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from incidents import clock
from incidents.errors import Failed
from runbooks.drills import databases, observer, score, watching
from runbooks.drills.disk_full.lab import SIZE, Lab, can_mount
from runbooks.drills.janitor import Ledger
from runbooks.drills.watching import Watch
from runbooks.procfs import Process

SUMMARY = "A filesystem of its own is full, and a service on it must not lose a record."
NEEDS = "as root, on a Linux that has loop devices"
EVERY = 60_000  # µs between two looks of the observer
NEED_INODES = 100
LOOKS_WITHIN = 20 * clock.SECOND
SCORE_WITHIN = 120 * clock.SECOND  # after the hold: reading everything back

able = can_mount
sentence = score.sentence


def usual() -> str:
    """The fault of the night of 13 December 2022, where its databases are installed."""
    return "wal-archive" if databases.installed() else "deleted-open"


def make(folder: str | None, ledger: Ledger, fault: Any) -> Lab:
    """A lab that is large enough for the fault."""
    return Lab(folder, ledger, size=getattr(fault, "LAB_SIZE", SIZE))


def begin(lab: Lab, hold: int) -> Watch:
    """Starts the observer and returns once it looks."""
    outside = {name: os.path.join(lab.folder, name) for name in ("fault", "samples", "stop", "score")}
    writer = lab.writer
    spec = observer.Spec(
        mount=lab.mount, probe=lab.probe, data=lab.data, acks=lab.acks, writer=(writer.pid, writer.start),
        need=lab.need, need_inodes=NEED_INODES, every=EVERY, hold=hold, **outside,
    )  # fmt: skip
    path = os.path.join(lab.folder, "watch")
    watching.write(path, dataclasses.asdict(spec))
    process = lab.start("observer", "runbooks.drills.observer", path)
    said = os.path.join(lab.folder, "observer.out")
    watch = Watch(process, outside["samples"], outside["stop"], outside["score"], said)
    watch.wait_for(watch.samples, LOOKS_WITHIN)
    return watch


def broken(lab: Lab, watch: Watch, culprit: Process) -> None:
    """Returns when the observer, too, has seen that an ordinary user cannot write. Raises Failed."""
    watching.write(os.path.join(lab.folder, "fault"), [culprit.pid, culprit.start])
    deadline = clock.monotonic() + LOOKS_WITHIN
    while clock.monotonic() < deadline:
        sample = watch.latest()
        assert isinstance(sample, list)
        if score.Sample(*sample).probe:
            return
        clock.sleep(watching.POLL)
    raise Failed("an ordinary user can still write: it did not break")


def end(lab: Lab, watch: Watch, fault: Any, hold: int) -> score.Score:
    """Stops the observer and reads its score."""
    judge = getattr(fault, "JUDGE", None)  # a module that looks at what only this fault's lab has
    watching.write(watch.stop, {"detected_at": lab.seen_at, "judge": judge, "facts": lab.facts})
    return watch.read_score(score.Score, hold + SCORE_WITHIN)
