"""A person in a chat: calls of real commands on a real store, as a chat surface makes them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from chatops import dispatch
from chatops.views import Choice
from chatops.vocabulary import Call, Places, Quoted, Reply, Terminal, Who
from incidents import clock, open_store
from incidents.config import Config
from incidents.events import Actor, Event, Source
from incidents.store.protocol import Store
from runbooks import consent, driver, journal

PATIENCE = 45.0  # seconds; a bound, never a measure
T = TypeVar("T")


class ChatFront:
    """One person in one channel."""

    name = "discord"
    terminal: Terminal | None = None

    def __init__(self, person: str = "nova", incident: str | None = None, quoted: Quoted | None = None):
        self.person = person
        self.incident = incident
        self.quoted = quoted
        self.warnings: list[str] = []

    def who(self, config: Config) -> Who:
        person = config.people.get(self.person)
        actor = Actor("human", self.person, assurance="platform")
        return Who(actor, person and person.name, "Europe/Berlin", Source("discord", "1", "2"), self.incident)

    def say(self, line: str) -> None: ...

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def emit(self, document: Mapping[str, Any]) -> None: ...

    def choose(self, choice: Choice) -> str | None:
        return None


class Answer(NamedTuple):
    exit: int
    text: str
    document: Mapping[str, Any]


class Chat:
    """A bot's place: one store that stays open, runs that go on beside it."""

    def __init__(self, folder: str):
        self.folder = folder
        self.store: Store = open_store(os.path.join(folder, "store.db"))
        self.config = "/dev/null"
        self.keys = 0

    def __call__(self, name: str, /, *, by: str = "nova", thread: str | None = None, key: str | None = None,
                 quoted: Quoted | None = None, **raw: Any) -> Answer:  # fmt: skip
        """One interaction, to its answer. `thread`: the incident in whose thread it is given."""
        self.keys += 1
        front = ChatFront(by, thread, quoted)
        places = Places(config=self.config, key=key or f"discord:interaction:{self.keys}")
        reply = dispatch.run(dispatch.find(name), raw, front, places, store=self.store)
        return _answer(reply)

    def ok(self, name: str, /, **about: Any) -> Answer:
        answer = self(name, **about)
        assert answer.exit == 0, answer
        return answer

    def call(self, name: str, *, by: str = "nova", thread: str | None = None) -> Call:
        """A call that is not carried out: what completion and forms look through."""
        places = Places(config=self.config)
        return Call(dispatch.find(name), ChatFront(by, thread), places, now=clock.wall(), store=self.store)

    def runbook(self, text: str, name: str = "book") -> str:
        """A runbook that can be named in this chat."""
        os.makedirs(os.path.join(self.folder, "runbooks"), exist_ok=True)
        with open(os.path.join(self.folder, "runbooks", f"{name}.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        if self.config == "/dev/null":
            self.people("")
        return name

    def people(self, text: str) -> None:
        self.config = os.path.join(self.folder, "howdah.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, name: str) -> journal.Run:
        return consent.read_run(self.store, name)

    def events(self, incident: str, kind: str | None = None) -> list[Event]:
        return [event for event in self.store.events(incident) if kind in (None, event.kind)]

    def until(self, look: Callable[[], T | None], what: str) -> T:
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < end, f"{what} did not come"
            time.sleep(0.03)
        return found

    def until_status(self, run: str, status: str) -> journal.Run:
        """The run once it has that status and, where it is at rest, once its questions are known."""
        return self.until(
            lambda: found if (found := self.run(run)).status == status else None, f"{run} {status}"
        )

    def drives(self, run: str) -> bool:
        return not driver.lock_is_free(driver.run_dir(self.store.path, run))

    def close(self) -> None:
        """Ends what still runs: drivers, keepers and steps are those whose files lie in this folder."""
        self.store.close()

        def gone() -> bool:
            left = list(_processes(self.folder))
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        self.until(gone, "the end of all that this chat began")


def _answer(reply: Reply) -> Answer:
    from chatops import layout

    text = layout.plain(reply.view.lines(200)) if reply.view is not None else ""
    return Answer(reply.exit, text, reply.document or {})


def _processes(folder: str) -> Iterator[int]:
    """Living processes of others that were started with this folder in their environment."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/environ", "rb") as file:
                mine = folder.encode() in file.read() and int(name) != os.getpid()
            with open(f"/proc/{name}/stat", "rb") as file:
                dead = file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
            if mine and not dead:
                yield int(name)


@contextlib.contextmanager
def chat(folder: str) -> Iterator[Chat]:
    """What a chat starts inherits this environment, so that it is found again."""
    before = os.environ.get("CHAT")
    os.environ["CHAT"] = folder
    one = Chat(folder)
    try:
        yield one
    finally:
        one.close()
        if before is None:
            del os.environ["CHAT"]
        else:
            os.environ["CHAT"] = before
