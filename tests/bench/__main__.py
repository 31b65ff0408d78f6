"""`python -m tests.bench [NAME…]`: every bench, or those named (run, cli, store); exits 0 when every figure is met.

Each figure is a ratio of things measured in turn, so that it can be repeated on a busy machine; a quiet one gives
less spread. docs/benchmarks.md says what is measured and what was found.
"""

from __future__ import annotations

import importlib
import os
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
    found: list[Figure] = importlib.import_module(f"tests.bench.bench_{name}").figures(below)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
