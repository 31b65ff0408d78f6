"""The `paging:` section and the `page:` rule of each person: by which ways a page reaches somebody, in which order.

    paging:
      channels:
        push: env:PUSH_URL                    # an apprise URL, by reference: the file is kept in the record
        sms: file:/etc/howdah/sms.url         # what it holds may name contacts: {phone}
        mail: "mailto://127.0.0.1:25?from=howdah@example.org&to={mail}"
      default: [discord, push]                # for whoever has no `page:` of their own
      timeout: 20s                            # a channel that has not answered by then has failed
    people:
      nova: {discord: "…", contacts: {phone: "+1 555 0100", mail: nova@example.org}, page: [discord, push, sms]}

`discord` is the incident's thread there, where the person is mentioned; it needs no channel here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from incidents import clock
from incidents.errors import BadInput, Mistake
from incidents.near import near_hint
from incidents.people import CHATS as CHATS

if TYPE_CHECKING:
    from incidents.people import People, Person
    from incidents.yamlfile import Node

TIMEOUT = 20 * clock.SECOND
SHORTEST, LONGEST = clock.SECOND, 2 * clock.MINUTE
PHONE = "phone"  # the contact that is shown when all else fails
_KEYS = ("channels", "default", "timeout")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_PLACE = re.compile(r"\{([a-z][a-z0-9_-]{0,39})\}", re.ASCII)
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+", re.ASCII)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.ASCII)
_PLAIN = "stands here in plain text, and the record keeps every version of this file"
_CURE = "where it holds a secret, put it into a file: file:/PATH"
_HINT = "write `channels: {push: env:PUSH_URL}`; an apprise URL stands behind the reference"


class Paging(NamedTuple):
    """`channels`: name -> reference (`env:NAME`, `file:/PATH`) or URL; `timeout` in µs."""

    channels: Mapping[str, str] = {}
    default: tuple[str, ...] = ()
    timeout: int = TIMEOUT


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


def ways(person: Person | None, paging: Paging) -> tuple[str, ...]:
    """The channels to try in turn: the person's own rule, else the default, else the chat they have an account of."""
    if person is None:
        return ()
    chats = [chat for chat in CHATS if any(platform == chat for platform, _ in person.accounts)]
    ways = person.page or paging.default or tuple(chats)
    return tuple(way for way in ways if way not in CHATS or way in chats)


def fill(template: str, person: Person) -> str:
    """The URL with the person's contacts in it, each quoted as a part of a URL. Raises BadInput for one that lacks."""
    from urllib.parse import quote

    def contact(match: re.Match[str]) -> str:
        value = person.name if match[1] == "name" else person.contacts.get(match[1])
        if not value:
            raise BadInput(f"{person.name} has no contact {match[1]!r}")
        return quote(value, safe="")

    return _PLACE.sub(contact, template)


def parse(node: Node, path: str) -> tuple[Paging, list[Mistake], list[Mistake]]:
    """The `paging:` section, all that is wrong with it, and what is doubtful."""
    section = _Section(path)
    if node.kind != "map":
        section.wrong(node, "paging: is a map", _HINT)
        return Paging(), section.mistakes, []
    for word in node.value:
        if word not in _KEYS:
            section.wrong(node.keys[word], f"paging has no {word!r}", near_hint(word, _KEYS))
    given: dict[str, Node] = node.value
    channels = section.channels(given["channels"]) if "channels" in given else {}
    default = section.names(given["default"], channels) if "default" in given else ()
    timeout = section.timeout(given["timeout"]) if "timeout" in given else TIMEOUT
    return Paging(channels, default, timeout), section.mistakes, section.doubts


def check(node: Node, path: str, people: People, paging: Paging) -> list[Mistake]:
    """What is wrong with each person's `page:`; `node` is the section `people:`."""
    section = _Section(path)
    for name, value in node.value.items() if node.kind == "map" else ():
        person = people.get(name)
        rule = value.value.get("page") if value.kind == "map" else None
        if person is None or rule is None or rule.kind in ("map", "null"):
            continue
        section.names(rule, paging.channels, f"{name}: ")
        for one in _texts(rule):
            template = paging.channels.get(one.text, "")
            if one.text in CHATS and not any(platform == one.text for platform, _ in person.accounts):
                section.wrong(one, f"{name} has no {one.text} account", f"give them one: `{one.text}: ID`")
            elif template and not is_reference(template):
                try:
                    fill(template, person)
                except BadInput as error:
                    section.wrong(one, error.message, f"the channel {one.text} needs it in `contacts:`")
    return section.mistakes


def _texts(node: Node) -> list[Node]:
    return [one for one in node.items() if one.kind not in ("map", "list", "null")]


class _Section:
    def __init__(self, path: str):
        self.path = path
        self.mistakes: list[Mistake] = []
        self.doubts: list[Mistake] = []

    def wrong(self, node: Node, what: str, hint: str = "") -> None:
        self.mistakes.append(Mistake(self.path, node.line, node.column, what, hint))

    def channels(self, node: Node) -> dict[str, str]:
        if node.kind != "map":
            self.wrong(node, "channels is a map of names", _HINT)
            return {}
        found = {}
        for name, value in node.value.items():
            if not _NAME.fullmatch(name):
                self.wrong(node.keys[name], f"a channel cannot be called {name[:60]!r}", "use a-z 0-9 _ -")
            elif name in CHATS:
                self.wrong(
                    node.keys[name], f"{name} is the chat itself", f"`page: [{name}]` needs no channel"
                )
            elif value.kind in ("map", "list", "null") or not (
                is_reference(value.text) or _URL.fullmatch(value.text)
            ):
                self.wrong(value, f"{name}: is neither a reference nor an apprise URL", _HINT)
            else:
                found[name] = value.text
                if not is_reference(value.text):
                    self.doubts.append(
                        Mistake(self.path, value.line, value.column, f"{name}: {_PLAIN}", _CURE)
                    )
        return found

    def names(self, node: Node, channels: Mapping[str, str], before: str = "") -> tuple[str, ...]:
        """A list of channels. An unknown one is a mistake."""
        texts = _texts(node)
        if node.kind == "list" and len(texts) != len(node.value):
            self.wrong(node, f"{before}a list of names of channels", "write `page: [discord, push]`")
        known = [*CHATS, *channels]
        found: list[str] = []
        for one in texts:
            if one.text not in known:
                self.wrong(one, f"{before}there is no channel {one.text[:60]!r}", near_hint(one.text, known))
            elif one.text in found:
                self.wrong(one, f"{before}{one.text} stands here twice", "each is tried once for a page")
            else:
                found.append(one.text)
        return tuple(found)

    def timeout(self, node: Node) -> int:
        try:
            given = clock.parse_duration(node.text) if node.kind not in ("map", "list", "null") else 0
        except BadInput:
            given = 0
        if not SHORTEST <= given <= LONGEST:
            self.wrong(node, "timeout is from 1s to 2m", "timeout: 20s")
            return TIMEOUT
        return given
