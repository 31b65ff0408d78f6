"""What queue-backlog says of what it saw: causes told apart, and what may be started, by looks that are made up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from runbooks import expressions
from runbooks.loader import load

from .conftest import LIBRARY
from .queues import Redis, server

HOST = "db1"
WANT = {"within": 60, "threads": 5, "most": 4, "connections": 25}
DONE = {"n": 0, "kinds": {}, "errors": {}, "soon": 0}


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with server() as made:
        yield made


@pytest.fixture(scope="module")
def judging() -> str:
    (look,) = load(os.path.join(LIBRARY, "queue-backlog.yaml")).diagnose
    return expressions.render_text(look.env["JUDGE"], {})


def queue(
    name: str, n: int, *, head: str = "", came: int = 0, age: float = 100, **kinds: int
) -> dict[str, Any]:
    """So many wait in it; `head` is the oldest of them, another one at each look unless it is given."""
    return {
        "name": name,
        "n": n,
        "head": head or f"{name}{n}",
        "came": came,
        "age": age,
        "kinds": kinds or {"Deliver": 20},
    }


def worker(pid: int, *queues: str, threads: int = 5, held: Mapping[str, tuple[int, float]] | None = None, **more: Any) -> dict[str, Any]:  # fmt: skip
    """`held`: of each class how many it has in hand, and for how long."""
    work = [
        {"kind": kind, "queue": queues[0], "run": 1000 - ran}
        for kind, (count, ran) in (held or {"Deliver": (threads, 0)}).items()
        for _ in range(count)
    ]
    usual = {"id": f"{HOST}:{pid}:abc", "host": HOST, "pid": pid, "threads": threads, "queues": list(queues),
             "beat": 1000, "gone": False, "quiet": False, "work": work}  # fmt: skip
    return {**usual, **more}


class Judge:
    def __init__(self, redis: Redis, text: str):
        self.redis, self.text = redis, text

    def __call__(
        self, looks: list[list[dict[str, Any]]], workers: list[dict[str, Any]], *, cpu: float = 0.05, idle: float = 0.9,
        waits: Mapping[str, int] | None = None, here: bool = True, blocked: str = "", **want: Any,
    ) -> dict[str, str]:  # fmt: skip
        """`looks`: the queues, second by second."""
        samples = [
            {"at": 1000 + second, "queues": queues, "processes": workers, "retry": DONE, "schedule": DONE, "dead": DONE, "blocked": blocked}
            for second, queues in enumerate(looks)
        ]  # fmt: skip
        pids = {str(one["pid"]): {"start": "7", "cpu": cpu, "waits": waits or {}} for one in workers if here}
        told = {"host": HOST if here else "elsewhere", "cores": 8, "idle": idle, "pids": pids}
        wanted = {name: value for name, value in {**WANT, **want}.items() if value is not None}
        rows = self.redis.rows(
            "EVAL", self.text, 0, json.dumps(told), json.dumps(wanted), json.dumps(samples)
        )
        at = rows.index("says=")
        return {**dict(row.split("=", 1) for row in rows[:at]), "says": "\n".join(rows[at + 1 :])}


@pytest.fixture(scope="module")
def judge(redis: Redis, judging: str) -> Judge:
    return Judge(redis, judging)


def falling(name: str, start: int, rate: int, **more: Any) -> list[dict[str, Any]]:
    return [queue(name, start - rate * second, **more) for second in range(6)]


def together(*queues: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [list(look) for look in zip(*queues, strict=True)]


def test_queues_that_will_be_empty_in_time_are_no_backlog(judge: Judge) -> None:
    found = judge(together(falling("push", 1000, 50)), [worker(1, "push")])
    assert (found["late"], found["cause"], found["plan"]) == ("false", "none", "")
    assert int(found["soonest"]) <= 15 <= int(found["latest"]) < 20
    assert (
        found["forecast"].startswith("the queues will be empty in 15 s to 16 s")
        or "empty in" in found["forecast"]
    )


def test_nothing_at_all_is_no_backlog(judge: Judge) -> None:
    found = judge(together([queue("push", 0, head="-") for _ in range(6)]), [])
    assert (found["late"], found["forecast"]) == ("false", "the queues are empty")
    assert judge([[] for _ in range(6)], [])["late"] == "false"


def test_threads_that_wait_are_joined_by_more_threads(judge: Judge) -> None:
    found = judge(together(falling("push", 9000, 5), falling("pull", 900, 2)), [worker(1, "push", "pull")])
    assert (found["cause"], found["bound"], found["plan"]) == ("workers", "io", "5:push 5:pull 5:push 5:push")


def test_workers_that_compute_are_joined_by_as_many_small_ones_as_processors_are_idle(judge: Judge) -> None:
    looks = together(falling("push", 9000, 5))
    found = judge(looks, [worker(1, "push")], cpu=0.98, idle=0.4)
    assert (found["cause"], found["bound"], found["plan"]) == ("cpu", "cpu", "2:push 2:push 2:push")
    found = judge(looks, [worker(1, "push")], cpu=0.98, idle=0.01)
    assert (found["cause"], found["plan"], found["split"]) == ("cpu", "", "")
    assert "0.1 of 8 processors are idle here" in found["says"]


def test_without_a_connection_left_the_same_threads_compute_in_more_processes(judge: Judge) -> None:
    """The cure of 20 December 2022: 20 threads in one process become as many processes as an idle host bears."""
    looks = together(falling("ingress", 9000, 5))
    found = judge(looks, [worker(1, "ingress", threads=20)], cpu=0.98, idle=0.9, connections=20)
    assert (found["cause"], found["plan"], found["split"]) == ("cpu", "", f"{HOST}:1:abc|7|20|ingress|8")


def test_processors_of_another_machine_are_not_guessed(judge: Judge) -> None:
    found = judge(together(falling("push", 9000, 5)), [worker(1, "push")], here=False)
    assert (found["cause"], found["bound"], found["mine"]) == ("workers", "unknown", "")
    assert "how they spend their time cannot be seen from here" in found["says"]


def test_a_class_with_more_threads_than_places_is_slow_and_one_with_as_many_is_not(judge: Judge) -> None:
    looks = together(falling("push", 9000, 1, Deliver=18, Preview=2))
    slow = judge(looks, [worker(1, "push", threads=10, held={"Preview": (8, 7), "Deliver": (2, 0)})])
    assert (slow["cause"], slow["classes"]) == ("class", "Preview")
    assert "8 of 10 threads are held by Preview, for up to 7 s" in slow["says"]
    usual = judge(looks, [worker(1, "push", threads=10, held={"Preview": (1, 7), "Deliver": (9, 7)})])
    assert (usual["cause"], usual["classes"]) == ("workers", "")


def test_an_address_that_does_not_answer_is_named_and_where_all_wait_for_it_nothing_is_started(
    judge: Judge,
) -> None:
    held = {"Relay": (5, 9), "Stats": (4, 9), "Notify": (1, 0)}
    looks = together(falling("push", 9000, 1, Notify=18, Relay=1, Stats=1))
    found = judge(
        looks, [worker(1, "push", threads=10, held=held)], waits={"10.0.0.9:443": 9, "10.0.0.1:5432": 1}
    )
    assert (found["cause"], found["classes"], found["dependency"]) == (
        "dependency",
        "Relay Stats",
        "10.0.0.9:443",
    )
    looks = together(falling("push", 9000, 1, Relay=20))
    found = judge(looks, [worker(1, "push", threads=10, held={"Relay": (10, 9)})], waits={"10.0.0.9:443": 9})
    assert (found["cause"], found["plan"]) == ("everything", "")


def test_a_strict_order_starves_and_chance_does_not(judge: Judge) -> None:
    still = [queue("default", 50, head="same") for _ in range(6)]
    found = judge(together(falling("push", 9000, 2), still), [worker(1, "push", "default")])
    assert (found["cause"], found["plan"], found["behind"]) == ("starved", "5:default", "push default")
    assert "starves default" in found["says"]
    few = judge(together(falling("push", 9000, 1), still), [worker(1, "push", "default")])
    assert few["cause"] == "workers"  # five in a row of two queues may be chance
    other = judge(together(falling("push", 9000, 2), still), [worker(1, "push"), worker(2, "default")])
    assert other["cause"] == "workers"  # who serves default serves nothing before it


def test_a_starving_queue_without_a_connection_left_gets_its_share_of_the_worker(judge: Judge) -> None:
    still = [queue("default", 50, head="same") for _ in range(6)]
    found = judge(
        together(falling("push", 9000, 2), still), [worker(1, "push", "default", threads=10)], connections=10
    )
    assert (found["cause"], found["plan"], found["split"]) == (
        "starved",
        "",
        f"{HOST}:1:abc|7|10|push,default|",
    )


def test_a_queue_that_nobody_serves_gets_a_worker_and_a_quiet_one_serves_nothing(judge: Judge) -> None:
    still = [queue("mailers", 50, head="same") for _ in range(6)]
    for workers in ([worker(1, "push")], [worker(1, "push"), worker(2, "mailers", quiet=True)]):
        found = judge(together(falling("push", 100, 20), still), workers)
        assert found["cause"] == "unserved" and set(found["plan"].split()) == {"5:mailers"}
        assert "no worker serves mailers" in found["says"]


def test_what_grows_has_no_end_and_says_so(judge: Judge) -> None:
    looks = together([queue("push", 1000 + 10 * second, came=30 if second else 0) for second in range(6)])
    found = judge(looks, [worker(1, "push")])
    assert (found["cause"], found["latest"], found["forecast"]) == (
        "workers",
        "-1",
        "the queues do not become shorter",
    )
    assert "push: 1050, the oldest for 2 min; 30/s come, 20/s go" in found["says"]


def test_no_threads_are_planned_beyond_the_connections_whatever_is_asked(judge: Judge) -> None:
    looks = together(falling("push", 9000, 5), falling("pull", 9000, 5))
    for connections in range(5, 40):
        for each in (1, 3, 5, 20):
            found = judge(looks, [worker(1, "push", "pull")], connections=connections, threads=each)
            threads = sum(int(one.split(":")[0]) for one in found["plan"].split())
            assert 5 + threads <= connections
    assert (
        judge(looks, [worker(1, "push", "pull")], connections=None)["plan"] == "5:push 5:pull 5:push 5:pull"
    )


def test_redis_without_room_is_the_cause_whatever_else_is_seen(judge: Judge) -> None:
    found = judge(together(falling("push", 9000, 5)), [worker(1, "push")], blocked="its memory is used up")
    assert (found["cause"], found["late"], found["plan"]) == ("redis", "true", "")
