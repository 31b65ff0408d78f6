"""queue-backlog.yaml against a real Redis: what it refuses to guess, what it moves and brings back, whom it leaves alone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents import clock
from runbooks.drills import wires

from .conftest import LIBRARY, Player
from .queues import Redis, job, server

Make = Callable[..., Player]
SOON = {"window": "2s"}


def looked(player: Player) -> dict[str, Any]:
    assert player.act("look").exit == 0, player.errors
    outputs: dict[str, Any] = player.steps["look"]["outputs"]
    return outputs


def pretend(player: Player, **outputs: Any) -> None:
    """The look saw this."""
    seen = {
        "killed": "",
        "classes": "",
        "plan": "",
        "mine": "",
        "split": "",
        "threads": 0,
        "dependency": "",
        **outputs,
    }
    player.steps["look"] = {"status": "ok", "exit": 0, "outputs": seen}


# -- what it refuses, and what it says then ----------------------------------------------------------------------


def refused(make: Make, port: int, **more: Any) -> tuple[int | None, str]:
    player = make("queue-backlog", port=port, **SOON, **more)
    return player.act("look").exit, player.errors


def test_a_redis_that_is_not_there_is_named(player: Make, redis: Redis) -> None:
    port = redis.port
    redis.run("CONFIG", "SET", "save", "")
    redis.process.kill()
    redis.process.wait()
    assert refused(player, port) == (20, f"queue-backlog: no Redis answers at 127.0.0.1:{port}: Could not connect to Redis at 127.0.0.1:{port}: Connection refused\n")  # fmt: skip


def test_a_password_is_asked_for_taken_by_reference_and_a_wrong_one_is_told_apart(player: Make, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    with server() as redis:
        redis.push("push", "DeliverWorker", 1)
        redis.run("CONFIG", "SET", "requirepass", "open sesame")
        exit, said = refused(player, redis.port)
        assert exit == 21 and "needs a password: give -i redis_password=env:NAME or file:PATH" in said
        for password, wanted in (("wrong one", 21), ("open sesame", 0)):
            one = player("queue-backlog", port=redis.port, redis_password="env:QUEUE_PASSWORD", **SOON)
            step = one.step("look")
            assert step.run is not None
            one.values["redis_password"] = password
            done = one.command(step, step.run)
            assert done.exit == wanted, done.errors
            assert password.encode() not in done.output + done.errors


def test_a_replica_is_no_place_to_cure_anything(player: Make, redis: Redis) -> None:
    redis.push("push", "DeliverWorker", 1)
    with server("--replicaof", "127.0.0.1", str(redis.port)) as replica:
        exit, said = refused(player, replica.port)
    assert exit == 23 and "is a replica: give its master" in said


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ([], "no keys at all"),
        (
            [("LPUSH", "celery", "x"), ("SADD", "_kombu.binding.celery", "x")],
            "it looks like Celery; there are",
        ),
        ([("LPUSH", "bull:mail:wait", "1")], "it looks like BullMQ"),
        ([("SADD", "resque:workers", "x")], "it looks like Resque"),
        ([("SADD", "shop:queues", "push")], "namespaces with queues: shop (-i namespace=NAME)"),
        ([("SET", "session:1", "x")], "there are session:1"),
    ],
)
def test_keys_of_another_application_are_told_and_not_touched(player: Make, redis: Redis, keys: list[tuple[str, ...]], said: str) -> None:  # fmt: skip
    for words in keys:
        redis.run(*words)
    before = sorted(redis.rows("KEYS", "*"))
    exit, text = refused(player, redis.port)
    assert exit == 25 and said in text
    assert sorted(redis.rows("KEYS", "*")) == before


def test_what_is_no_job_of_sidekiq_in_a_queue_is_refused(player: Make, redis: Redis) -> None:
    redis.run("SADD", "queues", "mail")
    redis.run("RPUSH", "queue:mail", '{"class":"Mail","args":[1]}')  # Resque's own has no jid
    exit, said = refused(player, redis.port)
    assert exit == 25 and "queue:mail holds something that is no job of Sidekiq" in said


def test_queues_in_a_namespace_are_found_where_it_is_named(player: Make, redis: Redis) -> None:
    redis.run("SADD", "shop:queues", "push")
    redis.run("LPUSH", "shop:queue:push", job("push", "DeliverWorker", 1))
    seen = looked(player("queue-backlog", port=redis.port, namespace="shop", **SOON))
    assert seen["waiting"] == 1 and seen["cause"] == "unserved"


def test_a_redis_whose_memory_is_used_up_is_the_cause_itself(player: Make, redis: Redis) -> None:
    redis.push("push", "DeliverWorker", 1)
    redis.run("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(wires.Refusal, match="OOM"):
        for number in range(10_000):
            redis.run("SET", f"fill:{number}", "x" * 1000)
    seen = looked(one := player("queue-backlog", port=redis.port, **SOON))
    assert seen["cause"] == "redis" and "its memory is used up" in seen["says"]
    assert one.play() == "failed" and "Redis takes no writes" in one.say


def test_names_that_try_to_be_more_than_names_stay_names(player: Make, redis: Redis, tmp_path: Path) -> None:
    odd = "a\ncause=none\n$(touch pwned) '\""
    redis.push(odd, odd, 1)
    seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert (seen["cause"], seen["waiting"], seen["plan"]) == ("unserved", 1, "")
    assert not os.path.exists("/pwned")


# -- what it sees ---------------------------------------------------------------------------------------------------


def test_it_never_reads_a_whole_queue() -> None:
    """Its look asks for lengths, for the ends of lists, and for at most 10,000 places from the newest."""
    with open(os.path.join(LIBRARY, "queue-backlog.yaml"), encoding="utf-8") as file:
        look = file.read().split("FIGURES: &figures")[1].split("JUDGE: &judge")[0]
    asked = set(re.findall(r"redis\.p?call\('(\w+)'", look))
    assert asked == {
        "LRANGE",
        "INFO",
        "TIME",
        "GET",
        "CONFIG",
        "SMEMBERS",
        "LLEN",
        "LINDEX",
        "HMGET",
        "HVALS",
        "ZCARD",
        "ZCOUNT",
        "ZRANGE",
    }
    assert "'LRANGE', key, 0, -1" not in look and "for at = 0, 9900, 100" in look


def test_a_worker_of_this_machine_that_is_no_more_was_killed_and_one_elsewhere_may_live(player: Make, redis: Redis) -> None:  # fmt: skip
    gone = redis.heartbeat(2**22 + 1, "push")
    redis.heartbeat(77, "push", host="elsewhere")
    silent = redis.heartbeat(78, "push", host="elsewhere", beat=clock.wall() / clock.SECOND - 300)
    redis.run("DEL", silent)  # Redis forgets a heartbeat after a minute
    seen = looked(player("queue-backlog", port=redis.port, **SOON))
    assert sorted(seen["killed"].split()) == sorted([gone, silent])
    assert seen["cause"] == "killed" and seen["threads"] == 5


def test_new_workers_never_have_more_threads_than_the_database_has_connections_left(player: Make, redis: Redis) -> None:  # fmt: skip
    redis.push("push", "DeliverWorker", *range(50))
    redis.push("pull", "FetchWorker", *range(50, 60))
    redis.heartbeat(77, "push", "pull", threads=10, host="elsewhere")
    for connections, plan in ((10, ""), (12, "2:push,1+pull,1"), (20, "5:push 5:pull"), (100, "5:push 5:pull 5:push 5:push")):  # fmt: skip
        seen = looked(player("queue-backlog", port=redis.port, connections=connections, **SOON))
        assert seen["plan"] == plan, connections
        threads = sum(int(one.split(":")[0]) for one in seen["plan"].split())
        assert 10 + threads <= connections


# -- a class that goes aside ------------------------------------------------------------------------------------------


def aside(make: Make, redis: Redis, classes: str) -> Player:
    one = make("queue-backlog", port=redis.port, **SOON)
    pretend(one, classes=classes, cause="class")
    return one


def test_a_class_goes_aside_from_every_queue_and_from_what_failed_and_undo_puts_it_back(player: Make, redis: Redis) -> None:  # fmt: skip
    redis.push("push", "DeliverWorker", 1, 2)
    redis.push("push", "PreviewWorker", 3)
    redis.push("push", "DeliverWorker", 4)
    redis.push("push", "Wrapper", 5, wrapped="PreviewWorker")
    redis.push("pull", "PreviewWorker", 6, 7)
    for number, kind in ((8, "PreviewWorker"), (9, "DeliverWorker"), (10, "PreviewWorker")):
        redis.run("ZADD", "retry", 1000 + number, job("pull", kind, number))
    one = aside(player, redis, "PreviewWorker")
    for moved in (6, 0):  # a second time it moves nothing more
        assert one.act("aside").exit == 0, one.errors
        assert one.steps["aside"]["outputs"]["moved"] == moved
    assert redis.numbers("queue:push") == [1, 2, 4] and redis.numbers("queue:pull") == []
    assert redis.rows("ZRANGE", "retry", 0, -1) == [text for text in redis.rows("ZRANGE", "retry", 0, -1) if "Deliver" in text]  # fmt: skip
    assert redis.numbers("howdah:aside:run-test:queue:push") == [3, 5]
    for _ in range(2):
        assert one.undo("aside").exit == 0
    assert redis.numbers("queue:push") == [1, 2, 4, 3, 5] and redis.numbers("queue:pull") == [6, 7]
    scores = redis.rows("ZRANGE", "retry", 0, -1, "WITHSCORES")[1::2]
    assert scores == ["1008", "1009", "1010"]
    assert redis.rows("KEYS", "howdah:*") == []


def test_nothing_is_lost_or_doubled_while_others_push_and_take(player: Make, redis: Redis) -> None:
    for start in range(0, 3000, 2):
        redis.push("push", "DeliverWorker", start)
        redis.push("push", "PreviewWorker", start + 1)
    taken: list[int] = []
    stop = threading.Event()

    def others() -> None:
        line = wires.Redis(redis.socket)
        for number in range(3000, 6000):
            line.run(
                "LPUSH", "queue:push", job("push", "DeliverWorker" if number % 3 else "PreviewWorker", number)
            )
            if number % 2 and (text := line.run("RPOP", "queue:push")):
                taken.append(int(re.findall(r'"args":\[(\d+)', text)[0]))
        line.close()
        stop.set()

    thread = threading.Thread(target=others)
    thread.start()
    one = aside(player, redis, "PreviewWorker")
    while not stop.is_set():
        assert one.act("aside").exit == 0, one.errors
    thread.join()
    found = [*taken, *redis.numbers("queue:push"), *redis.numbers("howdah:aside:run-test:queue:push")]
    assert sorted(found) == list(range(6000))


def test_a_redis_without_memory_moves_nothing_and_loses_nothing(player: Make, redis: Redis) -> None:
    redis.push("push", "PreviewWorker", *range(20))
    redis.run("CONFIG", "SET", "maxmemory", "1")
    one = aside(player, redis, "PreviewWorker")
    assert one.act("aside").exit == 37 and "Redis would not move them" in one.errors
    assert redis.numbers("queue:push") == list(range(20))


# -- what a kill has taken --------------------------------------------------------------------------------------------


class Application:
    """Its data, and the command that lists what is not done."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.list: dict[int, str] = {}

    def wants(self, *numbers: int, queue: str = "push") -> None:
        for number in numbers:
            self.list[number] = f'{{"class": "DeliverWorker", "args": [ {number} ], "queue": "{queue}"}}'
        (self.folder / "list").write_text("".join(text + "\n" for text in self.list.values()))

    def player(self, make: Make, redis: Redis, killed: str = "x:1:y", command: str = "cat list") -> Player:
        one = make("queue-backlog", port=redis.port, app_dir=str(self.folder), should_exist=command, **SOON)
        pretend(one, killed=killed)
        return one


@pytest.fixture
def application(tmp_path: Path) -> Application:
    tmp_path.chmod(0o755)
    return Application(tmp_path)


def test_what_is_in_no_list_and_in_no_hands_is_brought_back_once_and_done_next(player: Make, redis: Redis, application: Application) -> None:  # fmt: skip
    application.wants(*range(1, 9))
    redis.push("push", "DeliverWorker", 1, 2)
    redis.run("ZADD", "retry", 1, job("push", "DeliverWorker", 3))
    redis.run("LPUSH", "howdah:aside:run-x:queue:push", job("push", "DeliverWorker", 4))
    busy = redis.heartbeat(77, "push", host="elsewhere", busy=1)
    redis.run("HSET", f"{busy}:workers", "t1", held(job("push", "DeliverWorker", 5)))  # fmt: skip
    dead = redis.heartbeat(78, "push", host="elsewhere")
    redis.run("HSET", f"{dead}:workers", "t1", held(job("push", "DeliverWorker", 99)))  # fmt: skip
    one = application.player(player, redis, killed=dead)
    with redis.beating(busy):
        assert one.act("lost").exit == 0, one.errors
    assert one.steps["lost"]["outputs"]["count"] == 3
    assert one.steps["lost"]["outputs"]["some"] == "3 DeliverWorker in push"
    assert sorted(redis.numbers("howdah:lost:run-test")) == [6, 7, 8]
    for _ in range(2):  # a second time brings nothing more
        assert one.act("bring_back").exit == 0, one.errors
    assert sorted(redis.numbers("queue:push")[:3]) == [6, 7, 8] and redis.numbers("queue:push")[3:] == [1, 2]
    text = redis.rows("LRANGE", "queue:push", -1, -1)[0]
    assert re.search(r'"jid":"[0-9a-f]{24}"', text) and '"enqueued_at":1' in text and '"retry":true' in text


def held(payload: str) -> str:
    """What a heartbeat says of one thread."""
    return json.dumps({"queue": "push", "run_at": 1, "payload": payload})


def test_numbers_that_no_float_holds_are_told_apart(
    player: Make, redis: Redis, application: Application
) -> None:
    application.wants(109471628374650001, 109471628374650002)
    redis.push("push", "DeliverWorker", 109471628374650001)
    one = application.player(player, redis)
    assert one.act("lost").exit == 0, one.errors
    assert one.steps["lost"]["outputs"]["count"] == 1
    assert redis.numbers("howdah:lost:run-test") == [109471628374650002]


def test_a_list_that_is_written_otherwise_than_the_jobs_brings_nothing_back(player: Make, redis: Redis, application: Application) -> None:  # fmt: skip
    application.wants(*range(1, 9))
    redis.push("push", "OtherWorker", 1, 2, 3)
    one = application.player(player, redis)
    assert one.act("lost").exit == 35 and "looks like one that waits in Redis" in one.errors
    for command, exit, said in (
        ("exit 3", 34, "should_exist ended with 3"),
        ("echo jobs", 34, "its first line is jobs"),
    ):
        one = application.player(player, redis, command=command)
        assert one.act("lost").exit == exit and said in one.errors
    assert redis.rows("KEYS", "howdah:*") == []


def test_what_the_application_has_done_meanwhile_is_not_lost(player: Make, redis: Redis, application: Application) -> None:  # fmt: skip
    """A job in a worker's hands at the first look is done at the second: the application no longer lists it."""
    application.wants(1, 2)
    redis.push("push", "DeliverWorker", 1)
    seen = f"/tmp/seen-{redis.port}"
    once = f"if [ -e {seen} ]; then sed -n 1p list; else cat list; : >{seen}; fi"
    try:
        one = application.player(player, redis, command=once)
        assert one.act("lost").exit == 0, one.errors
        assert one.steps["lost"]["outputs"]["count"] == 0
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(seen)


# -- workers ----------------------------------------------------------------------------------------------------------

WORKER = """
import os, signal, socket, sys, time
from runbooks.drills import wires
line = wires.Redis(sys.argv[1])
name = sys.argv[2] % os.getpid()
def tell(quiet):
    line.run("HSET", name, "quiet", quiet)
signal.signal(signal.SIGTSTP, lambda *_: tell("true") if sys.argv[3] == "heeds" else None)
def end(*_):
    line.run("SREM", "processes", name); os._exit(0)
signal.signal(signal.SIGTERM, end)
print(name, flush=True)
while True: time.sleep(0.05)
"""


@contextlib.contextmanager
def worker(redis: Redis, heeds: str, busy: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A program that takes signals as a Sidekiq does, or ignores TSTP; with so many jobs in hand for ever."""
    form = f"{os.uname().nodename}:%d:0123456789ab"
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, redis.socket, form, heeds], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        name = process.stdout.readline().decode().strip()
        redis.heartbeat(process.pid, "push", busy=busy)
        yield process, name
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def restarting(make: Make, redis: Redis, process: subprocess.Popen[bytes], name: str, folder: Path) -> Player:
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        start = file.read().rpartition(")")[2].split()[19]
    one = make(
        "queue-backlog",
        port=redis.port,
        app_dir=str(folder),
        worker="exit 1",
        patience="1s",
        restart=True,
        **SOON,
    )
    pretend(one, mine=f"{name}|{start}|5|push")
    return one


def test_a_worker_that_is_busy_for_ever_is_quieted_and_left_with_what_it_has(player: Make, redis: Redis, tmp_path: Path) -> None:  # fmt: skip
    with worker(redis, "heeds", busy=3) as (process, name):
        one = restarting(player, redis, process, name, tmp_path)
        assert one.act("restart").exit == 31
        assert "still has 3 jobs in hand; it was left as it is" in one.errors
        assert process.poll() is None
        assert one.verify("restart").exit == 3  # quiet, and not restarted: neither yes nor no


@pytest.mark.soak
def test_a_worker_that_does_not_take_tstp_is_left_alone(player: Make, redis: Redis, tmp_path: Path) -> None:
    with worker(redis, "ignores", busy=0) as (process, name):
        one = restarting(player, redis, process, name, tmp_path)
        assert one.act("restart").exit == 30
        assert "does not take TSTP: it goes on fetching jobs; nothing was ended" in one.errors
        assert process.poll() is None
        assert one.verify("restart").exit == 10


def test_a_number_that_belongs_to_another_process_by_now_is_not_signalled(player: Make, redis: Redis, tmp_path: Path) -> None:  # fmt: skip
    with worker(redis, "heeds", busy=0) as (process, name):
        one = restarting(player, redis, process, name, tmp_path)
        pretend(one, mine=f"{name}|1|5|push")
        one.act(
            "restart"
        )  # it has ended by itself, as far as this step knows; the start of another one fails
        assert process.poll() is None and redis.run("HGET", name, "quiet") == "false"
