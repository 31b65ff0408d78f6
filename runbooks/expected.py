"""How long a step usually takes: from earlier runs of the same runbook in the record, pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from incidents import clock
from runbooks import consent, journal

if TYPE_CHECKING:
    from incidents.store.protocol import Store

LATELY = 20  # runs that are looked at
SHORT = clock.SECOND  # what takes less is not worth a word


class Usual(NamedTuple):
    """`steps` is path -> (the median in µs, of how many); `whole` the same of the runs that went well, or None."""

    steps: dict[str, tuple[int, int]]
    whole: tuple[int, int] | None = None

    def of(self, path: str) -> str:
        """`usually 12 s (4 runs)`; empty for what is short or was never seen."""
        return _words(self.steps.get(path))

    @property
    def run(self) -> str:
        return _words(self.whole)


NOTHING = Usual({})


def usual(runs: Iterable[journal.Run]) -> Usual:
    """What these runs say. Only what went well counts: a failure is quick, or a timeout."""
    took: dict[str, list[int]] = {}
    whole: list[int] = []
    for run in runs:
        for path, state in run.steps.items():
            act = state.last("run")
            if state.status == "ok" and act is not None and act.end is not None and act.end.took is not None:
                took.setdefault(path, []).append(act.end.took)
        if (
            run.end is not None
            and run.end.status == "ok"
            and run.started_at is not None
            and run.ended_at is not None
        ):
            span = clock.between(run.started_at, run.ended_at)
            if span.exact and span.micros is not None:
                whole.append(span.micros)
    steps = {path: (int(statistics.median(spans)), len(spans)) for path, spans in took.items()}
    return Usual(steps, (int(statistics.median(whole)), len(whole)) if whole else None)


def of_record(store: Store, run: journal.Run) -> Usual:
    """What the last runs of the same runbook and mode say; of a drill the drills. Raises StoreError."""
    if run.started is None or run.start is None:
        return NOTHING
    same = [
        row
        for row in store.runs()
        if row.runbook == run.started.runbook and row.status == "ended" and row.run != run.id
    ]
    lately = sorted(same, key=lambda row: row.started_at)[-LATELY:]
    found = [consent.read_run(store, row.run) for row in lately]
    return usual(one for one in found if one.start is not None and one.start.mode == run.start.mode)


def _words(found: tuple[int, int] | None) -> str:
    if found is None or found[0] < SHORT:
        return ""
    span, count = found
    return f"usually {clock.words(span)} ({count} run{'s' if count > 1 else ''})"
