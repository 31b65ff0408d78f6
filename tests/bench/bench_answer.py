"""An answer given in another process reaches the driver that waits for it.

- from the answer's commit to the start of the step that it lets go: median of 50, under 200 ms
- what the driver costs while it waits: under 1 % of a core
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time

from incidents.events import Actor
from incidents.store import open_store
from runbooks import driver, loader, starting
from tests.bench import measure
from tests.bench.measure import Figure

ANSWERS = 50
MOST = 200.0  # ms
IDLE = 10.0  # s that it is watched while it waits
SHARE = 1.0  # % of a core


def figures(folder: str) -> list[Figure]:
    path = os.path.join(folder, "ask.yaml")
    steps = "".join(f"  - {{id: s{n}, confirm: Go?, effect: read, run: 'true'}}\n" for n in range(ANSWERS))
    with open(path, "w", encoding="utf-8") as file:
        file.write("name: ask\nsteps:\n" + steps)
    store = os.path.join(folder, "answers.db")
    start = starting.prepare(
        loader.load(path), given={}, store=store, actor=Actor("human", "bench"), zone="UTC", attended=True
    )
    handle = driver.spawn(start)
    assert handle.pid is not None
    handle.hear_start()
    share = _share(handle.pid)
    for number in range(ANSWERS):
        _answer(store, f"{start.run}/s{number}")
    waited = _waits(store, start.run)
    os.close(handle.pipe)
    os.waitpid(handle.pid, 0)
    median, worst = statistics.median(waited), max(waited)
    return [
        Figure(
            "an answer of another process, to the step's start", f"median < {MOST:g} ms",
            f"{median:.0f} ms ({min(waited):.0f} to {worst:.0f}, {len(waited)} answers)", median < MOST,
        ),
        Figure("the driver while it waits", f"< {SHARE:g} % of a core", f"{share:.2f} %", share < SHARE),
    ]  # fmt: skip


def _share(pid: int) -> float:
    time.sleep(1)  # it has settled
    before, began = _cpu(pid), time.monotonic()
    time.sleep(IDLE)
    return 100 * (_cpu(pid) - before) / (time.monotonic() - began)


def _cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _answer(store: str, step: str) -> None:
    """As soon as it is asked; the command is a process of its own."""
    until = time.monotonic() + 30
    argv = [measure.HOWDAH, "--store", store, "confirm", step]
    while subprocess.run(
        argv, env=measure.environment(SUDO_USER="bench"), capture_output=True, check=False
    ).returncode:
        if time.monotonic() > until:
            raise RuntimeError(f"{step} was not asked")


def _waits(store: str, run: str) -> list[float]:
    """ms between each answer and the start of its step, by the monotonic clock that all processes share."""
    with open_store(store) as opened:
        row = opened.run(run)
        assert row is not None
        events = [event for event in opened.events(row.stream) if event.run == run]
    answered = {event.step: event.mono for event in events if event.kind == "question.answered"}
    started = {event.step: event.mono for event in events if event.kind == "step.started"}
    return [(started[step] - at) / 1000 for step, at in answered.items() if step in started]
