"""The law of rest, with links cut and hosts silent at random: nothing begins beside an attempt that still runs.

Each attempt holds a lock over there for as long as anything of it lives. Whatever else begins in the run, another
attempt, a verify, a next step, a rescue, tries the lock first, and says so where it is held. The driver's questions are
refused for as long as the whim lasts; the keeper's lines come through, as from a host that comes back just then.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents.hosts import Host
from tests.beside import beside
from tests.crash import test_far_kills
from tests.crash.harness import Bench, bench
from tests.crash.test_random_kills import seeds
from tests.far.server import Server

server = test_far_kills.server  # the fixture
TRIES = "flock -n {acts}.held true || echo beside >> {acts}"
BOOK = """
name: silence
steps:
  - id: act
    effect: EFFECT
    targets: {{hosts: web1}}
    timeout: TIMEs
    grace: 1s
    RETRY
    run: "TRIES; echo act >> {acts}; exec 9>{acts}.held; flock 9; sleep SLEEP; exit CODE"
    VERIFY
  - {{id: next, timeout: 20s, effect: read, run: "TRIES; echo next >> {acts}"}}
rescue:
  - {{id: resc, timeout: 20s, effect: read, run: "TRIES; echo rescue >> {acts}"}}
"""


def write(choose: random.Random) -> str:
    effect = choose.choice(("unsafe", "unsafe", "idempotent"))
    verify = choose.choice(("exit 0", "exit 10", "exit 1")) if effect == "unsafe" else ""
    text = BOOK.replace("EFFECT", effect).replace("CODE", choose.choice(("0", "3")))
    text = text.replace("TIME", choose.choice(("3", "4"))).replace("SLEEP", choose.choice(("1.5", "9")))
    text = text.replace("RETRY", "retry: {{max: 2, delay: 1ms}}" if effect == "idempotent" else "")
    text = text.replace("VERIFY", f'verify: {{{{no: [10], run: "TRIES; {verify}"}}}}' if verify else "")
    return text.replace("TRIES", TRIES).replace("{{", "{").replace("}}", "}")


@contextlib.contextmanager
def whims(server: Server, choose: random.Random) -> Iterator[None]:
    """Cuts the link and silences the host, again and again."""

    def work(enough: threading.Event) -> None:
        while not enough.wait(choose.uniform(0.3, 1.5)):
            server.refuse(choose.random() < 0.8)
            server.cut()

    with beside(work):
        yield
        server.refuse(False)


def play(folder: Path, server: Server, seed: int) -> None:
    choose = random.Random(seed)
    with bench(str(folder), write(choose)) as run:
        transport = choose.choice(("ssh", "asyncssh"))
        run.hosts = {"web1": Host("web1", "127.0.0.1", port=server.port, transport=transport)}
        with whims(server, choose):
            run.start(**dies(choose))
            for _ in range(2):
                if run.has_begun() and run.journal().status != "ended":
                    ask_for_another(run)
                    run.resume(**dies(choose))
        while run.has_begun() and run.journal().status != "ended":
            run.resume()
            for question in run.journal().open_questions():
                assert "unknown" not in question.shows and not question.shows["running"], "the host answers"
                run.answer("skip")
        assert run.acts("beside") == 0, (folder / "acts").read_text()


def dies(choose: random.Random) -> dict[str, Any]:
    if choose.random() < 0.6:
        return {}
    return {"after": choose.uniform(0.5, 4), "keeper_too": choose.random() < 0.5}


def ask_for_another(run: Bench) -> None:
    """Without a word about `beside`, and whatever the question says: as of somebody who answered a moment before."""
    for question in run.journal().open_questions():
        assert question.what == "doubt"
        run.answer("retry")


@pytest.mark.parametrize("seed", seeds(4))
def test_nothing_begins_beside_what_runs_however_silent_its_host(
    tmp_path: Path,
    server: Server,
    seed: int,
) -> None:
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        play(folder, server, seed * 1000 + number)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", seeds(20))
def test_nothing_begins_beside_what_runs_over_and_over(
    tmp_path: Path,
    server: Server,
    seed: int,
) -> None:
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        play(folder, server, (1000 + seed) * 1000 + number)
