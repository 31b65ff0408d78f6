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


SIGNAL_EXITS = range(129, 160)  # a shell reports 128 + the signal that killed its last command


def own_exit(finish: Finish) -> bool:
    """Did the attempt end by an exit status of its own (design, section 6, rule 2)?"""
    return (
        finish.exit is not None
        and finish.exit not in SIGNAL_EXITS
        and finish.stopping is None
        and finish.lost is None
    )


def describe(finish: Finish) -> str:
    """How it ended, in words."""
    if finish.unstarted is not None:
        return finish.unstarted
    if finish.stopping is not None:
        why = {"timeout": "its time was up", "person": "a person stopped it"}.get(
            finish.stopping, finish.stopping
        )
        return f"stopped: {why}"
    if finish.lost is not None:
        return finish.lost
    if finish.signal is not None:
        return f"killed by signal {finish.signal}"
    if finish.exit in SIGNAL_EXITS:
        return f"exit {finish.exit}: signal {finish.exit - 128} killed it"  # type: ignore[operator]
    return f"exit {finish.exit}"


def judge(effect: str, finish: Finish) -> tuple[str, str]:
    """What the end of a `run` or `undo` attempt means: (`ok` | `failed` | `in_doubt`, why).

    An unsafe attempt without an exit status of its own is in doubt; a read or idempotent one has failed.
    """
    if finish.unstarted is not None:
        return "failed", describe(finish)
    if own_exit(finish):
        return ("ok", "") if finish.exit == 0 else ("failed", describe(finish))
    return ("in_doubt" if effect == "unsafe" else "failed"), describe(finish)


def judge_verify(no: frozenset[int], finish: Finish) -> tuple[str, str]:
    """What a `verify` says: (`ok` it happened | `no` it did not | `in_doubt`, why).

    Only exit 0 and the exits that the runbook lists under `no:` are answers; everything else is still doubt.
    """
    if own_exit(finish) and finish.exit == 0:
        return "ok", "verify says that it happened"
    if finish.exit is not None and own_exit(finish) and finish.exit in no:
        return "no", f"verify says that it did not happen (exit {finish.exit})"
    return "in_doubt", f"verify does not know: {describe(finish)}"
