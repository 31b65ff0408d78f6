"""What a form asks: the fields of a command's own parameters, of a runbook's inputs, of a step's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops import params
from chatops.surfaces.discord import marking, tree, wanted
from chatops.views import Option

if TYPE_CHECKING:
    from chatops.surfaces.discord.wanted import Wanted
    from chatops.vocabulary import Call, Command, Param
    from runbooks.inputs import InputSpec

PAGE = 5  # fields of a form
LABEL, HELP, PLACEHOLDER, TEXT = 45, 100, 100, 4000  # units
CHOICES = 25
LONG_LINE = 80  # characters of a value that gets more than one line

EXAMPLES = {
    "int": "5", "number": "0.5", "duration": "10m", "bytes": "2GiB", "percent": "90%", "path": "/PATH",
    "host": "db1.example.org", "list": "a, b", "secret": "env:NAME or file:/PATH",
}  # fmt: skip


class Field(NamedTuple):
    """One field. `id` is the parameter, or `parameter=name` of a pair; with `options` it is a choice of these."""

    id: str
    label: str
    help: str = ""
    value: str = ""
    options: tuple[Option, ...] = ()
    required: bool = False
    long: bool = False
    example: str = ""


# -- a command's own parameters


def of_command(command: Command, raw: Mapping[str, Any], call: Call | None) -> list[Field]:
    """The fields of a bare command, the required ones first. Flags are no fields: who wants one types it.

    Without a `call` the incident is decided already.
    """
    shown = [
        param
        for param in sorted(tree.offered(command), key=lambda param: not param.required)
        if not param.flag and param.type != "pairs" and not param.repeat
    ]
    fields = [_of_param(param, raw, call) for param in shown if param.type != "incident"]
    if call is not None:
        fields[PAGE - 1 :] = [*_incident(command, raw, call), *fields[PAGE - 1 :]]
    return fields[:PAGE]


def _of_param(param: Param, raw: Mapping[str, Any], call: Call | None) -> Field:
    value = raw.get(param.name)
    options = tuple(Option(one) for one in param.choices)
    if param.type == "person" and call is not None and call.config.people and param.complete is not None:
        options = tuple(param.complete("", call))
    return Field(
        param.name,
        param.word.replace("-", " ").capitalize(),
        params.help_in_chat(param),
        str(value if value is not None else param.default or ""),
        options if len(options) <= CHOICES else (),
        param.required,
        long=param.rest and param.dashed,
    )


def _incident(command: Command, raw: Mapping[str, Any], call: Call) -> list[Field]:
    """Which incident: asked only where nobody said it and several are open."""
    param = next((one for one in tree.offered(command) if one.type == "incident"), None)
    if param is None or raw.get(param.name) or call.who.incident:
        return []
    if sum(row.mode != "drill" for row in call.store.incidents(status="open", limit=CHOICES)) < 2:
        return []
    assert param.complete is not None
    options = tuple(param.complete("", call))[:CHOICES]
    return [Field(param.name, "Incident", param.help, "", options, True)]


# -- pairs


def of_pairs(known: Wanted, command: Command, raw: Mapping[str, Any], call: Call | None) -> list[Field]:
    """The inputs of a run, or the outputs of a step, what is required first; which incident it is for, where nobody said
    it, last: so the pages before it stay what they are once it is said."""
    given = wanted.given(raw.get(known.param.name))
    specs = sorted(known.specs.values(), key=lambda spec: not spec.required)
    fields = [_of_spec(known.param.name, spec, given.get(spec.name), outputs=known.outputs) for spec in specs]
    return [*fields, *(_incident(command, raw, call) if call is not None and not known.outputs else ())]


def _of_spec(param: str, spec: InputSpec, given: str | None, *, outputs: bool) -> Field:
    value = given if given is not None else wanted.default_text(spec)
    options = tuple(Option(one) for one in wanted.values_of(spec))
    if len(options) > CHOICES or any(not one.value or marking.units(one.value) > HELP for one in options):
        options = ()
    help = spec.help
    if outputs:
        help = f"{spec.type}; empty where it is not known"
    elif spec.type == "secret":
        help = f"A reference, never the secret itself. {spec.help}"
    return Field(
        f"{param}={spec.name}",
        spec.name,
        help,
        value,
        options,
        spec.required,
        long="\n" in value or len(value) > LONG_LINE,
        example=EXAMPLES.get(spec.type, ""),
    )


# -- as Discord draws them


def drawn(field: Field, custom_id: str) -> dict[str, Any]:
    """The field as a label with its input."""
    component: dict[str, Any] = {"type": 4, "style": 2 if field.long else 1, "max_length": TEXT}
    if field.options:
        component = {"type": 3, "options": [_choice(one, field.value) for one in field.options]}
    elif field.value:
        component["value"] = field.value
    if not field.options and field.example:
        component["placeholder"] = marking.bare(field.example, PLACEHOLDER)
    component |= {"custom_id": custom_id, "required": field.required}
    label = {"type": 18, "label": marking.bare(field.label, LABEL), "component": component}
    return {**label, "description": marking.bare(field.help, HELP)} if field.help.strip() else label


def _choice(option: Option, value: str) -> dict[str, Any]:
    found: dict[str, Any] = {"label": marking.bare(option.value, HELP), "value": option.value}
    if option.label:
        found["description"] = marking.bare(option.label, HELP)
    if option.value == value:
        found["default"] = True
    return found
