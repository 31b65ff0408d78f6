"""What a test gives instead of programs, held against the runbook: what does not fit it would be taken for a failure.

A rescue hides a failed step, so a result for a step that is not there, or a value that the step could never have, must
not look like one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from incidents.errors import BadInput
from incidents.near import near_hint
from runbooks import document, inputs, journal, parts, typed
from runbooks.cases import Case, Result
from runbooks.document import Runbook, Step
from runbooks.inputs import OutputSpec
from runbooks.surroundings import Surroundings

PARTS = ("verify", "undo", "undo.verify", "check", "watch")


class Untold(Exception):
    """A step needs what the case does not give."""


def value(spec: OutputSpec, given: Any) -> Any:
    """What a case gives for an output, as the step would have read it. Raises BadInput."""
    if spec.how == "lines":
        if not isinstance(given, list):
            raise BadInput(f"output `{spec.name}` is a list, one item a line")
        return [typed.parse_typed(spec.type or "string", typed.as_text(one)) for one in given]
    type = spec.type or ("string" if spec.how in ("regex", "text") else None)
    read = spec._replace(how="result", argument=f'["{spec.name}"]', type=type)
    return inputs.read_outputs({spec.name: read}, json.dumps({spec.name: given}).encode())[spec.name]


def declared(step: Step, part: str) -> Mapping[str, OutputSpec]:
    """The outputs of a part of a step: of `run`, of `verify`, and of a look of `watch`."""
    watch = step.watch
    if part == "verify" and step.verify is not None:
        return step.verify.outputs
    if part == "watch" and watch is not None:
        return watch.specs
    polled = watch.specs if watch is not None and watch.run is None else {}
    return {**step.outputs, **polled} if part == "run" else {}


# -- before the case is played -------------------------------------------------------------------------------------


def misfits(book: Runbook, case: Case) -> Iterator[str]:
    """Outputs that the steps do not have, and values that they could not have."""
    for key, results in case.results.items():
        step, part, _ = _target(book, key)
        specs = declared(step, part) if step is not None else None
        for result in results if specs is not None else ():
            yield from (f"results: {why}" for why in _outputs(key, specs or {}, result))


def strangers(book: Runbook, case: Case) -> Iterator[str]:
    """Results and answers for what is not there."""
    for key in case.results:
        step, _, wrong = _target(book, key)
        if step is None:
            yield f"results: {wrong}"
    for key in case.answers:
        if not _steps(book, parts.split_path(key)[0]):
            yield f"answers: {_no_step(book, key)}"


def _target(book: Runbook, key: str) -> tuple[Step | None, str, str]:
    """(step, part, "") that a result is for, or (None, "", why there is none)."""
    name, part = _split(book, key)
    steps = _steps(book, parts.split_path(name)[0])
    if not steps:
        head, dot, tail = key.partition(".")
        if dot and _steps(book, head):
            return None, "", f"{key}: a step has no {tail!r}; {near_hint(tail, PARTS)}"
        return None, "", _no_step(book, key)
    step = next((one for one in steps if _has(one, part)), None)
    if step is None:
        lacks = f"has no {part}" if part != "run" else "is no step that runs something"
        return None, "", f"{name} {lacks}"
    if parts.split_path(name)[1] and not step.spreads:
        return None, "", f"{step.path} is made once, it has no {name}"
    if (
        isinstance(step.run, document.Uses)
        and step.run.action == "set"
        and part == "run"
        and not step.spreads
    ):
        return None, "", f"{step.path} is worked out from other values: nothing of it can be given"
    return step, part, ""


def _split(book: Runbook, key: str) -> tuple[str, str]:
    """`grow.undo.verify` -> (`grow`, `undo.verify`); a host's name may hold a dot, too."""
    for part in sorted(PARTS, key=len, reverse=True):
        name = key.removesuffix("." + part)
        if name != key and _steps(book, parts.split_path(name)[0]):
            return name, part
    return key, "run"


def _has(step: Step, part: str) -> bool:
    undo = step.undo
    return {
        "run": step.run is not None,
        "verify": step.verify is not None,
        "check": step.check is not None,
        "watch": step.watch is not None and step.watch.run is not None,
        "undo": undo is not None,
        "undo.verify": undo is not None and undo.verify is not None,
    }[part]


def _steps(book: Runbook, name: str) -> list[Step]:
    """The steps of that path, or of that id."""
    return [step for step in book.walk() if name in (step.path, step.id)]


def _no_step(book: Runbook, key: str) -> str:
    known = dict.fromkeys(name for step in book.walk() for name in (step.id or step.path, step.path))
    return f"there is no step {key!r}; {near_hint(key, known)}"


def _outputs(key: str, specs: Mapping[str, OutputSpec], result: Result) -> Iterator[str]:
    for name, given in (result.outputs or {}).items():
        if name not in specs:
            known = f"; {near_hint(name, specs)}".replace("there is", "there are") if specs else ""
            yield f"{key} has no output {name!r}{known}"
            continue
        try:
            value(specs[name], given)
        except BadInput as problem:
            yield f"{key}: {problem}"


# -- while it is played, and afterwards ----------------------------------------------------------------------------


class Known(Surroundings):
    """What a run's steps see, where an output that the case left out is told as missing from it."""

    def names(self, run: journal.Run, *, part: str = "", reveal: bool = False) -> dict[str, Any]:
        names = Surroundings.names(self, run, part=part, reveal=reveal)
        for path in self._beside(run, self.runbook.scope(part)):
            step = self.runbook.step(path)
            if _ended_well(run.steps[path]) and isinstance(
                step.run, document.ArgvTemplate | document.Script | document.Uses
            ):
                facts = names["steps"][path.rpartition("/")[2]]
                facts["outputs"] = _Outputs(facts["outputs"], path, step.outputs)
        return names


def _ended_well(state: journal.StepState) -> bool:
    """Did it end so itself? What a person vouches for, or verify tells, may lack outputs in a real run, too."""
    last = state.last("run")
    return (
        state.status == "ok"
        and last is not None
        and last.end is not None
        and last.end.status in ("ok", "checking")
    )


class _Outputs(dict[str, Any]):
    def __init__(self, known: Mapping[str, Any], path: str, specs: Mapping[str, OutputSpec]) -> None:
        super().__init__(known)
        self.path, self.specs = path, specs

    def __contains__(self, name: object) -> bool:
        found = super().__contains__(name)
        if not found and name in self.specs:
            raise Untold(f"a step reads the output `{name}` of {self.path}, which the case does not give")
        return found


def unmade(book: Runbook, case: Case, run: journal.Run) -> Iterator[str]:
    """Results for hosts and items that a step was not made for."""
    for key in case.results:
        name, _ = _split(book, key)
        whole, suffix = parts.split_path(name)
        for step in _steps(book, whole) if suffix else ():
            made = [part.path for part in parts.parts_of(step, run)]
            if made and step.path + suffix not in made:
                yield f"results: {step.path} has no part {name}: there are {', '.join(made[:20])}"
