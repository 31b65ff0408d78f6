"""queue-backlog.yaml acts: what dies in the middle is there for undo, and what waits is told apart from what is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incidents import clock

from .conftest import Player
from .queues import Redis, job
from .test_queue_backlog import SOON

Make = Callable[..., Player]


def pretend(player: Player, **outputs: Any) -> None:
    """The look saw this."""
    seen = {
        "killed": "", "classes": "", "plan": "", "mine": "", "split": "", "threads": 0, "dependency": "", "says": "",
        **outputs,
    }  # fmt: skip
    player.steps["look"] = {"status": "ok", "exit": 0, "outputs": seen}


# -- a class that goes aside ------------------------------------------------------------------------------------------


def test_what_was_put_aside_before_a_failure_is_named_counted_and_put_back(player: Make, redis: Redis) -> None:  # fmt: skip
    redis.push("push", "PreviewWorker", *range(10))
    one = player("queue-backlog", port=redis.port, **SOON)
    pretend(one, classes="PreviewWorker", cause="class")
    redis.run(
        "RPUSH", "howdah:aside:run-test:queue:push", job("push", "PreviewWorker", 99)
    )  # by an attempt that died
    redis.run("CONFIG", "SET", "maxmemory", "1")
    assert one.act("aside").exit == 37
    assert "what has moved is in howdah:aside:run-test:*, and undo puts it back" in one.errors
    step = one.step("aside")
    assert (
        step.continue_on_error and step.retry is not None and (step.retry.max or 0) >= 1
    )  # so that undo covers it
    redis.run("CONFIG", "SET", "maxmemory", "0")
    assert one.act("aside").exit == 0
    assert one.steps["aside"]["outputs"] == {"moved": 10, "kept": 11}
    assert one.undo("aside").exit == 0
    assert sorted(redis.numbers("queue:push")) == [*range(10), 99]


# -- what a kill has taken --------------------------------------------------------------------------------------------


def asked(make: Make, redis: Redis, folder: Path, *lines: str, killed: str = "x:1:y") -> Player:
    """The application says that these are not done."""
    folder.chmod(0o755)
    (folder / "list").write_text("".join(line + "\n" for line in lines))
    one = make("queue-backlog", port=redis.port, app_dir=str(folder), should_exist="cat list", **SOON)
    pretend(one, killed=killed)
    return one


def wanted(args: str, kind: str = '"W"') -> str:
    return f'{{"class":{kind},"args":{args},"queue":"push"}}'


def lost(redis: Redis) -> list[str]:
    return redis.rows("LRANGE", "howdah:lost:run-test", 0, -1)


@pytest.mark.parametrize(
    ("waits", "said"),
    [
        (["Grü", "😀"], r'["Gr\u00fc", "\ud83d\ude00"]'),
        ([1, -0.5, 1e3, 0], "[1.0, -5e-1, 1000, -0]"),
        (["a/b", 'q"\\'], r'["a\/b", "q\u0022\\"]'),
        ([{"b": [], "a": {"y": None, "x": True}}], '[ {"a": {"x": true, "y": null}, "b": [ ]} ]'),
        ([[]], "[[\t]]"),
    ],
)
def test_a_job_that_waits_is_the_same_however_its_arguments_are_written(player: Make, redis: Redis, tmp_path: Path, waits: list[Any], said: str) -> None:  # fmt: skip
    redis.run("SADD", "queues", "push")
    redis.run("RPUSH", "queue:push", job("push", "W", 0, args=waits))
    redis.run("RPUSH", "queue:push", json.dumps({**json.loads(job("push", "W", 0)), "args": [7]}, indent=1))
    one = asked(player, redis, tmp_path, wanted(said, r'"\u0057"'), wanted("[7]"), wanted("[8]"))
    assert one.act("lost").exit == 0, one.errors
    assert lost(redis) == [wanted("[8]")]


@pytest.mark.parametrize("pair", [('["1"]', "[1]"), ("[[]]", "[{}]"), ("[0]", "[false]"), ('["a "]', '["a"]'), ("[12345678901234567890]", "[12345678901234567891]")])  # fmt: skip
def test_what_is_not_the_same_is_told_apart(player: Make, redis: Redis, tmp_path: Path, pair: tuple[str, str]) -> None:  # fmt: skip
    redis.run("SADD", "queues", "push")
    redis.run("RPUSH", "queue:push", job("push", "W", 3), job("push", "W", 0).replace("[0]", pair[0]))
    one = asked(player, redis, tmp_path, wanted("[3]"), wanted(pair[1]))
    assert one.act("lost").exit == 0, one.errors
    assert lost(redis) == [wanted(pair[1])]


def test_what_is_no_json_in_the_middle_of_a_queue_hides_nothing_behind_it(player: Make, redis: Redis, tmp_path: Path) -> None:  # fmt: skip
    """Nor does a name of a queue or of a key that tries to be another."""
    odd = "a\nretry $(touch pwned) ' \""
    redis.push("push", "W", *range(1500))
    redis.run("LPUSH", "queue:push", "no job", "[]", '{"class":"W","args":[')
    redis.push("push", "W", *range(1500, 2600))
    redis.run("SADD", "queues", odd)
    redis.run("RPUSH", f"queue:{odd}", job(odd, "W", 2600))
    redis.run("ZADD", "retry", 1, "no job", 2, job("push", "W", 2601))
    one = asked(player, redis, tmp_path, *(wanted(f"[{number}]") for number in range(2603)))
    done = one.act("lost")
    assert done.exit == 0, one.errors
    assert lost(redis) == [wanted("[2602]")]
    assert "4 in the queues and sets are no jobs that can be read" in done.output.decode()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"class":"W","args":[5],"que', "of line 3, it is no JSON"),
        ('{"class":"W","args":[5],"queue":"push"} {}', "of line 3, it is no JSON"),
        ('W, [5, "a@b.example"] INFO "class":"W","args":[6]', "of line 3, it is no JSON"),
        ('{"level":"info","args":[1]}', "of line 3, it has no class"),
        ('{"class":"W","args":{"a":1},"queue":"push"}', "of line 3, it has no list of args"),
        ('{"class":"W","args":[5]}', "of line 3, it has no queue"),
        ('{"class":"W","args":[05],"queue":"push"}', "of line 3, it is no JSON"),
    ],
)
def test_one_line_that_is_no_job_refuses_all_and_leaves_nothing(player: Make, redis: Redis, tmp_path: Path, line: str, why: str) -> None:  # fmt: skip
    redis.push("push", "W", 1)
    redis.run("RPUSH", "howdah:lost:run-test", "of an attempt before")
    one = asked(player, redis, tmp_path, wanted("[1]"), "", line, wanted("[9]"))
    assert one.act("lost").exit == 34 and why in one.errors
    assert "example" not in one.errors and lost(redis) == []


def test_what_jobs_are_about_is_neither_asked_nor_recorded(
    player: Make, redis: Redis, tmp_path: Path
) -> None:
    many = [wanted(f'["a{number}@b.example"]') for number in range(7)]
    one = asked(player, redis, tmp_path, *many, wanted("[1]", '"Mail::Worker"'), '{"class":"W","args":[],"queue":"a b"}')  # fmt: skip
    done = one.act("lost")
    assert one.steps["lost"]["outputs"]["some"] == "7 W in push, 1 W in a b, 1 Mail::Worker in push"
    confirm = one.step("bring_back").confirm
    assert confirm is not None
    question = one.text(confirm)
    assert "9 jobs: 7 W in push" in question
    assert b"example" not in done.output + done.errors and "example" not in question


@pytest.mark.parametrize("key", ["workers", "work"])
def test_what_a_living_worker_has_in_hand_is_not_lost_whichever_sidekiq_it_is(player: Make, redis: Redis, tmp_path: Path, key: str) -> None:  # fmt: skip
    busy = redis.heartbeat(77, "push", host="elsewhere", busy=1)
    redis.run("HSET", f"{busy}:{key}", "t1", json.dumps({"queue": "push", "run_at": 1, "payload": job("push", "W", 5)}))  # fmt: skip
    one = asked(player, redis, tmp_path, wanted("[5]"), wanted("[6]"))
    with redis.beating(busy):
        assert one.act("lost").exit == 0, one.errors
    assert lost(redis) == [wanted("[6]")]


def test_nothing_is_called_lost_while_a_worker_does_not_say_what_it_has(player: Make, redis: Redis, tmp_path: Path) -> None:  # fmt: skip
    """It says that it is busy, and nowhere with what. Its clock, an hour ahead, is no reason to believe it."""
    busy = redis.heartbeat(77, "push", host="elsewhere", busy=1, beat=clock.wall() / clock.SECOND + 3600)
    one = asked(player, redis, tmp_path, wanted("[5]"))
    with redis.beating(busy):
        assert one.act("lost").exit == 36
    assert (
        f'a worker does not say what it has in hand, so nothing can be told to be lost: "{busy}"'
        in one.errors
    )
    assert lost(redis) == []
