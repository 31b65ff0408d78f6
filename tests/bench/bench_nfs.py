"""A stalled NFS: how soon it is known why, whether the runner itself is ever held up, and whether a line is lost.

- from the fault to the right diagnosis in the timeline: at most 10 s, in every fault
- the longest time for which the run's driver or keeper waits in the kernel (state D) meanwhile: under 100 ms
- acknowledged lines that the server does not show after the cure: 0, in 20 of 20 runs

One guest is booted for all of it; `ROUNDS=N` in the environment makes it shorter.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from incidents import clock
from incidents.store import open_store
from runbooks import procfs
from runbooks.drills import ending, harness, janitor
from runbooks.drills.nfs_stall.lab import Lab
from runbooks.drills.nfs_stall.score import Score
from tests.bench.measure import Figure

ROUNDS = int(os.environ.get("ROUNDS", "20"))
MOST = 10 * clock.SECOND
PAUSE = 100_000  # µs
EVERY = 5_000
HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
FAULTS = harness.names("nfs-stall")


def figures(folder: str) -> list[Figure]:
    able, why = harness.scene("nfs-stall").able(folder)
    if not able:
        return [Figure("NFS: the lab", "", why, None)]
    took: dict[str, list[int]] = {fault: [] for fault in FAULTS}
    pauses, scores = [], []
    ledger = janitor.Ledger(os.path.join(folder, "ledgers"))
    path = os.environ["PATH"]
    try:
        lab = Lab(folder, ledger)
        for number in range(ROUNDS):
            fault = FAULTS[number % len(FAULTS)]
            score, diagnosed, pause = _round(lab, fault, os.path.join(folder, f"{number}"))
            took[fault].append(diagnosed)
            pauses.append(pause)
            scores.append(score)
            print(
                f"{fault:16} known after {diagnosed / 1e6:.1f} s, going on after {(score.recovered or 0) / 1e6:.1f} s, "
                f"{score.lost} of {score.acknowledged} lost, longest pause {pause / 1e3:.0f} ms {' '.join(score.reasons)}",
                flush=True,
            )
    finally:
        os.environ["PATH"] = path
        assert ledger.close().left == []
    worst = {fault: max(every) for fault, every in took.items() if every}
    told = ", ".join(f"{fault} {statistics.median(took[fault]) / 1e6:.1f}" for fault in worst)
    cured = sum(score.cured and score.lost == 0 for score in scores)
    return [
        Figure("NFS: fault to diagnosis, worst", "<= 10 s", f"{max(worst.values()) / 1e6:.1f} s", max(worst.values()) <= MOST),
        Figure("NFS: the same, median of each fault", "", f"{told} s", True),
        Figure("NFS: the runner's longest pause", "< 100 ms", f"{max(pauses) / 1e3:.0f} ms", max(pauses) < PAUSE),
        Figure("NFS: cured, and no line lost", f"{ROUNDS} of {ROUNDS}", f"{cured} of {ROUNDS}", cured == ROUNDS),
    ]  # fmt: skip


def _round(lab: Lab, fault: str, folder: str) -> tuple[Score, int, int]:
    """The score, µs from the fault to the note with the right cause, and the runner's longest pause."""
    os.mkdir(folder)
    store = os.path.join(folder, "record.db")
    module: Any = harness.load(fault, "nfs-stall")
    seen: list[int] = []

    def play(lab: Lab) -> int:
        lab.seen()
        lines = [
            f"  {n}: {{address: {h.address}, user: {h.user}, port: {h.port}}}\n"
            for n, h in lab.hosts().items()
        ]
        with open(os.path.join(folder, "howdah.yaml"), "w", encoding="utf-8") as file:
            file.write(f"hosts:\n{''.join(lines)}")
        words = [HOWDAH, "--store", store, "run", "nfs-stall", "--drill", "--json"]
        words += [word for name, value in lab.inputs().items() for word in ("-i", f"{name}={value}")]
        words += [word for step in module.ANSWERS for word in ("--yes", step)]
        with _watching(f"{store}.runs", seen):
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        return done.returncode

    result = harness.drill(fault, play, scenario="nfs-stall", ledgers=os.path.join(folder, "others"), lab=lab)
    assert lab.broken_at is not None
    diagnosed = 10 * clock.MINUTE
    with open_store(store) as opened:
        for event in opened.events("inc-1"):
            if (
                event.kind == "note"
                and f": {module.CAUSE} (" in (event.body or "")
                and event.mono is not None
            ):
                diagnosed = event.mono - lab.broken_at
    score: Score = result.score
    return score, diagnosed, max(seen, default=0)


@contextlib.contextmanager
def _watching(runs: str, longest: list[int]) -> Iterator[None]:
    """Notes how long driver and keeper of the one run were in state D at a stretch."""
    over = threading.Event()
    thread = threading.Thread(target=_sample, args=(runs, longest, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _sample(runs: str, longest: list[int], over: threading.Event) -> None:
    pids: list[int] = []
    since: dict[int, int] = {}
    looked = 0
    while not over.wait(EVERY / clock.SECOND):
        now = clock.monotonic()
        if now - looked > clock.SECOND and os.path.isdir(runs):
            folders = [os.path.realpath(entry.path) for entry in os.scandir(runs) if entry.is_dir()]
            everybody = procfs.table()
            pids = [pid for pid in everybody if ending._role_in_run(pid, folders) in ("driver", "keeper")]
            looked = now
            since.clear()
        for pid in pids:
            if procfs.state(pid) == "D":
                longest.append(now - since.setdefault(pid, now))
            else:
                since.pop(pid, None)
