"""An ssh server of ours: on a free port of the loopback, with keys of its own, for this account alone."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runbooks import procfs

PATIENCE = 30.0  # seconds; a bound, never a measure


class Server(NamedTuple):
    """`bin` holds an `ssh` that finds the keys; it goes in front of PATH. asyncssh finds them where HOME is `folder`."""

    pid: int
    port: int
    folder: str

    @property
    def bin(self) -> str:
        return os.path.join(self.folder, "bin")

    @property
    def path(self) -> str:
        return f"{self.bin}:{os.environ['PATH']}"

    def host(self, name: str, **more: str) -> str:
        """A line of `hosts:` that reaches it."""
        given = {"address": "127.0.0.1", "port": str(self.port), **more}
        return f"  {name}: {{{', '.join(f'{key}: {value}' for key, value in given.items())}}}\n"

    def sessions(self) -> list[int]:
        """The processes of everybody who is connected, down to what they started."""
        everybody = procfs.table().values()
        found = {self.pid}
        while more := {one.pid for one in everybody if one.parent in found} - found:
            found |= more
        return sorted(found - {self.pid})

    def refuse(self, refuses: bool = True) -> None:
        """Whether a driver's questions are refused; what a keeper has to say comes through all the same."""
        file = pathlib.Path(self.folder, "refuses")
        if refuses:
            file.touch()
        else:
            file.unlink(missing_ok=True)

    def cut(self, *, for_good: bool = False) -> None:
        """Ends every connection at this side, as a reset of the link does; what runs for them goes on. `for_good`: nobody
        listens any more."""
        daemons = [
            pid for pid in self.sessions() if (one := procfs.look(pid)) and one.name.startswith("sshd")
        ]
        for pid in [self.pid, *daemons] if for_good else daemons:
            _kill(pid)


def lacks() -> str:
    """What is missing here to run one; empty where nothing is."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    return "" if sshd and shutil.which("ssh") else "sshd and ssh (openssh-server, openssh-client)"


@contextlib.contextmanager
def serve(folder: str, *, options: Sequence[str] = (), address: str = "127.0.0.1") -> Iterator[Server]:
    """Serves until the block ends; then every connection and what still runs for it is ended too."""
    port = _free_port(address)
    prepare(folder, [(address, port)])
    process = start(folder, port, address=address, options=options)
    try:
        yield Server(process.pid, port, folder)
    finally:
        end(process)


def prepare(folder: str, known: Sequence[tuple[str, int]]) -> None:
    """The keys of servers at these addresses and of their client, and an `ssh` that knows them."""
    for name in ("bin", "home", ".ssh"):
        os.makedirs(os.path.join(folder, name), mode=0o700)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{name}"], check=True, timeout=30
        )
    shutil.copy(f"{folder}/user.pub", f"{folder}/authorized")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    with open(f"{folder}/host.pub") as public, open(f"{folder}/known", "w") as file:
        key = " ".join(public.read().split()[:2])
        file.writelines(f"[{address}]:{port} {key}\n" for address, port in known)
    with open(f"{folder}/config", "w") as config:
        config.write(
            f"Host *\n  IdentityFile {folder}/user\n  UserKnownHostsFile {folder}/known\n  IdentitiesOnly yes\n"
        )
    asks = f"[ -e {folder}/refuses ] && tr '\\0' ' ' </proc/$PPID/cmdline | grep -q 'wide .'"
    with open(f"{folder}/.ssh/config", "w") as config, open(f"{folder}/config") as plain:
        config.write(f'Match exec "{asks}"\n  Hostname 127.255.255.254\n{plain.read()}')
    wrapper = os.path.join(folder, "bin", "ssh")
    with open(wrapper, "w") as script:
        script.write(
            f'#!/bin/sh\n[ ! -e {folder}/refuses ] || [ "$(cat /proc/$PPID/comm)" = howdah-keeper ] || '
            "{ echo 'ssh: connect to host: No route to host' >&2; exit 255; }\n"
            f'exec {shutil.which("ssh")} -F {folder}/config "$@"\n'
        )
    os.chmod(wrapper, 0o755)


def start(
    folder: str, port: int, *, address: str = "127.0.0.1", options: Sequence[str] = (), before: Sequence[str] = (),
    home: str = "",
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Starts the daemon, behind the words of `before`, and returns when it listens. `home` is what its account gets."""
    log_path = f"{folder}/log-{address}-{port}"
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    settings = {
        "ListenAddress": address, "Port": port, "HostKey": f"{folder}/host", "AuthorizedKeysFile": f"{folder}/authorized",
        "UsePAM": "no", "StrictModes": "no", "PidFile": "none", "PermitRootLogin": "prohibit-password",
        "MaxStartups": "400", "MaxSessions": "400",
        "SetEnv": f"HOME={home or folder + '/home'}",  # else the login shell reads what this machine's account has there
    }  # fmt: skip
    words = [*options, *(f"{name}={value}" for name, value in settings.items())]  # the first one counts
    flags = [part for word in words for part in ("-o", word)]
    with open(log_path, "ab") as log:
        process = subprocess.Popen(
            [*before, str(sshd), "-D", "-e", "-f", "/dev/null", *flags],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with open(log_path, errors="replace") as log_file:
            if "Server listening" in log_file.read():
                return process
        time.sleep(0.01)
    with open(log_path, errors="replace") as log_file:
        raise AssertionError(f"the ssh server did not start: {log_file.read()}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the daemon and everything below it."""
    for pid in reversed(Server(process.pid, 0, "").sessions()):
        _kill(pid)
    _kill(process.pid)
    process.wait(PATIENCE)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _free_port(address: str) -> int:
    with socket.socket() as taken:
        taken.bind((address, 0))
        return int(taken.getsockname()[1])
