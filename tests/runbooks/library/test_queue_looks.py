"""How queue-backlog looks: whom it takes for dead, which Sidekiq it can read, and what it costs Redis."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incidents import clock
from runbooks.drills import wires

from .conftest import Player
from .queues import Redis, job, server
from .test_queue_backlog import SOON, looked

Make = Callable[..., Player]
NOBODY = 2**22  # no process has a number from here on


@pytest.fixture
def redis() -> Iterator[Redis]:
    with server() as made:
        yield made


# -- who lives ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def program(*words: str) -> Iterator[int]:
    """The number of a process whose command line looks like a Ruby's, and that does nothing."""
    process = subprocess.Popen([*words, "bash", "-c", "exec -a 'puma 5.6.5 (tcp://0.0.0.0:3000)' sleep 300"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def beating(redis: Redis, *names: str) -> Iterator[None]:
    """Each has a new heartbeat some seconds after the first look, by its own clock."""
    ended = threading.Event()

    def beat() -> None:
        line = wires.Redis(redis.socket)
        if not ended.wait(4):
            for name in names:
                line.run("HSET", name, "info", '{"concurrency":5,"queues":["push"]}')
                line.run("HINCRBYFLOAT", name, "beat", "5")
        line.close()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_worker_is_dead_where_no_heartbeat_comes_and_no_process_is_found_whatever_its_clock_says(player: Make, redis: Redis) -> None:  # fmt: skip
    """A clock that is behind or ahead, a container with this machine's name, a Sidekiq inside a web server: they live."""
    now = clock.wall() / clock.SECOND
    with program() as embedded:
        behind = redis.heartbeat(71, "push", host="elsewhere", beat=now - 600)
        container = redis.heartbeat(NOBODY + 1, "push", beat=now + 600)
        back = redis.heartbeat(72, "push", host="elsewhere")
        redis.run("DEL", back)  # cut off for more than a minute, and then there again
        redis.heartbeat(embedded, "push", beat=now - 30)
        first = redis.heartbeat(
            embedded, "push", nonce="a" * 12, beat=now - 90
        )  # a container's number comes again
        gone = redis.heartbeat(NOBODY + 2, "push")
        silent = redis.heartbeat(73, "push", host="elsewhere")
        redis.run("DEL", silent)
        with beating(redis, container, back):
            seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert behind not in seen["killed"]
    assert sorted(seen["killed"].split()) == sorted([gone, silent, first])
    assert seen["threads"] == 5 * 3  # `back` had said nothing yet of its own when the window ended


def in_place(pid: int) -> bool:
    """The child of `unshare` has become the program."""
    with contextlib.suppress(FileNotFoundError, IndexError):
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0]
        return Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8").startswith("puma")
    return False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a namespace of processes")
def test_a_process_in_a_namespace_of_its_own_is_found_by_the_number_that_it_has_there(player: Make, redis: Redis) -> None:  # fmt: skip
    with program("unshare", "--pid", "--fork", "--kill-child") as pid:
        deadline = clock.monotonic() + 20 * clock.SECOND
        while not in_place(pid):
            assert clock.monotonic() < deadline
            clock.sleep(10_000)
        redis.heartbeat(1, "push", beat=1)
        seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert seen["killed"] == ""


# -- which Sidekiq --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["workers", "work"])
def test_what_a_worker_has_in_hand_is_read_of_each_sidekiq(player: Make, redis: Redis, key: str) -> None:
    redis.push("push", "DeliverWorker", *range(20))
    name = redis.heartbeat(77, "push", host="elsewhere", threads=2, busy=2)
    for thread, number in (("t1", 90), ("t2", 91)):
        held = {"queue": "push", "run_at": clock.wall() // clock.SECOND - 60, "payload": job("push", "PreviewWorker", number)}  # fmt: skip
        redis.run("HSET", f"{name}:{key}", thread, json.dumps(held))
    seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert "1 worker with 2 threads, 2 of them at work" in seen["says"]
    assert (seen["cause"], seen["classes"]) == ("class", "PreviewWorker")


def test_a_worker_that_is_busy_with_what_cannot_be_read_is_at_work_and_said(player: Make, redis: Redis) -> None:  # fmt: skip
    redis.push(
        "push", "DeliverWorker", *range(20), enqueued_at=clock.wall() // 1000 - 120_000
    )  # as Sidekiq 8 writes it
    redis.heartbeat(77, "push", host="elsewhere", threads=2, busy=2)
    said = looked(player("queue-backlog", port=redis.port, **SOON))["says"]
    assert "2 of them at work" in said and "what one has of them in hand cannot be read" in said
    assert "push: 20, the oldest for 3 min" in said
