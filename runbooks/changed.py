"""The change record of a step: what was there right before the act, what right after, and how these differ.

No look holds a step up for longer than it may take itself, and none fails it: what could not be read is unknown, and
why. The content of a file is not recorded, only the lines that differ; of what is long or no text its size and digest.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import change_words
from incidents.errors import BadInput
from runbooks import probes, showing, subjects
from runbooks.quoting import MASK, Masker
from runbooks.subjects import Look, Subject

if TYPE_CHECKING:
    from incidents.store.protocol import Store
    from runbooks import journal
    from runbooks.document import Step
    from runbooks.doubt import Finish
    from runbooks.keeper import Order
    from runbooks.surroundings import Surroundings

DIFF = 8_192  # characters of a difference that are recorded
WIDE = 400  # characters of a line of it
ALIKE = 20_000  # pairs of equal lines that are weighed: half a second
ROOM = 6 * DIFF  # bytes that it may need in the record, beside the outcome
DIED = "its driver died before it could be read again"
RUNS = "something of the step may still run"
LATE = "the look before the act did not end in its time, so nobody looked again"
TOO_MANY = "looks did not end in their time before, so nobody looked"
MOST_LATE = 2  # looks that a run waits for in vain; of many silent hosts each would hold up all the others


class _Begun(NamedTuple):
    told: dict[str, Any]
    subject: Subject | None
    before: Look
    order: Order


class Changes:
    """The changes that are under way in this driver, by the `n` of their attempt. `looks` is False where no program may
    be started."""

    def __init__(self, *, looks: bool = True) -> None:
        self._looks = looks
        self._begun: dict[int, _Begun] = {}
        self._before: dict[str, Look] = {}  # of steps that begin in this turn, by path
        self._after: dict[int, Look] = {}  # of attempts that have ended by now
        self._late = 0
        self._wide = MOST_LATE  # looks side by side: more once some have answered

    def room(self, step: Step) -> int:
        """Bytes that the outcomes of these changes may need, that of `step` with them."""
        return ROOM * (len(self._begun) + (step.change is not None))

    def ahead(self, wanted: Sequence[tuple[Step, Order]], around: Surroundings, run: journal.Run) -> None:
        """The looks of several that are about to run, side by side: `begin` then takes what was found."""
        found: dict[str, tuple[Subject, Order]] = {}
        for step, order in wanted:
            with contextlib.suppress(BadInput):  # `begin` says so
                if (subject := _subject(step, order, around, run)) is not None:
                    found[step.path] = subject, order
        self._before = dict(zip(found, self._look(list(found.values())), strict=True))

    def begin(
        self, step: Step, part: str, order: Order, around: Surroundings, run: journal.Run
    ) -> dict[str, Any]:
        """The `change` of the intent: what is there now."""
        change = step.change
        if change is None or part not in ("run", "undo") or (part == "undo" and not change.subject):
            return {}
        told: dict[str, Any] = dict(showing.change(step, around.names(run, part=step.path)))
        if part == "run" and step.undo is not None:
            told["undo"] = True
        subject, before = None, Look()
        if change.subject:
            told["subject"] = change.subject
            ahead = self._before.pop(step.path, None) if part == "run" else None
            try:
                subject = _subject(step, order, around, run)
            except BadInput as problem:
                before = Look(why=str(problem))
            if subject is not None:
                told["what"] = subject.name
                before = ahead or self._look([(subject, order)])[0]
            told |= _known("from", before)
        self._begun[order.n] = _Begun(told, subject, before, order)
        return told

    def ended(self, acts: Iterable[tuple[int, Finish]]) -> None:
        """The looks of several attempts that have ended, side by side: `end` then takes what was found."""
        found: dict[int, tuple[Subject, Order]] = {}
        for n, finish in acts:
            begun = self._begun.get(n)
            if begun is not None and begun.subject and not begun.before.late and not finish.may_run:
                found[n] = begun.subject, begun.order
        self._after = dict(zip(found, self._look(list(found.values())), strict=True))

    def end(self, step: Step, part: str, n: int, finish: Finish, store: Store, key: str) -> dict[str, Any]:
        """The `change` of the outcome. `key` is that of the intent, for an attempt that another driver began."""
        if step.change is None or part not in ("run", "undo"):
            return {}
        begun = self._begun.pop(n, None)
        if begun is None:
            intent = store.by_key(key)
            told = dict(intent.data.get("change") or {}) if intent is not None and not intent.redacted else {}
            return _closed(told, Look(), Look(why=DIED)) if told.get("subject") else told
        if not step.change.subject:
            return begun.told
        ahead = self._after.pop(n, None)
        if finish.may_run:
            after = Look(why=RUNS)
        elif begun.before.late:
            after = Look(why=LATE)
        elif begun.subject is None:
            after = Look(why=begun.before.why)
        else:
            after = ahead or self._look([(begun.subject, begun.order)])[0]
        return _closed(begun.told, begun.before, after)

    def _look(self, wanted: Sequence[tuple[Subject, Order]]) -> list[Look]:
        """Few at first, so that of those that hang no more than MOST_LATE are waited for where all of them do; of those
        that answer more and more at a time, and at each other machine one."""
        if not self._looks:
            return [Look(why="nothing is looked at in a test")] * len(wanted)
        found = [Look(why=TOO_MANY)] * len(wanted)
        left = list(range(len(wanted)))
        while left and self._late < MOST_LATE:
            some = _apart(left, wanted)[: self._wide]
            looks = subjects.look([wanted[number] for number in some])
            for number, seen in zip(some, looks, strict=True):
                found[number] = _masked(seen, wanted[number][1].secrets)
                left.remove(number)
            late = sum(seen.late for seen in looks)
            self._late += late
            self._wide = 1 if late else min(probes.MOST, self._wide * 2)
        return found


def _subject(step: Step, order: Order, around: Surroundings, run: journal.Run) -> Subject | None:
    names, revealed = (around.names(run, part=step.path, reveal=reveal) for reveal in (False, True))
    return subjects.of(step, order, names, revealed)


def _apart(numbers: Sequence[int], wanted: Sequence[tuple[Subject, Order]]) -> list[int]:
    """Of these the first at each other machine, which takes only so many sessions at a time, and all that are here."""
    hosts: set[str] = set()
    found: list[int] = []
    for number in numbers:
        far = wanted[number][1].far
        if far is None or far.host not in hosts:
            found.append(number)
        if far is not None:
            hosts.add(far.host)
    return found


def _masked(look: Look, secrets: tuple[str, ...]) -> Look:
    """Without the values of secrets; a digest of what holds one could be guessed at, so it has none."""
    if not secrets:
        return look
    state, raw = _hidden(look.state.encode(), secrets), look.raw
    raw = _hidden(raw, secrets) if raw is not None else None
    return look._replace(
        state=state.decode("utf-8", "replace"), raw=raw, digest=look.digest if raw == look.raw else ""
    )


def _hidden(raw: bytes, secrets: tuple[str, ...]) -> bytes:
    masker = Masker(secrets)
    return masker.feed(raw) + masker.flush()


def _known(word: str, look: Look) -> dict[str, Any]:
    """A value as the intent records it, all that is known of it."""
    digest = f"sha256 {look.digest}" if look.digest else ""
    value = ", ".join(filter(None, (look.state, look.mode, digest)))
    return {**({word: value} if value else {}), **({"unknown": look.why} if look.why else {})}


def _closed(told: dict[str, Any], before: Look, after: Look) -> dict[str, Any]:
    """What the outcome records: from, to, `same` where nothing changed, the difference, why something is unknown, and
    `unread` where what is there is what was there, and no more of it can be read."""
    found = dict(told)
    if after.why:
        found |= _known("to", after)
        if before.mark and before.mark == after.mark:
            found["unread"] = True
        if before.why and before.why != after.why:
            found["unknown"] = f"{before.why}; then: {after.why}"
        return found
    if before.mark and before.mark == after.mark:
        return {**found, "to": found["from"], "same": True}
    modes = before.mode != after.mode
    differs = _difference(before, after)
    if not differs and not modes and before.raw == after.raw and MASK in (after.raw or b""):
        differs = {"diff": "only a secret differs"}
    for word, look in (("from", before), ("to", after)):
        if look.state or look.mode:
            digest = f"sha256 {look.digest}" if look.digest and not differs else ""
            found[word] = ", ".join(filter(None, (look.state, look.mode if modes else "", digest)))
    if told.get("subject") == "unit" and found.get("from") == found.get("to"):
        found["to"] += ", started anew"
    return {**found, **differs}


def _difference(before: Look, after: Look) -> dict[str, Any]:
    """`diff`, unified with three lines around and cut where it is long, and how many lines came and went in all. Empty
    where one of both is no short text, or so many lines are alike that to compare them takes long."""
    import difflib

    old, new = _lines(before), _lines(after)
    if old is None or new is None or old == new or _alike(old, new) > ALIKE:
        return {}
    lines = list(difflib.unified_diff(old, new, "before", "after", lineterm=""))
    added, removed = (
        sum(line.startswith(sign) and line[1:] != change_words.NO_NEWLINE for line in lines[2:])
        for sign in "+-"
    )
    size, kept = 0, list[str]()
    for whole in lines:
        line = whole if len(whole) <= WIDE else f"{whole[:WIDE]}… ({len(whole) - 1:,} characters)"
        size += len(line) + 1
        if size > DIFF:
            kept.append(f"… {len(lines) - len(kept)} lines more")
            break
        kept.append(line)
    return {"diff": "\n".join(kept), "added": added, "removed": removed}


def _alike(old: list[str], new: list[str]) -> int:
    """How many pairs of equal lines difflib would weigh: it leaves out what is more than a hundredth of many lines."""
    popular = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    often = Counter(new)
    return sum(often[line] for line in old if often[line] <= popular)


def _lines(look: Look) -> list[str] | None:
    try:
        text = look.raw.decode() if look.raw is not None else None
    except UnicodeDecodeError:
        return None
    if text is None or "\0" in text:
        return None
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else [*lines, change_words.NO_NEWLINE]
