"""The lab of nfs-stall: a guest with an NFS server and a client, and on the client a service that must not lose a line.

All names are random, so that no runbook can know them. The guest can be made anew for another fault without a boot.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from incidents import clock, hosts, ids
from incidents.errors import Failed
from runbooks import procfs
from runbooks.drills import base, janitor
from runbooks.drills.nfs_stall.machine import Machine
from runbooks.procfs import Process

SERVER, CLIENT = "nfs-server", "nfs-client"  # as `hosts:` would name them
ADDRESS, OTHER = "10.9.0.2", "10.9.1.2"  # of the server, and of the copy on another network
PATIENCE = "60s"  # for the mount to go on; the server's grace period is 10 s here
ACKS_WITHIN = 30 * clock.SECOND
POLL = 50_000


class Paths(NamedTuple):
    """What lies where in the guest."""

    export: str  # on the server
    replica: str
    mount: str  # on the client
    data: str  # the service's folder in them
    unit: str  # the service's
    acks: str = "/run/lab/acks"


def paths() -> Paths:
    """Names that nobody has seen; the mount point has a space in it, as mount points have."""
    export, replica, mount, data = (ids.short(6) for _ in range(4))
    return Paths(
        f"/srv/{export}", f"/srv/{replica}", f"/srv/{mount} media", data, f"app-{ids.short(5)}.service"
    )


class Lab(base.Played):
    """One guest, its service, and what the drill knows about them."""

    def __init__(self, folder: str | None, ledger: janitor.Ledger):
        super().__init__(folder, ledger)
        self.paths = paths()
        self.machine = Machine(self.folder, ledger)
        self.broken_at: int | None = None
        self.used = False

    @property
    def what(self) -> str:
        return (
            f"{self.paths.mount}: {ADDRESS}:{self.paths.export}, in a small virtual machine, "
            "and a service that writes into it"
        )

    def up(self) -> None:
        """Boots the guest, or makes it anew where a fault was played in it; returns once the service acknowledges."""
        self.seen_at = self.broken_at = None
        if self.used:
            self.renew()
        else:
            self._boot()
        os.environ["PATH"] = f"{self.machine.bin}:{_without(self.machine.bin)}"  # for the run's own ssh
        self.used = True
        self._wait(lambda: self.acknowledged() >= 5, "the lab's service acknowledges nothing")

    def _boot(self) -> None:
        self.ledger.note("folder", path=self.folder)
        try:
            os.mkdir(self.folder, 0o700)
        except OSError as error:
            raise Failed(f"{self.folder}: {error.strerror}") from None
        known = self.paths
        self.machine.boot(
            {
                "EXPORT": known.export, "REPLICA": known.replica, "MOUNT": known.mount, "DATA": known.data,
                "UNIT": known.unit, "PYTHON": os.path.realpath(sys.executable),
            }
        )  # fmt: skip

    def renew(self) -> None:
        """Another export, another service, in the same guest. Raises Failed."""
        self.machine.must("client", "bash /run/lab/serve.sh stop")
        self.machine.must("server", "bash /run/lab/renew.sh")
        self.machine.must("client", "bash /run/lab/serve.sh </dev/null >/dev/null")

    def inputs(self) -> dict[str, str]:
        """The inputs of the runbook `nfs-stall` for this lab."""
        return {"mount": self.paths.mount, "client": CLIENT, "server": SERVER, "patience": PATIENCE}

    def hosts(self) -> dict[str, hosts.Host]:
        """The machines as howdah.yaml would name them."""
        reached = {SERVER: "server", CLIENT: "client"}
        return {
            name: hosts.Host(name, "127.0.0.1", user="root", port=self.machine.ports[one])
            for name, one in reached.items()
        }

    def acknowledged(self) -> int:
        """How many lines the service has acknowledged."""
        return int(self.machine.must("client", f"grep -vc '^!' {self.paths.acks} || true").strip() or 0)

    def breaks(self) -> Process:
        """The instant at which a fault strikes, and the process that stands for what is at fault: the guest."""
        self.broken_at = clock.monotonic()
        return self.machine.process

    def _wait(self, happened: Callable[[], bool], otherwise: str) -> None:
        deadline = clock.monotonic() + ACKS_WITHIN
        while not happened():
            guest = self.machine.process
            if clock.monotonic() > deadline or not procfs.alive(guest.pid, guest.start):
                said = self.machine.run("client", "tail -c 300 /run/lab/service.out").output
                raise Failed(f"{otherwise}: {said.decode('utf-8', 'replace').strip() or 'it said nothing'}")
            clock.sleep(POLL)


def _without(folder: str) -> str:
    words = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(word for word in words if word != folder)
