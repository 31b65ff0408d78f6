"""The scenario nfs-stall: how its lab is watched, when it counts as broken, what its score is."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from incidents import clock, ids
from incidents.errors import Failed
from runbooks.drills import watching
from runbooks.drills.janitor import Ledger
from runbooks.drills.nfs_stall import machine, observer, score
from runbooks.drills.nfs_stall.lab import ADDRESS, OTHER, Lab
from runbooks.drills.watching import Watch
from runbooks.procfs import Process

SUMMARY = "An NFS mount hangs, in a small virtual machine, and a service on it must not lose a line."
NEEDS = "as root, on Linux for x86_64"
SILENT = 1_500_000  # µs without an acknowledgement: it is broken
LOOKS_WITHIN = 30 * clock.SECOND
BROKEN_WITHIN = 30 * clock.SECOND
SCORE_WITHIN = 180 * clock.SECOND  # after the hold: reading everything back

sentence = score.sentence


def able(folder: str) -> tuple[bool, str]:
    """Is everything there that the guest needs? A boot is the rest of the proof."""
    try:
        machine.programs()
    except Failed as error:
        return False, f"{error}{f'; {error.hint}' if error.hint else ''}"
    return True, ""


def usual() -> str:
    """The fault of November 2022."""
    return "slow-disk"


def make(folder: str | None, ledger: Ledger, fault: Any, *, lab: Lab | None = None) -> Lab:
    """A lab of its own; `lab` is one that is up already, with a ledger of its own, for one more fault."""
    return Lab(folder, ledger) if lab is None else lab


def begin(lab: Lab, hold: int) -> Watch:
    """Starts the observer and returns once it hears the service."""
    folder = os.path.join(lab.folder, f"watch-{ids.short(6)}")
    os.mkdir(folder, 0o700)
    outside = {name: os.path.join(folder, name) for name in ("samples", "stop", "score")}
    known = lab.paths
    exports = {f"{ADDRESS}:{known.export}": known.export, f"{OTHER}:{known.replica}": known.replica}
    spec = observer.Spec(
        ssh=os.path.join(lab.machine.bin, "ssh"), acks=known.acks, mount=known.mount, data=known.data,
        exports=exports, hold=hold, **outside,
    )  # fmt: skip
    path = os.path.join(folder, "spec")
    watching.write(path, dataclasses.asdict(spec))
    process = lab.start("observer", "runbooks.drills.nfs_stall.observer", path)
    watch = Watch(process, said=os.path.join(lab.folder, "observer.out"), **outside)
    watch.wait_for(watch.samples, LOOKS_WITHIN)
    deadline = clock.monotonic() + LOOKS_WITHIN
    while not _sample(watch)[1]:
        if clock.monotonic() > deadline:
            raise Failed("the observer hears no acknowledgement")
        clock.sleep(watching.POLL)
    return watch


def broken(lab: Lab, watch: Watch, culprit: Process) -> None:
    """Returns when the observer, too, hears nothing any more. Raises Failed."""
    deadline = clock.monotonic() + BROKEN_WITHIN
    while clock.monotonic() < deadline:
        if _sample(watch)[3] > SILENT:
            return
        clock.sleep(watching.POLL)
    raise Failed("the service goes on acknowledging: it did not break")


def end(lab: Lab, watch: Watch, fault: Any, hold: int) -> score.Score:
    """Stops the observer and reads its score."""
    watching.write(watch.stop, {"detected_at": lab.seen_at, "broken_at": lab.broken_at, "holds": fault.HOLDS})
    return watch.read_score(score.Score, max(hold, observer.HOLD) + SCORE_WITHIN)


def _sample(watch: Watch) -> list[int]:
    found = watch.latest()
    assert isinstance(found, list)
    return found
