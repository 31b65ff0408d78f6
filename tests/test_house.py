"""Rules of the house that no tool of its own holds."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CLOCK_CALLS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep",
    "time.clock_gettime", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
}  # fmt: skip
FORKS = {"os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp", "os.system", "os.popen"}
STARTERS = {"runbooks/process.py", "runbooks/keeper.py", "runbooks/driver.py", "runbooks/drills/base.py"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in ("incidents", "runbooks", "chatops"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def calls(tree: ast.Module) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.fixture(scope="module")
def house() -> dict[str, ast.Module]:
    return dict(modules())


def test_only_the_clock_reads_the_clock(house: dict[str, ast.Module]) -> None:
    readers = {name: found for name, tree in house.items() if (found := calls(tree) & CLOCK_CALLS)}
    assert set(readers) == {"incidents/clock.py"}, readers


def test_processes_are_started_in_their_rooms_alone(house: dict[str, ast.Module]) -> None:
    starters = {name for name, tree in house.items() if calls(tree) & FORKS}
    assert starters <= STARTERS, starters - STARTERS


def test_nothing_gives_text_to_a_shell(house: dict[str, ast.Module]) -> None:
    for name, tree in house.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert not any(word.arg == "shell" for word in node.keywords), f"{name}:{node.lineno}"


def test_no_function_is_longer_than_sixty_lines(house: dict[str, ast.Module]) -> None:
    long = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in house.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long == []


def test_every_module_says_what_it_is_for(house: dict[str, ast.Module]) -> None:
    assert [name for name, tree in house.items() if tree.body and not ast.get_docstring(tree)] == []


def test_what_is_skipped_on_a_desk_fails_in_ci(tmp_path: Path) -> None:
    (tmp_path / "test_lab.py").write_text(
        "import pytest\n\ndef test_lab():\n    pytest.skip('needs a lab')\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    for ci, code in (("", 0), ("true", 1)):
        env = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout
