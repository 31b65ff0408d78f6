"""A small filesystem with a real PostgreSQL that archives onto it, for the tests of what disk-full does about one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from incidents.errors import Failed
from runbooks.drills import databases, janitor, ordinary, wires
from runbooks.drills.databases import Cluster
from runbooks.drills.disk_full.lab import Lab


class Place(NamedTuple):
    lab: Lab
    where: dict[str, str]
    cluster: Cluster
    archive: str

    def wants(self, **more: Any) -> dict[str, Any]:
        """Inputs of disk-full that want more than what is free."""
        return {"mount": self.lab.mount, "want": "100MiB", "sample": "100ms", **more}


def programs() -> dict[str, str]:
    try:
        return databases.programs()
    except Failed as error:
        pytest.skip(f"{error}; {error.hint}")


def template() -> Iterator[str]:
    """The data folder of a new cluster, to be copied."""
    where = programs()
    with tempfile.TemporaryDirectory(prefix="template-") as folder:
        os.chmod(folder, 0o711)
        data = os.path.join(folder, "data")
        os.mkdir(data, 0o700)
        ordinary.own(data)
        databases.make(Cluster(data, folder, 5432, "-"), where)
        yield data


def made(copied: str) -> Iterator[Place]:
    """A place whose cluster runs; it is one of its own, with the same number for its system."""
    where = programs()
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
            databases.as_ordinary("cp", "-a", copied + "/.", data)
            command = f"test ! -f {archive}/%f && cp %p {archive}/%f"
            databases.configure(cluster, archive_mode="on", archive_command=command)
            databases.start(cluster, where, ledger)
            yield Place(lab, where, cluster, archive)
        finally:
            left = ledger.close().left
            assert left == [], left


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


def stop(place: Place, how: str = "immediate") -> None:
    databases.as_ordinary(place.where["pg_ctl"], "-D", place.cluster.data, "-m", how, "-w", "stop")


def configure(place: Place, **settings: str) -> None:
    session = place.cluster.session()
    for name, value in settings.items():
        session.run(f"ALTER SYSTEM SET {name} = '{value}'")
    session.run("SELECT pg_reload_conf()")


def link(place: Place, to: str) -> str:
    path = os.path.join(place.lab.folder, "a link")
    os.symlink(to, path)
    return path
