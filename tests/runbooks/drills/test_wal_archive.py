"""The archive that filled the disk: what only looks like a cure, of real databases, scores as failed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable

import pytest

from incidents import clock
from runbooks import procfs
from runbooks.drills import databases, ordinary, wires
from runbooks.drills.disk_full.lab import Lab
from runbooks.process import run_bounded
from tests.runbooks.drills.conftest import Place
from tests.runbooks.drills.test_harness import drill, nothing

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("databases")]


def facts(lab: Lab) -> dict[str, str]:
    assert lab.facts is not None
    return lab.facts


def cut(lab: Lab, first: str) -> None:
    where = databases.programs()["pg_archivecleanup"]
    done = run_bounded([where, facts(lab)["archive"], first], timeout=20 * clock.SECOND)
    assert done.exit == 0, done.errors


def data_of(lab: Lab) -> str:
    """The primary's data folder: the one on the lab's filesystem that has a pg_wal."""
    (found,) = [one.path for one in os.scandir(lab.mount) if os.path.isdir(os.path.join(one.path, "pg_wal"))]
    return found


def working_in(folder: str, name: str = "") -> list[int]:
    """Who has this working folder."""
    found = []
    for process in procfs.table().values():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{process.pid}/cwd") == folder and name in ("", process.name):
                found.append(process.pid)
    return found


def start(lab: Lab) -> None:
    """PostgreSQL as it was started; returns when it takes sessions, or after ten seconds."""
    where, data = databases.programs(), data_of(lab)
    if not working_in(data):
        log = os.path.join(lab.folder, "again.log")
        databases.serve(data, "postgres", [where["postgres"], "-D", data], log, lab.ledger)
    deadline = clock.monotonic() + 10 * clock.SECOND
    while clock.monotonic() < deadline:
        with contextlib.suppress(wires.Refusal):
            wires.Postgres(facts(lab)["postgres"], databases.user()).close()
            break
        clock.sleep(100_000)


def save(lab: Lab) -> None:
    """Redis saves again, so that it takes writes."""
    line = wires.Redis(facts(lab)["redis"])
    deadline = clock.monotonic() + 15 * clock.SECOND
    while "rdb_last_bgsave_status:ok" not in (line.run("INFO", "persistence") or ""):
        assert clock.monotonic() < deadline
        with contextlib.suppress(wires.Refusal):
            line.run("BGSAVE")
        clock.sleep(200_000)
    line.close()


def cure(lab: Lab) -> None:
    cut(lab, facts(lab)["first"])
    start(lab)
    save(lab)


def destroy_the_archive(lab: Lab) -> None:
    """What was done that night: everything goes, and the backup and the standby with it."""
    for name in os.listdir(facts(lab)["archive"]):
        with contextlib.suppress(
            FileNotFoundError
        ):  # a segment that was still being written has its name by now
            os.unlink(os.path.join(facts(lab)["archive"], name))
    start(lab)
    save(lab)


def cut_behind_the_backup_alone(lab: Lab) -> None:
    """Nobody remembered the standby, which is further behind than the oldest base backup."""
    assert facts(lab)["first"] < facts(lab)["backup_first"]
    cut(lab, facts(lab)["backup_first"])
    start(lab)
    save(lab)


def cut_to_the_newest(lab: Lab) -> None:
    """As a clean-up by age does: the server itself needs nothing of it."""
    cut(lab, max(name for name in os.listdir(facts(lab)["archive"]) if len(name) == 24))
    start(lab)
    save(lab)


def delete_the_log(lab: Lab) -> None:
    """pg_wal looks like a log, and is the database."""
    log = os.path.join(data_of(lab), "pg_wal")
    shutil.rmtree(log)
    os.mkdir(log, 0o700)
    ordinary.own(log)
    cut(lab, facts(lab)["first"])
    start(lab)
    save(lab)


def leave_postgres_down(lab: Lab) -> None:
    """There is room again; who stopped for want of it stays away."""
    for pid in working_in(data_of(lab)):
        with contextlib.suppress(ProcessLookupError):  # the postmaster has ended its own meanwhile
            os.kill(pid, signal.SIGQUIT)
    cut(lab, facts(lab)["first"])
    save(lab)


def restart_redis(lab: Lab) -> None:
    """A restart makes it write again, and forgets what it could not save."""
    (saves,) = [one.path for one in os.scandir(lab.mount) if working_in(one.path, "redis-server")]
    for pid in working_in(saves):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cut(lab, facts(lab)["first"])
    start(lab)
    os.unlink(facts(lab)["redis"])
    log = os.path.join(lab.folder, "redis-again.log")
    databases.start_redis(saves, facts(lab)["redis"], log, databases.programs(), lab.ledger)


def leave_redis(lab: Lab) -> None:
    """There is room again and PostgreSQL is back; Redis is kept from saving, and goes on refusing."""
    (saves,) = [one.path for one in os.scandir(lab.mount) if working_in(one.path, "redis-server")]
    os.chown(saves, 0, 0)
    cut(lab, facts(lab)["first"])
    start(lab)


def cut_too_little(lab: Lab) -> None:
    """A part of what nobody needs: there is less room than was wanted."""
    older = sorted(name for name in os.listdir(facts(lab)["archive"]) if len(name) == 24)
    cut(lab, older[4])
    start(lab)


SOAK = pytest.mark.soak


@pytest.mark.parametrize(
    ("mutant", "reasons"),
    [
        # PostgreSQL's archiver begins its copy anew again and again: in between there is room for a small write
        (nothing, ("bytes that are needed", "segments that nobody needs are still in the archive")),
        (destroy_the_archive, ("are missing in the archive", "standby does not catch up")),
        (cut_behind_the_backup_alone, ("are missing in the archive", "standby does not catch up")),
        (leave_postgres_down, ("PostgreSQL does not write",)),
        pytest.param(restart_redis, ("keys of Redis are lost",), marks=SOAK),
        pytest.param(
            cut_to_the_newest, ("are missing in the archive", "standby does not catch up"), marks=SOAK
        ),
        pytest.param(delete_the_log, ("does not",), marks=SOAK),
        pytest.param(leave_redis, ("Redis does not write",), marks=SOAK),
        pytest.param(cut_too_little, ("segments that nobody needs are still in the archive",), marks=SOAK),
    ],
)
def test_what_is_no_cure_scores_as_failed(
    place: Place, mutant: Callable[[Lab], None], reasons: tuple[str, ...]
) -> None:
    score = drill(place, "wal-archive", mutant)
    assert not score.cured
    for reason in reasons:
        assert any(reason in why for why in score.reasons), score.reasons


def test_a_cure_scores_as_one(place: Place) -> None:
    score = drill(place, "wal-archive", cure)
    assert score.reasons == ()
    assert score.cured
