"""YAML as people mean it: YAML 1.2 scalars, no surprises, and a place for every value.

`true`, `false`, `null` and decimal numbers are what they look like; everything else (`no`, `on`, `22:30`, `0644`,
dates) stays text, and every scalar keeps the text it was written with. Duplicate keys, tags, several documents,
control characters and texts that are too big are mistakes, all of them reported together; a file that YAML cannot
read at all is one mistake, at the place where reading ended. This is the only module that imports yaml.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Any

import yaml

from incidents.errors import BadInput, Mistake, Mistakes

MAX_BYTES = 1 << 20
MAX_DEPTH = 64  # nested lists and maps
MAX_VALUES = 50_000  # after aliases are followed
CONFIG_BYTES, CONFIG_VALUES = (
    16 << 20,
    500_000,
)  # of howdah.yaml and of schedules: 1,000 of them are an ordinary file
LARGEST_INT = (1 << 53) - 1  # what canonical JSON can hold exactly (RFC 8785 section 3.2.2.3)

_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


class Node:
    """One value of the file. `line` and `column` count from 1, in characters.

    `kind` is map, list, text, int, number, bool or null. `value` is a dict of Nodes, a list of Nodes, str, int, bool
    or None; a `number` (one with a decimal point) keeps its text as value, because nothing here is a float.
    `text` is a scalar's source text; `keys` holds the Node of each key of a map. `style` is `|`, `>`, `'`, `"` or
    empty for a plain scalar.
    """

    __slots__ = ("column", "end", "keys", "kind", "line", "source", "style", "text", "value")

    def __init__(self, kind: str, value: Any, text: str, line: int, column: int, *, style: str = ""):
        self.kind = kind
        self.value = value
        self.text = text
        self.line = line
        self.column = column
        self.style = style
        self.end = (line, column)
        self.source: list[str] = []  # the file's lines, for a `|` block only
        self.keys: dict[str, Node] = {}

    def place(self, offset: int = 0) -> tuple[int, int]:
        """Line and column of the character at `offset` of `text`, as exactly as the style allows."""
        if self.style == "|":
            return place_in_block(self.source, self.line, self.text, offset)
        quotes = 1 if self.style in ("'", '"') else 0
        length = self.end[1] - self.column - 2 * quotes
        if self.style != ">" and self.end[0] == self.line and length == len(self.text):
            return self.line, self.column + quotes + offset
        return self.line, self.column

    def items(self) -> list[Node]:
        """The items of a list; any other value is the one item of its own."""
        return self.value if self.kind == "list" else [self]

    def plain(self) -> Any:
        """The value with every Node inside taken off: dicts, lists, str, int, bool, None."""
        if self.kind == "map":
            return {key: node.plain() for key, node in self.value.items()}
        if self.kind == "list":
            return [node.plain() for node in self.value]
        return self.value

    def __repr__(self) -> str:
        return f"Node({self.kind}, {self.plain()!r}, {self.line}:{self.column})"


def read(path: str, *, max_bytes: int = MAX_BYTES) -> Node:
    """The document in the file. Raises Mistakes."""
    return parse(read_text(path, max_bytes=max_bytes), path)


def read_text(path: str, *, max_bytes: int = MAX_BYTES) -> str:
    """The file's text, at most `max_bytes` long, UTF-8 without NUL. Raises Mistakes, BadInput for a useless name."""
    if not path or "\0" in path:
        raise BadInput("this is not the name of a file", hint="give the path of a YAML file")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _one(path, 1, 1, f"cannot be opened: {error.strerror}", "check the path") from None
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise _one(path, 1, 1, f"is {what}", "give the path of a YAML file")
        with open(fd, "rb", closefd=False) as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise _one(path, 1, 1, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    if len(raw) > max_bytes:
        raise _one(path, 1, 1, f"is larger than {max_bytes} bytes", "split it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        start = raw.rfind(b"\n", 0, error.start) + 1
        column = len(raw[start : error.start].decode("utf-8", "replace")) + 1
        raise _one(path, line, column, "is not UTF-8 text", "save it as UTF-8") from None


def parse(text: str, file: str, *, max_bytes: int = MAX_BYTES, max_values: int = MAX_VALUES) -> Node:
    """The one document in `text`; `file` names it in messages. Raises Mistakes with everything wrong in it."""
    if len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise _one(file, 1, 1, f"is larger than {max_bytes} bytes", "split it")
    text = text.removeprefix("\ufeff")
    bad = _UNREADABLE.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        raise _one(file, line, column, f"the character U+{ord(bad[0]):04X} cannot stand here", "take it out")
    builder = _Builder(file, text.split("\n"), max_values)
    try:
        root = builder.document(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        raise _syntax(file, text, error) from None
    except yaml.YAMLError as error:
        raise _one(file, 1, 1, f"is not YAML: {error}") from None
    if builder.mistakes:
        raise Mistakes(builder.mistakes)
    return root


def place_in_block(source: list[str], line: int, text: str, offset: int) -> tuple[int, int]:
    """Line and column of the character at `offset` of a `|` block whose `|` stands in `line` of the file `source`."""
    before = text[:offset]
    begin = before.rfind("\n") + 1
    inner = text[begin:].split("\n", 1)[0]
    while line < len(source) and not source[line].strip() and text[:1] not in ("\n", ""):
        line += 1  # empty lines before the block's first line
    place = line + before.count("\n")
    indent = max(0, source[place].find(inner)) if place < len(source) else 0
    return place + 1, indent + offset - begin + 1


class _Builder:
    """From the parser's events to Nodes, with a stack instead of recursion, so that depth cannot hurt."""

    def __init__(self, file: str, source: list[str], max_values: int):
        self.file = file
        self.source = source
        self.max_values = max_values
        self.mistakes: list[Mistake] = []
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.count = 0

    def document(self, events: Iterator[Any]) -> Node:
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Mistakes(
                        [
                            *self.mistakes,
                            self._mistake(
                                event, "a second document starts here", "one file holds one document"
                            ),
                        ]
                    )
            elif isinstance(event, yaml.NodeEvent):
                root = self._tree(event, events)
        if root is None or (root.kind == "null" and not root.text):
            raise _one(self.file, 1, 1, "the file is empty")
        return root

    def _tree(self, first: Any, events: Iterator[Any]) -> Node:
        """The node that begins with `first`, children taken from `events`."""
        root = self._open(first)
        stack = [(root, _anchor(first), self.count)] if root.kind in ("map", "list") else []
        key: list[Node | None] = [None]  # the key that waits for its value, one for each open collection
        for event in events if stack else ():
            top, anchor, before = stack[-1]
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
                key.pop()
                if anchor:
                    self.anchors[anchor] = (top, self.count - before + 1)
                if not stack:
                    break
                continue
            node = self._open(event)
            if top.kind == "list":
                top.value.append(node)
            elif key[-1] is None:
                key[-1] = self._key(node, event)
            else:
                self._put(top, key[-1], node)
                key[-1] = None
            if node.kind in ("map", "list") and not isinstance(event, yaml.AliasEvent):
                stack.append((node, _anchor(event), self.count))
                key.append(None)
                if len(stack) > MAX_DEPTH:
                    raise Mistakes(
                        [self._mistake(event, f"nested more than {MAX_DEPTH} deep", "make it flatter")]
                    )
        return root

    def _open(self, event: Any) -> Node:
        if isinstance(event, yaml.AliasEvent):
            found = self.anchors.get(str(event.anchor))
            if found is None:
                raise Mistakes(
                    [
                        *self.mistakes,
                        self._mistake(event, f"*{event.anchor} stands for nothing that ended before it"),
                    ]
                )
            self._add(event, found[1])
            return found[0]
        self._add(event, 1)
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if event.tag is not None:
            self.mistakes.append(
                self._mistake(event, f"the tag {_tag(event.tag)} has no meaning here", "take it out")
            )
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, line, column)
            if node.style == "|":
                node.source = self.source
            if event.anchor:
                self.anchors[event.anchor] = (node, 1)
            return node
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
        return Node(kind, {} if kind == "map" else [], "", line, column)

    def _add(self, event: Any, values: int) -> None:
        """Count `values` more; an alias counts as all it stands for, which is what defuses a bomb of aliases."""
        self.count += values
        if self.count > self.max_values:
            what = f"holds more than {self.max_values} values"
            raise Mistakes([self._mistake(event, what, "aliases count for what they stand for")])

    def _key(self, node: Node, event: Any) -> Node:
        if node.kind in ("map", "list"):
            self.mistakes.append(
                self._mistake(event, "a key must be a text", "a list or map cannot be a key")
            )
        elif not node.text:
            self.mistakes.append(self._mistake(event, "a key must not be empty"))
        return node

    def _put(self, top: Node, key: Node, node: Node) -> None:
        if key.kind in ("map", "list"):
            return
        if key.text in top.value:
            first = top.keys[key.text].line
            self.mistakes.append(
                Mistake(
                    self.file,
                    key.line,
                    key.column,
                    f"`{_short(key.text)}` stands here twice",
                    f"the first is in line {first}; keep one",
                )
            )
            return
        top.value[key.text] = node
        top.keys[key.text] = key

    def _mistake(self, event: Any, message: str, hint: str = "") -> Mistake:
        mark = event.start_mark
        return Mistake(self.file, mark.line + 1, mark.column + 1, message, hint)


def _anchor(event: Any) -> str | None:
    return getattr(event, "anchor", None)


def _scalar(event: Any, line: int, column: int) -> Node:
    text: str = event.value
    style = event.style or ""
    kind: str = "text"
    value: Any = text
    if not style and not event.tag:
        kind, value = _plain(text)
    node = Node(kind, value, text, line, column, style=style)
    node.end = (event.end_mark.line + 1, event.end_mark.column + 1)
    return node


def _plain(text: str) -> tuple[str, Any]:
    if text in ("", "~", "null"):
        return "null", None
    if text in ("true", "false"):
        return "bool", text == "true"
    if _INT.fullmatch(text) and len(text) < 18 and abs(int(text)) <= LARGEST_INT:
        return "int", int(text)
    if _NUMBER.fullmatch(text):
        return "number", text
    return "text", text


def _one(file: str, line: int, column: int, message: str, hint: str = "") -> Mistakes:
    return Mistakes([Mistake(file, line, column, message, hint)])


_CURES = (
    ("mapping values are not allowed", "quote a text that holds `: `"),
    ("cannot start any token", "quote a text that begins with @, ` or %"),
    ("found unexpected ':'", "quote a text that holds `: `"),
    (
        "did not find expected ',' or",
        "inside [ ] and { } quote a text that holds ${{ }}, a comma or a bracket",
    ),
    ("did not find expected key", "check the indentation, and the quotes of the line before"),
    ("did not find expected '-'", "check the indentation of this list"),
    ("unexpected end of stream", "a quote or bracket is not closed"),
    ("maximum nesting depth", "make it flatter"),
)


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError) -> Mistakes:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or "this cannot be read"
    here = text.split("\n")[line - 1 : line]
    if here and here[0][column - 1 : column] == "\t":
        return _one(file, line, column, "a tab cannot stand here", "indent with spaces")
    cure = next((cure for part, cure in _CURES if part in problem), "")
    return _one(file, line, column, f"is not YAML: {problem}", cure)


def _tag(tag: str) -> str:
    return _short(tag.replace("tag:yaml.org,2002:", "!!", 1))


def _short(text: str) -> str:
    line = text.split("\n", 1)[0]
    return line if len(line) <= 60 else line[:57] + "…"
