"""`uses: redis` against a real Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbooks.actions import base
from tests.runbooks.actions.asking import ask

pytestmark = pytest.mark.lab


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server")
    path = f"/tmp/howdah-redis-{os.getpid()}"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while not os.path.exists(path):
            assert time.monotonic() < until and server.poll() is None
            time.sleep(0.01)
        yield f"unix://{path}"
    finally:
        server.terminate()
        server.wait(30)


def test_a_reply_keeps_what_it_is(url: str) -> None:
    assert ask("redis", {"url": url, "command": ["LPUSH", "queue:default", "a", "b c"]}).outputs == {
        "reply": 2
    }
    assert ask("redis", {"url": url, "command": ["LLEN", "queue:default"]}).outputs == {"reply": 2}
    assert ask("redis", {"url": url, "command": ["LRANGE", "queue:default", 0, -1]}).outputs == {
        "reply": ["b c", "a"]
    }
    assert ask("redis", {"url": url, "command": ["GET", "nothing"]}).outputs == {"reply": None}


def test_a_reply_that_is_not_the_one_wanted_is_exit_10(url: str) -> None:
    assert ask("redis", {"url": url, "command": ["LLEN", "q"], "expect": "0"}).code == 0
    told = ask("redis", {"url": url, "command": ["LLEN", "q"], "expect": "3"})
    assert told.code == 10 and "the reply is '0', not '3'" in told.text


def test_mistakes_and_an_absent_server_fail(url: str) -> None:
    assert "unknown command" in ask("redis", {"url": url, "command": ["NONSENSE"]}).text
    assert "WRONGTYPE" not in ask("redis", {"url": url, "command": ["SET", "k", "v"]}).text
    wrong = ask("redis", {"url": url, "command": ["LLEN", "k"]})
    assert wrong.code == 1 and "WRONGTYPE" in wrong.text
    absent = ask("redis", {"url": url + "x", "command": ["PING"]})
    assert absent.code == 1 and "cannot connect" in absent.text
    assert ask("redis", {"url": "nonsense", "command": ["PING"]}).code == 1


def test_a_command_whose_answer_is_lost_is_sent_once_and_nobody_knows(url: str) -> None:
    ask("redis", {"url": url, "command": ["SET", "n", "0"]})
    script = "redis.call('INCR', KEYS[1]) local t = redis.call('TIME')[1] while redis.call('TIME')[1] - t < 4 do end"
    told = ask("redis", {"url": url, "command": ["EVAL", script, 1, "n"], "timeout": 1_000_000})
    assert told.code == 75 and "no answer" in told.text
    time.sleep(5)
    assert ask("redis", {"url": url, "command": ["GET", "n"]}).outputs == {"reply": "1"}


@pytest.mark.parametrize(
    ("command", "effect"),
    [
        (["LLEN", "x"], "read"), (["get", "x"], "read"), (["SET", "a", "b"], "idempotent"), (["LPUSH", "a", "b"], "unsafe"),
        (["SET", "a", "b", "NX"], "unsafe"), (["EVAL", "x"], "unsafe"), (["DEL", "a"], "idempotent"), ([], "unsafe"),
    ],
)  # fmt: skip
def test_the_effect_is_that_of_the_command(command: list[str], effect: str) -> None:
    assert base.find("redis").effect({"command": command}) == effect


def test_what_is_called_a_read_is_one_for_redis(url: str) -> None:
    """The table against the server's own flags."""
    from runbooks.actions.redis import READS, TWICE

    told = ask("redis", {"url": url, "command": ["COMMAND", "INFO", "SET", *sorted(READS)]})
    flags = {word: str(one) for word, one in told.outputs["reply"].items()}
    assert "'write'" not in flags["get"] and "'write'" in flags["set"]
    for word in READS:
        assert "'write'" not in flags[word.lower()], word
    assert not READS & TWICE
