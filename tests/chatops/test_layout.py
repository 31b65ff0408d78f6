"""Lines fit, and nothing that people wrote can act on a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops import layout, views
from chatops.layout import Span

ACTS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
anything = st.text(st.characters(exclude_categories=[]), max_size=300)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\x0db"),
        ("a\tb", "a    b"),
        ("\u202eevil", "\\u202eevil"),
        ("\udc80", "\\udc80"),
        ("Kris Nóva 🐘 猫", "Kris Nóva 🐘 猫"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_could_act_is_written_out_and_everything_else_stays(text: str, shown: str) -> None:
    assert layout.visible(text) == shown


def test_wide_characters_count_two_cells_and_combining_ones_none() -> None:
    assert [layout.cells(text) for text in ("abc", "猫", "e\u0301", "🐘")] == [3, 2, 1, 2]


def test_padding_and_cutting_are_by_cells() -> None:
    assert layout.pad("猫", 4) == "猫  "
    assert layout.pad("7", 3, right=True) == "  7"
    assert layout.cut("a猫猫猫", 4) == "a猫…"
    assert layout.cut("short", 5) == "short"


def test_a_link_stays_in_one_piece_on_a_narrow_screen() -> None:
    link = "https://discord.com/oauth2/authorize?client_id=112233445566778899&scope=bot"
    assert layout.wrap(f"→ add it: {link} now", 40) == ["→ add it:", link, "now"]
    assert max(map(layout.cells, layout.wrap("https://" + "x" * 500, 40))) == 40, "nobody follows that"


def test_text_is_broken_at_spaces_and_longer_words_are_split() -> None:
    assert layout.wrap("the queue is forty thousand deep", 12) == [
        "the queue is",
        "forty",
        "thousand",
        "deep",
    ]
    assert layout.wrap("x" * 20, 8) == ["x" * 8, "x" * 8, "x" * 4]
    assert layout.wrap("one\n\n  two", 20) == ["one", "", "  two"]
    assert layout.wrap("", 20) == [""]


@given(anything, st.integers(8, 120))
def test_no_wrapped_line_is_too_wide_and_no_visible_character_is_lost(text: str, width: int) -> None:
    lines = layout.wrap(text, width)
    assert all(layout.cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(layout.visible(text).split())


@given(anything, anything, anything)
def test_no_view_prints_a_character_that_acts(one: str, two: str, three: str) -> None:
    entry = views.Entry(7, 0, one, two, "struck", three, True, False)
    shown = (
        views.Text(one, "bad"),
        views.Card(one, (views.Field(two, (three, one)),), state=two, under=three),
        views.Table((views.Column(one), views.Column(two, grow=True)), ((two, three), (one, one))),
        views.Log(one, (entry,), zone="Europe/Berlin", state=two, under=three),
        views.Choice(one, (views.Option(two, three),), "x"),
        views.Button(one, two),
        views.Form(one, two, (views.Field(one, (two,)),)),
        views.Stack((views.Text(one), views.Text(two))),
    )
    for view in shown:
        assert not ACTS.search(views.plain(view, 80))


@given(anything, anything)
def test_a_timeline_fits_into_eighty_cells(who: str, text: str) -> None:
    entries = (views.Entry(1, 0, who, text, mark=text[:40]), views.Entry(123, 10**15, who, text))
    for line in views.Log(text, entries, zone="Asia/Tokyo", state="sev1 · investigating").lines(80):
        assert sum(layout.cells(layout.visible(span.text)) for span in line) <= 80


def test_later_lines_hang_under_the_text() -> None:
    lines = layout.hang((Span("#1 "),), "one two three", "", 10)
    assert layout.plain(lines) == "#1 one two\n   three"
