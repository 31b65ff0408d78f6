"""Whole commands, from the shell's side.

- `howdah --help` at most 6 times `python -c pass`
- `note` at most 11 times, in a record of 1,000,000 events in 10,000 incidents
- what the shell asks for at a TAB at most 10 times, there
- `status` and `timeline` of one incident of 100 events there, against the same in a record of 1,000 events: under
  1.5 times
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable

from tests.bench import big_store, measure
from tests.bench.measure import Cost, Figure

ROUNDS = 21
HELP_LIMIT = 6
NOTE_LIMIT = 11
TAB_LIMIT = 10
COMPLETES = ["env", "_HOWDAH_COMPLETE=bash_complete", "COMP_WORDS=howdah summary ", "COMP_CWORD=2"]
SIZE_LIMIT = 1.5
LOOKED_AT = "inc-5"  # both records have it, closed, with as many events
WORDS = "the disk of db-1 is full again"


def figures(folder: str) -> list[Figure]:
    small, big = os.path.join(folder, "small.db"), big_store.big()
    big_store.fill(small, big_store.SMALL)
    print(f"the big store: {os.path.getsize(big) / 1e6:,.0f} MB")
    return [*_starts(folder, big), *_sizes(folder, small, big)]


def _starts(folder: str, big: str) -> list[Figure]:
    found = _in_turn(
        folder,
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "howdah --help": [measure.HOWDAH, "--help"],
            "howdah note": [measure.HOWDAH, "--store", big, "note", WORDS],
            "completion": [*COMPLETES, f"HOWDAH_STORE={big}", measure.HOWDAH],
        },
    )
    measure.table("starts", found)
    bare = found["python -c pass"]
    return [
        measure.at_most("howdah --help", HELP_LIMIT, "python -c pass", found["howdah --help"], bare),
        measure.at_most(
            "howdah note, 1,000,000 events", NOTE_LIMIT, "python -c pass", found["howdah note"], bare
        ),
        measure.at_most(
            "TAB after `howdah summary`, 1,000,000 events",
            TAB_LIMIT,
            "python -c pass",
            found["completion"],
            bare,
        ),
    ]


def _sizes(folder: str, small: str, big: str) -> list[Figure]:
    asked = {"status": ["status", "--incident", LOOKED_AT], "timeline": ["timeline", LOOKED_AT]}
    commands = {
        f"{name}, {size}": [measure.HOWDAH, "--store", store, *words]
        for name, words in asked.items()
        for size, store in (("1,000 events", small), ("1,000,000", big))
    }
    found = _in_turn(folder, commands)
    measure.table("one incident in a small and in a big record", found)
    figures = []
    for name in asked:
        ratios = measure.ratios(found[f"{name}, 1,000,000"], found[f"{name}, 1,000 events"])
        ratio = statistics.median(ratios)
        measured = f"{ratio:.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
        figures.append(
            Figure(f"howdah {name}, 1,000,000 events", "< 1.5x 1,000 events", measured, ratio < SIZE_LIMIT)
        )
    return figures


def _in_turn(folder: str, commands: dict[str, list[str]]) -> dict[str, list[Cost]]:
    """Each once to warm up, then in turn."""
    actions: dict[str, Callable[[], Cost]] = {}
    for name, argv in commands.items():
        log = os.path.join(folder, "log")
        measure.run(argv, folder, log=log)
        actions[name] = _action(argv, folder)
    return measure.in_turn(ROUNDS, actions)


def _action(argv: list[str], folder: str) -> Callable[[], Cost]:
    return lambda: measure.run(argv, folder)
