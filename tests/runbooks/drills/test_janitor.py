"""Whatever a kill leaves behind, the next look at the ledger takes it back, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from incidents import clock
from runbooks import procfs
from runbooks.drills import ending, janitor
from runbooks.drills.disk_full.lab import Lab

from .conftest import Place, remains

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DEAD = f"dead{os.getpid()}"  # a drill; who clears it away ends all that carry its name, on the whole machine
DRILL = """
import sys
from incidents import clock
from runbooks.drills import harness
harness.drill(sys.argv[1], lambda lab: clock.sleep(60_000_000) or 0, folder=sys.argv[2], ledgers=sys.argv[3], hold=1)
"""


@contextlib.contextmanager
def sleeper(**env: str) -> Iterator[procfs.Process]:
    child = subprocess.Popen(["sleep", "600"], env={**os.environ, **env}, start_new_session=True)
    try:
        process = procfs.look(child.pid)
        assert process is not None
        marks = [f"{name}={value}".encode() for name, value in env.items()]
        while marks and not procfs.carries(process, marks):  # the kernel shows it a moment after exec
            clock.sleep(1_000)
        yield process
    finally:
        child.kill()
        child.wait()


def dead_ledger(place: Place, *lines: dict[str, object]) -> str:
    """The ledger of a drill whose owner has ended."""
    with sleeper() as owner:
        pass
    os.makedirs(place.ledgers, exist_ok=True)
    path = os.path.join(place.ledgers, f"{DEAD}.jsonl")
    first = {"what": "owner", "pid": owner.pid, "start": owner.start, "boot": clock.boot_id()}
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in (first, *lines))
    return path


def of_drill(drill: str) -> list[procfs.Process]:
    token = f"{ending.TOKEN}={drill}".encode()
    return [p for p in procfs.table().values() if p.runs and procfs.carries(p, [token])]


# The lines of a drill: 1 owner, 2 folder, 3 loop, 4 mount, 5 starting writer, 6 writer, 7 starting observer,
# 8 observer, 9 starting runaway, 10 runaway.
@pytest.mark.lab
@pytest.mark.parametrize(
    ("point", "processes"),
    [
        *((f"drill-after-line:{n}", 0) for n in (1, 2, 3, 4, 5)),
        *((f"drill-before-line:{n}", started) for n, started in ((3, 0), (5, 0), (6, 1), (8, 2), (10, 3))),
        ("drill-playing", 3),
    ],
)
def test_a_drill_killed_at_any_point_is_cleared_away_by_the_next_look(
    place: Place, point: str, processes: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRILL, "runaway", place.folder, place.ledgers],
        env={**os.environ, "HOWDAH_TEST_KILL": point}, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    (ledger,) = os.listdir(place.ledgers)
    drill = ledger.removesuffix(".jsonl")
    if "before" not in point:
        assert len(of_drill(drill)) == processes, "what the drill started outlives it"
    swept = janitor.cleanup(place.ledgers)
    assert swept.left == []
    assert sum(text.startswith("process ") for text in swept.removed) == processes
    assert of_drill(drill) == []
    assert remains(place) == []
    assert janitor.cleanup(place.ledgers) == ending.Swept(), "a second look finds nothing"


@pytest.mark.lab
def test_a_drill_that_lives_is_not_touched(place: Place) -> None:
    ledger = janitor.Ledger(place.ledgers)
    lab = Lab(place.folder, ledger, size=4 << 20)
    lab.mount_up()
    assert janitor.cleanup(place.ledgers) == ending.Swept()
    assert os.path.ismount(lab.mount)
    assert ledger.close().left == []


@pytest.mark.lab
def test_a_mount_that_somebody_uses_is_taken_from_under_them_and_they_are_named(place: Place) -> None:
    ledger = janitor.Ledger(place.ledgers)
    lab = Lab(place.folder, ledger, size=4 << 20)
    lab.mount_up()
    with open(os.path.join(lab.mount, "in use"), "w", encoding="utf-8"):
        swept = ledger.close()
        mounts = [text for text in swept.removed if text.startswith("mount ")]
        assert f"{os.getpid()} (" in mounts[0]
        assert "somebody still uses it" in swept.left[0], "the loop device stays until they let go"
        assert lab.mount not in janitor.mounts()
    assert janitor.cleanup(place.ledgers).left == [], "this process lives, so the drill is not dead"
    assert janitor.sweep(ledger.path).left == []


@pytest.mark.lab
def test_a_process_in_the_kernel_is_named_and_ended_once_it_can_be(place: Place) -> None:
    """fsfreeze puts a writer to sleep where no signal reaches it."""
    lab_ledger = janitor.Ledger(place.ledgers)
    lab = Lab(place.folder, lab_ledger, size=4 << 20)
    lab.mount_up()
    subprocess.run(["fsfreeze", "-f", lab.mount], check=True, timeout=20)
    try:
        child = subprocess.Popen(["dd", "if=/dev/zero", f"of={lab.mount}/x", "count=1", "status=none"])
        stuck = procfs.look(child.pid)
        assert stuck is not None
        deadline = clock.monotonic() + 20 * clock.SECOND
        while procfs.state(child.pid) != "D" and clock.monotonic() < deadline:
            clock.sleep(5_000)
        path = dead_ledger(
            place, {"what": "process", "role": "writer", "pid": stuck.pid, "start": stuck.start}
        )
        (left,) = janitor.cleanup(place.ledgers).left
        assert f"process {child.pid} (writer: dd) is in state D" in left
        assert os.path.exists(path), "what is left is looked for again"
    finally:
        subprocess.run(["fsfreeze", "-u", lab.mount], check=True, timeout=20)
    child.wait(20)
    assert janitor.cleanup(place.ledgers).left == []
    assert not os.path.exists(path)
    assert lab_ledger.close().left == []


@pytest.fixture
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = str(tmp_path_factory.mktemp("drills"))
    return Place(folder, os.path.join(folder, "ledgers"))


def test_a_pid_that_somebody_else_has_by_now_is_not_signalled(ledgers: Place) -> None:
    with sleeper() as other:
        path = dead_ledger(
            ledgers, {"what": "process", "role": "writer", "pid": other.pid, "start": other.start - 1}
        )
        assert janitor.cleanup(ledgers.ledgers) == ending.Swept()
        assert procfs.alive(other.pid, other.start)
    assert not os.path.exists(path)


def test_listed_and_marked_processes_end_with_all_their_children(ledgers: Place) -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '600']); print('ready', flush=True); time.sleep(600)"
    with (
        sleeper() as listed,
        sleeper(**{ending.TOKEN: DEAD}),
        sleeper(**{ending.TOKEN: "other"}) as spared,
    ):
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
        start = procfs.start_time(parent.pid)
        lines = [
            {"what": "process", "role": "writer", "pid": listed.pid, "start": listed.start},
            {"what": "process", "role": "driver", "pid": parent.pid, "start": start},
        ]
        dead_ledger(ledgers, *lines)
        swept = janitor.cleanup(ledgers.ledgers)
        assert swept.left == []
        assert len(swept.removed) == 4
        assert "(driver: " in swept.removed[0], "who could start something new goes first"
        assert of_drill(DEAD) == []
        assert procfs.alive(spared.pid, spared.start)
        parent.stdout.close()
        parent.wait()


def test_the_driver_keeper_and_step_of_a_run_are_found_by_what_they_hold_of_it(ledgers: Place) -> None:
    run = os.path.join(ledgers.folder, "store.runs", "run-x")
    os.makedirs(run)
    code = (
        "import os, sys, time; os.open(sys.argv[1], os.O_RDONLY); print('ready', flush=True); time.sleep(600)"
    )
    held = {"driver": "driver.lock", "keeper": "", "step": "7.try", "viewer": "7.out.0"}
    processes = {}
    for role, name in held.items():
        path = os.path.join(run, name)
        if name:
            open(path, "w", encoding="utf-8").close()
        processes[role] = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    try:
        for process in processes.values():
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        dead_ledger(ledgers, {"what": "run", "folder": run})
        removed = janitor.cleanup(ledgers.ledgers).removed
        assert [text.split("(")[1].split(":")[0] for text in removed] == ["driver", "keeper", "step"]
        assert processes["viewer"].poll() is None, "whoever only looks is not of the run"
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_after_a_new_boot_only_folders_are_taken_back(ledgers: Place) -> None:
    folder = os.path.join(ledgers.folder, janitor.PREFIX + DEAD)
    os.mkdir(folder)
    with sleeper() as innocent:
        path = dead_ledger(
            ledgers,
            {"what": "folder", "path": folder},
            {"what": "process", "role": "writer", "pid": innocent.pid, "start": innocent.start},
        )
        with open(path, encoding="utf-8") as file:
            text = file.read().replace(clock.boot_id(), "another boot")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        assert janitor.cleanup(ledgers.ledgers).removed == [f"folder {folder}"]
        assert procfs.alive(innocent.pid, innocent.start)


def test_a_folder_that_is_no_drills_stays(ledgers: Place) -> None:
    precious = os.path.join(ledgers.folder, "precious")
    link = os.path.join(ledgers.folder, janitor.PREFIX + "link")
    os.mkdir(precious)
    os.symlink(precious, link)
    dead_ledger(ledgers, {"what": "folder", "path": precious}, {"what": "folder", "path": link})
    assert len(janitor.cleanup(ledgers.ledgers).left) == 2
    assert os.path.isdir(precious)


def test_a_torn_last_line_was_never_acted_upon(ledgers: Place) -> None:
    folder = os.path.join(ledgers.folder, janitor.PREFIX + DEAD)
    os.mkdir(folder)
    path = dead_ledger(ledgers, {"what": "folder", "path": folder})
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"what": "mou')
    assert janitor.cleanup(ledgers.ledgers).removed == [f"folder {folder}"]
    assert not os.path.exists(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network namespace")
def test_a_network_namespace_is_taken_back(ledgers: Place) -> None:
    name = f"howdah-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, timeout=20, check=False)
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.decode()}")
    dead_ledger(ledgers, {"what": "namespace", "name": name})
    assert janitor.cleanup(ledgers.ledgers).removed == [f"network namespace {name}"]
    assert not os.path.exists(f"/run/netns/{name}")
