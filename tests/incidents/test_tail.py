"""A consumer handles every event at least once, in order, whatever fails in between."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from incidents import clock, tail
from incidents.errors import StoreError
from incidents.events import Event
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.drafts import note
from tests.making import event


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        opened.append([note(str(n), stream="ab"[n % 2]) for n in range(5)])
        yield opened


class Heard:
    def __init__(self) -> None:
        self.bodies: list[str] = []

    def __call__(self, events: Sequence[Event]) -> None:
        self.bodies += [event.body for event in events]


def test_it_catches_up_from_where_it_stands(store: Store) -> None:
    heard = Heard()
    assert tail.catch_up(store, "chat", heard) == 5
    assert tail.catch_up(store, "chat", heard) == 0
    store.append([note("new")])
    assert tail.catch_up(store, "chat", heard) == 1
    assert heard.bodies == ["0", "1", "2", "3", "4", "new"]


def test_each_consumer_stands_by_itself_and_may_follow_one_stream(store: Store) -> None:
    heard = Heard()
    tail.catch_up(store, "page", Heard())
    assert tail.catch_up(store, "chat", heard, stream="b") == 2
    assert heard.bodies == ["1", "3"]


def test_what_was_under_way_when_it_failed_comes_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "BATCH", 2)
    heard = Heard()

    def fail_once(events: Sequence[Event]) -> None:
        heard(events)
        if len(heard.bodies) == 4:
            raise ConnectionError("chat is away")

    with pytest.raises(ConnectionError):
        tail.catch_up(store, "chat", fail_once)
    tail.catch_up(store, "chat", fail_once)
    assert heard.bodies == ["0", "1", "2", "3", "2", "3", "4"]


def stop_after(condition: Callable[[], bool]) -> Callable[[], bool]:
    until = clock.monotonic() + 30 * clock.SECOND
    return lambda: condition() or clock.monotonic() > until


def test_it_follows_what_another_writes(store: Store, tmp_path: Path) -> None:
    heard = Heard()
    stop = stop_after(lambda: "last" in heard.bodies)
    following = threading.Thread(
        target=lambda: tail.follow(store, "chat", heard, stop=stop, failed=lambda *_: None)
    )
    following.start()
    with open_store(str(tmp_path / "store.db")) as other:
        other.append([note("other process")])
    store.append([note("last")])
    following.join()
    assert heard.bodies == ["0", "1", "2", "3", "4", "other process", "last"]


def test_failures_are_told_and_repeated_with_a_growing_delay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    monkeypatch.setattr(tail, "_pause", lambda micros, _: waits.append(micros))
    told: list[tuple[str, int]] = []
    count = itertools.count()
    heard = Heard()

    def fail_often(events: Sequence[Event]) -> None:
        if next(count) < 8:
            raise OSError("away")
        heard(events)

    tail.follow(
        store,
        "chat",
        fail_often,
        stop=stop_after(lambda: bool(heard.bodies)),
        failed=lambda error, delay: told.append((str(error), delay)),
    )
    seconds = [1, 2, 4, 8, 16, 32, 60, 60]
    assert waits == [n * clock.SECOND for n in seconds] == [delay for _, delay in told]
    assert heard.bodies == ["0", "1", "2", "3", "4"]


def test_a_record_that_cannot_be_read_ends_it(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError):
        tail.follow(store, "chat", Heard(), stop=lambda: False, failed=lambda *_: None)


def test_of_many_events_about_one_thing_the_last_is_kept_in_its_place() -> None:
    events = [event("note", seq=seq, body=body) for seq, body in enumerate("abacab", 1)]
    kept = tail.latest(events, lambda one: None if one.body == "c" else one.body)
    assert [(one.seq, one.body) for one in kept] == [(4, "c"), (5, "a"), (6, "b")]
