"""Fault: a worker is killed while it works. What it had begun is nowhere: Sidekiq takes a job out of Redis to do it."""

from __future__ import annotations

import os
import signal

from runbooks.drills.queue_backlog.lab import QUEUES, Job, Lab
from runbooks.procfs import Process

SUMMARY = "One of two workers was killed (kill -9): what it had in hand is in no queue, and one is too few."
ANSWERS = ("bring_back", "add")
TAKES = 240  # seconds of all jobs for the threads of the worker that stays
THREADS = 5
KINDS = {"push": "DeliverWorker", "pull": "FetchWorker", "default": "NotifyWorker"}


def inject(lab: Lab) -> Process:
    """Lets two workers begin and kills one in the middle; returns the other."""
    millis = max(1, TAKES * THREADS * 1000 // lab.jobs)
    queues = [QUEUES[n % 3] for n in range(lab.jobs)]
    lab.order(Job(queue, KINDS[queue], millis) for queue in queues)
    stays, goes = lab.work(QUEUES, THREADS), lab.work(QUEUES, THREADS)
    lab.wait(lambda: len(lab.in_flight(goes.pid)) == THREADS, "the worker has nothing in hand")
    os.kill(goes.pid, signal.SIGKILL)
    lab.gone(goes)
    lab.flight = lab.in_flight(goes.pid)
    return stays
