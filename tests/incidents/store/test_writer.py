"""Group commit: what one thread breaks, or leaves behind when it is interrupted, is not the others' loss."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from incidents import verify
from incidents.errors import BadInput, NotDurable, StoreError
from incidents.store import open_store
from incidents.store.connection import Connection
from incidents.store.database import DiskFull
from incidents.store.embedded import EmbeddedStore
from tests.drafts import note


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with open_store(str(tmp_path / "store.db")) as opened:
        assert isinstance(opened, EmbeddedStore)
        opened.append([note("first")])
        yield opened
        assert verify.verify(opened).findings == []


class Trap:
    """Does something the next time the writing connection runs a statement with `words`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self._armed: tuple[str, Callable[[], None], bool] | None = None
        for name in ("run", "do"):
            monkeypatch.setattr(Connection, name, self._watching(getattr(Connection, name)))

    def _watching(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(db: Connection, sql: str, values: Any = ()) -> Any:
            armed = self._armed
            if armed is None or armed[0] not in sql:
                return real(db, sql, values)
            self._armed = None
            if not armed[2]:
                armed[1]()
            found = real(db, sql, values)
            if armed[2]:
                armed[1]()
            return found

        return run

    def set(self, words: str, act: Callable[[], None], *, after: bool = False) -> None:
        self._armed = (words, act, after)


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Trap:
    return Trap(monkeypatch)


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("statement", "after"),
    [("BEGIN", False), ("BEGIN", True), ("INSERT INTO events", True), ("COMMIT", False)],
)
def test_an_interrupted_append_leaves_a_store_that_works(
    store: EmbeddedStore, trap: Trap, statement: str, after: bool
) -> None:
    trap.set(statement, raising(KeyboardInterrupt()), after=after)
    with pytest.raises(KeyboardInterrupt):
        store.append([note("interrupted")])
    store.append([note("next")])
    assert [event.body for event in store.events("inc-1")] == ["first", "next"]


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_threads_behind_an_interrupted_leader_record_their_events_once(
    store: EmbeddedStore, trap: Trap, after: bool
) -> None:
    """They do not know whether the leader's commit took place; the ids of their events tell."""
    others, leading = 8, threading.Event()
    writer = store._writer()[1]

    def fill_the_queue() -> None:
        """The leader of a first commit waits here until all the others queue behind it."""
        leading.set()
        until = time.monotonic() + 20
        while len(writer._queue) < others and time.monotonic() < until:
            time.sleep(0.001)
        trap.set("COMMIT", raising(KeyboardInterrupt()), after=after)

    trap.set("COMMIT", fill_the_queue)
    with ThreadPoolExecutor(others + 1) as pool:
        first = pool.submit(store.append, [note("leader")])
        assert leading.wait(20)
        rest = [pool.submit(store.append, [note(str(n))]) for n in range(others)]
        first.result()
        outcomes = [wish.exception() for wish in rest]
    assert [type(outcome) for outcome in outcomes if outcome] == [KeyboardInterrupt]
    lost = {str(n) for n, outcome in enumerate(outcomes) if outcome}
    bodies = [event.body for event in store.events("inc-1")]
    assert len(bodies) == len(set(bodies))
    assert {"first", "leader", *map(str, range(others))} - set(bodies) <= lost


def test_a_transaction_that_breaks_is_repeated_one_by_one(store: EmbeddedStore, trap: Trap) -> None:
    trap.set("INSERT INTO events", raising(StoreError("broken once")))
    store.append([note("second try")])
    assert store.last_seq("inc-1") == 2


def test_an_append_that_cannot_be_made_durable_fails(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Connection.do

    def full(db: Connection, sql: str, values: Any = ()) -> None:
        if "COMMIT" in sql:
            raise DiskFull
        real(db, sql, values)

    monkeypatch.setattr(Connection, "do", full)
    with pytest.raises(NotDurable, match="not recorded") as caught:
        store.append([note("lost")])
    assert caught.value.exit_code == 5
    monkeypatch.setattr(Connection, "do", real)
    store.append([note("kept")])
    assert [event.body for event in store.events("inc-1")] == ["first", "kept"]


def test_sixty_four_threads_record_everything_once_and_in_their_own_order(store: EmbeddedStore) -> None:
    def write(thread: int) -> list[str]:
        return [store.append([note(f"{thread}-{n}")])[0].body for n in range(20)]

    with ThreadPoolExecutor(64) as pool:
        acknowledged = [body for bodies in pool.map(write, range(64)) for body in bodies]
    stored = [event.body for event in store.events("inc-1")][1:]
    assert sorted(stored) == sorted(acknowledged)
    for thread in range(64):
        mine = [body for body in stored if body.startswith(f"{thread}-")]
        assert mine == [f"{thread}-{n}" for n in range(20)]


def test_a_group_larger_than_a_commit_is_refused(store: EmbeddedStore) -> None:
    with pytest.raises(BadInput, match="too many for one commit"):
        store.append([note("x" * 300_000) for _ in range(4)])
    store.append([note("x" * 300_000) for _ in range(3)])
    assert store.last_seq("inc-1") == 4
