"""The whole thing from outside: `howdah drill disk-full` breaks a disk, the runbook cures it, the observer agrees."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import subprocess
import sys

import pytest

from incidents import clock
from runbooks import procfs
from runbooks.drills import harness, janitor
from runbooks.drills.disk_full.lab import Lab

from .conftest import Place, remains

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")


def surroundings(place: Place) -> dict[str, str]:
    """Store, ledgers and labs in the test's own folder."""
    state = os.path.join(place.folder, "state")
    return {
        **os.environ, "TMPDIR": place.folder, "XDG_STATE_HOME": state,
        "HOWDAH_STORE": os.path.join(place.folder, "store", "record.db"),
    }  # fmt: skip


def howdah(place: Place, *words: str, exit: int = 0, timeout: int = 120) -> dict[str, object]:
    os.makedirs(os.path.join(place.folder, "store"), exist_ok=True)
    done = subprocess.run(
        [HOWDAH, *words, "--json"], env=surroundings(place), capture_output=True, text=True, timeout=timeout, check=False
    )  # fmt: skip
    assert done.returncode == exit, done.stdout + done.stderr
    _, many, document = ("\n" + done.stdout).rpartition("\n{\n")  # what streams has an event a line before it
    found = json.loads("{" + document) if many else json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.lab
@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize("fault", harness.names())
def test_the_runbook_cures_the_fault_and_loses_nothing(place: Place, fault: str) -> None:
    result = howdah(place, "drill", "disk-full", "--auto", "--fault", fault)["result"]
    assert isinstance(result, dict)
    assert result["cured"] is True and result["reasons"] == []
    assert result["lost_bytes"] == 0 and result["acknowledged_bytes"] > 0
    assert result["exit"] == 0 and result["left"] == []
    assert 0 <= result["detected"] <= result["mitigated"] <= result["recovered"]
    assert remains(place) == []


@pytest.mark.lab
def test_undo_brings_the_moved_files_back_and_lets_the_paused_process_go_on(place: Place) -> None:
    ledger = janitor.Ledger(place.ledgers)
    lab = Lab(place.folder, ledger, size=16 << 20)
    try:
        lab.mount_up()
        folder = lab.make_folder()
        process = lab.start("runaway", "runbooks.drills.disk_full.runaway", folder)
        deadline = clock.monotonic() + 60 * clock.SECOND
        while os.statvfs(lab.mount).f_bavail and clock.monotonic() < deadline:
            clock.sleep(10_000)
        given = {"mount": lab.mount, "want": "4MiB", "spill": lab.spill, "sample": "100ms"}
        inputs = [word for name, value in given.items() for word in ("-i", f"{name}={value}")]
        howdah(place, "run", "disk-full", *inputs, "--yes", "pause", "--yes", "move_files")
        moved = len(os.listdir(folder))
        assert procfs.state(process.pid) == "T"
        (run,) = os.listdir(surroundings(place)["HOWDAH_STORE"] + ".runs")
        howdah(place, "undo", run)
        deadline = clock.monotonic() + 60 * clock.SECOND
        while procfs.state(process.pid) == "T" and clock.monotonic() < deadline:
            clock.sleep(10_000)
        assert procfs.state(process.pid) != "T"
        assert len(os.listdir(folder)) > moved
    finally:
        assert ledger.close().left == []


@pytest.mark.lab
@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize("fault", harness.names())
def test_a_drill_killed_while_its_run_goes_on_leaves_neither_driver_nor_keeper(
    place: Place, fault: str
) -> None:
    env = surroundings(place)
    os.makedirs(os.path.dirname(env["HOWDAH_STORE"]))
    runs = env["HOWDAH_STORE"] + ".runs"
    with open(os.path.join(place.folder, "said"), "w+", encoding="utf-8") as said:
        drill = subprocess.Popen(
            [HOWDAH, "drill", "disk-full", "--auto", "--fault", fault], env=env, stdout=said, stderr=said
        )
        try:
            while not (begun := step_runs(runs)) and drill.poll() is None:
                clock.sleep(5_000)
        finally:
            drill.kill()
            drill.wait(60)
        said.seek(0)
        assert begun, said.read()
    swept = howdah(place, "drill", "cleanup")
    assert swept["left"] == []
    removed = " ".join(map(str, swept["removed"] if isinstance(swept["removed"], list) else ()))
    for role in ("driver", "keeper", "writer", "observer", "mount", "folder"):
        assert role in removed
    assert in_folder(runs) == []
    assert remains(place) == []


def step_runs(folder: str) -> bool:
    """Has a keeper begun a step, so that driver and keeper are there, too?"""
    for path in glob.glob(f"{folder}/*/*.try"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if file.read(7) == b"running":
                return True
    return False


def in_folder(folder: str) -> list[int]:
    """Who holds something open below the folder, this process aside."""
    return [
        process.pid
        for process in procfs.table().values()
        if process.pid != os.getpid() and process.runs and any(link.startswith(folder + "/") for link in links(process.pid))
    ]  # fmt: skip


def links(pid: int) -> list[str]:
    found = []
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    except OSError:
        pass
    return found


def test_the_ledgers_have_one_place_for_each_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/some/state")
    assert janitor.default_folder() == "/some/state/howdah/drills"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert janitor.default_folder() == "/home/somebody/.local/state/howdah/drills"
