"""A step that is made several times, once for each host and item: what may start of it now, and what came of it. Pure.

Hosts and items are evaluated once and recorded (`step.spread`); the parts are `STEP@HOST`, `STEP[ITEM]`,
`STEP[ITEM]@HOST`, each with attempts, doubts and an undo of its own. Batches run one after the other; failures of every
kind are counted together over all hosts, and looked at after each batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from incidents.errors import BadInput
from runbooks import journal
from runbooks.document import Step, Targets
from runbooks.expressions import Expr, Names, Template, evaluate, references, render_text
from runbooks.parts import batches, names_of, parts_of, place

MOST = 10_000  # hosts times items
NAMES = ("host", "item")
FINE = ("ok", "skipped")


def values(templates: Iterable[Template], names: Names) -> list[Any]:
    """What the templates give; a lone `${{ list }}` gives its items. Raises BadInput."""
    found: list[Any] = []
    for template in templates:
        value = evaluate(template.lone, names) if template.lone is not None else render_text(template, names)
        found += value if isinstance(value, list) else [value]
    if len(found) > MOST:
        raise BadInput(f"{len(found)} items are too many", hint=f"at most {MOST}")
    return found


def looks_at_part(expr: Expr) -> bool:
    """Does the expression look at `host` or `item`, which only a part has?"""
    return any(name.partition(".")[0] in NAMES for name in references(expr))


def batch_sizes(serial: Sequence[int | str], hosts: int) -> list[int]:
    """`[1, 25%]` of 12 hosts -> [1, 3, 3, 3, 2]; a percentage is of all hosts, rounded down, at least one."""
    sizes: list[int] = []
    words = iter(serial or (max(1, hosts),))
    size = 1
    while hosts > sum(sizes):
        word = next(words, None)
        if word is not None:
            size = max(1, hosts * int(word.removesuffix("%")) // 100) if isinstance(word, str) else word
        sizes.append(min(size, hosts - sum(sizes)))
    return sizes


class Todo(NamedTuple):
    """`ready` may start now, at once; `doubts` are open; `running` have an open attempt. `end` is (status, why)."""

    ready: tuple[Step, ...] = ()
    doubts: tuple[Step, ...] = ()
    running: tuple[Step, ...] = ()
    end: tuple[str, str] | None = None


def todo(step: Step, run: journal.Run, *, aborting: bool) -> Todo:
    """Where the step stands. In doubt nothing new starts, and what runs may finish."""
    state = run.step(step.path)
    assert state.spread is not None
    made = batches(step, state.spread)
    everything = [part for batch in made for part in batch]
    running = tuple(part for part in everything if _open(run, part))
    doubts = tuple(
        part for part in everything if _status(run, part) in journal.DOUBTS and part not in running
    )
    if doubts or (running and aborting):
        return Todo((), doubts, running)
    for number, batch in enumerate(made, 1):
        waiting = [p for p in batch if _status(run, p) not in journal.SETTLED and p not in running]
        begun = [part for part in waiting if _status(run, part) not in journal.NOT_BEGUN]
        failed = [part for part in everything if _failed(step, run, part)]
        if aborting:
            return Todo(end=("aborted", told(step, run)))
        if step.fail_fast and failed:
            waiting = begun
        if waiting or any(part in running for part in batch):
            return Todo(tuple(waiting[: max(0, step.parallel - len(running))]), (), running)
        begun_next = number < len(made) and any(part.path in run.steps for part in made[number])
        if number < len(made) and not begun_next and too_many(step, run, made[:number]):
            return Todo(end=("failed", f"stopped after batch {number} of {len(made)}: {told(step, run)}"))
    return Todo(end=(_verdict(step, run), told(step, run)))


def _open(run: journal.Run, part: Step) -> bool:
    state = run.steps.get(part.path)
    return state is not None and state.open_attempt() is not None


def _status(run: journal.Run, part: Step) -> str:
    state = run.steps.get(part.path)
    return state.status if state is not None else "pending"


def _failed(step: Step, run: journal.Run, part: Step) -> bool:
    status = _status(run, part)
    forgiven = step.targets is not None and step.targets.unreachable == "continue" and unreached(run, part)
    return status in journal.SETTLED and status not in FINE and not forgiven


def unreached(run: journal.Run, part: Step) -> bool:
    """Did the part end because its host could not be reached?"""
    state = run.steps.get(part.path)
    last = state.last() if state is not None else None
    return last is not None and last.end is not None and last.end.unreachable


def too_many(step: Step, run: journal.Run, tried: Sequence[Sequence[Step]]) -> bool:
    """Have more of the hosts of these batches failed than may? Without hosts: any item."""
    hosts = {place(part.path)[1] for batch in tried for part in batch}
    failed = {place(part.path)[1] for batch in tried for part in batch if _failed(step, run, part)}
    most = step.targets.most_failures if step.targets is not None else 0
    return 100 * len(failed) > most * len(hosts)


def _verdict(step: Step, run: journal.Run) -> str:
    every = parts_of(step, run)
    statuses = [_status(run, part) for part in every]
    if too_many(step, run, [every]) or (statuses and not any(status in FINE for status in statuses)):
        return "failed"
    if all(status == "skipped" for status in statuses):
        return "skipped"
    return "ok" if all(status in FINE for status in statuses) else "continued"


def told(step: Step, run: journal.Run) -> str:
    """`9 ok, 2 failed (web3, web5), 1 unreachable (web7)`: the outcome in one line."""
    groups: dict[str, list[str]] = {}
    for part in parts_of(step, run):
        status = _status(run, part)
        word = (
            "not reached"
            if status in journal.NOT_BEGUN
            else "unreachable"
            if unreached(run, part)
            else status
        )
        groups.setdefault(word, []).append(_name(run, step, part))
    return ", ".join(_count(word, names) for word, names in sorted(groups.items(), key=_order))


_ORDER = ("ok", "skipped", "continued", "failed", "unreachable", "in_doubt", "aborted", "not reached")


def _order(group: tuple[str, list[str]]) -> int:
    return _ORDER.index(group[0]) if group[0] in _ORDER else len(_ORDER)


def _count(word: str, names: list[str]) -> str:
    if word in FINE:
        return f"{len(names)} {word}"
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{len(names)} {word} ({', '.join(names[:10])}{more})"


def _name(run: journal.Run, step: Step, part: Step) -> str:
    number, host = place(part.path)
    item = "" if number is None else str(names_of(run, part.path)["item"])
    return ":".join(filter(None, (host, item)))[:60]


def outputs(step: Step, run: journal.Run) -> dict[str, Any]:
    """Each output of the parts that went well: by host, or as a list by item, or by host a list by item."""
    found: dict[str, Any] = {}
    for part in parts_of(step, run):
        state = run.steps.get(part.path)
        if state is None or state.status != "ok":
            continue
        number, host = place(part.path)
        for name, value in (state.outputs or {}).items():
            if host is None:
                found.setdefault(name, []).append(value)
            elif number is None:
                found.setdefault(name, {})[host] = value
            else:
                found.setdefault(name, {}).setdefault(host, []).append(value)
    return found


def order(targets: Targets | None, hosts: Sequence[str]) -> list[int]:
    """The sizes of the batches; none without hosts."""
    return batch_sizes(targets.serial, len(hosts)) if targets is not None else []
