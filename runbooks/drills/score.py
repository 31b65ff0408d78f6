"""What a drill is worth, computed from the observer's samples and the service's acknowledgements: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from runbooks.drills import verdict


class Sample(NamedTuple):
    """One look: when (boot's monotonic µs), what an ordinary user has left, what a durable write of theirs gave."""

    at: int
    free: int  # bytes, f_bavail
    inodes: int  # f_favail
    probe: int  # 0, or the errno of the write
    acks: int  # records acknowledged so far
    refusals: int  # times the service was refused by the disk so far
    writer: str  # state of the service's process, "" when it has ended
    fault: str  # state of the process at fault


class Kept(NamedTuple):
    """What the acknowledged records look like when they are read back."""

    records: int
    bytes: int
    lost_records: int
    lost_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """How a drill went, seen from outside. Spans are µs since an ordinary user could write no more; None: never."""

    cured: bool
    reasons: tuple[str, ...]  # why it is not cured
    full_at: int | None  # boot's monotonic µs
    detected: int | None
    mitigated: int | None  # an ordinary user's durable write succeeds, and goes on doing so
    recovered: int | None  # since then the service acknowledges too, and is not refused any more
    free: int
    need: int
    inodes: int
    acknowledged_records: int
    acknowledged_bytes: int
    lost_records: int
    lost_bytes: int
    writer: str
    fault: str
    full_again: int | None  # µs until it is full at the rate of the last samples; None: it does not grow
    samples: int


def score(
    samples: Sequence[Sample],
    kept: Kept,
    *,
    need: int,
    need_inodes: int,
    detected_at: int | None,
    held_from: int,
    also: Sequence[str] = (),
) -> Score:
    """The score of a drill. `held_from`: from this instant on everything must have stayed well; `also` are reasons
    why it is not cured that the samples do not show."""
    full_at = next((s.at for s in samples if s.probe), None)
    held = [s for s in samples if s.at >= held_from]
    mitigated_at = _mitigated_at(samples, detected_at) if full_at is not None else None
    recovered_at = _recovered_at(samples, mitigated_at) if mitigated_at is not None else None
    last = samples[-1]
    reasons = (*_reasons(full_at, mitigated_at, recovered_at, held, kept, need, need_inodes), *also)

    def span(at: int | None) -> int | None:
        return None if at is None or full_at is None else at - full_at

    return Score(
        cured=not reasons, reasons=reasons, full_at=full_at, detected=span(detected_at),
        mitigated=span(mitigated_at), recovered=span(recovered_at), free=last.free, need=need, inodes=last.inodes,
        acknowledged_records=kept.records, acknowledged_bytes=kept.bytes, lost_records=kept.lost_records,
        lost_bytes=kept.lost_bytes, writer=last.writer, fault=last.fault, full_again=_full_again(held),
        samples=len(samples),
    )  # fmt: skip


def _mitigated_at(samples: Sequence[Sample], detected_at: int | None) -> int | None:
    """When the last unbroken row of good probes began; None when the last look was bad.

    A row that began before anybody had seen the trouble counts from then: what dies of a full disk may free some of it.
    """
    began = None
    for sample in reversed(samples):
        if sample.probe:
            break
        began = sample.at
    return began if began is None or detected_at is None else max(began, detected_at)


def _recovered_at(samples: Sequence[Sample], mitigated_at: int) -> int | None:
    """When the service first acknowledged something after its last refusal and the mitigation.

    Before that it may: a line or two still fit into the last block of its file.
    """
    rises = [i for i in range(1, len(samples)) if samples[i].refusals > samples[i - 1].refusals]
    last = rises[-1] if rises else 0
    return next(
        (s.at for s in samples[last + 1 :] if s.acks > samples[last].acks and s.at >= mitigated_at), None
    )


def _reasons(
    full_at: int | None, mitigated_at: int | None, recovered_at: int | None, held: Sequence[Sample], kept: Kept,
    need: int, need_inodes: int,
) -> list[str]:  # fmt: skip
    reasons = []
    if full_at is None:
        reasons.append("the disk was never full: nothing was drilled")
    if mitigated_at is None:
        reasons.append("an ordinary user cannot write")
    if not held:
        return [*reasons, "nobody looked whether it stayed well"]
    if any(s.probe for s in held):
        reasons.append("it did not stay well: a durable write of an ordinary user failed again")
    least = min(s.free for s in held)
    if least < need:
        reasons.append(f"only {least} of the {need} bytes that are needed stayed free")
    if min(s.inodes for s in held) < need_inodes:
        reasons.append(f"fewer than the {need_inodes} files that are needed can be made")
    if held[-1].writer in ("", "Z", "X"):
        reasons.append("the service has ended")
    elif held[-1].acks <= held[0].acks or (mitigated_at is not None and recovered_at is None):
        reasons.append("the service acknowledges nothing")
    if kept.lost_records:
        reasons.append(f"{kept.lost_records} acknowledged records ({kept.lost_bytes} bytes) are lost")
    if kept.records == 0:
        reasons.append("nothing was acknowledged: whether something is lost cannot be said")
    return reasons


def _full_again(held: Sequence[Sample]) -> int | None:
    if len(held) < 2 or held[-1].at == held[0].at:
        return None
    used = held[0].free - held[-1].free
    return held[-1].free * (held[-1].at - held[0].at) // used if used > 0 else None


def sentence(score: Score) -> str:
    """The score in one line; parts are divided by `; `."""
    return "; ".join(
        (
            f"seen {verdict.after(score.detected)}",
            f"writable again {verdict.after(score.mitigated)}",
            f"the service acknowledges again {verdict.after(score.recovered)}",
            f"{score.lost_bytes} of {score.acknowledged_bytes} acknowledged bytes lost",
            f"{score.free >> 20} MiB free of {score.need >> 20} MiB wanted",
        )
    )
