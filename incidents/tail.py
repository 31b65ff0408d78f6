"""A consumer of the record: it stands somewhere durably, catches up from there, and repeats what failed.

A projection (a chat channel, a page) is told every event at least once, in order, in batches: after a crash the
batch that was under way comes again, so a consumer must bear a repeat. What was written while it was away comes
first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from incidents import clock
from incidents.errors import StoreError
from incidents.events import Event
from incidents.store.protocol import Store

BATCH = 200  # events handed over at once
FIRST_DELAY = clock.SECOND  # before the first repeat; doubled up to LONGEST_DELAY
LONGEST_DELAY = clock.MINUTE
LOOK = clock.SECOND // 2  # how often `stop` is asked while nothing happens

T = TypeVar("T", bound=Hashable)
Handle = Callable[[Sequence[Event]], None]


def catch_up(store: Store, consumer: str, handle: Handle, *, stream: str | None = None) -> int:
    """Hand over all that `consumer` has not handled yet; returns how many events. What `handle` raises goes on."""
    done = 0
    while batch := store.tail(store.cursor(consumer), limit=BATCH, stream=stream):
        handle(batch)
        store.set_cursor(consumer, batch[-1].pos)
        done += len(batch)
    return done


def follow(
    store: Store,
    consumer: str,
    handle: Handle,
    *,
    stop: Callable[[], bool],
    failed: Callable[[Exception, int], None],
    stream: str | None = None,
) -> None:
    """`catch_up` for as long as `stop` says no.

    When `handle` raises, the batch is repeated after a delay that doubles from 1 s to 1 min; `failed` is told the
    error and the delay (µs). A StoreError ends it: nothing can be followed then.
    """
    delay = 0
    store.changed()
    while not stop():
        try:
            catch_up(store, consumer, handle, stream=stream)
            delay = 0
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a surface raises: told, and repeated
            delay = min(LONGEST_DELAY, delay * 2 or FIRST_DELAY)
            failed(error, delay)
        if delay:
            _pause(delay, stop)
        else:
            while not stop() and not store.wait_news(LOOK):
                pass


def _pause(micros: int, stop: Callable[[], bool]) -> None:
    until = clock.monotonic() + micros
    while not stop() and (rest := until - clock.monotonic()) > 0:
        clock.sleep(min(rest, LOOK))


def latest(events: Iterable[Event], of: Callable[[Event], T | None]) -> list[Event]:
    """Of events about the same thing (`of` names it) only the last, in the order of these; None keeps an event.

    So an hour of edits of one card becomes one edit.
    """
    kept: dict[Hashable, Event] = {}
    for event in events:
        name = of(event)
        key: Hashable = ("alone", event.pos) if name is None else ("of", name)
        kept.pop(key, None)
        kept[key] = event
    return list(kept.values())
