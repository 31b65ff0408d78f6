"""Fault: one worker with two threads for all of it: more comes than it can do, and what it has will take minutes."""

from __future__ import annotations

from runbooks.drills.queue_backlog.lab import QUEUES, Job, Lab
from runbooks.procfs import Process

SUMMARY = "One worker with two threads serves every queue: what waits would take it minutes."
ANSWERS = ("add",)
TAKES = 240  # seconds of all jobs for the threads that there are
THREADS = 2
KINDS = {"push": "DeliverWorker", "pull": "FetchWorker", "default": "NotifyWorker"}


def inject(lab: Lab) -> Process:
    """Orders the jobs, half of them to be delivered, and lets the one worker begin; returns it."""
    millis = max(1, TAKES * THREADS * 1000 // lab.jobs)
    queues = [QUEUES[(0, 1, 0, 2)[n % 4]] for n in range(lab.jobs)]
    lab.order(Job(queue, KINDS[queue], millis) for queue in queues)
    return lab.work(QUEUES, THREADS)
