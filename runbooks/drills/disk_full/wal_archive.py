"""Fault: nobody cuts PostgreSQL's WAL archive, until it has filled the disk that Redis saves to as well.

The night of 13 December 2022. Two still need the archive: a base backup that is kept elsewhere, and a standby that
runs an hour late on purpose and has nothing else. The backup that the standby was made from has been forgotten, so
that the standby needs more than the oldest backup does. What is older than both nobody needs.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from incidents import clock
from incidents.errors import Failed
from runbooks.drills import databases, ordinary, wires

if TYPE_CHECKING:
    from runbooks.drills.databases import Cluster
    from runbooks.drills.disk_full.lab import Lab
    from runbooks.procfs import Process

LAB_SIZE = 192 << 20  # bytes of the filesystem
JUDGE = "runbooks.drills.databases_judge"  # looks at what only this lab has
BEFORE = 10  # rounds of writes before the standby is made
BETWEEN = 3  # and before the base backup
ROUNDS = 400  # after it, at most
LATE = "1h"  # the standby applies what is so old
BREAKS_WITHIN = 60 * clock.SECOND
POLL = 50_000

SUMMARY = "PostgreSQL's WAL archive has filled the disk; Redis refuses writes, and PostgreSQL has stopped or panics."
ANSWERS = ("cut_archive", "start_postgres")


def inject(lab: Lab) -> Process:
    """Builds the databases, lets the archive fill the disk; returns the lab's service: no process is at fault."""
    where = databases.programs()
    lab.let_others_in()
    sockets = os.path.join(lab.folder, "sockets")
    os.mkdir(sockets, 0o755)
    ordinary.own(sockets)
    data, archive, saves = lab.make_folder(), lab.make_folder(), lab.make_folder()
    cluster = databases.Cluster(data, sockets, 5432, os.path.join(lab.folder, "postgres.log"))
    databases.make(cluster, where, archive_mode="on", archive_command=_archiving(archive))
    databases.start(cluster, where, lab.ledger)
    redis = os.path.join(sockets, "redis")
    databases.start_redis(saves, redis, os.path.join(lab.folder, "redis.log"), where, lab.ledger)
    session = cluster.session()
    session.run("CREATE TABLE kept (n bigint PRIMARY KEY)")
    session.run("CREATE TABLE churn (n int, text text)")
    acks = os.path.join(lab.folder, "database-acks")
    lab.start("client", "runbooks.drills.databases_client", cluster.socket, redis, acks)
    for _ in range(BEFORE):
        _churn(session)
    standby = _standby(lab, cluster, archive, where)
    _forget_backups(archive)
    for _ in range(BETWEEN):
        _churn(session)
    backup = _backup(lab, cluster, "backup", where)
    lab.facts = {
        "postgres": cluster.socket, "redis": redis, "acks": acks, "archive": archive, "standby": standby.data,
        "standby_socket": standby.socket, "standby_log": standby.log, "first": _needed_by(standby),
        "backup_first": _first(backup),
    }  # fmt: skip
    _fill(session)
    os.kill(lab.writer.pid, signal.SIGUSR1)  # its log takes the rest
    lab.wait_full()
    _wait_broken(cluster, redis)
    return lab.writer


def _archiving(archive: str) -> str:
    """A command that may be cut off at any point and then called again for the same file."""
    there = f"{archive}/%f"
    return (
        f"if test -f {there}; then cmp -s %p {there}; else cp %p {there}.part && mv {there}.part {there}; fi"
    )


def _churn(session: wires.Postgres) -> None:
    """Some MiB of WAL, and nothing that stays."""
    session.run("INSERT INTO churn SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 8000) n")
    session.run("TRUNCATE churn")
    session.run("CHECKPOINT")


def _backup(lab: Lab, cluster: Cluster, name: str, where: dict[str, str]) -> str:
    """A base backup without its WAL, outside of the mount; returns its folder."""
    folder = os.path.join(lab.folder, name)
    os.mkdir(folder, 0o700)
    ordinary.own(folder)
    databases.as_ordinary(
        where["pg_basebackup"], "-h", cluster.sockets, "-p", str(cluster.port), "-U", databases.user(), "-D", folder,
        "-X", "none", "-c", "fast",
    )  # fmt: skip
    return folder


def _standby(lab: Lab, cluster: Cluster, archive: str, where: dict[str, str]) -> Cluster:
    """A standby that has nothing but the archive, applies everything late, and runs."""
    folder = _backup(lab, cluster, "standby", where)
    standby = databases.Cluster(
        folder, cluster.sockets, cluster.port + 1, os.path.join(lab.folder, "standby.log")
    )
    databases.configure(
        standby, archive_mode="off", restore_command=f"cp {archive}/%f %p", recovery_min_apply_delay=LATE,
        wal_retrieve_retry_interval="200ms",
    )  # fmt: skip
    with open(os.path.join(folder, "standby.signal"), "x", encoding="ascii"):
        pass
    databases.start(standby, where, lab.ledger)
    return standby


def _needed_by(standby: Cluster) -> str:
    """The WAL file from which the standby would have to begin again."""
    session = standby.session()
    ((name,),) = session.run("SELECT redo_wal_file FROM pg_control_checkpoint()")
    session.close()
    if name is None:
        raise Failed("the standby does not say what it needs")
    return name


def _forget_backups(archive: str) -> None:
    """The base backups made so far need not stay restorable."""
    for name in os.listdir(archive):
        if name.endswith(".backup"):
            os.unlink(os.path.join(archive, name))


def _first(backup: str) -> str:
    """The WAL file that the base backup begins with (`START WAL LOCATION: 0/5300028 (file 0000…53)`)."""
    with open(os.path.join(backup, "backup_label"), encoding="ascii") as file:
        line = next(line for line in file if line.startswith("START WAL LOCATION"))
    return line.rpartition("(file ")[2].rstrip().rstrip(")")


def _fill(session: wires.Postgres) -> None:
    """Writes until PostgreSQL breaks. Raises Failed where it never does."""
    for _ in range(ROUNDS):
        try:
            _churn(session)
        except wires.Refusal:
            return
    raise Failed("PostgreSQL went on: the archive did not fill the disk")


def _wait_broken(cluster: Cluster, redis: str) -> None:
    """Returns when PostgreSQL takes no writes and Redis refuses them. Raises Failed."""
    deadline = clock.monotonic() + BREAKS_WITHIN
    while not (_refused(cluster) and _misconfigured(redis)):
        if clock.monotonic() > deadline:
            raise Failed("the disk is full, but PostgreSQL and Redis still write")
        clock.sleep(POLL)


def _refused(cluster: Cluster) -> bool:
    try:
        session = cluster.session()
        try:
            _churn(session)
        finally:
            session.close()
    except wires.Refusal:
        return True
    return False


def _misconfigured(redis: str) -> bool:
    try:
        line = wires.Redis(redis)
        try:
            line.run("SET", "last-straw", "x")
        finally:
            line.close()
    except wires.Refusal as why:
        return "MISCONF" in str(why)
    return False
