"""How fast the record is, as ratios to the disk of the same minute: `python tests/bench/bench_store.py [FOLDER]`.

- one writer: the median of 15 interleaved pairs of (raw append + fdatasync) and (durable append) is at least 0.5
- 64 threads of one process: at least 2 times raw
- 8 processes for 5 s: no acknowledged event is lost, the longest wait is under 1 s, the least lucky process
  records at least half the mean
Raw writes the same bytes that the store keeps of an event: its header and its payload. Exits 1 when one is missed.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))

from incidents import events, verify
from incidents.events import Actor, Draft
from incidents.store import open_store
from incidents.store.protocol import Store

PAIRS = 15
PER_PAIR = 400
THREADS = 64
PER_THREAD = 150
PROCESSES = 8
SECONDS = 5

_ACTOR = Actor("human", "robin")


def draft(number: int) -> Draft:
    return Draft(
        stream="inc-1", kind="note", actor=_ACTOR, body=f"{number}: the disk of db-1 is at 97 % again"
    )


def same_bytes() -> bytes:
    sealed = events.seal(draft(1000))
    return sealed.frame.text(events.FIRST_PREV, 1000, "inc-1").encode() + sealed.salt + sealed.payload


def raw_rate(path: str, count: int) -> float:
    data = same_bytes()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        started = time.perf_counter()
        for _ in range(count):
            os.write(fd, data)
            os.fdatasync(fd)
        return count / (time.perf_counter() - started)
    finally:
        os.close(fd)


def append_rate(store: Store, count: int) -> float:
    started = time.perf_counter()
    for number in range(count):
        store.append([draft(number)])
    return count / (time.perf_counter() - started)


def threads_rate(store: Store) -> float:
    gate = threading.Barrier(THREADS + 1)

    def write() -> None:
        gate.wait()
        for number in range(PER_THREAD):
            store.append([draft(number)])
        gate.wait()

    for _ in range(THREADS):
        threading.Thread(target=write, daemon=True).start()
    gate.wait()
    started = time.perf_counter()
    gate.wait()
    return THREADS * PER_THREAD / (time.perf_counter() - started)


def one_writer(folder: str) -> bool:
    with open_store(os.path.join(folder, "one.db")) as store:
        append_rate(store, PER_PAIR)
        pairs = []
        for _ in range(PAIRS):
            pairs.append((raw_rate(os.path.join(folder, "raw"), PER_PAIR), append_rate(store, PER_PAIR)))
    ratio = statistics.median(ours / raw for raw, ours in pairs)
    raw, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    return report("one writer", raw, ours, ratio, 0.5)


def many_threads(folder: str) -> bool:
    with open_store(os.path.join(folder, "many.db")) as store:
        append_rate(store, PER_PAIR)
        pairs = []
        for _ in range(5):
            pairs.append((raw_rate(os.path.join(folder, "raw"), PER_PAIR), threads_rate(store)))
    ratio = statistics.median(ours / raw for raw, ours in pairs)
    raw, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    return report(f"{THREADS} writers in a process", raw, ours, ratio, 2.0)


def report(name: str, raw: float, ours: float, ratio: float, wanted: float) -> bool:
    met = ratio >= wanted
    print(
        f"{name:28} raw {raw:8,.0f}/s   store {ours:8,.0f}/s   ratio {ratio:5.2f}   wanted {wanted:.2f}   {'ok' if met else 'MISSED'}"
    )
    return met


def writer_process(path: str, number: int) -> None:
    """A child: appends for SECONDS, then prints what was acknowledged and its longest wait in µs."""
    keys, longest = [], 0.0
    with open_store(path) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        until = time.monotonic() + SECONDS
        while (begun := time.monotonic()) < until:
            event = store.append([draft(number)])[0]
            longest = max(longest, time.monotonic() - begun)
            keys.append(event.key)
    json.dump({"keys": keys, "longest": longest}, sys.stdout)


def many_processes(folder: str) -> bool:
    path = os.path.join(folder, "processes.db")
    open_store(path).close()
    command = [sys.executable, os.path.abspath(__file__), "--child", path]
    children = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(PROCESSES)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    results = [json.loads(child.communicate()[0]) for child in children]
    acknowledged = {key for result in results for key in result["keys"]}
    with open_store(path) as store:
        stored = {event.key for event in store.events("inc-1")}
        found = verify.verify(store).findings
    counts = [len(result["keys"]) for result in results]
    longest = max(result["longest"] for result in results)
    luck = min(counts) / statistics.mean(counts)
    met = acknowledged <= stored and not found and longest < 1 and luck >= 0.5
    print(
        f"{PROCESSES} processes, {SECONDS} s: {sum(counts):,} acknowledged, {len(acknowledged - stored)} lost,"
        f" longest wait {longest * 1000:.0f} ms, least lucky {luck:.2f} of the mean   {'ok' if met else 'MISSED'}"
    )
    return met


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        writer_process(sys.argv[2], int(sys.argv[3]))
        return 0
    folder = tempfile.mkdtemp(prefix="howdah-bench-", dir=sys.argv[1] if sys.argv[1:] else None)
    try:
        return 0 if all([one_writer(folder), many_threads(folder), many_processes(folder)]) else 1
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
