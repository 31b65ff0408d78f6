"""What a drill of nfs-stall is worth, from the instants of the acknowledgements and the lines that the server has: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from incidents import clock

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


def score(
    acks: Sequence[tuple[int, str]], seen: Seen, *, broken_at: int | None, detected_at: int | None, refusals: int,
    held_from: int, ended_at: int,
) -> Score:  # fmt: skip
    """`acks` are (instant, line) in order; instants are the boot's monotonic µs. From `held_from` on it must be well."""
    times = [at for at, _ in acks]
    gaps = [
        (after - before, before, after) for before, after in zip(times, [*times[1:], ended_at], strict=True)
    ]
    struck = [gap for gap in gaps if broken_at is not None and gap[0] >= GAP and gap[2] > broken_at]
    recovered_at = struck[-1][2] if struck and struck[-1][2] < ended_at else None
    lost = sum(seen.lines.get(line, 0) == 0 for _, line in acks)
    reasons = []
    if broken_at is None or not struck:
        reasons.append("the service was never held up: nothing was drilled")
    if not seen.service:
        reasons.append("the service has ended")
    if struck and (
        recovered_at is None or recovered_at > held_from or not times or ended_at - times[-1] > LAST
    ):
        reasons.append("the service acknowledges nothing")
    if not seen.source:
        reasons.append("nothing is mounted there")
    if lost:
        reasons.append(f"{lost} acknowledged lines are lost: {seen.source or 'nothing'} does not show them")
    if not acks:
        reasons.append("nothing was acknowledged: whether something is lost cannot be said")

    def span(at: int | None) -> int | None:
        return None if at is None or broken_at is None else at - broken_at

    return Score(
        cured=not reasons, reasons=tuple(reasons), detected=span(detected_at), recovered=span(recovered_at),
        longest=max((gap for gap, *_ in gaps), default=0), acknowledged=len(acks), lost=lost,
        doubled=sum(max(0, seen.lines.get(line, 0) - 1) for _, line in acks), unacknowledged=seen.others,
        refusals=refusals, source=seen.source,
    )  # fmt: skip


def sentence(score: Score) -> str:
    """The score in one line; parts are divided by `; `."""

    def span(micros: int | None) -> str:
        return "never" if micros is None else f"after {clock.words(micros)}"

    return "; ".join(
        (
            f"seen {span(score.detected)}",
            f"the service acknowledges again {span(score.recovered)}",
            f"{score.lost} of {score.acknowledged} acknowledged lines lost, {score.doubled} doubled",
            f"{score.refusals} times it was refused",
            f"mounted is {score.source or 'nothing'}",
        )
    )


def to_json(score: Score) -> dict[str, Any]:
    return dataclasses.asdict(score)


def from_json(data: dict[str, Any]) -> Score:
    return Score(**{**data, "reasons": tuple(data["reasons"])})
