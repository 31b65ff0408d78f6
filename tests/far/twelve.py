"""Twelve machines for a test: a network namespace each, with a link that can be taken down and an ssh server of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

from tests.far import server

PORT = 2222


def lacks() -> str:
    """What is missing here; empty where nothing is."""
    if server.lacks():
        return server.lacks()
    if os.geteuid() != 0 or None in (shutil.which("ip"), shutil.which("nsenter")):
        return "root, ip (iproute2) and nsenter (util-linux), for network namespaces"
    with contextlib.suppress(subprocess.CalledProcessError):
        _ip("netns", "add", f"howdah-try-{os.getpid()}")
        _ip("netns", "del", f"howdah-try-{os.getpid()}")
        return ""
    return "network namespaces"


class Fleet:
    """`names` are web01, web02, …; `folder/home-NAME` is the home of each."""

    def __init__(self, folder: str, count: int):
        self.folder = folder
        self.names = [f"web{number:02}" for number in range(1, count + 1)]
        self.net = os.getpid() % 200 + 20
        self.processes: list[subprocess.Popen[bytes]] = []

    def address(self, name: str) -> str:
        return f"10.{self.net}.{self.names.index(name)}.2"

    def space(self, name: str) -> str:
        return f"howdah-{os.getpid()}-{name}"

    def link(self, name: str) -> str:
        return f"hd{self.net}{name}"

    def home(self, name: str) -> str:
        return os.path.join(self.folder, f"home-{name}")

    @property
    def path(self) -> str:
        return f"{self.folder}/bin:{os.environ['PATH']}"

    def hosts(self, **more: str) -> str:
        """The lines of `hosts:`."""
        extra = "".join(f", {key}: {value}" for key, value in more.items())
        return "".join(
            f"  {name}: {{address: {self.address(name)}, port: {PORT}, roles: [web]{extra}}}\n"
            for name in self.names
        )

    def cut(self, name: str) -> None:
        """Takes the link of a machine down: nothing arrives there, and nothing says so."""
        _ip("-n", self.space(name), "link", "set", "eth0", "down")

    def up(self) -> None:
        server.prepare(self.folder, [(self.address(name), PORT) for name in self.names])
        for number, name in enumerate(self.names):
            os.mkdir(self.home(name), 0o700)
            space, link = self.space(name), self.link(name)
            _ip("netns", "add", space)
            _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("addr", "add", f"10.{self.net}.{number}.1/30", "dev", link)
            _ip("link", "set", link, "up")
            _ip("-n", space, "addr", "add", f"{self.address(name)}/30", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", space, "link", "set", device, "up")
            self.processes.append(
                server.start(
                    self.folder, PORT, address=self.address(name), before=["nsenter", f"--net=/run/netns/{space}"],  # `ip netns exec` would keep every mount busy
                    home=self.home(name),
                )
            )  # fmt: skip

    def down(self) -> None:
        for process in self.processes:
            server.end(process)
        for name in self.names:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "del", self.space(name))  # its end of the link goes with it


@contextlib.contextmanager
def fleet(folder: str, count: int = 12) -> Iterator[Fleet]:
    """The machines, up; afterwards nothing of them is left."""
    made = Fleet(folder, count)
    try:
        made.up()
        yield made
    finally:
        made.down()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)
