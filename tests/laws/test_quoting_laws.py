"""Laws of quoting and masking, tried on anything: what real bash makes of a quoted line, where a stream is cut."""

from __future__ import annotations

import functools
import itertools
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from runbooks.quoting import Argv, Masker, shell_quote

# What has broken other tools, next to arbitrary text.
NASTY = (
    "a[$(touch x)]",
    "$(touch x)",
    "`touch x`",
    "; rm -rf .",
    "{{ 7*7 }}",
    "${{ x }}",
    "-rf",
    "--",
    "\n",
    "'",
    '"',
)
MORE = ("\\", "$IFS", "*", "~", "!x", "#", "&", "|", ">x", "é\u2028", "\x1b[31m", "%s", "=", "A=1", "\t ", "")
arguments = st.one_of(
    st.sampled_from(NASTY + MORE),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    st.lists(st.sampled_from(NASTY + MORE), max_size=4).map("".join),
)


def bash(script: str, *args: str) -> list[str]:
    """The NUL-separated words that bash printed."""
    done = subprocess.run(
        ["bash", "-c", script, "bash", *args],
        capture_output=True,
        timeout=60,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(arguments, min_size=1, max_size=8))
def test_bash_reads_a_quoted_line_as_the_same_arguments(argv: list[str]) -> None:
    line = shell_quote(["printf", "%s\\0", *argv])
    assert bash('eval "$1"', line) == argv


@functools.cache
def builtins() -> frozenset[str]:
    done = subprocess.run(
        ["bash", "-c", "compgen -b"], capture_output=True, text=True, timeout=60, check=True
    )
    return frozenset(done.stdout.split())


@settings(max_examples=40, deadline=None)
@given(arguments.filter(lambda word: word and word[0] != "%" and "/" not in word and word not in builtins()))
def test_bash_takes_a_quoted_first_word_for_the_name_of_a_program(word: str) -> None:
    """Not for an assignment, a keyword or an operator: it is looked up, and nothing of that name is found."""
    script = 'command_not_found_handle() { printf "%s\\0" "$@"; }; PATH=/nonexistent; eval -- "$1"'
    assert bash(script, shell_quote([word, "a"])) == [word, "a"]


@settings(max_examples=200, deadline=None)
@given(st.lists(arguments, min_size=1, max_size=5))
def test_an_argv_holds_exactly_what_it_was_given(items: list[str]) -> None:
    assert list(Argv(["program", *items])) == ["program", *items]


secrets = st.lists(
    st.text(st.sampled_from("abc/ '\"\\+é\n"), min_size=8, max_size=14), min_size=1, max_size=3
)


@settings(max_examples=150, deadline=None)
@given(st.data(), secrets)
def test_masking_does_not_depend_on_where_the_stream_is_cut(data: st.DataObject, values: list[str]) -> None:
    pieces = st.one_of(st.sampled_from(values), st.text(st.sampled_from("abc/ '\"\\+é\n"), max_size=8))
    stream = "".join(data.draw(st.lists(pieces, max_size=8))).encode()
    whole = Masker(values)
    once = whole.feed(stream) + whole.flush()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = Masker(values)
    edges = [0, *cuts, len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    assert b"".join(parts.feed(chunk) for chunk in chunks) + parts.flush() == once


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    st.lists(st.text(st.characters(codec="utf-8"), min_size=8, max_size=20), min_size=1, max_size=3),
)
def test_no_secret_is_left_in_what_is_shown(data: st.DataObject, values: list[str]) -> None:
    pieces = st.one_of(st.sampled_from(values), st.text(max_size=5))
    stream = "".join(data.draw(st.lists(pieces, max_size=6))).encode("utf-8", "surrogatepass")
    masker = Masker(values)
    shown = b"".join(masker.feed(stream[at : at + 3]) for at in range(0, len(stream), 3)) + masker.flush()
    for value in values:
        for rest in shown.split(b"***"):
            assert value.encode() not in rest


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=10))
def test_what_is_no_secret_comes_out_as_it_went_in(chunks: list[bytes], tail: bytes) -> None:
    masker = Masker(["0123456789abcdef"])
    stream = b"".join(chunks) + tail
    if b"0123" not in stream:
        assert b"".join(map(masker.feed, [*chunks, tail])) + masker.flush() == stream
