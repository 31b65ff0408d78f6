"""The servers of a drill end so that nothing of them is left, also those that something else started or killed."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runbooks import procfs
from runbooks.drills import databases, ending, janitor, ordinary, wires
from runbooks.drills.databases import Cluster
from runbooks.drills.janitor import Ledger

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("databases")]


class Made(NamedTuple):
    ledger: Ledger
    cluster: Cluster

    def postmaster(self) -> int:
        return int(Path(self.cluster.data, "postmaster.pid").read_text().split("\n")[0])

    def memory(self) -> list[str]:
        """Key and number of its shared memory."""
        return Path(self.cluster.data, "postmaster.pid").read_text().split("\n")[6].split()


def memory_there() -> list[list[str]]:
    with open("/proc/sysvipc/shm", encoding="ascii") as file:
        return [line.split()[:2] for line in file]


@pytest.fixture
def made() -> Iterator[Made]:
    with tempfile.TemporaryDirectory(prefix="ending-") as folder:
        os.chmod(folder, 0o711)
        data = os.path.join(folder, "data")
        os.mkdir(data, 0o700)
        ordinary.own(data)
        sockets = os.path.join(folder, "sockets")
        os.mkdir(sockets)
        ordinary.own(sockets)
        ledger = Ledger(os.path.join(folder, "ledgers"))
        cluster = Cluster(data, sockets, 5432, os.path.join(folder, "log"))
        try:
            databases.make(cluster, databases.programs())
            databases.start(cluster, databases.programs(), ledger)
            yield Made(ledger, cluster)
        finally:
            assert ledger.close().left == []


def test_a_server_that_carries_no_token_is_ended_by_its_folder(made: Made) -> None:
    os.kill(made.postmaster(), signal.SIGQUIT)
    databases.wait(lambda: _gone(made), "the end of PostgreSQL", made.cluster.log)
    where = databases.programs()["pg_ctl"]
    databases.as_ordinary(
        where,
        "-s",
        "-w",
        "-D",
        made.cluster.data,
        "-l",
        os.path.join(made.cluster.data, "again.log"),
        "start",
    )
    again, memory = made.postmaster(), made.memory()
    assert ending.TOKEN.encode() not in Path(f"/proc/{again}/environ").read_bytes()
    swept = janitor.sweep(made.ledger.path)
    assert swept.left == [] and any(f"process {again} (postgres" in text for text in swept.removed)
    process = procfs.look(again)  # a zombie is nothing but its parent's matter
    assert process is None or not process.runs
    assert memory not in memory_there()


def test_the_shared_memory_of_a_server_that_was_killed_is_freed(made: Made) -> None:
    memory = made.memory()
    assert memory in memory_there()
    os.kill(made.postmaster(), signal.SIGKILL)
    swept = janitor.sweep(made.ledger.path)
    assert swept.left == [] and f"shared memory {memory[1]}" in swept.removed
    assert memory not in memory_there()


def _gone(made: Made) -> None:
    if os.path.exists(os.path.join(made.cluster.data, "postmaster.pid")):
        raise wires.Refusal("it is still there")
