"""disk-full.yaml against real filesystems, open files and processes: what it offers, what it leaves alone, that each
act can be asked about and taken back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runbooks import procfs
from runbooks.drills.disk_full.lab import Lab

Make = Callable[..., Any]

HOLD = "import os, sys, time\n"  # what every program of these tests begins with
ODD = "odd 'name\" $(touch pwned)\n;-rf *.log"  # a name that is everything but data


@contextlib.contextmanager
def running(code: str, *args: str, exe: str = sys.executable) -> Iterator[int]:
    """A program of its own that has printed `ready`; ended afterwards, paused or not."""
    process = subprocess.Popen(
        [exe, "-I", "-S", "-c", HOLD + code, *args], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


APPEND = """
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
n = 0
def line():
    global n
    try: n += os.write(fd, b"%07d %s\\n" % (n, b"x" * 40)) and 1
    except OSError: pass
while n < int(sys.argv[2]): line()
if len(sys.argv) > 3: os.unlink(sys.argv[1])
print("ready", flush=True)
while True: line(); time.sleep(0.01)
"""


def fill(path: str, size: int) -> None:
    with open(path, "wb") as file:
        file.write(os.urandom(size))


def fill_up(folder: str) -> None:
    """Takes what is left for an ordinary user: by one file, which makes no folder that fills up."""
    room = os.statvfs(folder)
    fill(os.path.join(folder, "other"), room.f_bavail * room.f_frsize)


def wants(lab: Lab, **more: Any) -> dict[str, Any]:
    return {"mount": lab.mount, "want": "4MiB", "spill": lab.spill, "sample": "100ms", **more}


def tree(folder: str) -> dict[str, str]:
    """Every file below a folder, by its digest."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


# -- refusals, and a look that changes nothing ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "exit", "says"),
    [
        ({"mount": "/no/such/folder"}, 20, "there is no such folder"),
        ({"mount": "/usr/bin"}, 21, "is no mount point; its filesystem is mounted at"),
        ({"mount": "/proc"}, 25, "has no space of its own"),
        ({"mount": "/", "want": "7PiB"}, 26, "can never be free"),
        ({"mount": "/", "spill": "/no/such/folder"}, 27, "is no folder"),
        ({"mount": "/", "spill": "/"}, 27, "is on the full filesystem itself"),
        ({"mount": "/", "protect": '["/a\\nb"]'}, 28, "newline"),
    ],
)
def test_what_cannot_be_helped_is_refused_in_the_first_step_with_one_message(
    player: Make, given: dict[str, str], exit: int, says: str
) -> None:
    run = player("disk-full", **given)
    assert run.play() == "failed"
    assert run.steps["look"]["exit"] == exit
    assert says in run.errors
    assert run.errors.count("\n") == 1
    assert list(run.steps) == ["look"]


def test_a_filesystem_with_room_is_left_alone(player: Make) -> None:
    run = player("disk-full", mount="/", want="1B", inodes=1)
    assert run.play() == "ok"
    assert "Enough already" in run.say
    assert run.asked == []


@pytest.mark.lab
def test_a_read_only_filesystem_is_refused(player: Make, lab: Lab) -> None:
    subprocess.run(["mount", "-o", "remount,ro", lab.mount], check=True, timeout=20)
    run = player("disk-full", **wants(lab))
    assert run.play() == "failed"
    assert run.steps["look"]["exit"] == 22
    assert "read-only" in run.errors


# -- files without a name ----------------------------------------------------------------------------------------


@pytest.mark.lab
def test_a_deleted_log_is_emptied_and_its_writer_goes_on(player: Make, lab: Lab) -> None:
    path = os.path.join(lab.mount, ODD)
    with running(APPEND, path, "120000", "and delete it") as pid:
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("truncate", until="truncate") == ""
        assert run.verify("truncate").exit == 10, "it has not happened yet"
        assert run.play("truncate") == "ok", run.say
        assert run.verify("truncate").exit == 0
        assert run.act("truncate").exit == 0, "a second time does no harm"
        assert procfs.state(pid) in ("S", "R")
        assert os.statvfs(lab.mount).f_bavail * 1024 >= 4 << 20
    assert not os.path.exists("pwned")


@pytest.mark.lab
@pytest.mark.parametrize(
    ("open_it", "reason"),
    [
        ("fd = os.open(path, os.O_RDWR | os.O_CREAT)", "it may still be read"),
        ("fd = os.open(path, os.O_WRONLY | os.O_CREAT); other = os.open(path, os.O_RDONLY)", "it may still be read"),
        ("fd = os.open(os.path.dirname(path), os.O_WRONLY | os.O_TMPFILE)", "it may still be read"),
        (
            "import mmap; fd = os.open(path, os.O_RDWR | os.O_CREAT); os.write(fd, b'x' * 4096);"
            "kept = mmap.mmap(fd, 4096); os.close(fd); fd = os.open(path, os.O_WRONLY)",
            "it is mapped into memory",
        ),
    ],
)  # fmt: skip
def test_a_file_that_may_still_be_read_is_kept_and_named(
    player: Make, lab: Lab, open_it: str, reason: str
) -> None:
    path = os.path.join(lab.mount, ODD)
    code = f"path = sys.argv[1]\n{open_it}\nos.write(fd, os.urandom(6 << 20))\n"
    code += "if os.path.exists(path): os.unlink(path)\nprint('ready', flush=True)\ntime.sleep(600)"
    with running(code, path) as pid:
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("truncate") == "failed"
        assert not any("Empty these files" in question for question in run.asked)
        assert f"6 MiB held by process {pid}" in run.steps["unnamed"]["outputs"]["kept"]
        assert reason in run.steps["unnamed"]["outputs"]["kept"]
        assert reason in run.say


@pytest.mark.lab
def test_a_file_of_a_database_is_kept(player: Make, lab: Lab, tmp_path: Any) -> None:
    program = tmp_path / "postgres"
    program.symlink_to(os.path.realpath(sys.executable))
    with running(APPEND, os.path.join(lab.mount, "x"), "120000", "and delete it", exe=str(program)):
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("truncate", "move_log", "pause", "move_files") == "failed"
        assert "it belongs to a database" in run.steps["unnamed"]["outputs"]["kept"]


@pytest.mark.lab
def test_a_reader_that_came_while_the_question_was_open_keeps_the_file(player: Make, lab: Lab) -> None:
    with running(APPEND, os.path.join(lab.mount, "x"), "120000", "and delete it") as pid:
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        run.play(until="truncate")
        before = os.statvfs(lab.mount).f_bfree
        fd = next(
            f"/proc/{pid}/fd/{fd}"
            for fd in os.listdir(f"/proc/{pid}/fd")
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(lab.mount)
        )
        with open(fd, "rb"):  # somebody rescues it
            done = run.act("truncate")
        assert done.exit == 31
        assert b"reads it by now" in done.errors
        assert os.statvfs(lab.mount).f_bfree <= before


@pytest.mark.lab
def test_where_all_of_a_file_looks_alike_verify_does_not_claim_that_nothing_happened(
    player: Make, lab: Lab
) -> None:
    code = "fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT); os.write(fd, bytes(6 << 20))\n"
    code += "os.unlink(sys.argv[1]); print('ready', flush=True); time.sleep(600)"
    with running(code, os.path.join(lab.mount, "x")):
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        run.play(until="truncate")
        assert run.verify("truncate").exit == 3
        assert run.act("truncate").exit == 0
        assert run.verify("truncate").exit == 0
    assert run.verify("truncate").exit not in (0, 10), "the process has ended: nobody can tell"


# -- a log that grows --------------------------------------------------------------------------------------------


def numbers(data: bytes) -> list[int]:
    return [int(line[:7]) for line in data.splitlines()]


@pytest.mark.lab
def test_the_written_part_of_a_log_moves_and_no_line_is_lost(player: Make, lab: Lab) -> None:
    path = os.path.join(lab.mount, ODD)
    with running(APPEND, path, "150000") as pid:
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        run.play("move_log", until="move_log")
        assert run.verify("move_log").exit == 10, "nothing has moved yet"
        assert run.play("move_log") == "ok", run.say + run.errors
        assert run.verify("move_log").exit == 0
        assert procfs.state(pid) in ("S", "R")
        os.kill(pid, signal.SIGSTOP)
        (part,) = (at for at, _, names in os.walk(lab.spill) if "copy" in names)
        with open(os.path.join(part, "copy"), "rb") as file:
            moved = file.read()
        with open(path, "rb") as file:
            log = file.read()
        assert log[: len(moved)].strip(b"\0") == b""
        lines = numbers(moved + log[len(moved) :])
        assert lines == list(range(len(lines))) and len(lines) > 150_000, "every line once, in order"

        os.unlink(os.path.join(lab.mount, "other"))
        for _ in range(2):
            assert run.undo("move_log").exit == 0
        with open(path, "rb") as file:
            assert file.read() == moved + log[len(moved) :]
        assert run.verify("move_log").exit == 10, "it is as if it had not happened"
    assert not os.path.exists("pwned")


@pytest.mark.lab
def test_one_log_that_grows_among_others_is_a_log_and_no_folder(player: Make, lab: Lab) -> None:
    code = """
    files = [open(os.path.join(sys.argv[1], f"{n}.log"), "ab") for n in range(7)]
    for file in files: file.write(b"short\\n" * 100); file.flush()
    files[3].write(b"a line that comes again and again\\n" * 240_000)
    files[3].flush(); print("ready", flush=True); time.sleep(600)"""
    logs = os.path.join(lab.mount, "log")
    os.mkdir(logs)
    with running(textwrap.dedent(code), logs):
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("move_log") == "ok", run.say + run.errors
        assert run.steps["lately"]["outputs"]["folder"] == ""
        assert "3.log" in run.steps["lately"]["outputs"]["log_shown"]


@pytest.mark.lab
def test_what_a_reader_of_the_log_has_not_read_yet_stays(player: Make, lab: Lab) -> None:
    path = os.path.join(lab.mount, "app.log")
    with running(APPEND, path, "150000"), open(path, "rb", buffering=0) as reader:
        reader.seek(1 << 20)
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        run.play("move_log")
        rest = reader.read(1 << 20)
        assert rest.count(b"\0") == 0
        assert os.stat(path).st_blocks * 512 < os.stat(path).st_size - 1_000_000


@pytest.mark.lab
@pytest.mark.parametrize("name", ["000000010000000000000001", "app.db-wal", "binlog.000042"])
def test_a_log_of_a_database_is_never_offered(player: Make, lab: Lab, name: str) -> None:
    folder = os.path.join(lab.mount, "pg_wal") if name.isdigit() else lab.mount
    os.makedirs(folder, exist_ok=True)
    with running(APPEND, os.path.join(folder, name), "150000"):
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("move_log", "move_files") == "failed"
        assert run.asked == []


@pytest.mark.lab
def test_a_log_that_was_rotated_meanwhile_is_left_alone(player: Make, lab: Lab) -> None:
    path = os.path.join(lab.mount, "app.log")
    with running(APPEND, path, "150000"):
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        run.play("move_log", until="move_log")
        os.rename(path, path + ".1")
        fill(path, 100)
        kept = tree(lab.mount)[os.path.basename(path)]
        assert run.act("move_log").exit == 30
        assert run.verify("move_log").exit == 10
        assert tree(lab.mount)[os.path.basename(path)] == kept


# -- a folder that fills up ----------------------------------------------------------------------------------------

FILES = """
folder = sys.argv[1]
for n in range(int(sys.argv[2])):
    with open(os.path.join(folder, f"{n}{sys.argv[3]}"), "wb") as file: file.write(os.urandom(1 << 18))
open_one = open(os.path.join(folder, "open"), "wb")
open_one.write(b"x" * 5000); open_one.flush()
print("ready", flush=True)
time.sleep(600)
"""


def odd_folder(lab: Lab, name: str = ODD) -> str:
    path = os.path.join(lab.mount, "-shop", name)
    os.makedirs(path)
    return path


@pytest.mark.lab
def test_the_newest_files_of_a_folder_move_and_come_back(player: Make, lab: Lab) -> None:
    folder = odd_folder(lab)
    neighbour = os.path.join(lab.mount, "-shop", "orders")
    fill(neighbour, 100_000)
    with running(FILES, folder, "40", ODD) as pid:
        before = tree(lab.mount)
        run = player("disk-full", **wants(lab, want="8MiB"))
        run.play("pause", "move_files", until="pause")
        assert run.verify("pause").exit == 10
        run.play("pause", "move_files", until="move_files")
        assert procfs.state(pid) == "T"
        assert run.verify("pause").exit == 0
        assert run.verify("move_files").exit == 10
        assert run.play("pause", "move_files") == "ok", run.say + run.errors
        assert run.verify("move_files").exit == 0

        after = tree(lab.mount)
        gone = before.keys() - after.keys()
        assert gone and all(os.path.dirname(name) == os.path.relpath(folder, lab.mount) for name in gone)
        assert os.path.relpath(os.path.join(folder, "open"), lab.mount) in after
        assert sorted(before[name] for name in gone) == sorted(tree(lab.spill)[n] for n in moved(lab))

        for _ in range(2):
            assert run.undo("move_files").exit == 0
        assert tree(lab.mount) == before
        assert run.undo("pause").exit == 0
        assert procfs.state(pid) != "T"
    assert not os.path.exists("pwned")


def moved(lab: Lab) -> list[str]:
    return [name for name in tree(lab.spill) if "/tree/" in name]


@pytest.mark.lab
def test_a_move_that_was_cut_off_is_in_doubt_only_where_some_sources_are_gone(
    player: Make, lab: Lab, tmp_path: Any
) -> None:
    folder = odd_folder(lab)
    with running(FILES, folder, "40", "x"):
        fill_up(lab.mount)
        before = tree(lab.mount)
        run = player("disk-full", **wants(lab))
        run.play("pause", "move_files", until="move_files")
        usual = run.path
        run.path = f"{tmp_path}:{usual}"
        shim(tmp_path / "cmp", "exit 2")
        assert run.act("move_files").exit != 0
        assert run.verify("move_files").exit == 10, "a copy that differs takes nothing away"
        assert tree(lab.mount) == before

        (tmp_path / "cmp").unlink()
        shim(tmp_path / "rm", f'PATH={usual}; shift; rm -- "$1"; kill -KILL $PPID')
        assert run.act("move_files").exit != 0
        run.path = usual
        assert run.verify("move_files").exit == 3, "some are gone, some are not"
        kept = set(tree(lab.mount).values()) | set(tree(lab.spill).values())
        assert set(before.values()) <= kept


def shim(path: Any, script: str) -> None:
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


@pytest.mark.lab
def test_databases_and_protected_folders_stay_in_a_folder_that_moves(player: Make, lab: Lab) -> None:
    folder = odd_folder(lab, "cache")
    kept = os.path.join(folder, "kept")
    os.mkdir(kept)
    with running(FILES, folder, "40", "x"):
        fill(os.path.join(folder, "shop.db-wal"), 50_000)
        fill(os.path.join(kept, "invoice"), 50_000)
        fill_up(lab.mount)
        run = player(
            "disk-full", **wants(lab, protect=f'["{kept}"]', want="9MiB") if "\n" not in kept else wants(lab)
        )
        run.play("pause", "move_files")
        assert moved(lab)
        assert os.path.exists(os.path.join(folder, "shop.db-wal"))


@pytest.mark.lab
def test_a_folder_that_two_processes_write_is_left_to_people(player: Make, lab: Lab) -> None:
    folder = odd_folder(lab)
    with running(FILES, folder, "20", "a"), running(FILES, folder, "20", "b"):
        fill_up(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play("pause", "move_files") == "failed"
        assert run.asked == []
        assert "several processes write it" in run.say


@pytest.mark.lab
def test_without_a_folder_to_move_to_nothing_is_paused_and_the_way_out_is_said(
    player: Make, lab: Lab
) -> None:
    with running(FILES, odd_folder(lab), "40", "x") as pid:
        fill_up(lab.mount)
        given = wants(lab)
        del given["spill"]
        run = player("disk-full", **given)
        assert run.play("pause", "move_files", "move_log") == "failed"
        assert procfs.state(pid) == "S"
        assert "Give -i spill=FOLDER" in run.say


@pytest.mark.lab
def test_missing_inodes_are_won_back_like_bytes(player: Make, lab: Lab) -> None:
    folder = odd_folder(lab)
    with contextlib.suppress(OSError):
        for n in range(5000):
            os.close(os.open(os.path.join(folder, f"{n}"), os.O_CREAT | os.O_WRONLY))
    assert os.statvfs(lab.mount).f_favail == 0
    run = player("disk-full", **wants(lab, inodes=200))
    assert run.play("move_files") == "ok", run.say + run.errors
    assert os.statvfs(lab.mount).f_favail >= 200
    assert len(moved(lab)) == 400


# -- the reserve, and the end ----------------------------------------------------------------------------------------


@pytest.mark.lab
def test_a_part_of_the_reserve_for_root_is_lent_and_given_back(player: Make, lab: Lab) -> None:
    fill_up(lab.mount)
    run = player("disk-full", **wants(lab, want="300KiB"))
    run.play(until="lend")
    assert run.verify("lend").exit == 10
    assert run.play("lend") == "ok", run.say
    assert run.verify("lend").exit == 0
    assert os.statvfs(lab.mount).f_bavail * 1024 >= 300 << 10
    assert run.undo("lend").exit == 0
    assert run.verify("lend").exit == 10
    assert os.statvfs(lab.mount).f_bavail == 0


@pytest.mark.lab
def test_nothing_is_done_without_a_yes(player: Make, lab: Lab) -> None:
    with running(FILES, odd_folder(lab), "24", "x") as pid, running(
        APPEND, os.path.join(lab.mount, "gone"), "120000", "and delete it"
    ):  # fmt: skip
        fill_up(lab.mount)
        before = tree(lab.mount)
        run = player("disk-full", **wants(lab))
        assert run.play() == "failed"
        assert len(run.asked) >= 2
        assert tree(lab.mount) == before
        assert procfs.state(pid) == "S"
        assert os.listdir(lab.spill) == []
        assert "Still short of 4.0 MiB" in run.say
        assert os.statvfs(lab.mount).f_bavail < 64


def test_the_forecast_follows_the_growth(player: Make, tmp_path: Any) -> None:
    run = player("disk-full", mount="/", sample="100ms")
    shim(
        tmp_path / "stat",
        f"n=$(($(cat {tmp_path}/n 2>/dev/null || echo 100) - 1)); echo $n >{tmp_path}/n; echo 1048576 $n",
    )
    run.path = f"{tmp_path}:{run.path}"
    run.act("forecast")
    assert run.steps["forecast"]["outputs"]["when"] == (
        "it will be full again in about 9 s, at 10240 KiB/s (measured for 0.1 s)"
    )


@pytest.mark.lab
def test_the_probe_can_be_repeated_and_leaves_nothing(player: Make, lab: Lab) -> None:
    run = player("disk-full", **wants(lab))
    run.act("look")
    before = os.listdir(lab.mount)
    for _ in range(2):
        assert run.act("prove").exit == 0, run.errors
    assert os.listdir(lab.mount) == before
    fill_up(lab.mount)
    assert run.act("prove").exit != 0, "root could still write here"
    assert "No space left" in run.errors
