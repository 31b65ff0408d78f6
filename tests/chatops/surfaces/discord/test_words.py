"""Several values in one text option."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.surfaces.discord import words
from incidents.errors import BadInput


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  ", []),
        ("mount=/var want=2GiB", ["mount=/var", "want=2GiB"]),
        ('note="two words" x=1', ["note=two words", "x=1"]),
        ("'note=two words'", ["note=two words"]),
        ("note=“two words” „drei Wörter da“", ["note=two words", "drei Wörter da"]),
        ('empty="" also=', ["empty=", "also="]),
        (r"re=\d+ path=C:\x", [r"re=\d+", r"path=C:\x"]),
        (r'"a \"b\" \\ \n"', [r'a "b" \ \n']),
        ("it's don't=can't", ["it's", "don't=can't"]),
        ("$(id) `id` ;rm a|b >c", ["$(id)", "`id`", ";rm", "a|b", ">c"]),
    ],
)
def test_words_stand_between_spaces_and_quotes_hold_spaces(text: str, found: list[str]) -> None:
    assert words.split(text) == found


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=5))
def test_what_was_joined_is_split_into_the_same_words(given_words: list[str]) -> None:
    assert words.split(words.join(given_words)) == given_words


@given(
    st.from_regex(r"[a-z]{1,5}=", fullmatch=True),
    st.text(st.characters(codec="utf-8"), max_size=12),
)
def test_a_pair_stays_a_pair_with_its_name_in_front(name: str, value: str) -> None:
    joined = words.join([name + value])
    assert joined.startswith(name)
    assert words.split(joined) == [name + value]


def test_an_open_quote_is_a_mistake_that_shows_the_way() -> None:
    with pytest.raises(BadInput, match='a quote is not closed: note=two; write name="two words"'):
        words.split('a=1 note="two')


@pytest.mark.parametrize(
    ("text", "before", "whole", "last"),
    [
        ("", "", [], ""),
        ("mou", "", [], "mou"),
        ("mount=/var wa", "mount=/var ", ["mount=/var"], "wa"),
        ("mount=/var ", "mount=/var ", ["mount=/var"], ""),
        ('a="b c" d="e f', 'a="b c" ', ["a=b c"], 'd="e f'),
    ],
)
def test_the_word_that_is_being_typed(text: str, before: str, whole: list[str], last: str) -> None:
    assert words.being_typed(text) == (before, whole, last)
