"""Fault: one disk of the server's mirror has become slow, as in the nights of November 2022. The server answers, and
every write waits for that disk."""

from __future__ import annotations

from runbooks.drills.nfs_stall.lab import Lab
from runbooks.procfs import Process

SUMMARY = "One disk of the server's mirror takes seconds for a write: all that is written waits for it."
ANSWERS = ("fail_member",)
CAUSE = "slow"
HOLDS = True  # the mount holds what is being written, and refuses nothing
DELAY = 2500  # ms for each write

SLOW = f"""
dmsetup suspend --noudevsync disk-b
dmsetup reload disk-b --table "0 131072 delay /dev/ram1 0 0 /dev/ram1 0 {DELAY}"
dmsetup resume --noudevsync disk-b
"""


def inject(lab: Lab) -> Process:
    """Puts a delay before every write of the second disk."""
    lab.machine.must("server", SLOW)
    return lab.breaks()
