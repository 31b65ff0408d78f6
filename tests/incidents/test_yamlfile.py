"""YAML without surprises: scalars, places, limits, and every mistake with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from incidents import yamlfile
from incidents.errors import BadInput, Mistakes


def value(text: str) -> object:
    return yamlfile.parse(f"x: {text}\n", "f").value["x"].plain()


def told(text: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        yamlfile.parse(text, "f")
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "on",
        "Yes",
        "0644",
        "22:30",
        "2022-12-13",
        "1_000",
        "0x1F",
        "0o7",
        ".5",
        "1.",
        "+1",
        "True",
        "NULL",
    ],
)
def test_what_yaml_1_1_would_change_stays_text(text: str) -> None:
    assert value(text) == text


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("'5'", "5"),
    ],
)
def test_true_false_null_and_whole_numbers_are_what_they_look_like(text: str, meaning: object) -> None:
    found = value(text)
    assert found == meaning
    assert type(found) is type(meaning)


def test_a_number_with_a_point_keeps_its_digits() -> None:
    node = yamlfile.parse("x: 1.10\n", "f").value["x"]
    assert (node.kind, node.value, node.text) == ("number", "1.10", "1.10")


def test_an_integer_that_json_cannot_hold_exactly_stays_text() -> None:
    assert value("9007199254740991") == 9007199254740991
    assert value("9007199254740992") == "9007199254740992"
    assert value("1" * 5000) == "1" * 5000


def test_every_node_knows_its_place() -> None:
    root = yamlfile.parse("a: 1\nb:\n  - é: [x, 'y']\n", "f")
    inner = root.value["b"].value[0]
    assert (inner.keys["é"].line, inner.keys["é"].column) == (3, 5)
    assert [(n.line, n.column) for n in inner.value["é"].value] == [(3, 9), (3, 12)]


def test_a_place_inside_a_scalar_is_exact_where_the_text_stands_as_it_is() -> None:
    text = "plain: abc\nquoted: 'abc'\nblock: |\n\n    ab\n\n      cd\nescaped: \"a\\tb\"\n"
    nodes = yamlfile.parse(text, "f").value
    assert nodes["plain"].place(2) == (1, 10)
    assert nodes["quoted"].place(2) == (2, 12)
    block = nodes["block"]
    assert block.place(block.text.index("b")) == (5, 6)
    assert block.place(block.text.index("d")) == (7, 8)
    assert nodes["escaped"].place(2) == (
        8,
        10,
    )  # the scalar's own place: its text is not what stands in the file


def test_mistakes_are_told_together() -> None:
    assert told("a: 1\na: 2\nb: !x 3\n? [q]\n: 1\n") == [
        "f:2:1: `a` stands here twice; the first is in line 1; keep one",
        "f:3:4: the tag !x has no meaning here; take it out",
        "f:4:3: a key must be a text; a list or map cannot be a key",
    ]


def test_a_merge_key_is_an_ordinary_key() -> None:
    assert yamlfile.parse("<<: {a: 1}\n", "f").plain() == {"<<": {"a": 1}}


def test_an_alias_is_what_it_stands_for() -> None:
    assert yamlfile.parse("a: &x [1, 2]\nb: *x\n", "f").plain() == {"a": [1, 2], "b": [1, 2]}


def test_an_alias_inside_its_own_anchor_is_a_mistake() -> None:
    assert told("a: &x [*x]\n") == ["f:1:8: *x stands for nothing that ended before it"]


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    [mistake] = told("\n".join(lines))
    assert "holds more than 50000 values" in mistake


@pytest.mark.parametrize("opener", ["[", "{a: ", "- ", "? ", "[a,"])
def test_deep_nesting_is_refused(opener: str) -> None:
    assert len(told(opener * 100_000)) == 1


def test_sixty_four_levels_are_read_and_sixty_five_are_not() -> None:
    assert yamlfile.parse("[" * 64 + "]" * 64, "f").kind == "list"
    assert told("[" * 65 + "]" * 65) == ["f:1:65: nested more than 64 deep; make it flatter"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1:1: the file is empty"),
        ("# nothing\n---\n", "f:1:1: the file is empty"),
        ("a: 1\n---\nb: 1\n", "f:2:1: a second document starts here; one file holds one document"),
        ("a: \x00", "f:1:4: the character U+0000 cannot stand here; take it out"),
        ("a: 1\nb: \x1b[31m", "f:2:4: the character U+001B cannot stand here; take it out"),
        ("a: \udcff", "f:1:4: the character U+DCFF cannot stand here; take it out"),
        (
            "a: b: c\n",
            "f:1:5: is not YAML: mapping values are not allowed in this context; quote a text that holds `: `",
        ),
        ("a:\n\t- b\n", "f:2:1: a tab cannot stand here; indent with spaces"),
        (
            "a: @b\n",
            "f:1:4: is not YAML: found character that cannot start any token; quote a text that begins with @, ` or %",
        ),
        ("a: 'b\n", "f:2:1: is not YAML: found unexpected end of stream; a quote or bracket is not closed"),
        ("a: *b\n", "f:1:4: *b stands for nothing that ended before it"),
    ],
)
def test_what_cannot_be_read_is_one_mistake_with_its_place_and_cure(text: str, message: str) -> None:
    assert told(text) == [message]


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert yamlfile.read(str(file)).plain() == {"a": 1}


def test_a_file_that_is_too_big_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_text("a: 1\n")
    os.truncate(file, 10 << 30)  # sparse: reading it would take minutes
    with pytest.raises(Mistakes, match="is larger than 1048576 bytes; split it"):
        yamlfile.read(str(file))
    with pytest.raises(Mistakes, match="is larger than"):
        yamlfile.parse("a" * (1 << 20) + "b", "f")


def test_bytes_that_are_no_text_are_named_by_their_place(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes("a: é\nb: ".encode() + b"caf\xe9\n")
    with pytest.raises(Mistakes) as caught:
        yamlfile.read(str(file))
    assert str(caught.value) == f"{file}:2:7: is not UTF-8 text; save it as UTF-8"


def test_what_is_no_file_is_said_to_be_none(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "missing.yaml", "cannot be opened: No such file or directory"),
        (pipe, "is not a regular file"),
        (Path("/dev/zero"), "is not a regular file"),
    ):
        with pytest.raises(BadInput, match=words):
            yamlfile.read(str(path))
    for name in ("", "a\0b"):
        with pytest.raises(BadInput, match="not the name of a file"):
            yamlfile.read(name)
