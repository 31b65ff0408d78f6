"""The tools that howdah is measured beside, each in a virtual environment of its own that is kept in the cache.

A peer runs STEPS shell commands one after the other, the way its own documentation writes them, and is left as
quickly as it lets itself be left (DBOS without `destroy()`, which waits a second for its own threads).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

from tests.bench import measure

STEPS = 100

_PYINFRA = """
from pyinfra.operations import server

for number in range({steps}):
    server.shell(name=f"step {{number}}", commands=[{command!r}])
"""

_DBOS = """
import json
import os
import subprocess

from dbos import DBOS

DBOS(config={{"name": "hundred", "system_database_url": "sqlite:///dbos.sqlite", "run_admin_server": False}})


@DBOS.step()
def step():
    subprocess.run(["bash", "-c", {command!r}], check=True)


@DBOS.workflow()
def hundred():
    for _ in range({steps}):
        step()


DBOS.launch()
hundred()
os._exit(0)
"""

_ANSIBLE = "- hosts: all\n  gather_facts: false\n  tasks:\n"


class Peer(NamedTuple):
    name: str
    package: str
    version: str
    file: str
    text: Callable[[str], str]  # of a command, the file that runs it STEPS times
    words: Callable[[str], list[str]]  # of the environment's bin folder, the command line

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"

    def write(self, folder: str, command: str) -> None:
        with open(os.path.join(folder, self.file), "w", encoding="utf-8") as file:
            file.write(self.text(command))

    def run(self, binaries: str, folder: str, log: str) -> measure.Cost:
        env = measure.environment(
            PATH=f"{binaries}:{os.environ['PATH']}", ANSIBLE_HOME=folder, ANSIBLE_LOCALHOST_WARNING="False"
        )
        return measure.run(self.words(binaries), folder, env=env, log=log)


ALL = (
    Peer(
        "pyinfra", "pyinfra", "3.10.0", "deploy.py",
        lambda command: _PYINFRA.format(steps=STEPS, command=command),
        lambda bin: [f"{bin}/pyinfra", "-y", "@local", "deploy.py"],
    ),
    Peer(
        "ansible-core raw", "ansible-core", "2.19.14", "play.yml",
        lambda command: _ANSIBLE + f"    - raw: {json.dumps(command)}\n" * STEPS,
        lambda bin: [
            f"{bin}/ansible-playbook", "-i", "localhost,", "-c", "local",
            "-e", f"ansible_python_interpreter={bin}/python", "play.yml",
        ],
    ),
    Peer(
        "DBOS on SQLite", "dbos", "3.4.0", "flow.py",
        lambda command: _DBOS.format(steps=STEPS, command=command),
        lambda bin: [f"{bin}/python", "flow.py"],
    ),
)  # fmt: skip


def install(peer: Peer) -> str:
    """The bin folder of the peer's environment, made when it is not in the cache. Raises RuntimeError."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = os.path.join(measure.cache(), f"{peer.package}-{peer.version}-py{python}")
    ready = os.path.join(home, "ready")
    if not os.path.exists(ready):
        print(f"installing {peer.package} {peer.version} into {home}", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        _call([sys.executable, "-m", "venv", home])
        pip = [os.path.join(home, "bin", "python"), "-m", "pip", "install", "--quiet", "--compile"]
        _call([*pip, f"{peer.package}=={peer.version}"])
        with open(ready, "w", encoding="utf-8"):
            pass
    return os.path.join(home, "bin")


def _call(argv: list[str]) -> None:
    try:
        done = subprocess.run(
            argv, env=measure.environment(), capture_output=True, text=True, errors="replace", timeout=600
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(str(error)) from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeError(said[-1][:200] if said else f"{argv[0]} ended with {done.returncode}")
