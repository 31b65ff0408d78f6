"""Group commit: many threads append, one of them at a time commits for all that wait.

The first thread to come leads: it takes the store's lock, commits every group that waits by then, and passes the
lead to the next. A single writer pays for no hand-over to another thread, and nobody leads for longer than one
commit. The threads whose groups were committed wake one another, each the next: woken all at once they would only
queue for the interpreter (a sixth slower with 64 threads).
"""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from incidents import clock
from incidents.errors import BadInput, HowdahError, Refused
from incidents.events import Draft
from incidents.store.append import GROUP_BYTES, Appender, Cursor, Group
from incidents.store.database import Database, DiskFull
from incidents.store.flock import GIVEN_UP_AFTER, Door

_CHAINS = 2  # so many threads are woken at once

T = TypeVar("T")
Wish = Group | Cursor


class Upkeep(Protocol):
    """What the store does around commits, while its lock is held; it may have something to record."""

    def after_commit(self) -> Sequence[Draft]:
        """The commit is durable and its threads are awake."""
        ...

    def make_room(self) -> Sequence[Draft] | None:
        """The disk is full; None when nothing can be done."""
        ...

    def not_durable(self) -> HowdahError: ...


class _Interrupted(Exception):
    """The thread that led was interrupted: whether the commit took place is not known."""


class _Ticket:
    """One thread's wish. `woken` is released after it is finished, or leads; `next` is who is to be woken then."""

    __slots__ = (
        "committed",
        "error",
        "finished",
        "leads",
        "next",
        "since",
        "size",
        "wish",
        "withdrawn",
        "woken",
    )

    def __init__(self, wish: Wish | None, since: int):
        self.wish = wish
        self.size = wish.size if isinstance(wish, Group) else 0
        self.since = since
        self.woken = threading.Lock()
        self.woken.acquire()
        self.committed = False
        self.finished = False
        self.leads = False
        self.withdrawn = False
        self.next: _Ticket | None = None
        self.error: Exception | None = None

    def wake(self) -> None:
        if self.woken.locked():
            self.woken.release()

    def pass_on_waking(self) -> None:
        """Wake the next thread. May run twice, when it was interrupted."""
        if self.next is not None:
            self.next.wake()
            self.next = None


class Writer:
    def __init__(self, db: Database, door: Door, upkeep: Upkeep, check: Callable[[], None]):
        """`check` raises where nothing may be written any more; it is asked before each commit."""
        self._db = db
        self._check = check
        self._door = door
        self._upkeep = upkeep
        self._appender = Appender(db)
        self._mutex = threading.Lock()
        self._queue: collections.deque[_Ticket] = collections.deque()
        self._led = False  # a thread leads, or was woken to lead

    def submit(self, wish: Wish) -> None:
        """Commit `wish`; durable when it returns. Raises what refused it, StoreBusy, NotDurable."""
        since = clock.monotonic()
        while True:
            ticket = _Ticket(wish, since)
            self._wait_for_lead(ticket)
            if not ticket.finished:
                try:
                    self._lead(ticket)
                finally:
                    self._pass_on()
            if ticket.error is None:
                return
            if not isinstance(ticket.error, _Interrupted):
                raise ticket.error
            wish.again()

    def exclusively(self, work: Callable[[], T]) -> T:
        """Run `work` while nobody else, here or in another process, writes; its transactions are its own."""
        ticket = _Ticket(None, clock.monotonic())
        self._wait_for_lead(ticket)
        try:
            try:
                self._door.enter(ticket.since)
                self._check()
                return work()
            finally:
                self._appender.rollback()  # and forget the tails, which `work` may have moved
                self._door.leave()
        finally:
            self._pass_on()

    # -- the lead

    def _wait_for_lead(self, ticket: _Ticket) -> None:
        """Returns when the ticket is finished, or when this thread leads. Raises StoreBusy."""
        with self._mutex:
            if not self._led:
                self._led = True
                return
            self._queue.append(ticket)
        try:
            ticket.woken.acquire(timeout=GIVEN_UP_AFTER / clock.SECOND)
            if not (ticket.finished or ticket.leads) and self._withdraw(ticket):
                raise self._door.busy(ticket.since)
            self._until_woken(ticket)
        except BaseException:
            if not self._withdraw(ticket):
                self._until_woken(ticket)
                if ticket.leads:
                    self._pass_on()
            raise

    def _until_woken(self, ticket: _Ticket) -> None:
        """Wait for a commit that is under way; an interrupt may have come between its word and ours."""
        while not (ticket.finished or ticket.leads):
            ticket.woken.acquire(timeout=0.01)
        ticket.pass_on_waking()

    def _withdraw(self, ticket: _Ticket) -> bool:
        """Take the ticket out of the queue; False when a commit, or the lead, has it already."""
        with self._mutex:
            try:
                self._queue.remove(ticket)
            except ValueError:
                return ticket.withdrawn
            ticket.withdrawn = True
            return True

    def _pass_on(self) -> None:
        with self._mutex:
            if not self._queue:
                self._led = False
                return
            heir = self._queue.popleft()
            heir.leads = True
        heir.wake()

    # -- one commit

    def _lead(self, own: _Ticket) -> None:
        """Commit what waits, `own` first; the errors become the tickets'. Raises StoreBusy."""
        try:
            self._door.enter(own.since)
            self._check()
            batch = self._take(own)
            try:
                self._commit(batch)
            finally:
                _wake(batch, own)
            with contextlib.suppress(DiskFull, HowdahError):  # the next transaction will meet it again
                self._record(self._upkeep.after_commit())
        finally:
            self._door.leave()

    def _take(self, own: _Ticket) -> list[_Ticket]:
        batch, size = [own], own.size
        with self._mutex:
            while self._queue and self._queue[0].wish is not None:
                size += self._queue[0].size
                if size > GROUP_BYTES:
                    break
                batch.append(self._queue.popleft())
        return batch

    def _commit(self, batch: list[_Ticket]) -> None:
        try:
            self._transact(batch, ())
        except DiskFull:
            news = self._upkeep.make_room()
            if news is None:
                for ticket in batch:
                    ticket.error = self._upkeep.not_durable()
            else:
                self._one_by_one(batch, news)
        except HowdahError:
            self._one_by_one(batch, ())

    def _one_by_one(self, batch: list[_Ticket], news: Sequence[Draft]) -> None:
        """One transaction for each ticket: what one of them breaks does not sink the others."""
        for ticket in batch:
            try:
                self._transact([ticket], news)
                news = ()
            except DiskFull:
                ticket.error = self._upkeep.not_durable()
            except HowdahError as error:
                ticket.error = error
        with contextlib.suppress(DiskFull, HowdahError):
            self._record(news)

    def _record(self, news: Sequence[Draft]) -> None:
        if news:
            self._transact([], news)

    def _transact(self, batch: list[_Ticket], news: Sequence[Draft]) -> None:
        """One transaction; a refused ticket keeps its error. Raises what failed the transaction as a whole."""
        transaction = self._appender.begin()
        try:
            if news:
                Group(news, None).apply(transaction)
            for ticket in batch:
                ticket.error = None
                try:
                    if ticket.wish is not None:
                        ticket.wish.apply(transaction)
                except (Refused, BadInput) as error:
                    ticket.error = error
        except BaseException:
            self._appender.rollback()
            raise
        self._appender.commit(transaction)
        for ticket in batch:
            ticket.committed = True


def _wake(batch: list[_Ticket], own: _Ticket) -> None:
    for ticket in batch:
        if not ticket.committed and ticket.error is None:
            ticket.error = _Interrupted()
    others = [ticket for ticket in batch if ticket is not own]
    for ticket, after_next in zip(others, others[_CHAINS:], strict=False):
        ticket.next = after_next
    own.finished = True
    for ticket in others:
        ticket.finished = True
    for ticket in others[:_CHAINS]:
        ticket.wake()
