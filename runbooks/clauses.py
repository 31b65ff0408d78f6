"""The keys of a step that are maps of their own: its environment, outputs, watch, retry, verify, undo and the like.

Each is read by the table of its level; what two keys mean together is decided here. A mistake goes to the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from incidents.yamlfile import Node
from runbooks import borrowed, document, keys, levels
from runbooks.document import Step, Uses
from runbooks.expressions import Template
from runbooks.inputs import OutputSpec
from runbooks.quoting import Script
from runbooks.reading import Reader
from runbooks.reading import kind as kind_of

CHANGES = ("file", "unit", "redis", "what")  # of these a `change` names one


def targets(reader: Reader, node: Node | None) -> document.Targets | None:
    if node is None:
        return None
    values = levels.read(reader, node, "targets")
    if values.get("hosts") == ():
        reader.wrong(node.value["hosts"], "`hosts` names nobody", "write hosts: [web1], or hosts: all")
    return document.Targets(
        values.get("hosts", ()),
        values.get("serial", ()),
        values.get("max_fail_percentage", 0),
        values.get("unreachable", "fail"),
    )


def env(reader: Reader, node: Node | None) -> tuple[dict[str, Template], tuple[str, ...]]:
    """What is added to the environment, and the names that are inherited."""
    found: dict[str, Template] = {}
    inherit: tuple[str, ...] = ()
    for name, value in node.value.items() if node is not None else ():
        at = node.keys[name] if node is not None else value
        if name == "inherit":
            inherit = _inherit(reader, value)
        elif not re.fullmatch(keys.VARIABLE, name, re.ASCII):
            reader.wrong(at, f"{name!r} cannot be the name of a variable", "letters, digits and _ only")
        elif name.startswith(("IN_", "HOWDAH_")):
            reader.wrong(at, f"`{name}` is set by howdah itself", "choose a name without IN_ or HOWDAH_")
        elif value.kind == "null":
            found[name] = Template("", ("",), reader.at(value, 0))
        elif value.kind in ("map", "list"):
            reader.wrong(
                value,
                f"the variable `{name}` must be a text, not {kind_of(value)}",
                "join it into one text",
            )
        elif (template := reader.template(value, "env")) is not None:
            found[name] = template
    return found, inherit


def _inherit(reader: Reader, node: Node) -> tuple[str, ...]:
    names = []
    for item in node.items():
        if item.kind == "text" and re.fullmatch(keys.VARIABLE, item.text, re.ASCII):
            names.append(item.text)
        else:
            reader.wrong(item, "`inherit` lists names of variables", "write inherit: [SSH_AUTH_SOCK]")
    return tuple(names)


def outputs(reader: Reader, node: Node | None) -> dict[str, OutputSpec]:
    """The outputs, each with how it is read."""
    return {
        spec.name: spec for spec, _ in _outputs(reader, node, "output", ("json", "regex", "lines", "text"))
    }


def _outputs(
    reader: Reader, node: Node | None, level: str, known: tuple[str, ...]
) -> Iterator[tuple[OutputSpec, dict[str, Any]]]:
    """Each output with all that its table holds."""
    for name, value in node.value.items() if node is not None else ():
        if not re.fullmatch(keys.ID, name, re.ASCII):
            at = node.keys[name] if node is not None else value
            reader.wrong(at, f"an output cannot be called {name!r}", "letters, digits, _ and -")
            continue
        values = levels.read(reader, value, level)
        hows = [how for how in known if value.kind == "map" and how in value.value]
        if len(hows) != 1 and value.kind == "map":
            reader.wrong(value, f"output `{name}` needs one of {', '.join(known)}", "it says how to read it")
        how = hows[0] if hows else "text"
        yield OutputSpec(name, how, values.get(how, ""), values.get("type")), values


def watch(reader: Reader, step: Step, node: Node | None, whole: Node) -> document.Watch | None:
    if node is None:
        return None
    with reader.inside("watch"):
        values = levels.read(reader, node, "watch")
    outputs = {
        spec.name: document.Sampled(spec, more.get("rate"), more.get("counter", False))
        for spec, more in _outputs(reader, values.get("outputs"), "sample", ("json", "regex", "text"))
    }
    made = document.Watch(
        values.get("every", document.LOOK_TIMEOUT), outputs, values.get("run"),
        values.get("timeout", document.LOOK_TIMEOUT),
    )  # fmt: skip
    _fits(reader, step, made, node, whole)
    return made


def _fits(reader: Reader, step: Step, watch: document.Watch, node: Node, whole: Node) -> None:
    """Whether the step is one that can be watched so."""
    wrong, at = reader.wrong, whole.keys["watch"]
    if step.spreads:
        cure = "put it on a `wait` step, whose look runs on this machine"
        wrong(at, "`watch` is for a step that runs once, this one has hosts or items", cure)
    if watch.run is None and "until" not in whole.value:
        wrong(at, "`watch` needs `run`, what looks: only a step with `until` looks itself", "add run: to it")
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


def retry(reader: Reader, node: Node | None, until: bool) -> document.Retry | None:
    if node is None:
        return None
    values = levels.read(reader, node, "retry")
    if "max" not in values and not until and node.kind == "map" and "max" not in node.value:
        reader.wrong(node, "`retry` needs `max`", "write retry: {max: 3}")
    return document.Retry(
        values.get("max"),
        values.get("delay"),
        values.get("backoff", 1.0),
        values.get("on_exit", frozenset()),
    )


def verify(reader: Reader, node: Node | None) -> document.Verify | None:
    if node is None:
        return None
    with reader.inside("verify"):
        values = levels.read(reader, node, "verify")
    return document.Verify(
        run=borrowed.command(reader, node, values, "verify") or Script(""),
        no=values.get("no", frozenset()),
        after=values.get("after", False),
        timeout=values.get("timeout", document.VERIFY_TIMEOUT),
        outputs=outputs(reader, values.get("outputs")),
    )


def undo(reader: Reader, node: Node | None) -> document.Undo | None:
    if node is None:
        return None
    with reader.inside("undo"):
        values = levels.read(reader, node, "undo")
    command = borrowed.command(reader, node, values, "undo")
    effect = values.get("effect", borrowed.effect_of(command) if isinstance(command, Uses) else "unsafe")
    timeout = values.get("timeout", None if effect == "unsafe" else document.DEFAULT_TIMEOUT)
    return document.Undo(command or Script(""), effect, verify(reader, values.get("verify")), timeout)


def approve(reader: Reader, node: Node | None) -> document.Approve | None:
    if node is None:
        return None
    values = levels.read(reader, node, "approve")
    return document.Approve(
        values.get("from", ()), values.get("count", 1), values.get("not_requester", True),
        values.get("expires", document.APPROVAL_LASTS), values.get("show", ()),
    )  # fmt: skip


def check(reader: Reader, node: Node | None) -> document.Check | None:
    if node is None:
        return None
    with reader.inside("check"):
        values = levels.read(reader, node, "check")
    return document.Check(
        borrowed.command(reader, node, values, "check") or Script(""),
        values.get("timeout", document.DEFAULT_TIMEOUT),
    )


def change(reader: Reader, node: Node | None, kind: str) -> document.Change | None:
    if node is None:
        return None
    values = levels.read(reader, node, "change")
    given = [word for word in CHANGES if node.kind == "map" and word in node.value]
    if not given:
        if node.kind == "map":
            reader.wrong(node, "`change` needs `what`", "which file, unit or key")
        return None
    if len(given) > 1:
        second = node.keys[given[1]]
        reader.wrong(second, f"`change` names one thing, not `{given[0]}` and `{given[1]}`", "take one out")
        return None
    subject = given[0]
    if subject != "what" and kind == "manual":
        reader.wrong(
            node.keys[subject],
            f"howdah reads a {subject} around what it runs itself",
            "write `what` instead",
        )
    for word in ("from", "to") if subject != "what" else ():
        if word in values:
            reader.wrong(node.keys[word], f"howdah reads the `{word}` of a {subject} itself", "take it out")
    if "url" in values and subject != "redis":
        reader.wrong(node.keys["url"], "`url` goes with `redis`", "take it out")
    if subject not in values:
        return None
    read = None if subject == "what" else subject
    return document.Change(values[subject], values.get("from"), values.get("to"), read, values.get("url"))


def touches(reader: Reader, node: Node | None) -> dict[str, Template]:
    return {} if node is None else levels.read(reader, node, "touches")
