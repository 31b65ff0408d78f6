"""A step that is `ssh`: it closes what it inherits, and is seen to run all the same."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator

import pytest

from runbooks import attempt, procfs
from tests.far.server import Server, lacks, serve
from tests.stories.scene import Scene, ended, kill, lack, lives


@pytest.fixture
def server(scene: Scene) -> Iterator[Server]:
    if why := lacks():
        lack(why)
    with serve(os.path.join(scene.folder, "ssh")) as one:
        yield one


def command(server: Server) -> str:
    """What a step writes in front of the remote command."""
    words = (
        f"{server.bin}/ssh, -p, '{server.port}', -o, BatchMode=yes, -o, ConnectTimeout=10, -o, LogLevel=ERROR"
    )
    return f"{words}, {getpass.getuser()}@127.0.0.1, --"


BOOK = """
name: remote
steps:
  - id: act
    timeout: 30s
    run: [SSH, "echo begun >> 'ACTS'; for i in $(seq 12); do echo tick $i; sleep 0.1; done; echo ended >> 'ACTS'"]
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
"""


def test_a_step_that_is_ssh_is_seen_running_when_its_driver_has_died(scene: Scene, server: Server) -> None:
    viewer = scene.begin("run", scene.runbook(BOOK.replace("SSH", command(server))))
    scene.wait_for_act("begun")
    kill(scene.driver())
    told = ended(viewer)
    assert told.code == 1 and "act still runs: " in told.out and "ssh " in told.out
    assert scene("resume").code == 0
    assert scene.acts() == ["begun", "ended", "next"]
    [outcome] = [e for e in scene.events() if e.kind == "step.ended" and e.step == "act"]
    assert outcome.data["recovered"] and outcome.data["tail"].endswith("tick 12\n")


def test_a_step_that_is_ssh_is_seen_running_when_its_keeper_has_died_too(
    scene: Scene, server: Server
) -> None:
    """Nobody holds its lock: the process itself is the witness, and what became of it is then a doubt."""
    viewer = scene.begin("run", scene.runbook(BOOK.replace("SSH", command(server))))
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
    viewer = scene.begin("run", scene.runbook(BOOK.replace("SSH", command(server))))
    scene.wait_for_act("begun")
    for session in [one.pid for one in procfs.table().values() if one.parent == server.pid]:
        kill(session)
    told = ended(viewer)
    assert told.code == 3, told
    assert "act is IN DOUBT: exit 255: ssh lost its link" in told.out
    scene.ok("skip", "act")
    assert scene.wait_for("run.ended").data["status"] == "ok"


def test_a_host_that_cannot_be_reached_fails_a_step_that_only_reads(scene: Scene, server: Server) -> None:
    closed = (
        command(server)
        .replace("ConnectTimeout=10", "ConnectTimeout=5")
        .replace("/ssh, ", "/ssh, -p, '1', ", 1)
    )
    book = scene.runbook(
        "name: far\nsteps:\n  - {id: look, effect: read, timeout: 20s, run: [SSH, uptime]}\n".replace(
            "SSH", closed
        )
    )
    told = scene("run", book)
    assert told.code == 1
    assert "exit 255: ssh lost its link, or had none" in told.out and "Connection refused" in told.out
