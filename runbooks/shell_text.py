"""A bash script taken apart far enough to lint it: its simple commands, and where it uses variables and how.

This is no shell: nothing is expanded. A text that bash would not read either ends the reading early.
"""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPERATOR = re.compile(r"&&|\|\||;;&|;;|;&|\|&|[;|()\n]|&(?!>)")
_REDIRECT = re.compile(r"(?:[0-9]*)(?:>>|>&|>\||<<<|<<-|<<|<&|<>|>|<)|&>>|&>")
_HEREDOC = re.compile(r"[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|([^\s;|&<>()]+))")
MAX_DEPTH = 20


class Use(NamedTuple):
    """A variable where it is used. `how`: quoted, bare, arithmetic, or indirect (`${!x}`)."""

    name: str
    at: int
    how: str


class Word(NamedTuple):
    """`text` is as written; `uses` are the variables in it; `command` where it holds `$(…)` or backticks."""

    text: str
    at: int
    uses: tuple[Use, ...] = ()
    command: bool = False


class Command(NamedTuple):
    """One simple command. `before` and `after` are the operators around it; `depth` counts the `$(…)` around it."""

    words: tuple[Word, ...]
    redirects: tuple[str, ...]
    before: str
    after: str
    depth: int

    @property
    def at(self) -> int:
        return self.words[0].at

    def names(self) -> tuple[Word, ...]:
        """The words from the program's name on: grammar (`if`, `!`, `{`) and assignments before it are left out."""
        words = self.words
        while words and (words[0].text in GRAMMAR or _assigns(words[0].text)):
            words = words[1:]
        return words

    @property
    def negated(self) -> bool:
        return any(word.text == "!" for word in self.words[: len(self.words) - len(self.names())])


GRAMMAR = frozenset(
    ("if", "then", "elif", "else", "while", "until", "do", "{", "!", "time", "fi", "done", "}", "esac")
)


def _assigns(text: str) -> bool:
    return re.match(r"[A-Za-z_][A-Za-z0-9_]*(\[[^\]]*\])?\+?=", text) is not None


def _in_brackets(words: list[Word]) -> bool:
    """Is a `[[` open? Nothing is split in it, and `&&` does not end it."""
    texts = [word.text for word in words]
    return "[[" in texts and "]]" not in texts


class _Stop(Exception):
    """The text ends in the middle of something."""


def commands(script: str) -> list[Command]:
    """Every simple command of the script, those inside `$(…)` too."""
    scanner = _Scanner(script)
    with contextlib.suppress(_Stop):
        scanner.sequence(0, "", 0)
    return scanner.found


class _Scanner:
    def __init__(self, text: str):
        self.text = text
        self.found: list[Command] = []
        self.heredocs: list[tuple[str, bool]] = []  # delimiter, are leading tabs stripped

    def sequence(self, at: int, end: str, depth: int) -> int:
        """Reads commands up to `end`, `)` of a substitution or nothing; returns where it stopped."""
        if depth > MAX_DEPTH:
            raise _Stop
        words: list[Word] = []
        redirects: list[str] = []
        before = ""
        nested = 0
        while at < len(self.text):
            at = self.blank(at, bool(words))
            if at >= len(self.text):
                break
            if redirect := _REDIRECT.match(self.text, at):
                at = self.redirect(redirect, redirects, depth)
                continue
            if self.text.startswith("((", at) and all(word.text in GRAMMAR for word in words):
                at, word = self.arithmetic_command(at, depth)
                words.append(word)
                continue
            operator = _OPERATOR.match(self.text, at)
            if operator is None:
                at, word = self.word(at, depth, _in_brackets(words))
                words.append(word)
                continue
            sign = operator[0]
            if _in_brackets(words) and sign in ("&&", "||", "(", ")", "\n"):
                words.append(Word(sign, at))  # grammar of [[ ]], not of the list
                at = operator.end()
                continue
            self.end_command(words, redirects, before, sign, depth)
            before, at = sign, operator.end()
            nested += (sign == "(") - (sign == ")")
            if sign == "\n":
                at = self.skip_heredocs(at)
            if sign == ")" and nested < 0 and end == ")":
                return at
        self.end_command(words, redirects, before, "", depth)
        if end:
            raise _Stop
        return at

    def end_command(
        self, words: list[Word], redirects: list[str], before: str, after: str, depth: int
    ) -> None:
        if words:
            self.found.append(Command(tuple(words), tuple(redirects), before, after, depth))
        words.clear()
        redirects.clear()

    def blank(self, at: int, inside: bool) -> int:
        """Past spaces, continued lines and a comment."""
        while at < len(self.text):
            if self.text[at] in " \t":
                at += 1
            elif self.text.startswith("\\\n", at):
                at += 2
            elif self.text[at] == "#" and (at == 0 or self.text[at - 1] in " \t\n;|&()"):
                end = self.text.find("\n", at)
                at = len(self.text) if end < 0 else end
            else:
                break
        return at

    def redirect(self, match: re.Match[str], redirects: list[str], depth: int) -> int:
        sign = match[0].lstrip("0123456789")
        redirects.append(match[0])
        if sign in ("<<", "<<-"):
            delimiter = _HEREDOC.match(self.text, match.end())
            if delimiter is None:
                raise _Stop
            word = next(group for group in delimiter.groups() if group is not None)
            self.heredocs.append((word.replace("\\", ""), sign == "<<-"))
            return delimiter.end()
        at = self.blank(match.end(), True)
        if at < len(self.text) and not _OPERATOR.match(self.text, at):
            at, word = self.word(at, depth, False)
            if word.uses or word.command:  # a target is a word like any other
                self.found.append(Command((Word(match[0], match.start()), word), (), "", "", depth))
        return at

    def skip_heredocs(self, at: int) -> int:
        """Past the bodies that begin here: nothing in them is split or run as a word."""
        for delimiter, strip in self.heredocs:
            while at < len(self.text):
                end = self.text.find("\n", at)
                end = len(self.text) if end < 0 else end
                line = self.text[at:end]
                at = end + 1
                if (line.lstrip("\t") if strip else line) == delimiter:
                    break
        self.heredocs.clear()
        return min(at, len(self.text))

    def word(self, at: int, depth: int, bracket: bool) -> tuple[int, Word]:
        """One word; `bracket`: inside `[[ ]]`, where nothing is split."""
        start = at
        uses: list[Use] = []
        command = False
        bare = "quoted" if bracket else "bare"
        while at < len(self.text):
            sign = self.text[at]
            if sign in " \t\n;|&()<>":
                break
            if sign == "\\":
                at += 2
            elif sign == "'":
                at = self.after("'", at + 1)
            elif self.text.startswith("$'", at):
                at = self.after_ansi(at + 2)
            elif sign == '"':
                at, found, ran = self.double(at + 1, depth)
                uses += found
                command = command or ran
            elif sign in "$`":
                how = "quoted" if _assigns(self.text[start:at]) else bare
                at, found, ran = self.dollar(at, how, depth)
                uses += found
                command = command or ran
            else:
                at += 1
        if at == start:
            at += 1  # a sign that fits nowhere
        return min(at, len(self.text)), Word(self.text[start:at], start, tuple(uses), command)

    def after(self, sign: str, at: int) -> int:
        end = self.text.find(sign, at)
        if end < 0:
            raise _Stop
        return end + 1

    def after_ansi(self, at: int) -> int:
        while at < len(self.text) and self.text[at] != "'":
            at += 2 if self.text[at] == "\\" else 1
        return at + 1

    def double(self, at: int, depth: int) -> tuple[int, list[Use], bool]:
        uses: list[Use] = []
        command = False
        while at < len(self.text):
            sign = self.text[at]
            if sign == '"':
                return at + 1, uses, command
            if sign == "\\":
                at += 2
            elif sign in "$`":
                at, found, ran = self.dollar(at, "quoted", depth)
                uses += found
                command = command or ran
            else:
                at += 1
        raise _Stop

    def dollar(self, at: int, how: str, depth: int) -> tuple[int, list[Use], bool]:
        """`$x`, `${…}`, `$(…)`, `$((…))` and backticks, with the variables in it and whether a command runs."""
        if self.text[at] == "`":
            end = self.after("`", at + 1)
            inner = _Scanner(self.text[: end - 1])
            inner.found = self.found
            inner.sequence(at + 1, "", depth + 1)
            return end, [], True
        if self.text.startswith("$((", at):
            return self.arithmetic(at + 3, depth)
        if self.text.startswith("$(", at):
            return self.sequence(at + 2, ")", depth + 1), [], True
        if self.text.startswith("${", at):
            return self.braces(at, how, depth)
        name = _NAME.match(self.text, at + 1)
        if name is None:
            return at + 1, [], False
        return name.end(), [Use(name[0], at, how)], False

    def arithmetic(self, at: int, depth: int) -> tuple[int, list[Use], bool]:
        """`$((…))` from behind its `((`: every name in it is looked up and evaluated again, with or without `$`."""
        uses: list[Use] = []
        command = False
        level = 0
        while at < len(self.text) and not (level == 0 and self.text.startswith("))", at)):
            sign = self.text[at]
            if sign in "$`":
                at, found, ran = self.dollar(at, "arithmetic", depth)
                uses += found
                command = command or ran
            elif name := _NAME.match(self.text, at):
                uses.append(Use(name[0], at, "arithmetic"))
                at = name.end()
            else:
                level += {"(": 1, ")": -1}.get(sign, 0)
                at += 1
        return at + 2, uses, command

    def arithmetic_command(self, at: int, depth: int) -> tuple[int, Word]:
        end, uses, command = self.arithmetic(at + 2, depth)
        return min(end, len(self.text)), Word("((", at, tuple(uses), command)

    def braces(self, at: int, how: str, depth: int) -> tuple[int, list[Use], bool]:
        """`${…}` with what may follow the name: a subscript or an offset is arithmetic, the rest are words."""
        start = at
        at += 2
        indirect = self.text.startswith("!", at)
        at += 1 if self.text[at : at + 1] in ("!", "#") else 0
        name = _NAME.match(self.text, at)
        uses: list[Use] = []
        command = False
        if name:
            uses.append(Use(name[0], start, "indirect" if indirect else how))
            at = name.end()
        offset = self.text[at : at + 1] == "[" or re.match(r":(?![-=?+])", self.text[at:]) is not None
        while at < len(self.text) and self.text[at] != "}":
            sign = self.text[at]
            if sign == "\\":
                at += 2
            elif sign == "'" and how != "quoted":
                at = self.after("'", at + 1)
            elif sign == '"':
                at, found, ran = self.double(at + 1, depth)
                uses += found
                command = command or ran
            elif sign in "$`":
                at, found, ran = self.dollar(at, "arithmetic" if offset else how, depth)
                uses += [use._replace(how="arithmetic") for use in found] if offset else found
                command = command or ran
            elif offset and (inner := _NAME.match(self.text, at)):
                uses.append(Use(inner[0], at, "arithmetic"))
                at = inner.end()
            else:
                at += 1
        return at + 1, uses, command
