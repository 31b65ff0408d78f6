"""Fault: one process of the client waits for one file, and holds the folder in which everybody else wants to make theirs.

A program on the server has a lease on that file and does not give it back, so that the server puts the client off again and
again. The client's kernel keeps the folder locked for the one who asks.
"""

from __future__ import annotations

from incidents import clock
from incidents.errors import Failed
from runbooks.drills.nfs_stall.lab import Lab
from runbooks.procfs import Process

SUMMARY = (
    "An importer waits for a file that somebody on the server does not let go of, and holds all the others."
)
ANSWERS = ("release",)
CAUSE = "blocked"
HOLDS = True  # the mount holds what is being written, and refuses nothing
WITHIN = 20 * clock.SECOND

LEASE = """
. /run/lab/settings
echo 3600 >/proc/sys/fs/lease-break-time
echo index >"$EXPORT/$DATA/index"
cat >/run/lab/lease.py <<'END'
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
while True: signal.pause()
END
setsid "$PYTHON" -I -S /run/lab/lease.py "$EXPORT/$DATA/index" >/run/lab/lease.out 2>&1 </dev/null &
echo $! >>/run/lab/pids
for n in {1..100}; do if grep -q LEASE /proc/locks; then exit 0; fi; sleep 0.1; done
cat /run/lab/lease.out >&2
exit 1
"""
IMPORT = """
. /run/lab/settings
cat >/run/lab/importer.sh <<'END'
exec 9<>"$1"
END
group=/sys/fs/cgroup/system.slice/importer.service
mkdir -p "$group"
( echo $BASHPID >"$group/cgroup.procs"; exec setsid bash /run/lab/importer.sh "$MOUNT/$DATA/index" >/dev/null 2>&1 </dev/null ) &
"""


def inject(lab: Lab) -> Process:
    """Returns once the importer waits."""
    lab.machine.must("server", LEASE)
    culprit = lab.breaks()
    lab.machine.must("client", IMPORT)
    deadline = clock.monotonic() + WITHIN
    while "BREAKING" not in lab.machine.must("server", "cat /proc/locks"):
        if clock.monotonic() > deadline:
            raise Failed("nothing is blocked: the lease was given back")
        clock.sleep(100_000)
    return culprit
