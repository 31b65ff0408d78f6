"""The programs that a runbook names outright, as far as its text says so: what a machine needs to run it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runbooks import shell_text
from runbooks.document import ArgvTemplate, Runbook
from runbooks.quoting import Script

_SHELL = frozenset(
    ["alias", "bg", "break", "builtin", "case", "cd", "command", "continue", "declare", "dirs", "disown", "do", "done", "echo", "elif", "else", "enable", "esac", "eval", "exec", "exit", "export", "false", "fg", "fi", "for", "function", "getopts", "hash", "help", "if", "in", "jobs", "kill", "let", "local", "mapfile", "popd", "printf", "pushd", "pwd", "read", "readarray", "readonly", "return", "set", "shift", "shopt", "source", "test", "then", "time", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "while", "[", "[[", "]]", "{", "}", "!", ":", "."]
)  # fmt: skip
_BEFORE = frozenset(
    [
        "command",
        "exec",
        "env",
        "nice",
        "nohup",
        "setsid",
        "sudo",
        "time",
        "timeout",
        "!",
        "then",
        "do",
        "else",
        "if",
        "while",
        "until",
        "elif",
    ]
)
_FUNCTION = re.compile(r"([\w.-]+) ?\(\)")


def named(book: Runbook) -> set[str]:
    """The programs that the runbook names outright; what a script defines itself, or guards by `command -v`, is none."""
    defined = set(
        _FUNCTION.findall(book.text)
    )  # wherever: a script may be handed its functions in a variable
    found: set[str] = set()
    for step in book.walk():
        for command in (
            step.run,
            step.verify and step.verify.run,
            step.undo and step.undo.run,
            step.check and step.check.run,
            step.watch and step.watch.run,
        ):
            if isinstance(command, Script):
                words = set(_in_script(command.text)) - defined
                found |= {word for word in words if f"command -v {word}" not in book.text}
            elif isinstance(command, ArgvTemplate):
                first = command[0]
                if first.text is not None and "$" not in first.text:
                    found.add(first.text)
    return found


def _in_script(text: str) -> Iterator[str]:
    for one in shell_text.commands(text):
        words = [word.text for word in one.words]
        if len(words) == 1 and (one.after in ("|", ")") or one.before == "|"):
            continue  # it may be a pattern of `case`
        if words[1:2] == ["="] or (words and text[: one.words[0].at].endswith("=(")):
            continue  # `for (( at = 1; …`, and the words of an array
        program = _program([word.text for word in one.names()])
        if len(program) > 1:
            yield program


def _program(words: list[str]) -> str:
    """The program of a simple command, if it is written out; assignments and words before it are passed over."""
    after = False
    for word in words:
        name, equals, _ = word.partition("=")
        if word in ("-v", "-V") or (equals and name.replace("_", "a").isalnum()):
            if not equals:
                return ""  # `command -v` only looks
            continue
        if word in _BEFORE or (after and (word[0] == "-" or word[0].isdigit())):
            after = True
            continue
        plain = word.translate(str.maketrans("", "", "-_./+")).isalnum()
        return word if plain and word not in _SHELL and word[0] != "-" and not word[0].isdigit() else ""
    return ""
