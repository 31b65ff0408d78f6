"""Laws of what is drawn for Discord, tried on anything that people and programs write.

A body is judged by the published schema and by the limits that it leaves out; what a client would make of its text is
read by `seen`, which takes code and escapes as Discord does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from chatops import layout, views
from chatops.surfaces.base import Post
from chatops.surfaces.discord import marking, render
from chatops.views import Button, Card, Choice, Column, Entry, Field, Form, Log, Option, Stack, Table, Text
from chatops.vocabulary import Reply
from incidents.visible import visible
from tests.chat.discord import judge, overlay

SENT = "POST /channels/{channel}/messages"

NASTY = (
    "@everyone", "@here", "<@1>", "<@!12345678901234567>", "<@&2>", "<#3>", "</cmd:1>", "<t:1:R>", "<:x:1>", "<a:x:1>",
    "<id:guide>", "```", "``", "`", "````sh\n", "\n```\n", "**", "*", "__", "_", "~~", "||", "> ", ">>> ", "# ", "-# ",
    "- ", "1. ", "[a](https://evil.example)", "https://example.org/a_b*c?d=1#e", "<https://example.org>", "\\", "\\`",
    "\u200b", "\u202e", "\u2066", "\ufeff", "\x1b[31m", "\x00", "\r", "\n", " ", "|", "👩‍👩‍👧‍👦", "é", "\ud800",
    "\ue000", "\ue001", "\u3164", "\u2800", "x" * 300, "@", "<", "everyone", "here", "https://",
)  # fmt: skip
anything = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=40),
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=10)), max_size=12).map("".join),
)
long_text = st.builds(lambda text, times: text * times, anything, st.integers(1, 3000)).map(
    lambda t: t[:100_000]
)
texts = st.one_of(anything, anything, long_text)
tones = st.sampled_from(("", "bad", "warn", "good", "quiet", "key", "struck"))
fields = st.builds(Field, texts, st.lists(texts, max_size=4).map(tuple), tones, st.booleans())
buttons = st.builds(
    Button, anything, anything, tones, st.sampled_from(("inc-1", "inc-2")), st.integers(1, 3),
    st.sampled_from(("yes", "skip", "abort", "pause", "note")), st.booleans(),
)  # fmt: skip
entries = st.builds(
    Entry, st.integers(1, 10**9), st.integers(-(10**15), 10**16), anything, texts, tones, anything, st.booleans(),
    st.booleans(),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> Table:
    width = draw(st.integers(1, 5))
    grown = draw(st.integers(0, width))
    columns = tuple(Column(draw(anything), draw(st.booleans()), i == grown) for i in range(width))
    cells = st.tuples(*[anything] * width)
    return Table(columns, tuple(draw(st.lists(cells, max_size=40))), draw(anything))


parts = st.one_of(
    st.builds(Text, texts, tones, st.booleans()),
    st.builds(Card, texts, st.lists(fields, max_size=30).map(tuple), texts, texts, tones),
    tables(),
    st.builds(
        Log, texts, st.lists(entries, max_size=30).map(tuple), st.just("UTC"), anything, texts, anything
    ),
    st.builds(
        Choice,
        texts,
        st.lists(st.builds(Option, texts, texts), min_size=1, max_size=30).map(tuple),
        st.just("p"),
    ),
    st.builds(Form, texts, texts, st.lists(fields, max_size=6).map(tuple)),
    buttons,
)
drawable = st.one_of(parts, st.lists(parts, max_size=12).map(lambda found: Stack(tuple(found))))
accounts = st.lists(st.one_of(st.integers(1, 2**63).map(str), anything), max_size=30).map(tuple)
posts = st.builds(Post, drawable, st.lists(buttons, max_size=40).map(tuple), accounts)


class Seen(NamedTuple):
    """What a client reads: words outside code, and what stands in code. `open`: a fence is not closed."""

    words: str
    code: list[str]
    open: bool = False


def seen(text: str) -> Seen:
    """Reads `text` as a client does: a backslash takes the next sign out of play, the first closing fence closes."""
    words, at = "", 0
    code: list[str] = []
    while at < len(text):
        if (
            text[at] == "\\"
            and at + 1 < len(text)
            and not text[at + 1].isalnum()
            and not text[at + 1].isspace()
        ):
            words, at = words + "\\" + text[at + 1], at + 2
        elif text.startswith("```", at):
            end = text.find("```", at + 3)
            if end < 0:
                return Seen(words, code, True)
            code.append(text[at + 3 : end])
            at = end + 3
        elif text[at] == "`":
            end = text.find("`", at + 1)
            if end < 0:
                return Seen(words, code, True)
            code.append(text[at + 1 : end])
            at = end + 1
        else:
            words, at = words + text[at], at + 1
    return Seen(words, code)


ACTS = re.compile(r"@everyone|@here|<@[!&]?[0-9]+>|<#[0-9]+>|</[^>]*:[0-9]+>|<a?:\w+:[0-9]+>|<id:\w+>")


def strings(body: Any) -> Iterator[str]:
    """Every text of a body that Discord draws with markdown."""
    yield body["content"]
    for embed in body["embeds"]:
        yield from (embed[key] for key in ("title", "description") if key in embed)
        for field in embed.get("fields", ()):
            yield from (field["name"], field["value"])


def quoted(text: str) -> str:
    """The text without links and instants, which are drawn and not quoted."""
    return re.sub("https?:|[\ue000\ue001]", "", text)


def undone(drawn: str) -> str:
    """What a client shows of escaped words."""
    drawn = drawn.replace(marking.PART, "").replace("\u2002", " ")
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", drawn)


def check(body: Any, files: int, called: tuple[str, ...] = ()) -> None:
    assert list(overlay.mistakes(SENT, body, files=files, flags=0)) == []
    published = judge.published()
    if published is not None:
        assert published.mistakes("POST", "/channels/1/messages", body) == []
    assert not overlay.is_empty(body, 0)
    assert body["allowed_mentions"]["parse"] == []
    assert set(body["allowed_mentions"].get("users", ())) <= set(called)
    assert marking.units(body["content"]) <= 2000
    sizes = [marking.units(text) for text in list(strings(body))[1:]]
    assert sum(sizes) <= 6000
    for text in strings(body):
        calls = text.partition("\n")[0] if called and text.startswith("<@") else ""
        words = seen(text.removeprefix(calls))
        assert not words.open, text
        assert not ACTS.search(words.words), text


@settings(max_examples=150, deadline=None)
@given(posts)
def test_a_message_is_within_every_limit_calls_only_whom_it_should_and_is_never_empty(post: Post) -> None:
    check(render.message(post), len(render.attachments(post)), post.ping)


@settings(max_examples=60, deadline=None)
@given(drawable, st.lists(anything, max_size=6), st.sampled_from(("", "hd:choose")))
def test_an_answer_is_within_every_limit_and_may_be_said_aloud(
    view: views.View, beside: list[str], choice_id: str
) -> None:
    body, files = render.reply(Reply(view), beside=beside, choice_id=choice_id)
    check(body, len(files))
    aloud = render.aloud(body, "80351110224678912")
    check(aloud, 0, ("80351110224678912",))
    assert aloud["content"].startswith("<@80351110224678912>")
    check(render.plain(Post(view)), 0)


@settings(max_examples=200, deadline=None)
@given(anything)
def test_escaped_words_read_as_they_were_written(text: str) -> None:
    text = quoted(text)
    assert undone(marking.escaped(text)) == visible(text).replace("\u2002", " ")


@settings(max_examples=200, deadline=None)
@given(anything)
def test_nothing_of_quoted_words_formats(text: str) -> None:
    words = seen(marking.escaped(text, links=False)).words
    left = re.sub(r"\\[^0-9A-Za-z\s]", "x", words)
    assert not re.search(r"\*|~~|\|\||`|\[|__|(?<![A-Za-z0-9])_", left)
    assert not re.search(r"^\s*([#>+-]|[0-9]+[.)])", left, re.MULTILINE)


@settings(max_examples=200, deadline=None)
@given(texts, st.integers(80, 1024))
def test_what_a_program_printed_stays_in_its_block_whatever_it_is(text: str, limit: int) -> None:
    block = marking.exact(text, limit)
    assert marking.units(block.text) <= limit
    read = seen(block.text)
    assert len(read.code) == 1 and not read.open
    assert read.words in ("", f"\n{marking.NOTICE}")
    if block.whole and visible(text).strip():
        assert read.code[0].strip("\n").replace(marking.PART, "") == visible(text).strip("\n")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.from_regex(r"https://[a-z]{1,9}\.org/[A-Za-z0-9_*~/?=&#.-]{0,30}", fullmatch=True), max_size=3
    )
)
def test_a_link_stays_as_it_is(links: list[str]) -> None:
    text = " and ".join(links)
    assert all(link in marking.escaped(text) for link in links)


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(60, 2000))
def test_what_is_cut_is_a_begin_of_the_whole_and_says_so(text: str, limit: int) -> None:
    text = quoted(text)
    found = marking.prose(text, limit)
    assert marking.units(found.text) <= limit
    if not found.whole:
        shown, notice = found.text.rsplit("\n", 1)
        assert notice == marking.NOTICE
        assert visible(text).replace("\u2002", " ").startswith(undone(shown))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4 * 10**15), st.sampled_from(("moment", "short", "ago")), anything, anything)
def test_an_instant_inside_a_text_is_told_by_each_readers_clock(
    at: int, form: str, before: str, after: str
) -> None:
    before, after = (text.replace("\ue000", "").replace("\ue001", "") for text in (before, after))
    drawn = marking.escaped(f"{before}{layout.instant(at, form, 'Tue 13 Dec')}{after}")
    assert f"<t:{at // 1_000_000}:" in drawn
    assert "\ue000" not in drawn
