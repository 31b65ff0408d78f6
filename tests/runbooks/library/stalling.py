"""A filesystem that does not answer: a FUSE mount whose server says hello and nothing more. Needs root, and no package."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import threading
from collections.abc import Iterator

import pytest

INIT = 26  # its opcode (include/uapi/linux/fuse.h)
LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def stalled(folder: str) -> Iterator[None]:
    """Whoever asks for anything in `folder` waits until the block ends; then they get ENOTCONN."""
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0"
    if LIBC.mount(b"stall", folder.encode(), b"fuse", 0, options.encode()) != 0:
        os.close(fuse)
        pytest.skip(f"FUSE cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    answered = threading.Thread(target=_hello, args=(fuse,))
    answered.start()
    answered.join(10)
    try:
        yield
    finally:
        os.close(fuse)  # the kernel ends all that waits
        LIBC.umount2(folder.encode(), 2)


def _hello(fuse: int) -> None:
    request = os.read(fuse, 1 << 17)
    _, opcode, unique = struct.unpack_from("<IIQ", request)
    assert opcode == INIT
    body = struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0, *(0,) * 7)
    os.write(fuse, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
