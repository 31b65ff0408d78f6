"""A run begins and ends although the store's disk takes nothing any more."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
RUNBOOK = """
name: on-a-full-disk
steps:
  - {id: one, effect: read, run: "echo one"}
  - {id: two, timeout: 20s, run: "echo two"}
  - {id: three, effect: idempotent, run: "seq 1 5000"}
  - {id: four, timeout: 20s, run: "echo four"}
"""
HOG = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
until, told = time.monotonic() + float(sys.argv[2]), False
while time.monotonic() < until:
    for size in (1 << 16, 4096, 1):
        try:
            while True:
                os.write(fd, b"x" * size)
        except OSError:
            pass
    if not told:
        told = True
        print("full", flush=True)
    time.sleep(0.002)
"""


def howdah(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HOWDAH, "--store", str(store), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )


@pytest.mark.lab
@pytest.mark.parametrize("greedy", [0.0, 25.0], ids=["full", "full and every freed byte taken"])
def test_a_run_begins_and_completes_on_a_full_disk(tiny_disk: Path, tmp_path: Path, greedy: float) -> None:
    store, runbook = tiny_disk / "store.db", tmp_path / "book.yaml"
    runbook.write_text(RUNBOOK)
    assert howdah(store, "declare", "the disk is full").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-c", HOG, str(tiny_disk / "hog"), str(greedy)], stdout=subprocess.PIPE
    ) as hog:
        assert hog.stdout is not None
        assert greedy == 0.0 or hog.stdout.readline() == b"full\n"
        if not greedy:
            hog.wait(timeout=60)
            fill(tiny_disk / "rest")
        with pytest.raises(OSError, match="No space"):
            (tiny_disk / "probe").write_bytes(bytes(200_000))
        answer = howdah(store, "run", str(runbook))
        noted = howdah(store, "note", "still written")
        hog.kill()
    assert answer.returncode == 0, answer
    assert noted.returncode == 0, noted
    assert "whole" in howdah(store, "verify").stdout
    names = os.listdir(next((tiny_disk / "store.db.runs").iterdir()))
    assert not [name for name in names if name.startswith("spare")]


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 512):
            until = time.monotonic() + 30
            try:
                while time.monotonic() < until:
                    file.write(bytes(size))
            except OSError:
                continue
