"""From a file to a Runbook, or to every mistake in it.

Reading is by the tables of `keys.py` (`reading.py`), steps are put together in `steps.py`, and what an expression
may look at is decided when the whole file is known (`bindings.py`).
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from incidents import yamlfile
from incidents.errors import BadInput, Mistake, Mistakes, NotFound
from incidents.near import near
from incidents.yamlfile import Node
from runbooks import clauses, diagnosing, inputs, keys, levels, steps, typed
from runbooks.document import Runbook
from runbooks.inputs import InputSpec
from runbooks.reading import Reader

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "library")
NAME_LENGTH = 80
TESTS = ".test.yaml"  # a runbook's tests lie beside it
DEEPEST = 8  # runbooks inside of runbooks


def load(path: str) -> Runbook:
    """The runbook in that file. Raises Mistakes with every mistake in it."""
    return loads(yamlfile.read_text(path), path)


def loads(text: str, file: str = "<runbook>", subs: Mapping[str, str] | None = None) -> Runbook:
    """The runbook in `text`; `file` names it in messages. `subs` are the texts of the runbooks in it, by file, as a run
    has pinned them; None: as they lie on the disk. Raises Mistakes with every mistake in it."""
    if subs is not None:
        return _loads(text, file, tuple(sorted(subs.items())))
    book = _loads(text, file, None)
    if any(_text_of(path) != known for path, known in book.subs.items()):
        _loads.cache_clear()
        book = _loads(text, file, None)
    return book


@functools.lru_cache(maxsize=2)  # a driver that was forked has the runbook that was checked before the fork
def _loads(text: str, file: str, subs: tuple[tuple[str, str], ...] | None) -> Runbook:
    find = _text_of if subs is None else dict(subs).get
    return _Loader(file, find, (os.path.normpath(file),)).runbook(yamlfile.parse(text, file), text)


def _text_of(path: str) -> str | None:
    """None where there is no such file. Raises Mistakes where it is none that can be read."""
    return yamlfile.read_text(path) if os.path.exists(path) else None


def find(name: str, *, beside: str | None) -> tuple[str, list[str]]:
    """The file that NAME means, and the files it hides. Raises NotFound.

    A NAME with a slash or `.yaml` is a path. Otherwise `runbooks/` in the folder `beside` (of the configuration)
    comes first, the library second. `beside` may be the configuration's file itself.
    """
    if "\0" in name or not name:
        raise NotFound("this is not the name of a runbook", hint="`howdah runbook list` shows them")
    if "/" in name or name.endswith((".yaml", ".yml")):
        if not os.path.exists(name):
            raise NotFound(f"there is no file {name}", hint="`howdah runbook list` shows the known runbooks")
        return name, []
    folders = _folders(beside)
    found = [path for folder in folders if os.path.exists(path := os.path.join(folder, name + ".yaml"))]
    if found:
        return found[0], found[1:]
    known = sorted({entry for folder in folders for entry in names_in(folder)})
    close = near(name, known)
    hint = (
        f"did you mean {close}?"
        if close
        else "`howdah runbook list` shows them; a path needs a slash or .yaml"
    )
    raise NotFound(f"there is no runbook {typed.show(name)}", hint=hint)


class Available(NamedTuple):
    """A runbook that can be named: the first line of its description, empty where its file has mistakes."""

    name: str
    description: str
    path: str


def available(*, beside: str | None) -> list[Available]:
    """The runbooks that `find` finds by name, in order of their names; what is shadowed is left out."""
    return [Available(name, _first_line(path), path) for name, path in paths(beside=beside).items()]


def paths(*, beside: str | None) -> dict[str, str]:
    """The file of every runbook that `find` finds by name, in order of their names; none is opened."""
    found: dict[str, str] = {}
    for folder in _folders(beside):
        for name in names_in(folder):
            found.setdefault(name, os.path.join(folder, name + ".yaml"))
    return dict(sorted(found.items()))


def _first_line(path: str) -> str:
    try:
        lines = load(path).description.splitlines()
    except BadInput:
        return ""
    return lines[0] if lines else ""


def _folders(beside: str | None) -> list[str]:
    if beside is not None and not os.path.isdir(beside):
        beside = os.path.dirname(os.path.abspath(beside))
    return ([os.path.join(beside, "runbooks")] if beside is not None else []) + [LIBRARY]


def names_in(folder: str) -> list[str]:
    """The names of the runbooks in a folder; none where there is no such folder."""
    try:
        return sorted(
            entry.removesuffix(".yaml")
            for entry in os.listdir(folder)
            if entry.endswith(".yaml") and not entry.endswith(TESTS)
        )
    except OSError:
        return []


class _Loader:
    """`find` gives the text of a file; `chain` are the files that led to this one, itself the last."""

    def __init__(self, file: str, find: Callable[[str], str | None], chain: tuple[str, ...]):
        self.file = file
        self.reader = Reader(file)
        self.find = find
        self.chain = chain
        self.subs: dict[str, str] = {}

    def sub(self, name: str, node: Node) -> Runbook | None:
        """The runbook that a step of this one uses; its mistakes are told with their own places."""
        path = os.path.normpath(os.path.join(os.path.dirname(self.file), name))
        if path in self.chain or len(self.chain) > DEEPEST:
            told = " → ".join([*self.chain[self.chain.index(path) :], path]) if path in self.chain else name
            what = (
                "a runbook cannot include itself"
                if path in self.chain
                else f"runbooks are nested deeper than {DEEPEST}"
            )
            self.reader.wrong(node, f"{what}: {told}", "take it out")
            return None
        try:
            text = self.find(path)
            if text is None:
                self.reader.wrong(
                    node, f"there is no file {path}", "a name with a slash is a runbook beside this one"
                )
                return None
            inner = _Loader(path, self.find, (*self.chain, path))
            book = inner.runbook(yamlfile.parse(text, path), text)
        except Mistakes as found:
            self.reader.wrong(node, f"the runbook {path} has mistakes", "mend them there")
            self.reader.mistakes.extend(found.mistakes)
            return None
        self.subs |= {path: text, **inner.subs}
        return book

    def runbook(self, root: Node, text: str) -> Runbook:
        reader = self.reader
        top = levels.read(reader, root, "runbook")
        specs = self.inputs(top["inputs"]) if "inputs" in top else {}
        shaper = steps.Shaper(reader, self.sub)
        shaper.everywhere = clauses.targets(reader, top.get("targets"))
        diagnose = diagnosing.diagnoses(shaper, specs, top.get("diagnose", ()))
        sections = {name: shaper.steps(top.get(name, ()), prefix) for name, prefix in _SECTIONS}
        shaper.bindings.check(specs)
        if reader.mistakes:
            raise Mistakes(_once(reader.mistakes))
        return Runbook(
            name=top["name"],
            description=top.get("description", "").strip(),
            severity=top.get("severity"),
            inputs=specs,
            lock=top.get("lock", ()),
            allow=top.get("allow", ()),
            steps=sections["steps"],
            rescue=sections["rescue"],
            always=sections["always"],
            diagnose=diagnose,
            subs=self.subs,
            text=text,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            path=self.file,
        )

    # -- inputs ----------------------------------------------------------------------------------------------

    def inputs(self, node: Node) -> dict[str, InputSpec]:
        specs: dict[str, InputSpec] = {}
        variables: dict[str, str] = {}
        for name, value in node.value.items():
            at = node.keys[name]
            if not re.fullmatch(keys.ID, name, re.ASCII):
                hint = "letters, digits, _ and -, beginning with a letter or _"
                self.reader.wrong(at, f"an input cannot be called {name!r}", hint)
                continue
            spec = self.input(name, value)
            specs[name] = spec
            self.reader.types[f"inputs.{name}"] = spec.type
            taken = [inputs.variable(name)] + (
                [inputs.variable(name) + "_LINES"] if spec.type == "list" else []
            )
            for variable in taken:
                other = variables.setdefault(variable, name)
                if other != name:
                    self.reader.wrong(
                        at, f"`{name}` and `{other}` are both {variable} for a script", "rename one of them"
                    )
        return specs

    def input(self, name: str, node: Node) -> InputSpec:
        reader = self.reader
        values = levels.read(reader, node, "input")
        type = values.get("type", "string")
        for key, types in _ONLY_ON.items():
            if key in values and type not in types:
                reader.wrong(
                    node.keys[key], f"`{key}` goes with {', '.join(types)}, not with {type}", "take it out"
                )
                del values[key]
        if type == "choice" and "options" not in values:
            reader.wrong(node, "a choice needs `options`", "list the values that it allows")
        if "default" in values and values.get("required"):
            reader.wrong(
                node.keys["required"], "a required input has no use for its default", "drop one of the two"
            )
        spec = InputSpec(
            name=name,
            type=type,
            required=values.get("required", False),
            options=values.get("options", ()),
            pattern=values.get("pattern"),
            help=values.get("help", "").strip(),
        )
        spec = spec._replace(min=self.value(spec, values.get("min")), max=self.value(spec, values.get("max")))
        return spec._replace(default=self.value(spec, values.get("default")))

    def value(self, spec: InputSpec, node: Node | None) -> typed.Value:
        """A default or bound as the input's own type."""
        if node is None or node.kind == "null":
            return None
        if "${{" in node.text:
            self.reader.wrong(node, "an input's value cannot be an expression", "write the value itself")
            return None
        if spec.type == "choice" and not spec.options:
            return None
        if node.kind == "map" or (node.kind == "list" and spec.type != "list"):
            self.reader.wrong(node, f"this must be a {spec.type}, not a {node.kind}")
            return None
        try:
            return inputs.read_value(
                spec, [item.text for item in node.value] if node.kind == "list" else node.text
            )
        except BadInput as error:
            self.reader.wrong(node, error.message, error.hint or "")
            return None


_SECTIONS = (("steps", ""), ("rescue", "rescue/"), ("always", "always/"))
_ONLY_ON = {
    "options": ("choice",),
    "pattern": typed.TEXT_TYPES,
    "min": typed.ORDERED_TYPES,
    "max": typed.ORDERED_TYPES,
}


def _once(mistakes: list[Mistake]) -> list[Mistake]:
    return list(dict.fromkeys(mistakes))
