"""Reading one file: its mistakes, each with its place, and its texts and expressions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from incidents.errors import Mistake, Mistakes
from incidents.yamlfile import Node
from runbooks import expressions, inputs
from runbooks.expressions import Expr, Place, Template
from runbooks.grammar import Unreadable
from runbooks.quoting import Script
from runbooks.typed import MAX_TEXT

MOST_MISTAKES = 500  # of one file; whoever wrote more wrote another format


class Use(NamedTuple):
    """An expression as it stands in the file: under which key, in which part of which step (ordinal in the file,
    -1 outside of steps)."""

    expr: Expr
    key: str
    part: str  # step, verify, undo, check or wait
    step: int
    node: Node


class Reader:
    """Collects the mistakes of one file, and the expressions found in it, for the checks that need the whole."""

    def __init__(self, file: str):
        self.file = file
        self.mistakes: list[Mistake] = []
        self.types: dict[str, str] = {}  # shared by every Expr; filled as inputs and outputs are read
        self.uses: list[Use] = []
        self.step = -1
        self.part = "step"
        self.key = ""  # what expressions are noted under, where that is not the key they stand at

    @contextlib.contextmanager
    def inside(self, part: str) -> Iterator[None]:
        """Expressions read in the block belong to this part of the step."""
        before, self.part = self.part, part
        try:
            yield
        finally:
            self.part = before

    @contextlib.contextmanager
    def noting(self, key: str) -> Iterator[None]:
        """Expressions read in the block stand, for the checks, at this key."""
        before, self.key = self.key, key
        try:
            yield
        finally:
            self.key = before

    def wrong(self, node: Node, message: str, hint: str = "", *, offset: int = 0) -> None:
        line, column = node.place(offset)
        self.mistakes.append(Mistake(self.file, line, column, message, hint))
        if len(self.mistakes) >= MOST_MISTAKES:
            cure = "mend these first: the rest of the file was not looked at"
            raise Mistakes(
                [*self.mistakes, Mistake(self.file, line, column + 1, "there are too many mistakes", cure)]
            )

    def text(self, node: Node, name: str) -> str | None:
        """A scalar's text as written."""
        if node.kind in ("map", "list", "null"):
            self.wrong(node, f"`{name}` must be a text, not {kind(node)}")
            return None
        return node.text

    def map(self, node: Node, name: str) -> Node | None:
        """A map whose keys are names of the author's own; read by whoever knows them."""
        if node.kind != "map":
            self.wrong(node, f"`{name}` must be a map, not {kind(node)}", f"write {name}: {{NAME: …}}")
            return None
        return node

    def template(self, node: Node, name: str) -> Template | None:
        text = self.text(node, name)
        if text is None:
            return None
        if not text.strip() and name != "env":
            self.wrong(node, f"`{name}` is empty", "write the text, or take the key out")
            return None
        place = Place(self.file, node.line, node.column)
        try:
            template = expressions.parse_template(
                text, place, types=self.types, locate=lambda at: self.at(node, at)
            )
        except Unreadable as error:
            self.wrong(node, error.message, error.hint, offset=error.at)
            return None
        self.uses.extend(
            Use(expr, self.key or name, self.part, self.step, node) for expr in template.expressions
        )
        return template

    def at(self, node: Node, offset: int) -> Place:
        return Place(self.file, *node.place(offset))

    def argument(self, node: Node, name: str) -> Template | None:
        """One item of an argv: may be empty, but not missing."""
        if node.kind == "text" and not node.text:
            return Template("", ("",), Place(self.file, node.line, node.column))
        if node.kind == "null":
            self.wrong(node, "an argument is missing", "write '' for an empty argument")
            return None
        if node.kind in ("map", "list"):
            self.wrong(
                node, f"an argument must be a text, not {kind(node)}", "quote it where it holds [ ] or { }"
            )
            return None
        return self.template(node, name)

    def script(self, node: Node) -> Script | None:
        """A text for bash. Nothing in it is ever replaced, so `${{` is a mistake that names the way that works."""
        at = node.text.find("${{")
        if at >= 0:
            match = re.match(r"\$\{\{\s*inputs\.([A-Za-z_]\w*)\s*\}\}", node.text[at:])
            cure = (
                f'write "${inputs.variable(match[1])}"'
                if match
                else 'hand the value over in env: and write "$NAME"'
            )
            self.wrong(node, "`${{` means nothing in a script, which is never templated", cure, offset=at)
            return None
        if not node.text.strip():
            self.wrong(node, "`run` is empty", "write what to run")
            return None
        if len(node.text.encode()) > MAX_TEXT:
            self.wrong(node, f"`run` is longer than {MAX_TEXT} bytes", "put the script into a file")
            return None
        line, column = node.line, node.column
        return Script(node.text, line, column, node.style == "|")


_KINDS = {"map": "a map", "list": "a list", "text": "a text", "bool": "true or false", "null": "nothing"}


def kind(node: Node) -> str:
    return _KINDS.get(node.kind, "a number")
