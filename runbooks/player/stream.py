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


class Stream:
    """Writes events to `out`; why it ended otherwise to `err`, as every command writes its errors."""

    fd: int | None = None
    asks = False

    def __init__(self, out: TextIO, err: TextIO):
        self._out = out
        self._err = err

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, news: Sequence[Event], run: journal.Run) -> None:
        lines = []
        for event in news:
            whole = as_json(event)
            if event.kind == "run.ended" and not event.redacted:
                whole["exit"] = event.data["exit"]
            elif event.kind == "run.parked":
                whole["exit"] = Parked.exit_code
            lines.append(
                json.dumps(whole, separators=(",", ":"))
            )  # ASCII: nothing in it can act on a terminal
        if lines:
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()

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
        """Nothing where the last event says it; else one document, as every command writes its errors."""
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
