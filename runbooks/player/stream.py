"""A run for programs: each event one line of JSON on `out`, the last `run.ended` or `run.parked` with `exit`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from incidents import documents
from incidents.errors import HowdahError, Parked
from incidents.events import Event
from runbooks import follow, journal
from runbooks.player.keys import Intent
from runbooks.question import Card

LAST = ("run.ended", "run.parked")


class Stream:
    """Writes events to `out`; why it ended otherwise to `err`, as every command writes its errors."""

    fd: int | None = None
    asks = False

    def __init__(self, out: TextIO, err: TextIO):
        self._out = out
        self._err = err
        self._lines: list[dict[str, Any]] = []
        self._held: dict[str, Any] | None = None  # perhaps the last line

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, news: Sequence[Event], run: journal.Run) -> None:
        for event in news:
            whole = documents.event(event)
            if event.kind in LAST:
                self._release()
                whole["exit"] = Parked.exit_code if event.kind == "run.parked" else event.data.get("exit")
                self._held = whole
                continue
            if not event.kind.startswith(
                "incident."
            ):  # the incident that closes with its run is said before it
                self._release()
            self._lines.append(whole)
        self._write()

    def _release(self) -> None:
        """What was held back was not the end."""
        if self._held is not None:
            self._lines.append(self._held)
            self._held = None

    def _write(self) -> None:
        if self._lines:  # in ASCII: nothing in it can act on a terminal
            self._out.write("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in self._lines))
            self._out.flush()
            self._lines.clear()

    def ask(self, card: Card) -> None:
        """The event `question.asked` holds it all."""

    def say(self, text: str, tone: str = "") -> None:
        """Words for people are no part of the document."""

    def draw(self, run: journal.Run, cards: Sequence[Card], output: Callable[[], bytes]) -> None:
        """No picture."""

    def heard(self, cards: Sequence[Card]) -> list[Intent] | None:
        return []

    def suspend(self) -> None:
        """Nothing to give back."""

    def resume(self) -> None:
        """Nothing was given back."""

    def resized(self) -> None:
        """No width."""

    def close(self, summary: follow.Summary, problem: HowdahError | None) -> None:
        """The last line; where no event says why it ends, one document, as every command writes its errors."""
        self._release()
        self._write()
        if problem is not None:
            said = {
                "code": problem.code,
                "message": problem.message,
                "hint": problem.hint,
                "where": problem.where,
            }
        elif summary.exit == 130:
            said = {
                "code": "left",
                "message": summary.line,
                "hint": "; ".join(summary.next) or None,
                "where": None,
            }
        else:
            return
        error = {"exit": summary.exit, **said}
        self._err.write(json.dumps({"error": error}) + "\n")
        self._err.flush()
