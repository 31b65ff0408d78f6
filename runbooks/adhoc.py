"""A single command as a runbook of one step: what is done by hand is journaled like what is done by a runbook.

Pure: the text that comes out is kept with the run as any runbook's is. What a person typed is data in it: an argument
arrives at the program letter by letter, whatever it holds.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from incidents.errors import BadInput

STEP = "command"  # the step's id
NAME_LENGTH = 60


def name_of(argv: Sequence[str]) -> str:
    """What the runbook is called: the program and how its arguments begin, on one line."""
    return "do " + shown([os.path.basename(argv[0]) or argv[0], *argv[1:]])


def shown(argv: Sequence[str]) -> str:
    """The command on one line, as long as a name may be."""
    line = "".join(c if c.isprintable() else "?" for c in shlex.join(argv))
    return line if len(line) <= NAME_LENGTH else line[: NAME_LENGTH - 1] + "…"


def text(
    argv: Sequence[str], *, note: str = "", undo: Sequence[str] = (), effect: str = "", timeout: str = "",
    change: tuple[str, str, str] | None = None, reads: tuple[str, str] | None = None, on: Sequence[str] = (),
) -> str:  # fmt: skip
    """The runbook. `change` is what was changed, from which value, to which; in its place `reads` is what howdah reads
    itself: file, unit or redis, and its name. `on` are hosts and roles. Raises BadInput for what is not UTF-8."""
    if not argv or not argv[0].strip():
        raise BadInput("there is no command to run", hint="howdah do -- CMD ARGUMENT…")
    for words in (argv, undo):
        if words and "${{" in words[0]:
            raise BadInput(
                "the name of a program cannot hold ${{", hint="it begins an expression of a runbook"
            )
        for number, word in enumerate(words, 1):
            if not _is_text(word):
                raise BadInput(
                    f"word {number} of the command is not UTF-8, and the record holds text",
                    hint="name the file in another way, such as by a pattern of a shell: -- sh -c '…'",
                )
    if reads is not None and not _is_text(reads[1]):
        raise BadInput(
            f"the name of the {reads[0]} is not UTF-8, and the record holds text",
            hint="--what says in words what is changed",
        )
    lines = ["runbook: 1", f"name: {quoted(name_of(argv))}", "steps:", f"  - id: {STEP}"]
    lines.append(f"    name: {quoted(' '.join(note.split()) or shown(argv))}")
    lines.append(f"    run: {_list(argv)}")
    if on:
        lines.append(f"    targets: {{hosts: {_list(on)}}}")
    if effect:
        lines.append(f"    effect: {effect}")
    if timeout:
        lines.append(f"    timeout: {timeout}")
    if undo:
        lines.append(f"    undo: {{run: {_list(undo)}}}")
    if change is not None:
        what, old, new = map(literal, change)
        lines.append(f"    change: {{what: {quoted(what)}, from: {quoted(old)}, to: {quoted(new)}}}")
    if reads is not None:
        lines.append(f"    change: {{{reads[0]}: {quoted(literal(reads[1]))}}}")
    return "\n".join(lines) + "\n"


def _is_text(word: str) -> bool:
    return not any(0xD800 <= ord(c) <= 0xDFFF for c in word)


def split(command: str) -> list[str]:
    """One text as words, by a shell's rules for quotes alone. Raises BadInput."""
    try:
        words = shlex.split(command)
    except ValueError:
        raise BadInput(f"a quote is not closed in {command!r}", hint="--undo 'mv \"a b\" c'") from None
    if not words:
        raise BadInput("--undo names no command", hint="--undo 'systemctl start app'")
    return words


def _list(argv: Sequence[str]) -> str:
    return "[" + ", ".join(quoted(literal(word)) for word in argv) + "]"


def literal(text: str) -> str:
    """What `${{` begins is an expression; here it is only letters. An argument may be empty or blank."""
    return text.replace("${{", "${{ '$' }}{{") if text.strip() else text + "${{ '' }}"


def quoted(text: str) -> str:
    """A YAML scalar in double quotes (YAML 1.2, section 5.7)."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text) + '"'


def _escaped(char: str) -> str:
    code = ord(char)
    if char in '"\\':
        return "\\" + char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
