"""The random kills again with every step on another machine, and with the link cut at random: the same promises."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from incidents.hosts import Host
from tests.beside import beside
from tests.crash.test_random_kills import play, seeds
from tests.far.server import Server, lacks, serve
from tests.stories.scene import lack


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    if why := lacks():
        lack(why)
    with serve(str(tmp_path / "ssh")) as one:
        monkeypatch.setenv("PATH", one.path)
        monkeypatch.setenv("HOME", one.folder)  # asyncssh looks there for its configuration
        yield one


MOST = 60  # plays


def cutting(server: Server, seed: int) -> contextlib.AbstractContextManager[None]:
    choose = random.Random(seed)

    def cut(enough: threading.Event) -> None:
        while not enough.wait(choose.uniform(0.05, 1.0)):
            server.cut()

    return beside(cut)


def kill_and_cut(folder: Path, server: Server, seed: int, wanted: int) -> None:
    transport = ("ssh", "asyncssh")[seed % 2]
    hosts = {"web1": Host("web1", "127.0.0.1", port=server.port, transport=transport)}

    def done() -> list[Path]:
        return list(folder.glob("*/acts"))

    kills, number = 0, 0

    def play_once() -> None:
        nonlocal kills, number
        place = folder / str(number)
        place.mkdir()
        kills += play(str(place), seed * 1_000_000 + number, hosts)
        number += 1

    with cutting(server, seed):
        while kills < wanted or (number < MOST // 2 and not done()):
            play_once()
    while number < MOST and not done():  # a busy machine may be cut off before each act
        play_once()
    assert done(), "some of it was done"


@pytest.mark.parametrize("seed", seeds(3))
def test_whatever_is_killed_or_cut_nothing_unsafe_runs_twice_over_there_unasked(
    tmp_path: Path, server: Server, seed: int
) -> None:
    kill_and_cut(tmp_path, server, seed, 8)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", seeds(25))
def test_a_thousand_random_kills_over_there(tmp_path: Path, server: Server, seed: int) -> None:
    kill_and_cut(tmp_path, server, 1000 + seed, 40)
