"""A Redis of a test's own, and in it what Sidekiq's client and a worker's heartbeat would have written."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from incidents import clock
from runbooks.drills import wires
from runbooks.drills.queue_backlog.lab import free_port
from tests.beside import beside


class Redis:
    """A server that listens on a port and on a socket."""

    def __init__(self, folder: str, *words: str):
        self.port = free_port()
        self.socket = os.path.join(folder, f"socket-{self.port}")
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", self.socket, "--dir", folder,
             "--save", "", *words],
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = clock.monotonic() + 20 * clock.SECOND
        while True:
            with contextlib.suppress(wires.Refusal):
                self.line = wires.Redis(self.socket)
                break
            assert clock.monotonic() < deadline
            clock.sleep(10_000)

    def run(self, *words: object) -> str | None:
        return self.line.run(*map(str, words))

    def rows(self, *words: object) -> list[str]:
        return self.line.rows(*map(str, words))

    def push(self, queue: str, kind: str, *numbers: int, **more: Any) -> None:
        """Jobs, the first of them to be done first."""
        self.run("SADD", "queues", queue)
        for number in numbers:
            self.run("LPUSH", f"queue:{queue}", job(queue, kind, number, **more))

    def numbers(self, key: str) -> list[int]:
        """The jobs of a list, the first of them to be done first."""
        return [json.loads(text)["args"][0] for text in reversed(self.rows("LRANGE", key, 0, -1))]

    def heartbeat(
        self, pid: int, *queues: str, threads: int = 5, host: str | None = None,
        nonce: str = "0123456789ab", **beat: Any,
    ) -> str:  # fmt: skip
        """A worker that says that it lives; returns its identity."""
        name = f"{host or os.uname().nodename}:{pid}:{nonce}"
        told = {
            "hostname": name.split(":")[0],
            "pid": pid,
            "concurrency": threads,
            "queues": list(queues),
            "tag": "app",
        }
        fields = {"busy": 0, "beat": clock.wall() / clock.SECOND, "quiet": "false", "rss": 1, **beat}
        self.run("SADD", "processes", name)
        self.run("HSET", name, "info", json.dumps(told, separators=(",", ":")))
        for field, value in fields.items():
            self.run("HSET", name, field, value)
        return name

    @contextlib.contextmanager
    def beating(self, *names: str) -> Iterator[None]:
        """These workers say again and again that they live, each by its own clock."""

        def beat(enough: threading.Event) -> None:
            line = wires.Redis(self.socket)
            while not enough.wait(0.05):
                for name in names:
                    line.run("HSET", name, "beat", str(float(line.run("HGET", name, "beat") or 0) + 5))
            line.close()

        with beside(beat):
            yield

    def close(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.wait()


def job(queue: str, kind: str, number: int, **more: Any) -> str:
    now = clock.wall() / clock.SECOND
    told = {"retry": True, "queue": queue, "class": kind, "args": [number], "jid": f"{number:024x}",
            "created_at": now, "enqueued_at": now, **more}  # fmt: skip
    return json.dumps(told, separators=(",", ":"))


@contextlib.contextmanager
def server(*words: str) -> Iterator[Redis]:
    """A Redis of its own; elsewhere than in CI a skip where there is none."""
    if shutil.which("redis-server") is None or shutil.which("redis-cli") is None:
        pytest.skip("redis-server not found; on Debian: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="queues-") as folder:
        made = Redis(folder, *words)
        try:
            yield made
        finally:
            made.close()
