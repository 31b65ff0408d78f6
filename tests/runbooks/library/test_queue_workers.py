"""queue-backlog.yaml starts workers: a real Sidekiq, in its Redis and no other, remembered before it runs, within the budget."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents import clock
from runbooks import procfs

from .conftest import Player
from .queues import Redis, server
from .test_queue_acts import pretend
from .test_queue_backlog import SOON

Make = Callable[..., Player]
PASSWORD = "open sesame/+:@%ü"
WORKER = 'exec sidekiq -r ./w.rb $QUEUES -c "$THREADS"'
PROGRAM = """
require "sidekiq"
class W
  include Sidekiq::Worker
  def perform(*) = nil
end
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Path]:
    """The application; whatever works in its folder is ended with the test."""
    if shutil.which("sidekiq") is None:
        pytest.skip("sidekiq not found; on Debian: apt-get install ruby-sidekiq")
    (tmp_path / "w.rb").write_text(PROGRAM)
    yield tmp_path
    for pid in inside(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def inside(folder: Path) -> list[int]:
    found = []
    for pid in procfs.table():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(pid)
    return found


def adding(make: Make, redis: Redis, app: Path, plan: str, **more: Any) -> Player:
    one = make("queue-backlog", port=redis.port, app_dir=str(app), **{"worker": WORKER, **SOON, **more})
    pretend(one, plan=plan)
    return one


def within(seconds: int, happened: Callable[[], object]) -> None:
    deadline = clock.monotonic() + seconds * clock.SECOND
    while not happened():
        assert clock.monotonic() < deadline
        clock.sleep(50_000)


@contextlib.contextmanager
def watched(word: bytes) -> Iterator[list[str]]:
    """The command lines in which the word was seen meanwhile."""
    stop, seen = threading.Event(), []

    def look() -> None:
        while not stop.wait(0.002):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    if word in file.read():
                        seen.append(path)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def test_a_worker_gets_the_password_by_its_environment_alone_and_is_ended_by_undo(player: Make, app: Path) -> None:  # fmt: skip
    private = f"a word of {os.getpid()} alone"
    with server() as redis:
        redis.run("CONFIG", "SET", "requirepass", PASSWORD)
        one = adding(player, redis, app, "2:push", redis_password="env:X", worker_env=[f"SECRET={private}"])
        one.values["redis_password"] = PASSWORD
        with watched(b"sesame") as seen, watched(private.encode()) as besides:
            done = one.act("add")
        assert done.exit == 0, one.errors
        assert (seen, besides) == ([], [])
        (name,) = redis.rows("SMEMBERS", "processes")
        told = json.loads(redis.run("HGET", name, "info") or "")
        assert (told["queues"], told["concurrency"]) == (["push"], 2)
        with open(f"/proc/{told['pid']}/environ", encoding="utf-8") as file:
            given = dict(item.partition("=")[::2] for item in file.read().split("\0"))
        assert given["SECRET"] == private and "sesame" in given["REDIS_URL"]
        assert not {"REDISCLI_AUTH", "KIT", "IN_REDIS_PASSWORD", "HOWDAH_RUN"} & set(given)
        assert redis.rows("SMEMBERS", "howdah:started:run-test") == [f"{name}|{start(told['pid'])}"]
        assert "sesame" not in done.output.decode() + one.errors
        assert one.verify("add").exit == 0
        assert one.undo("add").exit == 0
        assert redis.rows("SMEMBERS", "processes") == [] and not os.path.exists(f"/proc/{told['pid']}/fd/1")


def start(pid: int) -> int:
    process = procfs.table()[pid]
    return process.start


def test_what_others_have_started_since_the_look_counts(player: Make, redis: Redis, app: Path) -> None:
    redis.heartbeat(77, "push", host="elsewhere", threads=8)
    killed = redis.heartbeat(78, "push", host="elsewhere", threads=8)
    one = adding(player, redis, app, "5:push 5:push", connections=10)
    pretend(one, plan="5:push 5:push", killed=killed)
    assert one.act("add").exit == 38
    assert "by now there are 10 threads for the 10 connections of the database; 1 of 2 workers were started" in one.errors  # fmt: skip
    assert one.steps["add"]["status"] == "continued"  # so that undo ends the one
    assert sum(json.loads(redis.run("HGET", name, "info") or "")["concurrency"] for name in redis.rows("SMEMBERS", "processes")) == 8 + 8 + 2  # fmt: skip
    assert one.undo("add").exit == 0


def test_threads_of_a_worker_that_hangs_count_though_redis_has_forgotten_them(player: Make, redis: Redis, app: Path) -> None:  # fmt: skip
    one = adding(player, redis, app, "5:push", connections=10)
    pretend(one, plan="5:push", threads=10)
    assert one.act("add").exit == 38 and "0 of 1 workers were started" in one.errors
    assert redis.rows("SMEMBERS", "processes") == []


def hurried(one: Player) -> Player:
    """A minute is six seconds."""
    step = one.step("add")
    kit = step.env["KIT"]
    text = one.text(kit)
    assert "SECONDS + 60" in text
    plain, one.text = one.text, lambda template: plain(template).replace("SECONDS + 60", "SECONDS + 6")  # type: ignore[method-assign]
    return one


def test_a_worker_that_lives_in_another_redis_is_named_quieted_and_ended(player: Make, redis: Redis, app: Path) -> None:  # fmt: skip
    with server() as other:
        one = adding(player, redis, app, "2:push", worker=f"export REDIS_URL=redis://127.0.0.1:{other.port}; {WORKER}")  # fmt: skip
        assert hurried(one).act("add").exit == 33
        assert f"has not said within a minute that it lives in the Redis at 127.0.0.1:{redis.port}, database 0: does the application take REDIS_URL?" in one.errors  # fmt: skip
        assert "was ended again; see " in one.errors
        assert other.rows("SMEMBERS", "processes") == [] and other.run("GET", "stat:processed") is not None
        assert redis.rows("SMEMBERS", "howdah:started:run-test") == []


def test_a_worker_whose_start_nobody_saw_to_its_end_is_remembered(
    player: Make, redis: Redis, app: Path
) -> None:
    """verify does not call it not started, and undo ends it."""
    one = adding(player, redis, app, "2:push", worker="sleep 300")
    script = subprocess.Popen(["setsid", "sleep", "300"], cwd=app)
    try:
        within(10, lambda: b"setsid" not in Path(f"/proc/{script.pid}/cmdline").read_bytes())
        name = f"{os.uname().nodename}:{script.pid}:launched|{start(script.pid)}"
        redis.run("SADD", "howdah:started:run-test", name)
        assert one.verify("add").exit == 3
        other = redis.heartbeat(script.pid, "push")  # now it says so
        assert one.verify("add").exit == 0
        redis.run("SREM", "processes", other)
        threading.Timer(0.5, script.wait).start()
        assert one.undo("add").exit == 0
        assert script.wait() == -signal.SIGTERM
        assert one.verify("add").exit == 10
    finally:
        script.kill()


def test_what_a_worker_says_is_kept_in_bounds(player: Make, redis: Redis, app: Path) -> None:
    loud = "echo begins; head -c 9000000 /dev/zero; echo ends; exit 3"
    one = adding(player, redis, app, "2:push", worker=loud)
    assert one.act("add").exit == 33 and "a worker for push has ended with 3 at once; see " in one.errors
    (log,) = glob.glob(f"{app}/howdah-run-test-*.log")
    assert log in one.errors
    with open(log, "rb") as file:
        assert file.read(7) == b"begins\n"
    within(20, lambda: any(Path(path).read_bytes().endswith(b"ends\n") for path in glob.glob(log + ".*")))
    assert sum(os.path.getsize(path) for path in glob.glob(log + "*")) <= 3 << 20
    assert one.act("add").exit == 33 and redis.rows("SMEMBERS", "howdah:started:run-test") == []


@pytest.fixture
def old(redis: Redis, app: Path) -> Iterator[str]:
    """A worker that works, as the look tells of it."""
    words = ["sidekiq", "-r", "./w.rb", "-q", "pull", "-q", "push", "-c", "4"]
    env = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0"}
    process = subprocess.Popen(words, cwd=app, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        within(60, lambda: redis.rows("SMEMBERS", "processes"))
        (name,) = redis.rows("SMEMBERS", "processes")
        yield f"{name}|{start(process.pid)}|4|pull,push"
    finally:
        process.kill()
        process.wait()


def at_work(redis: Redis) -> list[tuple[int, list[str]]]:
    told = [
        json.loads(redis.run("HGET", name, "info") or "{}") for name in redis.rows("SMEMBERS", "processes")
    ]
    return sorted((one["concurrency"], one["queues"]) for one in told)


def replacing(make: Make, redis: Redis, app: Path, step: str, old: str) -> Player:
    """The step once the old worker has ended and the start of a second new one has failed."""
    one = adding(make, redis, app, "", patience="30s")
    pretend(one, mine=old, split=f"{old}|" if step == "split" else "")
    one.values["worker"] = f"[[ $QUEUES != *pull* ]] || exit 3; {WORKER}"
    assert one.act(step).exit == 33
    assert one.steps[step]["status"] == "continued"  # so that undo covers it
    return one


def test_what_was_not_started_again_is_named_and_undo_starts_it(player: Make, redis: Redis, app: Path, old: str) -> None:  # fmt: skip
    one = replacing(player, redis, app, "restart", old)
    assert f"nobody does this now: in {app}, with QUEUES='-q pull,1 -q push,1' THREADS=4 REDIS_URL=redis://127.0.0.1:{redis.port}/0: [[ $QUEUES" in one.errors  # fmt: skip
    assert at_work(redis) == []
    again = one.undo("restart")  # the cause is still there
    assert again.exit == 33 and b"nobody does this now" in again.errors
    one.values["worker"] = WORKER
    assert one.undo("restart").exit == 0
    assert at_work(redis) == [(4, ["pull", "push"])]
    assert one.undo("restart").exit == 0
    assert at_work(redis) == [(4, ["pull", "push"])], "nothing is started twice"
    one.undo("add")
    assert at_work(redis) == [(4, ["pull", "push"])], "what add has started is another thing"


def test_a_worker_whose_parts_were_not_all_started_is_there_again_after_undo(player: Make, redis: Redis, app: Path, old: str) -> None:  # fmt: skip
    one = replacing(player, redis, app, "split", old.replace("pull,push", "push,pull"))
    assert "nobody does this now: " in one.errors and "QUEUES='-q pull' THREADS=2" in one.errors
    assert at_work(redis) == [(2, ["push"])]
    one.values["worker"] = WORKER
    assert one.undo("split").exit == 0
    assert at_work(redis) == [(4, ["push", "pull"])]


def test_what_was_split_is_not_restarted_as_it_was(player: Make, redis: Redis, app: Path, old: str) -> None:
    one = adding(player, redis, app, "", patience="30s")
    pretend(one, mine=old, split=f"{old}|")
    assert one.act("split").exit == 0 and one.verify("split").exit == 0
    assert one.act("restart").exit == 0
    assert at_work(redis) == [(2, ["pull"]), (2, ["push"])]


@pytest.mark.parametrize("name", ["a b", "a,b", "-a", "a*", "$(touch pwned)"])
def test_a_queue_whose_name_is_no_word_is_refused_before_anybody_is_quieted(player: Make, redis: Redis, app: Path, name: str) -> None:  # fmt: skip
    script = subprocess.Popen(["sleep", "300"])
    try:
        made = redis.heartbeat(script.pid, "push", name)
        mine = f"{made}|{start(script.pid)}|5|push,{name}"
        for step, seen in (("restart", {"mine": mine}), ("split", {"split": f"{mine}|"})):
            one = adding(player, redis, app, "")
            pretend(one, **seen)
            assert one.act(step).exit == 39
            assert "has a name that no command line takes; nobody was quieted" in one.errors
        assert script.poll() is None and procfs.table()[script.pid].runs
    finally:
        script.kill()
        script.wait()
