"""The registry as Discord's slash commands: what is registered, how an interaction reads, how a command is named.

Discord allows 25 children a command, so the groups of the vocabulary stand under three: `/inc`, `/run`, `/oncall`.
Options are typed where Discord can; one that repeats is one text (`inputs: mount=/var note="two words"`). Pure: what
comes in is an interaction's own data, what goes out is what a request carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chatops import params, permissions, vocabulary
from chatops.surfaces.discord import marking, wanted, words
from chatops.views import Option
from chatops.vocabulary import Call, Command, Param
from incidents.errors import HowdahError, NotFound

SURFACE = "discord"
MENU = 3  # a command in the menu of a message
GUILD = 0  # the context and the way of installing: a server, not a private chat
SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
LONGEST = 100  # characters of a description, a choice, a value
CHOICES = 25

TREES = {
    "inc": (
        "Incidents: what happens, who does what, what was learnt.",
        ("incident", "timeline", "people", "record", "drill", "other"),
    ),
    "run": ("Runbooks: start one, see how it goes, answer it.", ("run", "answer")),
    "oncall": ("Who is on call.", ("oncall",)),
}
BARE = {  # a command that is called as its tree is, or as the group of those below it
    "run": "start",
    "override": "make",
    "absence": "add",
    "page": "start",
}
INSTEAD = {"attach": "steps"}  # where one looks here for what only a terminal has


class Typed(NamedTuple):
    """What a person typed: the command, what dispatch.run takes, the parameter that is being typed (completion)."""

    command: Command
    raw: dict[str, str | Sequence[str] | bool | None]
    focused: str | None = None


# -- what is registered --------------------------------------------------------------------------------------------


def payload() -> list[dict[str, Any]]:
    """The application commands, for a bulk overwrite: what is not in it is removed."""
    trees = [_tree(name) for name in TREES]
    menus = [
        {"type": MENU, "name": command.menu, "contexts": [GUILD], "integration_types": [GUILD]}
        for command in _ours()
        if command.menu
    ]
    return [*(tree for tree in trees if tree["options"]), *menus]


def _tree(name: str) -> dict[str, Any]:
    options: list[dict[str, Any]] = []
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, command in paths().items():
        if path[0] != name:
            continue
        entry = {
            "type": SUBCOMMAND,
            "name": path[-1],
            "description": marking.bare(command.help, LONGEST),
            "options": [option(param) for param in _in_order(command)],
        }
        if len(path) == 2:
            options.append(entry)
            continue
        if path[1] not in groups:
            groups[path[1]] = []
            options.append({"type": GROUP, "name": path[1], "options": groups[path[1]]})
        groups[path[1]].append(entry)
    for one in options:
        if one["type"] == GROUP:
            one["description"] = marking.bare(", ".join(entry["name"] for entry in one["options"]), LONGEST)
    return {
        "name": name, "description": TREES[name][0], "options": options, "contexts": [GUILD],
        "integration_types": [GUILD],
    }  # fmt: skip


def option(param: Param) -> dict[str, Any]:
    """One parameter as an option of a slash command."""
    found: dict[str, Any] = {
        "type": STRING, "name": named(param), "description": marking.bare(params.help_in_chat(param), LONGEST),
        "required": required(param),
    }  # fmt: skip
    if param.flag:
        found["type"] = BOOLEAN
    elif param.type == "number" and not param.repeat:
        found |= {"type": INTEGER, "min_value": 1}
    elif param.choices and not param.repeat and len(param.choices) <= CHOICES:
        found["choices"] = [{"name": one, "value": one} for one in param.choices]
    elif param.complete is not None or param.type == "pairs":
        found["autocomplete"] = True
    return found


def required(param: Param) -> bool:
    """Whether Discord insists on it. Not on the one long text of a command: without it the command opens its form."""
    return param.required and not param.rest


def offered(command: Command) -> list[Param]:
    """The parameters that this surface offers."""
    return [param for param in command.params if SURFACE in param.surfaces]


def named(param: Param) -> str:
    """The option's name; one that takes several values has the plural."""
    plural = param.repeat and not param.name.endswith("s")
    return param.word + ("s" if plural else "")


def paths() -> dict[tuple[str, ...], Command]:
    """Where each command stands: `("inc", "task", "add")` -> it, in the order of --help."""
    found: dict[tuple[str, ...], Command] = {}
    for command in _ours():
        if not command.menu:
            path = _path(command)
            if path in found:
                raise ValueError(f"{command.name} and {found[path].name} are both /{' '.join(path)}")
            found[path] = command
    return found


def sizes() -> dict[str, int]:
    """The characters of each tree that Discord counts: names, descriptions, values; 8,000 are allowed."""
    return {command["name"]: _characters(command) for command in payload()}


def _characters(value: Mapping[str, Any]) -> int:
    own = sum(len(str(value.get(key, ""))) for key in ("name", "description", "value"))
    inner = [*value.get("options", ()), *value.get("choices", ())]
    return own + sum(map(_characters, inner))


def _ours() -> Iterator[Command]:
    known = vocabulary.registry().values()
    for group in vocabulary.GROUPS:
        yield from (one for one in known if one.group == group and SURFACE in one.surfaces)


def _path(command: Command) -> tuple[str, ...]:
    tree = next(name for name, (_, groups) in TREES.items() if command.group in groups)
    first, *more = command.name.split(" ")
    if first == tree:
        return (tree, *more) if more else (tree, BARE.get(tree, "show"))
    if not more and first in BARE:
        more = [BARE[first]]
    return (tree, first, *more)


def _in_order(command: Command) -> list[Param]:
    """Discord wants the required ones first."""
    return sorted(offered(command), key=lambda param: not required(param))


# -- how an interaction reads --------------------------------------------------------------------------------------


def read(data: Mapping[str, Any]) -> Typed:
    """The data of an interaction of type 2 or 4. Raises NotFound for what is there no more, BadInput for bad quotes."""
    if data.get("type", 1) == MENU:
        return Typed(_menu(str(data["name"])), {})
    path, options = [str(data["name"])], list(data.get("options") or ())
    while options and options[0].get("type") in (SUBCOMMAND, GROUP):
        path.append(str(options[0]["name"]))
        options = list(options[0].get("options") or ())
    command = paths().get(tuple(path))
    if command is None:
        raise _no_more(f"/{' '.join(path)}")
    typed = Typed(command, {})
    by_name = {named(param): param for param in offered(command)}
    for one in options:
        param = by_name.get(str(one["name"]))
        if param is None:
            raise _no_more(f"/{' '.join(path)} {one['name']}:")
        if one.get("focused"):
            typed = typed._replace(focused=param.name)
            typed.raw[param.name] = str(one.get("value", ""))
        else:
            typed.raw[param.name] = _value(param, one.get("value"))
    return typed


def _value(param: Param, value: Any) -> str | list[str] | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if not param.repeat:
        return str(value)
    if param.type == "pairs":
        return words.split(str(value))
    return [word for word in re.split(r"[\s,]+", str(value)) if word]


def _menu(name: str) -> Command:
    found = next((command for command in _ours() if command.menu == name), None)
    if found is None:
        raise _no_more(name)
    return found


def _no_more(what: str) -> NotFound:
    return NotFound(
        f"{what} is there no more",
        hint="Discord shows the present commands after a reload (Ctrl+R, or restart it)",
    )


# -- what is offered while one types -------------------------------------------------------------------------------


def complete(typed: Typed, call: Call) -> list[Option]:
    """What fits the option that is being typed: at most 25, `label` what the person reads. Nothing to who may not look."""
    param = next((param for param in typed.command.params if param.name == typed.focused), None)
    text = typed.raw.get(typed.focused or "")
    if param is None or not isinstance(text, str):
        return []
    try:
        permissions.check(call)
        if param.type == "pairs":
            found = _complete_pairs(typed, text, call)
        else:
            found = list(param.complete(text.strip(), call)) if param.complete is not None else []
    except HowdahError:  # who sends the command reads what is wrong
        return []
    fitting = [one for one in found if 0 < marking.units(one.value) <= LONGEST]
    return [Option(one.value, _offered(one)) for one in fitting[:CHOICES]]


def _offered(one: Option) -> str:
    return marking.bare(f"{one.value} · {one.label}" if one.label else one.value, LONGEST)


def _complete_pairs(typed: Typed, text: str, call: Call) -> list[Option]:
    """The names that are not given yet; after `name=` the values that it can have."""
    known = wanted.wanted(typed.command, {**typed.raw, typed.focused or "": None}, call)
    if known is None:
        return []
    before, whole, last = words.being_typed(text)
    name, equals, value = last.partition("=")
    if equals:
        spec = known.specs.get(name)
        if spec is None:
            return []
        default = wanted.default_text(spec)
        values = wanted.values_of(spec) or ((default,) if default else ())
        plain = value.lstrip("\"“'‘")
        return [
            Option(before + words.join([f"{name}={one}"]), spec.help)
            for one in sorted(values, key=lambda one: one != default)
            if one.startswith(plain)
        ]
    missing = [
        spec for spec in known.specs.values() if spec.name not in {word.partition("=")[0] for word in whole}
    ]
    options = [
        Option(
            f"{before}{spec.name}=", ", ".join(filter(None, ("required" if spec.required else "", spec.help)))
        )
        for spec in sorted(missing, key=lambda spec: not spec.required)
        if spec.name.startswith(last)
    ]
    required = any(spec.required for spec in missing)
    return options if required or last or not before else [Option(text.strip(), "that is all"), *options]


# -- how a command is named ----------------------------------------------------------------------------------------


def where(name: str) -> str:
    """How the command is typed here: `/inc task add`; one that a terminal alone has stays `howdah serve`."""
    command = vocabulary.registry().get(INSTEAD.get(name, name))
    if command is None or SURFACE not in command.surfaces:
        return f"howdah {name}"
    return f"“{command.menu}”" if command.menu else f"/{' '.join(_path(command))}"


_PHRASE = re.compile(r"(?<![\w./-])howdah((?: [a-z][a-z-]*)+)")
_FLAG = re.compile(r"(?<!\S)(--[a-z][a-z-]*|-[a-z])(?: (?=\S*=|[A-Z0-9]|inc-)|(?![\w-]))")


def spoken(text: str) -> str:
    """`text` of our own with each command said as it is typed here: `howdah role commander me` is
    `/inc role commander me`, `--why TEXT` is `why:TEXT`. What only a terminal has stays."""
    return "\n".join(_spoken_line(line) for line in text.split("\n"))


def _spoken_line(line: str) -> str:
    parts, start = [], 0
    command: Command | None = None
    for match in _PHRASE.finditer(line):
        found = _longest(match[1].split())
        if found is None:
            continue
        parts.append(_spoken_flags(line[start : match.start()], command))
        command = found if SURFACE in found.surfaces or found.name in INSTEAD else None
        start = match.start(1) + 1 + len(found.name)
        parts.append(where(found.name))
        if command is None:  # its own flags stay as a terminal has them
            end = next((m.start() for m in _PHRASE.finditer(line, start)), len(line))
            parts.append(line[start:end])
            start = end
    parts.append(_spoken_flags(line[start:], command))
    return "".join(parts)


def _longest(given: Sequence[str]) -> Command | None:
    known = vocabulary.registry()
    names = (" ".join(given[:length]) for length in (2, 1) if len(given) >= length)
    return next((known[name] for name in names if name in known), None)


def _spoken_flags(text: str, command: Command | None) -> str:
    """The flags of `command`, or of any where none was named before."""
    flags = _flags((command,) if command is not None else _ours())
    said: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        param = flags.get(match[1])
        if param is None:
            return match[0]
        if param.flag:
            return f"{named(param)}:True" if command is not None else named(param)
        if not match[0].endswith(" "):
            return named(param)
        again = param.repeat and param.name in said
        said.add(param.name)
        return "" if again else f"{named(param)}:"

    return _FLAG.sub(replace, text)


def _flags(commands: Iterable[Command]) -> dict[str, Param]:
    found: dict[str, Param] = {}
    for command in commands:
        for param in offered(command):
            if not param.place:
                found.setdefault(param.flagname, param)
                if param.short:
                    found.setdefault(f"-{param.short}", param)
    return found
