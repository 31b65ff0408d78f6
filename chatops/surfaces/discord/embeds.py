"""A card as an embed of Discord's, within a given size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chatops.surfaces.discord import marking
from chatops.surfaces.discord.marking import units
from chatops.views import Card, Field

EMBEDS = 10
SUM = 5_900  # units of all embeds of a message; Discord takes 6,000
TITLE, DESCRIPTION = 256, 4_096
FIELDS, NAME, VALUE = 25, 256, 1_024
EXACT = (
    600  # units of a field in code: the answers under it stay on a phone's screen, the whole is in the file
)
SMALLEST = 60  # units of a field that says anything
COLOURS = {"bad": 0xE03E3E, "warn": 0xE0A100, "good": 0x2EA043, "quiet": 0x8B949E}


class Drawn(NamedTuple):
    """An embed's JSON, its size as Discord sums it up, and whether it shows all."""

    json: dict[str, Any]
    size: int
    whole: bool


class Embed:
    """One embed: a card, or a text that is drawn already."""

    def __init__(self, card: Card | None = None, say: Callable[[str], str] = str, *, drawn: str = ""):
        self._card, self._say, self._text = card, say, drawn

    def draw(self, room: int) -> Drawn:
        """The embed within `room` units: the title, then what is under it, then fields as long as they fit."""
        if self._card is None:
            text = self._text or marking.NOTHING
            if units(text) <= room:
                return Drawn({"description": text}, units(text), True)
            return Drawn({"description": marking.NOTICE}, units(marking.NOTICE), False)
        return self._draw(self._card, room)

    def _draw(self, card: Card, room: int) -> Drawn:
        title = marking.title(card.title, min(TITLE, max(room // 4, 20)))
        json: dict[str, Any] = {"title": title}
        if card.tone in COLOURS:
            json["color"] = COLOURS[card.tone]
        left, whole = room - units(title), True
        head = self._head(card, min(DESCRIPTION, left if not card.fields else left * 2 // 3))
        if head.text:
            json["description"], whole = head.text, head.whole
            left -= units(head.text)
        fields: list[dict[str, Any]] = []
        for i, field in enumerate(card.fields):
            drawn, complete = self._field(field, left)
            if drawn is None or (len(fields) == FIELDS - 1 and i < len(card.fields) - 1):
                whole = False
                self._more(fields, left)
                break
            fields.append(drawn)
            left -= units(drawn["name"]) + units(drawn["value"])
            whole = whole and complete
        if fields:
            json["fields"] = fields
        return Drawn(json, room - left, whole)

    def _head(self, card: Card, room: int) -> marking.Fitted:
        """How it stands, and what is under the title."""
        state = marking.label(card.state)
        state = (
            f"**{marking.title(card.state, min(300, max(room // 2, 20)))}**"
            if marking.readable(state)
            else ""
        )
        if room - units(state) < SMALLEST:
            return marking.Fitted(state, not card.under.strip())
        under = marking.prose(self._say(card.under).rstrip(), room - units(state) - 1)
        return marking.Fitted("\n".join(filter(None, (state, under.text))), under.whole)

    def _field(self, field: Field, left: int) -> tuple[dict[str, Any] | None, bool]:
        """The field within `left` units, and whether it is all of it; None where nothing useful fits."""
        name = marking.title(field.name, NAME)
        room = min(EXACT if field.exact else VALUE, left - units(name))
        text = "\n".join(field.values)
        value = marking.exact(text, room) if field.exact else marking.prose(self._say(text), room)
        if room < SMALLEST + units(marking.NOTICE) and not value.whole:
            return None, False
        shown = value.text or marking.NOTHING
        return ({"name": name, "value": shown}, value.whole) if units(shown) <= room else (None, False)

    def _more(self, fields: list[dict[str, Any]], left: int) -> None:
        if left >= units(marking.NOTICE) + 4 and len(fields) < FIELDS:
            fields.append({"name": "more", "value": marking.NOTICE})
        elif fields:  # the last one gives its place
            fields[-1] = {"name": "more", "value": marking.NOTICE}
