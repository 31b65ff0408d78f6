"""A filesystem that takes every request and answers none: whoever asks it waits in D state, and survives SIGKILL."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import threading

import pytest

_INIT = 26  # of linux/fuse.h
_NOSUID_NODEV = 2 | 4


class Silent:
    """FUSE without a library: the first request is answered, so that the rest is in our hands, and stays there."""

    def __init__(self, mount: str):
        self.mount = mount
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"silent", os.fsencode(mount), b"fuse", _NOSUID_NODEV, options) != 0:
            os.close(self.fd)
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.asked = threading.Event()
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self) -> None:
        while True:
            try:
                request = os.read(self.fd, 1 << 17)
            except OSError:
                return  # unmounted
            _, opcode, unique = struct.unpack_from("=IIQ", request)
            if opcode == _INIT:
                reply = struct.pack("=IIIIHHIIHHI7I", 7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, *[0] * 8)
                os.write(self.fd, struct.pack("=IiQ", 16 + len(reply), 0, unique) + reply)
            else:
                self.asked.set()

    def end(self) -> None:
        """Everybody who waits gets an error, and the mount is gone."""
        subprocess.run(
            ["umount", "-f", self.mount], capture_output=True, timeout=30
        )  # gives the error; may be busy yet
        subprocess.run(["umount", "-l", self.mount], capture_output=True, timeout=30)
        self.thread.join(10)
        os.close(self.fd)


def silent_mount(mount: str) -> Silent:
    try:
        return Silent(mount)
    except OSError as error:
        pytest.skip(f"needs root and FUSE: {error}")
