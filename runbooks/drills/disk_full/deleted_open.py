"""Fault: a service's log was deleted while the service has it open, and the service goes on writing into it.

`rm` of a log that is too large frees nothing: the file lives until its last descriptor is closed, `du` does not see
it, and there is no name left to delete.
"""

from __future__ import annotations

import os
import signal

from runbooks.drills.disk_full.lab import Lab
from runbooks.procfs import Process

SUMMARY = "A service's log was removed by hand while the service still writes into it."
ANSWERS = ("truncate",)


def inject(lab: Lab) -> Process:
    """Removes the log and turns the debug log on; returns the service, which is at fault itself."""
    writer = lab.writer
    os.unlink(lab.log)
    os.kill(writer.pid, signal.SIGUSR1)
    lab.wait_full()
    return writer
