"""A drill is scored by what can be seen from outside: real cures count, and whatever only looks like one does not."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from incidents import clock
from incidents.errors import Failed, NotFound
from runbooks import procfs
from runbooks.drills import harness, janitor
from runbooks.drills.disk_full.lab import Lab
from runbooks.drills.score import Score

from .conftest import Place

HOLD = 700_000


def drill(place: Place, fault: str, play: Callable[[Lab], None]) -> Score:
    def played(lab: Lab) -> int:
        lab.seen()
        play(lab)
        return 0

    result = harness.drill(fault, played, folder=place.folder, ledgers=place.ledgers, hold=HOLD)
    assert result.left == ()
    score: Score = result.score
    return score


def nothing(lab: Lab) -> None:
    """Looks at it."""


def delete_again(lab: Lab) -> None:
    """`rm -f` of the log that is deleted already: there is no name left, and nothing is freed."""
    assert not os.path.exists(lab.log)
    logs = os.path.dirname(lab.log)
    for name in os.listdir(logs):
        os.unlink(os.path.join(logs, name))


def truncate_the_wrong_log(lab: Lab) -> None:
    """Empties what looks like the log and is what was acknowledged; then the right one, so that space is free."""
    for name in os.listdir(lab.data):
        os.truncate(os.path.join(lab.data, name), 0)
    empty_the_deleted_log(lab)


def kill_the_service(lab: Lab) -> None:
    """The kernel frees the file when its last holder is gone; the service is gone, too."""
    os.kill(lab.writer.pid, signal.SIGKILL)
    os.waitpid(lab.writer.pid, 0)


def pause_the_service(lab: Lab) -> None:
    empty_the_deleted_log(lab)
    os.kill(lab.writer.pid, signal.SIGSTOP)


def free_a_little(lab: Lab) -> None:
    """Frees less than is needed: an ordinary user can write, for now."""
    fd = deleted_log(lab)
    with open(fd, "r+b") as file:
        file.truncate(os.fstat(file.fileno()).st_size - (2 << 20))


def empty_the_deleted_log(lab: Lab) -> None:
    with open(deleted_log(lab), "r+b") as file:
        file.truncate(0)


def deleted_log(lab: Lab) -> str:
    folder = f"/proc/{lab.writer.pid}/fd"
    links = (os.path.join(folder, name) for name in os.listdir(folder))
    return next(link for link in links if os.readlink(link) == f"{lab.log} (deleted)")


def runaway(lab: Lab) -> tuple[int, str]:
    """The process that fills a folder, and the folder: by looking for it, because no name is known."""
    for process in procfs.table().values():
        command = procfs.command(process.pid).split()
        if command[-1:] and command[-1].startswith(lab.mount) and command[-2].endswith(("runaway", "inodes")):
            return process.pid, command[-1]
    raise AssertionError("nothing runs away")


def delete_without_pausing(lab: Lab) -> None:
    """Deletes files of the folder; whoever fills it takes every byte back."""
    _, folder = runaway(lab)
    for name in sorted(os.listdir(folder))[:60]:
        os.unlink(os.path.join(folder, name))
    clock.sleep(500_000)


def delete_the_neighbour(lab: Lab) -> None:
    """Stops the process and clears the folder, and the folder beside it, where the acknowledged records are."""
    stop_and_clear(lab)
    oldest = min(os.listdir(lab.data), key=lambda name: os.stat(os.path.join(lab.data, name)).st_mtime)
    os.unlink(os.path.join(lab.data, oldest))


def take_the_mount_away(lab: Lab) -> None:
    """What is under the mount has room."""
    subprocess.run(["umount", "--lazy", lab.mount], check=True, timeout=20)


def stop_and_clear(lab: Lab) -> None:
    pid, folder = runaway(lab)
    os.kill(pid, signal.SIGSTOP)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def empty_the_files(lab: Lab) -> None:
    """Gives bytes back and not one file."""
    pid, folder = runaway(lab)
    os.kill(pid, signal.SIGSTOP)
    for name in os.listdir(folder):
        os.truncate(os.path.join(folder, name), 0)


def delete_what_people_want(lab: Lab) -> None:
    """Makes room by deleting data that was acknowledged, because it lies there."""
    for name in os.listdir(lab.data):
        os.unlink(os.path.join(lab.data, name))


def write_as_root(lab: Lab) -> None:
    """root can write all the time, and takes that for a proof."""
    with open(os.path.join(lab.mount, "proof"), "wb") as file:
        file.write(os.urandom(4096))


def lend_too_little(lab: Lab) -> None:
    """An ordinary user can write again, for a moment."""
    tune(lab, 22)


def lend(lab: Lab) -> None:
    tune(lab, 1)


def tune(lab: Lab, percent: int) -> None:
    (device,) = janitor.loops_of(lab.image)
    subprocess.run(["tune2fs", "-m", str(percent), device], check=True, timeout=20, capture_output=True)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("fault", "mutant", "reason"),
    [
        ("deleted-open", nothing, "an ordinary user cannot write"),
        ("deleted-open", delete_again, "an ordinary user cannot write"),
        ("deleted-open", truncate_the_wrong_log, "are lost"),
        ("deleted-open", kill_the_service, "the service has ended"),
        ("deleted-open", pause_the_service, "the service acknowledges nothing"),
        ("deleted-open", free_a_little, "bytes that are needed stayed free"),
        ("deleted-open", take_the_mount_away, "an ordinary user cannot write"),
        ("runaway", nothing, "an ordinary user cannot write"),
        ("runaway", delete_without_pausing, "bytes that are needed stayed free"),
        ("runaway", delete_the_neighbour, "are lost"),
        ("inodes", nothing, "an ordinary user cannot write"),
        ("inodes", delete_without_pausing, "an ordinary user cannot write"),
        ("inodes", empty_the_files, "an ordinary user cannot write"),
        ("inodes", delete_the_neighbour, "are lost"),
        ("reserved", write_as_root, "an ordinary user cannot write"),
        ("reserved", lend_too_little, "bytes that are needed stayed free"),
        ("reserved", delete_what_people_want, "are lost"),
    ],
)
def test_what_is_no_cure_scores_as_failed(
    place: Place, fault: str, mutant: Callable[[Lab], None], reason: str
) -> None:
    score = drill(place, fault, mutant)
    assert not score.cured
    assert any(reason in why for why in score.reasons), score.reasons


@pytest.mark.lab
@pytest.mark.parametrize(
    ("fault", "cure", "state"),
    [
        ("deleted-open", empty_the_deleted_log, "SRD"),
        ("runaway", stop_and_clear, "T"),
        ("inodes", stop_and_clear, "T"),
        ("reserved", lend, "SRD"),
    ],
)
def test_a_cure_scores_as_one_with_its_times_and_nothing_lost(
    place: Place, fault: str, cure: Callable[[Lab], None], state: str
) -> None:
    score = drill(place, fault, cure)
    assert score.reasons == ()
    assert score.cured
    assert score.acknowledged_records > 5 and score.lost_records == 0 and score.lost_bytes == 0
    assert score.fault in state and score.writer in "SRD"
    assert score.detected is not None and score.mitigated is not None and score.recovered is not None
    assert 0 <= score.detected <= score.mitigated <= score.recovered


@pytest.mark.lab
def test_the_observer_is_a_session_of_its_own_and_holds_nothing_of_a_store(place: Place) -> None:
    seen: list[procfs.Process] = []

    def look(lab: Lab) -> None:
        for process in procfs.table().values():
            if "runbooks.drills.observer" in procfs.command(process.pid) and lab.folder in procfs.command(
                process.pid
            ):
                seen.append(process)
                held = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in ("0", "1", "2")]
                assert held[0] == "/dev/null" and held[1] == held[2] == os.path.join(
                    lab.folder, "observer.out"
                )

    drill(place, "deleted-open", look)
    (observer,) = seen
    assert observer.session == observer.pid != os.getsid(0)


@pytest.mark.lab
def test_a_player_that_raises_leaves_nothing(place: Place) -> None:
    def fail(lab: Lab) -> None:
        raise Failed("the player fell over")

    with pytest.raises(Failed, match="fell over"):
        drill(place, "runaway", fail)


def test_an_unknown_fault_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="deleted-open, inodes, reserved, runaway, wal-archive"):
        harness.load("flood")
