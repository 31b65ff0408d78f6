"""disk-full and databases: what still needs the archive is never cut, and who does not write again is named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from incidents.errors import Failed
from runbooks.drills import databases, janitor, ordinary, wires
from runbooks.drills.databases import Cluster
from runbooks.drills.disk_full.lab import Lab

Make = Callable[..., Any]

pytestmark = pytest.mark.lab


class Place(NamedTuple):
    lab: Lab
    where: dict[str, str]
    cluster: Cluster
    archive: str

    def wants(self, **more: Any) -> dict[str, Any]:
        return {"mount": self.lab.mount, "want": "100MiB", "sample": "100ms", **more}


@pytest.fixture
def place() -> Iterator[Place]:
    """A small filesystem with a PostgreSQL that archives onto it; it needs more than is free."""
    try:
        where = databases.programs()
    except Failed as error:
        pytest.skip(f"{error}; {error.hint}")
    with tempfile.TemporaryDirectory(prefix="databases-") as folder:
        os.chmod(folder, 0o711)
        ledger = janitor.Ledger(os.path.join(folder, "ledgers"))
        lab = Lab(folder, ledger, size=128 << 20)
        try:
            try:
                lab.mount_up()
            except Failed as error:
                pytest.skip(f"no filesystem of our own can be mounted here: {error}")
            lab.let_others_in()
            sockets = os.path.join(lab.folder, "sockets")
            os.mkdir(sockets)
            ordinary.own(sockets)
            data, archive = lab.make_folder(), lab.make_folder()
            cluster = Cluster(data, sockets, 5432, os.path.join(lab.folder, "postgres.log"))
            command = f"test ! -f {archive}/%f && cp %p {archive}/%f"
            databases.make(cluster, where, archive_mode="on", archive_command=command)
            databases.start(cluster, where, ledger)
            yield Place(lab, where, cluster, archive)
        finally:
            assert ledger.close().left == []


def segments(place: Place) -> list[str]:
    return sorted(name for name in os.listdir(place.archive) if len(name) == 24)


def switch(place: Place, times: int = 1) -> None:
    """So many segments more, archived."""
    session = place.cluster.session()
    before = len(segments(place))
    session.run("CREATE TABLE IF NOT EXISTS t (n int)")
    for _ in range(times):
        session.run("INSERT INTO t VALUES (1)")
        session.run("SELECT pg_switch_wal()")
    session.run("CHECKPOINT")
    databases.wait(lambda: _archived(place, before + times), "the archive", place.cluster.log)


def _archived(place: Place, count: int) -> None:
    if len(segments(place)) < count:
        raise wires.Refusal("not archived yet")


def backup(place: Place, name: str) -> str:
    folder = os.path.join(place.lab.folder, name)
    os.mkdir(folder, 0o700)
    ordinary.own(folder)
    databases.as_ordinary(
        place.where["pg_basebackup"], "-h", place.cluster.sockets, "-p", str(place.cluster.port), "-U",
        databases.user(), "-D", folder, "-X", "none", "-c", "fast",
    )  # fmt: skip
    return folder


def looked(place: Place, player: Make, **given: Any) -> tuple[dict[str, Any], Any]:
    run = player("disk-full", **place.wants(**given))
    run.play(until="cut_archive")
    return run.steps["postgres"]["outputs"], run


def test_without_a_base_backup_nothing_is_cut_and_the_cure_is_said(place: Place, player: Make) -> None:
    switch(place, 3)
    found, run = looked(place, player)
    assert found["count"] == 0 and "no base backup is known: give -i backups=[FOLDER]" in found["refused"]
    assert run.play() == "failed"
    assert "not cut: no base backup is known" in run.say


def test_the_archive_is_cut_behind_the_oldest_base_backup_that_is_named(place: Place, player: Make) -> None:
    switch(place, 3)
    backup(place, "old")
    switch(place, 2)
    newer = backup(place, "new")
    switch(place, 1)
    found, _ = looked(place, player)
    by_history = found["count"]
    found, run = looked(place, player, backups=f'["{newer}"]')
    assert found["count"] > by_history >= 3, "what is not named need not stay restorable"
    run.play("cut_archive", until="after_archive")
    assert run.steps["cut_archive"]["status"] == "ok", run.errors
    assert segments(place)[0] == found["cut"]
    assert run.verify("cut_archive").exit == 0


def test_a_standby_that_is_behind_keeps_what_it_needs(place: Place, player: Make) -> None:
    switch(place, 2)
    standby = backup(place, "standby")
    Path(standby, "standby.signal").touch()
    switch(place, 3)
    late = backup(place, "late")
    given = {"backups": f'["{late}"]', "standbys": f'["{standby}"]'}
    found, _ = looked(place, player, **given)
    first = found["cut"]
    assert first < segments(place)[-1] and "standby" in found["whom"]
    run = looked(place, player, **given)[1]
    run.play("cut_archive", until="after_archive")
    found, _ = looked(place, player, **given)
    assert found["count"] == 0
    assert "nothing in it is older than what is needed: " in found["refused"]
    assert f"{first} for the standby '{standby}'" in found["refused"]


@pytest.mark.parametrize("broken", ["no label", "a file is missing"])
def test_a_broken_base_backup_is_refused_and_named(place: Place, player: Make, broken: str) -> None:
    switch(place, 3)
    folder = backup(place, "broken")
    os.unlink(os.path.join(folder, "backup_label" if broken == "no label" else "PG_VERSION"))
    before = segments(place)
    found, run = looked(place, player, backups=f'["{folder}"]')
    assert found["count"] == 0 and f"the base backup '{folder}' is broken" in found["refused"]
    run.play("cut_archive", until="after_archive")
    assert segments(place) == before


def test_what_was_said_to_keep_is_kept(place: Place, player: Make) -> None:
    switch(place, 4)
    keep = segments(place)[2]
    found, _ = looked(place, player, keep=keep)
    assert (found["cut"], found["count"]) == (keep, 2)


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
