"""Fault: the server's export was replaced by a copy of it on another disk. Every handle that the client has is stale."""

from __future__ import annotations

from runbooks.drills.nfs_stall.lab import Lab
from runbooks.procfs import Process

SUMMARY = "The export was moved to another disk: what the client has mounted is not there any more."
ANSWERS = ("remount",)
CAUSE = "stale"
HOLDS = False  # the service is refused until it is mounted anew

MOVE = """
set -e
need() { "$@"; }
. /run/lab/settings
. /run/lab/disks.sh
exportfs -u "*:$EXPORT"
exportfs -f
replica
cp -a -- "$EXPORT/." "$REPLICA/"
sync
exportfs -u "*:$REPLICA"
umount "$REPLICA"
umount "$EXPORT" 2>/dev/null || umount -l "$EXPORT"
mount /dev/mapper/copy "$EXPORT"
exportfs -o $OPTIONS "*:$EXPORT"
"""


def inject(lab: Lab) -> Process:
    """Takes the export back, copies all that was acknowledged, and exports the copy under the same name."""
    lab.machine.must("server", MOVE)
    return lab.breaks()
