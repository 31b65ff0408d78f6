"""The record as a chat shows it: from a durable cursor, in order, each thing once, whatever the chat does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatops import projection, views
from chatops.mirror import Mirror
from chatops.rooms import Rooms
from incidents import clock
from incidents.events import Event, Source
from incidents.store import open_store
from incidents.store.protocol import Store
from tests.chatops.board import Board, Denied, PlatformDown, TooOld, text
from tests.drafts import declared, draft, note, run_ended, run_started

PATIENCE = 20 * clock.SECOND


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        yield opened


class Killed(BaseException):
    """The process ends here."""


def nobody(event: Event) -> str | None:
    return None


def serve(
    store: Store, board: Board, until: Callable[[], bool], warn: Callable[[str], None] = lambda line: None
) -> None:
    """One life of the mirror, until `until`. What ended a worker in the middle ends it too."""
    rooms = Rooms(store, board.name)
    mirror = Mirror(store, board, rooms, zone="UTC", account=nobody, warn=warn)
    end = clock.monotonic() + PATIENCE
    mirror.run(lambda: until() or clock.monotonic() > end)
    assert clock.monotonic() <= end, "it was not shown in time"


def settled(store: Store, board: Board) -> Callable[[], bool]:
    """Everything recorded is shown: the mirror's own cursor has arrived."""
    return lambda: store.cursor(board.name) >= store.head().pos


def shown(store: Store, board: Board) -> None:
    serve(store, board, settled(store, board))


def started(store: Store, board: Board) -> None:
    """The chat is served for the first time, before anything is recorded."""
    store.append([draft("x.first", stream="system")])
    shown(store, board)


def test_an_incident_has_a_pinned_card_and_a_thread_whose_lines_are_in_order(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared("the disk is full")])
    store.append([note("one"), note("two"), draft("incident.mitigated", milestone="mitigated")])
    shown(store, board)
    (thread,) = board.threads()
    assert [line.split(" ")[0] for line in board.lines(thread)] == ["`#1`", "`#2`", "`#3`", "`#4`"]
    (card,) = board.texts("ops")
    assert card.startswith("inc-1  the disk is full")
    assert "mitigated" in card
    assert [ref.channel for ref in board.pinned] == ["ops"]


def test_what_was_recorded_while_the_chat_was_away_comes_in_order_and_the_card_is_edited_once(
    store: Store,
) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    shown(store, board)
    before = len(board.log)
    for number in range(40):
        store.append([note(f"note {number}")])
    shown(store, board)
    (thread,) = board.threads()
    assert [line.split(": ")[1] for line in board.lines(thread)[1:]] == [f"note {n}" for n in range(40)]
    fresh = board.log[before:]
    at_home = [what for what, channel in fresh if channel == "ops" and what != "pin"]
    assert at_home == ["edit"], "an hour of changes is one edit"
    assert sum(what == "send" for what, _ in fresh) < 10, "many lines share a message"


def test_closed_incidents_of_the_time_before_are_history_and_open_ones_are_shown(store: Store) -> None:
    store.append([declared("old")])
    store.append([draft("incident.resolved", milestone="resolved")])
    store.append([declared("burning")])
    board = Board()
    shown(store, board)
    assert [card.partition("\n")[0].split("  ")[0] for card in board.texts("ops")] == ["inc-2"]
    (thread,) = board.threads()
    assert board.lines(thread) == []


def test_a_chat_that_was_first_served_before_anything_happened_misses_nothing_later(store: Store) -> None:
    board = Board()
    serve(store, board, lambda: True)
    store.append([declared("between two lives")])
    store.append([draft("incident.resolved", milestone="resolved")])
    shown(store, board)
    (thread,) = board.threads()
    assert len(board.lines(thread)) == 2


def test_an_incident_declared_in_a_channel_is_shown_there(store: Store) -> None:
    board = Board("ops", "web")
    started(store, board)
    store.append([declared(source=Source("board", channel="web"))])
    shown(store, board)
    assert board.texts("ops") == []
    assert len(board.texts("web")) == 1


def test_what_was_entered_afterwards_makes_no_noise_unless_it_was_entered_here(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared("years ago", mode="retrospective")])
    shown(store, board)
    assert board.texts("ops") == []
    store.append([declared("yesterday", mode="retrospective", source=Source("board", channel="ops"))])
    shown(store, board)
    assert len(board.texts("ops")) == 1


def test_the_card_is_unpinned_at_the_end_and_pinned_again_when_it_was_not_the_end(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    shown(store, board)
    store.append([draft("incident.resolved", milestone="resolved")])
    shown(store, board)
    assert board.pinned == []
    store.append([draft("incident.reopened")])
    shown(store, board)
    assert len(board.pinned) == 1


@pytest.mark.parametrize("remembered", [True, False], ids=["within minutes", "much later"])
@pytest.mark.parametrize("death", range(1, 14))
def test_a_mirror_that_dies_after_any_request_shows_nothing_twice(
    store: Store, death: int, remembered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([note("one"), run_started("run-abcdef"), note("two"), note("three")])
    left = death

    def die(what: str, channel: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    board.after = die

    def dead() -> bool:
        return left <= 0

    serve(store, board, lambda: dead() or settled(store, board)())
    if not remembered:  # a second life so late that the platform has forgotten every nonce
        board.forget_nonces()
        monkeypatch.setattr(projection, "YOUNG", 0)
    board.after = lambda what, channel: None
    serve(store, board, lambda: len(board.threads()) == 1 and len(board.lines(board.threads()[0])) >= 4)
    store.append([run_ended("run-abcdef")])
    shown(store, board)
    (thread,) = board.threads()
    assert [line.split(" ")[0] for line in board.lines(thread)] == ["`#1`", "`#2`", "`#4`", "`#5`", "`#6`"]
    assert len(board.texts("ops")) == 1, "one card"
    assert sum("run-abcdef" in one.partition("\n")[0] for one in board.texts(thread) if "`" not in one) == 1


def test_a_deleted_thread_is_opened_anew_and_goes_on(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([run_started("run-abcdef")])
    shown(store, board)
    del board.messages[board.threads()[0]]
    store.append([note("after")])
    shown(store, board)
    (thread,) = board.threads()
    assert "after" in board.lines(thread)[-1]
    store.append([run_ended("run-abcdef")])
    shown(store, board)
    assert any("run-abcdef" in one for one in board.texts(thread)), "the run's message moved too"
    assert len(board.texts("ops")) == 1 == len(board.pinned), "the card moved with it"


def test_a_locked_thread_stays_to_be_read_and_another_one_goes_on(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([note("before")])
    shown(store, board)
    (old,) = board.threads()
    board.locked.add(old)
    store.append([note("after")])
    shown(store, board)
    (new,) = set(board.threads()) - {old}
    assert "before" in "".join(board.lines(old)) and "after" in "".join(board.lines(new))
    assert len(board.texts("ops")) == 2 and len(board.pinned) == 1


def test_a_deleted_card_and_a_deleted_run_message_are_made_again_in_the_thread(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([run_started("run-abcdef")])
    shown(store, board)
    (thread,) = board.threads()
    board.messages["ops"].clear()
    board.messages[thread].clear()
    store.append([note("after"), run_ended("run-abcdef")])
    shown(store, board)
    texts = board.texts(thread)
    assert sum(one.startswith("inc-1  ") for one in texts) == 1
    assert sum("run-abcdef" in one.partition("\n")[0] and not one.startswith("`") for one in texts) == 1
    assert board.pinned[-1].channel == thread
    store.append([note("later")])
    shown(store, board)
    assert sum(one.startswith("inc-1  ") for one in board.texts(thread)) == 1


def test_a_card_that_is_too_old_to_be_edited_is_followed_by_a_fresh_one(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    shown(store, board)

    def old(what: str, channel: str) -> None:
        if what == "edit" and channel == "ops":
            raise TooOld("older than an hour")

    board.fail = old
    store.append([draft("incident.mitigated", milestone="mitigated")])
    shown(store, board)
    (thread,) = board.threads()
    assert any(one.startswith("inc-1  ") and "mitigated" in one for one in board.texts(thread))


def test_a_channel_that_refuses_the_bot_is_left_alone_and_another_is_taken(store: Store) -> None:
    board = Board("ops", "web")
    started(store, board)

    def denied(what: str, channel: str) -> None:
        if channel == "ops":
            raise Denied("missing permission")

    board.fail = denied
    told: list[str] = []
    store.append([declared()])
    serve(store, board, settled(store, board), told.append)
    assert len(board.texts("web")) == 1
    assert ["missing permission" in line for line in told] == [True]


def test_a_platform_that_is_down_is_tried_again_and_holds_up_no_other_incident(store: Store) -> None:
    board = Board("ops", "web")
    started(store, board)
    failures = 2

    def down(what: str, channel: str) -> None:
        nonlocal failures
        if what == "send" and channel == "ops" and failures:
            failures -= 1
            raise PlatformDown("503")

    board.fail = down
    store.append([declared("here", source=Source("board", channel="ops"))])
    store.append([declared("there", source=Source("board", channel="web"))])
    serve(store, board, lambda: len(board.texts("web")) == 1)
    assert board.texts("ops") == [] or failures < 2
    shown(store, board)
    assert len(board.texts("ops")) == 1


def test_a_message_that_would_look_the_same_is_not_edited(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "REFRESH", clock.SECOND // 50)
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([run_started("run-abcdef")])
    edits: list[int] = []

    def until() -> bool:
        edits.append(sum(what == "edit" for what, _ in board.log))
        return settled(store, board)() and len(edits) > 9

    serve(store, board, until)
    assert edits[-1] == edits[len(edits) // 2], "a run that does not move is left alone"


def test_a_correction_and_a_redaction_are_told_in_the_thread(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([note("the password is hunter2")])
    shown(store, board)
    store.append([draft("correction", {"target": 2, "body": "a password"})])
    shown(store, board)
    (thread,) = board.threads()
    assert "`#3`" in board.lines(thread)[-1]


@pytest.mark.parametrize("lives", [1, 2])
def test_what_is_redacted_is_not_left_standing_in_our_lines_nor_on_the_card(store: Store, lives: int) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([note("the password is hunter2"), note("not a secret")])
    redacted = draft("redaction", {"targets": [2]}, body="a secret")
    if lives == 2:
        shown(store, board)
        store.redact(redacted)
        shown(store, board)
    else:
        done = False

        def until() -> bool:
            nonlocal done
            if not done and settled(store, board)():
                store.redact(redacted)
                done = True
                return False
            return done and settled(store, board)()

        serve(store, board, until)
    (thread,) = board.threads()
    everything = "\n".join(board.texts(thread) + board.texts("ops"))
    assert "hunter2" not in everything
    store.redact(draft("redaction", {"targets": [1]}, body="a name"))
    shown(store, board)
    assert "the disk is full" not in board.names[thread] + "".join(board.texts(thread) + board.texts("ops"))
    assert "not a secret" in everything
    assert "`#4`" in everything


def test_the_last_line_carries_the_head_of_the_record(store: Store) -> None:
    board = Board()
    started(store, board)
    store.append([declared()])
    store.append([draft("incident.resolved", milestone="resolved")])
    shown(store, board)
    (post,) = [post for post in board.messages[board.threads()[0]].values() if "resolved" in text(post)]
    assert isinstance(post.view, views.Log)
    assert post.view.entries[-1].mark.startswith("head ")


def test_what_another_incident_changed_is_gone_from_the_card_with_its_redaction(store: Store) -> None:
    board = Board()
    started(store, board)
    step = {"path": "limit", "name": "Limit", "n": 1}
    change = {"what": "app:limit", "from": "20", "to": "hunter2"}
    begun = {**step, "attempt": 1, "effect": "unsafe", "change": change}
    store.append([declared("before"), run_started("run-abcdef")])
    store.append([draft("step.started", begun, run="run-abcdef", step="limit")])
    store.append(
        [draft("step.ended", {**step, "status": "ok", "change": change}, run="run-abcdef", step="limit")]
    )
    store.append([run_ended("run-abcdef"), declared("web is slow")])

    told: list[Event] = []

    def redacted() -> bool:
        hold = any("hunter2" in card for card in board.texts("ops") if card.startswith("inc-2"))
        if hold and not told:
            told.append(store.redact(draft("redaction", {"targets": [3, 4]})))
        return bool(told) and not hold

    serve(store, board, redacted)
