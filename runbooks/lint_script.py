"""The lint rules for scripts: where data becomes code, words or options, and where a check lies about an act."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from runbooks.shell_text import Command, Use, Word

Found = tuple[int, str, str, str]  # offset, what is wrong, what to do, error or warning

# Their texts are digits, or one word: neither arithmetic nor word splitting can make more of them.
ONE_WORD = frozenset(("int", "bytes", "bool", "number", "percent", "duration"))
NEVER_AN_OPTION = ONE_WORD | {"path", "host"}
_SUDO_WITH_VALUE = frozenset("CDRTUghpru")  # single letters after which another word belongs to the option
SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "su", "runuser"))
TESTS = frozenset(("test", "[", "[["))
ARITHMETIC_TESTS = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge"))
ASSIGNING = frozenset(
    ("declare", "local", "typeset", "export", "readonly")
)  # their `x=$y` is no word to split
# Programs that take paths and options, and `--` between them.
TAKES_PATHS = frozenset(
    (
        "cat",
        "chgrp",
        "chmod",
        "chown",
        "cp",
        "df",
        "du",
        "grep",
        "head",
        "install",
        "ln",
        "ls",
        "mkdir",
        "mv",
        "rm",
    )
) | {"rmdir", "sed", "shred", "sort", "stat", "tail", "tee", "touch", "truncate", "unlink", "wc"}


def problems(commands: Sequence[Command], data: Mapping[str, str]) -> Iterator[Found]:
    """`data` are the variables whose values come from outside, with their types."""
    for command in commands:
        yield from _data_as_code(command, data)
        yield from _words(command, data)
        yield from _services(command)
        yield from _removes(command)
        yield from _unbounded(command)


def missing(commands: Sequence[Command], nobody: Collection[str]) -> Iterator[Found]:
    """A diagnosis that looks at variables of inputs that nobody has given when a machine is looked at."""
    for command in commands:
        for use in (use for word in command.words for use in word.uses if use.name in nobody):
            cure = "let the step find candidates itself, and offer the input"
            yield use.at, f"nobody has given {use.name} when a machine is looked at", cure, "error"


def _program(command: Command) -> str:
    names = command.names()
    return posixpath.basename(names[0].text) if names else ""


def _data_as_code(command: Command, data: Mapping[str, str]) -> Iterator[Found]:
    names = command.names()
    program = _program(command)
    if program == "eval":
        yield (
            names[0].at,
            "`eval` runs data as code",
            "call the program itself; an array holds arguments",
            "error",
        )
    code = _code_word(program, names)
    if code is not None and any(use.name in data for use in code.uses):
        cure = 'hand it over behind the script: sh -c \'… "$1"\' sh "$IN_NAME"'
        yield code.at, "data becomes part of a program's text here", cure, "error"
    for word in command.words:
        for use in word.uses:
            if use.name not in data or data[use.name] in ONE_WORD:
                continue
            if use.how == "indirect":
                yield use.at, f"${{!{use.name}}} runs what its value names", "use the value itself", "error"
            elif use.how == "arithmetic" or _computed(command, word, use):
                what = f"arithmetic evaluates the text of {use.name}, and a text such as a[$(cmd)] runs a command"
                yield use.at, what, _typed(use.name), "error"


def _typed(name: str) -> str:
    return "give the input the type int" if name.startswith("IN_") else "take it from a value of type int"


def _code_word(program: str, names: Sequence[Word]) -> Word | None:
    if program in SHELLS:
        for flag, word in itertools.pairwise(names[1:]):
            if re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", flag.text):
                return word
    if program == "ssh":
        return next((word for word in names[2:] if word.uses and not word.text.startswith("-")), None)
    return None


def _computed(command: Command, word: Word, use: Use) -> bool:
    """Is the variable an operand of arithmetic in `[[ ]]`, of `let`, or a name that `-v`, `unset`, `printf -v` read?"""
    names = command.names()
    texts = [name.text for name in names]
    if not texts or word not in names:
        return False
    at = names.index(word)
    if texts[0] == "let":
        return at > 0
    if texts[0] == "unset" or (texts[0] == "printf" and at == 2 and texts[1] == "-v"):
        return at > 0
    if texts[0] == "[[" and {*texts[at - 1 : at], *texts[at + 1 : at + 2]} & ARITHMETIC_TESTS:
        return True
    return texts[0] in TESTS and texts[at - 1] == "-v"


def _words(command: Command, data: Mapping[str, str]) -> Iterator[Found]:
    names = command.names()
    program = _program(command)
    ended = False
    for place, word in enumerate(names):
        ended = ended or word.text == "--"
        for use in word.uses:
            if use.how != "bare" or use.name not in data or data[use.name] in ONE_WORD:
                continue
            if program == "case" or (program in ASSIGNING and "=" in word.text[: use.at - word.at]):
                continue
            what = f"${use.name} without quotes is cut at spaces, and * in it finds files"
            if program == "for":
                yield use.at, what, "read lines into an array: mapfile -t", "warning"
            else:
                yield use.at, what, f'write "${use.name}"', "error"
        option = _begins_with(word, data)
        if option and place and not ended and program in TAKES_PATHS:
            yield word.at, f"{option} may begin with -", f"write {program} … -- before it", "warning"
    if program == "sudo" and not sudo_asks_nothing([word.text for word in names[1:]]):
        yield names[0].at, "sudo has no terminal to ask for a password", "write sudo -n", "warning"


def _begins_with(word: Word, data: Mapping[str, str]) -> str | None:
    """The variable that the word begins with, where its value may begin with `-`."""
    for use in word.uses[:1]:
        if use.at - word.at <= 1 and use.name in data and data[use.name] not in NEVER_AN_OPTION:
            return use.name
    return None


def sudo_asks_nothing(arguments: Sequence[str]) -> bool:
    """Has sudo `-n` among its own options?"""
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif not argument.startswith("-"):
            return False
        elif argument == "--non-interactive" or re.fullmatch(r"-[A-Za-z]*n[A-Za-z]*", argument):
            return True
        else:
            skip = argument[1:] in _SUDO_WITH_VALUE
    return False


def _services(command: Command) -> Iterator[Found]:
    """What stays in the background keeps the step's output open."""
    if command.after != "&" or not command.names() or _program(command) in ("}", "done", "fi", "esac"):
        return
    signs = [sign.lstrip("0123456789") for sign in command.redirects]
    out = any(sign in (">", ">>", ">|", "&>", "&>>") for sign in signs)
    both = any(sign.startswith(("2>", "&>")) for sign in command.redirects)
    if not (out and both and {"<", "<&"} & set(signs)):
        what = "what runs on in the background keeps the step's output open"
        yield command.words[0].at, what, "send it elsewhere: >FILE 2>&1 </dev/null &", "warning"


def _removes(command: Command) -> Iterator[Found]:
    """`rm -r "$X/…"` removes everything where X is empty."""
    if _program(command) != "rm":
        return
    names = command.names()
    if not any(re.fullmatch(r"-[A-Za-z]*[rR][A-Za-z]*|--recursive", word.text) for word in names[1:]):
        return
    for word in names[1:]:
        first = word.uses[0] if word.uses else None
        rest = word.text.replace('"', "")
        if first is None or first.at - word.at > 2 or rest.startswith("${" + first.name + ":?"):
            continue
        if "/" in rest:
            what = f"where {first.name} is empty this removes from the root of the filesystem"
            yield word.at, what, f"write ${{{first.name}:?}}, which ends the script then", "warning"


# program -> how a call of it is bounded
BOUNDS = {
    "curl": ("-m", "--max-time"), "wget": ("-T", "--timeout"), "nc": ("-w",), "ncat": ("-w", "--wait"),
    "redis-cli": ("-t",),
}  # fmt: skip


def unbounded(program: str, words: Sequence[str]) -> tuple[str, str] | None:
    """What is wrong with a call over the network that nothing bounds, and the cure; None where a word bounds it."""
    bounds = BOUNDS.get(program, ())
    if not bounds or any(word.partition("=")[0] in bounds or _short(word, bounds) for word in words):
        return None
    what = f"{program} waits for a server that does not answer, as long as the step may"
    return what, f"give it a bound: {bounds[-1]}"


def _short(word: str, bounds: Sequence[str]) -> bool:
    """`-m5`, and `-sm 5`: letters of one dash."""
    letters = [bound[1] for bound in bounds if len(bound) == 2]
    return word[:1] == "-" and word[1:2] != "-" and any(letter in word[1:] for letter in letters)


def _unbounded(command: Command) -> Iterator[Found]:
    names = command.names()
    program = _program(command)
    bound = unbounded(program, [word.text for word in names[1:]])
    if bound is not None:
        yield names[0].at, *bound, "warning"


def lies(commands: Sequence[Command]) -> Iterator[Found]:
    """Forms in which a check that failed looks like an answer."""
    for command in commands:
        names = command.names()
        program = _program(command)
        if program in TESTS:
            for word in names[1:]:
                if word.command:
                    what = f"a command that fails inside `{names[0].text}` is not noticed, only compared"
                    yield (
                        word.at,
                        what,
                        "assign it first: x=$(cmd), which ends the script when cmd fails",
                        "error",
                    )
        if command.negated:
            what = "`!` turns every error of the command into yes"
            yield command.at, what, "run it plainly and tell its exits apart with case $?", "error"
        if command.before == "||" and program == "exit":
            yield (
                names[0].at,
                "`|| exit` takes every error for one answer",
                "tell the exits apart with case $?",
                "error",
            )
        if command.before in ("|", "|&") and program in ("grep", "egrep", "fgrep", "head"):
            quiet = program == "head" or any(
                re.fullmatch(r"-[A-Za-z]*q[A-Za-z]*|--quiet", w.text) for w in names[1:]
            )
            if quiet:
                what = f"`| {program}` stops reading early, and pipefail makes that an error of the writer"
                yield names[0].at, what, "assign the output first, then look at it", "error"
