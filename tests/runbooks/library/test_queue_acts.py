"""queue-backlog.yaml acts: what dies in the middle is there for undo, and what waits is told apart from what is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import Player
from .queues import Redis, job, server

Make = Callable[..., Player]
SOON = {"window": "2s"}


@pytest.fixture
def redis() -> Iterator[Redis]:
    with server() as made:
        yield made


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
    assert step.continue_on_error and step.retry is not None and step.retry.max >= 1  # so that undo covers it
    redis.run("CONFIG", "SET", "maxmemory", "0")
    assert one.act("aside").exit == 0
    assert one.steps["aside"]["outputs"] == {"moved": 10, "kept": 11}
    assert one.undo("aside").exit == 0
    assert sorted(redis.numbers("queue:push")) == [*range(10), 99]
