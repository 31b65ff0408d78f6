"""Watching a run: the view that suits whoever looks, and the viewer that shows it in there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from incidents import cadence, clock
from incidents.events import Actor
from incidents.store.protocol import Store
from runbooks import driver
from runbooks.approving import Approver
from runbooks.player import alone, signals
from runbooks.player.keys import Terminal, in_foreground
from runbooks.player.viewer import LEFT, View, Viewer

if TYPE_CHECKING:
    from runbooks.document import Runbook

NO_SCREEN = ("", "dumb", "unknown")  # values of $TERM that promise no cursor movement


def watch(
    store: Store | str, run_id: str, *, actor: Actor, handle: driver.Handle | None = None,
    terminal: Terminal | None = None, json: bool = False, plain: bool = False, answer: bool = True,
    runbook: Runbook | None = None, updates: Mapping[str, int | None] = cadence.DEFAULTS,
    approver: Approver | None = None,
) -> int:  # fmt: skip
    """Shows the run until it ends, parks with nobody to ask, or this viewer is closed. Returns the exit code.

    A person at an attended terminal is asked, unless `answer` is False. `plain`, or $HOWDAH_PLAIN: lines alone, for a
    screen reader. `runbook`: the run's own, where the caller has it; `updates`: how often the people outside are to
    hear of an incident; `approver`: who they are where a step asks for an approval. Raises StoreError when the record cannot be used; the run goes on.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(store, str):
            store = stack.enter_context(alone.open_record(store, handle))
        viewer = Viewer(store, run_id, approver or Approver(actor), handle, runbook, updates)
        stack.callback(viewer.let_go)
        view = choose(terminal, viewer, json=json, plain=plain, answer=answer)
        viewer.signals = stack.enter_context(signals.noted(stops=view.fd is not None))
        try:
            with view:
                return viewer.loop(view)
        except OSError:  # the reader has gone: `| head`, a closed window; the run goes on
            _forget_output(terminal)
            return LEFT


def choose(terminal: Terminal | None, viewer: Viewer, *, json: bool, plain: bool, answer: bool) -> View:
    """The screen for a person at a terminal that can show one, else lines, else JSON."""
    out, err = (terminal.stdout, terminal.stderr) if terminal is not None else (sys.stdout, sys.stderr)
    if json:
        from runbooks.player.stream import Stream

        return Stream(out, err)
    keys = None
    if terminal is not None and terminal.attended and in_foreground(terminal.stdin.fileno()):
        keys = terminal.stdin.fileno()
    plain = plain or bool(os.environ.get("HOWDAH_PLAIN"))
    if keys is not None and not plain and os.environ.get("TERM", "") not in NO_SCREEN:
        from runbooks.player.screen import Screen

        return Screen(
            out, keys, zone=clock.local_zone(), asks=answer, document=viewer.document, check=viewer.check,
            usual=lambda: viewer.beside.usual(viewer.run), due=lambda: viewer.beside.due(viewer.run),
            watched=viewer.watched,
        )  # fmt: skip
    from runbooks.player.plain import Plain

    return Plain(out, clock.local_zone(), stdin=keys if answer else None, watched=viewer.watched)


def _forget_output(terminal: Terminal | None) -> None:
    """So that the interpreter's last flush does not complain about the reader that has gone."""
    out = terminal.stdout if terminal is not None else sys.stdout
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), out.fileno())
