"""A page by chat: the thread mentions who is meant, once, and what came of it is recorded, whatever dies in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from chatops.mirror import Mirror
from chatops.rooms import Rooms
from incidents import clock, timeline
from incidents.escalation import pages
from incidents.escalation.policy import alone
from incidents.events import Event
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.chatops.board import Board
from tests.drafts import NOVA, declared, draft

PATIENCE = 20 * clock.SECOND


class Discord(Board):
    name: ClassVar[str] = "discord"


def account(event: Event) -> str | None:
    return f"account-of-{event.actor.id}"


def serve(store: Store, board: Board, until: Callable[[], bool]) -> None:
    """One life of the mirror, until `until`."""
    mirror = Mirror(
        store, board, Rooms(store, board.name), zone="UTC", account=account, warn=lambda line: None
    )
    end = clock.monotonic() + PATIENCE
    mirror.run(lambda: until() or clock.monotonic() > end)
    assert clock.monotonic() <= end, "it was not shown in time"


def settled(store: Store, board: Board) -> Callable[[], bool]:
    return lambda: store.cursor(board.name) >= store.head().pos


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def board(store: Store) -> Board:
    """A chat that shows an incident whose page is about to mention hazel."""
    board = Discord()
    store.append([draft("x.first", stream="system")])
    serve(store, board, settled(store, board))
    store.append([declared()])
    timeline.record(store, pages.begin("inc-1", alone("person", "hazel"), target="hazel", actor=NOVA))
    mention = {"page": 2, "n": 0, "person": "hazel", "channel": "discord", "attempt": 1, "repeated": False}
    timeline.record(
        store, draft("page.fired", {
            "page": 2, "n": 0, "step": 1, "round": 1, "target": "hazel", "people": ["hazel"], "wait": clock.HOUR,
            "due": clock.wall() + clock.HOUR,
        }), draft("page.sending", mention, key="page:inc-1:2:0:hazel:discord:1"),
    )  # fmt: skip
    return board


def mentions(board: Board) -> list[tuple[str, ...]]:
    return [post.ping for thread in board.threads() for post in board.messages[thread].values() if post.ping]


def kinds(store: Store) -> list[str]:
    return [event.kind for event in store.events("inc-1") if event.kind in ("page.delivered", "page.failed")]


def test_who_is_meant_is_called_with_a_button_and_that_is_recorded(store: Store, board: Board) -> None:
    serve(store, board, lambda: kinds(store) == ["page.delivered"])
    assert mentions(board) == [("account-of-hazel",)]
    (post,) = [one for thread in board.threads() for one in board.messages[thread].values() if one.ping]
    assert [(one.label, one.incident, one.seq, one.word) for one in post.buttons] == [
        ("Acknowledge", "inc-1", 2, "ack")
    ]


def test_a_death_between_the_post_and_the_record_posts_nothing_twice(store: Store, board: Board) -> None:
    class Killed(BaseException):
        pass

    def die(what: str, channel: str) -> None:
        if what == "send" and mentions(board):
            raise Killed

    board.after = die
    serve(store, board, lambda: bool(mentions(board)))
    assert kinds(store) == []
    board.after = lambda what, channel: None
    board.forget_nonces()
    serve(store, board, lambda: kinds(store) == ["page.delivered"])
    assert mentions(board) == [("account-of-hazel",)]


def test_a_chat_that_comes_back_calls_nobody_for_what_somebody_has_taken(store: Store, board: Board) -> None:
    timeline.record(store, draft("page.acknowledged", {"page": 2}))
    serve(store, board, settled(store, board))
    assert (mentions(board), kinds(store)) == ([], [])


def test_what_was_given_up_is_still_shown_while_nobody_has_it_and_stays_given_up(
    store: Store, board: Board
) -> None:
    data = {"page": 2, "n": 0, "person": "hazel", "channel": "discord", "attempt": 1, "why": "not shown"}
    timeline.record(store, draft("page.failed", data, key="page:inc-1:2:0:hazel:discord:1:outcome"))
    serve(store, board, settled(store, board))
    assert (mentions(board), kinds(store)) == ([("account-of-hazel",)], ["page.failed"])
