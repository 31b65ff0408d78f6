"""From what was done in an incident to a draft of a runbook: pure, from folds of its runs and their texts.

The last runbook that went well is kept, cut down to the steps that did something and those that they look at. Commands
that were given by hand become steps, before or after it, in their order; what they have in common becomes inputs.
What failed, was undone, or is not known to have happened is told in comments, never kept as a step. Everything from
people is data: a note cannot end its comment, an argument cannot become an expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from incidents import clock, yamlfile
from runbooks import adhoc, done_by_hand, follow, inputs, journal, loader, trimming
from runbooks.document import Runbook
from runbooks.done_by_hand import Found, Hand

INDENT = "  "  # of a step in the draft
CHECKS = (
    "inputs: is each one an input, or the same every time? Has it the right type and help?",
    "effect: what only looks is `read`, what may be done twice is `idempotent`; the others ask first",
    "verify: how would a machine tell whether an unsafe step happened?",
    "undo: what takes each step back?",
    "then: howdah runbook lint FILE, howdah plan FILE, and a drill",
)


class Note(NamedTuple):
    """A line of a person; `at` in µs."""

    at: int
    who: str
    text: str


def draft(
    incident: str, title: str, runs: Sequence[tuple[journal.Run, Runbook]], notes: Sequence[Note], zone: str
) -> str:
    """The text of the draft; it loads. `runs` are those of the incident with the runbooks they are pinned to, oldest
    first. Raises nothing for what they hold."""
    hands = [done_by_hand.read(run, book) for run, book in runs if follow.by_hand(run)]
    books = [(run, book) for run, book in runs if not follow.by_hand(run)]
    base = next(
        (one for one in reversed(books) if one[0].end is not None and one[0].end.status == "ok"), None
    )
    base = base or (books[-1] if books else None)
    done = [hand for hand in hands if hand.status == "ok"]
    taken = set(base[1].inputs) if base is not None else set()
    shared = list(done_by_hand.shared(done, taken))
    near, rest = _beside(done, notes, _start(base[0]) if base is not None else None)
    told = {run: [_told(note, zone, INDENT) for note in group] for run, group in near.items()}
    head = list(_head(incident, title, base, books, hands, [_told(note, zone) for note in rest]))
    values = {found.value: found.name for found in shared}
    if base is None:
        return "\n".join([*head, *_alone(incident, done, shared, values, told)]) + "\n"
    before = [hand for hand in done if hand.at < _start(base[0])]
    after = [hand for hand in done if hand.at >= _start(base[0])]
    body = _with_hands(trimming.cut(*base), base[1], before, after, shared, values, told)
    text = "\n".join([*head, *body]) + "\n"
    return text if _loads(text) else "\n".join([*head, base[1].text])


def _beside(
    hands: Sequence[Hand], notes: Sequence[Note], base: int | None
) -> tuple[dict[str, list[Note]], list[Note]]:
    """The notes that stand before a command by hand, by its run: what was written since the one before it, or since
    the runbook at `base` began. The others."""
    near: dict[str, list[Note]] = {}
    rest = []
    for note in notes:
        next_at, run = min(((hand.at, hand.run.id) for hand in hands if hand.at >= note.at), default=(0, ""))
        if run and not (base is not None and note.at < base <= next_at):
            near.setdefault(run, []).append(note)
        else:
            rest.append(note)
    return near, rest


def _told(note: Note, zone: str, indent: str = "") -> str:
    return _comment(f"{clock.iso(note.at, zone, precision='seconds')[11:16]} {note.who}: {note.text}", indent)


def _start(run: journal.Run) -> int:
    return run.started_at.at if run.started_at is not None else 0


def _loads(text: str) -> bool:
    from incidents.errors import BadInput

    try:
        loader.loads(text, "<draft>")
    except BadInput:
        return False
    return True


# -- the text ----------------------------------------------------------------------------------------------------


def _comment(text: str, indent: str = "") -> str:
    """One line of comment, whatever the text is."""
    line = " ⏎ ".join(
        "".join(c if c.isprintable() else "?" for c in part).strip() for part in text.splitlines()
    )
    return f"{indent}# {line}".rstrip()


def _head(
    incident: str, title: str, base: tuple[journal.Run, Runbook] | None, books: Sequence[tuple[journal.Run, Runbook]],
    hands: Sequence[Hand], notes: Sequence[str],
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
    yield from notes


def _ended(run: journal.Run) -> str:
    return run.end.status if run.end is not None else run.status


def _alone(
    incident: str, hands: Sequence[Hand], shared: Sequence[Found], values: Mapping[str, str],
    told: Mapping[str, Sequence[str]],
) -> Iterator[str]:  # fmt: skip
    yield "runbook: 1"
    yield f"name: from-{incident}"
    if shared:
        yield "inputs:"
        yield from _inputs(shared)
    yield "steps:"
    yield from _steps(hands, values, set(), told)
    if not hands:
        yield f"{INDENT}- manual: Nothing is recorded that went well by hand; write down what to do."


def _inputs(shared: Iterable[Found]) -> Iterator[str]:
    for found in shared:
        help = adhoc.quoted(f"as {found.value} was in the incident")
        yield f"  {found.name}: {{type: {found.type}, required: true, help: {help}}}"


def _steps(
    hands: Iterable[Hand], values: Mapping[str, str], taken: set[str], told: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    for hand in hands:
        yield from told.get(hand.run.id, ())
        id = done_by_hand.name_of(re.sub(r"\W+", "_", hand.argv[0].rpartition("/")[2]) or "step", taken)
        taken.add(id)
        by = hand.run.start.actor.shown if hand.run.start is not None else "somebody"
        yield _comment(f"{hand.run.id}, by {by}" + (f": {hand.said}" if hand.said else ""), INDENT)
        yield f"{INDENT}- id: {id}"
        yield f"{INDENT}  name: {adhoc.quoted(hand.name)}"
        yield f"{INDENT}  effect: {hand.effect}"
        if hand.effect == "unsafe":
            yield f"{INDENT}  confirm: {adhoc.quoted(adhoc.literal(hand.name) + '?')}"
        if hand.timeout is not None:
            yield f"{INDENT}  timeout: {_duration(hand.timeout)}"
        yield f"{INDENT}  run: {_list(hand.argv, values)}"
        if hand.undo:
            yield f"{INDENT}  undo: {{run: {_list(hand.undo, values)}}}"
        elif hand.effect == "unsafe":
            yield _comment("check: undo, and verify with `no:`", INDENT + "  ")
        if hand.effect == "unsafe" and hand.timeout is None:
            yield _comment("check: timeout; without one it is never killed", INDENT + "  ")
        if hand.change is not None:
            what, old, new = (_word(text, values) for text in hand.change)
            yield f"{INDENT}  change: {{what: {what}, from: {old}, to: {new}}}"
        if hand.reads is not None:
            yield f"{INDENT}  change: {{{hand.reads[0]}: {_word(hand.reads[1], values)}}}"


def _duration(micros: int) -> str:
    return f"{micros // 1_000_000}s" if micros % 1_000_000 == 0 else f"{micros // 1000}ms"


def _list(argv: Sequence[str], values: Mapping[str, str]) -> str:
    return (
        "["
        + ", ".join([adhoc.quoted(adhoc.literal(argv[0])), *(_word(word, values) for word in argv[1:])])
        + "]"
    )


def _word(word: str, values: Mapping[str, str]) -> str:
    """The word in double quotes, with an input in the place of a value that several commands share, or of the path
    that it begins with."""
    head, value = done_by_hand.parts(word)
    folders = [one for one in values if one.startswith("/") and value.startswith(one + "/")]
    known = value if value in values else max(folders, key=len, default="")
    if not known:
        return adhoc.quoted(adhoc.literal(word))
    rest = value[len(known) :]
    parts = (
        adhoc.literal(head) if head else "",
        f"${{{{ inputs.{values[known]} }}}}",
        adhoc.literal(rest) if rest else "",
    )
    return adhoc.quoted("".join(parts))


def _with_hands(
    lines: list[str], book: Runbook, before: Sequence[Hand], after: Sequence[Hand], shared: Sequence[Found],
    values: Mapping[str, str], told: Mapping[str, Sequence[str]],
) -> list[str]:  # fmt: skip
    """The runbook with the commands by hand: first those from before it, at its end those from after it."""
    if not before and not after:
        return lines
    text = "\n".join(lines)
    root = yamlfile.parse(text + "\n", book.path)
    steps = root.value["steps"]
    indent = " " * (steps.value[0].column - 3)
    taken = {step.id for step in book.walk() if step.id is not None}
    first = [indent + line.removeprefix(INDENT) for line in _steps(before, values, taken, told)]
    last = [indent + line.removeprefix(INDENT) for line in _steps(after, values, taken, told)]
    ends = [
        item.line
        for item in steps.value
        if item.kind == "map" and "stop" in item.value and "if" not in item.value
    ]
    last_step = trimming.spans_of(root, len(lines))[steps.value[-1].line, steps.value[-1].column]
    end = ends[-1] if ends else last_step[1]
    begin = steps.value[0].line
    added = list(_inputs(shared))
    whole = [*lines[: begin - 1], *first, *lines[begin - 1 : end - 1], *last, *lines[end - 1 :]]
    if added:
        place = root.keys["inputs"].line if "inputs" in root.value else begin - 2
        section = added if "inputs" in root.value else ["inputs:", *added]
        whole = [*whole[:place], *section, *whole[place:]]
    return whole
