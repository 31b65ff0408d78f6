"""The terminal as a front: who sits there, what they are told while a command works, what they are asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from chatops.surfaces.terminal import draw
from chatops.views import Choice, Text
from chatops.vocabulary import Terminal, Who

if TYPE_CHECKING:
    from incidents.config import Config


class TerminalFront:
    """Answers go to `stdout`; with `json` the lines for people go to `stderr`."""

    name = "terminal"

    def __init__(self, *, json: bool, stdin: TextIO, stdout: TextIO, stderr: TextIO):
        self.json = json
        attended = draw.is_terminal(stdin) and draw.is_terminal(stdout)
        self.terminal: Terminal | None = Terminal(stdin, stdout, stderr, attended)
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr

    def who(self, config: Config) -> Who:
        from incidents import people
        from incidents.events import Actor, Source

        caller = people.at_terminal(config.people, os.environ)
        if caller.shared:
            self.warn(f"recorded as {caller.id}; HOWDAH_AS={'|'.join(caller.shared)} says who you are")
        person = caller.person.name if caller.person else None
        users = tuple(user.name for user in config.people.of_account("unix", caller.account))
        shared = users if len(users) > 1 else ()
        return Who(Actor("human", caller.id), person, caller.zone, Source("terminal"), shared=shared)

    def say(self, line: str) -> None:
        stream = self._stderr if self.json else self._stdout
        draw.show(Text(line), stream)

    def warn(self, line: str) -> None:
        draw.show(Text(f"note: {line}", "warn"), self._stderr)

    def emit(self, document: Mapping[str, Any]) -> None:
        draw.document(document, self._stdout, lines=True)

    def choose(self, choice: Choice) -> str | None:
        """A number or a value, asked for on stderr; an empty line or the end of input is no answer."""
        if self.terminal is None or not self.terminal.attended:
            return None
        draw.show(choice, self._stderr)
        values = [option.value for option in choice.options]
        while True:
            self._stderr.write(f"1-{len(values)}? ")
            self._stderr.flush()
            answer = self._stdin.readline().strip()
            if not answer:
                return None
            if answer in values:
                return answer
            if answer.isascii() and answer.isdecimal() and 1 <= int(answer) <= len(values):
                return values[int(answer) - 1]


def here(*, json: bool) -> TerminalFront:
    """The front on this process's own streams."""
    return TerminalFront(json=json, stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr)
