"""`NAME.test.yaml` beside a runbook: cases, each with inputs, what steps give, what people answer, what must come of it.

complete: true                     # every step and branch must have been taken by some case
hosts: {web1: {roles: [web]}}      # in place of those of howdah.yaml
results: {}                        # as in a case, for all of them
cases:
  - name: enough space already
    inputs: {mount: /var, want: 1GiB}
    results:                       # STEP, STEP.verify, STEP.undo, STEP.check; a list is one after the other
      before: {outputs: {avail: 2GiB}}
    answers: {grow: yes}           # what a person says at a question; a list in turn, and then nobody answers
    expect:
      status: ok
      path: [before, "2"]          # what ran, in order
      commands: {before: [df, -B1, --output=avail, --, /var]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from incidents import hosts, yamlfile
from incidents.errors import Mistake, Mistakes
from incidents.hosts import Hosts
from incidents.near import near_hint
from incidents.yamlfile import Node

STATUSES = ("ok", "failed", "aborted", "undone", "parked")
ANSWERS = ("yes", "skip", "abort", "done", "retry", "approve", "decline", "wait", "stop")
_FILE = {"cases": True, "hosts": False, "results": False, "complete": False}
_CASE = {
    "name": True, "inputs": False, "results": False, "answers": False, "undo": False, "expect": True,
}  # fmt: skip
_RESULT = ("exit", "output", "outputs", "signal", "lost", "timeout", "unreachable")
_EXPECT = ("status", "path", "commands", "env", "steps", "asks", "says", "undone")


class Result(NamedTuple):
    """How one attempt ends. `outputs` are values by name; `output` is what it prints. `lost`: nobody saw its end."""

    exit: int = 0
    output: str = ""
    outputs: Mapping[str, Any] | None = None
    signal: int | None = None
    lost: bool = False
    timeout: bool = False
    unreachable: bool = False


class Expect(NamedTuple):
    """None: whatever it is. `steps`: status by path; `asks`: questions in order, as `PATH (what)` or PATH."""

    status: str | None = None
    path: tuple[str, ...] | None = None
    commands: Mapping[str, Any] = {}
    env: Mapping[str, Mapping[str, str]] = {}
    steps: Mapping[str, str] = {}
    asks: tuple[str, ...] | None = None
    says: str | None = None
    undone: tuple[str, ...] | None = None


class Case(NamedTuple):
    """`answers`: by path, one after the other. `undo`: afterwards what was done is undone. `where` (line, column)."""

    name: str
    inputs: Mapping[str, Any]
    results: Mapping[str, tuple[Result, ...]]
    answers: Mapping[str, tuple[str, ...]]
    undo: bool
    expect: Expect
    where: tuple[int, int]


class Cases(NamedTuple):
    """`complete`: every step and branch must have been taken."""

    file: str
    cases: tuple[Case, ...]
    hosts: Hosts
    complete: bool


def read(file: str) -> Cases:
    """Raises Mistakes with every mistake in it, NotFound where there is no such file."""
    reader = _Reader(file)
    found = reader.file_of(yamlfile.read(file))
    if reader.mistakes:
        raise Mistakes(reader.mistakes)
    return found


class _Reader:
    def __init__(self, file: str):
        self.file = file
        self.mistakes: list[Mistake] = []

    def wrong(self, node: Node, message: str, hint: str = "") -> None:
        self.mistakes.append(Mistake(self.file, node.line, node.column, message, hint))

    def map(
        self, node: Node, what: str, known: Mapping[str, bool] | tuple[str, ...] | None = None
    ) -> dict[str, Node]:
        """The values of a map; `known` are its keys, and whether they are needed."""
        if node.kind != "map":
            self.wrong(node, f"{what} is a map")
            return {}
        values: dict[str, Node] = node.value
        if known is not None:
            for name in values:
                if name not in known:
                    self.wrong(node.keys[name], f"{what} has no {name!r}", near_hint(name, tuple(known)))
            for name in known:
                if isinstance(known, Mapping) and known[name] and name not in values:
                    self.wrong(node, f"{what} needs {name!r}")
        return {name: value for name, value in values.items() if known is None or name in known}

    def file_of(self, root: Node) -> Cases:
        values = self.map(root, "a test file", _FILE)
        machines: Hosts = {}
        if "hosts" in values:
            machines, wrong = hosts.parse(values["hosts"], self.file)
            self.mistakes += wrong
        listed = values.get("cases")
        if listed is not None and (listed.kind != "list" or not listed.value):
            self.wrong(listed, "`cases` is a list of cases", "begin each with `- name:`")
        items = listed.value if listed is not None and listed.kind == "list" else []
        usual = self.results(values.get("results"))
        complete = self.true(values, "complete")
        return Cases(self.file, tuple(self.case(one, usual) for one in items), machines, complete)

    def true(self, values: Mapping[str, Node], name: str) -> bool:
        if name not in values:
            return False
        if values[name].kind != "bool":
            self.wrong(values[name], f"{name} is true or false, not {values[name].text!r}")
        return values[name].value is True

    def case(self, node: Node, usual: Mapping[str, tuple[Result, ...]]) -> Case:
        values = self.map(node, "a case", _CASE)
        answers = self.map(values["answers"], "answers") if "answers" in values else {}
        inputs = self.map(values["inputs"], "inputs") if "inputs" in values else {}
        return Case(
            name=values["name"].text if "name" in values else "",
            inputs={name: _plain(one) for name, one in inputs.items()},
            results={
                **usual,
                **{
                    name: _with(usual.get(name), own)
                    for name, own in self.results(values.get("results")).items()
                },
            },
            answers={
                name: tuple(self.answer(one) for one in value.items()) for name, value in answers.items()
            },
            undo=self.true(values, "undo"),
            expect=self.expect(values["expect"]) if "expect" in values else Expect(),
            where=(node.line, node.column),
        )

    def results(self, node: Node | None) -> dict[str, tuple[Result, ...]]:
        given = self.map(node, "results") if node is not None else {}
        return {name: tuple(self.result(one) for one in value.items()) for name, value in given.items()}

    def result(self, node: Node) -> Result:
        values = self.map(node, "a result", _RESULT)
        known = {name: one.plain() for name, one in values.items()}
        for name in ("exit", "signal"):
            if name in known and not (isinstance(known[name], int) and 0 <= known[name] <= 255):
                self.wrong(values[name], f"{name} is a number from 0 to 255")
                del known[name]
        for name in ("lost", "timeout", "unreachable"):
            if name in known:
                known[name] = self.true(values, name)
        if "output" in known:
            known["output"] = values["output"].text
        if "outputs" in known:
            known["outputs"] = {
                name: _plain(one) for name, one in self.map(values["outputs"], "outputs").items()
            }
        return Result(**known)

    def answer(self, node: Node) -> str:
        if node.text not in ANSWERS:
            self.wrong(node, f"there is no answer {node.text!r}", "there are " + ", ".join(ANSWERS))
        return node.text

    def expect(self, node: Node) -> Expect:
        values = self.map(node, "expect", _EXPECT)
        found: dict[str, Any] = {}
        for name, one in values.items():
            if name in ("path", "asks", "undone"):
                found[name] = tuple(item.text for item in one.items())
            elif name in ("status", "says"):
                found[name] = one.text
            else:
                found[name] = {key: _plain(value) for key, value in self.map(one, name).items()}
        if found.get("status", "ok") not in STATUSES:
            self.wrong(
                values["status"], f"a run cannot end as {found['status']!r}", "one of " + ", ".join(STATUSES)
            )
        return Expect(**found)


def _with(usual: tuple[Result, ...] | None, own: tuple[Result, ...]) -> tuple[Result, ...]:
    """The case's own results; outputs that it does not give are the usual ones."""
    known = usual[0].outputs if usual else None
    if known is None:
        return own
    return tuple(
        one._replace(outputs={**known, **one.outputs}) if one.outputs is not None else one for one in own
    )


def _plain(node: Node) -> Any:
    """A scalar as the text it is written as, so that 1.10 and 2GiB stay what they are."""
    if node.kind == "map":
        return {name: _plain(one) for name, one in node.value.items()}
    if node.kind == "list":
        return [_plain(one) for one in node.value]
    return node.value if node.kind in ("null", "bool", "int") else node.text
