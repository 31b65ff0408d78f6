"""The scenario queue-backlog: how its lab is watched, when it counts as broken, what its score is."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

from incidents import clock
from incidents.errors import Failed
from runbooks.drills import watching
from runbooks.drills.janitor import Ledger
from runbooks.drills.queue_backlog import lab, observer, score
from runbooks.drills.queue_backlog.lab import BUDGET, JOBS, Lab
from runbooks.drills.queue_backlog.score import Sample
from runbooks.drills.watching import Watch
from runbooks.procfs import Process

SUMMARY = "Jobs pile up in the queues of a real Sidekiq, and not one may be lost or done twice."
NEEDS = "on Debian: apt-get install redis-server ruby-sidekiq"
EVERY = 250_000  # µs between two looks of the observer
LEAST = 3 * clock.SECOND  # for which a cure must hold: a queue's rate cannot be told sooner
LOOKS_WITHIN = 20 * clock.SECOND
BREAKS_WITHIN = 60 * clock.SECOND
SCORE_WITHIN = 120 * clock.SECOND

sentence = score.sentence


def able(folder: str) -> tuple[bool, str]:
    """Are Redis and Sidekiq here, and may an ordinary user come to the folder?"""
    try:
        lab.programs()
        lab.let_in(os.path.realpath(folder))
    except Failed as error:
        return False, str(error)
    return True, ""


def usual() -> str:
    return "too-few-workers"


def make(folder: str | None, ledger: Ledger, fault: Any, *, jobs: int = JOBS, drain: bool = False) -> Lab:
    """A lab with so many jobs; `drain`: the observer waits until they are all done."""
    return Lab(folder, ledger, jobs=jobs, drain=drain)


def begin(made: Lab, hold: int) -> Watch:
    """Starts the observer and returns once it looks."""
    names = {name: os.path.join(made.folder, name) for name in ("samples", "stop", "score")}
    spec = observer.Spec(
        app=made.app, socket=made.socket, every=EVERY, hold=max(hold, LEAST), drain=made.drain, threads=BUDGET, **names,
    )  # fmt: skip
    path = os.path.join(made.folder, "watch")
    watching.write(path, dataclasses.asdict(spec))
    process = made.start("observer", "runbooks.drills.queue_backlog.observer", path)
    watch = Watch(
        process, names["samples"], names["stop"], names["score"], os.path.join(made.folder, "observer.out")
    )
    watch.wait_for(watch.samples, LOOKS_WITHIN)
    return watch


def broken(made: Lab, watch: Watch, culprit: Process) -> None:
    """Returns when the observer, too, has seen for a while that a queue will not be empty in time. Raises Failed."""
    began = clock.monotonic()
    while clock.monotonic() < began + BREAKS_WITHIN:
        samples = _samples(watch, began)
        if samples and samples[-1].at - samples[0].at >= score.SPAN:
            if score.stands_still(samples[0], samples[-1], made.within * clock.SECOND):
                made.broken_at = samples[-1].at
                return
            began = samples[0].at + EVERY
        clock.sleep(EVERY)
    raise Failed("the queues drain in time: it did not break")


def _samples(watch: Watch, since: int) -> list[Sample]:
    with open(watch.samples, encoding="ascii") as file:
        found = [Sample(*json.loads(line)) for line in file if line.endswith("\n")]
    return [sample for sample in found if sample.at >= since]


def end(made: Lab, watch: Watch, fault: Any, hold: int) -> score.Score:
    """Stops the observer and reads its score."""
    told = {
        "broken_at": made.broken_at, "detected_at": made.seen_at, "flight": made.flight, "aside": made.aside,
        "within": made.within * clock.SECOND,
    }  # fmt: skip
    watching.write(watch.stop, told)
    longest = max(hold, LEAST) + SCORE_WITHIN + (observer.DRAIN if made.drain else 0)
    return watch.read_score(score.Score, longest)
