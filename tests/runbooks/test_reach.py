"""Asking other machines holds nobody up, and is done no more often than AGAIN."""

from __future__ import annotations

from pathlib import Path

import pytest

from incidents import clock, kinds
from incidents.events import Actor
from incidents.hosts import Host
from runbooks import loader, reach
from runbooks.doubt import Finish
from runbooks.journal import Attempt
from runbooks.surroundings import Surroundings
from tests.stories.scene import until

BOOK = loader.loads(
    "name: one\nsteps:\n  - {id: act, targets: {hosts: web1}, timeout: 9s, run: [sleep, '9']}\n", "one.yaml"
)
ACT = Attempt(
    1, "act@web1", "run", 1, "unsafe", clock.read(),
    kinds.StepStarted("act@web1", "act", 1, 1, "unsafe", host="web1", timeout=9_000_000), Actor("system", "driver"),
)  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each time that `ssh` was started; what it does stands in `does`."""
    program = tmp_path / "ssh"
    program.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\n. {tmp_path}/does\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "asked"


def about(asked: Path, does: str) -> reach.Reach:
    asked.with_name("does").write_text(does)
    around = Surroundings(
        run="run-one", incident="inc-1", store=str(asked.with_name("s.db")), runbook=BOOK, values={}, secrets={},
        cwd="/", umask=0o022, path="/usr/bin:/bin", zone="UTC", hosts={"web1": Host("web1", "web1").facts()},
    )  # fmt: skip
    return reach.Reach(around, BOOK)


def test_a_host_that_says_nothing_is_listened_to_and_waited_for_by_nobody(asked: Path) -> None:
    asking = about(asked, "exec sleep 30")
    assert [asking.finish(ACT, Finish(lost="x")) for _ in range(50)] == [None] * 50
    assert len(asking.waits()) == 1
    until(asked.exists, "the question")
    assert asked.read_text().split() == ["asked"]
    asking.stop(ACT, "person")  # ends the one that is under way: what is asked next is another matter
    assert asking.waits() == []


def test_a_host_that_refuses_is_asked_again_after_a_while_and_not_at_every_turn(
    asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "AGAIN", clock.HOUR)
    asking = about(asked, "echo 'ssh: No route to host' >&2; exit 255")
    asking.stop(ACT, "timeout")
    answer = until(lambda: asking.answer(ACT), "the answer")
    assert (answer.state, answer.why) == ("unreached", "web1 cannot be reached: ssh: No route to host")
    for _ in range(50):
        asking.stop(ACT, "timeout")  # as at every turn of a driver whose step is over its time
        assert asking.answer(ACT) is answer
    assert asked.read_text().split() == ["asked"]
