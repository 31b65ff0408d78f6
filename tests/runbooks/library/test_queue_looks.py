"""How queue-backlog looks: whom it takes for dead, which Sidekiq it can read, and what it costs Redis."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents import clock
from runbooks import expressions
from runbooks.drills import wires
from runbooks.loader import load
from tests.beside import beside

from .conftest import LIBRARY, Player
from .queues import Redis, job, server
from .test_queue_backlog import SOON, looked, refused

Make = Callable[..., Player]
NOBODY = 2**22  # no process has a number from here on


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

    def beat(enough: threading.Event) -> None:
        line = wires.Redis(redis.socket)
        if not enough.wait(4):
            for name in names:
                line.run("HSET", name, "info", '{"concurrency":5,"queues":["push"]}')
                line.run("HINCRBYFLOAT", name, "beat", "5")
        line.close()

    with beside(beat):
        yield


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


def test_a_worker_that_hangs_is_alive_and_its_threads_count(player: Make, redis: Redis) -> None:
    hangs = subprocess.Popen(["bash", "-c", "exec -a 'sidekiq 6.4.1 app [2 of 7 busy]' sleep 300"])
    try:
        redis.run("DEL", name := redis.heartbeat(hangs.pid, "push"))
        redis.push("push", "DeliverWorker", 1)
        seen = looked(player("queue-backlog", port=redis.port, connections=9, **SOON))
    finally:
        hangs.kill()
        hangs.wait()
    assert (seen["killed"], seen["threads"], seen["plan"]) == ("", 7, "2:push")
    assert f"no heartbeat for a minute, but not known to be dead: {name}" in seen["says"]


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
    assert "2 of them at work" in said and "what one worker has in hand is not known" in said
    assert "push: 20, the oldest for 3 min" in said


# -- which queues ---------------------------------------------------------------------------------------------------


def test_a_hundred_queues_are_looked_at_closely_and_of_the_others_it_is_said_how_many_wait(player: Make, redis: Redis) -> None:  # fmt: skip
    for number in range(120):
        redis.push(f"tenant{number:03}", "DeliverWorker", number)
    redis.push("tenant119", "DeliverWorker", *range(200, 240))
    redis.heartbeat(77, "*", host="elsewhere")
    seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert seen["waiting"] == 160 and "160 jobs wait in 120 queues; of the 100 longest: " in seen["says"]
    assert "  tenant119: 41, the oldest" in seen["says"]
    assert "20 more queues were not looked at in detail, with 20 jobs" in seen["says"]
    assert seen["late"] and seen["behind"].endswith(" (20 more queues)")
    assert seen["forecast"].startswith("the 100 longest queues ")
    for number in range(100):
        redis.run("DEL", f"queue:tenant{number:03}")
    seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert seen["waiting"] == 60 and "with 0 jobs" in seen["says"]


def test_every_worker_counts_however_many_they_are(player: Make, redis: Redis) -> None:
    for number in range(320):
        redis.heartbeat(number, "push", host="elsewhere", threads=2)
    assert looked(player("queue-backlog", port=redis.port, **SOON))["threads"] == 640


def test_a_few_jobs_that_cannot_be_read_are_told_and_all_of_them_are_another_application(player: Make, redis: Redis) -> None:  # fmt: skip
    redis.push("push", "DeliverWorker", *range(30))
    redis.run("RPUSH", "queue:push", "{cut")
    redis.run("LPUSH", "queue:push", "\xff\x00 none")
    seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert (seen["waiting"], seen["cause"]) == (32, "unserved")
    assert "1 of the jobs looked at cannot be read, and no Sidekiq will do them" in seen["says"]
    assert "push: 32, the oldest for 0 s; 0/s come, 0/s go" in seen["says"]
    redis.run("DEL", "queue:push")
    redis.run("RPUSH", "queue:push", *["{cut"] * 5)
    exit, said = refused(player, redis.port)
    assert exit == 25 and "queue:push holds something that is no job of Sidekiq" in said


COUNTED = """
local real, bytes, redis = redis, 0, {}
local function count(said) if type(said) == 'string' then bytes = bytes + #said elseif type(said) == 'table' then for _, one in ipairs(said) do count(one) end end return said end
function redis.call(...) return count(real.call(...)) end
redis.pcall, redis.sha1hex = real.pcall, real.sha1hex
local function look()
%s
end
local said = look()
return {tostring(bytes), said[1], said[2]}
"""


def test_long_jobs_are_looked_at_a_few_at_a_time_and_by_their_ends(redis: Redis) -> None:
    (look,) = load(os.path.join(LIBRARY, "queue-backlog.yaml")).diagnose
    script = COUNTED % expressions.render_text(look.env["FIGURES"], {})
    nested = {"class": "Nested", "text": 'a "class":"Quoted"', "fill": "x" * 300_000}

    def long(number: int, **more: Any) -> str:
        told = json.loads(job("push", "DeliverWorker", number, **more))
        return json.dumps({**told, "args": [nested]}, separators=(",", ":"))

    redis.run("SADD", "queues", "push")
    for number in range(30):
        redis.run("LPUSH", "queue:push", long(number, wrapped="Mail" if number == 0 else None))
        redis.run("ZADD", "retry", number, long(100 + number, error_class="Timeout"))
    name = redis.heartbeat(77, "push", host="elsewhere")
    for number, key in enumerate(("workers", "work")):
        redis.run("HSET", f"{name}:{key}", "t1", json.dumps({"queue": "push", "payload": long(number), "run_at": 17}))  # fmt: skip
    bytes, mark, sample = redis.rows("EVAL", script, 0, "", "{}", "full")
    assert int(bytes) < 6_000_000  # of 18 MB
    (queue,) = json.loads(sample)["queues"]
    assert (queue["n"], queue["kinds"], queue["head"]) == (30, {"Mail": 1}, f"{0:024x}")
    assert json.loads(sample)["retry"]["kinds"] == {"DeliverWorker": 2}
    assert json.loads(sample)["retry"]["errors"] == {"Timeout": 2}
    held = {"kind": "DeliverWorker", "queue": "push", "run": 17}
    assert json.loads(sample)["processes"][0]["work"] == [held, held]
    redis.run("LPUSH", "queue:push", long(30))
    redis.run("LPUSH", "queue:push", long(31))
    bytes, _, sample = redis.rows("EVAL", script, 0, "", mark, "brief")
    assert json.loads(sample)["queues"][0]["came"] == 2 and int(bytes) < 3_000_000


# -- which Redis ----------------------------------------------------------------------------------------------------


def test_a_redis_that_could_not_be_looked_at_is_named_and_nothing_is_called_healthy(player: Make, redis: Redis, tmp_path: Path) -> None:  # fmt: skip
    """This machine has these two servers, as far as the search for their titles goes."""
    redis.push("push", "DeliverWorker", 1)
    redis.run("CONFIG", "SET", "requirepass", "open sesame")
    with server("--port", "0") as socket:
        one = player("queue-backlog", port=redis.port, **SOON)
        files = "".join(f"/proc/{it.process.pid}/cmdline\n" for it in (redis, socket))
        (tmp_path / "grep").write_text(
            f'#!/bin/bash\ncase "$*" in *redis*) printf %s {shlex.quote(files)} ;; *) exec /usr/bin/grep "$@" ;; esac\n'
        )
        (tmp_path / "grep").chmod(0o755)
        one.path = f"{tmp_path}:{one.path}"
        (look,) = one.runbook.diagnose
        step = one.step("look")._replace(env=look.env)
        assert step.run is not None
        done = one.command(step, step.run)
    assert (done.exit, done.errors.decode()) == (
        21,
        f"queue-backlog: a Redis at 127.0.0.1:{redis.port} wants a password; not looked at; "
        f"a Redis listens only on the socket {socket.socket}; not looked at\n",
    )
