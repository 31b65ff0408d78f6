"""What typed keys mean at a question, and that the terminal's mode is restored on every way out."""

from __future__ import annotations

import os
import termios
from typing import Any

import pytest

from incidents.errors import BadInput
from runbooks.player import keys
from runbooks.player.keys import Chosen, Keyboard, Leave
from runbooks.question import Card, card
from tests.runbooks.player.logbook import Logbook, runbook, up_to_the_doubt, up_to_the_question


def confirm() -> Card:
    log, question = up_to_the_question()
    return card(log.run, question)


def doubt(*, running: str = "", outputs: bool = False) -> Card:
    log, question = up_to_the_doubt(running=running)
    return card(log.run, question, runbook() if outputs else None)


def board(*cards: Card, check: Any = None) -> Keyboard:
    made = Keyboard(check)
    made.show(cards)
    return made


def test_one_key_confirms() -> None:
    asked = confirm()
    assert board(asked).press(["y"]) == [Chosen(asked.question, "yes")]


@pytest.mark.parametrize("word", ["retry", "done", "skip", "abort"])
def test_an_answer_to_a_doubt_wants_its_key_twice(word: str) -> None:
    asked = doubt()
    made = board(asked)
    assert made.press([word[0]]) == []
    assert made.armed == word
    assert made.press([word[0]]) == [Chosen(asked.question, word)]


def test_enter_also_means_the_second_time() -> None:
    asked = doubt()
    made = board(asked)
    made.press(["s"])
    assert made.press(["enter"]) == [Chosen(asked.question, "skip")]
    assert board(asked).press(["enter"]) == []


def test_any_other_key_takes_the_first_one_back() -> None:
    made = board(doubt())
    for other in ("x", "esc", "tab"):
        made.press(["r"])
        assert made.press([other]) == []
        assert made.armed == ""
    made.press(["r"])
    assert made.press(["a"]) == []
    assert made.armed == "abort"


def test_an_abort_wants_its_key_twice_everywhere() -> None:
    made = board(confirm())
    assert made.press(["a"]) == []
    assert [type(found) for found in made.press(["a"])] == [Chosen]


def test_a_retry_beside_a_running_attempt_is_recorded_as_that() -> None:
    asked = doubt(running="x (pid 1)")
    made = board(asked)
    made.press(["r"])
    assert made.press(["r"]) == [Chosen(asked.question, "retry", {}, True)]


def test_what_arrives_in_one_burst_answers_nothing() -> None:
    made = board(confirm())
    assert made.press(list("yes please")) == []
    assert "one key" in made.notice
    assert len(made.press(["y"])) == 1


def test_one_press_gives_one_answer_at_most() -> None:
    assert len(board(confirm()).press(["y", "y"])) == 1


def test_q_and_the_end_of_input_leave_and_d_leaves_where_it_answers_nothing() -> None:
    assert board(doubt()).press(["q"]) == [Leave()]
    assert board(doubt()).press(["end"]) == [Leave()]
    assert board().press(["d"]) == [Leave()]
    assert board().press(["x", "y"]) == []


def test_capital_letters_count_as_well() -> None:
    assert len(board(confirm()).press(["Y"])) == 1


def test_when_somebody_else_has_answered_what_was_begun_is_forgotten() -> None:
    first, second = doubt(), confirm()
    made = board(first)
    made.press(["r"])
    made.show([second])
    assert (made.card, made.armed) == (second, "")
    made.show([])
    assert made.card is None
    assert made.press(["y"]) == []


def test_tab_goes_round_the_open_questions_and_a_new_one_does_not_push_in() -> None:
    log = Logbook()
    log.begin()
    cards = [card(log.run, log.ask(path, "doubt")) for path in ("before", "rotate")]
    made = board(cards[1])
    made.show(cards)
    assert made.card == cards[1]
    made.press(["tab"])
    assert made.card == cards[0]
    made.press(["tab"])
    assert made.card == cards[1]


def test_done_takes_the_outputs_one_by_one() -> None:
    asked = doubt(outputs=True)
    made = board(asked)
    made.press(["d"])
    assert made.press(["d"]) == []
    assert made.asking == "size"
    for key in ["1", "2", "x", "back", "0", "G", "q"]:  # q is a letter here
        assert made.press([key]) == []
    assert made.press(["enter"]) == [Chosen(asked.question, "done", {"size": "120Gq"})]


def test_a_pasted_value_is_taken_and_an_empty_one_left_out() -> None:
    asked = doubt(outputs=True)
    made = board(asked)
    made.press(["d"])
    made.press(["d"])
    assert made.press([*"a long value", "enter"]) == [
        Chosen(asked.question, "done", {"size": "a long value"})
    ]
    made.press(["d"])
    made.press(["d"])
    assert made.press(["enter"]) == [Chosen(asked.question, "done", {})]


def test_a_value_that_does_not_fit_is_asked_for_again() -> None:
    def check(asked: Card, values: Any) -> None:
        if values.get("size") != "12":
            raise BadInput("size must be a number")

    made = board(doubt(outputs=True), check=check)
    made.press(["d"])
    made.press(["d"])
    assert made.press(["x", "enter"]) == []
    assert made.notice == "size must be a number"
    assert len(made.press(["1", "2", "enter"])) == 1


def test_escape_leaves_the_outputs_without_an_answer() -> None:
    made = board(doubt(outputs=True))
    made.press(["d"])
    made.press(["d"])
    assert made.press(["1", "esc"]) == []
    assert (made.asking, made.armed) == ("", "")


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"y", ["y"]),
        (b"\x1b[A", []),  # arrow up: its A is no answer
        (b"\x1bOP\x1b[15~", []),
        (b"\x1by", []),  # Alt-y
        (b"\x1b", ["esc"]),
        (b"\r\n\x7f\t\x04", ["enter", "enter", "back", "tab", "end"]),
        ("é".encode(), ["é"]),
        (b"\xff", []),
    ],
)
def test_keys_are_told_apart_from_what_a_terminal_sends_besides(raw: bytes, found: list[str]) -> None:
    assert keys.split(raw) == found


@pytest.mark.parametrize(
    ("line", "word", "outputs", "beside"),
    [
        ("retry", "retry", {}, False),
        ("  abort ", "abort", {}, False),
        ("done size=12 'name=a b'", "done", {"size": "12", "name": "a b"}, False),
    ],
)
def test_a_whole_line_answers_where_no_single_keys_are_read(
    line: str, word: str, outputs: dict[str, str], beside: bool
) -> None:
    asked = doubt()
    assert keys.read_line(line, asked) == Chosen(asked.question, word, outputs, beside)


@pytest.mark.parametrize("line", ["", "r", "yes", "retry now", "done now", "abort --undo", "done 'x"])
def test_a_line_that_is_no_answer_says_what_is(line: str) -> None:
    assert isinstance(keys.read_line(line, doubt()), str)


def test_a_line_starts_another_attempt_beside_a_running_one_only_when_it_says_so() -> None:
    asked = doubt(running="x (pid 1)")
    assert "retry beside" in str(keys.read_line("retry", asked))
    assert keys.read_line("retry beside", asked) == Chosen(asked.question, "retry", {}, True)


def test_the_terminal_is_restored_also_after_an_error() -> None:
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    with pytest.raises(ZeroDivisionError), keys.single_keys(slave):
        inside = termios.tcgetattr(slave)
        assert not inside[3] & termios.ICANON and not inside[3] & termios.ECHO
        assert inside[3] & termios.ISIG  # Ctrl-C still interrupts
        raise ZeroDivisionError
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_keys_of_a_terminal_that_is_gone_are_none() -> None:
    master, slave = os.openpty()
    os.close(master)
    assert keys.read_keys(slave) is None
    os.close(slave)


def test_what_was_typed_before_a_question_is_forgotten() -> None:
    master, slave = os.openpty()
    with keys.single_keys(slave):
        os.write(master, b"y")
        keys.forget_typed(slave)
        assert keys.read_keys(slave) == []
        os.write(master, b"n")
        assert keys.read_keys(slave) == ["n"]
    os.close(master)
    os.close(slave)
