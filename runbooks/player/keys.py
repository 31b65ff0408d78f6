"""Typed keys: the terminal's mode while they are read, and what each of them means.

One letter answers. What cannot be taken back wants its letter twice, and what arrives in one burst (a paste, a
jammed key) answers nothing. The mode is restored on every way out.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TextIO

from incidents.errors import BadInput
from runbooks.question import Card

BURST = 3  # keys that no finger types within one read
_ESCAPES = re.compile("\x1b\\[[0-9;?<]*[ -/]*[@-~]|\x1bO.|\x1b[^\x1b]")  # arrows, function keys, Alt-x
AT_ONCE = frozenset(
    ("yes", "wait", "approve", "decline")
)  # these need no second key; neither do `done` and `skip` where nothing is in doubt
HARMLESS = frozenset(("done", "skip"))


class Terminal(Protocol):
    """Where the viewer's person sits. `attended`: input and output are both a terminal."""

    @property
    def stdin(self) -> TextIO: ...
    @property
    def stdout(self) -> TextIO: ...
    @property
    def stderr(self) -> TextIO: ...
    @property
    def attended(self) -> bool: ...


class Chosen(NamedTuple):
    """A person's answer to a question; `beside`: next to an attempt that still runs. `outputs` of `decline`: its why."""

    question: str
    word: str
    outputs: Mapping[str, str] = {}
    beside: bool = False


class Leave(NamedTuple):
    """The person closes this viewer."""


Intent = Chosen | Leave


def in_foreground(fd: int) -> bool:
    """May this process read the terminal? One in the background would be stopped by it."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


@contextlib.contextmanager
def single_keys(fd: int) -> Iterator[None]:
    """Each key is readable at once and is not echoed, inside the block; Ctrl-C still interrupts."""
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd, termios.TCSANOW)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, termios.error):  # the terminal itself is gone
            termios.tcsetattr(fd, termios.TCSANOW, before)


def forget_typed(fd: int) -> None:
    """What was typed before a question could be read does not answer it."""
    with contextlib.suppress(OSError, termios.error):
        termios.tcflush(fd, termios.TCIFLUSH)


def read_keys(fd: int) -> list[str] | None:
    """The keys typed by now; None when the terminal is gone."""
    try:
        if not select.select([fd], [], [], 0)[0]:
            return []
        raw = os.read(fd, 4096)
    except OSError:
        return None
    return split(raw) if raw else None


def split(raw: bytes) -> list[str]:
    """Keys of what a terminal sent: arrows and the like are left out, a lone escape is `esc`."""
    text = _ESCAPES.sub("", raw.decode("utf-8", "ignore"))
    return [_NAMED.get(char, char) for char in text]


_NAMED = {
    "\x1b": "esc",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "back",
    "\x08": "back",
    "\t": "tab",
    "\x04": "end",
}


class Keyboard:
    """What keys mean at the questions that are open. `notice` is what the person should read now."""

    def __init__(self, check: Callable[[Card, Mapping[str, str]], Any] | None = None):
        self.cards: list[Card] = []
        self.notice = ""
        self.armed = ""  # the word that waits for its second key
        self.values: dict[str, str] = {}  # outputs typed so far
        self.asking = ""  # the output being typed
        self.typed = ""
        self._check = check or (lambda card, values: None)

    @property
    def card(self) -> Card | None:
        """The question that keys answer."""
        return self.cards[0] if self.cards else None

    def show(self, cards: Sequence[Card]) -> None:
        """The questions that are open now; where the one at hand is gone, so is what was begun for it."""
        first = self.card
        open_now = {card.question: card for card in cards}
        kept = [card for card in self.cards if card.question in open_now]
        self.cards = kept + [
            card for name, card in open_now.items() if all(card.question != k.question for k in kept)
        ]
        if first is not None and self.card is not first:
            self._reset()

    def press(self, keys: Sequence[str]) -> list[Intent]:
        if len(keys) > BURST and not self.asking:
            self._reset()
            self.notice = "that came all at once and was ignored: press one key"
            return []
        found = [intent for key in keys if (intent := self._press(key)) is not None]
        return found[:1]

    def _press(self, key: str) -> Intent | None:
        card = self.card
        if self.asking and card is not None:
            return self._type(card, key)
        self.notice = ""
        letter = key.lower()
        if letter in ("q", "end") or (card is None and letter == "d"):
            return Leave()
        if card is None:
            return None
        if letter == "tab":
            self._reset()
            self.cards.append(self.cards.pop(0))
            return None
        word = next((a.word for a in card.answers if letter == a.word[0]), "")
        if letter == "enter" and self.armed:
            word = self.armed
        if not word:
            self._reset()
            return None
        if word != self.armed and needs_twice(card, word):
            self.armed = word
            return None
        self.armed = ""
        if asked := _fields(card, word):
            self.armed, self.asking = word, asked[0]
            return None
        return Chosen(card.question, word, {}, card.alive and word == "retry")

    def _type(self, card: Card, key: str) -> Intent | None:
        """One key of an output's value."""
        if key == "esc":
            self._reset()
        elif key == "back":
            self.typed = self.typed[:-1]
        elif key == "enter":
            return self._take(card)
        elif len(key) == 1 and key.isprintable():
            self.typed += key
        return None

    def _take(self, card: Card) -> Intent | None:
        values = {**self.values, self.asking: self.typed} if self.typed else dict(self.values)
        if self.armed == "decline":
            if not self.typed:
                return None
            self._reset()
            return Chosen(card.question, "decline", values)
        try:
            self._check(card, values)
        except BadInput as problem:
            self.notice, self.typed = str(problem), ""
            return None
        rest = card.outputs[card.outputs.index(self.asking) + 1 :]
        self.values, self.typed, self.notice = values, "", ""
        if rest:
            self.asking = rest[0]
            return None
        self._reset()
        return Chosen(card.question, "done", values)

    def _reset(self) -> None:
        self.armed = self.asking = self.typed = self.notice = ""
        self.values = {}


def _fields(card: Card, word: str) -> tuple[str, ...]:
    """What is typed besides the answer."""
    return {"done": card.outputs, "decline": ("why",)}.get(word, ())


def needs_twice(card: Card, word: str) -> bool:
    """Can this answer not be taken back, or does it claim what nobody has proved?"""
    if word in AT_ONCE:
        return False
    return not (word in HARMLESS and card.what in ("confirm", "manual"))


def read_line(line: str, card: Card) -> Intent | str:
    """A whole typed line as an answer: `retry`, `retry beside`, `done size=12`, `quit`; else what is wrong with it."""
    try:
        words = shlex.split(line)
    except ValueError:
        return "a quote is not closed"
    known = [answer.word for answer in card.answers]
    if words in (["quit"], ["detach"], ["q"]):
        return Leave()
    if not words or words[0] not in known:
        return f"type one of: {', '.join(known)}; or quit, which only closes this viewer"
    word, rest = words[0], words[1:]
    if word == "retry" and card.alive and rest != ["beside"]:
        return (
            "it still runs, or may: wait for its end, or type `retry beside` to start another one beside it"
        )
    if word == "done" and all("=" in item for item in rest):
        return Chosen(card.question, word, dict(item.split("=", 1) for item in rest))
    if word == "decline":
        return Chosen(card.question, word, {"why": " ".join(rest)}) if rest else "say why: decline TEXT"
    if rest and not (word == "retry" and rest == ["beside"]):
        return f"`{word}` takes nothing more"
    return Chosen(card.question, word, {}, word == "retry" and rest == ["beside"])
