"""What every test stands on: in CI nothing is skipped, the long ones begin first, and a small disk of one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

# Where most tests take seconds; what is not named here is done in the gaps, and last.
LONG = ("runbooks/drills", "crash", "laws", "runbooks/library", "stories", "docs", "runbooks")
TOGETHER = {  # on one worker: what is dear to make is made once, and what is a whole machine has no other beside it
    "tests/docs/test_examples.py": "night",
    "tests/runbooks/actions/test_sql.py": "sql",
    "tests/runbooks/test_testing.py": "books",
    "tests/runbooks/drills/test_nfs_stall.py": "machines",
    "tests/runbooks/drills/test_queue_backlog.py": "machines",
}
HERE = os.path.dirname(__file__)


def pytest_configure() -> None:
    """Under nohup, or in the background of a script, signals are ignored, and every process that a test starts
    would inherit that. What another one is played of every hour is the same for all workers."""
    os.environ.setdefault("HOWDAH_TEST_HOUR", str(int(time.time()) // 3600))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """`-n auto`: two workers a processor, for three quarters of a test is waiting for what it started."""
    cores = yield
    return cores if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") else 2 * cores


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests go to workers one by one, as each becomes free, and those of `TOGETHER` to one. The marks of xdist for that
    are without effect since pytest 9.2."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    made = LoadScopeScheduling(config, log)
    made._split_scope = lambda nodeid: TOGETHER.get(nodeid.partition("::")[0], nodeid)
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones begin first, so that at the end no worker waits for another's."""
    items.sort(key=lambda item: _place(os.path.relpath(item.path, HERE)))


def _place(path: str) -> int:
    return next((place for place, folder in enumerate(LONG) if path.startswith(folder + "/")), len(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A lab that is missing is a skip which says what it needs; in CI it is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI must have what this test needs: {reason}"
    return report


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """An ext4 filesystem of 64 MiB, mounted; needs root."""
    with tempfile.TemporaryDirectory(prefix="howdah-disk-") as folder:
        image, mount = os.path.join(folder, "image"), Path(folder, "mount")
        mount.mkdir()
        with open(image, "wb") as file:
            file.truncate(64 * 1024 * 1024)
        for command in (["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, str(mount)]):
            _need(command)
        try:
            yield mount
        finally:
            if subprocess.run(["umount", str(mount)], timeout=30).returncode:
                subprocess.run(["umount", "-l", str(mount)], check=True, timeout=30)


def _need(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        why = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        why = f"there is no {command[0]}"
    if why:
        pytest.skip(f"needs root, loop devices and mkfs.ext4: {why}")
