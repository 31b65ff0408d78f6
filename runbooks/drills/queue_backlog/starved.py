"""Fault: the queues are served in a strict order, and the first of them is never empty: the last one starves."""

from __future__ import annotations

from runbooks.drills.queue_backlog.lab import QUEUES, Job, Lab
from runbooks.procfs import Process

SUMMARY = "One worker serves push, pull and default strictly in this order: while push is long, default gets nothing."
ANSWERS = ("add",)
TAKES = 240  # seconds of the first queue for the threads that there are
THREADS = 10
WITHIN = 400  # seconds: push itself will be done in time
KINDS = {"push": "DeliverWorker", "pull": "FetchWorker", "default": "NotifyWorker"}


def inject(lab: Lab) -> Process:
    """Orders most jobs for the first queue; returns the worker, which is at fault itself."""
    lab.within = WITHIN
    queues = [QUEUES[(0, 0, 0, 0, 0, 0, 1, 2)[n % 8]] for n in range(lab.jobs)]
    millis = max(1, TAKES * THREADS * 1000 // max(1, queues.count("push")))
    lab.order(Job(queue, KINDS[queue], millis) for queue in queues)
    return lab.work(QUEUES, THREADS, strict=True)
