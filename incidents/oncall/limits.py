"""What may be asked of one person: the `limits:` section. docs/burnout.md has the rules, `strain` applies them.

    limits:
      active: 8h             # work in incidents between two rests
      rest: 11h              # undisturbed, between two days of work
      pages_per_shift: 6     # of a shift longer than a day: in any 24 hours
      pages_per_night: 2     # from 22:00 to 06:00 by the person's own clock; 0: nobody is woken while another may
      consecutive_days: 7
      notice: 1h             # so long before a limit the relief is named
      handoff: 15m           # so long an incoming person has to say "I have it"
      overrun: 2h            # so long after the end of a shift its person can still be held

`never` switches one of the first five off; with `handoff: never` nobody has to say so, the schedule alone decides. What is left out has its default, and these have their sources: 11 h is
the daily rest of Directive 2003/88/EC; 2 pages a night are the 2 incidents in 12 hours of the SRE book, chapter 11, and 6
a shift are those with 3 pages each; 8 h and 7 days are an ordinary day's work and a weekly turn. They are settings: that
somebody's law is kept by them is not claimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput, Mistake
from incidents.near import near_hint

if TYPE_CHECKING:
    from incidents.yamlfile import Node

NEVER = ("never", "no", "off")


class Limits(NamedTuple):
    """Spans are µs; None is no limit."""

    active: int | None = 8 * clock.HOUR
    rest: int | None = 11 * clock.HOUR
    pages_per_shift: int | None = 6
    pages_per_night: int | None = 2
    consecutive_days: int | None = 7
    notice: int = clock.HOUR
    handoff: int | None = 15 * clock.MINUTE
    overrun: int = 2 * clock.HOUR


_COUNTS = ("pages_per_shift", "pages_per_night", "consecutive_days")
_REQUIRED = ("notice", "overrun")
_HINT = "write `limits: {active: 8h, rest: 11h, pages_per_night: 2}`"


def parse(node: Node, path: str) -> tuple[Limits, list[Mistake]]:
    """The section `limits:`, and everything that is wrong with it."""
    if node.kind != "map":
        return Limits(), [Mistake(path, node.line, node.column, "limits: is a map", _HINT)]
    given: dict[str, Any] = {}
    wrong = []
    for word, value in node.value.items():
        if word not in Limits._fields:
            key = node.keys[word]
            what = f"limits: there is no limit {word!r}"
            wrong.append(Mistake(path, key.line, key.column, what, near_hint(word, Limits._fields)))
            continue
        try:
            given[word] = _value(word, value)
        except ValueError as error:
            wrong.append(Mistake(path, value.line, value.column, f"{word}: {error}", _HINT))
    if given.get("rest") is not None and given["rest"] >= clock.DAY:
        value = node.value["rest"]
        wrong.append(Mistake(path, value.line, value.column, "rest: is less than a day", _HINT))
    return Limits(**given), wrong


def _value(word: str, value: Node) -> int | None:
    counts, required = word in _COUNTS, word in _REQUIRED
    least = 0 if word == "pages_per_night" else 1
    what = f"is a whole number from {least}" if counts else "is a length of time such as 8h"
    what += "" if required else ", or never"
    if value.kind in ("map", "list") or (value.kind == "null" and required):
        raise ValueError(what)
    text = "" if value.kind == "null" else str(value.text)
    if not required and (value.kind == "null" or text in NEVER):
        return None
    if counts:
        if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) >= least):
            raise ValueError(what)
        return int(text)
    try:
        micros = clock.parse_duration(text)
    except BadInput as error:
        raise ValueError(error.message if error.message.endswith("days") else what) from None
    if micros < clock.MINUTE:
        raise ValueError("is at least one minute" + ("" if required else ", or never"))
    return micros
