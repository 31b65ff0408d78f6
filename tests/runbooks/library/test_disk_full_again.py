"""disk-full and what a full disk has stopped: PostgreSQL runs again, Redis saves again, or it is said which does not."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbooks import procfs
from runbooks.drills import databases, ordinary, wires

from .archived import Place, stop, switch

Make = Callable[..., Any]

pytestmark = pytest.mark.lab


def test_a_server_that_stopped_is_started_as_before(place: Place, player: Make) -> None:
    switch(place, 1)
    session = place.cluster.session()
    session.run("INSERT INTO t VALUES (42)")
    pid = int(Path(place.cluster.data, "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, 3)
    run = player("disk-full", **{**place.wants(), "want": "1MiB", "inodes": 1})
    run.play("start_postgres", until="look")
    for step in ("look", "postgres", "after_archive", "stopped"):
        run.act(step)
    assert run.verify("start_postgres").exit == 10
    assert run.act("start_postgres").exit == 0, run.errors
    assert run.verify("start_postgres").exit == 0
    assert run.act("postgres_writes").exit == 0, run.errors
    assert ("42",) in place.cluster.session().run("SELECT n FROM t")
    assert place.cluster.session().run("SELECT relname FROM pg_class WHERE relname LIKE 'howdah%'") == []


def test_a_server_that_panics_once_more_is_waited_for(place: Place, player: Make) -> None:
    """It was ready a moment ago, and recovers from a crash now."""
    switch(place, 1)
    session = place.cluster.session()
    session.run(
        "CREATE TABLE big AS SELECT n, repeat('x', 400) FROM generate_series(1, 60000) n"
    )  # so that it takes a while
    ((backend,),) = session.run("SELECT pg_backend_pid()")
    run = player("disk-full", **{**place.wants(), "want": "1MiB", "inodes": 1})
    for step in ("look", "postgres", "after_archive", "stopped"):
        run.act(step)
    assert run.steps["stopped"]["outputs"]["prove"]
    os.kill(int(str(backend)), 9)
    assert run.act("postgres_writes").exit == 0, run.errors


def test_what_the_server_started_again_has_in_its_environment(place: Place, player: Make) -> None:
    stop(place)
    run = player("disk-full", **place.wants(want="1MiB", inodes=1))
    run.values["redis_password"] = "s3cret-s3cret"
    for step in ("look", "postgres", "after_archive", "stopped"):
        run.act(step)
    assert run.act("start_postgres").exit == 0, run.errors
    pid = Path(place.cluster.data, "postmaster.pid").read_text().split("\n")[0]
    names = {word.split("=")[0] for word in Path(f"/proc/{pid}/environ").read_text().split("\0")}
    assert "PATH" in names and not [name for name in names if name.startswith(("IN_", "HOWDAH", "DOWN"))]


def test_a_server_that_ends_again_is_not_waited_for(place: Place, player: Make) -> None:
    stop(place)
    for name in os.listdir(os.path.join(place.cluster.data, "pg_wal")):
        if len(name) == 24:
            os.unlink(os.path.join(place.cluster.data, "pg_wal", name))
    run = player("disk-full", **place.wants(want="1MiB", inodes=1))
    for step in ("look", "postgres", "after_archive", "stopped"):
        run.act(step)
    assert run.act("start_postgres").exit == 40
    assert "has ended again: " in run.errors and "startup process" in run.errors


def test_a_unit_of_systemd_starts_it_where_one_names_its_folder(
    place: Place, player: Make, tmp_path: Path
) -> None:
    stop(place)
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        f"""#!/bin/bash
        echo "$*" >>{tmp_path}/asked
        case $1 in
          list-units) printf '%s\\n' 'postgresql.service loaded' 'postgresql-15.service loaded failed' ;;
          show) case $7 in postgresql-15.service) echo 'Environment=PGDATA={place.cluster.data}/ LC_ALL=C' ;; esac ;;
          start) setpriv --reuid={ordinary.UID} --regid={ordinary.UID} --clear-groups {place.where["pg_ctl"]} -s -w -D {place.cluster.data} -l {place.cluster.data}/unit.log start ;;
        esac
        """
    )
    systemctl.chmod(0o755)
    run = player("disk-full", **place.wants(want="1MiB", inodes=1))
    run.path = f"{tmp_path}:{run.path}"
    for step in ("look", "postgres", "after_archive", "stopped"):
        run.act(step)
    assert run.act("start_postgres").exit == 0, run.errors
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[-2:] == ["reset-failed -- postgresql-15.service", "start -- postgresql-15.service"]
    assert not os.path.exists(os.path.join(place.cluster.data, "started-again.log"))


def test_a_copy_of_a_data_folder_is_never_started(place: Place, player: Make) -> None:
    switch(place, 1)
    stop(place)
    copy = place.lab.make_folder()
    databases.as_ordinary("cp", "-a", place.cluster.data + "/.", copy)
    run = player("disk-full", **place.wants(want="1MiB", inodes=1))
    for step in ("look", "postgres", "stopped"):
        run.act(step)
    assert run.steps["stopped"]["outputs"]["shown"] == f"'{place.cluster.data}'"


def test_a_server_that_somebody_shut_down_is_left_alone(place: Place, player: Make) -> None:
    switch(place, 1)
    stop(place, "fast")
    run = player("disk-full", **place.wants(want="1MiB", inodes=1))
    run.act("look")
    run.act("postgres")
    said = run.act("stopped").output.decode()
    assert "somebody shut it down in an orderly way: left alone" in said
    assert (run.steps["stopped"]["outputs"]["down"], run.steps["stopped"]["outputs"]["prove"]) == ("", "")


@pytest.mark.parametrize("whole", [True, False])
def test_archiving_that_is_stuck_at_a_file_that_is_there_already_is_said(
    place: Place, player: Make, whole: bool
) -> None:
    session = place.cluster.session()
    session.run("CREATE TABLE t (n int)")
    ((name,),) = session.run("SELECT pg_walfile_name(pg_current_wal_lsn())")
    Path(place.archive, str(name)).write_bytes(b"a part")
    session.run("SELECT pg_switch_wal()")
    if whole:
        Path(place.archive, str(name)).write_bytes(Path(place.cluster.data, "pg_wal", str(name)).read_bytes())
    run = player("disk-full", **place.wants(want="1MiB", inodes=1))
    for step in ("look", "postgres", "stopped", "postgres_writes"):
        assert run.act(step).exit == 0, run.errors
    how = "is the same" if whole else "is not the same (6 of 1048576 bytes)"
    stuck = run.steps["postgres_writes"]["outputs"]["stuck"]
    assert stuck.startswith(f"{name} waits to be archived") and how in stuck
    assert (str(name) in run.steps["postgres"]["outputs"]["torn"]) is not whole


@pytest.mark.parametrize(
    ("given", "exit", "says"),
    [(None, 44, "needs a password: give -i redis_password="), ("wrong", 44, "does not take this password"), ("s3cret-s3cret", 0, "")],
)  # fmt: skip
def test_a_redis_that_needs_a_password(
    place: Place, player: Make, given: str | None, exit: int, says: str
) -> None:
    socket = os.path.join(place.cluster.sockets, "redis")
    log = os.path.join(place.lab.folder, "redis.log")
    databases.start_redis(place.lab.make_folder(), socket, log, place.where, place.lab.ledger)
    wires.Redis(socket).run("CONFIG", "SET", "requirepass", "s3cret-s3cret")
    run = player("disk-full", **place.wants())
    if given is not None:
        run.values["redis_password"] = given
    assert run.act("redis_writes").exit == exit, run.errors
    assert says in run.errors


def redis(place: Place) -> tuple[str, wires.Redis]:
    socket = os.path.join(place.cluster.sockets, "redis")
    log = os.path.join(place.lab.folder, "redis.log")
    databases.start_redis(place.lab.make_folder(), socket, log, place.where, place.lab.ledger)
    return socket, wires.Redis(socket)


def test_a_redis_that_refuses_writes_saves_again_and_keeps_no_key_of_ours(place: Place, player: Make) -> None:
    _, line = redis(place)
    line.run("SET", "theirs", "1")
    (dump,) = [one.path for one in os.scandir(place.lab.mount) if _works_there(one.path)]
    os.chown(dump, 0, 0)  # it cannot save
    databases.wait(lambda: _refuses(line), "Redis", place.cluster.log)
    run = player("disk-full", **place.wants())
    os.chown(dump, ordinary.UID, ordinary.UID)
    assert run.act("redis_writes").exit == 0, run.errors
    assert "rdb_last_bgsave_status:ok" in (line.run("INFO", "persistence") or "")
    assert line.run("DBSIZE") == "1"


def _works_there(folder: str) -> bool:
    for process in procfs.table().values():
        with contextlib.suppress(OSError):
            if process.name == "redis-server" and os.readlink(f"/proc/{process.pid}/cwd") == folder:
                return True
    return False


def _refuses(line: wires.Redis) -> None:
    try:
        line.run("SET", "theirs", "2")
    except wires.Refusal as why:
        if "MISCONF" in str(why):
            return
    raise wires.Refusal("it still writes")


def test_another_redis_that_answers_in_its_place_proves_nothing(place: Place, player: Make) -> None:
    socket, _ = redis(place)
    os.rename(socket, socket + ".old")
    other = tempfile.mkdtemp(dir=place.cluster.sockets)
    ordinary.own(other)
    log = os.path.join(place.lab.folder, "other.log")
    databases.start_redis(other, socket, log, place.where, place.lab.ledger)
    assert player("disk-full", **place.wants()).act("redis_writes").exit == 46
