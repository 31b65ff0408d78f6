"""What a drill of nfs-stall is worth, from the instants of the acknowledgements and the lines that the server has: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from incidents import clock
from runbooks.drills import verdict

GAP = 4 * clock.SECOND  # without an acknowledgement for so long it hangs
LAST = 2 * clock.SECOND  # so short before the end there must be one


class Seen(NamedTuple):
    """What was found at the end, when everything was read back. `lines`: how often the server, whose export the client has
    mounted by then, shows each acknowledged line; `others`: lines there that nobody acknowledged."""

    lines: Mapping[str, int]
    others: int
    service: bool  # does the process that was there at the beginning still run?
    source: str  # what the client has mounted, "" where nothing


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """How a drill went, seen from outside. Spans are µs since the fault; None: never."""

    cured: bool
    reasons: tuple[str, ...]
    detected: int | None
    recovered: int | None  # the service acknowledges again, and goes on doing so
    longest: int  # µs between two acknowledgements
    acknowledged: int
    lost: int
    doubled: int
    unacknowledged: int  # there all the same, which is allowed
    refusals: int
    source: str


class Told(NamedTuple):
    """What the harness knows: when the fault struck and when it was seen, and whether the mount holds all writes meanwhile."""

    broken_at: int | None
    detected_at: int | None
    holds: bool


def score(
    acks: Sequence[tuple[int, str]], seen: Seen, told: Told, *, refusals: int, held_from: int, ended_at: int
) -> Score:
    """`acks` are (instant, line) in order; instants are the boot's monotonic µs. From `held_from` on it must be well."""
    broken_at = told.broken_at
    times = [at for at, _ in acks]
    gaps = list(zip(times, [*times[1:], ended_at], strict=True))
    struck = [(a, b) for a, b in gaps if broken_at is not None and b - a >= GAP and b > broken_at]
    recovered_at = struck[-1][1] if struck and struck[-1][1] < ended_at else None
    lost = sum(seen.lines.get(line, 0) == 0 for _, line in acks)
    well = recovered_at is not None and recovered_at <= held_from and ended_at - times[-1] <= LAST
    reasons = {
        "the service was never held up: nothing was drilled": not struck,
        "the service has ended": not seen.service,
        "the service acknowledges nothing": bool(struck) and not well,
        "nothing is mounted there": not seen.source,
        f"{lost} acknowledged lines are lost: {seen.source or 'nothing'} does not show them": bool(lost),
        f"the service was refused {refusals} times: what it was writing was given up": told.holds
        and refusals > 0,
        "nothing was acknowledged: whether something is lost cannot be said": not acks,
    }

    def span(at: int | None) -> int | None:
        return None if at is None or broken_at is None else at - broken_at

    return Score(
        cured=not any(reasons.values()), reasons=tuple(why for why, so in reasons.items() if so),
        detected=span(told.detected_at), recovered=span(recovered_at), longest=max((b - a for a, b in gaps), default=0), acknowledged=len(acks), lost=lost,
        doubled=sum(max(0, seen.lines.get(line, 0) - 1) for _, line in acks), unacknowledged=seen.others,
        refusals=refusals, source=seen.source,
    )  # fmt: skip


def sentence(score: Score) -> str:
    """The score in one line; parts are divided by `; `."""
    return "; ".join(
        (
            f"seen {verdict.after(score.detected)}",
            f"the service acknowledges again {verdict.after(score.recovered)}",
            f"{score.lost} of {score.acknowledged} acknowledged lines lost, {score.doubled} doubled",
            f"{score.refusals} times it was refused",
            f"mounted is {score.source or 'nothing'}",
        )
    )
