"""Eight processes write one store while others are killed: what was acknowledged is there, once, in whole chains."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from incidents import verify
from incidents.events import NEW_INCIDENT, Actor, Draft
from incidents.store import open_store

WRITERS = 8
SECONDS = 3.0
FEW = 20  # on a busy machine a writer may die before it writes: it goes on until more than these are acknowledged

PROGRAM = """
import os, sys
from incidents.events import Actor, Draft
from incidents.store import open_store
path, name = sys.argv[1], sys.argv[2]
acked = os.open(f"{path}.{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with open_store(path) as store:
    n = 0
    while True:
        n += 1
        key = f"{name}:{n}"
        streams = ("inc-1", "oncall") if n % 3 == 0 else ("inc-1",)
        store.append([
            Draft(stream=stream, kind="note", actor=Actor("human", name), body=key * 20, key=f"{key}:{stream}")
            for stream in streams
        ])
        os.write(acked, "".join(f"{key}:{stream}\\n" for stream in streams).encode())  # after the append: acknowledged
"""


def start(path: str, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, path, name], stderr=subprocess.PIPE)


def acknowledged(folder: Path) -> list[str]:
    """The keys of what the writers were told is kept."""
    return [
        line for name in os.listdir(folder) if name.startswith("store.db.w") and name[10:].isdigit()
        for line in (folder / name).read_text().splitlines()
    ]  # fmt: skip


def test_every_acknowledged_event_is_there_once_and_every_chain_verifies(tmp_path: Path) -> None:
    path, choose = str(tmp_path / "store.db"), random.Random(1)
    with open_store(path) as store:
        data = {"title": "many writers", "severity": "sev2"}
        store.append(
            [Draft(stream=NEW_INCIDENT, kind="incident.declared", actor=Actor("human", "nova"), data=data)]
        )
    number = 0
    writers: list[subprocess.Popen[bytes]] = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until or number < 2 * WRITERS or len(acknowledged(tmp_path)) <= FEW:
        while len(writers) < WRITERS:
            writers.append(start(path, f"w{number}"))
            number += 1
        time.sleep(choose.uniform(0.05, 0.25))
        victim = writers.pop(choose.randrange(len(writers)))
        victim.send_signal(signal.SIGKILL)
        _, said = victim.communicate()
        assert said == b""
    for writer in writers:
        writer.kill()
        writer.communicate()

    acked = acknowledged(tmp_path)
    with open_store(path) as store:
        stored = [event.key for stream in ("inc-1", "oncall") for event in store.events(stream)]
        report = verify.verify(store)
    assert len(acked) > FEW
    assert set(acked) <= set(stored)
    assert len(stored) == len(set(stored))
    assert report.findings == []
    groups = {key.rpartition(":")[0] for key in stored if key.endswith(":oncall")}
    assert all(f"{group}:inc-1" in stored for group in groups), "a group was recorded in part"
