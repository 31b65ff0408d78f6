"""Inputs and outputs: what a person gives is checked and brought into one form before step 1, what a step prints
is read by rules that name the line where they failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from incidents.errors import BadInput
from incidents.near import near
from incidents.yamlfile import LARGEST_INT, MAX_DEPTH
from runbooks import quoting, typed
from runbooks.quoting import Secret
from runbooks.typed import Value
from runbooks.typed import parse_typed as parse_typed

MAX_OUTPUT = 1 << 20  # bytes of a step's output that outputs are read from


class InputSpec(NamedTuple):
    """One input. `default`, `min`, `max` are values of its type; None is absent."""

    name: str
    type: str = "string"
    required: bool = False
    default: Value = None
    options: tuple[str, ...] = ()
    pattern: str | None = None
    min: Value = None
    max: Value = None
    help: str = ""


class OutputSpec(NamedTuple):
    """One output: `how` is json, regex, lines, text, or result (of an action: JSON in the last line); `argument` the path or pattern; `type` of typed.OUTPUT_TYPES.

    Without a `type` JSON keeps its own and the others are text.
    """

    name: str
    how: str
    argument: str = ""
    type: str | None = None


class HasInputs(Protocol):
    @property
    def inputs(self) -> Mapping[str, InputSpec]: ...


def normalise(runbook: HasInputs, given: Mapping[str, Any]) -> dict[str, Value]:
    """Every input with its value in its one form; null where it is optional and not given. A secret's value is its
    reference. Raises BadInput with everything that is wrong, each naming its input."""
    wrong = [_unknown(name, runbook.inputs) for name in given if name not in runbook.inputs]
    values: dict[str, Value] = {}
    for name, spec in runbook.inputs.items():
        if name not in given or given[name] is None:
            values[name] = spec.default
            if spec.required:
                wrong.append(f"input `{name}` is required; give -i {name}={_example(spec)}{_about(spec)}")
            continue
        try:
            values[name] = read_value(spec, given[name])
        except BadInput as error:
            wrong.append(f"input `{name}`: {error}")
    if wrong:
        raise BadInput("\n".join(wrong))
    return values


def _unknown(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = near(name, names)
    if close:
        cure = f"did you mean `{close}`?"
    else:
        cure = "it takes " + ", ".join(names) if names else "it takes none"
    return f"the runbook has no input {typed.show(name)}; {cure}"


_EXAMPLES = {
    "int": "5", "number": "0.5", "bool": "true", "duration": "10m", "bytes": "2GiB", "percent": "90%",
    "path": "/PATH", "host": "HOST", "list": "a,b", "secret": "env:NAME",
}  # fmt: skip


def _example(spec: InputSpec) -> str:
    return "|".join(spec.options) if spec.options else _EXAMPLES.get(spec.type, "TEXT")


def _about(spec: InputSpec) -> str:
    return f" ({spec.help})" if spec.help else ""


def read_value(spec: InputSpec, given: Any) -> Value:
    """`given` (text as a person typed it, or a value of the right type) as the spec's type. Raises BadInput."""
    value = _of_type(spec, given)
    if spec.type == "choice" and value not in spec.options:
        close = near(str(value), spec.options)
        hint = (f"did you mean {close}? " if close else "") + "allowed are " + ", ".join(spec.options)
        raise BadInput(f"{typed.show(str(value))} is not one of its options", hint=hint)
    if spec.pattern is not None:
        for item in value if isinstance(value, list) else [value]:
            if not re.fullmatch(spec.pattern, str(item)):
                raise BadInput(f"{typed.show(str(item))} does not match the pattern {spec.pattern}")
    _check_range(spec, value)
    return value


def _of_type(spec: InputSpec, given: Any) -> Value:
    if isinstance(given, Secret):
        raise BadInput(
            "a secret is given by reference, not by value", hint="write env:NAME, file:/PATH or prompt"
        )
    if spec.type == "secret":
        quoting.check_reference(given if isinstance(given, str) else "")
        return str(given)
    if isinstance(given, str):
        return typed.parse_typed(spec.type, given)
    if isinstance(given, bool):
        return typed.parse_typed(spec.type, "true" if given else "false")
    if isinstance(given, int):
        return typed.parse_typed(spec.type, str(given))
    if isinstance(given, list | tuple) and spec.type == "list":
        return typed.list_items(list(given))
    raise BadInput(
        f"a value of Python's type {type(given).__name__} is not a {spec.type}", hint="give it as text"
    )


def _check_range(spec: InputSpec, value: Value) -> None:
    if spec.min is None and spec.max is None:
        return
    from runbooks.exact import from_record

    amount = from_record(spec.type, value)
    if spec.min is not None and amount < from_record(spec.type, spec.min):
        raise BadInput(f"{_amount(spec, value)} is less than {_amount(spec, spec.min)}")
    if spec.max is not None and amount > from_record(spec.type, spec.max):
        raise BadInput(f"{_amount(spec, value)} is more than {_amount(spec, spec.max)}")


def _amount(spec: InputSpec, value: Value) -> str:
    if spec.type == "duration" and isinstance(value, int):
        return typed.seconds(value) + "s"
    return str(value) + ("%" if spec.type == "percent" else "")


def secrets(runbook: HasInputs, values: Mapping[str, Value]) -> dict[str, str]:
    """The references of the secret inputs that were given: name -> reference."""
    return {
        name: str(values[name])
        for name, spec in runbook.inputs.items()
        if spec.type == "secret" and values.get(name) is not None
    }


def variable(name: str) -> str:
    """The environment variable that holds the input: `IN_` and upper case, other characters become `_`."""
    return "IN_" + re.sub(r"[^A-Z0-9_]", "_", name.upper())


def environment(runbook: HasInputs, values: Mapping[str, Value]) -> dict[str, str]:
    """`IN_NAME` for every input that has a value, as text; a list also as `IN_NAME_LINES` when no item holds a
    newline. A secret stands there as `values` has it: whoever calls puts the revealed text or a mask in."""
    env: dict[str, str] = {}
    for name, spec in runbook.inputs.items():
        value = values.get(name)
        if value is None:
            continue
        env[variable(name)] = input_text(spec, value)
        if isinstance(value, list) and not any("\n" in str(item) for item in value):
            env[variable(name) + "_LINES"] = "\n".join(map(str, value))
    return env


def input_text(spec: InputSpec, value: Value) -> str:
    """The value as a program gets it; a duration in seconds."""
    if spec.type == "duration" and isinstance(value, int):
        return typed.seconds(value)
    return typed.as_text(value)


def shown(spec: InputSpec | None, value: Value) -> str:
    """The value for people: as a program gets it, a duration with its unit."""
    if value is None:
        return "(not given)"
    if spec is None:
        return typed.as_text(value)
    return input_text(spec, value) + ("s" if spec.type == "duration" and isinstance(value, int) else "")


def read_outputs(specs: Mapping[str, OutputSpec], raw: bytes) -> dict[str, Value]:
    """The outputs in what a step printed. Raises BadInput naming the output, and the line where it can tell."""
    if not specs:
        return {}
    if len(raw) > MAX_OUTPUT:
        raise BadInput(
            f"the step printed more than {MAX_OUTPUT} bytes", hint="print only what the outputs need"
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(f"line {line} of what the step printed is not UTF-8 text") from None
    return {name: _read_output(spec, text) for name, spec in specs.items()}


def _read_output(spec: OutputSpec, text: str) -> Value:
    try:
        return _READERS[spec.how](spec, text)
    except BadInput as error:
        raise BadInput(f"output `{spec.name}`: {error.message}", hint=error.hint) from None


def _convert(spec: OutputSpec, text: str, line: int) -> Value:
    try:
        return typed.parse_typed(spec.type or "string", text)
    except BadInput as error:
        raise BadInput(f"line {line}: {error.message}", hint=error.hint) from None


def _regex(spec: OutputSpec, text: str) -> Value:
    match = re.search(spec.argument, text)
    if match is None or match[1] is None:
        lines = text.splitlines()
        seen = f"; line 1 is {typed.show(lines[0])}" if lines else ""
        raise BadInput(f"nothing in {len(lines)} lines matches {spec.argument}{seen}")
    return _convert(spec, match[1], text.count("\n", 0, match.start(1)) + 1)


def _lines(spec: OutputSpec, text: str) -> Value:
    items = text.split("\n")
    if items[-1] == "":
        items.pop()
    return [_convert(spec, item.removesuffix("\r"), place) for place, item in enumerate(items, 1)]


def _text(spec: OutputSpec, text: str) -> Value:
    return _convert(spec, text.removesuffix("\n"), 1)


_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{1,6})\]|\.?\[\"([^\"\\]+)\"\]")


def json_path(path: str) -> list[str | int]:
    """The steps of `.disk.free`, `.items[0]["odd name"]`; `.` alone is the whole. Raises BadInput."""
    steps: list[str | int] = []
    at = 0
    while at < len(path) and path != ".":
        match = _STEP.match(path, at)
        if match is None:
            raise BadInput(
                f"{typed.show(path)} is not a path into JSON",
                hint='write .disk.free, .items[0] or .["my key"]',
            )
        steps.append(int(match[2]) if match[2] else match[1] or match[3])
        at = match.end()
    return steps


def _json(spec: OutputSpec, text: str) -> Value:
    try:
        found: Any = json.loads(text, parse_float=typed.decimal, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadInput(f"line {error.lineno}, column {error.colno} is not JSON: {error.msg}") from None
    except RecursionError:
        raise BadInput(f"the JSON is nested more than {MAX_DEPTH} deep", hint="print less of it") from None
    walked = ""
    for step in json_path(spec.argument):
        held = isinstance(found, dict) if isinstance(step, str) else isinstance(found, list)
        if not held or (step not in found if isinstance(step, str) else step >= len(found)):
            raise BadInput(f"the JSON has no {spec.argument}: {walked or 'the whole'} has no {step!r}")
        found = found[step]
        walked += f".{step}" if isinstance(step, str) else f"[{step}]"
    if spec.type is None:
        return _check_json(found)
    if isinstance(found, dict) or (isinstance(found, list) and spec.type != "list"):
        raise BadInput(
            f"{spec.argument} is a {'map' if isinstance(found, dict) else 'list'}, not {spec.type}"
        )
    if isinstance(found, list):
        return typed.list_items(found)
    return _convert(spec, typed.as_text(found), 1)


def _result(spec: OutputSpec, text: str) -> Value:
    return _json(spec, text.rstrip("\n").rpartition("\n")[2])


def _no_constant(name: str) -> Any:
    raise BadInput(f"{name} is not JSON")


def _check_json(value: Any, depth: int = 0) -> Value:
    """The value, if the record can hold it: numbers that are too large, NUL and bottomless nesting are refused."""
    if depth > MAX_DEPTH:
        raise BadInput(f"the JSON is nested more than {MAX_DEPTH} deep", hint="take a part of it")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INT:
        raise BadInput(
            f"the number {value} is too large to be recorded exactly", hint="`type: string` keeps its digits"
        )
    if isinstance(value, str):
        return typed.check_text(value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_json(item, depth + 1)
    return value  # type: ignore[no-any-return]


_READERS: dict[str, Callable[[OutputSpec, str], Value]] = {
    "json": _json,
    "regex": _regex,
    "lines": _lines,
    "text": _text,
    "result": _result,
}
