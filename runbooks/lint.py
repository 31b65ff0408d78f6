"""What the loader accepts and an author will regret at 3 a.m.: data that becomes code, checks that lie, no bounds.

An error is wrong in every case that we know; a warning has exceptions. Each names its place and its cure.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from incidents import hosts
from incidents.errors import BadInput, Mistake
from incidents.hosts import Hosts
from incidents.yamlfile import place_in_block
from runbooks import exact, inputs, lint_code, lint_script, lint_taint, shell_text
from runbooks.document import ArgvTemplate, Diagnosis, Program, Runbook, Step, Uses, Verify
from runbooks.expressions import Expr, Template, references
from runbooks.quoting import Script

# Programs for which exit 1 is an answer, and only 2 and above are errors.
ANSWERS_WITH_ONE = frozenset(("grep", "egrep", "fgrep", "cmp", "diff"))
# Programs that run their arguments as code: the option after which it comes.
INTERPRETERS = {
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "su", "runuser"), "c"),
    **dict.fromkeys(("python", "python3"), "c"),
    **dict.fromkeys(("perl", "ruby", "node"), "e"),
}
_FIRST = re.compile(r"\^?(\[[^\]]+\]|[\w/.])")  # what a pattern begins with, where that is plain to see
NEVER_AN_OPTION = frozenset(
    ("path", "host", "bool", "bytes", "duration", "int", "number", "percent", "secret")
)


class Finding(NamedTuple):
    """A Mistake whose `severity` is error or warning."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        return str(Mistake(*self[:5]))


class _Part(NamedTuple):
    """One command of a step, with what is asked of it."""

    step: Step | Diagnosis
    command: Program
    part: str  # diagnose, run, verify, undo, undo verify, check, watch
    verify: Verify | None = None


def lint(runbook: Runbook, known: Hosts | None = None) -> list[Finding]:
    """Everything found, in the order of the file. The runbook itself is well-formed, else it would not be here.
    `known` are the hosts of howdah.yaml, where there is one."""
    return sorted(set(_Linter(runbook, known).findings()))


class _Linter:
    def __init__(self, runbook: Runbook, known: Hosts | None):
        self.runbook = runbook
        self.known = known
        self.lines = runbook.text.split("\n")
        self.looked_at = list(_expressions(runbook))

    def findings(self) -> Iterator[Finding]:
        for diagnosis in self.runbook.diagnose:
            part = _Part(diagnosis, diagnosis.run, "diagnose")
            yield from (
                self.script(part) if isinstance(part.command, Script) else self.argv(part, part.command)
            )
        for step in self.runbook.walk():
            if self.runbook.scope(step.path) is not None:
                continue  # it is found in its own file
            yield from self.step(step)
            yield from self.relied_on(step)
            yield from self.hosts(step)
            yield from self.kept(step)
            for part in parts(step):
                yield from (
                    self.script(part) if isinstance(part.command, Script) else self.argv(part, part.command)
                )
                if part.verify is not None:
                    yield from self.verify(part.verify)

    def at(self, line: int, column: int, message: str, hint: str, severity: str = "error") -> Finding:
        return Finding(self.runbook.path, line, column, message, hint, severity)

    def step(self, step: Step) -> Iterator[Finding]:
        if step.kind == "run" and step.effect == "unsafe" and step.timeout is None:
            what = "an unsafe step without `timeout` is never stopped by the clock"
            yield self.at(*step.where, what, "give it a bound that is far too long", "warning")
        if step.undo is not None and step.undo.effect == "unsafe" and step.undo.timeout is None:
            what = "an unsafe undo without `timeout` is never stopped by the clock"
            yield self.at(*step.where, what, "give the undo a bound that is far too long", "warning")
        if step.verify is not None and step.effect == "read":
            what = "a step that only reads has nothing to verify"
            yield self.at(*step.where, what, "take the verify out, or correct the effect", "warning")

    def relied_on(self, step: Step) -> Iterator[Finding]:
        """An unsafe step whose doubt nobody can resolve, although later steps build on it."""
        if step.kind != "run" or step.effect != "unsafe" or step.verify is not None or step.id is None:
            return
        own = f"steps.{step.id}"
        for expr in self.looked_at:
            if any(name == own or name.startswith(own + ".") for name in references(expr)):
                what = f"line {expr.place.line} relies on `{step.id}`, which is unsafe and has no verify"
                cure = "add one, else its doubt can only be answered by a person"
                yield self.at(*step.where, what, cure, "warning")
                return

    def hosts(self, step: Step) -> Iterator[Finding]:
        """Names in `targets` that no host and no role has."""
        if self.known is None or step.targets is None:
            return
        for item in step.targets.hosts:
            try:
                hosts.choose([] if item.expressions else [item.text], self.known)
            except BadInput as problem:
                yield self.template(item, problem.message, problem.hint or "")

    def kept(self, step: Step) -> Iterator[Finding]:
        """Numbers that the record holds as text, where nothing tells that they are numbers."""
        if isinstance(step.run, Uses) and step.run.action == "set":
            for name, one in step.run.given.items():
                if isinstance(one, list | dict) and _fractions(one):
                    what = f"a number with a fraction inside `{name}` becomes a text"
                    cure = "give it a name of its own; by itself it stays a number"
                    yield self.at(*step.where, what, cure, "warning")

    # -- argv ------------------------------------------------------------------------------------------------

    def argv(self, part: _Part, argv: ArgvTemplate) -> Iterator[Finding]:
        if argv[0].expressions:
            yield self.template(
                argv[0], "the program itself comes from data", "name the program, hand data to it"
            )
        code, words = _code(argv), [item.text for item in argv]
        statement = lint_code.statement(words)
        yield from self.text_of(part, argv, words, statement)
        ended = False
        for place, item in enumerate(argv):
            ended = ended or item.text == "--"
            if not item.expressions:
                continue
            if place in code:
                cure = "hand it over as an argument of its own, or in env:"
                yield self.template(item, "data becomes part of a program's text here", cure)
            elif (
                place and not ended and not code and place != statement and self.may_be_option(item.parts[0])
            ):
                cure = "put -- before it, or give the input a type or pattern that rules it out"
                yield self.template(item, "this argument may begin with -", cure, "warning")
            if any(self.secret(expr) for expr in item.expressions):
                cure = "every account of the machine sees arguments: hand it over in env:"
                yield self.template(item, "a secret stands in an argument", cure, "warning")
        program = posixpath.basename(words[0])
        if bound := lint_script.unbounded(program, words[1:]):
            yield self.template(argv[0], *bound, "warning")
        if program == "sudo" and not lint_script.sudo_asks_nothing(words[1:]):
            what = "sudo has no terminal to ask for a password"
            yield self.template(argv[0], what, "write sudo -n", "warning")

    def text_of(
        self, part: _Part, argv: ArgvTemplate, words: list[str], statement: int | None
    ) -> Iterator[Finding]:
        """The arguments that are a program's text: a script for a shell, a statement, the format of printf."""
        if statement is not None and self.more_than_a_word(argv[statement]):
            cure = "let the server bind it: `uses: sql` with params"
            yield self.template(argv[statement], "data becomes part of a statement's text here", cure)
        if posixpath.basename(words[0]) == "printf" and len(argv) > 1 and self.more_than_a_word(argv[1]):
            what = "data is the format of printf: a % in it is read as one"
            yield self.template(argv[1], what, "write '%s' before it")
        for place in _code(argv, lint_code.SHELLS):
            if argv[place].expressions:
                continue
            for _, message, hint, severity in self.found(part, argv[place].text, whole=False):
                yield self.template(argv[place], message, hint, severity)

    def more_than_a_word(self, item: Template) -> bool:
        """Does it hold data whose type does not make it digits, or one word?"""
        types = [one.types.get(name, "string") for one in item.expressions for name in references(one)]
        return any(type not in lint_taint.ONE_WORD for type in types)

    def template(self, item: Template, message: str, hint: str, severity: str = "error") -> Finding:
        return self.at(item.place.line, item.place.column, message, hint, severity)

    def may_be_option(self, first: str | Expr) -> bool:
        """Could a text that begins so begin with `-`? By the types, options and patterns of what it looks at."""
        if isinstance(first, str):
            return False
        return any(self.name_may(name, first.types.get(name, "string")) for name in references(first))

    def name_may(self, name: str, type: str) -> bool:
        spec = self.runbook.inputs.get(name.removeprefix("inputs."))
        if type in NEVER_AN_OPTION or spec is None:
            return type not in NEVER_AN_OPTION
        if spec.options:
            return any(option.startswith("-") for option in spec.options)
        first = _FIRST.match(spec.pattern) if spec.pattern else None
        return first is None or re.fullmatch(first[1], "-") is not None

    def secret(self, expr: Expr) -> bool:
        return any(expr.types.get(name) == "secret" for name in references(expr))

    # -- scripts ---------------------------------------------------------------------------------------------

    def script(self, part: _Part) -> Iterator[Finding]:
        script = part.command
        assert isinstance(script, Script)
        for at, message, hint, severity in self.found(part, script.text, whole=True):
            yield self.at(*self.place(script, at), message, hint, severity)

    def found(self, part: _Part, text: str, *, whole: bool) -> list[lint_code.Found]:
        """`whole`: it is the script itself, with our own options, and not one that an argument holds."""
        commands = shell_text.commands(text)
        found = list(lint_script.problems(commands, self.data(part.step)))
        if whole and part.part in ("verify", "undo verify"):
            found += lint_script.lies(commands)
        if part.part == "diagnose":
            nobody = {
                inputs.variable(n) for n, s in self.runbook.inputs.items() if s.required or s.type == "secret"
            }
            found += lint_script.missing(commands, nobody)
        return found

    def data(self, step: Step | Diagnosis) -> dict[str, str]:
        """The variables of a step that hold data, with their types."""
        held = {inputs.variable(name): spec.type for name, spec in self.runbook.inputs.items()}
        held |= {
            inputs.variable(n) + "_LINES": "string"
            for n, s in self.runbook.inputs.items()
            if s.type == "list"
        }
        for name, template in step.env.items():
            if template.expressions:
                names = references(template.lone) if template.lone is not None else set()
                known = [template.lone.types.get(n) for n in names] if template.lone is not None else []
                held[name] = (
                    (known[0] or "string") if len(known) == 1 and template.lone is not None else "string"
                )
        return held

    def place(self, script: Script, at: int) -> tuple[int, int]:
        if script.literal:
            return place_in_block(self.lines, script.line, script.text, at)
        return script.line, script.column

    # -- verify ----------------------------------------------------------------------------------------------

    def verify(self, verify: Verify) -> Iterator[Finding]:
        assert not isinstance(verify.run, Uses)
        program, plain = _plain_program(verify.run)
        line, column = _where(verify.run)
        if 1 in verify.no and not (plain and program in ANSWERS_WITH_ONE):
            what = "exit 1 is the number of every error: `no: [1]` would take one for `it did not happen`"
            cure = "let the script exit 10 where it knows that it did not happen, and write no: [10]"
            yield self.at(line, column, what, cure)
        if verify.no - {1} and program in ANSWERS_WITH_ONE and plain:
            yield self.at(line, column, f"{program} exits above 1 on an error", "write no: [1]")


def _fractions(value: object) -> bool:
    if isinstance(value, list | dict):
        return any(map(_fractions, value.values() if isinstance(value, dict) else value))
    return exact.is_number(value) and not isinstance(value, int)


def _expressions(value: object) -> Iterator[Expr]:
    """Every expression in the steps of a runbook; those of a runbook inside of it are that one's."""
    if isinstance(value, Runbook):
        yield from _expressions((value.steps, value.rescue, value.always))
    elif isinstance(value, Expr):
        yield value
    elif isinstance(value, Template):
        yield from value.expressions
    elif isinstance(value, Step) and value.sub is not None:
        yield from _expressions((value.sub.given, value.if_, value.require, value.confirm))
    elif isinstance(value, Mapping):
        yield from (one for item in value.values() for one in _expressions(item))
    elif isinstance(value, tuple | list) and not isinstance(value, Script):
        yield from (one for item in value for one in _expressions(item))


def parts(step: Step) -> Iterator[_Part]:
    """The programs of a step; an action has a table of its own that it was read by."""
    check, verify, undo, watch = step.check, step.verify, step.undo, step.watch
    back = undo.verify if undo is not None else None
    for command, part, asks in (
        (step.run, "run", None), (check and check.run, "check", None), (verify and verify.run, "verify", verify),
        (undo and undo.run, "undo", None), (back and back.run, "undo verify", back),
        (watch and watch.run, "watch", None),
    ):  # fmt: skip
        if command is not None and not isinstance(command, Uses):
            yield _Part(step, command, part, asks)


def _where(command: Program) -> tuple[int, int]:
    if isinstance(command, Script):
        return command.line, command.column
    return command[0].place.line, command[0].place.column


def _plain_program(command: Program) -> tuple[str, bool]:
    """The program, and whether nothing else takes part in the exit."""
    if not isinstance(command, Script):
        return posixpath.basename(command[0].text), True
    commands = shell_text.commands(command.text)
    if len(commands) != 1 or commands[0].negated or not commands[0].names():
        return "", False
    names = commands[0].names()
    plain = (
        names == commands[0].words
        and not any(word.command for word in names)
        and commands[0].after in ("", "\n")
    )
    return posixpath.basename(names[0].text), plain


def _code(argv: ArgvTemplate, programs: Collection[str] = ("ssh", *INTERPRETERS)) -> set[int]:
    """The places of the arguments that one of these programs runs as code, here or at the far end of ssh."""
    places: set[int] = set()
    for at, item in enumerate(argv):
        program = posixpath.basename(item.text)
        if program not in programs:
            continue
        if program == "ssh" and at <= 2:
            places |= set(range(at + 1, len(argv)))
        flag = INTERPRETERS.get(program)
        if flag is None:
            continue
        for place in range(at + 1, len(argv) - 1):
            option = argv[place].text
            if option.startswith("-") and not option.startswith("--") and flag in option[1:]:
                places.add(place + 1)
                break
    return places
