"""Signals as bytes on a descriptor: the loop reads them where it waits, nothing happens in between."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

NOTED = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH,
)  # fmt: skip


@contextlib.contextmanager
def noted(*, stops: bool) -> Iterator[int | None]:
    """A descriptor on which each signal of NOTED arrives as one byte, its number; None outside the main thread.

    What this process was told to ignore (nohup, a background job) stays ignored. `stops`: Ctrl-Z is noted too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before: dict[int, Any] = {}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        for number in NOTED:
            if signal.getsignal(number) is not signal.SIG_IGN and (stops or number != signal.SIGTSTP):
                before[number] = signal.signal(number, _said_by_the_byte)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NOTED)  # the driver's fork has held some back for us
        yield reader
    finally:
        for noted_number, handler in before.items():
            signal.signal(noted_number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(reader)
        os.close(writer)


def _said_by_the_byte(number: int, frame: object) -> None:
    """Without a handler of Python's no byte would be written."""
