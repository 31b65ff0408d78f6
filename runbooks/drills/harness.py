"""A drill from beginning to end: clear away what earlier ones left, break the lab, let somebody play, score, clear up."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
from collections.abc import Callable
from typing import NamedTuple, cast

from incidents import clock
from incidents.errors import Failed, NotFound
from runbooks import procfs
from runbooks.drills import janitor, observer, score
from runbooks.drills.base import Fault
from runbooks.drills.disk_full.lab import SIZE, Lab
from runbooks.drills.score import Score
from runbooks.process import crash_point
from runbooks.procfs import Process

FAULTS = "runbooks.drills.disk_full"
EVERY = 60_000  # µs between two looks of the observer
HOLD = 1_500_000  # µs for which a cure must hold
NEED_INODES = 100
LOOKS_WITHIN = 20 * clock.SECOND
POLL = 10_000
SCORE_WITHIN = 120 * clock.SECOND  # after the hold: reading everything back

Play = Callable[[Lab], int]


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What came of a drill: the score from outside, what the player's program returned, what could not be cleared."""

    score: Score
    exit: int
    left: tuple[str, ...]


def load(fault: str) -> Fault:
    """The fault of that name (`deleted-open`). Raises NotFound."""
    if fault not in names():
        raise NotFound(f"there is no fault {fault!r}", hint="there are " + ", ".join(names()))
    return cast(Fault, importlib.import_module(f"{FAULTS}.{fault.replace('-', '_')}"))


def names() -> tuple[str, ...]:
    """The faults there are: each file of the scenario that defines `inject`. They are read, not imported."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "disk_full")
    found = []
    for entry in os.scandir(folder):
        if entry.name.endswith(".py") and entry.is_file():
            with open(entry.path, encoding="utf-8") as file:
                if any(line.startswith("def inject(") for line in file):
                    found.append(entry.name.removesuffix(".py").replace("_", "-"))
    return tuple(sorted(found))


def drill(
    fault: str, play: Play, *, folder: str | None = None, ledgers: str | None = None, hold: int = HOLD,
    say: Callable[[str], None] = lambda text: None,
) -> Result:  # fmt: skip
    """Breaks a lab with `fault`, lets `play` cure it, and returns how that looked from outside.

    `folder`: where the lab is made ($TMPDIR); `ledgers`: where the janitor keeps its ledgers. `play` gets the lab and
    calls `lab.seen()` when it sees or declares the trouble, and `lab.plays(run_dir)` before it starts a run. Whatever happens, everything is taken back. Raises Failed
    where the lab cannot be built or would not break, NotFound for an unknown fault.
    """
    module = load(fault)
    for text in janitor.cleanup(ledgers).removed:
        say(f"left by an earlier drill, cleared away: {text}")
    ledger = janitor.Ledger(ledgers)
    lab = Lab(folder, ledger, size=getattr(module, "LAB_SIZE", SIZE))
    try:
        lab.up()
        say(f"{lab.mount}: {lab.size >> 20} MiB, and a service that writes into it")
        watch = _observe(lab, hold)
        culprit = module.inject(lab)
        _write(watch.spec.fault, [culprit.pid, culprit.start])
        _wait_seen_full(watch)
        say(f"broken: {module.SUMMARY}")
        crash_point("drill-playing")
        exit = play(lab)
        crash_point("drill-played")
        found = _score(lab, watch, getattr(module, "JUDGE", None))
    finally:
        left = ledger.close().left
    return Result(found, exit, tuple(left))


class Watch(NamedTuple):
    """The observer that runs, and the files through which it is spoken to."""

    spec: observer.Spec
    process: Process
    said: str  # its output

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


def _observe(lab: Lab, hold: int) -> Watch:
    """Starts the observer and returns once it looks."""
    outside = {name: os.path.join(lab.folder, name) for name in ("fault", "samples", "stop", "score")}
    writer = lab.writer
    spec = observer.Spec(
        mount=lab.mount, probe=lab.probe, data=lab.data, acks=lab.acks, writer=(writer.pid, writer.start),
        need=lab.need, need_inodes=NEED_INODES, every=EVERY, hold=hold, **outside,
    )  # fmt: skip
    path = os.path.join(lab.folder, "watch")
    _write(path, dataclasses.asdict(spec))
    process = lab.start("observer", "runbooks.drills.observer", path)
    watch = Watch(spec, process, os.path.join(lab.folder, "observer.out"))
    watch.wait_for(spec.samples, LOOKS_WITHIN)
    return watch


def _wait_seen_full(watch: Watch) -> None:
    """The drill begins when the observer, too, has seen that an ordinary user cannot write."""
    deadline = clock.monotonic() + LOOKS_WITHIN
    while clock.monotonic() < deadline:
        with open(watch.spec.samples, encoding="ascii") as file:
            lines = [line for line in file if line.endswith("\n")]
        if score.Sample(*json.loads(lines[-1])).probe:
            return
        clock.sleep(POLL)
    raise Failed("an ordinary user can still write: it did not break")


def _score(lab: Lab, watch: Watch, judge: str | None) -> Score:
    """Stops the observer and reads its score. `judge`: a module that looks at what only this fault's lab has."""
    _write(watch.spec.stop, {"detected_at": lab.seen_at, "judge": judge, "facts": lab.facts})
    watch.wait_for(watch.spec.score, watch.spec.hold + SCORE_WITHIN)
    with open(watch.spec.score, encoding="utf-8") as file:
        return score.from_json(json.load(file))


def _write(path: str, data: object) -> None:
    """A file that is there as a whole or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(data, file)
    os.rename(path + ".new", path)
