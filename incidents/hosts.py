"""The machines that runbooks act on: the `hosts:` section.

    hosts:
      web1:
        address: 10.0.0.11        # what ssh is given; the host's name unless said otherwise
        user: deploy              # else what the user's own ssh configuration says, as for everything here
        port: 2222
        region: eu
        roles: [web]
        labels: {rack: a7}
        connect_timeout: 10s
        transport: asyncssh       # else ssh; see below

`transport: asyncssh` reaches a host from one process that holds many connections; ssh is a process a host.

A runbook names them in `targets: {hosts: [web1, db]}`: by name, by role, or `all`. `localhost` is the machine that howdah
runs on, reached without ssh, unless `hosts:` gives the name to another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from incidents import clock
from incidents.errors import BadInput, Mistake
from incidents.near import near, near_hint

if TYPE_CHECKING:
    from incidents.yamlfile import Node

EVERY = "all"
HERE = "localhost"
CONNECT = 10 * clock.SECOND
TRANSPORTS = ("ssh", "asyncssh")
MANY = 8  # of the known ones, in one message
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9_\[:][A-Za-z0-9._:%\[\]-]{0,254}", re.ASCII)
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}", re.ASCII)
_KEYS = ("address", "user", "port", "region", "roles", "labels", "connect_timeout", "transport")


class Host(NamedTuple):
    """One machine. What is None is left to the user's ssh configuration; `connect_timeout` in µs."""

    name: str
    address: str
    user: str | None = None
    port: int | None = None
    region: str | None = None
    roles: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    connect_timeout: int = CONNECT
    transport: str = TRANSPORTS[0]

    def facts(self) -> dict[str, Any]:
        """As the record keeps it, for `of_facts`."""
        return {**self._asdict(), "roles": list(self.roles), "labels": dict(self.labels)}


def of_facts(facts: Mapping[str, Any]) -> Host:
    return Host(**{**facts, "roles": tuple(facts["roles"])})


Hosts = Mapping[str, Host]


def choose(words: Iterable[str], known: Hosts) -> list[Host]:
    """The hosts that these names and roles mean, each once, in the order of the words. Raises BadInput."""
    found: dict[str, Host] = {}
    for word in words:
        named = [known[word]] if word in known else [h for h in known.values() if word in h.roles]
        if word == EVERY:
            named = list(known.values())
        elif not named and word == HERE:
            named = [Host(HERE, HERE)]
        if not named:
            names = [*known, *{role: None for host in known.values() for role in host.roles}]
            close = near(word, names)
            hint = f"did you mean {close}?" if close else _names(list(known))
            raise BadInput(f"there is no host and no role {word!r}", hint=hint)
        found.update((host.name, host) for host in named)
    return list(found.values())


def _names(known: Sequence[str]) -> str:
    if not known:
        return "hosts: in howdah.yaml names them"
    return f"howdah.yaml knows {', '.join(known[:MANY])}{' and more' if len(known) > MANY else ''}"


def is_here(name: str, known: Mapping[str, Any]) -> bool:
    """Is that host this machine, which needs no ssh?"""
    return name == HERE and name not in known


def parse(node: Node, path: str) -> tuple[dict[str, Host], list[Mistake]]:
    """The section, and all that is wrong with it."""
    if node.kind != "map":
        return {}, [Mistake(path, node.line, node.column, "hosts: is a map", "write `hosts: {web1: {}}`")]
    hosts: dict[str, Host] = {}
    mistakes: list[Mistake] = []
    for name, value in node.value.items():
        key = node.keys[name]
        if not _NAME.fullmatch(name) or name == EVERY:
            mistakes.append(
                Mistake(
                    path,
                    key.line,
                    key.column,
                    f"a host cannot be called {name!r}",
                    "letters, digits and . _ -",
                )
            )
            continue
        reading = _Reading(path, name)
        hosts[name] = reading.host(value)
        mistakes += reading.mistakes
    for name, host in hosts.items():
        for role in host.roles:
            if role in hosts or role == EVERY:
                key = node.keys[name]
                what = f"the role {role!r} of {name} is also the name of a host"
                mistakes.append(
                    Mistake(path, key.line, key.column, what, "targets: would not know which is meant")
                )
    return hosts, mistakes


class _Reading:
    """One host, and what is wrong with it."""

    def __init__(self, path: str, name: str):
        self.path, self.name = path, name
        self.mistakes: list[Mistake] = []

    def wrong(self, node: Node, what: str, hint: str) -> None:
        self.mistakes.append(Mistake(self.path, node.line, node.column, f"{self.name}: {what}", hint))

    def host(self, node: Node) -> Host:
        plain = Host(self.name, self.name)
        if node.kind == "null":
            return plain
        if node.kind != "map":
            self.wrong(node, "a host is a map", f"write `{self.name}: {{address: 10.0.0.1}}`")
            return plain
        given: dict[str, Any] = {}
        for word, value in node.value.items():
            if word not in _KEYS:
                self.wrong(node.keys[word], f"a host has no {word!r}", near_hint(word, _KEYS))
            elif (read := getattr(self, "_" + word)(value)) is not None:
                given[word] = read
        return plain._replace(**given)

    def _text(self, node: Node, what: str, form: re.Pattern[str]) -> str | None:
        if node.kind in ("map", "list", "null") or not form.fullmatch(node.text):
            self.wrong(node, f"{what} cannot be {node.text[:60]!r}", "letters, digits and . _ - : only")
            return None
        return node.text

    def _address(self, node: Node) -> str | None:
        return self._text(node, "its address", _ADDRESS)

    def _user(self, node: Node) -> str | None:
        return self._text(node, "its user", _USER)

    def _region(self, node: Node) -> str | None:
        return self._text(node, "its region", _NAME)

    def _port(self, node: Node) -> int | None:
        if (
            node.kind in ("map", "list", "null")
            or not node.text.isdecimal()
            or not 0 < int(node.text) < 65536
        ):
            self.wrong(node, "its port is a number from 1 to 65535", "port: 22")
            return None
        return int(node.text)

    def _roles(self, node: Node) -> tuple[str, ...]:
        found = [self._text(one, "a role", _NAME) for one in node.items()]
        return tuple(role for role in found if role is not None)

    def _labels(self, node: Node) -> dict[str, str]:
        if node.kind != "map":
            self.wrong(node, "its labels are a map", "labels: {rack: a7}")
            return {}
        return dict(self._pairs(node))

    def _pairs(self, node: Node) -> Iterator[tuple[str, str]]:
        for word, value in node.value.items():
            if value.kind in ("map", "list", "null"):
                self.wrong(value, f"the label {word} is a text", "labels: {rack: a7}")
            else:
                yield word, value.text

    def _transport(self, node: Node) -> str | None:
        if node.kind in ("map", "list", "null") or node.text not in TRANSPORTS:
            self.wrong(node, f"its transport cannot be {node.text[:60]!r}", f"one of {', '.join(TRANSPORTS)}")
            return None
        return node.text

    def _connect_timeout(self, node: Node) -> int | None:
        try:
            given = clock.parse_duration(node.text) if node.kind not in ("map", "list", "null") else 0
        except BadInput:
            given = 0
        if given < clock.SECOND:
            self.wrong(node, "its connect_timeout is a duration of 1s or more", "connect_timeout: 10s")
            return None
        return given
