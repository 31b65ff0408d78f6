"""How things look as plain text."""

from __future__ import annotations

from chatops import views
from chatops.views import Button, Card, Choice, Column, Field, Form, Option, Stack, Table, Text

TABLE = Table(
    (Column("n", right=True), Column("status"), Column("title", grow=True)),
    (("1", "open", "a short one"), ("12", "resolved", "one that needs several lines where it is narrow")),
)


def test_a_table_lines_its_columns_up_and_wraps_the_growing_one() -> None:
    assert views.plain(TABLE, 40) == (
        " n  status    title\n"
        " 1  open      a short one\n"
        "12  resolved  one that needs several\n"
        "              lines where it is narrow"
    )


def test_on_a_narrow_screen_the_growing_column_stands_under_its_row() -> None:
    assert views.plain(TABLE, 24) == (
        " n  status\n"
        "  title\n"
        " 1  open\n"
        "  a short one\n"
        "12  resolved\n"
        "  one that needs several\n"
        "  lines where it is\n"
        "  narrow"
    )


def test_an_empty_table_says_so() -> None:
    assert views.plain(Table((Column("a"),), (), empty="no incident is open")) == "no incident is open"


def test_a_card_has_its_state_at_the_right_end_or_under_a_long_title() -> None:
    card = Card("inc-1  x", (Field("roles", ("commander: nova", "comms: malte")),), "sev1 · open", "declared")
    assert views.plain(card, 30) == (
        "inc-1  x           sev1 · open\n"
        "declared\n"
        "\n"
        "roles  commander: nova\n"
        "       comms: malte"
    )  # fmt: skip
    assert views.plain(card._replace(title="inc-1  a longer title", fields=()), 30) == (
        "inc-1  a longer title\nsev1 · open\ndeclared"
    )


def test_choices_are_numbered_and_buttons_show_their_command() -> None:
    choice = Choice("Which incident?", (Option("inc-2", "two"), Option("inc-1", "one\nmore")), "incident")
    assert views.plain(choice) == "Which incident?\n  1  inc-2  two\n  2  inc-1  one ⏎ more"
    assert views.plain(Button("Resolve", "resolve inc-1")) == "[Resolve] resolve inc-1"


def test_parts_of_a_stack_are_apart() -> None:
    assert views.plain(Stack((Text("a"), Text("b")))) == "a\n\nb"
    assert views.plain(Form("Declare", "declare TITLE", (Field("title", ("What is wrong.",)),))) == (
        "Declare\ndeclare TITLE\n\ntitle  What is wrong."
    )


def test_words_are_joined_as_people_do() -> None:
    assert [views.joined(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a or b", "a, b or c",
    ]  # fmt: skip
