"""disk-full and a WAL archive: what still needs it is never cut, and what cannot be known is refused."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbooks.drills import databases, ordinary, wires
from runbooks.drills.databases import Cluster

from .archived import Place, backup, configure, link, segments, stop, switch

Make = Callable[..., Any]

pytestmark = pytest.mark.lab


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


@pytest.mark.parametrize("down", [False, True])
def test_a_slot_keeps_what_it_needs_whether_its_server_runs_or_not(
    place: Place, player: Make, down: bool
) -> None:
    switch(place, 2)
    place.cluster.session().run("SELECT pg_create_physical_replication_slot('far_away', true)")
    ((first,),) = place.cluster.session().run("SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots")
    switch(place, 3)
    late = backup(place, "late")
    if down:
        stop(place)
    found, _ = looked(place, player, backups=f'["{late}"]')
    assert (found["cut"], found["whom"]) == (first, "the slot 'far_away'")
    assert found["count"] >= 2


def test_a_slot_that_cannot_be_read_is_refused(place: Place, player: Make) -> None:
    switch(place, 2)
    place.cluster.session().run("SELECT pg_create_physical_replication_slot('far_away', true)")
    late = backup(place, "late")
    stop(place)
    state = Path(place.cluster.data, "pg_replslot", "far_away", "state")
    state.write_bytes(b"\0" * 16 + state.read_bytes()[16:])
    found, _ = looked(place, player, backups=f'["{late}"]')
    assert found["count"] == 0 and "the slot 'far_away' does not say what it needs" in found["refused"]


def test_a_standby_never_started_begins_where_its_backup_began(place: Place, player: Make) -> None:
    """Its pg_control may be of a later checkpoint than the backup's first; then it is no guide."""
    switch(place, 2)
    standby = backup(place, "standby")
    Path(standby, "standby.signal").touch()
    label = Path(standby, "backup_label").read_text()
    switch(place, 2)
    later = backup(place, "later")
    os.replace(os.path.join(later, "global", "pg_control"), os.path.join(standby, "global", "pg_control"))
    found, _ = looked(place, player, backups=f'["{backup(place, "latest")}"]', standbys=f'["{standby}"]')
    assert found["whom"] == f"the standby '{standby}'"
    assert f"(file {found['cut']})" in label


def test_a_standby_of_another_postgresql_is_refused_where_it_was_named(place: Place, player: Make) -> None:
    switch(place, 2)
    other = os.path.join(place.lab.folder, "other")
    os.mkdir(other, 0o700)
    ordinary.own(other)
    databases.make(Cluster(other, place.cluster.sockets, 5499, "-"), place.where)
    late = backup(place, "late")
    found, _ = looked(place, player, backups=f'["{late}"]', standbys=f'["{other}"]')
    assert found["count"] == 0 and f"the standby '{other}' is of another PostgreSQL" in found["refused"]


def test_a_base_backup_that_lies_here_is_kept_restorable_and_never_started(
    place: Place, player: Make
) -> None:
    switch(place, 2)
    here = place.lab.make_folder()
    databases.as_ordinary(
        place.where["pg_basebackup"], "-h", place.cluster.sockets, "-p", str(place.cluster.port), "-U",
        databases.user(), "-D", here, "-X", "none", "-c", "fast",
    )  # fmt: skip
    for name in os.listdir(place.archive):
        if name.endswith(".backup"):
            os.unlink(os.path.join(place.archive, name))
    switch(place, 2)
    found, run = looked(place, player)
    assert found["whom"] == f"the base backup '{here}'" and found["count"] >= 2
    stop(place)
    run = player("disk-full", **place.wants(want="1MiB", inodes=1))
    for step in ("look", "postgres", "stopped"):
        run.act(step)
    assert run.steps["stopped"]["outputs"]["shown"] == f"'{place.cluster.data}'"


def test_the_servers_own_log_is_never_taken_for_an_archive(place: Place, player: Make) -> None:
    switch(place, 3)
    log = os.path.join(place.cluster.data, "pg_wal")
    before = sorted(os.listdir(log))
    for given in (log, link(place, log)):
        found, run = looked(place, player, archive=given, keep="0000000100000000000000FF")
        assert found["count"] == 0 and "this is PostgreSQL's own log" in found["refused"]
        run.play("cut_archive", until="after_archive")
    assert sorted(os.listdir(log)) == before


@pytest.mark.parametrize(
    "command",
    [
        'test ! -f "{link}/%f" && cp %p "{link}/%f"',
        "cp %p '{link}/%f'",
        "cp %p ../{name}/%f",
    ],
)
def test_the_archive_is_found_however_its_command_names_it(place: Place, player: Make, command: str) -> None:
    name = os.path.basename(place.archive)
    configure(
        place, archive_command=command.format(link=link(place, place.archive), name=name).replace("'", "''")
    )
    found, _ = looked(place, player)
    assert found["archive"] == place.archive


def test_a_compressed_archive_is_cut_too(place: Place, player: Make) -> None:
    configure(place, archive_command=f"gzip -1 < %p > {place.archive}/%f.gz")
    session = place.cluster.session()
    session.run("CREATE TABLE t (n int)")
    for _ in range(4):
        session.run("INSERT INTO t VALUES (1)")
        session.run("SELECT pg_switch_wal()")
    backup(place, "kept")
    found, run = looked(place, player)
    assert (found["ext"], found["refused"]) == (".gz", "") and found["count"] >= 4
    run.play("cut_archive", until="after_archive")
    assert run.steps["cut_archive"]["status"] == "ok", run.errors
    assert run.verify("cut_archive").exit == 0
    left = sorted(name for name in os.listdir(place.archive) if name.endswith(".gz") and len(name) == 27)
    assert left[0] == found["cut"] + ".gz"


def test_a_base_backup_in_archives_is_read(place: Place, player: Make) -> None:
    switch(place, 2)
    folder = os.path.join(place.lab.folder, "tar")
    os.mkdir(folder, 0o700)
    ordinary.own(folder)
    databases.as_ordinary(
        place.where["pg_basebackup"], "-h", place.cluster.sockets, "-p", str(place.cluster.port), "-U",
        databases.user(), "-D", folder, "-X", "none", "-c", "fast", "-F", "t", "-z",
    )  # fmt: skip
    switch(place, 1)
    found, _ = looked(place, player, backups=f'["{folder}"]')
    assert found["whom"] == f"the base backup '{folder}'" and found["count"] >= 2


def test_without_pg_archivecleanup_nothing_is_cut(place: Place, player: Make) -> None:
    switch(place, 2)
    backup(place, "kept")
    folder = os.path.join(place.lab.folder, "bin")
    os.mkdir(folder)
    for program in os.scandir(os.path.dirname(place.where["postgres"])):
        if program.name != "pg_archivecleanup":
            os.symlink(program.path, os.path.join(folder, program.name))
    opts = Path(place.cluster.data, "postmaster.opts")
    opts.write_text(opts.read_text().replace(place.where["postgres"], os.path.join(folder, "postgres")))
    found, _ = looked(place, player)
    assert (found["count"], found["refused"]) == (0, f"there is no {folder}/pg_archivecleanup")


def test_what_is_killed_in_the_middle_of_the_cut_is_seen_to_be_unfinished(place: Place, player: Make) -> None:
    switch(place, 4)
    backup(place, "kept")
    _, run = looked(place, player)
    assert run.verify("cut_archive").exit == 10
    os.unlink(os.path.join(place.archive, segments(place)[0]))
    assert run.verify("cut_archive").exit == 10
    os.rename(place.archive, place.archive + ".away")
    assert run.verify("cut_archive").exit not in (0, 10), "an archive that is gone says nothing"


@contextlib.contextmanager
def receiver(place: Place) -> Iterator[None]:
    """Somebody who streams from the server, and is connected."""
    folder = os.path.join(place.lab.folder, "received")
    os.mkdir(folder)
    ordinary.own(folder)
    program = shutil.which("pg_receivewal", path=os.path.dirname(place.where["postgres"]))
    assert program is not None
    argv = [program, "-n", "-w", "-D", folder, "-h", place.cluster.sockets, "-U", databases.user()]
    process = databases.serve(
        folder, "receiver", argv, os.path.join(place.lab.folder, "received.log"), place.lab.ledger
    )
    try:
        databases.wait(lambda: _streams(place), "pg_receivewal", place.cluster.log)
        yield
    finally:
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)


def _streams(place: Place) -> None:
    if not place.cluster.session().run("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"):
        raise wires.Refusal("not yet")


@pytest.mark.parametrize("asked", [True, False])
def test_who_is_connected_is_asked_for_and_where_that_is_not_allowed_nothing_is_cut(
    place: Place, player: Make, asked: bool
) -> None:
    switch(place, 2)
    backup(place, "kept")
    switch(place, 1)
    with receiver(place):
        if not asked:
            rules = Path(place.cluster.data, "pg_hba.conf")
            rules.write_text("local replication all trust\nlocal all all reject\n")
            place.cluster.session().run("SELECT pg_reload_conf()")
            databases.wait(lambda: _rejected(place), "pg_hba.conf", place.cluster.log)
        found, _ = looked(place, player)
    if asked:
        assert " for a standby that is connected" in found["needs"] and found["count"] >= 2
    else:
        assert found["count"] == 0
        assert "a standby is connected, and PostgreSQL does not let its owner ask" in found["refused"]


def _rejected(place: Place) -> None:
    try:
        place.cluster.session().close()
    except wires.Refusal:
        return
    raise wires.Refusal("not yet")


def test_what_could_not_be_searched_is_said_in_the_question(
    place: Place, player: Make, tmp_path: Path
) -> None:
    switch(place, 2)
    backup(place, "kept")
    find = tmp_path / "find"
    find.write_text('#!/bin/bash\ncase "$*" in *pg_control*) exit 124 ;; esac\nexec /usr/bin/find "$@"\n')
    find.chmod(0o755)
    run = player("disk-full", **place.wants())
    run.path = f"{tmp_path}:{run.path}"
    run.play(until="after_archive")
    assert "Not clear: not everything on " in run.asked[-1]
