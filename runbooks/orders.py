"""What a driver is told to do: begin a run, or take one up; plain values that can cross an exec."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

BY_HAND = "(by hand)"  # the file of a runbook that was made of one command
PATIENCE = 3_600_000_000  # µs that the driver of an attended run stays up for an answer


class Start(NamedTuple):
    """All that a new run begins with; plain values, so that it can cross an exec."""

    store: str
    run: str
    text: str  # the runbook
    file: str
    inputs: dict[str, Any]
    secrets: dict[str, str]
    prompted: dict[str, str]  # secrets that were typed; they travel by fork or pipe and are never recorded
    incident: str | None  # None: the only open one, else the run declares one
    title: str
    severity: str
    actor: dict[str, Any]
    zone: str
    cwd: str
    umask: int
    path: str
    mode: str
    attended: bool
    allowed: list[str]
    hosts: dict[str, Any] = {}  # noqa: RUF012 - never mutated; the machines it may act on: name -> facts
    subs: dict[str, str] = {}  # noqa: RUF012 - never mutated; file -> text of the runbooks in it


class Resume(NamedTuple):
    """A run of the record that a driver takes up again."""

    store: str
    run: str
    attended: bool
    prompted: dict[str, str] = {}  # noqa: RUF012 - never mutated


def run_dir(store: str, run: str) -> str:
    return os.path.join(f"{store}.runs", run)
