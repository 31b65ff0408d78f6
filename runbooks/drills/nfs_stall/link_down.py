"""Fault: the network between client and server is cut; the server's card that the client talks to is down."""

from __future__ import annotations

from runbooks.drills.nfs_stall.lab import Lab
from runbooks.procfs import Process

SUMMARY = "The server's network card is down: whoever touches the mount waits."
ANSWERS = ("link_up",)
CAUSE = "network-cut"
HOLDS = True  # the mount holds what is being written, and refuses nothing


def inject(lab: Lab) -> Process:
    """Takes the card down."""
    lab.machine.must("server", "ip link set s0 down")
    return lab.breaks()
