"""A viewer as a process of its own: `program.py STORE run FILE` or `program.py STORE attach|resume RUN`, [--json] [--plain]."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple, TextIO

from incidents.events import Actor
from runbooks import driver, starting
from runbooks.loader import load
from runbooks.player.watch import watch


class Streams(NamedTuple):
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    attended: bool


def main(store: str, what: str, name: str, *options: str) -> int:
    terminal = Streams(sys.stdin, sys.stdout, sys.stderr, sys.stdin.isatty() and sys.stdout.isatty())
    json, plain = "--json" in options, "--plain" in options
    actor = Actor("human", os.environ.get("PERSON", "ada"))
    attended = terminal.attended and not json
    handle = None
    if what == "run":
        start = starting.prepare(
            load(name), given={}, store=store, actor=actor, zone="UTC", attended=attended
        )
        name, handle = start.run, driver.fork(start)
    elif what == "resume":
        handle = driver.fork(driver.Resume(store=store, run=name, attended=attended))
    code = watch(store, name, actor=actor, handle=handle, terminal=terminal, json=json, plain=plain)
    if "--loaded" in options:
        sys.stderr.write(" ".join(sys.modules))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
