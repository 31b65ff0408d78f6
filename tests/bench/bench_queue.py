"""The queues of a real Sidekiq, looked at, foretold, and restarted.

- reading all figures with 1,000,000 queued jobs: median of 50, at most 30 ms, the start of redis-cli with it
- a forecast's interval holds the true end: 18 of 20 rounds, each with its own workers, jobs and mix of queues
- a drained restart of every worker loses or doubles none of 1,000 jobs in flight
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from runbooks import expressions, inputs, loader
from runbooks.drills import janitor
from runbooks.drills.queue_backlog import observer, score
from runbooks.drills.queue_backlog.lab import QUEUES, Job, Lab
from runbooks.quoting import Script
from tests.bench import measure
from tests.bench.measure import Figure

QUEUED = 1_000_000
READS = 50
MOST = 30.0  # ms
ROUNDS, HITS = 20, 18
LASTS = 18  # s of a round, about
PROCESSES, THREADS = 10, 100


def figures(folder: str) -> list[Figure]:
    book = loader.load(loader.find("queue-backlog", beside=None)[0])
    return [_reading(book), _foretelling(book), _restarting(folder)]


@contextlib.contextmanager
def _lab() -> Iterator[Lab]:
    """A Redis and an application, below a folder that ordinary users may come to."""
    with tempfile.TemporaryDirectory(prefix="bench-queue-") as folder:
        os.chmod(folder, 0o711)
        ledger = janitor.Ledger(os.path.join(folder, "ledgers"))
        try:
            lab = Lab(folder, ledger)
            lab.up()
            yield lab
        finally:
            assert ledger.close().left == []


def _reading(book: Any) -> Figure:
    (look,) = book.diagnose
    text = expressions.render_text(look.env["FIGURES"], {})
    with _lab() as lab:
        lab.work(QUEUES, 5)
        os.kill(lab_worker(lab), 19)  # it takes nothing while we look
        lab.order(Job(QUEUES[n % 3], "DeliverWorker", 1) for n in range(QUEUED))
        argv = ["redis-cli", "-p", str(lab.port), "EVAL", text, "0", ""]
        took, mark = [], "{}"
        for _ in range(READS):
            began = time.perf_counter()
            done = subprocess.run(
                [*argv, mark, "full"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
            )
            took.append((time.perf_counter() - began) * 1000)
            mark = done.stdout.splitlines()[0]
        assert sum(map(int, re.findall(r'"n":(\d{6})', done.stdout))) > QUEUED * 9 // 10, done.stdout[:500]
    print(
        f"\nreading {QUEUED:,} queued jobs (ms): min {min(took):.1f}, median {statistics.median(took):.1f}, max {max(took):.1f}"
    )
    median = statistics.median(took)
    return Figure(
        f"reading {QUEUED:,} queued jobs",
        f"<= {MOST:.0f} ms",
        f"{median:.1f} ms (max {max(took):.1f})",
        median <= MOST,
    )


def lab_worker(lab: Lab) -> int:
    (name,) = lab.processes()
    return int(name.split(":")[1])


def _foretelling(book: Any) -> Figure:
    chance = random.Random(4)
    hits, widths = 0, []
    with _lab() as lab:
        threads = 0
        for number in range(ROUNDS):
            if number % 7 == 0:  # other workers by and by: one for all, then some of their own
                queues = [QUEUES, QUEUES[:1], QUEUES[1:]][number // 7]
                lab.work(queues, chance.choice((3, 5, 8)))
                threads = sum(map(int, _threads(lab)))
            soonest, latest, took = _round(book, lab, chance, threads)
            hit = soonest <= took <= latest if latest >= 0 else False
            hits += hit
            widths.append((latest - soonest) / took if latest >= 0 else float("inf"))
            print(
                f"  round {number + 1}: foretold {soonest} to {latest} s, took {took:.1f} s {'ok' if hit else 'MISSED'}",
                flush=True,
            )
    width = statistics.median(widths)
    return Figure(
        "forecast holds the true end",
        f">= {HITS} of {ROUNDS}",
        f"{hits} of {ROUNDS}, width {width:.0%} of the time",
        hits >= HITS,
    )


def _threads(lab: Lab) -> list[str]:
    line = lab.redis()
    found = [
        re.findall(r'"concurrency":(\d+)', line.run("HGET", name, "info") or "")[0]
        for name in lab.processes()
    ]
    line.close()
    return found


def _round(book: Any, lab: Lab, chance: random.Random, threads: int) -> tuple[int, int, float]:
    """Soonest and latest as foretold, and how long it took."""
    millis = chance.randint(20, 120)
    mix = [chance.random() + 0.2 for _ in QUEUES]
    count = LASTS * threads * 1000 // millis
    kinds = chance.choices(QUEUES, mix, k=count)
    lab.order(Job(queue, "DeliverWorker", round(millis * chance.uniform(0.3, 1.7))) for queue in kinds)
    time.sleep(1)
    said = _look(book, lab)
    line = lab.redis()
    while any(int(line.run("LLEN", f"queue:{queue}") or 0) for queue in QUEUES):
        time.sleep(0.02)
    line.close()
    took = time.time() - float(re.findall(r"(?m)^at=([0-9.]+)$", said)[0])
    found = {name: int(re.findall(rf"(?m)^{name}=(-?\d+)$", said)[0]) for name in ("soonest", "latest")}
    return found["soonest"], found["latest"], took


def _look(book: Any, lab: Lab) -> str:
    """The runbook's own step, as a run would start it."""
    values = inputs.normalise(book, {"port": str(lab.port)})
    step = next(step for step in book.walk() if step.id == "look")
    assert isinstance(step.run, Script)
    env = {name: str(expressions.render_text(one, {"inputs": values})) for name, one in step.env.items()}
    given = inputs.environment(book, values)
    path = {"PATH": os.environ["PATH"], "HOWDAH_RUN": "run-bench"}
    done = subprocess.run(
        step.run.argv, env={**path, **given, **env}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def _restarting(folder: str) -> Figure:
    in_flight = 0
    with _lab() as lab:
        for _ in range(PROCESSES):
            lab.work(QUEUES, THREADS)
        lab.order(
            Job(QUEUES[n % 3], "DeliverWorker", 2000 + n % 2000) for n in range(PROCESSES * THREADS * 3)
        )
        lab.wait(lambda: _begun(lab) >= PROCESSES * THREADS, "not every thread is at work")
        in_flight = PROCESSES * THREADS
        given = {**lab.inputs(), "restart": "true", "within": "1h", "connections": str(PROCESSES * THREADS)}
        words = [word for name, value in given.items() for word in ("-i", f"{name}={value}")]
        env = measure.environment(HOWDAH_STORE=os.path.join(folder, "restart.db"))
        began = time.monotonic()
        subprocess.run(
            [measure.HOWDAH, "run", "queue-backlog", "--drill", "--yes", "restart", *words],
            env=env,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        took = time.monotonic() - began
        spec = observer.Spec(lab.app, lab.socket, 100_000, 0, True, 0, "", "", "")
        observer.drain(spec)
        observer.end_workers(spec)
        where = observer.count(spec, ())
    limits = score.Limits(1, 10**6, ())
    found = score.score([], where, score.Instants(0, 0, 0), limits)
    print(
        f"\n{PROCESSES} workers with {in_flight} jobs in flight restarted in {took:.0f} s: {found.done} done, {found.lost} lost, {found.doubled} doubled"
    )
    good = (found.lost, found.doubled, found.done) == (0, 0, len(where.ordered))
    return Figure(
        f"drained restart, {in_flight:,} in flight",
        "0 lost, 0 doubled",
        f"{found.lost} lost, {found.doubled} doubled",
        good,
    )


def _begun(lab: Lab) -> int:
    with open(lab.file("begun"), encoding="ascii") as file:
        return sum(1 for _ in file)
