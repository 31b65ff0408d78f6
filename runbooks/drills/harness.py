"""A drill from beginning to end: clear away what earlier ones left, break the lab, let somebody play, score, clear up."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Callable
from typing import Any, cast

from incidents.errors import Failed, NotFound
from runbooks.drills import janitor
from runbooks.drills.base import Fault, Lab, Scenario
from runbooks.process import crash_point

USUAL = "disk-full"
HOLD = 1_500_000  # µs for which a cure must hold

Play = Callable[[Any], int]  # gets the scenario's lab


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What came of a drill: the scenario's score from outside (`cured`, `reasons` and more), what the player's program
    returned, what could not be cleared."""

    score: Any
    exit: int
    left: tuple[str, ...]


def scenarios() -> tuple[str, ...]:
    """The scenarios there are: each folder here with a `scene.py`."""
    here = os.path.dirname(os.path.abspath(__file__))
    found = [entry.name for entry in os.scandir(here) if os.path.exists(os.path.join(entry.path, "scene.py"))]
    return tuple(sorted(name.replace("_", "-") for name in found))


def scene(scenario: str) -> Scenario:
    """The scenario of that name (`disk-full`). Raises NotFound."""
    if scenario not in scenarios():
        raise NotFound(f"there is no drill {scenario!r}", hint="there are " + ", ".join(scenarios()))
    return cast(Scenario, importlib.import_module(f"{_package(scenario)}.scene"))


def load(fault: str, scenario: str = USUAL) -> Fault:
    """The fault of that name (`deleted-open`). Raises NotFound."""
    if fault not in names(scenario):
        raise NotFound(f"there is no fault {fault!r}", hint="there are " + ", ".join(names(scenario)))
    return cast(Fault, importlib.import_module(f"{_package(scenario)}.{fault.replace('-', '_')}"))


def names(scenario: str = USUAL) -> tuple[str, ...]:
    """The faults there are: each file of the scenario that defines `inject`. They are read, not imported."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), scenario.replace("-", "_"))
    found = []
    for entry in os.scandir(folder):
        if entry.name.endswith(".py") and entry.is_file():
            with open(entry.path, encoding="utf-8") as file:
                if any(line.startswith("def inject(") for line in file):
                    found.append(entry.name.removesuffix(".py").replace("_", "-"))
    return tuple(sorted(found))


def drill(
    fault: str, play: Play, *, scenario: str = USUAL, folder: str | None = None, ledgers: str | None = None,
    hold: int = HOLD, say: Callable[[str], None] = lambda text: None, **options: Any,
) -> Result:  # fmt: skip
    """Breaks a lab of `scenario` with `fault`, lets `play` cure it, and returns how that looked from outside.

    `folder`: where the lab is made ($TMPDIR); `ledgers`: where the janitor keeps its ledgers; `options` are the
    scenario's own. `play` gets the lab and calls `lab.seen()` when it sees or declares the trouble, and
    `lab.plays(run_dir)` before it starts a run. Whatever happens, everything is taken back. Raises Failed where the lab
    cannot be built or would not break, NotFound for an unknown fault.
    """
    stage, module = scene(scenario), load(fault, scenario)
    for text in janitor.cleanup(ledgers).removed:
        say(f"left by an earlier drill, cleared away: {text}")
    ledger = janitor.Ledger(ledgers)
    try:
        lab: Lab = stage.make(folder, ledger, module, **options)
        lab.up()
        say(lab.what)
        watch = stage.begin(lab, hold)
        stage.broken(lab, watch, module.inject(lab))
        say(f"broken: {module.SUMMARY}")
        crash_point("drill-playing")
        exit = play(lab)
        crash_point("drill-played")
        found = stage.end(lab, watch, module, hold)
    finally:
        left = ledger.close().left
    return Result(found, exit, tuple(left))


def able(scenario: str, folder: str) -> None:
    """Raises Failed where the scenario's lab cannot be made below `folder`, with what is missing."""
    stage = scene(scenario)
    can, why = stage.able(folder)
    if not can:
        raise Failed(f"no lab can be made here: {why}", hint=getattr(stage, "NEEDS", "as root, on Linux"))


def _package(scenario: str) -> str:
    return f"runbooks.drills.{scenario.replace('-', '_')}"
