"""Fault: jobs of one class hang for long, fail, and come back: they hold every thread, and the others wait behind them."""

from __future__ import annotations

from runbooks.drills.queue_backlog.lab import QUEUES, Job, Lab
from runbooks.procfs import Process

SUMMARY = (
    "Jobs of one class hang, fail and come back: they hold every thread, and the rest waits behind them."
)
ANSWERS = ("aside",)
TAKES = 20  # seconds of the other jobs for the threads that there are
THREADS = 10
EACH = 12  # of so many jobs at first one hangs
MOST = 600  # and so many at most
HANGS = 8000  # ms
POISON = "PreviewWorker"
KINDS = {"push": "DeliverWorker", "pull": "FetchWorker", "default": "NotifyWorker"}


def inject(lab: Lab) -> Process:
    """Orders the jobs, the poison among the first; returns the worker once every thread of it hangs."""
    lab.aside = (POISON,)
    millis = max(1, TAKES * THREADS * 1000 // lab.jobs)
    poison = min(MOST, lab.jobs // EACH)
    others = [QUEUES[n % 3] for n in range(lab.jobs - poison)]
    first = [
        job
        for queue in others[:poison]
        for job in (Job(queue, KINDS[queue], millis), Job("pull", POISON, HANGS))
    ]
    lab.order([*first, *(Job(queue, KINDS[queue], millis) for queue in others[poison:])])
    worker = lab.work(QUEUES, THREADS)
    lab.wait(lambda: hangs(lab, worker), "not every thread came to hang")
    return worker


def hangs(lab: Lab, worker: Process) -> bool:
    """Are all of its threads in jobs that hang? Those of the class come at every second place of one queue."""
    return len(lab.in_flight(worker.pid)) >= THREADS and lab.busy_with(worker, (POISON,)) >= THREADS * 2 // 3
