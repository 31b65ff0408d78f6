"""From the nodes under `diagnose:` to Diagnoses: reads that need nobody and nothing but the machine they run on."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping

from incidents.near import near
from incidents.yamlfile import Node
from runbooks import clauses, document, grammar, levels
from runbooks.bindings import output_types
from runbooks.document import Diagnosis
from runbooks.expressions import Expr, Template
from runbooks.inputs import InputSpec
from runbooks.quoting import Script
from runbooks.steps import Shaper, name_of


def diagnoses(shaper: Shaper, specs: Mapping[str, InputSpec], nodes: Iterable[Node]) -> tuple[Diagnosis, ...]:
    """The diagnoses in order; mistakes go to the shaper's reader. `specs` are the runbook's inputs."""
    maker = _Maker(shaper, specs)
    with shaper.reader.inside("diagnose"):
        return tuple(maker.one(node, ordinal) for ordinal, node in enumerate(nodes, 1))


class _Maker:
    def __init__(self, shaper: Shaper, specs: Mapping[str, InputSpec]):
        self.shaper = shaper
        self.reader = shaper.reader
        self.specs = specs
        self.ids: dict[str, int] = {}

    def one(self, node: Node, ordinal: int) -> Diagnosis:
        reader = self.reader
        reader.step = self.shaper.bindings.begin()
        values = levels.read(reader, node, "diagnose")
        outputs = clauses.outputs(reader, values.get("outputs"))
        self.shaper.bindings.outputs[reader.step] = outputs
        id = values.get("id") or str(ordinal)
        if (first := self.ids.setdefault(id, node.line)) != node.line:
            reader.wrong(node.value["id"], f"the id `{id}` is taken", f"line {first} has it; choose another")
        timeout = values.get("timeout", document.MOST_DIAGNOSIS)
        if timeout > document.MOST_DIAGNOSIS:
            cure = "triage is for somebody who was just woken: look at less"
            reader.wrong(node.value["timeout"], "a diagnosis takes 5s at most", cure)
        env, inherit = clauses.env(reader, values.get("env"))
        types = output_types("result", outputs)
        fits, says = values.get("fits"), values.get("says")
        nothing = Template("", ("",), reader.at(node, 0))
        return Diagnosis(
            id=id,
            name=values.get("name") or name_of("run", values),
            run=values.get("run", Script("")),
            fits=_seeing(fits, types)
            if fits is not None
            else Expr("false", nothing.place, grammar.parse("false"), {}),
            says=_told(says, types) if says is not None else nothing,
            env=env,
            inherit=inherit,
            outputs=outputs,
            offer={name: _told(one, types) for name, one in self.offer(values.get("offer"))},
            timeout=timeout,
            where=(node.line, node.column),
        )

    def offer(self, node: Node | None) -> list[tuple[str, Template]]:
        found = []
        for name, value in node.value.items() if node is not None else ():
            spec = self.specs.get(name)
            if spec is None or spec.type == "secret":
                what = "a secret cannot be offered" if spec else f"there is no input `{name}` to offer"
                close = near(name, self.specs)
                hint = "" if spec else f"did you mean `{close}`?" if close else "declare it in inputs:"
                self.reader.wrong(node.keys[name] if node is not None else value, what, hint)
            elif (template := self.reader.template(value, "offer")) is not None:
                found.append((name, template))
        return found


def _seeing(expr: Expr, types: Mapping[str, str]) -> Expr:
    """The expression with the types of `result`, its step's own."""
    return expr._replace(types=ChainMap(dict(types), dict(expr.types)))


def _told(template: Template, types: Mapping[str, str]) -> Template:
    parts = tuple(part if isinstance(part, str) else _seeing(part, types) for part in template.parts)
    return template._replace(parts=parts)
