"""Who is who: the `people:` section, and the person at a terminal.

    people:
      nova:
        name: Kris Nóva           # as the postmortem calls her
        unix: [nova, deploy]      # accounts; one that several people use is named by each of them
        discord: 93847562
        slack: U024BE7LH
        roles: [commander, oncall]
        zone: America/Los_Angeles
        contacts: {phone: "+1 555 0100", mail: nova@example.org}
        page: [discord, push, sms]   # channels of paging:, tried in turn

At a terminal everything is `claimed`: whoever can write the store can write any name into it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from incidents import clock
from incidents.errors import BadInput, Mistake, NotPermitted
from incidents.near import near_hint

if TYPE_CHECKING:
    from incidents.yamlfile import Node

PLATFORMS = ("unix", "discord", "slack")
CHATS = ("discord",)  # those in which a page can mention somebody
_KEYS = ("name", *PLATFORMS, "roles", "zone", "contacts", "page")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class Person(NamedTuple):
    """One person. `accounts` is (platform, id) pairs; `zone` None is not known."""

    name: str
    full_name: str = ""
    accounts: tuple[tuple[str, str], ...] = ()
    roles: tuple[str, ...] = ()
    zone: str | None = None
    contacts: Mapping[str, str] = {}
    page: tuple[str, ...] = ()  # how a page reaches them, the first way first

    def is_one_of(self, words: Collection[str]) -> bool:
        """Is the person meant by these names of people and roles?"""
        return self.name in words or any(role in words for role in self.roles)


class People:
    """All persons of one configuration; empty where none is configured."""

    def __init__(self, persons: Iterable[Person] = ()):
        self._persons = {person.name: person for person in persons}

    def __bool__(self) -> bool:
        return bool(self._persons)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._persons.values())

    def names(self) -> list[str]:
        return list(self._persons)

    def words(self) -> set[str]:
        """All names of people and roles, by which a rule can mean somebody."""
        return {word for person in self._persons.values() for word in (person.name, *person.roles)}

    def get(self, name: str | None) -> Person | None:
        return self._persons.get(name or "")

    def of_account(self, platform: str, account: str) -> list[Person]:
        """Everyone who uses this account; more than one only for a shared unix account."""
        return [p for p in self._persons.values() if (platform, account) in p.accounts]

    def find(self, word: str) -> Person | None:
        """The person of that name (in any case of letters), else the only one with such an account."""
        found = self._persons.get(word.lower())
        if found is not None:
            return found
        users = [p for p in self._persons.values() if word in (account for _, account in p.accounts)]
        return users[0] if len(users) == 1 else None

    def in_role(self, role: str) -> list[Person]:
        return [p for p in self._persons.values() if role in p.roles]


class Caller(NamedTuple):
    """The person at a terminal: the id to record, the person where one is configured, the account, the zone.

    `shared`: this account belongs to these people and nobody said which of them it is.
    """

    id: str
    person: Person | None
    account: str
    zone: str
    shared: tuple[str, ...] = ()


def at_terminal(people: People, environ: Mapping[str, str]) -> Caller:
    """`$HOWDAH_AS` if this account may act as that person, else `$SUDO_USER`, else the login name.

    The zone is the person's, else this account's (clock.local_zone). Raises NotPermitted for a claimed name that
    the account may not use, BadInput for one that is nobody's.
    """
    account = environ.get("SUDO_USER") or login_name()
    users = people.of_account("unix", account)
    claimed = environ.get("HOWDAH_AS", "")
    if claimed:
        person: Person | None = _claim(people, claimed, account, users)
    elif len(users) == 1:
        person = users[0]
    else:
        person = None
    shared = tuple(user.name for user in users) if person is None else ()
    zone = person.zone if person is not None and person.zone else clock.local_zone()
    return Caller(person.name if person else account, person, account, zone, shared)


def _claim(people: People, claimed: str, account: str, users: list[Person]) -> Person | None:
    person = people.find(claimed)
    if person is not None and person in users:
        return person
    if claimed == account and not users:
        return None
    if people and person is None:
        raise BadInput(
            f"$HOWDAH_AS is {claimed!r}, who is not in people:",
            hint=f"this account may act as {', '.join(u.name for u in users) or 'nobody but itself'}",
        )
    raise NotPermitted(
        f"the account {account} may not act as {claimed}",
        hint=f"in howdah.yaml: people: {{{claimed}: {{unix: [{account}]}}}}",
    )


def login_name() -> str:
    """The name that this session logged in with (it survives `su`), else the name of the effective user."""
    try:
        return os.getlogin()
    except OSError:
        pass
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid-{os.geteuid()}"


def parse(node: Node, file: str) -> tuple[People, list[Mistake]]:
    """The `people:` section, and every mistake in it."""
    section = _Section(file)
    if node.kind != "map":
        section.wrong(node, "people: is a map of names", "write `people: {nova: {unix: nova}}`")
        return People(), section.mistakes
    persons = [section.person(name, node.keys[name], value) for name, value in node.value.items()]
    return People(persons), section.mistakes


class _Section:
    def __init__(self, file: str):
        self.file = file
        self.mistakes: list[Mistake] = []
        self.owners: dict[tuple[str, str], str] = {}

    def wrong(self, node: Node, message: str, hint: str = "") -> None:
        self.mistakes.append(Mistake(self.file, node.line, node.column, message, hint))

    def person(self, name: str, key: Node, node: Node) -> Person:
        if not _NAME.fullmatch(name):
            self.wrong(
                key, f"{name!r} cannot be a person's name", "use a-z 0-9 . _ -, starting with a letter"
            )
        if node.kind == "null":
            return Person(name)
        if node.kind != "map":
            self.wrong(node, f"{name} is a map", f"its keys are {', '.join(_KEYS)}")
            return Person(name)
        values: dict[str, Node] = node.value
        for word in values:
            if word not in _KEYS:
                self.wrong(node.keys[word], f"a person has no {word!r}", near_hint(word, _KEYS))
        accounts = [
            (platform, account)
            for platform in PLATFORMS
            if platform in values
            for account in self.texts(values[platform], platform)
        ]
        for platform, account in accounts:
            owner = self.owners.setdefault((platform, account), name)
            if owner != name and platform != "unix":
                self.wrong(
                    values[platform], f"{platform} {account} is already {owner}", "one account, one person"
                )
        return Person(
            name,
            self.text(values["name"], "name") if "name" in values else "",
            tuple(accounts),
            tuple(self.texts(values["roles"], "roles")) if "roles" in values else (),
            self.zone(values.get("zone")),
            self.contacts(values.get("contacts")),
            tuple(self.texts(values["page"], "page")) if "page" in values else (),
        )

    def text(self, node: Node, what: str) -> str:
        if node.kind in ("map", "list", "null"):
            self.wrong(node, f"{what} is a text")
            return ""
        return node.text

    def texts(self, node: Node, what: str) -> list[str]:
        """A list of texts, or one text."""
        return [text for one in node.items() if (text := self.text(one, what))]

    def zone(self, node: Node | None) -> str | None:
        if node is None:
            return None
        name = self.text(node, "zone")
        try:
            clock.find_zone(name)
        except BadInput as error:
            self.wrong(node, error.message, error.hint or "")
            return None
        return name

    def contacts(self, node: Node | None) -> dict[str, str]:
        if node is None:
            return {}
        if node.kind != "map":
            self.wrong(node, "contacts is a map", "write `contacts: {phone: …, mail: …}`")
            return {}
        return {key: self.text(value, key) for key, value in node.value.items()}
