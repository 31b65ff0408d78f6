"""What driver and keeper say to each other, where the kernel takes no more."""

from __future__ import annotations

import os
import resource
import socket
import sys

from runbooks import keeper_wire
from runbooks.attempt import Order


def test_an_order_whose_file_found_no_descriptor_is_still_known_by_its_number() -> None:
    """The kernel drops what does not fit below RLIMIT_NOFILE. In a process of its own, for the limit is the process's."""
    if (pid := os.fork()) == 0:
        try:
            order = Order(7, ("true",), {"LONG": "x" * 100_000}, "/", None, 0o022, None, 0)
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            null = os.open(os.devnull, os.O_RDONLY)
            keeper_wire.send_order(here, order, null, null)
            lowest = os.dup(null)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, lowest + 2))
            message, files = keeper_wire.receive(there)
            assert message is not None and message["n"] == 7
            os._exit(0 if len(files) == 2 and not keeper_wire.is_whole(message) else 1)
        except BaseException as problem:  # noqa: BLE001 - the child of a fork never returns
            print(problem, file=sys.stderr)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
