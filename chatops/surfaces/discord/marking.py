"""Text for Discord that says what it said: nothing of it mentions, formats, or leaves its code block.

Sizes are UTF-16 code units, the strictest of the ways in which Discord counts. Markdown is escaped by a backslash;
where none helps (mentions, fences) a zero-width space parts the characters that act together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from chatops.layout import INSTANT
from incidents.clock import SECOND
from incidents.visible import one_line, visible

PART = "\u200b"  # Discord shows nothing for it
NOTICE = "… the whole is in the file"
NOTHING = "(nothing)"

_LINK = re.compile(r"https?://[^\s<>\ue000]+")
_IN_LINK = {"`": "%60", "|": "%7C"}  # these would act where Discord does not take the text for a link
_EVERYONE = re.compile(r"@(?=everyone|here)")
_MENTION = re.compile(r"@(?=everyone|here|[!&]?[0-9])|<(?=[@#/:]|(?!https?:)[a-z]{1,12}:)")
_MARKS = re.compile(r"[\\*~|`\[]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BLOCK = re.compile(r"^(\s*)([#>+-])|^(\s*[0-9]{1,9})([.)])")
_FENCE = re.compile(r"`(?=`)")
_FORMS = {"moment": "f", "short": "R", "ago": "R"}


def units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


def escaped(text: str, *, links: bool = True) -> str:
    """`text` so that it reads as it was written; `links` in it stay links."""
    return "\n".join(_line(line, links) for line in visible(text).split("\n"))


def label(text: str) -> str:
    """The same on one line and without links, so that it may stand between marks of ours."""
    return escaped(one_line(INSTANT.sub(r"\3", text)), links=False).strip()


def _line(line: str, links: bool) -> str:
    drawn, at = "", 0
    for match in INSTANT.finditer(line):
        drawn += _words(line[at : match.start()], links, begin=at == 0) + stamp(
            int(match[1]), _FORMS[match[2]]
        )
        at = match.end()
    return drawn + _words(line[at:], links, begin=at == 0)


def stamp(at: int, form: str) -> str:
    """An instant (µs) that each reader sees on their own clock."""
    return f"<t:{at // SECOND}:{form}>"


def _words(text: str, links: bool, *, begin: bool) -> str:
    drawn, at = "", 0
    for match in _LINK.finditer(text) if links else ():
        drawn += _prose(text[at : match.start()], begin and at == 0) + _link(match[0])
        at = match.end()
    return drawn + _prose(text[at:], begin and at == 0)


def _link(link: str) -> str:
    for char, code in _IN_LINK.items():
        link = link.replace(char, code)
    return _EVERYONE.sub("%40", link)


def _prose(text: str, begin: bool) -> str:
    text = _MARKS.sub(r"\\\g<0>", text)
    if begin:
        text = _BLOCK.sub(lambda m: f"{m[1] or ''}{m[3] or ''}\\{m[2] or m[4]}", text)
        bare = text.lstrip(" ")
        text = "\u2002" * (len(text) - len(bare)) + bare  # Discord swallows plain spaces at a line's begin
    return _MENTION.sub(lambda m: m[0] + PART, text)


def defused(text: str) -> str:
    """`text` for the inside of a code block."""
    return _FENCE.sub("`" + PART, visible(text))


def block(body: str) -> str:
    """A code block of a body that `defused` made."""
    return f"```\n{body if body.strip() else NOTHING}\n```"


def code(text: str) -> str:
    """`text` as code inside a line."""
    text = one_line(text)
    return escaped(text, links=False) if "`" in text or not text else f"`{text}`"


# -- sizes ---------------------------------------------------------------------------------------------------


class Fitted(NamedTuple):
    """What fits, drawn; `whole` is False where something was left out."""

    text: str
    whole: bool


def fit(text: str, limit: int, draw: Callable[[str], str]) -> Fitted:
    """`text` drawn line by line within `limit` units; cut at a line, a first line that is too long within itself."""
    lines: list[str] = []
    room = limit
    for line in text.split("\n"):
        drawn = draw(line) if len(line) <= room else ""
        if len(line) > room or units(drawn) > room:
            if not lines:
                lines.append(_head(line, room, draw))
            return Fitted("\n".join(lines), False)
        lines.append(drawn)
        room -= units(drawn) + 1
    return Fitted("\n".join(lines), True)


def _head(line: str, room: int, draw: Callable[[str], str]) -> str:
    low, high = 0, min(len(line), room)
    while low < high:
        middle = (low + high + 1) // 2
        if units(draw(line[:middle])) <= room:
            low = middle
        else:
            high = middle - 1
    while low and units(draw(line[:low])) > room:
        low -= 1
    begun = line.rfind("\ue000", 0, low)
    if begun >= 0 and line.find("\ue001", begun, low) < 0:
        low = begun  # an instant stays whole
    return draw(line[:low]) if low else ""


def prose(text: str, limit: int) -> Fitted:
    """People's words within `limit` units, with a notice where something was left out."""
    found = fit(text, limit, escaped)
    if found.whole:
        return Fitted(found.text if readable(found.text) else "", True)
    found = fit(text, limit - len(NOTICE) - 1, escaped)
    return Fitted(f"{found.text}\n{NOTICE}", False)


def exact(text: str, limit: int) -> Fitted:
    """A code block within `limit` units, with a notice under it where something was left out."""
    text = text.strip("\n") or NOTHING
    found = fit(text, limit - len(block("x")) + 1, defused)
    if found.whole:
        return Fitted(block(found.text), True)
    found = fit(text, limit - len(block("x")) - len(NOTICE), defused)
    return Fitted(f"{block(found.text)}\n{NOTICE}", False)


def title(text: str, limit: int) -> str:
    """`text` on one line within `limit` units, never empty."""
    found = fit(one_line(INSTANT.sub(r"\3", text)), limit - 1, lambda part: escaped(part, links=False))
    shown = found.text.strip() + ("" if found.whole else "…")
    return shown if readable(shown) else NOTHING


def bare(text: str, limit: int) -> str:
    """The same where Discord knows no markdown: labels of buttons, options of a list."""
    shown = one_line(INSTANT.sub(r"\3", text))
    found = fit(shown, limit - 1, str)
    shown = found.text.strip() + ("" if found.whole else "…")
    return shown if readable(shown) else NOTHING


def readable(text: str) -> bool:
    """Whether a person sees anything: Discord refuses what is empty to it."""
    return any(
        char.isalnum() or (char.isprintable() and not char.isspace() and char not in _BLANK) for char in text
    )


_BLANK = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b\u200c\u200d\u2800\u3164\ufe0f\uffa0\U000e0001\\"
)
