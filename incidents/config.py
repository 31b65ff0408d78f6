"""howdah.yaml: found, trusted, read. One file, never merged with another; without one everything has its default.

Looked for: `--config`, `$HOWDAH_CONFIG`, the first `howdah.yaml` upward from the working folder to the repository's
top (the folder that holds `.git`; outside a repository the working folder only), `/etc/howdah/howdah.yaml`;
`/dev/null` means none. It must
belong to the user or to root and be writable by nobody else: a file found by walking upward is somebody's orders.
Each section is parsed by its owner.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from incidents import cadence, people
from incidents.errors import BadInput, Mistake, Mistakes, NotPermitted
from incidents.near import near_hint
from incidents.oncall import limits
from incidents.sections import SECTIONS as SECTIONS

if TYPE_CHECKING:
    from incidents.escalation.contacts import Paging
    from incidents.escalation.policy import Policies
    from incidents.hosts import Hosts
    from incidents.oncall.schedule import Schedules
    from incidents.yamlfile import Node

NAME = "howdah.yaml"
SYSTEM = "/etc/howdah/howdah.yaml"
WITHOUT = "--config /dev/null does without it"
_SNOWFLAKE = re.compile(r"[0-9]{17,20}", re.ASCII)


class Discord(NamedTuple):
    """The `discord:` section: ids as Discord shows them. None: the bot's only server, its channel found there; no role.

    `oncall_role` is given to whoever is on call by `oncall_schedule`.
    """

    guild: str | None = None
    channel: str | None = None
    oncall_role: str | None = None
    oncall_schedule: str | None = None


class Config(NamedTuple):
    """One configuration. `path` None: there is none. `text` is the file as read, for the record.

    `permission_places` is where each word of `permissions` stands (line, column): whether there is such a word only
    the vocabulary knows.
    """

    path: str | None = None
    text: str = ""
    people: people.People = people.People()
    permissions: Mapping[str, tuple[str, ...]] = {}
    discord: Discord = Discord()
    permission_places: Mapping[str, tuple[int, int]] = {}
    updates: Mapping[str, int | None] = cadence.DEFAULTS  # severity -> µs between two updates, None: never
    hosts: Hosts = {}  # noqa: RUF012 - never mutated
    schedules: Schedules = {}  # noqa: RUF012 - never mutated
    doubts: tuple[Mistake, ...] = ()  # what can be meant, but hardly is
    escalation: Policies = {}  # noqa: RUF012 - never mutated
    paging: Paging | None = None  # None: nothing is said about channels
    limits: limits.Limits = limits.Limits()


def find(given: str | None = None) -> str | None:
    """The absolute path of the configuration in force, or None. A file that is named must exist (by `load`)."""
    named = given if given is not None else os.environ.get("HOWDAH_CONFIG")
    if named:
        return os.path.abspath(named)
    try:
        folder = os.getcwd()
    except FileNotFoundError:  # the working folder was deleted
        folder = "/"
    for place in _upward(folder):
        path = os.path.join(place, NAME)
        if os.path.lexists(path):
            return path
    return SYSTEM if os.path.lexists(SYSTEM) else None


def _upward(folder: str) -> list[str]:
    places = [folder]
    while not os.path.lexists(os.path.join(places[-1], ".git")):
        above = os.path.dirname(places[-1])
        if above == places[-1]:
            return [folder]
        places.append(above)
    return places


def load(given: str | None = None) -> Config:
    """The configuration in force. Raises Mistakes (all of the file's), BadInput, NotPermitted (whose file it is)."""
    path = find(given)
    if path is None or path == os.devnull:
        return Config()
    _trust(path)
    from incidents import yamlfile

    try:
        return read(yamlfile.read_text(path, max_bytes=yamlfile.CONFIG_BYTES), path)
    except Mistakes as error:
        error.hint = WITHOUT
        raise


def read(text: str, path: str) -> Config:
    """The configuration that this text is, as `path` holds or held it. Raises Mistakes (all of them)."""
    from incidents import yamlfile

    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return Config(path, text)
    bounds = {"max_bytes": yamlfile.CONFIG_BYTES, "max_values": yamlfile.CONFIG_VALUES}
    return _parse(yamlfile.parse(text, path, **bounds), path, text)


def _parse(root: Node, path: str, text: str) -> Config:
    if root.kind != "map":
        raise Mistakes(
            [Mistake(path, root.line, root.column, "is a map", f"its sections: {', '.join(SECTIONS)}")]
        )
    mistakes = [
        Mistake(path, key.line, key.column, f"there is no section {name!r}", near_hint(name, SECTIONS))
        for name, key in root.keys.items()
        if name not in SECTIONS
    ]
    everyone = people.People()
    if "people" in root.value:
        everyone, wrong = people.parse(root.value["people"], path)
        mistakes += wrong
    permissions: dict[str, tuple[str, ...]] = {}
    places: dict[str, tuple[int, int]] = {}
    if "permissions" in root.value:
        permissions, wrong = _permissions(root.value["permissions"], path)
        mistakes += wrong
        places = {word: (key.line, key.column) for word, key in root.value["permissions"].keys.items()}
    discord = Discord()
    if "discord" in root.value:
        discord, wrong = _discord(root.value["discord"], path)
        mistakes += wrong
    updates: Mapping[str, int | None] = cadence.DEFAULTS
    if "updates" in root.value:
        updates, wrong = cadence.parse(root.value["updates"], path)
        mistakes += wrong
    machines: Hosts = {}
    if "hosts" in root.value:
        from incidents import hosts

        machines, wrong = hosts.parse(root.value["hosts"], path)
        mistakes += wrong
    schedules: Schedules = {}
    doubts: list[Mistake] = []
    if "schedules" in root.value:
        from incidents.oncall import reading

        schedules, wrong, doubts = reading.parse(root.value["schedules"], path)
        mistakes += wrong
    rules = limits.Limits()
    if "limits" in root.value:
        rules, wrong = limits.parse(root.value["limits"], path)
        mistakes += wrong
    if discord.oncall_schedule is not None and discord.oncall_schedule not in schedules:
        place = root.value["discord"].value["oncall_schedule"]
        what = f"there is no schedule {discord.oncall_schedule!r}"
        mistakes.append(
            Mistake(path, place.line, place.column, what, near_hint(discord.oncall_schedule, schedules))
        )
    config = Config(
        path, text, everyone, permissions, discord, places, updates, machines, schedules, tuple(doubts), limits=rules
    )  # fmt: skip
    if "escalation" in root.value or "paging" in root.value or any(one.page for one in everyone):
        config, wrong = _with_paging(config, root)
        mistakes += wrong
    if mistakes:
        raise Mistakes(mistakes)
    return config


def _with_paging(config: Config, root: Node) -> tuple[Config, list[Mistake]]:
    """The sections `escalation:` and `paging:`, and what `people:` says of them; who is named there must be reachable."""
    from incidents.escalation import contacts, policy

    path, everyone, sections = str(config.path), config.people, root.value
    paging, mistakes, doubts = contacts.Paging(), list[Mistake](), list[Mistake]()
    if "paging" in sections:
        paging, mistakes, doubts = contacts.parse(sections["paging"], path)
    if "people" in sections:
        mistakes += contacts.check(sections["people"], path, everyone, paging)
    policies: Policies = {}
    if "escalation" in sections:
        roles = {role for one in everyone for role in one.roles}
        written = sections["schedules"].value if "schedules" in sections else ()
        known = policy.Known(everyone.names(), roles, list(written) if isinstance(written, dict) else ())
        policies, wrong = policy.parse(sections["escalation"], path, known)
        mistakes += wrong
    return config._replace(escalation=policies, paging=paging, doubts=(*config.doubts, *doubts)), mistakes


def _permissions(node: Node, path: str) -> tuple[dict[str, tuple[str, ...]], list[Mistake]]:
    """`permissions: {redact: [steward, nova]}`: a command or a permission word -> people or roles."""
    hint = "write `permissions: {keep: [steward]}`"
    if node.kind != "map":
        return {}, [Mistake(path, node.line, node.column, "permissions: is a map", hint)]
    given: dict[str, tuple[str, ...]] = {}
    mistakes = []
    for word, value in node.value.items():
        names = value.items()
        if not names or any(name.kind in ("map", "list", "null") for name in names):
            mistakes.append(Mistake(path, value.line, value.column, f"{word}: names people or roles", hint))
            continue
        given[word] = tuple(name.text for name in names)
    return given, mistakes


def _discord(node: Node, path: str) -> tuple[Discord, list[Mistake]]:
    """`discord: {guild: ID, channel: ID}`, either may be left out; an id is text, it does not fit every number."""
    hint = "write `discord: {guild: ID, channel: ID}`"
    if node.kind != "map":
        return Discord(), [Mistake(path, node.line, node.column, "discord: is a map", hint)]
    given: dict[str, str] = {}
    mistakes = []
    for word, value in node.value.items():
        if word not in Discord._fields:
            key = node.keys[word]
            near = near_hint(word, Discord._fields)
            mistakes.append(Mistake(path, key.line, key.column, f"discord has no {word!r}", near))
        elif word == "oncall_schedule" and value.kind not in ("map", "list", "null"):
            given[word] = value.text
        elif value.kind in ("map", "list") or not _SNOWFLAKE.fullmatch(value.text):
            thing = {"guild": "Server", "oncall_role": "Role"}.get(word, "Channel")
            mistakes.append(
                Mistake(
                    path,
                    value.line,
                    value.column,
                    f"{word} is an id of 17 to 20 digits",
                    f"with Discord's Developer Mode on (Settings → Advanced), right-click → Copy {thing} ID",
                )
            )
        else:
            given[word] = value.text
    if ("oncall_role" in given) != ("oncall_schedule" in given) and not mistakes:
        what = "oncall_role and oncall_schedule belong together"
        cure = "write `discord: {oncall_role: ID, oncall_schedule: infra}`"
        mistakes.append(Mistake(path, node.line, node.column, what, cure))
    return Discord(**given), mistakes


def _trust(path: str) -> None:
    """Raises NotPermitted for a file that somebody else owns or could have written, BadInput where there is none."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}", hint="--config and $HOWDAH_CONFIG name a file") from None
    owners = {0, os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
        owners.add(int(os.environ["SUDO_UID"]))
    if found.st_uid not in owners:
        raise NotPermitted(
            f"{path} belongs to another user (uid {found.st_uid}), so it is not obeyed",
            hint=f"name your own with --config, or let root own it; {WITHOUT}",
        )
    if found.st_mode & 0o002:
        raise NotPermitted(
            f"{path} can be written by everyone, so it is not obeyed", hint=f"chmod o-w {path}; {WITHOUT}"
        )
