"""From the nodes of a step to a Step: what two keys mean together is decided here."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator
from typing import Any

from incidents.yamlfile import Node
from runbooks import borrowed, document, keys, levels
from runbooks.bindings import Bindings, output_types
from runbooks.document import Step, Uses
from runbooks.expressions import Template
from runbooks.inputs import OutputSpec
from runbooks.quoting import Script, shell_quote
from runbooks.reading import Reader
from runbooks.reading import kind as kind_of

NAME_LENGTH = 80
CHANGES = ("file", "unit", "redis", "what")  # of these a `change` names one


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
        env, inherit = self.env(values.get("env"))
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
            else self.outputs(values.get("outputs")),
            confirm=values.get("confirm"),
            approve=self.approve(values.get("approve")),
            require=values.get("require", ()),
            continue_on_error=values.get("continue-on-error", False),
            change=self.change(values.get("change"), kind),
            touches=self.touches(values.get("touches")),
            user=values.get("user"),
            where=(node.line, node.column),
            for_each=values.get("for_each", ()),
            fail_fast=values.get("fail_fast", False),
        )
        step = self.spread(step, values, node)
        step = step._replace(watch=self.watch(step, values.get("watch"), node))
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
        targets = self.targets(values.get("targets")) if "targets" in values else self.everywhere
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

    def targets(self, node: Node | None) -> document.Targets | None:
        if node is None:
            return None
        values = levels.read(self.reader, node, "targets")
        if values.get("hosts") == ():
            self.reader.wrong(
                node.value["hosts"], "`hosts` names nobody", "write hosts: [web1], or hosts: all"
            )
        return document.Targets(
            values.get("hosts", ()),
            values.get("serial", ()),
            values.get("max_fail_percentage", 0),
            values.get("unreachable", "fail"),
        )

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
        retry = self.retry(values.get("retry"), "until" in values)
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
            verify=self.verify(values.get("verify")),
            undo=self.undo(values.get("undo")),
        )

    def _manual(self, step: Step, values: dict[str, Any], node: Node) -> Step:
        return step._replace(manual=values.get("manual"), check=self.check(values.get("check")))

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

    # -- what is in a step -----------------------------------------------------------------------------------

    def env(self, node: Node | None) -> tuple[dict[str, Template], tuple[str, ...]]:
        env: dict[str, Template] = {}
        inherit: tuple[str, ...] = ()
        for name, value in node.value.items() if node is not None else ():
            at = node.keys[name] if node is not None else value
            if name == "inherit":
                inherit = self.inherit(value)
            elif not re.fullmatch(keys.VARIABLE, name, re.ASCII):
                self.reader.wrong(
                    at, f"{name!r} cannot be the name of a variable", "letters, digits and _ only"
                )
            elif name.startswith(("IN_", "HOWDAH_")):
                self.reader.wrong(
                    at, f"`{name}` is set by howdah itself", "choose a name without IN_ or HOWDAH_"
                )
            elif value.kind == "null":
                env[name] = Template("", ("",), self.reader.at(value, 0))
            elif value.kind in ("map", "list"):
                self.reader.wrong(
                    value,
                    f"the variable `{name}` must be a text, not {kind_of(value)}",
                    "join it into one text",
                )
            elif (template := self.reader.template(value, "env")) is not None:
                env[name] = template
        return env, inherit

    def inherit(self, node: Node) -> tuple[str, ...]:
        names = []
        for item in node.value if node.kind == "list" else [node]:
            if item.kind == "text" and re.fullmatch(keys.VARIABLE, item.text, re.ASCII):
                names.append(item.text)
            else:
                self.reader.wrong(
                    item, "`inherit` lists names of variables", "write inherit: [SSH_AUTH_SOCK]"
                )
        return tuple(names)

    def outputs(self, node: Node | None) -> dict[str, OutputSpec]:
        return {
            spec.name: spec for spec, _ in self._outputs(node, "output", ("json", "regex", "lines", "text"))
        }

    def _outputs(
        self, node: Node | None, level: str, known: tuple[str, ...]
    ) -> Iterator[tuple[OutputSpec, dict[str, Any]]]:
        """Each output with all that its table holds."""
        for name, value in node.value.items() if node is not None else ():
            if not re.fullmatch(keys.ID, name, re.ASCII):
                at = node.keys[name] if node is not None else value
                self.reader.wrong(at, f"an output cannot be called {name!r}", "letters, digits, _ and -")
                continue
            values = levels.read(self.reader, value, level)
            hows = [how for how in known if value.kind == "map" and how in value.value]
            if len(hows) != 1 and value.kind == "map":
                self.reader.wrong(
                    value, f"output `{name}` needs one of {', '.join(known)}", "it says how to read it"
                )
            how = hows[0] if hows else "text"
            yield OutputSpec(name, how, values.get(how, ""), values.get("type")), values

    def watch(self, step: Step, node: Node | None, whole: Node) -> document.Watch | None:
        if node is None:
            return None
        with self.reader.inside("watch"):
            values = levels.read(self.reader, node, "watch")
        outputs = {
            spec.name: document.Sampled(spec, more.get("rate"), more.get("counter", False))
            for spec, more in self._outputs(values.get("outputs"), "sample", ("json", "regex", "text"))
        }
        watch = document.Watch(
            values.get("every", document.LOOK_TIMEOUT), outputs, values.get("run"),
            values.get("timeout", document.LOOK_TIMEOUT),
        )  # fmt: skip
        self._fits(step, watch, node, whole)
        return watch

    def _fits(self, step: Step, watch: document.Watch, node: Node, whole: Node) -> None:
        """Whether the step is one that can be watched so."""
        wrong, at = self.reader.wrong, whole.keys["watch"]
        if step.spreads:
            cure = "put it on a `wait` step, whose look runs on this machine"
            wrong(at, "`watch` is for a step that runs once, this one has hosts or items", cure)
        if watch.run is None and "until" not in whole.value:
            wrong(
                at, "`watch` needs `run`, what looks: only a step with `until` looks itself", "add run: to it"
            )
        if watch.run is not None and step.user is not None:
            wrong(
                whole.keys["user"],
                "`user` does not go with `watch`, which looks as who runs howdah",
                "take one out",
            )
        for name in watch.gives.keys() & step.outputs.keys():
            wrong(at, f"the step has an output `{name}` of its own", "choose another name")
        rates = {f"{name}_rate" for name, one in watch.outputs.items() if one.rate is not None}
        for name in rates & watch.outputs.keys():
            wrong(at, f"the output `{name}` is what the rate of another one is called", "choose another name")
        outputs = node.value.get("outputs") if node.kind == "map" else None
        if outputs is not None and outputs.kind == "map" and not outputs.value:
            wrong(outputs, "`outputs` names no number", "write outputs: {waiting: {text: true, type: int}}")

    def retry(self, node: Node | None, until: bool) -> document.Retry | None:
        if node is None:
            return None
        values = levels.read(self.reader, node, "retry")
        if "max" not in values and not until and node.kind == "map" and "max" not in node.value:
            self.reader.wrong(node, "`retry` needs `max`", "write retry: {max: 3}")
        return document.Retry(
            values.get("max"),
            values.get("delay"),
            values.get("backoff", 1.0),
            values.get("on_exit", frozenset()),
        )

    def verify(self, node: Node | None) -> document.Verify | None:
        if node is None:
            return None
        with self.reader.inside("verify"):
            values = levels.read(self.reader, node, "verify")
        return document.Verify(
            run=borrowed.command(self.reader, node, values, "verify") or Script(""),
            no=values.get("no", frozenset()),
            after=values.get("after", False),
            timeout=values.get("timeout", document.VERIFY_TIMEOUT),
            outputs=self.outputs(values.get("outputs")),
        )

    def undo(self, node: Node | None) -> document.Undo | None:
        if node is None:
            return None
        with self.reader.inside("undo"):
            values = levels.read(self.reader, node, "undo")
        command = borrowed.command(self.reader, node, values, "undo")
        effect = values.get("effect", borrowed.effect_of(command) if isinstance(command, Uses) else "unsafe")
        timeout = values.get("timeout", None if effect == "unsafe" else document.DEFAULT_TIMEOUT)
        return document.Undo(command or Script(""), effect, self.verify(values.get("verify")), timeout)

    def approve(self, node: Node | None) -> document.Approve | None:
        if node is None:
            return None
        values = levels.read(self.reader, node, "approve")
        return document.Approve(
            values.get("from", ()), values.get("count", 1), values.get("not_requester", True),
            values.get("expires", document.APPROVAL_LASTS), values.get("show", ()),
        )  # fmt: skip

    def check(self, node: Node | None) -> document.Check | None:
        if node is None:
            return None
        with self.reader.inside("check"):
            values = levels.read(self.reader, node, "check")
        return document.Check(
            borrowed.command(self.reader, node, values, "check") or Script(""),
            values.get("timeout", document.DEFAULT_TIMEOUT),
        )

    def change(self, node: Node | None, kind: str) -> document.Change | None:
        if node is None:
            return None
        values = levels.read(self.reader, node, "change")
        given = [word for word in CHANGES if node.kind == "map" and word in node.value]
        if not given:
            if node.kind == "map":
                self.reader.wrong(node, "`change` needs `what`", "which file, unit or key")
            return None
        if len(given) > 1:
            second = node.keys[given[1]]
            self.reader.wrong(
                second, f"`change` names one thing, not `{given[0]}` and `{given[1]}`", "take one out"
            )
            return None
        subject = given[0]
        if subject != "what" and kind == "manual":
            self.reader.wrong(
                node.keys[subject],
                f"howdah reads a {subject} around what it runs itself",
                "write `what` instead",
            )
        for word in ("from", "to") if subject != "what" else ():
            if word in values:
                self.reader.wrong(
                    node.keys[word], f"howdah reads the `{word}` of a {subject} itself", "take it out"
                )
        if "url" in values and subject != "redis":
            self.reader.wrong(node.keys["url"], "`url` goes with `redis`", "take it out")
        if subject not in values:
            return None
        read = None if subject == "what" else subject
        return document.Change(values[subject], values.get("from"), values.get("to"), read, values.get("url"))

    def touches(self, node: Node | None) -> dict[str, Template]:
        return {} if node is None else levels.read(self.reader, node, "touches")


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
