"""The public calls of `runbooks`; our own commands use what these use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from incidents import clock
from incidents.events import Actor, Event
from incidents.store.protocol import Store
from runbooks import driver, inputs, starting
from runbooks.document import Runbook
from runbooks.loader import load as _load
from runbooks.planner import Plan
from runbooks.planner import plan as _plan


def load(path: str) -> Runbook:
    """The runbook in that file. Raises Mistakes with every mistake of it."""
    return _load(path)


def plan(runbook: Runbook, given: Mapping[str, Any]) -> Plan:
    """What a run with these inputs would do; nothing is executed. Raises BadInput."""
    return _plan(runbook, inputs.normalise(runbook, given))


def start(
    runbook: Runbook, given: Mapping[str, Any], *, actor: Actor, store: str | None = None, incident: str | None = None,
    allowed: Sequence[str] = (), mode: str = "real",
) -> str:  # fmt: skip
    """Starts a run in a process of its own and returns its name once its first event is durable.

    Raises BadInput, LockHeld, IncidentClosed, StoreError; nothing was written then.
    """
    what = starting.prepare(
        runbook, given=given, store=store, actor=actor, zone=clock.local_zone(), incident=incident,
        allowed=allowed, mode=mode,
    )  # fmt: skip
    handle = driver.spawn(what)
    try:
        handle.hear_start()
    finally:
        os.close(handle.pipe)
    return what.run


def attach(store: Store, run: str, *, timeout: int | None = None) -> Iterator[Event]:
    """The events of a run from its first, as they come, until it has ended or parked; `timeout` in µs bounds it.

    Raises NotFound.
    """
    from runbooks import consent

    stream, seen = consent.read_run(store, run).stream, 0
    until = None if timeout is None else clock.monotonic() + timeout
    while True:
        for event in store.read(stream, after=seen):
            seen = event.seq
            if event.run != run:
                continue
            yield event
            if event.kind in ("run.ended", "run.parked", "run.paused") and store.last_seq(stream) == seen:
                return
        if until is not None and clock.monotonic() > until:
            return
        store.wait_news(200_000)


__all__ = ["attach", "load", "plan", "start"]
