"""From an interaction to its first answer in Discord, against a bare echo bot on the same library and server.

Both bots are processes, each with a Discord on loopback of its own, both in this process. In turn each gets one
interaction, a thousand in all; while that goes on our bot shows a run whose step prints without end, and posts the
line of every note. The first answer is what a person waits for before Discord says "did not respond" (3 s).

- p99 at most 3 times the echo bot's of the same run
- never over 1 s
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench import measure
from tests.bench.measure import Figure
from tests.chat.discord.person import Answer, Person
from tests.chat.discord.server import Discord

COUNT = 1000
LIMIT = 3
NEVER_OVER = 1.0  # s
STEP_S = 600  # a bound: the step is stopped with the bench

BOOK = """\
runbook: 1
name: stream
steps:
  - id: print
    effect: read
    run: |
      for ((i = 0; i < %d; i++)); do echo "line $i of what a busy step prints"; sleep 0.02; done
"""


def figures(folder: str) -> list[Figure]:
    os.makedirs(os.path.join(folder, "runbooks"))
    _write(folder, "howdah.yaml", "people: {}\n")
    _write(folder, "runbooks/stream.yaml", BOOK % (STEP_S * 50))
    with Discord() as theirs, Discord() as ours, _bots(folder, theirs, ours):
        echo, nova = theirs.person("nova"), ours.person("nova")
        nova.slash("inc declare", title="the bench").wait()
        nova.slash("run start", runbook="stream").wait()
        _turns(nova, echo, 50)
        found, against = _turns(nova, echo, COUNT)
        nova.slash("run stop").wait()
    print(f"\nan interaction's first answer ({COUNT} in turn; ms)")
    print(f"  {'':44} {'p50':>8} {'p99':>8} {'max':>8}")
    for name, walls in (("echo", against), ("howdah", found)):
        cut = [1000 * one for one in (statistics.median(walls), _p99(walls), max(walls))]
        print(f"  {name:44} " + " ".join(f"{one:8.1f}" for one in cut))
    ratio = _p99(found) / _p99(against)
    return [
        Figure("Discord: first answer, p99", f"<= {LIMIT}x an echo bot", f"{ratio:.2f}x", ratio <= LIMIT),
        Figure("Discord: first answer, the slowest", f"<= {NEVER_OVER:g} s", f"{max(found):.3f} s", max(found) <= NEVER_OVER),
    ]  # fmt: skip


def _turns(nova: Person, echo: Person, count: int) -> tuple[list[float], list[float]]:
    """Seconds to the first answer of ours and of the echo's, one after the other, the first of a turn changing."""
    found: list[float] = []
    against: list[float] = []
    for number in range(count):
        for ours in (True, False) if number % 2 else (False, True):
            answer = nova.slash("inc note", text=f"note {number}") if ours else echo.slash("echo", text="x")
            (found if ours else against).append(_latency(answer))
    return found, against


def _latency(answer: Answer) -> float:
    answer.discord.wait_for(lambda: answer.type or answer.failed, 10, what="a first answer")
    return answer.latency_s


def _p99(walls: list[float]) -> float:
    return sorted(walls)[int(0.99 * len(walls))]


@contextlib.contextmanager
def _bots(folder: str, theirs: Discord, ours: Discord) -> Iterator[None]:
    store = os.path.join(folder, "store.db")
    commands = (
        ([sys.executable, "-m", "tests.chat.discord.echo"], theirs, measure.ROOT),
        ([measure.HOWDAH, "--store", store, "serve", "--discord"], ours, folder),
    )
    bots = []
    try:
        for argv, discord, where in commands:
            env = measure.environment(**discord.environ())
            bots.append(
                subprocess.Popen(
                    argv, cwd=where, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            discord.wait_for(discord.commands, 30, what="a bot with its commands")
        yield
    finally:
        for bot in bots:
            bot.send_signal(signal.SIGTERM)
        for bot in bots:
            bot.wait(30)
        _end_runs(store)


def _end_runs(store: str) -> None:
    """The run is no part of its bot: it is ended by itself."""
    env = measure.environment()
    for words in (["stop"], ["abort"]):
        subprocess.run(
            [measure.HOWDAH, "--store", store, *words], env=env, capture_output=True, timeout=60, check=False
        )
        time.sleep(0.5)


def _write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
