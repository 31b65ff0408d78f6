"""From what was done in an incident to a draft of a runbook: pure, from folds of its runs and their texts.

The last runbook that went well is kept, cut down to the steps that did something and those that they look at. Commands
that were given by hand become steps, before or after it, in their order; what they have in common becomes inputs.
What failed, was undone, or is not known to have happened is told in comments, never kept as a step. Everything from
people is data: a note cannot end its comment, an argument cannot become an expression.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from incidents import clock, yamlfile
from incidents.yamlfile import Node
from runbooks import adhoc, expressions, follow, inputs, journal, loader
from runbooks.document import ArgvTemplate, Runbook, Step

DID = ("ok", "continued", "failed", "in_doubt", "aborted", "undone", "kept")
INDENT = "  "  # of a step in the draft
NOT_NAMES = ("null", "true", "false", "rescue", "always")  # words of YAML and of the language
CHECKS = (
    "inputs: is each one an input, or the same every time? Has it the right type and help?",
    "effect: what only looks is `read`, what may be done twice is `idempotent`; the others ask first",
    "verify: how would a machine tell whether an unsafe step happened?",
    "undo: what takes each step back?",
    "then: howdah runbook lint FILE, howdah plan FILE, and a drill",
)
_USED = re.compile(r"\bsteps\.([A-Za-z_][A-Za-z0-9_]*)")
_ANCHOR = re.compile(r"(?<![\w'\"])&([A-Za-z0-9_-]+)(?=\s|$)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")


class Note(NamedTuple):
    """A line of a person; `at` in µs."""

    at: int
    who: str
    text: str


class Hand(NamedTuple):
    """One command by hand. `why` is its note, empty where the command names itself."""

    run: journal.Run
    argv: tuple[str, ...]
    undo: tuple[str, ...]
    effect: str
    name: str
    status: str
    said: str

    @property
    def at(self) -> int:
        return self.run.started_at.at if self.run.started_at is not None else 0


class Found(NamedTuple):
    """A value that several commands share: the input that it becomes."""

    value: str
    name: str
    type: str


def draft(
    incident: str, title: str, runs: Sequence[tuple[journal.Run, Runbook]], notes: Sequence[Note], zone: str
) -> str:
    """The text of the draft; it loads. `runs` are those of the incident with the runbooks they are pinned to, oldest
    first. Raises nothing for what they hold."""
    hands = [_hand(run, book) for run, book in runs if follow.by_hand(run)]
    books = [(run, book) for run, book in runs if not follow.by_hand(run)]
    base = next(
        (one for one in reversed(books) if one[0].end is not None and one[0].end.status == "ok"), None
    )
    base = base or (books[-1] if books else None)
    done = [hand for hand in hands if hand.status == "ok"]
    taken = set(base[1].inputs) if base is not None else set()
    shared = list(_shared(done, taken))
    head = list(_head(incident, title, base, books, hands, notes, zone))
    values = {found.value: found.name for found in shared}
    if base is None:
        return "\n".join([*head, *_alone(incident, done, shared, values)]) + "\n"
    before = [hand for hand in done if hand.at < _start(base[0])]
    after = [hand for hand in done if hand.at >= _start(base[0])]
    body = _with_hands(_cut(*base), base[1], before, after, shared, values)
    text = "\n".join([*head, *body]) + "\n"
    return text if _loads(text) else "\n".join([*head, base[1].text])


def _start(run: journal.Run) -> int:
    return run.started_at.at if run.started_at is not None else 0


def _loads(text: str) -> bool:
    from incidents.errors import BadInput

    try:
        loader.loads(text, "<draft>")
    except BadInput:
        return False
    return True


def _hand(run: journal.Run, book: Runbook) -> Hand:
    (step,) = book.steps
    state = run.steps.get(step.path) or journal.StepState(step.path)
    tail = [line for line in state.tail.splitlines() if line.strip()]
    argv = _argv(step.run)
    undo = _argv(step.undo.run) if step.undo is not None else ()
    return Hand(
        run, argv, undo, step.effect, step.name, state.status, state.why or (tail[-1] if tail else "")
    )


def _argv(command: object) -> tuple[str, ...]:
    return tuple(map(str, expressions.render_argv(command, {}))) if isinstance(command, ArgvTemplate) else ()


# -- what commands have in common ----------------------------------------------------------------------------------


def _parts(word: str) -> tuple[str, str]:
    """`--name=value` as (`--name=`, `value`); any other word is a value."""
    head, equals, value = word.partition("=")
    return (head + equals, value) if equals and re.fullmatch(r"-{0,2}[\w.-]+", head) else ("", word)


def _shared(hands: Sequence[Hand], taken: set[str]) -> Iterator[Found]:
    """Values that occur in more than one command, in order; options, programs and single letters are none."""
    where: dict[str, set[int]] = {}
    option: dict[str, str] = {}
    for place, hand in enumerate(hands):
        for words in (hand.argv, hand.undo):
            for before, word in itertools.pairwise(words):
                head, value = _parts(word)
                if len(value) < 2 or value.startswith("-") or not value.isprintable() or not value.strip():
                    continue
                where.setdefault(value, set()).add(place)
                option.setdefault(
                    value, head.strip("-=") or (before.strip("-") if before.startswith("--") else "")
                )
    for value, places in where.items():
        if len(places) > 1:
            kind = (
                "path"
                if value.startswith("/") and "//" not in value and not value.endswith("/")
                else "string"
            )
            kind = "int" if _NUMBER.fullmatch(value) and len(value) < 15 else kind
            name = _name(option[value] or {"path": "path", "int": "number"}.get(kind, "value"), taken)
            taken.add(name)
            yield Found(value, name, kind)


def _name(wish: str, taken: set[str]) -> str:
    base = re.sub(r"\W+", "_", wish.lower(), flags=re.ASCII).strip("_")
    base = base if re.match(r"[a-z]", base) and base not in NOT_NAMES else "value"
    return next(name for name in (base, *(f"{base}_{n}" for n in range(2, 999))) if name not in taken)


# -- the text ----------------------------------------------------------------------------------------------------


def _comment(text: str, indent: str = "") -> str:
    """One line of comment, whatever the text is."""
    line = " ⏎ ".join(
        "".join(c if c.isprintable() else "?" for c in part).strip() for part in text.splitlines()
    )
    return f"{indent}# {line}".rstrip()


def _head(
    incident: str, title: str, base: tuple[journal.Run, Runbook] | None, books: Sequence[tuple[journal.Run, Runbook]],
    hands: Sequence[Hand], notes: Sequence[Note], zone: str,
) -> Iterator[str]:  # fmt: skip
    yield _comment(f"A draft, made from what was done in {incident}: {title}")
    yield "# Read it before you keep it:"
    yield from (_comment(f"- {check}") for check in CHECKS)
    if base is not None:
        run, book = base
        recorded = run.started.inputs if run.started is not None else {}
        pairs = [(name, value) for name, value in recorded.items() if value not in (None, [], "")]
        given = ", ".join(f"{name}={inputs.shown(book.inputs.get(name), value)}" for name, value in pairs)
        yield _comment(
            f"It builds on the runbook {book.name} as {run.id} ran it ({_ended(run)}), with {given or 'no inputs'}."
        )
    for run, book in books:
        if base is None or run is not base[0]:
            yield _comment(f"Not kept: {book.name}, {run.id}, {_ended(run)}.")
    for hand in hands:
        if hand.status != "ok":
            told = {"undone": "was undone", "in_doubt": "is in doubt"}.get(hand.status, "did not help")
            yield _comment(
                f"Not kept, it {told}: {adhoc.shown(hand.argv)}" + (f" ({hand.said})" if hand.said else "")
            )
    if notes:
        yield "# What people wrote:"
    for note in notes:
        yield _comment(f"{clock.iso(note.at, zone, precision='seconds')[11:16]} {note.who}: {note.text}")


def _ended(run: journal.Run) -> str:
    return run.end.status if run.end is not None else run.status


def _alone(
    incident: str, hands: Sequence[Hand], shared: Sequence[Found], values: Mapping[str, str]
) -> Iterator[str]:
    yield "runbook: 1"
    yield f"name: from-{incident}"
    if shared:
        yield "inputs:"
        yield from _inputs(shared)
    yield "steps:"
    yield from _steps(hands, values, set())
    if not hands:
        yield f"{INDENT}- manual: Nothing is recorded that went well by hand; write down what to do."


def _inputs(shared: Iterable[Found]) -> Iterator[str]:
    for found in shared:
        help = adhoc.quoted(f"as {found.value} was in the incident")
        yield f"  {found.name}: {{type: {found.type}, required: true, help: {help}}}"


def _steps(hands: Iterable[Hand], values: Mapping[str, str], taken: set[str]) -> Iterator[str]:
    for hand in hands:
        id = _name(re.sub(r"\W+", "_", hand.argv[0].rpartition("/")[2]) or "step", taken)
        taken.add(id)
        by = hand.run.start.actor.shown if hand.run.start is not None else "somebody"
        yield _comment(f"{hand.run.id}, by {by}" + (f": {hand.said}" if hand.said else ""), INDENT)
        yield f"{INDENT}- id: {id}"
        yield f"{INDENT}  name: {adhoc.quoted(hand.name)}"
        yield f"{INDENT}  effect: {hand.effect}"
        if hand.effect == "unsafe":
            yield f"{INDENT}  confirm: {adhoc.quoted(adhoc.literal(hand.name) + '?')}"
            yield f"{INDENT}  timeout: 5m"
        yield f"{INDENT}  run: {_list(hand.argv, values)}"
        if hand.undo:
            yield f"{INDENT}  undo: {{run: {_list(hand.undo, values)}}}"
        elif hand.effect == "unsafe":
            yield _comment("check: undo, and verify with `no:`", INDENT + "  ")


def _list(argv: Sequence[str], values: Mapping[str, str]) -> str:
    words = [adhoc.quoted(adhoc.literal(argv[0]))]
    for word in argv[1:]:
        head, value = _parts(word)
        if value in values:
            words.append(
                adhoc.quoted(adhoc.literal(head) * bool(head) + f"${{{{ inputs.{values[value]} }}}}")
            )
        else:
            words.append(adhoc.quoted(adhoc.literal(word)))
    return "[" + ", ".join(words) + "]"


# -- a runbook cut down to what was used ---------------------------------------------------------------------------


def _cut(run: journal.Run, book: Runbook) -> list[str]:
    """The lines of the runbook without the steps that did nothing and that nobody who did looks at."""
    lines = book.text.splitlines()
    root = yamlfile.parse(book.text, book.path)
    spans = _spans(root, len(lines))
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


def _spans(root: Node, count: int) -> dict[tuple[int, int], tuple[int, int]]:
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


def _with_hands(
    lines: list[str], book: Runbook, before: Sequence[Hand], after: Sequence[Hand], shared: Sequence[Found],
    values: Mapping[str, str],
) -> list[str]:  # fmt: skip
    """The runbook with the commands by hand: first those from before it, at its end those from after it."""
    if not before and not after:
        return lines
    text = "\n".join(lines)
    root = yamlfile.parse(text + "\n", book.path)
    steps = root.value["steps"]
    indent = " " * (steps.value[0].column - 3)
    taken = {step.id for step in book.walk() if step.id is not None}
    first = [indent + line.removeprefix(INDENT) for line in _steps(before, values, taken)]
    last = [indent + line.removeprefix(INDENT) for line in _steps(after, values, taken)]
    ends = [
        item.line
        for item in steps.value
        if item.kind == "map" and "stop" in item.value and "if" not in item.value
    ]
    last_step = _spans(root, len(lines))[steps.value[-1].line, steps.value[-1].column]
    end = ends[-1] if ends else last_step[1]
    begin = steps.value[0].line
    added = list(_inputs(shared))
    whole = [*lines[: begin - 1], *first, *lines[begin - 1 : end - 1], *last, *lines[end - 1 :]]
    if added:
        place = root.keys["inputs"].line if "inputs" in root.value else begin - 2
        section = added if "inputs" in root.value else ["inputs:", *added]
        whole = [*whole[:place], *section, *whole[place:]]
    return whole
