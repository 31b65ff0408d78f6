"""What the expressions of a runbook may look at, decided when the whole file is known.

A name that nothing gives, a step that comes later or cannot have an exit, an output that no step declares, a secret
that would be looked at: each is a mistake of the file, not a surprise in the middle of a run.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from incidents.near import near
from incidents.yamlfile import Node
from runbooks import filters, inference
from runbooks.document import Step
from runbooks.grammar import Tree
from runbooks.inputs import InputSpec, OutputSpec
from runbooks.reading import Reader, Use

ROOTS = ("inputs", "steps", "run", "incident")
HANDED_ON = ("env", "run", "with")  # where a secret may go: a program's environment and arguments
CONDITIONS = ("if", "require", "until", "fits")
SEES_RESULT = ("until", "fits", "says", "offer")


class Declared(NamedTuple):
    """A step that has an id, with its ordinal in the file."""

    number: int
    id: str
    kind: str
    outputs: Mapping[str, OutputSpec]
    line: int


class Bindings:
    def __init__(self, reader: Reader):
        self.reader = reader
        self.steps: dict[str, Declared] = {}
        self.outputs: dict[int, Mapping[str, OutputSpec]] = {}
        self.parts: dict[
            int, tuple[str, ...]
        ] = {}  # what a step that is made several times knows: host, item
        self.count = 0

    def begin(self) -> int:
        """The ordinal of the step that begins here."""
        self.count += 1
        return self.count - 1

    def declare(self, number: int, step: Step, node: Node) -> None:
        outputs = dict(step.outputs)
        if step.verify is not None:
            outputs.update(step.verify.outputs)
        if step.watch is not None:
            outputs.update(step.watch.gives)
        self.outputs[number] = outputs
        knows = (("host",) if step.targets is not None else ()) + (("item",) if step.for_each else ())
        self.parts[number] = knows
        if step.id is None:
            return
        if step.id in self.steps:
            first = self.steps[step.id].line
            self.reader.wrong(
                node.value["id"], f"the id `{step.id}` is taken", f"line {first} has it; choose another"
            )
            return
        self.steps[step.id] = Declared(number, step.id, step.kind, outputs, node.line)
        types = output_types(f"steps.{step.id}", outputs)
        self.reader.types.update(dict.fromkeys(types, "any") if step.spreads else types)

    def check(self, specs: Mapping[str, InputSpec]) -> None:
        """Looks at every expression of the file."""
        for use in self.reader.uses:
            _Check(self, specs, use).whole()


def output_types(owner: str, outputs: Mapping[str, OutputSpec]) -> dict[str, str]:
    """`OWNER.outputs.NAME` -> its declared type, `any` for JSON without one, `int[]` for lines of a type."""
    types: dict[str, str] = {}
    for name, spec in outputs.items():
        kind = spec.type or ("any" if spec.how in ("json", "result") else "string")
        types[f"{owner}.outputs.{name}"] = kind + ("[]" if spec.how == "lines" else "")
    return types


class _Check:
    """One expression against what there is."""

    def __init__(self, bindings: Bindings, specs: Mapping[str, InputSpec], use: Use):
        self.bindings = bindings
        self.specs = specs
        self.use = use
        self.clean = True

    def wrong(self, tree: Tree, message: str, hint: str = "") -> None:
        self.clean = False
        self.bindings.reader.wrong(self.use.node, message, hint, offset=self.use.expr.offset + tree.at)

    def whole(self) -> None:
        for tree in _every(self.use.expr.tree):
            if tree.op == "filter":
                self.filter(tree)
        for tree, parts in chains(self.use.expr.tree):
            self.name(tree, parts)
        if self.clean:
            expr = self.use.expr
            if self.use.key in SEES_RESULT:
                own = output_types("result", self.bindings.outputs.get(self.use.step, {}))
                expr = expr._replace(types=ChainMap(own, dict(expr.types)))
            for at, message, hint in inference.problems(expr, condition=self.use.key in CONDITIONS):
                self.wrong(at, message, hint)

    def filter(self, tree: Tree) -> None:
        found = filters.FILTERS.get(tree.value)
        given = len(tree.kids) - 1
        if found is None:
            self.wrong(tree, f"there is no filter `{tree.value}`", _near(tree.value, filters.FILTERS))
        elif not found.least <= given <= found.most:
            self.wrong(tree, f"| {tree.value} takes {filters.counted(found)}, not {given}")

    def name(self, tree: Tree, parts: list[str]) -> None:
        root = parts[0]
        if root == "inputs":
            self.input(tree, parts)
        elif root == "steps":
            self.step(tree, parts)
        elif root == "result":
            self.result(tree, parts)
        elif root in ("run", "incident") and self.use.part == "diagnose":
            self.wrong(tree, f"there is no {root} when a machine is looked at", "use inputs and result")
        elif root in ("run", "incident"):
            if parts[1:] != ["id"]:
                self.wrong(tree, f"`{'.'.join(parts)}` is not known", f"write {root}.id")
        elif root in ("item", "host"):
            self.of_part(tree, root, parts)
        elif root in self.specs:
            self.wrong(tree, f"`{root}` is not known", f"did you mean inputs.{root}?")
        elif root in self.bindings.steps:
            self.wrong(tree, f"`{root}` is not known", f"did you mean steps.{root}?")
        else:
            self.wrong(tree, f"`{root}` is not known", _near(root, ROOTS) + "; a text needs quotes")

    def of_part(self, tree: Tree, root: str, parts: list[str]) -> None:
        """`host` and `item`, which one of several has."""
        gives = {"host": "targets", "item": "for_each"}[root]
        if root not in self.bindings.parts.get(self.use.step, ()):
            self.wrong(tree, f"this step has no `{root}`", f"`{gives}` gives it one")
        elif self.use.key in ("confirm", "show", "hosts", "for_each", "touches"):
            self.wrong(
                tree, f"`{self.use.key}` is for all of them and cannot look at `{root}`", "take it out"
            )
        elif root == "host" and len(parts) > 1:
            self.wrong(tree, "`host` is a name, which has no parts", "write host")

    def input(self, tree: Tree, parts: list[str]) -> None:
        if len(parts) == 1:
            self.wrong(tree, "`inputs` needs the name of an input", "write inputs.NAME")
            return
        name = parts[1]
        spec = self.specs.get(name)
        if spec is None:
            self.wrong(
                tree,
                f"there is no input `{name}`",
                self.hyphen(name, "inputs", self.specs) or _near(name, self.specs),
            )
        elif len(parts) > 2:
            self.wrong(tree, f"the input `{name}` is a {spec.type}, which has no parts")
        elif spec.type == "secret" and (self.use.key not in HANDED_ON or self.use.expr.tree is not tree):
            hint = "hand it on as it is, in env: or in a run list"
            self.wrong(tree, f"the secret `{name}` cannot be looked at or shown", hint)
        elif self.use.part == "diagnose" and (spec.required or spec.type == "secret"):
            hint = "let the step find candidates itself, and offer the input"
            self.wrong(tree, f"nobody has given `{name}` when a machine is looked at", hint)

    def step(self, tree: Tree, parts: list[str]) -> None:
        if self.use.part == "diagnose":
            hint = "they look at the same time; write result.outputs.NAME for its own"
            self.wrong(tree, "a diagnosis sees no other step", hint)
            return
        if self.use.key == "lock":
            self.wrong(tree, "locks are taken before the first step", "use inputs only")
            return
        if len(parts) == 1:
            self.wrong(tree, "`steps` needs the id of a step", "write steps.ID.outputs.NAME")
            return
        id = parts[1]
        step = self.bindings.steps.get(id)
        if step is None:
            hint = self.hyphen(id, "steps", self.bindings.steps) or _near(id, self.bindings.steps)
            self.wrong(tree, f"there is no step with the id `{id}`", hint)
        elif step.kind == "block":
            self.wrong(tree, f"`{id}` is a block, which has no result of its own", "refer to a step in it")
        elif step.number > self.use.step:
            self.wrong(tree, f"the step `{id}` comes later", "refer to a step that runs before this one")
        elif step.number == self.use.step and self.use.part != "undo":
            hint = (
                "`until` sees it as result"
                if self.use.key == "until"
                else "refer to a step that runs before this one"
            )
            self.wrong(tree, f"the step `{id}` is this step, it has no result yet", hint)
        else:
            self.part(tree, parts, step)

    def part(self, tree: Tree, parts: list[str], step: Declared) -> None:
        owner = f"steps.{step.id}"
        part = parts[2] if len(parts) > 2 else None
        if part not in ("status", "exit", "outputs"):
            hint = "a step has status, exit and outputs.NAME"
            if part in step.outputs:
                hint = f"did you mean {owner}.outputs.{part}?"
            self.wrong(
                tree,
                f"`{'.'.join(parts)}` is not known" if part else f"`{owner}` is a step, not a value",
                hint,
            )
        elif part == "exit" and step.kind != "run":
            self.wrong(tree, f"`{step.id}` is a {step.kind} step, which has no exit", f"use {owner}.status")
        elif part == "outputs":
            self.output(tree, parts[3:], step.outputs, owner)
        elif len(parts) > 3:
            self.wrong(tree, f"{owner}.{part} has no parts")

    def output(self, tree: Tree, names: list[str], outputs: Mapping[str, OutputSpec], owner: str) -> None:
        if not outputs:
            self.wrong(tree, f"{owner} has no outputs", "declare them in its outputs:")
        elif names and names[0] not in outputs:
            hint = self.hyphen(names[0], f"{owner}.outputs", outputs) or _near(names[0], outputs)
            self.wrong(tree, f"{owner} has no output `{names[0]}`", hint)

    def result(self, tree: Tree, parts: list[str]) -> None:
        if self.use.part == "diagnose":
            self.own(tree, parts)
        elif self.use.key == "until" and self.use.part == "wait" and self.bindings.outputs.get(self.use.step):
            self.sampled(tree, parts)
        elif self.use.key != "until" or self.use.part != "step":
            cure = (
                "write steps.ID.exit, or give the wait a `watch`"
                if self.use.part == "wait"
                else "write steps.ID.exit"
            )
            self.wrong(tree, "`result` is known in the `until` of a run step only", cure)
        elif parts[1:2] == ["outputs"]:
            self.output(tree, parts[2:], self.bindings.outputs.get(self.use.step, {}), "result")
        elif parts[1:] != ["exit"]:
            self.wrong(tree, f"`{'.'.join(parts)}` is not known", "result has exit and outputs.NAME")

    def sampled(self, tree: Tree, parts: list[str]) -> None:
        """What the `watch` of a wait has seen last."""
        if parts[1:2] == ["outputs"]:
            self.output(tree, parts[2:], self.bindings.outputs.get(self.use.step, {}), "result")
        else:
            self.wrong(
                tree, f"`{'.'.join(parts)}` is not known", "a wait with `watch` has result.outputs.NAME"
            )

    def own(self, tree: Tree, parts: list[str]) -> None:
        """The result of a diagnosis, which is looked at only where its program ended well."""
        if self.use.key not in SEES_RESULT:
            self.wrong(
                tree, "`result` is known in fits, says and offer only", "it has none yet when it starts"
            )
        elif parts[1:2] == ["outputs"]:
            self.output(tree, parts[2:], self.bindings.outputs.get(self.use.step, {}), "result")
        else:
            self.wrong(tree, f"`{'.'.join(parts)}` is not known", "a diagnosis has result.outputs.NAME")

    def hyphen(self, name: str, owner: str, known: Iterable[str]) -> str:
        """`steps.my-id` reads as a subtraction: name the way that works."""
        found = [other for other in known if other.startswith(name + "-")]
        return f"`{found[0]}` holds a hyphen: write {owner}['{found[0]}']" if found else ""


def _every(tree: Tree) -> Iterator[Tree]:
    yield tree
    for kid in tree.kids:
        yield from _every(kid)


def chains(tree: Tree) -> Iterator[tuple[Tree, list[str]]]:
    """The longest chains of names, `a.b.c` as a list, each with its node."""
    parts: list[str] = []
    inner = tree
    while inner.op == "attr":
        parts.append(inner.value)
        inner = inner.kids[0]
    if inner.op == "name":
        yield inner if not parts else tree, [inner.value, *reversed(parts)]
        return
    for kid in inner.kids:
        yield from chains(kid)


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = near(name, names)
    if close:
        return f"did you mean `{close}`?"
    return "there are " + ", ".join(names) if names else "there are none"
