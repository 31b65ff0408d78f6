"""The lint rules for data that becomes code: as a script, a statement, arithmetic, a format, a file that is sourced."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from runbooks.lint_taint import ONE_WORD, TESTS
from runbooks.shell_text import Command, Use, Word

Found = tuple[int, str, str, str]  # offset, what is wrong, what to do, error or warning

SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "su", "runuser"))
ARITHMETIC_TESTS = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge"))
STARTERS = frozenset(
    (
        "sudo",
        "env",
        "find",
        "xargs",
        "timeout",
        "nohup",
        "setsid",
        "flock",
        "nice",
        "ionice",
        "exec",
        "command",
        "chroot",
    )
)  # what they are given they start
# Clients of databases: the option after which a statement comes.
CLIENTS = {
    "psql": r"-[AbeEnqstwxX1]*c|--command", "mysql": r"-[ABfNnqrstvw]*e|--execute", "mariadb": r"-[ABfNnqrstvw]*e|--execute",
}  # fmt: skip


def program_of(command: Command) -> str:
    names = command.names()
    return posixpath.basename(names[0].text) if names else ""


def data_as_code(command: Command, data: Mapping[str, str]) -> Iterator[Found]:
    names = command.names()
    program = program_of(command)
    if program == "eval":
        yield (
            names[0].at,
            "`eval` runs data as code",
            "call the program itself; an array holds arguments",
            "error",
        )
    code = code_word(names)
    meant = program in STARTERS and code is not None and is_one(code)  # `env -i bash -c "$IN_COMMAND"`
    if code is not None and not meant and any(use.name in data for use in code.uses):
        cure = 'hand it over behind the script: sh -c \'… "$1"\' sh "$IN_NAME"'
        yield code.at, "data becomes part of a program's text here", cure, "error"
    yield from _as_text(names, program, data)
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


def code_word(names: Sequence[Word]) -> Word | None:
    """The word that a shell runs as its script, here or at the far end of ssh."""
    names = _run_by(names)
    program = posixpath.basename(names[0].text) if names else ""
    if program in SHELLS:
        for flag, word in itertools.pairwise(names[1:]):
            if re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", flag.text):
                return word
    if program == "ssh":
        return next((word for word in names[2:] if word.uses and not word.text.startswith("-")), None)
    return None


def _run_by(names: Sequence[Word]) -> Sequence[Word]:
    """The words from the shell on that a program such as sudo starts."""
    if not names or posixpath.basename(names[0].text) not in STARTERS:
        return names
    return next(
        (names[at:] for at, word in enumerate(names) if posixpath.basename(word.text) in SHELLS), names
    )


def _as_text(names: Sequence[Word], program: str, data: Mapping[str, str]) -> Iterator[Found]:
    """Data as the text of a statement, as the format of printf, as the name of a file that is run."""

    def held(word: Word) -> list[str]:
        return [data[use.name] for use in word.uses if data.get(use.name, "int") not in ONE_WORD]

    query = statement([word.text for word in names])
    if query is not None and held(names[query]):
        cure = "let the server bind it: `uses: sql` with params"
        yield names[query].at, "data becomes part of a statement's text here", cure, "error"
    if program == "printf":
        place = 3 if len(names) > 3 and names[1].text == "-v" else 1
        place += 1 if len(names) > place + 1 and names[place].text == "--" else 0
        if len(names) > place and held(names[place]):
            yield (
                names[place].at,
                "data is the format of printf: a % in it is read as one",
                "write printf '%s' before it",
                "error",
            )
    if program in ("source", ".") and len(names) > 1 and (kinds := held(names[1])):
        severity = "warning" if set(kinds) == {"path"} else "error"
        yield (
            names[1].at,
            f"`{program}` runs as code whatever file the data names",
            "read values out of it: they stay data",
            severity,
        )


def statement(words: Sequence[str]) -> int | None:
    """The place of the argument that a database's own client runs as a statement."""
    for at, word in enumerate(words):
        option = (
            CLIENTS.get(posixpath.basename(word))
            if at == 0 or posixpath.basename(words[0]) in STARTERS
            else None
        )
        if option is not None:
            found = (
                place + 1 for place in range(at + 1, len(words) - 1) if re.fullmatch(option, words[place])
            )
            return next(found, None)
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


def is_one(word: Word) -> bool:
    """Is the word nothing but one variable?"""
    name = word.uses[0].name if word.uses else ""
    return word.text.strip('"') in (f"${name}", f"${{{name}}}")
