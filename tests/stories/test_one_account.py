"""`transport: asyncssh`: names of one account on one machine share connections, as far as its server lets them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.far.server import Server, lacks, serve
from tests.stories.scene import Scene, lack, until
from tests.stories.test_targets import Far

LOOK = "name: look\nsteps:\n  - {id: look, effect: read, targets: {hosts: all}, parallel: 30, run: 'true'}\n"
Serving = Callable[..., Far]


@pytest.fixture
def serving(scene: Scene) -> Iterator[Serving]:
    """Starts the server, with what its configuration says besides."""
    if why := lacks():
        lack(why)
    with ExitStack() as stack:

        def begin(*options: str) -> Far:
            server = stack.enter_context(serve(os.path.join(scene.folder, "ssh"), options=options))
            return Far(scene, server, "asyncssh")

        yield begin


def connections(server: Server) -> int:
    """How many were let in so far."""
    return sum(
        log.read_text(errors="replace").count("Accepted ") for log in Path(server.folder).glob("log-*")
    )


def test_ten_names_share_one_connection(serving: Serving) -> None:
    far = serving()
    far.hosts("".join(far.server.host(f"h{n}") for n in range(25)))
    assert far.run(LOOK).code == 0
    assert connections(far.server) == 3


def test_another_user_or_port_or_time_to_connect_is_another_connection(serving: Serving) -> None:
    far = serving()
    user = os.environ.get("USER") or "root"
    more: list[dict[str, str]] = [{}, {}, {"user": user}, {"connect_timeout": "20s"}]
    far.hosts("".join(far.server.host(f"h{n}", **given) for n, given in enumerate(more)))
    assert far.run(LOOK).code == 0
    assert connections(far.server) == 3


@pytest.mark.parametrize("most", [1, 2, 4])
def test_where_the_server_admits_fewer_sessions_each_name_is_reached_all_the_same(
    serving: Serving, most: int
) -> None:
    far = serving(f"MaxSessions={most}")
    far.hosts("".join(far.server.host(f"h{n}") for n in range(9)))
    told = far.run(LOOK)
    assert told.code == 0, told
    assert far.outcomes() == {"look": "ok", **{f"look@h{n}": "ok" for n in range(9)}}


def test_a_server_that_admits_no_session_is_said_and_not_tried_for_ever(serving: Serving) -> None:
    far = serving("MaxSessions=0")
    told = far.run(LOOK)
    assert told.code == 1, told
    assert "web1 cannot be reached: " in far.why("look@web1")


def test_what_asyncssh_cannot_read_is_said_at_once(serving: Serving) -> None:
    far = serving()
    config = Path(far.server.folder, ".ssh", "config")
    config.write_text("Port abc\n" + config.read_text())
    assert far.run(LOOK).code == 1
    assert re.search(r"web1 cannot be reached: .*config line 1: Invalid Port", far.why("look@web1"))
    assert (
        "web1 cannot be reached: " in far("doctor", "--night").out
        and "Error: " not in far("doctor", "--night").out
    )


def test_an_address_that_can_be_none_is_said_at_once(serving: Serving) -> None:
    far = serving()
    far.hosts(far.server.host("web1") + "  web2: {address: web..example}\n")
    assert far.run(LOOK.replace("hosts: all", "hosts: all, unreachable: continue")).code == 0
    assert far.outcomes()["look@web1"] == "ok"
    assert far.why("look@web2").startswith("web2 cannot be reached: ")


def test_names_that_share_a_connection_are_each_asked_for_their_end_when_it_is_cut(serving: Serving) -> None:
    far = serving()
    far.begin("""
name: act
steps:
  - {id: act, targets: {hosts: web}, parallel: 4, timeout: 60s, run: "echo $HOWDAH_HOST >> 'ACTS'; sleep 3"}
""")
    until(lambda: len(far.scene.acts()) == 4, "all to begin")
    assert connections(far.server) == 1
    far.server.cut()
    assert far.scene.wait_for("run.ended").data["status"] == "ok", "each host told its end"
    assert sorted(far.scene.acts()) == ["web1", "web2", "web3", "web4"]


def test_a_host_is_asked_by_asyncssh_too_where_there_is_no_ssh_that_reaches_it(serving: Serving) -> None:
    far = serving()
    Path(far.server.bin, "ssh").write_text("#!/bin/sh\necho there is no ssh here >&2\nexit 255\n")
    assert "web1" not in far("doctor", "--night").out, "doctor says only what is wrong"
    far.begin("""
name: act
steps:
  - {id: act, targets: {hosts: web1}, timeout: 60s, run: "echo begun >> 'ACTS'; sleep 2; echo ended >> 'ACTS'"}
""")
    far.scene.wait_for_act("begun")
    far.server.cut()
    assert far.scene.wait_for("run.ended").data["status"] == "ok", "it told its end"
    assert far.scene.acts() == ["begun", "ended"]
