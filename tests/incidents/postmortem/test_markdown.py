"""The postmortem as a file: golden pages, text that stays text, a file that people's work is safe in.

A case is NAME.jsonl (its first line: zone and mode; then one event a line) beside NAME.md. To write the pages anew
after a change that is meant: HOWDAH_TEST_WRITE=1, then read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from incidents import clock
from incidents.errors import BadInput, Refused
from incidents.events import Actor, Event
from incidents.postmortem import collect, markdown
from incidents.store.protocol import Head
from incidents.visible import visible
from tests.making import event

CASES = Path(__file__).parents[2] / "cases" / "postmortem"
HEAD = Head(99, "0123456789abcdef" * 4)


def read_case(name: str, replace: dict[str, str] | None = None) -> tuple[list[Event], str]:
    first, *rows = [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text().splitlines()]
    return [_event(seq, row, first.get("mode", "real")) for seq, row in enumerate(rows, 1)], first["zone"]


def _event(seq: int, row: dict[str, Any], mode: str) -> Event:
    about = dict(row)
    at = clock.parse_iso(about.pop("at"))
    recorded_at = clock.parse_iso(about.pop("recorded_at")) if "recorded_at" in about else at
    actor = Actor(about.pop("type", "human"), about.pop("who"))
    return event(about.pop("kind"), seq=seq, at=at, recorded_at=recorded_at, actor=actor, mode=mode, **about)


def page(name: str) -> str:
    events, zone = read_case(name)
    return markdown.render(collect.document(events, HEAD), zone=zone)


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.jsonl")))
def test_a_page_is_as_it_was(name: str) -> None:
    written, golden = page(name), CASES / f"{name}.md"
    if os.environ.get("HOWDAH_TEST_WRITE"):
        golden.write_text(written)
    assert written == golden.read_text()


# -- text stays text

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def shape(text: str) -> list[str]:
    """What the page is made of: its blocks, and what stands out inside of them; words and breaks left out."""
    found = []
    for token in PARSER.parse(text):
        if token.type != "inline":
            found.append(f"{token.type} {token.tag} {token.info}")
            continue
        for child in token.children or ():
            if child.type not in ("text", "text_special", "softbreak") and child.content != "<br>":
                found.append(f"  {child.type} {child.content if child.type == 'html_inline' else ''}")
    return found


def one_of_each(text: str) -> list[Event]:
    """An incident in which every text of a person is `text`."""
    rows = [json.loads(line) for line in (CASES / "hostile.jsonl").read_text().splitlines()[1:]]
    hostile = rows[0]["body"]

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(hostile, text)
        return {key: filled(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    return [_event(seq, filled(row), "real") for seq, row in enumerate(rows, 1)]


PLAIN = shape(markdown.render(collect.document(one_of_each("plain words"), HEAD), zone="Asia/Tokyo"))


@pytest.mark.parametrize(
    "text",
    [
        "# heading", "a\n# heading\n- list", "**b** __b__ *i* _i_ ~~s~~", "`c` ``c``", "| a | b |\n|---|---|",
        "<b>html</b> <!-- c --> </td>", "[l](http://x) ![i](x) [r]: http://x", "<http://auto>", "&lt;&#35; &amp;",
        "\\", "\\\\|", "a\\", "```\nfence\n```", "~~~\nfence", "> quote\n1. one\n+ two", "---\n===\n***",
        "\t code", "a  \nb", "\x00\x1b[2J\u202e\u2028", "$$x$$", "[^1]: note", "<!--", "-->", "`", "~", "*", "_",
        "![", "](", "[x]", "\udc80",
    ],
)  # fmt: skip
def test_what_people_wrote_makes_no_heading_link_cell_code_or_html(text: str) -> None:
    text = f"{text} end"
    assert shape(markdown.render(collect.document(one_of_each(text), HEAD), zone="Asia/Tokyo")) == PLAIN


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.one_of(st.sampled_from("\\`*_{}[]<>()#+-.!|~$&;:=\n\t \"'/x1"), st.characters()), min_size=1)
)
def test_no_text_at_all_changes_the_shape_of_the_page(text: str) -> None:
    page = markdown.render(collect.document(one_of_each(f"x{text}x"), HEAD), zone="Asia/Tokyo")
    assert shape(page) == PLAIN


@given(st.text())
def test_escaped_text_reads_as_it_was_written(text: str) -> None:
    (inline,) = [
        token for token in PARSER.parse("x " + markdown.escape("x" + text + "x")) if token.type == "inline"
    ]
    read = "".join("\n" if child.content == "<br>" else child.content for child in inline.children or ())
    lines = [line.strip() for line in visible("x" + text + "x").split("\n")]
    assert read == "x " + "\n".join(lines)


# -- the file


def test_the_page_ends_with_a_digest_of_itself() -> None:
    text = page("uploads")
    assert markdown.is_own(text)
    assert not markdown.is_own(text.replace("Summary", "Summary!"))
    assert not markdown.is_own("# another page\n")
    assert not markdown.is_own(text + "more\n")


def test_the_same_record_gives_the_same_bytes() -> None:
    assert page("drill") == page("drill")


def test_a_file_is_written_whole_and_an_untouched_one_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "inc-1.md"
    assert markdown.write(page("bare"), str(path)) == str(path)
    assert path.read_text() == page("bare")
    markdown.write(page("uploads"), str(path))
    assert path.read_text() == page("uploads")
    assert [file.name for file in tmp_path.iterdir()] == ["inc-1.md"]


def test_a_file_that_a_person_has_worked_on_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "inc-1.md"
    markdown.write(page("bare"), str(path))
    path.write_text(path.read_text().replace("## Summary\n", "## Summary\n\nIt was DNS.\n"))
    before = path.read_text()
    with pytest.raises(Refused, match="was written or changed by a person; another -o FILE, or --force"):
        markdown.write(page("uploads"), str(path))
    assert path.read_text() == before
    markdown.write(page("uploads"), str(path), force=True)
    assert path.read_text() == page("uploads")


def test_the_permissions_of_a_replaced_file_stay_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    path = tmp_path / "inc-1.md"
    umask = os.umask(0o027)
    try:
        markdown.write(page("bare"), str(path))
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o600)
    markdown.write(page("bare"), str(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    assert markdown.write(page("bare"), str(tmp_path / "link.md")) == str(tmp_path / "real.md")
    assert (tmp_path / "link.md").is_symlink()


def test_what_is_no_file_or_cannot_be_written_is_bad_input_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a file; without -o the postmortem is printed"):
        markdown.write("x", str(tmp_path))
    with pytest.raises(BadInput, match="cannot be written: No such file or directory; -o names a file"):
        markdown.write("x", str(tmp_path / "no" / "folder.md"))
    assert list(tmp_path.iterdir()) == []
