"""The observer of queue-backlog: a process of its own that looks from outside and counts every job.

    python -m runbooks.drills.queue_backlog.observer SPEC

It reads Redis, /proc and the application's own files; never howdah's record. Samples go to `spec.samples`, one JSON array
a line. When `spec.stop` appears it watches for `hold` µs more (with `drain`, until every queue is empty), ends the workers
as Sidekiq wants it (TERM: what they have begun they end), counts, writes the score and ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
from collections import defaultdict
from collections.abc import Iterable

from incidents import clock
from runbooks import procfs
from runbooks.drills import watching, wires
from runbooks.drills.queue_backlog import lab, score
from runbooks.drills.queue_backlog.score import Counted, Instants, Limits, Sample

LONGEST = clock.HOUR  # an observer that nobody stops ends by itself
DRAIN = 600 * clock.SECOND
ENDS_WITHIN = 40 * clock.SECOND  # Sidekiq gives its jobs 25 s
THREADS = re.compile(r"\[\d+ of (\d+) busy\]")
NUMBER = re.compile(r'"args":\s*\[(\d+)')
PAGE = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """What to watch."""

    app: str
    socket: str
    every: int  # µs
    hold: int  # µs
    drain: bool
    threads: int
    samples: str
    stop: str  # a file with what the scene knows: {"broken_at", "detected_at", "flight", "aside", "within"}
    score: str


class Done:
    """How many jobs were done, read on as they are."""

    def __init__(self, path: str):
        self.path = path
        self.offset = 0
        self.count = 0

    def read_on(self) -> int:
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read()
        self.offset += len(data)
        self.count += data.count(b"\n")
        return self.count


def look(spec: Spec, redis: wires.Redis, done: Done) -> Sample:
    """One sample, now."""
    queues = sorted(redis.rows("SMEMBERS", "queues"))
    waiting = {queue: int(redis.run("LLEN", f"queue:{queue}") or 0) for queue in queues}
    return Sample(clock.monotonic(), waiting, done.read_on(), threads(spec.app))


def threads(app: str) -> int:
    """The threads of all workers; of one that has not said how many it has, none yet."""
    found = (THREADS.search(procfs.command(process.pid)) for process in lab.workers(app))
    return sum(int(match[1]) for match in found if match)


def watch(spec: Spec) -> score.Score:
    """Samples until it is stopped and the hold is over; returns the score."""
    done = Done(os.path.join(spec.app, "done"))
    samples: list[Sample] = []
    ends = clock.monotonic() + LONGEST
    held_from: int | None = None
    with open(spec.samples, "w", encoding="ascii", buffering=1) as out:
        while clock.monotonic() < ends:
            with contextlib.suppress(
                wires.Refusal, OSError
            ):  # a Redis that is away has no figures: that is a gap
                redis = wires.Redis(spec.socket)
                samples.append(look(spec, redis, done))
                redis.close()
                out.write(json.dumps(samples[-1]) + "\n")
            if held_from is None and os.path.exists(spec.stop):
                held_from = clock.monotonic()
                ends = held_from + spec.hold
            clock.sleep(spec.every)
    held_from = held_from or ends
    if spec.drain:
        drain(spec)
    end_workers(spec)
    with open(spec.stop, encoding="ascii") as file:
        told = json.load(file)
    return score.score(
        samples, count(spec, told["flight"]), Instants(told["broken_at"], told["detected_at"], held_from),
        Limits(told["within"], spec.threads, tuple(told["aside"])),
    )  # fmt: skip


def drain(spec: Spec) -> None:
    """Waits until every queue is empty, or no longer drains."""
    deadline = clock.monotonic() + DRAIN
    redis = wires.Redis(spec.socket)
    while clock.monotonic() < deadline:
        queues = redis.rows("SMEMBERS", "queues")
        if not any(int(redis.run("LLEN", f"queue:{queue}") or 0) for queue in queues):
            break
        clock.sleep(spec.every)
    redis.close()


def end_workers(spec: Spec) -> None:
    """Lets every worker end what it has begun. One that resists is left; what it holds then counts as lost."""
    deadline = clock.monotonic() + ENDS_WITHIN
    told: set[int] = set()
    while (left := lab.workers(spec.app)) and clock.monotonic() < deadline:
        for process in left:
            if process.pid not in told:
                told.add(process.pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)
        clock.sleep(spec.every)


def count(spec: Spec, flight: Iterable[int]) -> Counted:
    """Where every job is."""
    ordered: dict[int, str] = {}
    with open(os.path.join(spec.app, "orders"), encoding="ascii") as file:
        for line in file:
            number, _, told = line.partition(" ")
            ordered[int(number)] = json.loads(told)["class"]
    done = [int(number) for number, _ in lab.lines(os.path.join(spec.app, "done"))]
    places = _waiting(spec)
    return Counted(ordered, done, places["queued"], places["failed"], places["aside"], list(flight))


def _waiting(spec: Spec) -> dict[str, list[int]]:
    """The numbers of all jobs in Redis: in the queues, in Sidekiq's own sets, and anywhere else."""
    found: dict[str, list[int]] = defaultdict(list)
    redis = wires.Redis(spec.socket)
    queues = {f"queue:{queue}" for queue in redis.rows("SMEMBERS", "queues")}
    for key in redis.rows("KEYS", "*"):
        kind = redis.run("TYPE", key)
        word = {"list": "LRANGE", "zset": "ZRANGE"}.get(kind or "")
        if word is None:
            continue
        place = "queued" if key in queues else "failed" if key in ("retry", "dead", "schedule") else "aside"
        at = 0
        while page := redis.rows(word, key, str(at), str(at + PAGE - 1)):
            found[place] += [int(match[1]) for text in page if (match := NUMBER.search(text))]
            at += PAGE
    redis.close()
    return found


if __name__ == "__main__":
    watching.observe(Spec, watch)
