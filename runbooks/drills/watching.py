"""The observer that runs beside a drill, and the files through which it is spoken to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import Failed
from runbooks import procfs
from runbooks.drills import verdict
from runbooks.drills.verdict import Score
from runbooks.procfs import Process

POLL = 10_000


class Watch(NamedTuple):
    """An observer's process; `samples`, `stop` and `score` are its files, `said` is its output."""

    process: Process
    samples: str
    stop: str
    score: str
    said: str

    def wait_for(self, path: str, within: int) -> None:
        """Returns when the file is there with something in it. Raises Failed."""
        deadline = clock.monotonic() + within
        while not (os.path.exists(path) and os.path.getsize(path)):
            if not procfs.alive(self.process.pid, self.process.start) and not os.path.exists(path):
                with open(self.said, encoding="utf-8", errors="replace") as file:
                    raise Failed(f"the observer has ended: {file.read()[-400:].strip()}")
            if clock.monotonic() > deadline:
                raise Failed(f"the observer did not write {os.path.basename(path)} in time")
            clock.sleep(POLL)

    def read_score(self, kind: type[Score], within: int) -> Score:
        """The observer's score, once it is there. Raises Failed."""
        self.wait_for(self.score, within)
        with open(self.score, encoding="utf-8") as file:
            return verdict.from_json(kind, json.load(file))

    def latest(self) -> object:
        """Its last whole sample."""
        with open(self.samples, encoding="ascii") as file:
            lines = [line for line in file if line.endswith("\n")]
        return json.loads(lines[-1])


def observe(kind: Callable[..., Any], watch: Callable[[Any], object]) -> None:
    """All that an observer's process does: reads its spec, a file with one JSON object, watches, writes the score."""
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = kind(**json.load(file))
    write(spec.score, verdict.to_json(watch(spec)))


def write(path: str, data: object) -> None:
    """A file that is there as a whole or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)
