"""What the pairs of a command may be: the inputs of the runbook that is named, the outputs of the step that asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents.errors import BadInput, HowdahError

if TYPE_CHECKING:
    from chatops.vocabulary import Call, Command, Param
    from incidents.store.protocol import Store
    from runbooks.inputs import InputSpec

Raw = Mapping[str, Any]


class Wanted(NamedTuple):
    """The specs of the values of `param`, by name. `of`: what they belong to. `outputs`: a step's, none of a run's."""

    param: Param
    of: str
    specs: dict[str, InputSpec]
    outputs: bool = False


def pairs_of(command: Command) -> Param | None:
    """The parameter of a command that takes name=value, where it has one."""
    return next((param for param in command.params if param.type == "pairs"), None)


def wanted(command: Command, raw: Raw, call: Call) -> Wanted | None:
    """What the command's pairs may be, with what was typed so far; None where that does not say it."""
    pairs = pairs_of(command)
    if pairs is None:
        return None
    try:
        for param in command.params:
            value = raw.get(param.name)
            if param.type == "runbook" and isinstance(value, str):
                return _inputs(pairs, param.parse(value, call), call)
            if param.type == "step":
                step = value if isinstance(value, str) else None
                return outputs(pairs, command.name, step, call.store, call.who.incident)
    except HowdahError:  # whoever carries the command out says what is wrong
        return None
    return None


def _inputs(pairs: Param, name: str, call: Call) -> Wanted:
    from runbooks import loader

    path, _ = loader.find(name, beside=call.config.path or None)
    book = loader.load(path)
    return Wanted(pairs, book.name, dict(book.inputs))


def outputs(pairs: Param, word: str, step: str | None, store: Store, stream: str | None = None) -> Wanted:
    """The outputs of the step whose question is meant, in `stream` first. Raises as consent.find does."""
    from runbooks import consent, recover
    from runbooks.inputs import InputSpec

    run, question = consent.find(store, step, word, stream=stream)
    _, book = recover.read(store, run.id)
    found = book.step(question.path).outputs
    specs = {name: InputSpec(name, one.type or "string") for name, one in found.items()}
    return Wanted(pairs, question.path, specs, outputs=True)


def given(words: Any) -> dict[str, str]:
    """`name=value` words as a map. Raises BadInput for a word without `=`."""
    found: dict[str, str] = {}
    listed: Sequence[str] = [words] if isinstance(words, str) else list(words or ())
    for word in listed:
        name, equals, value = word.partition("=")
        if not equals:
            raise BadInput(f"{word!r} is not name=value")
        found[name.strip()] = value
    return found


def default_text(spec: InputSpec) -> str:
    """The default as a person would type it; empty where there is none, or none that can be typed on a line."""
    from runbooks import inputs

    if spec.default is None or spec.type == "secret":
        return ""
    text = inputs.shown(spec, spec.default)
    try:
        return text if inputs.read_value(spec, text) == spec.default else ""
    except BadInput:
        return ""


def values_of(spec: InputSpec) -> tuple[str, ...]:
    """All values that it can have, where they are few."""
    return ("true", "false") if spec.type == "bool" else tuple(spec.options)
