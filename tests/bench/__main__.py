"""`python -m tests.bench [NAME…]`: every bench, or those named (run, cli, store, oncall…); exits 0 when every figure is met.

Each figure is a ratio of things measured in turn, so that it can be repeated on a busy machine; a quiet one gives
less spread. docs/benchmarks.md says what is measured and what was found.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys

from tests.bench import measure
from tests.bench.measure import Figure


def names() -> list[str]:
    """Each file `bench_NAME.py` is a bench."""
    here = os.path.dirname(os.path.abspath(__file__))
    files = [os.path.splitext(file)[0] for file in os.listdir(here) if file.endswith(".py")]
    return sorted(file.removeprefix("bench_") for file in files if file.startswith("bench_"))


def main(wanted: list[str]) -> int:
    known = names()
    if strange := [name for name in wanted if name not in known]:
        print(f"there is no bench {strange[0]}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    measure.compile_all()
    found: list[Figure] = []
    with measure.scratch() as folder:
        print(measure.about_the_machine(folder))
        for name in wanted or known:
            found += _figures(name, folder)
        print(f"\nafterwards: {measure.about_the_machine(folder)}\n")
    for figure in found:
        print(figure)
    return 0 if all(figure.met is not False for figure in found) else 1


def _figures(name: str, folder: str) -> list[Figure]:
    below = os.path.join(folder, name)
    os.mkdir(below)
    bench = importlib.import_module(f"tests.bench.bench_{name}")
    if hasattr(bench, "figures"):
        found: list[Figure] = bench.figures(below)
        return found
    assert bench.__file__ is not None
    return _of_a_script(name, bench.__file__, below)


def _of_a_script(name: str, path: str, folder: str) -> list[Figure]:
    """A bench that is a program: it prints a line a figure, which ends in `ok` or `MISSED`, and exits 0 or 1."""
    print(flush=True)
    child = subprocess.Popen(
        [sys.executable, path, folder], env=measure.environment(), stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    found = []
    for line in child.stdout:
        print(line, end="", flush=True)
        words = line.split()
        if words and words[-1] in ("ok", "MISSED"):
            found.append(_figure_of(line, met=words[-1] == "ok"))
    if child.wait() != (0 if all(figure.met for figure in found) else 1) or not found:
        found.append(Figure(f"{name}: the bench itself", "", f"ended with {child.returncode}", False))
    return found


def _figure_of(line: str, *, met: bool) -> Figure:
    """`NAME   raw …   store …   ratio R   wanted W   ok`, or `NAME: WORDS   ok`."""
    if numbers := re.search(r"ratio +([0-9.]+) +wanted +([0-9.]+)", line):
        name = re.split(r"  |: ", line.strip())[0]
        return Figure(name, f">= {numbers[2]}x raw fdatasync", f"{numbers[1]}x", met)
    name, _, words = line.strip().rpartition("  ")[0].partition(": ")
    return Figure(name, "none lost, < 1 s, luck >= 0.5", words.strip(), met)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
