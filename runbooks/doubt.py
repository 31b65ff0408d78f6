"""What an attempt's end means: the rules of doubt (design, section 6), used when writing and when recovering."""

from __future__ import annotations

from typing import NamedTuple


class Finish(NamedTuple):
    """How an attempt ended, whoever saw it: the keeper's answer, or what recovery found.

    `stopping` is why it was stopped, None when it was left alone; `lost` that nobody saw its end; `unstarted`
    why the program could not be started at all.
    """

    exit: int | None = None
    signal: int | None = None
    stopping: str | None = None
    lost: str | None = None
    unstarted: str | None = None
    survivors: tuple[str, ...] = ()
    unreached: bool = False  # its machine could not be reached, so nothing began
    lacks: int = 0  # bytes of its output, at least, that nobody has
    may_run: bool = False  # something of it, or of an attempt before it, runs on its machine, or nobody knows


SIGNAL_EXITS = range(129, 160)  # a shell reports 128 + the signal that killed its last command


def own_exit(finish: Finish) -> bool:
    """Did the attempt end by an exit status of its own (design, section 6, rule 2)?"""
    return (
        finish.exit is not None
        and finish.exit not in SIGNAL_EXITS
        and finish.stopping is None
        and finish.lost is None
    )


_WHO_STOPPED = {
    "timeout": "its time was up", "person": "a person stopped it", "stopped": "howdah had it stopped",
}  # fmt: skip


def describe(finish: Finish) -> str:
    """How it ended, in words."""
    if finish.stopping is not None:
        why = _WHO_STOPPED.get(finish.stopping, finish.stopping)
        return f"stopped: {why}" + (f"; {finish.unstarted}" if finish.unstarted is not None else "")
    if finish.unstarted is not None:
        return finish.unstarted
    if finish.lost is not None:
        return finish.lost
    if finish.signal is not None:
        return f"killed by signal {finish.signal}"
    if finish.exit in SIGNAL_EXITS:
        return f"exit {finish.exit}: signal {finish.exit - 128} killed it"  # type: ignore[operator]
    return f"exit {finish.exit}"


def judge(effect: str, finish: Finish) -> tuple[str, str]:
    """What the end of a `run` or `undo` attempt means: (`ok` | `failed` | `in_doubt`, why).

    An unsafe attempt without an exit status of its own is in doubt; a read or idempotent one has failed. Nothing has
    failed that still runs, or may, unless it only reads: what comes next would run beside it.
    """
    if own_exit(finish) and finish.unstarted is None and finish.exit == 0:
        return "ok", ""
    known = own_exit(finish) or finish.unstarted is not None
    in_doubt = (effect == "unsafe" and not known) or (effect != "read" and finish.may_run)
    why = describe(finish)
    if known and finish.may_run and finish.exit is not None:
        why += "; an earlier attempt runs, or may run"
    return ("in_doubt" if in_doubt else "failed"), why


def judge_verify(no: frozenset[int], finish: Finish) -> tuple[str, str]:
    """What a `verify` says: (`ok` it happened | `no` it did not | `in_doubt`, why).

    Only exit 0 and the exits that the runbook lists under `no:` are answers; everything else is still doubt.
    """
    own = own_exit(finish) and finish.unstarted is None
    if own and finish.exit == 0:
        return "ok", "verify says that it happened"
    if own and finish.exit in no:
        return "no", f"verify says that it did not happen (exit {finish.exit})"
    return "in_doubt", f"verify does not know: {describe(finish)}"
