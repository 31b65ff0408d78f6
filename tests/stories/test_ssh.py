"""A step that is `ssh`: it closes what it inherits, and is seen to run all the same."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from runbooks import attempt, procfs
from tests.stories.scene import Scene, ended, kill, lack, lives, until


class Server(NamedTuple):
    pid: int
    command: str  # what a step writes in front of the remote command


@pytest.fixture
def server(scene: Scene) -> Iterator[Server]:
    """A server of ours on a free port of the loopback, with keys of its own, for this account."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if sshd is None or shutil.which("ssh") is None:
        lack("sshd and ssh (openssh-server, openssh-client)")
    folder = os.path.join(scene.folder, "ssh")
    os.mkdir(folder, 0o700)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{name}"], check=True, timeout=30
        )
    shutil.copy(f"{folder}/user.pub", f"{folder}/authorized")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    port = free_port()
    options = {
        "ListenAddress": "127.0.0.1", "Port": port, "HostKey": f"{folder}/host", "AuthorizedKeysFile": f"{folder}/authorized",
        "UsePAM": "no", "StrictModes": "no", "PidFile": "none", "PermitRootLogin": "prohibit-password",
    }  # fmt: skip
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    with open(f"{folder}/log", "wb") as log:
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", "/dev/null", *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=scene.env("nova", {}),
        )  # fmt: skip
    scene.processes.append(process)
    until(lambda: answers(port) or process.poll() is not None, "the server")
    with open(f"{folder}/log") as log_of_server:
        assert process.poll() is None, log_of_server.read()
    client = f"ssh, -F, none, -i, {folder}/user, -p, '{port}', -o, BatchMode=yes, -o, ConnectTimeout=10"
    client += f", -o, StrictHostKeyChecking=no, -o, UserKnownHostsFile={folder}/known, -o, LogLevel=ERROR"
    yield Server(process.pid, f"{client}, {getpass.getuser()}@127.0.0.1, --")
    kill(process.pid)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


BOOK = """
name: remote
steps:
  - id: act
    timeout: 30s
    run: [SSH, "echo begun >> 'ACTS'; for i in $(seq 12); do echo tick $i; sleep 0.1; done; echo ended >> 'ACTS'"]
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
"""


def test_a_step_that_is_ssh_is_seen_running_when_its_driver_has_died(scene: Scene, server: Server) -> None:
    viewer = scene.begin("run", scene.runbook(BOOK.replace("SSH", server.command)))
    scene.wait_for_act("begun")
    kill(scene.driver())
    told = ended(viewer)
    assert told.code == 1 and "act still runs: ssh " in told.out
    assert scene("resume").code == 0
    assert scene.acts() == ["begun", "ended", "next"]
    [outcome] = [e for e in scene.events() if e.kind == "step.ended" and e.step == "act"]
    assert outcome.data["recovered"] and outcome.data["tail"].endswith("tick 12\n")


def test_a_step_that_is_ssh_is_seen_running_when_its_keeper_has_died_too(
    scene: Scene, server: Server
) -> None:
    """Nobody holds its lock: the process itself is the witness, and what became of it is then a doubt."""
    viewer = scene.begin("run", scene.runbook(BOOK.replace("SSH", server.command)))
    scene.wait_for_act("begun")
    for pid in (scene.driver(), scene.keeper()):
        kill(pid)
    ended(viewer)
    seen = attempt.witness(scene.run_dir(), 1)
    assert (seen.state, seen.who) == ("running", "process") and seen.pid is not None
    assert not attempt.is_held(scene.run_dir(), 1)
    parked = scene("resume")  # waits for it, and begins nothing beside it
    assert parked.code == 3 and not lives(seen.pid)
    assert scene.acts().count("begun") == 1 and "next" not in scene.acts()
    assert scene.status("act") == "in_doubt"
    scene.ok("done", "act")
    assert scene.wait_for("run.ended").data["status"] == "ok"


def test_a_lost_link_is_a_doubt_and_no_failure(scene: Scene, server: Server) -> None:
    """ssh's 255 says that nobody knows; the other side may have done all of it."""
    viewer = scene.begin("run", scene.runbook(BOOK.replace("SSH", server.command)))
    scene.wait_for_act("begun")
    for session in [one.pid for one in procfs.table().values() if one.parent == server.pid]:
        kill(session)
    told = ended(viewer)
    assert told.code == 3, told
    assert "act is IN DOUBT: exit 255: ssh lost its link" in told.out
    scene.ok("skip", "act")
    assert scene.wait_for("run.ended").data["status"] == "ok"


def test_a_host_that_cannot_be_reached_fails_a_step_that_only_reads(scene: Scene, server: Server) -> None:
    closed = server.command.replace("ConnectTimeout=10", "ConnectTimeout=5").replace(
        "ssh, ", "ssh, -p, '1', ", 1
    )
    book = scene.runbook(
        "name: far\nsteps:\n  - {id: look, effect: read, timeout: 20s, run: [SSH, uptime]}\n".replace(
            "SSH", closed
        )
    )
    told = scene("run", book)
    assert told.code == 1
    assert "exit 255: ssh lost its link, or had none" in told.out and "Connection refused" in told.out
