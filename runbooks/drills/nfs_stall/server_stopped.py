"""Fault: the NFS server was stopped; its machine is well."""

from __future__ import annotations

from runbooks.drills.nfs_stall.lab import Lab
from runbooks.procfs import Process

SUMMARY = "The NFS server does not run any more; its machine does."
ANSWERS = ("start_server",)
CAUSE = "server-dead"
HOLDS = True  # the mount holds what is being written, and refuses nothing


def inject(lab: Lab) -> Process:
    """Stops all of the server's threads."""
    lab.machine.must("server", "rpc.nfsd 0")
    return lab.breaks()
