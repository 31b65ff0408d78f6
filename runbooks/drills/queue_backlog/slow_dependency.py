"""Fault: a service that jobs of two classes ask answers no more in its time: they hold every thread while they wait.

    python -m runbooks.drills.queue_backlog.slow_dependency PORT FILE

The service answers each caller after the seconds that FILE says, else as soon as it was asked to.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys

from incidents import clock
from runbooks.drills import ordinary
from runbooks.drills.queue_backlog.lab import QUEUES, Job, Lab, free_port
from runbooks.procfs import Process

SUMMARY = (
    "A service that two classes of jobs ask has become slow: they hold every thread while they wait for it."
)
ANSWERS = ("aside",)
TAKES = 20  # seconds of the other jobs for the threads that there are
THREADS = 10
EACH = 4  # of so many jobs one asks the service
SLOW = 9  # seconds
ASKING = ("RelayWorker", "StatsWorker")
TICK = 20_000  # µs


def inject(lab: Lab) -> Process:
    """Starts the service, orders the jobs, makes it slow; returns the worker once every thread of it waits."""
    lab.aside = ASKING
    port, slow = free_port(), os.path.join(lab.app, "slow")
    lab.start("service", "runbooks.drills.queue_backlog.slow_dependency", str(port), slow)
    with open(slow, "x", encoding="ascii") as file:
        file.write(str(SLOW))
    millis = max(1, TAKES * THREADS * 1000 // lab.jobs)
    jobs = []
    for n in range(lab.jobs):
        if n % EACH == 0:
            queue, kind = ("push", ASKING[0]) if n % (2 * EACH) else ("pull", ASKING[1])
            jobs.append(Job(queue, kind, millis, ("127.0.0.1", port)))
        else:
            jobs.append(Job(QUEUES[n % 3], "NotifyWorker", millis))
    lab.order(jobs)
    worker = lab.work(QUEUES, THREADS)
    lab.wait(
        lambda: lab.busy_with(worker, ASKING) >= THREADS * 3 // 4,
        "not every thread came to wait for the service",
    )
    return worker


def main() -> None:
    port, slow = int(sys.argv[1]), sys.argv[2]
    ordinary.become()
    server = socket.create_server(("127.0.0.1", port), backlog=1024)
    server.setblocking(False)
    chosen = selectors.DefaultSelector()
    chosen.register(server, selectors.EVENT_READ)
    due: dict[socket.socket, int] = {}
    while True:
        for key, _ in chosen.select(TICK / clock.SECOND):
            if key.fileobj is server:
                line, _address = server.accept()
                chosen.register(line, selectors.EVENT_READ)
                continue
            line = key.fileobj  # type: ignore[assignment]
            asked = line.recv(100)
            if asked:
                due[line] = clock.monotonic() + int(seconds(slow, asked) * clock.SECOND)
            else:
                chosen.unregister(line)
                due.pop(line, None)
                line.close()
        for line in [line for line, at in due.items() if at <= clock.monotonic()]:
            del due[line]
            line.send(b"done\n")


def seconds(slow: str, asked: bytes) -> float:
    """How long this answer takes."""
    try:
        with open(slow, "rb") as file:
            return float(file.read())
    except (FileNotFoundError, ValueError):
        return float(asked)


if __name__ == "__main__":
    main()
