"""Pages are sent: what the log and the clocks say is due is done, each act between its intent and its outcome.

One process at a time does so (chatops/timers.py holds the lock). Whoever comes after it finds in the log what was due
meanwhile, and sends again what a dead process had begun. Nothing waits for a provider: a send is a thread of its own,
given up after the time that `paging:` allows.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from chatops import channels, paged, whose
from incidents import clock, lifecycle, telling, timeline
from incidents.errors import HowdahError, Refused, StoreError
from incidents.escalation import contacts, pages
from incidents.escalation import due as owed
from incidents.escalation.due import Exhaust, Fire, GiveUp, Send, Unreachable
from incidents.events import Draft
from incidents.oncall.changes import STREAM  # pages of no incident: a shift that nobody took over
from incidents.store.protocol import KeyUsed, StreamMoved
from runbooks.process import crash_point

if TYPE_CHECKING:
    from incidents.config import Config
    from incidents.escalation.due import Act
    from incidents.escalation.pages import Page
    from incidents.events import Event
    from incidents.lifecycle import Incident
    from incidents.store.protocol import Store

Sender = Callable[[str, str, str], str]  # url, title, body -> why it failed, empty where it did not
Begin = Callable[[Callable[[], None]], None]
Whose = Callable[["Store", "Config"], whose.Whom]
MOVES = 20  # how often a decision is taken again because the incident moved on; then at the next look


class Pager:
    """`look` does what is due. `config` gives the configuration in force, `whom` the people of a schedule.

    `warn` hears of an incident that cannot be paged for; `send` and `begin` (how a send is begun beside this thread)
    are there to be replaced in tests. `left`, where given, is filled with the channels that this process cannot read
    (whom by which, and why) and leaves to another one; else they have failed.
    """

    def __init__(
        self, store: Store, config: Callable[[], Config], *, whom: Whose = whose.on_call,
        warn: Callable[[str], None] = lambda line: None, send: Sender = channels.send, begin: Begin | None = None,
        left: dict[tuple[str, str], str] | None = None,
    ):  # fmt: skip
        self._store, self._config, self._whom, self._warn = store, config, whom, warn
        self._send, self._begin, self._left = send, begin or _beside, left
        self._watched: dict[str, _Watched] = {}
        self._sendings: list[_Sending] = []
        self._said: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether something is being sent."""
        return bool(self._sendings)

    def look(self) -> list[Event]:
        """Does what is due now, and returns what was recorded. Raises StoreError."""
        made = self._landed()
        rows = {row.name for row in self._store.incidents(status="open")} | {STREAM}
        for name in self._watched.keys() - rows:
            del self._watched[name]
        for name in sorted(rows):
            try:
                made += self._incident(self._watched.setdefault(name, _Watched(name)))
            except StoreError:
                raise
            except HowdahError as error:  # no reason to let the others sleep
                if str(error) not in self._said:
                    self._said.add(str(error))
                    self._warn(f"{name}: what is due cannot be done: {error}")
        return made

    def finish(self) -> list[Event]:
        """Waits for what is being sent, at most as long as that may take, and records how it ended. Raises StoreError."""
        made = self._landed()
        while self._sendings:
            clock.sleep(clock.SECOND // 50)
            made += self._landed()
        return made

    # -- what is due

    def _incident(self, watched: _Watched) -> list[Event]:
        made: list[Event] = []
        for _ in range(MOVES):
            watched.read(self._store)
            drafts, sends = self._due(watched)
            if not drafts:
                break
            try:
                made += timeline.record(self._store, *drafts, expect={watched.name: watched.seq})
            except StreamMoved:
                continue
            except (KeyUsed, Refused):  # the incident has ended; somebody else said it
                break
            for send, page in sends:
                self._take_off(send, page, watched)
        return made

    def _due(self, watched: _Watched) -> tuple[list[Draft], list[tuple[Send, Page]]]:
        """Drafts of what is due, and the sends among them, which begin once that is recorded."""
        incident = watched.incident()
        if watched.name != STREAM and (incident is None or not watched.may_page):
            return [], []
        config, now = self._config(), clock.read()
        drafts = _begun_by_severity(watched, incident, config) if incident is not None else []
        sends: list[tuple[Send, Page]] = []
        paging = config.paging or contacts.Paging()
        for page in pages.fold(watched.events).values():
            in_flight = [one.send.flight for one in self._sendings if one.page.name == page.name]
            acts = owed.due(page, now, lambda person: self._ways(person, config, paging), in_flight)
            acts = [act for act in acts if not (isinstance(act, Unreachable) and self._leaves(act.person))]
            drafts += [self._draft(act, page, config, now.at) for act in acts]
            sends += [
                (act, page) for act in acts if isinstance(act, Send) and act.channel not in contacts.CHATS
            ]
        return drafts, sends

    def _ways(self, person: str, config: Config, paging: contacts.Paging) -> list[str]:
        """The person's channels in their order, less those that are left."""
        ways = contacts.ways(config.people.get(person), paging)
        if self._left is None:
            return list(ways)
        for way in ways:
            if way not in contacts.CHATS and (why := channels.unresolved(paging.channels.get(way, ""))):
                self._left[person, way] = why
        return [way for way in ways if (person, way) not in self._left]

    def _leaves(self, person: str) -> bool:
        return any(one == person for one, _ in self._left or ())

    def _draft(self, act: Act, page: Page, config: Config, at: int) -> Draft:
        if isinstance(act, Fire):
            step = owed.step_of(page.policy, act.n)
            whom = self._whom(self._store, config)
            people, why = whose.people(step, at, self._store, config, whom, page)
            place, round_ = act.n % len(page.policy.steps) + 1, owed.round_of(page.policy, act.n)
            return _draft(
                page, "fired", "fired", act.n, n=act.n, step=place, round=round_, target=str(step),
                people=list(people), wait=step.wait, due=at + step.wait, why=why,
            )  # fmt: skip
        if isinstance(act, Send):
            return _draft(page, "sending", *act.flight, **act._asdict())
        if isinstance(act, GiveUp):
            flight = (act.n, act.person, act.channel, act.attempt)
            return _draft(
                page, "failed", *flight, "outcome", **act._asdict(), phone=_phone(config, act.person)
            )
        if isinstance(act, Unreachable):
            phone = _phone(config, act.person)
            return _draft(page, "unreachable", act.n, act.person, "unreachable", **act._asdict(), phone=phone)
        assert isinstance(act, Exhaust)
        return _draft(page, "exhausted", "exhausted", why=act.why)

    # -- sending

    def _take_off(self, send: Send, page: Page, watched: _Watched) -> None:
        crash_point("page-before-send")
        config = self._config()
        paging = config.paging or contacts.Paging()
        message = _message(page, send, watched.incident())
        person, template = config.people.get(send.person), paging.channels.get(send.channel)

        def act() -> str:
            if person is None or template is None:  # the configuration has just changed
                return f"{send.person} has no channel {send.channel}"
            return self._send(channels.url(template, person), *message)

        sending = _Sending(send, page, act, paging.timeout, _phone(config, send.person))
        self._sendings.append(sending)
        self._begin(sending.run)

    def _landed(self) -> list[Event]:
        """Records how sends have ended, those too that have not and are given up."""
        made: list[Event] = []
        for sending in list(self._sendings):
            why = sending.ended(clock.monotonic())
            if why is None:
                continue
            crash_point("page-before-outcome")
            with contextlib.suppress(KeyUsed):  # another process gave it up
                made += timeline.record(self._store, sending.outcome(why))
            self._sendings.remove(sending)
        return made


class _Sending:
    """One send on its way."""

    def __init__(self, send: Send, page: Page, act: Callable[[], str], timeout: int, phone: str):
        self.send, self.page, self._act = send, page, act
        self._began, self._timeout, self._phone = clock.monotonic(), timeout, phone
        self._why: str | None = None

    def run(self) -> None:
        try:
            why = self._act()
        except HowdahError as error:
            why = error.message
        except Exception as error:  # noqa: BLE001 - whatever a provider's code raises: it has failed, and may hold secrets
            why = type(error).__name__
        self._why = why

    def ended(self, now: int) -> str | None:
        """Why it failed, empty where it did not, None while nobody knows."""
        if self._why is None and now - self._began >= self._timeout:
            return f"no answer within {clock.words(self._timeout)}"
        return self._why

    def outcome(self, why: str) -> Draft:
        data = self.send._asdict()
        key = (*self.send.flight, "outcome")  # as pages.outcome_key has it
        if not why:
            return _draft(self.page, "delivered", *key, **data)
        return _draft(self.page, "failed", *key, **data, why=why, phone=self._phone)


class _Watched:
    """One open incident: what of its log concerns pages, read as it grows."""

    def __init__(self, name: str):
        self.name, self.seq = name, 0
        self.events: list[Event] = []

    def read(self, store: Store) -> None:
        fresh: list[Event] = []
        while page := store.read(self.name, after=self.seq):
            self.seq = page[-1].seq
            fresh += [event for event in page if event.kind.startswith(("incident.", "page.", "redaction"))]
        if self.events and any(event.kind == "redaction" for event in fresh):
            self.events, self.seq = [], 0  # what was read before holds what is destroyed now
            return self.read(store)
        self.events += fresh
        return None

    def incident(self) -> Incident | None:
        told = [event for event in self.events if event.kind.startswith("incident.")]
        return lifecycle.fold(told) if told else None

    @property
    def may_page(self) -> bool:
        """Whether anybody may be woken for it."""
        return paged.may_page(self.events[0])


def _begun_by_severity(watched: _Watched, incident: Incident, config: Config) -> list[Draft]:
    """Pages that the incident's severity asks for and that have not begun, each once in an incident."""
    if not incident.open:
        return []
    begun = {event.key for event in watched.events if event.kind == "page.started"}
    return [
        pages.begin(
            watched.name, policy, target=policy.name, actor=pages.ACTOR, auto=True, mode=incident.mode,
            key=pages.auto_key(watched.name, policy.name),
        )
        for policy in owed.wanted(config.escalation, incident.severity)
        if pages.auto_key(watched.name, policy.name) not in begun
    ]  # fmt: skip


def _draft(page: Page, kind: str, *key: object, **data: Any) -> Draft:
    loud = kind in ("unreachable", "exhausted")
    return Draft(
        stream=page.stream, kind=f"page.{kind}", actor=pages.ACTOR, data={"page": page.number, **data},
        key=pages.key(page, *key), mode=page.mode, importance="high" if loud else "normal",
    )  # fmt: skip


def _phone(config: Config, name: str) -> str:
    person = config.people.get(name)
    return person.contacts.get(contacts.PHONE, "") if person is not None else ""


class _Message(NamedTuple):
    title: str
    body: str


def _message(page: Page, send: Send, incident: Incident | None) -> _Message:
    """What the person reads: short, because some channels carry 160 characters."""
    what = f"[{incident.severity}] {incident.title}" if incident is not None else ""
    drill = " (drill)" if page.mode == "drill" else ""
    repeated = "possibly repeated: " if send.repeated else ""
    steps = len(page.policy.steps)
    where = f" ({page.target}, step {send.n % steps + 1})" if steps > 1 else ""
    says_how = page.asks_to_take_over or page.is_reminder  # its own text
    lines = [
        *([page.text] if page.text else []),
        f"{send.person}, {_by(page)}{where}",
        *([] if says_how else [f"take it: howdah ack {page.name}"]),
    ]
    place = page.stream if page.stream != STREAM else "on call"
    return _Message(f"{repeated}{place}{drill} {what}".rstrip(), "\n".join(lines))


def _by(page: Page) -> str:
    if page.is_reminder:
        return "a reminder"
    if page.is_brief:
        return "your shift begins"
    return "you are paged" if page.auto else f"{page.by} pages you"


def _beside(run: Callable[[], None]) -> None:
    threading.Thread(
        target=run, name="page", daemon=True
    ).start()  # a provider that hangs ends with the process


def loud(event: Event) -> bool:
    """Whether somebody has to do something about it that the paging itself cannot do."""
    return event.kind in ("page.failed", "page.unreachable", "page.exhausted")


def line(event: Event) -> str:
    """What whoever runs the timers is told."""
    return f"{event.stream} #{event.seq}  {telling.sentence(event)}"
