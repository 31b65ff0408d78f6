"""Commands that were given by hand in an incident, and what they have in common: pure, from the folds of their runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runbooks import document, expressions, journal
from runbooks.document import ArgvTemplate, Runbook

NOT_NAMES = ("null", "true", "false", "rescue", "always")  # words of YAML and of the language
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")


class Hand(NamedTuple):
    """One command by hand. `timeout` in µs, None where it had none; `change` as what, from, to, or else `reads`: what
    howdah reads itself, and its name."""

    run: journal.Run
    argv: tuple[str, ...]
    undo: tuple[str, ...]
    effect: str
    timeout: int | None
    change: tuple[str, str, str] | None
    name: str
    status: str
    said: str
    reads: tuple[str, str] | None = None

    @property
    def at(self) -> int:
        return self.run.started_at.at if self.run.started_at is not None else 0


class Found(NamedTuple):
    """A value that several commands share: the input that it becomes."""

    value: str
    name: str
    type: str


def read(run: journal.Run, book: Runbook) -> Hand:
    """The one command of such a run."""
    (step,) = book.steps
    state = run.steps.get(step.path) or journal.StepState(step.path)
    tail = [line for line in state.tail.splitlines() if line.strip()]
    argv = _argv(step.run)
    undo = _argv(step.undo.run) if step.undo is not None else ()
    said = state.why or (tail[-1] if tail else "")
    timeout = None if step.effect != "unsafe" and step.timeout == document.DEFAULT_TIMEOUT else step.timeout
    told = _change(step.change)
    return Hand(
        run, argv, undo, step.effect, timeout, told, step.name, state.status, said, _reads(step.change)
    )  # fmt: skip


def _reads(change: document.Change | None) -> tuple[str, str] | None:
    if change is None or change.subject is None:
        return None
    return change.subject, expressions.render_text(change.what, {})


def _change(change: document.Change | None) -> tuple[str, str, str] | None:
    if change is None or change.subject is not None:
        return None
    what, old, new = (
        expressions.render_text(one, {}) if one is not None else ""
        for one in (change.what, change.from_, change.to)
    )
    return what, old, new


def _argv(command: object) -> tuple[str, ...]:
    return tuple(map(str, expressions.render_argv(command, {}))) if isinstance(command, ArgvTemplate) else ()


# -- what commands have in common ----------------------------------------------------------------------------------


def parts(word: str) -> tuple[str, str]:
    """`--name=value` as (`--name=`, `value`); any other word is a value."""
    head, equals, value = word.partition("=")
    return (head + equals, value) if equals and re.fullmatch(r"-{0,2}[\w.-]+", head) else ("", word)


def shared(hands: Sequence[Hand], taken: set[str]) -> Iterator[Found]:
    """Values that occur in more than one command, in order; options, programs and single letters are none."""
    where: dict[str, set[int]] = {}
    option: dict[str, str] = {}
    paths: list[tuple[int, str]] = []
    for place, hand in enumerate(hands):
        for words in (hand.argv, hand.undo):
            for before, word in itertools.pairwise(words):
                head, value = parts(word)
                paths.append((place, value))
                if len(value) < 2 or value.startswith("-") or not value.isprintable() or not value.strip():
                    continue
                where.setdefault(value, set()).add(place)
                option.setdefault(
                    value, head.strip("-=") or (before.strip("-") if before.startswith("--") else "")
                )
    for value, places in where.items():
        whole = value.startswith("/") and "//" not in value and not value.endswith("/")
        if whole:
            places |= {place for place, longer in paths if longer.startswith(value + "/")}
        if len(places) > 1:
            kind = "path" if whole else "string"
            kind = "int" if _NUMBER.fullmatch(value) and len(value) < 15 else kind
            name = name_of(option[value] or {"path": "path", "int": "number"}.get(kind, "value"), taken)
            taken.add(name)
            yield Found(value, name, kind)


def name_of(wish: str, taken: set[str]) -> str:
    """A name like the wish that a runbook may use and that is not taken."""
    base = re.sub(r"\W+", "_", wish.lower(), flags=re.ASCII).strip("_")
    base = base if re.match(r"[a-z]", base) and base not in NOT_NAMES else "value"
    return next(name for name in (base, *(f"{base}_{n}" for n in range(2, 999))) if name not in taken)
