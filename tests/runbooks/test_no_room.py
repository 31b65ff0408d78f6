"""A run whose store's disk takes nothing any more says so, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

RUNBOOK = "name: r\nsteps:\n  - {effect: read, run: 'true'}\n"


@pytest.fixture
def disk() -> Iterator[Path]:
    """A tmpfs of 24 MiB; without root a skip, in CI a failure."""
    with tempfile.TemporaryDirectory(prefix="howdah-full-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", folder]
        if subprocess.run(mount, capture_output=True, timeout=30).returncode:
            pytest.skip("cannot mount")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True, timeout=30)


def _howdah(*args: str, store: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", "import sys; from chatops.cli import main; sys.exit(main())", *args]
    return subprocess.run(
        [*words, "--store", str(store)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.mark.lab
def test_where_the_driver_cannot_even_log_its_viewer_is_told_that_the_disk_is_full(
    disk: Path, tmp_path: Path
) -> None:
    store, runbook = disk / "store.db", tmp_path / "r.yaml"
    runbook.write_text(RUNBOOK)
    assert _howdah("declare", "x", store=store).returncode == 0
    _fill(disk / "fill")
    answer = _howdah("run", str(runbook), store=store)
    assert (answer.returncode, "is full" in answer.stdout + answer.stderr) == (5, True), answer
    assert os.listdir(f"{store}.runs") == []
    assert "whole" in _howdah("verify", store=store).stdout


def test_where_no_folder_can_be_made_for_the_run_it_is_refused_and_nothing_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from incidents.errors import NotDurable
    from incidents.store import place
    from runbooks import driver

    def no_room(path: str, modes: place.Modes) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(place, "make_folder", no_room)
    with pytest.raises(NotDurable, match="no run can begin there"):
        driver.make_run_dir(str(tmp_path / "store.db"), "run-7hthpf")


def test_a_run_from_a_folder_that_was_deleted_is_refused(tmp_path: Path) -> None:
    runbook, gone = tmp_path / "r.yaml", tmp_path / "gone"
    runbook.write_text(RUNBOOK)
    gone.mkdir()
    code = "import os, sys; from chatops.cli import main; os.rmdir(os.getcwd()); sys.exit(main())"
    answer = subprocess.run(
        [sys.executable, "-c", code, "run", str(runbook), "--store", str(tmp_path / "s.db")],
        cwd=gone, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (answer.returncode, "was deleted" in answer.stderr) == (2, True), answer
