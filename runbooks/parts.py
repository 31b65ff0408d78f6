"""The parts of a step that is made several times, once for each host and item: `STEP@HOST`, `STEP[ITEM]`,
`STEP[ITEM]@HOST`. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from incidents import kinds

if TYPE_CHECKING:
    from runbooks import journal
    from runbooks.document import Step

_SUFFIX = re.compile(r"(?:\[([0-9]+)\])?(?:@(.+))?")


def split_path(path: str) -> tuple[str, str]:
    """`restart[2]@web1` -> (`restart`, `[2]@web1`)."""
    at = min((place for place in (path.find("["), path.find("@")) if place >= 0), default=len(path))
    return path[:at], path[at:]


def place(path: str) -> tuple[int | None, str | None]:
    """The item's number and the host of a part: `copy[2]@web1` -> (2, `web1`)."""
    match = _SUFFIX.fullmatch(split_path(path)[1])
    if match is None:
        return None, None
    return (int(match[1]) if match[1] else None), match[2]


def names_of(run: journal.Run, path: str) -> dict[str, Any]:
    """`host` and `item` of a part, as expressions see them; nothing for any other step."""
    whole, suffix = split_path(path)
    state = run.steps.get(whole)
    if not suffix or state is None or state.spread is None:
        return {}
    number, host = place(path)
    found: dict[str, Any] = {} if host is None else {"host": host}
    return found if number is None else {**found, "item": state.spread.items["values"][number]}


def batches(step: Step, made: kinds.StepSpread) -> list[list[Step]]:
    """The parts, batch by batch: those of one host stand together."""
    items = [f"[{number}]" for number in range(len(made.items["values"]))] if made.items else [""]
    if not made.hosts:
        return [[step.part(item) for item in items]]
    hosts = iter(made.hosts)
    return [
        [step.part(f"{item}@{host}") for host in (next(hosts) for _ in range(size)) for item in items]
        for size in made.batches
    ]


def parts_of(step: Step, run: journal.Run) -> list[Step]:
    """All parts, in order; none before the step was spread."""
    state = run.steps.get(step.path)
    if state is None or state.spread is None:
        return []
    return [part for batch in batches(step, state.spread) for part in batch]
