"""Runbooks are tested without starting a process: the real engine, journal and record, with canned ends for programs.

What is compared is what the record says.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput
from incidents.events import Event
from incidents.hosts import Hosts
from incidents.store import open_store
from runbooks import canned, journal, loader, orders, recover, starting
from runbooks.cases import Case, Cases
from runbooks.document import Runbook
from runbooks.rehearsal import TESTER, NoKeeper, Rehearsal

BEGIN = 1_670_932_800 * clock.SECOND  # 2022-12-13T12:00:00Z


class Told(NamedTuple):
    """What came of a case: empty `wrong` is as expected. `taken`: steps and branches that it went through."""

    case: Case
    wrong: tuple[str, ...]
    taken: frozenset[str]


class Coverage(NamedTuple):
    """Steps and branches: taken, of how many, and which were never."""

    steps: tuple[int, int]
    branches: tuple[int, int]
    missing: tuple[str, ...]


def run(book: Runbook, cases: Cases) -> list[Told]:
    """Every case of the file. Raises nothing for what a case has wrong: it is told."""
    return [_run(book, case, cases.hosts) for case in cases.cases]


def coverage(book: Runbook, told: list[Told]) -> Coverage:
    """A branch is an `if` that held, one that did not, and a `rescue` that ran."""
    taken = frozenset[str]().union(*(one.taken for one in told))
    steps = [step.path for step in book.walk()]
    branches = list(_branches(book))
    missing = tuple(one for one in [*steps, *branches] if one not in taken)
    return Coverage(
        (sum(one in taken for one in steps), len(steps)),
        (sum(one in taken for one in branches), len(branches)),
        missing,
    )


def _branches(book: Runbook) -> Iterator[str]:
    for step in book.walk():
        if step.if_ is not None:
            yield from (f"{step.path}, if true", f"{step.path}, if false")
        if step.rescue:
            yield f"{step.path}, rescue"
    if book.rescue:
        yield "rescue"


def _run(book: Runbook, case: Case, machines: Hosts) -> Told:
    if wrong := list(canned.misfits(book, case)):
        return Told(case, tuple(wrong), frozenset())
    with tempfile.TemporaryDirectory(prefix="howdah-test-") as folder, clock.freeze(BEGIN):
        try:
            start = _start(book, case, machines, os.path.join(folder, "store.db"))
        except BadInput as problem:
            return Told(case, (str(problem),), frozenset())
        with open_store(start.store) as store:
            made = orders.run_dir(start.store, start.run)
            os.makedirs(made)
            try:
                begun = recover.begin(store, start, made, NoKeeper(made))
            except BadInput as problem:
                return Told(case, (str(problem),), frozenset())
            course = Rehearsal(
                **{f.name: getattr(begun, f.name) for f in dataclasses.fields(begun) if f.init}, case=case
            )
            trouble = course.play()
            events = [event for event in store.events(course.run.stream) if event.run == course.run.id]
        wrong = [*trouble, *canned.strangers(book, case), *canned.unmade(book, case, course.run)]
        wrong += _compare(case, course.run, events)
        return Told(case, tuple(wrong), frozenset(_taken(book, course.run)))


def _start(book: Runbook, case: Case, machines: Hosts, store: str) -> orders.Start:
    given = {name: "prompt" if _secret(book, name) else value for name, value in case.inputs.items()}
    return starting.prepare(
        book, given=given, store=store, actor=TESTER, zone="UTC", hosts=machines,
        prompt=lambda name: str(case.inputs[name]),
    )  # fmt: skip


def _secret(book: Runbook, name: str) -> bool:
    return name in book.inputs and book.inputs[name].type == "secret"


# -- what came of it -----------------------------------------------------------------------------------------------


def _taken(book: Runbook, run: journal.Run) -> Iterator[str]:
    for step in book.walk():
        state = run.steps.get(step.path)
        inner = any(one.path in run.steps for one in step.block)
        skipped = state is not None and state.status == "skipped"
        if (state is not None and not skipped) or inner:
            yield step.path
            if step.if_ is not None:
                yield f"{step.path}, if true"
        elif skipped:
            yield f"{step.path}, if false"
        if any(one.path in run.steps for one in step.rescue):
            yield f"{step.path}, rescue"
    if any(one.path in run.steps for one in book.rescue):
        yield "rescue"


def _path(events: list[Event]) -> list[str]:
    """The steps that ran, each once, in order."""
    found: dict[str, None] = {}
    for event in events:
        began = event.kind == "step.started" and event.data.get("part", "run") in ("run", "check", "wait")
        settled = event.kind == "step.ended" and event.data.get("n") is None
        settled = settled and event.data["status"] not in ("skipped", "entered", "aborted")
        if (began or settled) and event.data.get("part", "run") != "spread":
            found[event.data["path"]] = None
    return list(found)


def _compare(case: Case, run: journal.Run, events: list[Event]) -> Iterator[str]:
    expect = case.expect
    status = run.end.status if run.end is not None else run.status
    path = _path(events)
    if expect.path is not None and list(expect.path) != path:
        yield _difference(list(expect.path), path, run)
    if expect.status is not None and expect.status != status:
        say = f": {run.end.say}" if run.end is not None and run.end.say else ""
        yield f"it ended as {status}{say}, not as {expect.status}"
    if expect.says is not None and expect.says not in (run.end.say if run.end is not None else ""):
        yield f"it says {run.end.say if run.end is not None else ''!r}, not {expect.says!r}"
    asks = [f"{q.path} ({q.what})" for q in run.questions.values()]
    if expect.asks is not None and not _asks(expect.asks, asks):
        yield f"it asks {', '.join(asks) or 'nothing'}, not {', '.join(expect.asks) or 'nothing'}"
    for one, wanted in expect.steps.items():
        if (state := run.steps.get(one)) is None or state.status != wanted:
            yield f"{one} is {state.status if state else 'not reached'}{_why(run, one)}, not {wanted}"
    undone = [e.data["path"] for e in events if e.kind == "step.ended" and e.data["status"] == "undone"]
    if expect.undone is not None and list(expect.undone) != undone:
        yield f"undone were {', '.join(undone) or 'none'}, not {', '.join(expect.undone)}"
    yield from _commands(expect.commands, expect.env, events)


def _asks(wanted: tuple[str, ...], asks: list[str]) -> bool:
    return len(wanted) == len(asks) and all(
        one == ask or one == ask.partition(" (")[0] for one, ask in zip(wanted, asks, strict=True)
    )


def _why(run: journal.Run, path: str) -> str:
    state = run.steps.get(path)
    return f" ({state.why})" if state is not None and state.why else ""


def _difference(wanted: list[str], path: list[str], run: journal.Run) -> str:
    """Where the way it went leaves the way it should have gone, and why."""
    same = sum(
        1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(wanted, path, strict=False))
    )
    after = f"after {path[same - 1]} " if same else ""
    went = path[same] if same < len(path) else "the end"
    should = wanted[same] if same < len(wanted) else "the end"
    told = f"{after}it went to {went}, not to {should}"
    state = run.steps.get(should)
    if state is not None and state.status == "skipped":
        told += f"; the branch {should} was not taken ({state.why or 'skipped'})"
    elif state is None and should != "the end":
        told += f"; {should} was not reached"
    return told


def _commands(commands: Mapping[str, Any], env: Mapping[str, Any], events: list[Event]) -> Iterator[str]:
    started = [event.data for event in events if event.kind == "step.started"]
    for key, wanted in commands.items():
        name, _, part = key.partition(".")
        ran = next(
            (d for d in started if d["path"] == name and d.get("part", "run") == (part or "run")), None
        )
        if ran is None:
            yield f"{key} did not run"
            continue
        command = ran["argv"] if ran.get("argv") is not None else ran.get("script")
        shown = [str(item) for item in wanted] if isinstance(wanted, list) else wanted
        if command != shown:
            yield f"{key} runs {command!r}, not {shown!r}"
    for key, values in env.items():
        ran = next((d for d in started if d["path"] == key), None)
        held = {} if ran is None else dict(ran.get("env", {}))
        for name, value in values.items():
            if held.get(name) != str(value):
                yield f"{key} has {name}={held.get(name)!r}, not {str(value)!r}"


def find(book: str) -> str:
    """The file of a runbook's tests: `disk-full.test.yaml` beside `disk-full.yaml`."""
    return os.path.splitext(book)[0] + loader.TESTS
