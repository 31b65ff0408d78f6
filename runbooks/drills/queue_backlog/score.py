"""What a drill of queues is worth, computed from what the observer saw and from every job's whereabouts: pure."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from incidents import clock
from runbooks.drills import verdict

SPAN = 2_500_000  # µs between two looks that are compared: whether a queue drains
NAMED = 20  # numbers of jobs that a score names


class Sample(NamedTuple):
    """One look: when (boot's monotonic µs), how many jobs wait in each queue, how many were done so far, the threads of
    the workers that live."""

    at: int
    waiting: dict[str, int]
    done: int
    threads: int


class Counted(NamedTuple):
    """Where every job is in the end, by its number."""

    ordered: Mapping[int, str]  # number: class
    done: Sequence[int]  # as often as it was done
    queued: Sequence[int]
    failed: Sequence[int]  # waits to be tried again, or was given up
    aside: Sequence[int]  # anywhere else in Redis
    flight: Sequence[int]  # begun and not ended by a worker at the instant at which the fault killed it


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """How a drill went, seen from outside. Spans are µs since it was broken; None: never."""

    cured: bool
    reasons: tuple[str, ...]
    detected: int | None
    draining: int | None  # from then on every queue drained
    empty_in: int | None  # µs until the last queue is empty, at the rate of the last samples; None: never
    ordered: int
    done: int
    queued: int
    failed: int
    aside: int
    lost: int
    lost_numbers: tuple[int, ...]  # the first of them
    doubled: int
    doubled_numbers: tuple[int, ...]
    in_flight: int  # at the kill
    rederived: int  # of these, done or waiting in the end
    threads: int  # most at a time
    samples: int


class Limits(NamedTuple):
    """`within`: µs in which every queue must be empty; `threads`: as many connections has the database; `aside`: the
    classes that a cure may keep away."""

    within: int
    threads: int
    aside: tuple[str, ...]


class Instants(NamedTuple):
    """When it was broken, when the player saw it, and from when a cure must hold."""

    broken_at: int
    detected_at: int | None
    held_from: int


def stands_still(before: Sample, after: Sample, within: int) -> list[str]:
    """The queues that would not be empty within so many µs, at the rate between two samples."""
    span = after.at - before.at
    found = []
    for queue, left in after.waiting.items():
        gone = before.waiting.get(queue, 0) - left
        if left and (gone <= 0 or left * span // gone > within):
            found.append(queue)
    return found


def score(samples: Sequence[Sample], counted: Counted, instants: Instants, limits: Limits) -> Score:
    """The score of a drill."""
    held = [s for s in samples if s.at >= instants.held_from]
    threads = max((s.threads for s in samples if s.at >= instants.broken_at), default=0)
    waits = set(counted.queued) | set(counted.failed) | set(counted.aside)
    done = set(counted.done)
    lost = sorted(set(counted.ordered) - done - waits)
    doubled = sorted(_doubled(counted, done))
    reasons = [*_draining(held, limits), *_kept(counted, lost, doubled, limits)]
    if threads > limits.threads:
        reasons.append(
            f"{threads} threads work at once, and the database has {limits.threads} connections for them"
        )
    draining_at = _draining_at(samples, instants.broken_at, limits.within)

    def span(at: int | None) -> int | None:
        return None if at is None else at - instants.broken_at

    return Score(
        cured=not reasons, reasons=tuple(reasons), detected=span(instants.detected_at), draining=span(draining_at),
        empty_in=_empty_in(held), ordered=len(counted.ordered), done=len(done), queued=len(counted.queued),
        failed=len(counted.failed), aside=len(counted.aside), lost=len(lost), lost_numbers=tuple(lost[:NAMED]),
        doubled=len(doubled), doubled_numbers=tuple(doubled[:NAMED]), in_flight=len(counted.flight),
        rederived=len(set(counted.flight) & (done | waits)), threads=threads, samples=len(samples),
    )  # fmt: skip


def _doubled(counted: Counted, done: Set[int]) -> Iterable[int]:
    """What was done twice, waits twice, or waits although it was done."""
    waits = Counter([*counted.queued, *counted.failed, *counted.aside])
    again = {number for number, times in Counter(counted.done).items() if times > 1}
    return again | {number for number, times in waits.items() if times > 1 or number in done}


def _draining(held: Sequence[Sample], limits: Limits) -> list[str]:
    if len(held) < 2:
        return ["nobody looked whether it stayed well"]
    first, last = held[0], held[-1]
    reasons = [
        f"{last.waiting[queue]} jobs wait in {queue}, and not all of them will have gone within {clock.words(limits.within)}"
        for queue in stands_still(first, last, limits.within)
    ]
    if sum(last.waiting.values()) and last.done == first.done:
        reasons.append("no job gets done")
    if not last.threads:
        reasons.append("no worker lives")
    return reasons


def _kept(counted: Counted, lost: Sequence[int], doubled: Sequence[int], limits: Limits) -> list[str]:
    reasons = []
    if lost:
        reasons.append(f"{len(lost)} jobs are lost, such as {_some(lost)}")
    if doubled:
        reasons.append(f"{len(doubled)} jobs were done twice or will be, such as {_some(doubled)}")
    wrong = [n for n in counted.aside if counted.ordered.get(n) not in limits.aside]
    if wrong:
        reasons.append(f"{len(wrong)} jobs that are not at fault are kept away, such as {_some(wrong)}")
    if not counted.done:
        reasons.append("nothing was ever done: whether something is lost cannot be said")
    return reasons


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5]))


def _draining_at(samples: Sequence[Sample], broken_at: int, within: int) -> int | None:
    """Since when every queue has drained without a break; None where the last look was bad."""
    since = None
    for at in range(len(samples) - 1, -1, -1):
        sample = samples[at]
        later = next((one for one in samples[at + 1 :] if one.at - sample.at >= SPAN), None)
        if sample.at < broken_at:
            break
        if later is None:
            continue
        if stands_still(sample, later, within):
            break
        since = sample.at
    return since


def _empty_in(held: Sequence[Sample]) -> int | None:
    if len(held) < 2:
        return None
    first, last, longest = held[0], held[-1], 0
    for queue, left in last.waiting.items():
        gone = first.waiting.get(queue, 0) - left
        if left and gone <= 0:
            return None
        if left:
            longest = max(longest, left * (last.at - first.at) // gone)
    return longest


def sentence(score: Score) -> str:
    """The score in one line; parts are divided by `; `."""
    parts = [
        f"seen {verdict.after(score.detected)}",
        f"every queue drains {verdict.after(score.draining)}",
        f"{score.done} of {score.ordered} jobs done, {score.queued} still wait, {score.failed} will be tried again, {score.aside} are kept aside",
        f"{score.lost} lost, {score.doubled} done twice or to be done twice",
    ]
    if score.in_flight:
        parts.append(f"of {score.in_flight} in flight at the kill {score.rederived} were brought back")
    if score.queued and score.empty_in is not None:
        parts.append(f"empty in about {clock.words(score.empty_in)}")
    return "; ".join(parts)
