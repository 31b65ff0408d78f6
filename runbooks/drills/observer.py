"""The observer: a process of its own that watches a drill from outside and scores it.

    python -m runbooks.drills.observer SPEC

It reads the filesystem (statvfs, and a durable write of its own as an ordinary user), /proc, and the service's
acknowledgements; never howdah's record, so that it cannot believe what howdah believes. SPEC is a file with one JSON
object (`Spec`). Samples go to `spec.samples`, one JSON array a line. When `spec.stop` appears it watches for `hold` µs
more, reads every acknowledged record back, asks the fault's own judge where it has one, writes the score to `spec.score` and ends.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os

from incidents import clock
from runbooks import procfs
from runbooks.drills import ordinary, score, watching
from runbooks.drills.score import Kept, Sample

PROBE = 4096  # bytes: one block is what tells whether somebody can write at all
LONGEST = clock.HOUR  # an observer that nobody stops ends by itself


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """What to watch. All paths but `mount`, `probe` and `data` are outside of the filesystem watched."""

    mount: str
    probe: str  # a folder of the ordinary user in it
    data: str  # the folder with the service's segments
    acks: str
    writer: tuple[int, int]  # pid, start
    fault: str  # a file with pid and start of the process at fault, once there is one
    need: int  # bytes
    need_inodes: int
    every: int  # µs
    hold: int  # µs
    samples: str
    stop: str  # a file with what the harness knows: {"detected_at": µs or null, "judge": module or null, "facts"}
    score: str


class Acks:
    """The service's acknowledgements, read on as they grow."""

    def __init__(self, path: str):
        self.path = path
        self.offset = 0
        self.acks = 0
        self.refusals = 0

    def read_on(self) -> None:
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.offset += len(line)
                if line.startswith(b"!"):
                    self.refusals += 1
                else:
                    self.acks += 1


def look(spec: Spec, acks: Acks) -> Sample:
    """One sample, now."""
    probe = _probe(spec.probe)
    room = os.statvfs(spec.mount)
    acks.read_on()
    return Sample(
        clock.monotonic(), room.f_bavail * room.f_frsize, room.f_favail, probe, acks.acks, acks.refusals,
        _state(*spec.writer), _state(*_fault(spec.fault)),
    )  # fmt: skip


def _fault(path: str) -> tuple[int, int]:
    try:
        with open(path, encoding="ascii") as file:
            pid, start = json.load(file)
    except FileNotFoundError:
        return 0, 0
    return pid, start


def _state(pid: int, start: int) -> str:
    process = procfs.look(pid)
    return process.state if process is not None and process.start == start else ""


def _probe(folder: str) -> int:
    """A durable write as an ordinary user: 0, or the errno. What it wrote is gone afterwards."""
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:  # somebody took the folder, or the mount, away: nobody can write there
        return error.errno or -1
    try:
        with ordinary.acting():
            return _write(at)
    finally:
        os.close(at)


def _write(folder: int) -> int:
    try:
        fd = os.open("probe", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=folder)
    except OSError as error:
        return error.errno or -1
    try:
        if os.write(fd, os.urandom(PROBE)) < PROBE:
            return -1
        os.fsync(fd)
    except OSError as error:
        return error.errno or -1
    finally:
        os.close(fd)
        os.unlink("probe", dir_fd=folder)
    return 0


def read_back(spec: Spec) -> Kept:
    """Compares every acknowledged record with what is in the service's segments."""
    records = size = lost = lost_bytes = 0
    with open(spec.acks, encoding="ascii") as file:
        for line in file:
            if line.startswith("!") or not line.endswith("\n"):
                continue
            _, segment, offset, length, digest = line.split()
            records += 1
            size += int(length)
            if not _is_there(os.path.join(spec.data, segment), int(offset), int(length), digest):
                lost += 1
                lost_bytes += int(length)
    return Kept(records, size, lost, lost_bytes)


def _is_there(path: str, offset: int, length: int, digest: str) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return hashlib.sha256(file.read(length)).hexdigest() == digest
    except OSError:
        return False


def watch(spec: Spec) -> score.Score:
    """Samples until it is stopped and the hold is over; returns the score."""
    acks = Acks(spec.acks)
    samples: list[Sample] = []
    ends = clock.monotonic() + LONGEST
    held_from: int | None = None
    with open(spec.samples, "w", encoding="ascii", buffering=1) as out:
        while clock.monotonic() < ends:
            sample = look(spec, acks)
            samples.append(sample)
            out.write(json.dumps(sample) + "\n")
            if held_from is None and os.path.exists(spec.stop):
                held_from = clock.monotonic()
                ends = held_from + spec.hold
            clock.sleep(spec.every)
    with open(spec.stop, encoding="ascii") as file:
        told = json.load(file)
    also = importlib.import_module(told["judge"]).judge(told["facts"]) if told["judge"] else ()
    return score.score(
        samples, read_back(spec), need=spec.need, need_inodes=spec.need_inodes, detected_at=told["detected_at"],
        held_from=held_from or ends, also=also,
    )  # fmt: skip


if __name__ == "__main__":
    watching.observe(Spec, watch)
