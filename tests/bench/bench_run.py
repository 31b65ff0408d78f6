"""100 steps of `run: "true"`, whole process, against a loop of 100 `bash -c true` and against other tools.

- at most 3.0 times the loop, both in the locale that a step has; in a round before which raw fdatasync was under
  1,000/s, 200 of them may come on top
  (each step is two durable records: its intent, and its outcome together with the next intent)
- faster than pyinfra, ansible-core `raw` and DBOS on SQLite, each measured in turn with howdah

Before anything is timed each tool runs the same 100 steps with a command that leaves a mark, and the marks are
counted: a tool that did not run its steps is not measured.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable

from tests.bench import measure, peers
from tests.bench.measure import Cost, Figure
from tests.bench.peers import STEPS, Peer

LIMIT = 3.0
PAIRS = 21
PEER_ROUNDS = 7
SLOW_DISK = 1000  # raw fdatasyncs per second; below, SYNCS of them are allowed on top
SYNCS = 200
MARK = "echo >>marks"
LOOP = f"for ((i = 0; i < {STEPS}; i++)); do bash -c true; done"


class Bench:
    """Howdah and the loop in one folder; the store is there before, as on a machine that has had incidents."""

    def __init__(self, folder: str):
        self.folder = folder
        self.log = os.path.join(folder, "log")
        self.rates: list[float] = []
        self._runbook(MARK, "marks.yaml")
        self._runbook("true", "hundred.yaml")

    def _runbook(self, command: str, name: str) -> None:
        step = f'  - run: "{command}"\n    timeout: 10s\n'
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write("name: hundred\nsteps:\n" + step * STEPS)

    def howdah(self, name: str = "hundred.yaml", store: str = "store.db") -> Cost:
        self.rates.append(measure.raw_rate(self.folder))
        argv = [measure.HOWDAH, "--store", os.path.join(self.folder, store), "run", f"./{name}"]
        return measure.run(argv, self.folder, log=self.log)

    def loop(self, locale: str = "C.UTF-8") -> Cost:
        env = measure.environment(LANG=locale)
        return measure.run(["/bin/bash", "-c", LOOP], self.folder, env=env)

    def loop_without_locale(self) -> Cost:
        return self.loop("C")

    def check_marks(self, who: str) -> None:
        """Raises RuntimeError where a tool did not run its steps."""
        path = os.path.join(self.folder, "marks")
        count = 0
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                count = len(file.readlines())
            os.unlink(path)
        if count != STEPS:
            raise RuntimeError(f"{who} ran {count} of {STEPS} steps; see {self.log}")


def figures(folder: str) -> list[Figure]:
    bench = Bench(folder)
    lint = [measure.HOWDAH, "runbook", "lint", "./hundred.yaml"]
    measure.run(lint, folder, log=bench.log)
    bench.howdah("marks.yaml")
    bench.check_marks("howdah")
    bench.howdah()
    bench.loop()
    return [_against_bash(bench), *_beside(bench)]


def _against_bash(bench: Bench) -> Figure:
    bench.rates.clear()
    actions: dict[str, Callable[[], Cost]] = {
        "howdah run": bench.howdah,
        "bash loop, LANG=C.UTF-8 as a step has it": bench.loop,
        "bash loop, LANG=C (for comparison)": bench.loop_without_locale,
    }
    found = measure.in_turn(PAIRS, actions)
    measure.table(f"{STEPS} steps `true`, whole process", found)
    ours, theirs, bare = (found[name] for name in actions)
    rates = bench.rates
    slow = sum(rate < SLOW_DISK for rate in rates)
    less = [cost._replace(wall=cost.wall - _allowed(rate)) for cost, rate in zip(ours, rates, strict=True)]
    ratio = statistics.median(measure.ratios(less, theirs))
    cpu = statistics.median(cost.cpu for cost in ours) / statistics.median(cost.cpu for cost in theirs)
    print(f"  min / median / max of the ratios: {_spread(measure.ratios(ours, theirs))};", end=" ")
    print(f"to the loop in C: {_spread(measure.ratios(ours, bare))}; CPU of all processes: {cpu:.2f}")
    print(
        f"  raw fdatasync per second: {_spread(rates, ',.0f')}; under {SLOW_DISK:,} in {slow} rounds,",
        end=" ",
    )
    print(f"where {SYNCS} of them may come on top: median ratio {ratio:.2f}")
    measured = f"{ratio:.2f}x (fastest to fastest {measure.of_minima(ours, theirs):.2f}x)"
    return Figure(f"{STEPS} steps against a loop of bash", f"<= {LIMIT:g}x bash", measured, ratio <= LIMIT)


def _allowed(rate: float) -> float:
    """Seconds that a round may take longer, of the disk's own speed at that moment."""
    return SYNCS / rate if rate < SLOW_DISK else 0.0


def _spread(found: list[float], form: str = ".2f") -> str:
    return " / ".join(format(one, form) for one in (min(found), statistics.median(found), max(found)))


def _beside(bench: Bench) -> list[Figure]:
    actions: dict[str, Callable[[], Cost]] = {"howdah run": bench.howdah}
    missing = []
    for peer in peers.ALL:
        try:
            actions[peer.label] = _ready(bench, peer)
        except RuntimeError as why:
            print(f"skipped: {peer.label}: {why}", flush=True)
            missing.append(Figure(f"100 steps beside {peer.label}", "quicker", "not measured", None))
    found = measure.in_turn(PEER_ROUNDS, actions)
    measure.table(f"{STEPS} steps beside other tools", found)
    return [*(_quicker(name, found) for name in found if name != "howdah run"), *missing]


def _ready(bench: Bench, peer: Peer) -> Callable[[], Cost]:
    """The peer, installed, and seen to run its steps. Raises RuntimeError."""
    binaries = peers.install(peer)
    peer.write(bench.folder, MARK)
    peer.run(binaries, bench.folder, bench.log)
    bench.check_marks(peer.label)
    peer.write(bench.folder, "true")
    peer.run(binaries, bench.folder, bench.log)
    return lambda: peer.run(binaries, bench.folder, bench.log)


def _quicker(name: str, found: dict[str, list[Cost]]) -> Figure:
    ratio = statistics.median(measure.ratios(found["howdah run"], found[name]))
    return Figure(f"100 steps beside {name}", "quicker: < 1x", f"{ratio:.2f}x of its time", ratio < 1)
