"""A runbook cut down to what a run has used of it: the steps that did something, and those that they look at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from incidents import yamlfile
from incidents.yamlfile import Node
from runbooks import adhoc, journal
from runbooks.document import Runbook, Step

DID = ("ok", "continued", "failed", "in_doubt", "aborted", "undone", "kept")
_USED = re.compile(r"\bsteps\.([A-Za-z_][A-Za-z0-9_]*)")
_ANCHOR = re.compile(r"(?<![\w'\"])&([A-Za-z0-9_-]+)(?=\s|$)")


def cut(run: journal.Run, book: Runbook) -> list[str]:
    """The lines of the runbook without the steps that did nothing and that nobody who did looks at."""
    lines = book.text.splitlines()
    root = yamlfile.parse(book.text, book.path)
    spans = spans_of(root, len(lines))
    name = root.value["name"]
    if name.style not in ("|", ">") and name.end[0] == name.line == root.keys["name"].line:
        lines[name.line - 1] = f"name: {adhoc.quoted(f'{book.name}, from {run.stream}')}"
    kept = {path for path, state in run.steps.items() if state.status in DID}
    steps = list(book.walk())
    while True:
        more = {
            step.path for step in steps if step.path not in kept and _needed(step, kept, steps, spans, lines)
        }
        if not more:
            break
        kept |= more
    gone: set[int] = set()
    for step in steps:
        if step.path not in kept and step.where in spans:
            first, last = spans[step.where]
            gone |= set(range(first, last))
    return [line for number, line in enumerate(lines, 1) if number not in gone]


def _needed(
    step: Step, kept: set[str], steps: Sequence[Step], spans: Mapping[tuple[int, int], tuple[int, int]],
    lines: Sequence[str],
) -> bool:  # fmt: skip
    """Whether a kept step is in it, looks at it, or uses what it has an anchor for."""
    if any(path.startswith(step.path + "/") for path in kept):
        return True
    own = _text(step, spans, lines)
    anchors = _ANCHOR.findall(own)
    for other in steps:
        if other.path in kept and other.path != step.path and not step.path.startswith(other.path + "/"):
            text = _text(other, spans, lines)
            if step.id is not None and step.id in _USED.findall(text):
                return True
            if any(re.search(rf"\*{re.escape(anchor)}(?![\w-])", text) for anchor in anchors):
                return True
    return False


def _text(step: Step, spans: Mapping[tuple[int, int], tuple[int, int]], lines: Sequence[str]) -> str:
    first, last = spans.get(step.where, (1, 1))
    if step.block or step.rescue or step.always:
        last = min((inner.where[0] for inner in (*step.block, *step.rescue, *step.always)), default=last)
    return "\n".join(lines[first - 1 : last - 1])


def spans_of(root: Node, count: int) -> dict[tuple[int, int], tuple[int, int]]:
    """Where each item of a list of maps stands -> its first line and the line after its last; `count` lines in all."""
    found: dict[tuple[int, int], tuple[int, int]] = {}

    def walk(node: Node, limit: int) -> None:
        """`limit` is the first line after the node: where its next neighbour begins."""
        if not node.value:
            return
        if node.kind == "map":
            starts = [node.keys[name].line for name in node.value]
            for inner, end in zip(node.value.values(), [*starts[1:], limit], strict=True):
                walk(inner, end)
        elif node.kind == "list" and all(inner.kind == "map" for inner in node.value):
            starts = [inner.line for inner in node.value]
            for inner, end in zip(node.value, [*starts[1:], limit], strict=True):
                found.setdefault((inner.line, inner.column), (inner.line, end))
                walk(inner, end)

    walk(root, count + 1)
    return found
