"""A run for programs: each event one line of JSON on `out`, the last `run.ended` or `run.parked` with `exit`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from incidents import clock
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
            whole = as_json(event)
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


def as_json(event: Event) -> dict[str, Any]:
    """An event as every `--json` writes it: instants in RFC 3339 (UTC), what is None in the record left out."""
    whole: dict[str, Any] = {
        "id": event.id, "stream": event.stream, "seq": event.seq, "pos": event.pos, "kind": event.kind, "v": event.v,
        "at": clock.iso(event.at), "until": clock.iso(event.until) if event.until is not None else None,
        "recorded_at": clock.iso(event.recorded_at), "host": event.host, "zone": event.zone,
        "precision": event.precision, "actor": _present(event.actor._asdict()),
        "source": _present(event.source._asdict()) if event.source is not None else None, "key": event.key,
        "cause": event.cause, "run": event.run, "step": event.step, "item": event.item, "milestone": event.milestone,
        "mode": event.mode, "importance": event.importance, "visibility": event.visibility, "body": event.body,
        "data": dict(event.data), "evidence": [one._asdict() for one in event.evidence], "hash": event.hash,
        "redacted": event.redacted, "replayed": event.replayed,
    }  # fmt: skip
    return _present(whole)


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
