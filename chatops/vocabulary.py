"""The one vocabulary: what a command is, what it is called with, what it answers.

A command is defined once, by `@command` on its handler, in a file of `chatops/commands/`; the file's presence is the
registration. Such a file imports at its top only this module, `params` and `views`; a handler imports what it uses
inside itself, so that listing the commands loads none of it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

from chatops.views import Choice, Option, Text, View

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.events import Actor, Draft, Source
    from incidents.lifecycle import Incident
    from incidents.store.protocol import IncidentRow, Store

SURFACES = ("terminal", "room", "discord", "slack")
CHATS = ("discord", "slack")
GROUPS = {  # in the order of --help
    "incident": "The incident",
    "timeline": "The timeline",
    "people": "People and tasks",
    "run": "Runbooks",
    "answer": "Answers to a run",
    "oncall": "On call",
    "record": "The record",
    "drill": "Drills",
    "other": "More",
}
PERMISSIONS = ("read", "respond", "keep")  # look; change an incident; change the record itself


class Param(NamedTuple):
    """One description of one parameter: an option of the command line, a slash option, a field of a form.

    `parse` turns one typed text into the value (raises BadInput); `complete` offers values for what is typed so far.
    `place` is positional; `rest` takes all words that are left, joined by spaces; `repeat` gives a tuple of values;
    `short` is the letter of a one-letter option. A name that Python keeps for itself is written with a `_` behind it
    (`from_`), which nobody sees.
    A parameter that was not given is `default`, and `()` when it repeats, and False when it is a flag.
    """

    name: str
    type: str
    help: str
    parse: Callable[[str, Call], Any]
    complete: Callable[[str, Call], Sequence[Option]] | None = None
    place: bool = False
    required: bool = False
    rest: bool = False
    repeat: bool = False
    flag: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    short: str = ""
    metavar: str = ""
    dashed: bool = False  # a lone `-` is read from standard input
    surfaces: tuple[str, ...] = SURFACES  # where it is offered; elsewhere it has its default
    alone: bool = False  # where it is given, a configuration that cannot be read is passed over, and said

    @property
    def shown(self) -> str:
        """How the parameter is called in a usage line."""
        return self.metavar or self.word.upper()

    @property
    def flagname(self) -> str:
        return "--" + self.word

    @property
    def word(self) -> str:
        """The name as it is typed."""
        return self.name.rstrip("_").replace("_", "-")


class Command(NamedTuple):
    """One command. `name` may be two words (`task add`); `surfaces` other than all of them needs `because`.

    `streams`: it says lines while it works, and its `--json` is one document a line. `writes`: it can change the
    record. `handler` is called with the Call and the parsed parameters by name.
    """

    name: str
    help: str
    handler: Callable[..., Reply]
    group: str = "other"
    params: tuple[Param, ...] = ()
    permission: str = "respond"
    writes: bool = True
    streams: bool = False
    surfaces: tuple[str, ...] = SURFACES
    because: str = ""
    details: str = ""  # more help: paragraphs under the first line
    unconfigured: bool = False  # it is carried out although the configuration has mistakes, of which it tells
    last_good: bool = False  # while it has mistakes, it is carried out by the last version that was obeyed
    menu: str = ""  # on a chat: an entry of this name in the menu of a message, and no word to type


class Reply:
    """The answer: a view for people, a document for programs, the exit code.

    `public` is what everyone should see (a change); other answers are for the one who asked. A view given as text
    is one paragraph; without a `document` the view's text is the document's `text`. `file` is the name of the file
    as which a surface gives what is too long to be shown.
    """

    __slots__ = ("document", "error", "exit", "file", "public", "view")

    def __init__(
        self,
        view: View | str | None = None,
        document: Mapping[str, Any] | None = None,
        *,
        exit: int = 0,
        public: bool = False,
        error: bool = False,
        file: str = "",
    ):
        self.view: View | None = Text(view) if isinstance(view, str) else view
        self.document = document
        self.exit = exit
        self.public = public
        self.error = error
        self.file = file


class Who(NamedTuple):
    """Who gave the command: the actor to record, the person where one is configured, the person's zone.

    `incident` is the one whose thread the command was given in. `shared`: everybody who uses this account, where that
    is more than one person.
    """

    actor: Actor
    person: str | None
    zone: str
    source: Source | None = None
    incident: str | None = None
    shared: tuple[str, ...] = ()


class Attached(NamedTuple):
    """A file of a chat message; `size` in bytes. `read` fetches it, and raises a HowdahError where it cannot."""

    name: str
    media_type: str
    size: int
    read: Callable[[], bytes]


class Quoted(NamedTuple):
    """A message of a chat that a command is about.

    `author` is the name that the chat shows, `account` the id behind it; `at` µs when it was written; `key` is the
    message's own, the same for everybody (`discord:message:ID`).
    """

    author: str
    account: str
    text: str
    at: int
    source: Source
    key: str
    files: tuple[Attached, ...] = ()


class Terminal(NamedTuple):
    """The streams of a terminal front. `attended`: input and output are both a terminal."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    attended: bool


class Front(Protocol):
    """What a surface does for a call while it runs."""

    name: str
    terminal: Terminal | None

    def who(self, config: Config) -> Who:
        """Who gave the command. Raises NotPermitted where a name is claimed that this account may not use."""

    def say(self, line: str) -> None:
        """One line of progress, at once."""

    def warn(self, line: str) -> None:
        """One line beside the answer: something the person should know."""

    def emit(self, document: Mapping[str, Any]) -> None:
        """One document of a stream."""

    def choose(self, choice: Choice) -> str | None:
        """The option a person picked, or None where nobody can be asked."""


class Places(NamedTuple):
    """Where the call looks, as given on the command line; None is the usual place."""

    store: str | None = None
    config: str | None = None
    zone: str | None = None
    key: str | None = None
    json: bool = False


class Call:
    """One command being carried out. Configuration, person and store are found when first asked for."""

    def __init__(
        self, command: Command, front: Front, places: Places, *, now: int, store: Store | None = None
    ):
        self.command = command
        self.front = front
        self.places = places
        self.now = now  # µs; one instant for the whole call
        self._config: Config | None = None
        self._who: Who | None = None
        self._store = store
        self._store_is_ours = store is None
        self._drafts = 0
        self.stood_in = False  # the configuration is another one than the file's, which cannot be obeyed

    @property
    def surface(self) -> str:
        return self.front.name

    @property
    def terminal(self) -> Terminal | None:
        return self.front.terminal

    @property
    def attended(self) -> bool:
        """A person sits at a terminal that can be asked."""
        return self.front.terminal is not None and self.front.terminal.attended

    @property
    def in_chat(self) -> bool:
        """A chat: a person answers later and elsewhere, no terminal is at hand."""
        return self.front.name in CHATS

    @property
    def quoted(self) -> Quoted | None:
        """The message that the command was given on, where its front has one (`front.quoted`)."""
        return getattr(self.front, "quoted", None)

    @property
    def json(self) -> bool:
        return self.places.json

    @property
    def config(self) -> Config:
        if self._config is None:
            from incidents import config

            self._config = config.load(self.places.config)
        return self._config

    def stand_in(self, config: Config) -> None:
        """This one is obeyed instead of what the file says."""
        self._config, self._who, self.stood_in = config, None, True

    @property
    def who(self) -> Who:
        if self._who is None:
            who = self.front.who(self.config)
            if self.places.zone is not None:
                who = who._replace(zone=self.places.zone)
            self._who = who
        return self._who

    @property
    def actor(self) -> Actor:
        return self.who.actor

    @property
    def zone(self) -> str:
        return self.who.zone

    @property
    def store(self) -> Store:
        if self._store is None:
            from incidents.store import open_store

            self._store = open_store(self.places.store)
        return self._store

    def close(self) -> None:
        """Close the store, where this call opened it."""
        if self._store is not None and self._store_is_ours:
            self._store.close()
            self._store = None

    def say(self, line: str) -> None:
        self.front.say(line)

    def warn(self, line: str) -> None:
        self.front.warn(line)

    def emit(self, document: Mapping[str, Any]) -> None:
        self.front.emit(document)

    def choose(self, choice: Choice) -> str | None:
        return None if self.json else self.front.choose(choice)

    def draft(self, incident: Incident | IncidentRow | str, kind: str, **fields: Any) -> Draft:
        """A draft by this call's person, in this incident's stream and mode, with the key of this call.

        The first draft of a call has the key that was given with `--key`, the n-th that key and `:n`.
        """
        from incidents.events import Draft

        if not isinstance(incident, str):
            fields.setdefault("mode", incident.mode)
            incident = incident.name
        if "key" not in fields:
            self._drafts += 1
            key = self.places.key
            fields["key"] = f"{key}:{self._drafts}" if key is not None and self._drafts > 1 else key
        who = self.who
        return Draft(stream=incident, kind=kind, actor=who.actor, zone=who.zone, source=who.source, **fields)


_commands: dict[str, Command] = {}


def command(
    name: str, help: str, *params: Param, **about: Any
) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Register the decorated handler as the command `name`; `about` are the other fields of Command.

    Raises ValueError for a definition that cannot work: it is a programmer's mistake, found at import.
    """

    def register(handler: Callable[..., Reply]) -> Callable[..., Reply]:
        defined = Command(name, help, handler, params=params, **about)
        _check(defined)
        _commands[name] = defined
        return handler

    return register


def _check(defined: Command) -> None:
    name = defined.name
    if name in _commands and _commands[name].handler.__module__ != defined.handler.__module__:
        raise ValueError(f"{name}: defined twice")
    if defined.permission not in PERMISSIONS or defined.group not in GROUPS:
        raise ValueError(f"{name}: permission is one of {PERMISSIONS}, group one of {tuple(GROUPS)}")
    if not set(defined.surfaces) <= set(SURFACES):
        raise ValueError(f"{name}: surfaces are {SURFACES}")
    if (set(defined.surfaces) != set(SURFACES)) != bool(defined.because):
        raise ValueError(f"{name}: a command that is not on every surface says why, others do not")
    names = [param.name for param in defined.params]
    if len(set(names)) != len(names):
        raise ValueError(f"{name}: two parameters of one name")


ENTRY_POINTS = "howdah.commands"  # where other distributions name a module with commands
_others_loaded = False


def registry() -> dict[str, Command]:
    """All commands by name: every file of `chatops/commands/`, then those of other distributions."""
    global _others_loaded
    own()
    if not _others_loaded:
        _others_loaded = True
        _load_others()
    return _commands


def own() -> dict[str, Command]:
    """The commands known so far: our own, and others once `registry` has loaded them."""
    from chatops import commands

    for folder in commands.__path__:
        for file in sorted(os.listdir(folder)):
            stem, extension = os.path.splitext(file)
            if extension == ".py" and not stem.startswith("_"):
                importlib.import_module(f"chatops.commands.{stem}")
    return _commands


def _load_others() -> None:
    """Load what the entry points name. importlib.metadata is slow to load, so files are looked at first."""
    if not any(_mentions(folder) for folder in sys.path):
        return
    from importlib import metadata

    for entry in metadata.entry_points(group=ENTRY_POINTS):
        entry.load()


def _mentions(folder: str) -> bool:
    """Whether a distribution in this folder of sys.path has an entry point of ours."""
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return False
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), "rb") as file:
                    if ENTRY_POINTS.encode() in file.read():
                        return True
            except OSError:
                continue
    return False
