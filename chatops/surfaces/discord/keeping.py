"""A form in progress as text: in custom_ids, in the embeds of our own message, and back.

Only characters that every client leaves as they are stand in it; what else was typed is escaped as JSON does it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from chatops import dispatch
from chatops.surfaces.discord import marking, tree
from incidents.errors import BadInput

OURS = "hf:"
LONGEST_ID = 100  # units
BLOCKS = (
    3900,
    1900,
)  # units of the text in the first and in the second embed: together less than Discord's 6,000
TITLE = "What you typed"
PARAMS, PAIRS = "params", "pairs"


class Form(NamedTuple):
    """A form in progress. `raw` is what was typed, as dispatch.run takes it; `asks` is PARAMS or PAIRS.

    `wrong` says what is wrong with its page; `enough`: nothing that must be given is left; `kept`: it lies in the
    message under which it opens.
    """

    command: str
    asks: str
    raw: dict[str, Any]
    page: int = 0
    wrong: str = ""
    enough: bool = False
    kept: bool = False


def ids(form: Form, shown: Sequence[str]) -> list[str] | None:
    """The custom_ids of the modal and of its fields `shown`, with the form spread over them; None where too long."""
    if not shown or any(":" in name or marking.units(name) > LONGEST_ID for name in shown):
        return None
    if form.kept:
        return [f"{OURS}{form.command}:m", *shown]
    text, found = _text([form.asks, form.page, without(form.raw, shown)]), []
    for head in (f"{OURS}{form.command}:i:", *(f"{name}:" for name in shown)):
        length = _fitting(text, LONGEST_ID - marking.units(head))
        found.append(head + text[:length])
        text = text[length:]
    return None if text or marking.units(found[0]) > LONGEST_ID else found


def of_ids(custom_id: str, others: Iterable[str]) -> Form | None:
    """The form in the custom_ids of a modal and its fields; None where it lies in the message. Raises BadInput."""
    command, _, rest = custom_id.removeprefix(OURS).partition(":")
    where, _, text = rest.partition(":")
    if where == "m":
        return None
    return _form(command, "".join([text, *(other.partition(":")[2] for other in others)]))


def embeds(form: Form) -> list[dict[str, Any]] | None:
    """The form in the embeds of a message; None where it is too long for that."""
    text = _text([form.command, form.asks, form.page, form.raw])
    found: list[dict[str, Any]] = []
    for room in BLOCKS:
        length = _fitting(text, room)
        if length or not found:
            found.append({"description": f"```json\n{text[:length]}\n```"})
        text = text[length:]
    return None if text else [{"title": TITLE, **found[0]}, *found[1:]]


_BLOCK = re.compile(r"```json\n(.*)\n```", re.DOTALL)


def of_message(message: Mapping[str, Any]) -> Form:
    """The form that our message keeps. Raises BadInput where it keeps none, NotFound where the command is gone."""
    blocks = [
        _BLOCK.fullmatch(str(one.get("description", "")).strip()) for one in message.get("embeds") or ()
    ]
    text = "".join(block[1] for block in blocks if block is not None)
    try:
        command, *rest = json.loads(text)
    except (ValueError, TypeError):
        raise _gone() from None
    return _form(str(command), json.dumps(rest))._replace(kept=True)


def without(raw: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """What was typed without these fields, each a parameter or `parameter=name`."""
    gone = set(fields)
    return {
        name: [word for word in value if f"{name}={word.partition('=')[0].strip()}" not in gone]
        if isinstance(value, list | tuple)
        else value
        for name, value in raw.items()
        if name not in gone
    }


def _form(command: str, text: str) -> Form:
    try:
        asks, page, raw = json.loads(text)
        form = Form(command, str(asks), dict(raw), int(page))
    except (ValueError, TypeError):
        raise _gone() from None
    if (
        tree.SURFACE not in dispatch.find(command).surfaces
        or form.asks not in (PARAMS, PAIRS)
        or form.page < 0
    ):
        raise _gone()
    return form


def _gone() -> BadInput:
    return BadInput("this form is there no more", hint="begin again with the command")


def _text(value: Any) -> str:
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(char if char.isprintable() and char != "`" else _escaped(char) for char in plain)


def _escaped(char: str) -> str:
    data = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[place]:02x}{data[place + 1]:02x}" for place in range(0, len(data), 2))


def _fitting(text: str, room: int) -> int:
    """How many characters of `text` fit into `room` units."""
    used = 0
    for place, char in enumerate(text):
        used += marking.units(char)
        if used > room:
            return place
    return len(text)
