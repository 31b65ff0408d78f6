"""From the nodes of a step to a Step: what two keys mean together is decided here."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

from incidents.yamlfile import Node
from runbooks import borrowed, clauses, document, keys, levels
from runbooks.bindings import Bindings, output_types
from runbooks.document import Step, Uses
from runbooks.expressions import Template
from runbooks.quoting import Script, shell_quote
from runbooks.reading import Reader

NAME_LENGTH = 80


class Shaper:
    """Makes the steps of one file; mistakes go to the reader, what expressions need to know to the bindings."""

    def __init__(self, reader: Reader, find: borrowed.Find):
        self.reader = reader
        self.find = find  # the runbook of that name, for a step that uses one
        self.bindings = Bindings(reader)
        self.everywhere: document.Targets | None = None  # the runbook's own targets

    def steps(self, nodes: Any, prefix: str) -> tuple[Step, ...]:
        return tuple(self.one_step(node, prefix, place) for place, node in enumerate(nodes, 1))

    def one_step(self, node: Node, prefix: str, ordinal: int) -> Step:
        reader = self.reader
        number = reader.step = self.bindings.begin()
        values = levels.read(reader, node, "step")
        kind = self.kind(node)
        id = values.get("id")
        for name, at in node.keys.items():
            on = keys.STEP[name].on if name in keys.STEP else ()
            if on and kind not in on:
                reader.wrong(at, f"`{name}` goes with {_or(on)}, not with `{kind}`", "take it out")
        path = prefix + (id or str(ordinal))
        command = borrowed.command(self.reader, node, values, "step") if kind in ("run", "uses") else None
        name = values.get("name") or name_of(kind, values)
        kind = "run" if kind == "uses" else kind
        inner = None
        if borrowed.is_path(node):
            inner = borrowed.sub(self.reader, self.find, node, values) if command is None else None
            kind = "block"
            values["block"] = ()
        env, inherit = clauses.env(self.reader, values.get("env"))
        step = Step(
            path=path,
            kind=kind,  # type: ignore[arg-type]  # one of keys.STEP_KINDS
            name=name,
            id=id,
            run=command,
            if_=values.get("if"),
            env=env,
            inherit=inherit,
            outputs=borrowed.outputs_of(command)
            if isinstance(command, Uses)
            else clauses.outputs(self.reader, values.get("outputs")),
            confirm=values.get("confirm"),
            approve=clauses.approve(self.reader, values.get("approve")),
            require=values.get("require", ()),
            continue_on_error=values.get("continue-on-error", False),
            change=clauses.change(self.reader, values.get("change"), kind),
            touches=clauses.touches(self.reader, values.get("touches")),
            user=values.get("user"),
            where=(node.line, node.column),
            for_each=values.get("for_each", ()),
            fail_fast=values.get("fail_fast", False),
        )
        step = self.spread(step, values, node)
        step = step._replace(watch=clauses.watch(self.reader, step, values.get("watch"), node))
        if kind == "block":
            self.bindings.declare(number, step, node)
        shaped: Step = getattr(self, "_" + kind)(step, values, node)
        if inner is not None:
            shaped = borrowed.inlined(shaped, inner)
        if kind != "block":
            self.bindings.declare(number, shaped, node)
        return shaped

    def spread(self, step: Step, values: dict[str, Any], node: Node) -> Step:
        """With where it runs, and how many of it at a time."""
        targets = (
            clauses.targets(self.reader, values.get("targets")) if "targets" in values else self.everywhere
        )
        if step.kind != "run":
            return step
        if isinstance(step.run, Uses):  # it runs here, whatever the runbook's targets are
            targets = None
        if targets is not None and step.user is not None:
            self.reader.wrong(
                node.keys["user"],
                "`user` is an account of this machine",
                "set the host's user in howdah.yaml",
            )
        if values.get("for_each") == ():
            self.reader.wrong(node.value["for_each"], "`for_each` has no items", "give some, or take it out")
        for word in ("parallel", "fail_fast"):
            if word in values and targets is None and not step.for_each:
                cure = "take it out, or add `targets` or `for_each`"
                self.reader.wrong(node.keys[word], f"`{word}` needs several of the step", cure)
        many = document.PARALLEL if targets is not None else 1
        return step._replace(targets=targets, parallel=values.get("parallel", many))

    def kind(self, node: Node) -> str:
        """What the step does; not exactly one is a mistake, and `run` is assumed to go on."""
        given = node.value if node.kind == "map" else {}
        kinds = [kind for kind in keys.STEP_KINDS if kind in given]
        if len(kinds) > 1:
            self.reader.wrong(
                node.keys[kinds[1]], f"a step is one thing, this is {_and(kinds)}", "make steps of them"
            )
        if not kinds and node.kind == "map" and given.keys() <= keys.STEP.keys():  # else it was misspelt
            self.reader.wrong(node, "this step does nothing", "it needs one of " + ", ".join(keys.STEP_KINDS))
        return kinds[0] if kinds else "run"

    def _run(self, step: Step, values: dict[str, Any], node: Node) -> Step:
        reader = self.reader
        effect = values.get(
            "effect", borrowed.effect_of(step.run) if isinstance(step.run, Uses) else "unsafe"
        )
        until = values.get("until")
        if until is not None:  # what the others see as steps.ID, it sees as result
            known = {**step.outputs, **(step.watch.gives if step.watch is not None else {})}
            until = until._replace(types=ChainMap(output_types("result", known), until.types))
        retry = clauses.retry(self.reader, values.get("retry"), "until" in values)
        if effect == "unsafe":
            for key in ("retry", "until"):
                if key in values:
                    cure = "set effect: read or idempotent if it may run twice, else take it out"
                    reader.wrong(node.keys[key], f"`{key}` would run an unsafe step again", cure)
        elif "until" in values and (retry is None or retry.max is None) and "timeout" not in values:
            reader.wrong(node.keys["until"], "`until` needs a bound", "add retry: {max: 30}, or timeout: 5m")
        return step._replace(
            effect=effect,
            timeout=values.get("timeout", None if effect == "unsafe" else document.DEFAULT_TIMEOUT),
            grace=values.get("grace", document.GRACE),
            retry=retry,
            until=until,
            verify=clauses.verify(self.reader, values.get("verify")),
            undo=clauses.undo(self.reader, values.get("undo")),
        )

    def _manual(self, step: Step, values: dict[str, Any], node: Node) -> Step:
        return step._replace(
            manual=values.get("manual"), check=clauses.check(self.reader, values.get("check"))
        )

    def _stop(self, step: Step, values: dict[str, Any], node: Node) -> Step:
        stop = levels.read(self.reader, values["stop"], "stop") if "stop" in values else {}
        return step._replace(stop=document.Stop(stop.get("status", "ok"), stop.get("say")))

    def _wait(self, step: Step, values: dict[str, Any], node: Node) -> Step:
        if "wait" not in values:
            return step
        with self.reader.inside("wait"):
            wait = levels.read(self.reader, values["wait"], "wait")
        if values["wait"].kind == "map" and not values["wait"].value:
            self.reader.wrong(values["wait"], "`wait` needs `for` or `until`", "write wait: {for: 10m}")
        until = wait.get("until")
        if until is not None and step.watch is not None:
            until = until._replace(types=ChainMap(output_types("result", step.watch.gives), until.types))
        if "env" in values and step.watch is None:
            self.reader.wrong(
                node.keys["env"], "a wait starts nothing that `env` could be for", "take it out"
            )
        return step._replace(wait=document.Wait(wait.get("for"), until))

    def _block(self, step: Step, values: dict[str, Any], node: Node) -> Step:
        return step._replace(
            block=self.steps(values.get("block", ()), step.path + "/"),
            rescue=self.steps(values.get("rescue", ()), step.path + "/rescue/"),
            always=self.steps(values.get("always", ()), step.path + "/always/"),
        )


def name_of(kind: str, values: dict[str, Any]) -> str:
    """A name for a step without one: the first line of what it does."""
    value = values.get(kind)
    if isinstance(value, Script):
        text = value.text
    elif isinstance(value, tuple) and not isinstance(value, Template):
        text = shell_quote(item.text for item in value)
    elif isinstance(value, Template):
        text = value.text
    elif kind == "uses" and isinstance(value, str):
        text = value
    else:
        text = kind
    line = next(
        (line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")),
        kind,
    )
    return line if len(line) <= NAME_LENGTH else line[: NAME_LENGTH - 1] + "…"


def _or(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(f"`{word}`" for word in words[:-1]), f"`{words[-1]}`")))


def _and(words: list[str]) -> str:
    return " and ".join(f"`{word}`" for word in words)
