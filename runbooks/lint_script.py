"""The lint rules for scripts: where data becomes words or options, what is left or removed, where a check lies."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from runbooks import shell_text
from runbooks.lint_code import Found, code_word, data_as_code, is_one, program_of
from runbooks.lint_taint import ASSIGNING, ONE_WORD, TESTS, along
from runbooks.shell_text import Command, Word

NEVER_AN_OPTION = ONE_WORD | {"path", "host"}
_SUDO_WITH_VALUE = frozenset("CDRTUghpru")  # single letters after which another word belongs to the option
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
    for command, known in along(commands, data):
        yield from data_as_code(command, known)
        yield from _words(command, known)
        yield from _inner(command, data)
        yield from _services(command)
        yield from _removes(command)
        yield from _unbounded(command)
    yield from _stays(commands, data)


def missing(commands: Sequence[Command], nobody: Collection[str]) -> Iterator[Found]:
    """A diagnosis that looks at variables of inputs that nobody has given when a machine is looked at."""
    for command in commands:
        for use in (use for word in command.words for use in word.uses if use.name in nobody):
            cure = "let the step find candidates itself, and offer the input"
            yield use.at, f"nobody has given {use.name} when a machine is looked at", cure, "error"


def _inner(command: Command, data: Mapping[str, str]) -> Iterator[Found]:
    """A script within the script, where it is plain text: `bash -c '…'`."""
    code = code_word(command.names())
    if code is None or code.uses or not re.fullmatch(r"'[^']*'", code.text):
        return
    for at, what, cure, severity in problems(shell_text.commands(code.text[1:-1]), data):
        yield code.at + 1 + at, what, cure, severity


def _stays(commands: Sequence[Command], data: Mapping[str, str]) -> Iterator[Found]:
    """`cd ""` stays where it is, and what then removes `./*` removes what is there."""
    for at, command in enumerate(commands):
        names = command.names()
        word = names[-1] if len(names) > 1 else None
        if program_of(command) != "cd" or word is None or len(word.uses) != 1:
            continue
        name = word.uses[0].name
        if (
            is_one(word)
            and data.get(name, "path") not in NEVER_AN_OPTION
            and any(map(_removes_here, commands[at + 1 :]))
        ):
            what = f"where {name} is empty cd stays where it is, and what is removed then is there"
            yield word.at, what, f"write ${{{name}:?}}, which ends the script then", "warning"


def _removes_here(command: Command) -> bool:
    return program_of(command) == "rm" and any(
        word.text.lstrip("\"'")[:1] in (".", "*") for word in command.names()[1:]
    )


def _words(command: Command, data: Mapping[str, str]) -> Iterator[Found]:
    names = command.names()
    program = program_of(command)
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
    if command.after != "&" or not command.names() or program_of(command) in ("}", "done", "fi", "esac"):
        return
    signs = [sign.lstrip("0123456789") for sign in command.redirects]
    out = any(sign in (">", ">>", ">|", "&>", "&>>") for sign in signs)
    both = any(sign.startswith(("2>", "&>")) for sign in command.redirects)
    if not (out and both and {"<", "<&"} & set(signs)):
        what = "what runs on in the background keeps the step's output open"
        yield command.words[0].at, what, "send it elsewhere: >FILE 2>&1 </dev/null &", "warning"


def _removes(command: Command) -> Iterator[Found]:
    """`rm -r "$X/…"` removes everything where X is empty."""
    if program_of(command) != "rm":
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
    program = program_of(command)
    bound = unbounded(program, [word.text for word in names[1:]])
    if bound is not None:
        yield names[0].at, *bound, "warning"


def lies(commands: Sequence[Command]) -> Iterator[Found]:
    """Forms in which a check that failed looks like an answer."""
    for command in commands:
        names = command.names()
        program = program_of(command)
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
