"""The service of the lab: it acknowledges records, and it must not lose one.

    python -m runbooks.drills.disk_full.writer DATA LOG ACKS

Each record is appended to a segment in the folder DATA and synced; only then is it acknowledged, by a synced line in
ACKS, which is on another filesystem: `NUMBER SEGMENT OFFSET LENGTH SHA256`. When the disk is full it takes back what
it wrote of the record, notes `! NUMBER ERRNO` in ACKS and tries again, as a service would. It also keeps a log, LOG,
which nobody promised anybody. SIGUSR1 turns on its debug log until the disk is full: what a forgotten setting does.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import signal
import sys

from incidents import clock, ids
from runbooks.drills import ordinary

SEGMENT = 128 * 1024  # bytes after which a new segment begins
PAUSE = 8_000  # µs between two records
RETRY = 20_000  # µs after a failure
DEBUG_CHUNK = 256 * 1024


class Service:
    def __init__(self, data: str, log: str, acks: str):
        self.data = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.acks = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.segment = ""
        self.fd = -1
        self.offset = 0
        self.number = 0
        self.debug = False

    def run(self) -> None:
        while True:
            if self.debug:
                self.storm()
            self.number += 1
            payload = base64.b64encode(os.urandom(150 + self.number % 7 * 60))
            record = b"%012d %d %s\n" % (self.number, clock.wall(), payload)
            while not self.store(record):
                clock.sleep(RETRY)
            self.say("INFO", f"stored record {self.number}, {len(record)} bytes")
            clock.sleep(PAUSE)

    def store(self, record: bytes) -> bool:
        """Makes the record durable and acknowledges it; False when the disk would not take it."""
        try:
            if self.fd < 0 or self.offset >= SEGMENT:
                self.next_segment()
            written = 0
            while written < len(record):
                written += os.write(self.fd, record[written:])
            os.fsync(self.fd)
        except OSError as error:
            with contextlib.suppress(OSError):
                if self.fd >= 0:
                    os.ftruncate(self.fd, self.offset)
            self.acknowledge(f"! {self.number} {error.errno}")
            self.say("ERROR", f"record {self.number}: {error.strerror}, trying again")
            return False
        digest = hashlib.sha256(record).hexdigest()
        self.acknowledge(f"{self.number} {self.segment} {self.offset} {len(record)} {digest}")
        self.offset += len(record)
        return True

    def next_segment(self) -> None:
        name = ids.short(10)
        fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=self.data)
        os.fsync(self.data)
        if self.fd >= 0:
            os.close(self.fd)
        self.segment, self.fd, self.offset = name, fd, 0

    def acknowledge(self, line: str) -> None:
        os.write(self.acks, line.encode() + b"\n")
        os.fsync(self.acks)

    def say(self, level: str, text: str) -> None:
        with contextlib.suppress(OSError):  # a service goes on when it cannot log
            os.write(self.log, f"{clock.iso(clock.wall())} {level} {text}\n".encode())

    def storm(self) -> None:
        line = f"{clock.iso(clock.wall())} DEBUG {'cache miss, backend asked again; ' * 6}\n".encode()
        chunk = line * (DEBUG_CHUNK // len(line))
        with contextlib.suppress(OSError):
            while True:
                os.write(self.log, chunk)
        self.debug = False


def main() -> None:
    service = Service(*sys.argv[1:4])
    ordinary.become()
    signal.signal(signal.SIGUSR1, lambda *_: setattr(service, "debug", True))
    service.run()


if __name__ == "__main__":
    main()
