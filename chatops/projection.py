"""One incident as one chat shows it: its card, its thread's lines, a message for each of its runs.

Everything here is a projection of the incident's stream from a durable cursor. The cursor moves once all of a batch
is shown, so after a crash a batch comes again: a line is then looked for among what stands in the thread, a message
carries its event's id as nonce, and cards are edited in place.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chatops import lately, layout, running, showing, thread
from chatops.pace import Pace
from chatops.surfaces.base import Denied, Gone, Own, PlatformDown, Post, Ref, Surface, TooOld
from incidents import clock, lifecycle, timeline
from incidents.escalation import pages
from incidents.events import Actor
from incidents.store.protocol import KeyUsed

if TYPE_CHECKING:
    from chatops.rooms import Room, Rooms
    from incidents.changelog import Changed
    from incidents.events import Event
    from incidents.lifecycle import Incident
    from incidents.store.protocol import Store

REFRESH = 2 * clock.SECOND  # of what a running step prints
YOUNG = 30 * clock.SECOND  # what was recorded so lately is a repeat that the platform itself would notice


class Projection:
    """`catch_up` shows what was recorded since the cursor; one thread at a time may be in it."""

    def __init__(
        self, store: Store, surface: Surface, rooms: Rooms, name: str, *, since: int, born: int, pace: Pace, zone: str,
        account: Callable[[Event], str | None], warn: Callable[[str], None],
    ):  # fmt: skip
        self.name = name
        self.consumer = f"{surface.name}:{name}"
        self._store, self._surface, self._rooms = store, surface, rooms
        self._zone, self._account, self._warn, self._pace = zone, account, warn, pace
        self._born = born  # wall time (µs) at which this process began: what is older may be a repeat
        self._told = max(store.cursor(self.consumer), since)
        self._events: list[Event] = []
        self._runs: dict[str, running.Running] = {}
        self._stale: set[str] = set()  # what is to be drawn again: runs, and the incident itself
        self._edited: dict[str, int] = {}  # what -> when (monotonic µs): who waited longest comes first
        self._looks: dict[str, Post] = {}  # what -> how it stands there
        self._one: Incident | None = None  # the fold of `_events`
        self._changed: Sequence[Changed] | None = None  # before its declaration, by all incidents
        self._pinned: bool | None = None  # as far as this process has seen to it
        self._moves = 0
        self._lost, self._unsure = False, True  # what was deleted there was seen; could have been, unseen
        self._standing: list[Own] | None = None  # what stood in the thread at the first look
        self._refused: dict[str, int] = {}  # channel -> until when (monotonic µs) it is left alone
        self._begun: dict[str, Ref] = {}  # channel -> a card there that has no thread yet

    def again(self, *, lost: bool) -> None:
        """All is looked at again: something of ours was deleted (`lost`), or may have been, or what is allowed changed.

        What was not seen to be deleted is looked for only where somebody may still press it.
        """
        self._lost, self._unsure = self._lost or lost, True

    def catch_up(self) -> int:
        """Shows the news; returns µs after which to come again without any, 0 for never.

        Raises PlatformDown, Denied, StoreError; what was not shown then comes again.
        """
        news = self._read()
        if self._unsure:
            self._look_again()
        if not self._events or not self._concerns_us():
            self._stale.clear()
            self._advance()
            return 0
        if news:
            self._stale.add(self.name)
        room = self._rooms.of(self.name) or self._open()
        try:
            self._redraw(room)  # what people look at and press comes before what they read
            wait = self._tell(room, news)
            if not wait:
                self._pin_or_unpin(room)
            waits = (wait, self._redraw(room))
        except Gone as gone:
            if gone.what == "message":
                raise
            self._standing = []
            self._move(room, gone)
            self._moves += 1  # somebody may delete each thread that we open: ever more slowly
            return 1 if self._moves == 1 else clock.SECOND << min(self._moves, 6)
        if not wait and not self._stale - {run.id for run in self._runs.values() if run.busy}:
            self._advance()  # a run that goes on is drawn again by whoever comes after us
        busy = any(run.busy for run in self._runs.values())
        return min(filter(None, (*waits, REFRESH if busy else 0)), default=0)

    def _look_again(self) -> None:
        lost, self._lost, self._unsure = self._lost, False, False
        self._looks.clear()
        self._changed = None
        self._refused.clear()
        self._pinned = None
        self._stale |= {self.name, *(run.id for run in self._runs.values() if lost or not run.ended)}

    @property
    def shown(self) -> int:
        """The position up to which everything of it is shown."""
        quiet = {run.id for run in self._runs.values() if run.busy}
        return 0 if self._stale - quiet or self._untold() else self._told

    @property
    def over(self) -> bool:
        """Nothing of it moves any more, until it is reopened."""
        return not self._events or (
            self._one is not None and not self._one.open and all(run.ended for run in self._runs.values())
        )

    # -- reading

    def _read(self) -> list[Event]:
        """What is to be told; everything of the incident is in `_events`."""
        after = self._events[-1].seq if self._events else 0
        fresh = []
        while page := self._store.read(self.name, after=after):
            fresh += page
            after = page[-1].seq
        if any(event.kind == "redaction" and event.pos > self._told for event in fresh):
            self._lost = self._unsure = (
                True  # whatever is drawn may hold it, a run that ended long ago as well
            )
            if self._events:
                self._events.clear()  # what was read before holds what is destroyed now
                self._runs.clear()
                self._one = None
                return self._read()
        self._events += fresh
        for event in fresh:
            self._one = lifecycle.next_state(self._one, event)
            if event.run is not None and event.kind == "run.started":
                self._runs[event.run] = running.Running(self._store, event.run, self.name)
        for run in list(self._runs.values()):
            moved = run.poll()
            if run.busy or any(event.pos > self._told for event in moved):
                self._stale.add(run.id)
        return self._untold()

    def _concerns_us(self) -> bool:
        """What was entered afterwards is a record and no conversation, unless it was entered here."""
        first = self._events[0]
        here = first.source is not None and first.source.platform == self._surface.name
        return first.mode != "retrospective" or here

    def _advance(self) -> None:
        if self._events and self._events[-1].pos > self._store.cursor(self.consumer):
            self._store.set_cursor(self.consumer, self._events[-1].pos)
            self._told = self._events[-1].pos

    # -- the room

    def _open(self) -> Room:
        """A card in the best channel that takes it, and its thread."""
        declared = self._events[0]
        before = self._rooms.of(self.name)
        number = 1 if before is None else before.number + 1
        here = declared.source if declared.source and declared.source.platform == self._surface.name else None
        why: Exception | None = None
        for place, channel in enumerate(self._surface.homes(here.channel if here else None)):
            if self._refused.get(channel, 0) > clock.monotonic():
                continue
            try:
                card = self._begin_in(channel, declared, place, number)
                room = self._rooms.opened(self.name, card, self._surface.thread(card, self._title()))
            except (Gone, Denied) as error:
                self._refused[channel], why = clock.monotonic() + 10 * clock.MINUTE, error
                if isinstance(error, Gone):
                    self._begun.pop(channel, None)
                self._warn(f"{self.name} cannot be shown in channel {channel}: {error}")
                continue
            self._opened(card)
            return room
        raise PlatformDown(
            f"{self.name} has no channel to be shown in" + (f": {why}" if why else ""),
            hint="howdah doctor discord says what is missing",
        )

    def _begin_in(self, channel: str, declared: Event, place: int, number: int) -> Ref:
        """The card there, posted where there is none. Its nonce names the place too: it counts for all channels."""
        card = self._begun.get(channel)
        if card is None and number == 1:
            card = self._found_card(channel, declared)
        self._looks.pop(self.name, None)
        if card is None:
            post, letter = self._card(), chr(ord("A") + place % 26)
            card = self._surface.send(channel, post, nonce=thread.nonce(declared, letter, number))
            self._looks[self.name] = post
        self._begun[channel] = card
        return card

    def _opened(self, card: Ref) -> None:
        """The one card stays, with its pin."""
        self._stale.add(self.name)  # it may have been posted long before its thread was allowed
        self._edited[self.name] = clock.monotonic()
        self._pin(card)
        self._pinned = True
        for other in self._begun.values():
            if other != card:
                with contextlib.suppress(Gone, Denied):
                    self._surface.remove(other)
        self._begun.clear()

    def _move(self, before: Room, gone: Gone) -> None:
        """Another room, because the thread is gone: its card goes too. One that is locked can still be read.

        What people may still press moves along.
        """
        self._open()
        for run in self._runs.values():
            if not run.ended:
                self._looks.pop(run.id, None)
                self._stale.add(run.id)
        try:
            if gone.what == "locked":
                self._surface.unpin(before.card)
            else:
                self._surface.remove(before.card)
        except (Gone, Denied) as error:
            self._warn(f"the earlier card of {self.name} stays: {error}")

    def _found_card(self, channel: str, declared: Event) -> Ref | None:
        """The card of an earlier life, which was posted but not recorded."""
        if clock.wall() - declared.recorded_at < YOUNG:
            return None
        for own in self._surface.ours(channel, declared.recorded_at):
            if re.match(rf"\s*{re.escape(self.name)}\b", own.text):
                return own.ref
        return None

    def _title(self) -> str:
        one = self._one or lifecycle.fold(self._events)
        return layout.cut(f"{self.name} {layout.one_line(one.title or 'redacted')}", 90)

    def _card(self) -> Post:
        if self._changed is None:
            self._changed = lately.before(self._store, self._events[0])
        return showing.incident_post(
            self._store, self.name, self._zone, clock.wall(), events=self._events, changed=self._changed
        )

    def _pin(self, card: Ref) -> None:
        try:
            self._surface.pin(card)
        except (Denied, Gone) as error:
            self._warn(f"the card of {self.name} cannot be pinned: {error}")

    def _pin_or_unpin(self, room: Room) -> None:
        """An incident's card is pinned while it is open."""
        wanted = self._one is not None and self._one.open
        if wanted == self._pinned:
            return
        if wanted:
            self._pin(room.card)
        else:
            try:
                self._surface.unpin(room.card)
            except (Denied, Gone) as error:
                self._warn(f"the card of {self.name} cannot be unpinned: {error}")
        self._pinned = wanted

    # -- lines

    def _tell(self, room: Room, news: Sequence[Event]) -> int:
        """Lines in the order of the record, a run's message where the run began; returns µs until the next may go."""
        for group in thread.groups(news, self._is_open):
            first = group[0]
            is_run = first.kind == thread.RUN
            if is_run and self._rooms.shown(str(first.run)) is None:
                wait = self._show_first(room, first)
            else:
                wait = 0 if is_run else self._say(room, group)
            if wait:
                return wait
            self._told = group[-1].pos
        if news:
            self._told = news[-1].pos
        return 0

    def _is_open(self, asked: Event) -> bool:
        if asked.kind == thread.MENTION:
            page = pages.fold(self._events).get(asked.data.get("page", 0))
            return asked.data.get("channel") == self._surface.name and page is not None and not page.over
        run = self._runs.get(asked.run or "")
        return run is not None and str(asked.data.get("question")) in run.open_questions()

    def _say(self, room: Room, group: Sequence[Event]) -> int:
        """One message of lines, without those that stand there from an earlier life; µs to wait where it must."""
        fresh = [event for event in group if not self._stands(room, event)]
        if not fresh:
            self._mentioned(group)
            return 0
        wait = self._pace.post(room.thread, urgent=any(event.kind in thread.MAYBE for event in fresh))
        if wait:
            return wait
        for event in fresh:
            if event.kind == "redaction":
                self._unsay(room, set(event.data.get("targets", ())))
        pinged = {account for event in fresh if (account := self._to_call(event)) is not None}
        buttons = tuple(thread.button(event) for event in fresh if event.kind == thread.MENTION)
        post = self._lines(fresh)._replace(ping=tuple(sorted(pinged)), buttons=buttons)
        self._surface.send(room.thread, post, nonce=thread.nonce(fresh[-1], "", room.number))
        self._mentioned(group)
        return 0

    def _mentioned(self, group: Sequence[Event]) -> None:
        """Records that the chat has taken a mention; where it was given up before, that stands."""
        for event in group:
            if event.kind == thread.MENTION:
                with contextlib.suppress(KeyUsed):
                    timeline.record(self._store, pages.delivered(event))

    def _lines(self, told: Sequence[Event]) -> Post:
        assert self._one is not None
        return thread.lines(self._events, told, self._one, zone=self._zone, head=str(self._store.head()))

    def _unsay(self, room: Room, targets: set[int]) -> None:
        """What is redacted in the record is not left standing in our own lines."""
        events = {event.seq: event for event in self._events}
        first = min((events[seq].recorded_at for seq in targets if seq in events), default=None)
        if first is None:
            return
        if 1 in targets:  # its title was the thread's name
            with contextlib.suppress(Denied):
                self._surface.rename(room.thread, self._title())
        for own in self._surface.ours(room.thread, first):
            told = [events[seq] for seq in thread.numbers(own.text) if seq in events]
            if any(event.seq in targets for event in told):
                try:
                    self._surface.edit(own.ref, self._lines(told))
                except (Gone, Denied, TooOld) as error:
                    self._warn(
                        f"{self.name}: a redacted line still stands in the chat; delete it there: {error}"
                    )

    def _to_call(self, event: Event) -> str | None:
        """A question, and a run that ended badly, call who started it, a reminder, a handoff and a page who is meant; a
        drill nobody but by a page."""
        if event.redacted or (event.mode == "drill" and event.kind != thread.MENTION):
            return None
        if event.kind in ("reminder.due", thread.MENTION):
            return self._account(dataclasses.replace(event, actor=Actor("human", str(event.data["person"]))))
        if event.kind == "handoff.offered" and event.data.get("why") != "limit":  # a limit pages them
            return self._account(
                dataclasses.replace(event, actor=Actor("human", str(event.data["receiver"][0])))
            )
        if event.kind == "page.exhausted":
            return self._account(next(e for e in self._events if e.seq == event.data["page"]))
        badly = event.kind == "run.ended" and event.data.get("status") == "failed"
        if event.kind != "question.asked" and not badly:
            return None
        started = next((e for e in self._events if e.run == event.run and e.kind == "run.started"), None)
        return self._account(started) if started is not None else None

    def _stands(self, room: Room, event: Event) -> bool:
        if event.recorded_at >= self._born:
            return False
        return any(event.seq in thread.numbers(own.text) for own in self._stood(room))

    def _stood(self, room: Room) -> list[Own]:
        if self._standing is None:
            first = next((e.recorded_at for e in self._events if e.pos > self._told), self._born)
            try:
                self._standing = self._surface.ours(room.thread, first)
            except Denied as error:
                self._warn(f"the history of {self.name}'s thread cannot be read: {error}")
                self._standing = []
        return self._standing

    # -- cards

    def _show_first(self, room: Room, started: Event) -> int:
        """The message of a run, once: an earlier life may have posted it without recording so. µs where it must wait."""
        run = str(started.run)
        if started.recorded_at < self._born:
            for own in self._stood(room):
                heading = own.text.partition("\n")[0]
                if re.search(rf"\b{re.escape(run)}\b", heading) and not thread.numbers(heading):
                    self._rooms.shows(self.name, run, own.ref)
                    return 0
        wait = self._pace.post(room.thread, urgent=True)
        if wait:
            return wait
        post = self._runs[run].post(clock.read())
        ref = self._surface.send(room.thread, post, nonce=thread.nonce(started, "r", room.number))
        self._rooms.shows(self.name, run, ref)
        self._drawn(run, post)
        return 0

    def _redraw(self, room: Room) -> int:
        """Edits what is stale and stands in the chat; returns µs until the next may be edited, 0 where all is drawn."""
        soonest = 0
        for what in sorted(self._stale, key=lambda what: self._edited.get(what, 0)):
            ref = room.card if what == self.name else self._rooms.shown(what)
            if ref is None and self._is_to_come(what):
                continue
            if ref is None and self._runs[what].ended:
                self._stale.discard(what)  # it had ended before this chat was first served
                continue
            wait = self._pace.edit(ref.channel) if ref else self._pace.post(room.thread, urgent=True)
            if wait:
                soonest = min(soonest or wait, wait)
                continue
            post = self._card() if what == self.name else self._runs[what].post(clock.read())
            if ref is not None and self._looks.get(what) == post:
                self._stale.discard(what)
                self._pace.unused(ref.channel)
            else:
                self._edit(room, what, ref, post)
        return soonest

    def _is_to_come(self, run: str) -> bool:
        """Its message is posted in its place among the lines."""
        return any(event.run == run and event.kind == "run.started" for event in self._untold())

    def _untold(self) -> list[Event]:
        place = bisect.bisect_right(self._events, self._told, key=lambda event: event.pos)
        return self._events[place:]

    def _edit(self, room: Room, what: str, ref: Ref | None, post: Post) -> None:
        """Edits the message; where it is gone, or too old, another one takes its place in the thread."""
        if ref is not None:
            try:
                self._surface.edit(ref, post)
                self._drawn(what, post)
                return
            except TooOld:
                pass
            except Gone as gone:
                if gone.what != "message" and ref.channel == room.thread:
                    raise
        last = [event for event in self._events if what in (event.run, self.name)][-1]
        fresh = self._surface.send(room.thread, post, nonce=thread.nonce(last, "m", self._rooms.moves(what)))
        self._rooms.shows(self.name, what, fresh)
        if what == self.name:
            self._pin(fresh)
        self._drawn(what, post)

    def _drawn(self, what: str, post: Post) -> None:
        self._edited[what], self._looks[what] = clock.monotonic(), post
        self._stale.discard(what)
