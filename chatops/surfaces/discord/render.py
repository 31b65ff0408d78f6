"""Views as Discord's JSON: pure, so that every body can be judged without a Discord.

Whatever people or programs wrote, a body stays within Discord's limits, mentions nobody but who is to be called, and
is never empty. What does not fit is cut at a line, and the whole goes with it as a file. A body holds all parts of a
message, empty ones too, so that an edit takes away what is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chatops import presses, views
from chatops.surfaces.base import File, Post
from chatops.surfaces.discord import marking
from chatops.surfaces.discord.embeds import DESCRIPTION, EMBEDS, SUM, Embed
from chatops.surfaces.discord.lines import log_text, table_text
from chatops.surfaces.discord.marking import units
from chatops.views import Button, Card, Choice, Drawing, Form, Log, Part, Stack, Table, Text, View

if TYPE_CHECKING:
    from chatops.vocabulary import Reply

CONTENT = 1_900  # of 2,000: an answer that comes too late gets a mention before it, a declaration its thread after it
ROW, ROWS = 5, 5
LABEL = 80
OPTIONS, OPTION = 25, 100
PINGS = 20
LARGEST_FILE = 8 << 20  # bytes; by default Discord takes 10 MiB
ENDLESS = 1_000_000  # cells: in a file nothing is wrapped
STYLES = {"bad": 4, "good": 3, "key": 1}
NOTHING = "(nothing to show)"

Say = Callable[[str], str]


def message(post: Post, *, say: Say = str) -> dict[str, Any]:
    """The body that creates or edits the message. `say` turns our own words about commands into Discord's."""
    return _post(post, say).body()


def attachments(post: Post, *, say: Say = str) -> tuple[File, ...]:
    """The files that go with the message besides the post's own: the whole of what was cut."""
    return _post(post, say).files


def plain(post: Post) -> dict[str, Any]:
    """The message as text alone, for when Discord does not take it otherwise."""
    page = _Page(str)
    page.call(post.ping)
    page.write(marking.prose(views.plain(post.view), page.room))
    page.close(None, "")
    return page.body()


def reply(
    reply: Reply, *, beside: Sequence[str] = (), say: Say = str, choice_id: str = ""
) -> tuple[dict[str, Any], tuple[File, ...]]:
    """The body of an answer, and the files that go with it.

    `beside` are lines under it; `choice_id` is the custom_id of the first Choice; without one it is told in lines.
    """
    page = _Page(say, choice_id)
    small = [f"-# {marking.label(say(line))}" for line in beside if marking.readable(marking.label(line))]
    page.kept = min(600, sum(units(line) + 1 for line in small))
    if reply.view is not None:
        page.draw(reply.view)
    page.kept = 0
    for line in small:
        page.write(marking.Fitted(line, True))
    page.close(reply.view, reply.file or "answer")
    return page.body(), page.files


def said(reply: Reply) -> str:
    """An answer's words, as they were meant for any surface."""
    return views.plain(reply.view, ENDLESS) if reply.view is not None else ""


def aloud(body: dict[str, Any], account: str) -> dict[str, Any]:
    """The answer for everyone to see, calling who asked."""
    page = _Page(str)
    page.call((account,))
    calling = page.body()
    content = f"{calling['content']}\n{body.get('content', '')}" if page.content else body.get("content", "")
    return {
        **body,
        "content": content.strip(),
        "allowed_mentions": calling["allowed_mentions"],
        "attachments": [],
    }


def words_alone(text: str) -> dict[str, Any]:
    """A body that says what was drawn already, as far as it fits, without cards, buttons and files."""
    page = _Page(str)
    page.write(marking.fit(text, page.room, str))
    return page.body()


def _post(post: Post, say: Say) -> _Page:
    page = _Page(say)
    page.call(post.ping)
    page.draw(post.view)
    page.press(post.buttons)
    page.close(post.view, _slug(post.view))
    return page


class _Page:
    """A message as it fills. `kept` units of its content are for what comes later."""

    def __init__(self, say: Say, choice_id: str = ""):
        self.content: list[str] = []
        self.embeds: list[Embed] = []
        self.rows: list[list[dict[str, Any]]] = []
        self.files: tuple[File, ...] = ()
        self.whole = True
        self.kept = 0
        self._drawn: list[dict[str, Any]] = []
        self._say, self._choice_id = say, choice_id
        self._called: list[str] = []
        self._ids: set[str] = set()

    @property
    def room(self) -> int:
        """Units that the content still takes."""
        return CONTENT - self.kept - sum(units(text) + 1 for text in self.content)

    def body(self) -> dict[str, Any]:
        content = "\n".join(self.content)
        if not self._drawn and not marking.readable(content):
            content = NOTHING
        return {
            "content": content,
            "embeds": self._drawn,
            "components": [{"type": 1, "components": row} for row in self.rows],
            "allowed_mentions": {"parse": [], **({"users": self._called} if self._called else {})},
            "attachments": [],
        }

    def call(self, accounts: Sequence[str]) -> None:
        """Mention these accounts, and no others."""
        valid = (one for one in accounts if re.fullmatch(r"[1-9][0-9]{0,19}", one, re.ASCII))
        self._called = list(dict.fromkeys(valid))[:PINGS]
        if self._called:
            self.content.append(" ".join(f"<@{one}>" for one in self._called))

    # -- views

    def draw(self, view: View) -> None:
        parts = view.parts if isinstance(view, Stack) else (view,)
        for i, part in enumerate(parts):
            rest = sum(isinstance(one, Text | Table | Log | Drawing | Choice) for one in parts[i + 1 :])
            self._part(part, self.room // (rest + 1) if not self.embeds else DESCRIPTION)

    def _part(self, part: Part, room: int) -> None:
        if isinstance(part, Card):
            self._card(part)
        elif isinstance(part, Form):
            self._card(Card(part.title, part.fields, under=part.command))
        elif isinstance(part, Button):
            self.press((part,))
        elif isinstance(part, Choice):
            self._choose(part, room)
        elif isinstance(part, Drawing):
            self._part(part.told, room)
        else:
            self._text(self._told(part, max(room, 100)))

    def _told(self, part: Text | Table | Log, room: int) -> marking.Fitted:
        if isinstance(part, Table):
            return table_text(part, room)
        if isinstance(part, Log):
            return log_text(part, room)
        return marking.exact(part.text, room) if part.exact else marking.prose(self._say(part.text), room)

    def _text(self, found: marking.Fitted) -> None:
        """Above the first card it is the content, after it an embed of its own, so that the order stays."""
        if not self.embeds:
            self.write(found)
        elif len(self.embeds) < EMBEDS:
            self.embeds.append(Embed(drawn=found.text))
            self.whole = self.whole and found.whole
        else:
            self.whole = False

    def write(self, found: marking.Fitted) -> None:
        self.whole = self.whole and found.whole
        if units(found.text) > self.room:
            self.whole = False
        elif found.text:
            self.content.append(found.text)

    def _card(self, card: Card) -> None:
        if len(self.embeds) < EMBEDS:
            self.embeds.append(Embed(card, self._say))
        else:
            self.whole = False

    # -- what can be pressed

    def press(self, buttons: Sequence[Button]) -> None:
        """What can be said to one thing, a question or a run, stands in one row."""
        before: Button | None = None
        for button in buttons:
            if not button.incident:  # it is about nothing that a press could find again
                self.write(marking.prose(f"{button.label}: {self._say(button.command)}", self.room))
                continue
            drawn = _button(button)
            if drawn["custom_id"] in self._ids:
                continue
            if before is None or not _beside(before, button) or len(self.rows[-1]) >= ROW:
                if len(self.rows) >= ROWS:
                    return
                self.rows.append([])
            before = button
            self.rows[-1].append(drawn)
            self._ids.add(drawn["custom_id"])

    def _choose(self, choice: Choice, room: int) -> None:
        fitting = [one for one in choice.options if one.value.strip() and units(one.value) <= OPTION]
        options = list({one.value: one for one in fitting}.values())[:OPTIONS]
        if not self._choice_id or not options or len(self.rows) >= ROWS:
            listed = [f"{one.value}  {one.label}".rstrip() for one in choice.options]
            self._text(marking.prose("\n".join((self._say(choice.question), *listed)), room))
            return
        left = len(choice.options) - len(options)
        more = f"\nand {left} more, which no list of Discord's holds: type it" if left else ""
        self._text(marking.prose(self._say(choice.question) + more, room))
        drawn = [
            {
                "label": marking.bare(one.value, OPTION),
                "value": one.value,
                **({"description": marking.bare(one.label, OPTION)} if marking.readable(one.label) else {}),
            }
            for one in options
        ]
        self.rows.append([{"type": 3, "custom_id": self._choice_id, "options": drawn}])
        self._choice_id = ""

    # -- the whole

    def close(self, view: View | None, name: str) -> None:
        """Draw the cards; where anything of `view` was cut, all of it becomes a file."""
        self._drawn, whole = _drawn(self.embeds)
        if (self.whole and whole) or view is None:
            return
        data = views.plain(view, ENDLESS).encode("utf-8", "replace")[:LARGEST_FILE]
        name = name if "." in name else f"{name}.txt"
        kind = "text/markdown" if name.endswith(".md") else "text/plain"
        self.files = (File(name, f"{kind}; charset=utf-8", data),)


def _drawn(embeds: Sequence[Embed]) -> tuple[list[dict[str, Any]], bool]:
    """The embeds within Discord's sum; where they are too much, the smaller ones keep what they need."""
    found = [embed.draw(SUM) for embed in embeds]
    if sum(one.size for one in found) > SUM:
        room, share = SUM, {}
        for rank, i in enumerate(sorted(range(len(found)), key=lambda i: found[i].size)):
            share[i] = min(found[i].size, room // (len(found) - rank))
            room -= share[i]
        found = [
            found[i] if found[i].size <= share[i] else embed.draw(share[i]) for i, embed in enumerate(embeds)
        ]
    return [one.json for one in found], all(one.whole for one in found)


def _beside(one: Button, other: Button) -> bool:
    """Whether two buttons are about the same thing; what is said to a run may be about events of its own."""
    words = presses.RUN_WORDS
    return one.seq == other.seq or (one.word in words and other.word in words)


def _button(button: Button) -> dict[str, Any]:
    return {
        "type": 2,
        "style": STYLES.get(button.tone, 2),
        "label": marking.bare(button.label, LABEL),
        "custom_id": presses.custom_id(button),
    }


def _slug(view: View) -> str:
    """A file's name from a view's heading."""
    first = view.parts[0] if isinstance(view, Stack) and view.parts else view
    words = re.findall(r"[a-z0-9]+", str(getattr(first, "title", "")).lower())
    return "-".join(words)[:60].strip("-") or "message"
