"""Inputs and outputs: one form a value, every mistake named, nothing but text for programs."""

from __future__ import annotations

from typing import Any

import pytest

from incidents.errors import BadInput
from runbooks import inputs
from runbooks.inputs import InputSpec, OutputSpec
from runbooks.loader import loads
from runbooks.quoting import Secret
from runbooks.typed import parse_typed


class Book:
    def __init__(self, *specs: InputSpec):
        self.inputs = {spec.name: spec for spec in specs}


def one(type: str, text: Any, **more: Any) -> Any:
    return inputs.normalise(Book(InputSpec("x", type, **more)), {"x": text})["x"]


def refused(type: str, text: Any, **more: Any) -> str:
    with pytest.raises(BadInput) as caught:
        one(type, text, **more)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("string", "", ""),
        ("string", " a\nb ", " a\nb "),
        ("int", "42", 42),
        ("int", "-007", -7),
        ("int", "9007199254740991", 9007199254740991),
        ("number", "1.10", "1.1"),
        ("number", "-0.0", "0"),
        ("number", "1e3", "1000"),
        ("number", "25e-3", "0.025"),
        ("number", "007.5", "7.5"),
        ("bool", "true", True),
        ("bool", "false", False),
        ("duration", "1h30m", 5_400_000_000),
        ("duration", "250ms", 250_000),
        ("duration", "0.5s", 500_000),
        ("bytes", "2GiB", 2 << 30),
        ("bytes", "2GB", 2_000_000_000),
        ("bytes", "1.5 KiB", 1536),
        ("bytes", "123", 123),
        ("percent", "90%", "90"),
        ("percent", "99.50 %", "99.5"),
        ("path", "/var/", "/var"),
        ("path", "//var///log/./x/", "/var/log/x"),
        ("path", "/", "/"),
        ("path", "/a b\n'c", "/a b\n'c"),
        ("host", "DB1.Example.org.", "db1.example.org"),
        ("host", "10.0.0.7", "10.0.0.7"),
        ("host", "fe80::1%eth0", "fe80::1%eth0"),
        ("list", "", []),
        ("list", "a, b ,c d", ["a", "b", "c d"]),
        ("list", '["a,b", "c\\nd", 1.50, true]', ["a,b", "c\nd", "1.50", "true"]),
        ("secret", "env:PW", "env:PW"),
    ],
)
def test_text_becomes_a_value_in_its_one_form(type: str, text: str, value: object) -> None:
    found = one(type, text)
    assert found == value


@pytest.mark.parametrize(
    ("type", "text", "words"),
    [
        ("int", "1.5", "'1.5' is not a whole number"),
        ("int", "0x10", "is not a whole number"),
        ("int", "1_000", "is not a whole number"),
        ("int", "١٢", "is not a whole number"),
        ("int", "9007199254740992", "is not a whole number"),
        ("int", "", "'' is not a whole number"),
        ("number", "1e99999", "is not a number"),
        ("number", "NaN", "is not a number"),
        ("bool", "yes", "'yes' is neither true nor false; write true or false"),
        ("duration", "90", "'90' is not a duration; write 90s, 5m or 1h30m"),
        ("duration", "-5m", "is not a duration"),
        ("bytes", "2G", "write 2GiB (1024³), 2GB (1000³) or a plain number of bytes"),
        ("bytes", "-1", "is not an amount of bytes"),
        ("percent", "ninety", "'ninety' is not a percentage"),
        ("path", "var/log", "is not an absolute path; begin it with /"),
        ("path", "-rf", "is not an absolute path"),
        ("path", "/var/../etc", "goes up with .."),
        ("path", "~/x", "is not an absolute path"),
        ("host", "-oProxyCommand=x", "is not the name or address of a host"),
        ("host", "a b", "is not the name or address of a host"),
        ("host", "a..b", "is not the name or address of a host"),
        ("host", "$(touch x)", "is not the name or address of a host"),
        ("list", '["a", ["b"]]', "an item of a list must be a text"),
        ("list", "[a, b]", "is not a JSON list"),
        ("list", "[" * 5000, "is not a JSON list"),
        ("string", "a\0b", "holds NUL; no program can receive it"),
        ("list", '["a\\u0000"]', "holds NUL"),
        ("string", "caf\udce9", "is not UTF-8 text"),
        ("string", "x" * 100_001, "is 100001 bytes long; at most 100000"),
        ("string", [1], "a value of Python's type list is not a string"),
        ("string", 1.5, "a value of Python's type float is not a string"),
        ("duration", 90, "'90' is not a duration"),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(type: str, text: Any, words: str) -> None:
    told = refused(type, text)
    assert told.startswith("input `x`: ")
    assert words in told
    assert len(told) < 300


def test_a_literal_secret_is_refused_without_being_repeated() -> None:
    told = refused("secret", "hunter2")
    assert "hunter2" not in told and "env:NAME" in told
    assert "by reference" in refused("secret", Secret("x"))


def test_typed_values_are_taken_as_they_are() -> None:
    assert one("int", 5) == 5
    assert one("bool", True) is True
    assert one("bytes", 1 << 20) == 1 << 20
    assert one("string", 5) == "5"
    assert one("list", ["a", "b,c"]) == ["a", "b,c"]
    assert "neither true nor false" in refused("bool", 1)


def test_a_choice_names_its_options_and_the_nearest() -> None:
    assert one("choice", "red", options=("red", "green")) == "red"
    told = refused("choice", "gren", options=("red", "green"))
    assert told == "input `x`: 'gren' is not one of its options; did you mean green? allowed are red, green"


def test_bounds_are_compared_as_amounts_not_as_texts() -> None:
    assert one("number", "10", min="9.5", max="10.5") == "10"
    assert "9.25 is less than 9.5" in refused("number", "9.25", min="9.5")
    assert "100% is more than 90%" in refused("percent", "100%", max="90")
    assert "90s is more than 60s" in refused("duration", "90s", max=60_000_000)


def test_a_pattern_must_match_the_whole_text() -> None:
    assert one("string", "abc", pattern="[a-z]+") == "abc"
    assert "does not match the pattern [a-z]+" in refused("string", "abc\n", pattern="[a-z]+")
    assert "'B' does not match" in refused("list", "a,B", pattern="[a-z]")


def test_everything_wrong_is_told_at_once() -> None:
    book = Book(
        InputSpec("mount", "path", required=True, help="the mount point"),
        InputSpec("want", "bytes"),
        InputSpec("n", "int"),
    )
    with pytest.raises(BadInput) as caught:
        inputs.normalise(book, {"mont": "/", "want": "lots", "n": "x", "zzz": "1"})
    assert str(caught.value).splitlines() == [
        "the runbook has no input 'mont'; did you mean `mount`?",
        "the runbook has no input 'zzz'; it takes mount, want, n",
        "input `mount` is required; give -i mount=/PATH (the mount point)",
        "input `want`: 'lots' is not an amount of bytes; write 2GiB (1024³), 2GB (1000³) or a plain number of bytes",
        "input `n`: 'x' is not a whole number; write digits only, such as 42",
    ]


def test_what_is_not_given_is_its_default_or_nothing() -> None:
    book = Book(InputSpec("a", "int", default=3), InputSpec("b", "int"))
    assert inputs.normalise(book, {}) == {"a": 3, "b": None}
    assert inputs.environment(book, {"a": 3, "b": None}) == {"IN_A": "3"}


def test_a_value_in_its_one_form_is_told_apart_from_nobodys_value() -> None:
    book = loads("name: x\ninputs: {a: {default: ''}, b: {}}\nsteps: [{run: 'true'}]")
    values = inputs.normalise(book, {})
    assert values == {"a": "", "b": None}
    assert inputs.environment(book, values) == {"IN_A": ""}


@pytest.mark.parametrize(
    ("type", "value", "env"),
    [
        ("string", "a b", {"IN_X": "a b"}),
        ("int", -3, {"IN_X": "-3"}),
        ("bool", True, {"IN_X": "true"}),
        ("bool", False, {"IN_X": "false"}),
        ("bytes", 2 << 30, {"IN_X": "2147483648"}),
        ("duration", 90_000_000, {"IN_X": "90"}),
        ("duration", 250_000, {"IN_X": "0.25"}),
        ("duration", 1, {"IN_X": "0.000001"}),
        ("percent", "99.5", {"IN_X": "99.5"}),
        ("list", [], {"IN_X": "[]", "IN_X_LINES": ""}),
        ("list", ["a", 'b"é'], {"IN_X": '["a","b\\"é"]', "IN_X_LINES": 'a\nb"é'}),
        ("list", ["a", "b\nc"], {"IN_X": '["a","b\\nc"]'}),
    ],
)
def test_a_program_gets_text(type: str, value: Any, env: dict[str, str]) -> None:
    assert inputs.environment(Book(InputSpec("x", type)), {"x": value}) == env


def test_the_variable_of_an_input_is_in_capitals_without_signs() -> None:
    assert inputs.variable("my-input_2") == "IN_MY_INPUT_2"


def test_secrets_are_kept_as_references() -> None:
    book = Book(InputSpec("pw", "secret"), InputSpec("a"), InputSpec("no", "secret"))
    values = inputs.normalise(book, {"pw": "env:PW", "a": "env:PW"})
    assert inputs.secrets(book, values) == {"pw": "env:PW"}
    assert inputs.environment(book, {**values, "pw": "hidden"}) == {"IN_PW": "hidden", "IN_A": "env:PW"}


# -- outputs -------------------------------------------------------------------------------------------------


def read(spec: OutputSpec, raw: bytes | str) -> Any:
    return inputs.read_outputs({spec.name: spec}, raw.encode() if isinstance(raw, str) else raw)[spec.name]


def wrong(spec: OutputSpec, raw: bytes | str) -> str:
    with pytest.raises(BadInput) as caught:
        read(spec, raw)
    return str(caught.value)


@pytest.mark.parametrize(
    ("spec", "raw", "value"),
    [
        (OutputSpec("o", "regex", r"(\d+)\s*$", "bytes"), "     Avail\n 123456\n", 123456),
        (OutputSpec("o", "regex", r"load (\S+)", "number"), "load 1.50\n", "1.5"),
        (OutputSpec("o", "regex", r"(?m)^b=(.*)$"), "a=1\nb=2 3\n", "2 3"),
        (OutputSpec("o", "lines"), "a\n b \n\nc", ["a", " b ", "", "c"]),
        (OutputSpec("o", "lines"), "", []),
        (OutputSpec("o", "lines", "", "int"), "1\r\n2\r\n", [1, 2]),
        (OutputSpec("o", "text"), "a\nb\n", "a\nb"),
        (OutputSpec("o", "text", "", "bool"), "true\n", True),
        (OutputSpec("o", "text", "", "duration"), "1m30s\n", 90_000_000),
        (OutputSpec("o", "json", ".a.b[1]"), '{"a": {"b": [1, {"c": null}]}}', {"c": None}),
        (OutputSpec("o", "json", '.["odd key"].x'), '{"odd key": {"x": "y"}}', "y"),
        (OutputSpec("o", "json", "."), "[1, 0.10, true]", [1, "0.1", True]),
        (OutputSpec("o", "json", ".n", "int"), '{"n": "12"}', 12),
        (OutputSpec("o", "json", ".n", "string"), '{"n": 12}', "12"),
        (OutputSpec("o", "json", ".n", "list"), '{"n": ["a", 1]}', ["a", "1"]),
        (OutputSpec("o", "json", ".n", "bytes"), '{"n": 12}', 12),
    ],
)
def test_an_output_is_read_by_its_rule(spec: OutputSpec, raw: str, value: object) -> None:
    assert read(spec, raw) == value


@pytest.mark.parametrize(
    ("spec", "raw", "words"),
    [
        (
            OutputSpec("o", "regex", r"(\d+)"),
            "none\nhere\n",
            "output `o`: nothing in 2 lines matches (\\d+); line 1 is 'none'",
        ),
        (OutputSpec("o", "regex", r"a(b)?"), "a\n", "output `o`: nothing in 1 lines matches"),
        (
            OutputSpec("o", "regex", r"n=(.*)", "int"),
            "a\nn=x\n",
            "output `o`: line 2: 'x' is not a whole number",
        ),
        (OutputSpec("o", "lines", "", "int"), "1\n2\nx\n", "output `o`: line 3: 'x' is not a whole number"),
        (OutputSpec("o", "text", "", "int"), "", "output `o`: line 1: '' is not a whole number"),
        (OutputSpec("o", "json", ".a"), '{"a": 1,\n}', "output `o`: line 2, column 1 is not JSON"),
        (OutputSpec("o", "json", ".a"), "", "output `o`: line 1, column 1 is not JSON"),
        (
            OutputSpec("o", "json", ".a.b"),
            '{"a": {"c": 1}}',
            "output `o`: the JSON has no .a.b: .a has no 'b'",
        ),
        (OutputSpec("o", "json", "[2]"), "[1]", "the JSON has no [2]: the whole has no 2"),
        (OutputSpec("o", "json", ".a"), '{"a": 1e999}', "output `o`: '1e999' is not a number"),
        (OutputSpec("o", "json", ".a"), '{"a": NaN}', "output `o`: NaN is not JSON"),
        (OutputSpec("o", "json", ".a"), '{"a": 9007199254740993}', "too large to be recorded exactly"),
        (OutputSpec("o", "json", ".a", "int"), '{"a": {}}', "output `o`: .a is a map, not int"),
        (OutputSpec("o", "json", ".a", "int"), '{"a": null}', "output `o`: there is no value"),
        (OutputSpec("o", "json", "."), '"a\\u0000"', "output `o`: holds NUL"),
        (OutputSpec("o", "json", "."), "[" * 100_000, "is not JSON|nested more than 64 deep"),
        (OutputSpec("o", "json", "."), "[" * 65 + "1" + "]" * 65, "nested more than 64 deep"),
        (OutputSpec("o", "json", "."), "[" * 980 + "]" * 980, "nested more than 64 deep"),
        (OutputSpec("o", "text"), b"a\nb\xff\n", "line 2 of what the step printed is not UTF-8 text"),
        (OutputSpec("o", "text"), "a\0b", "output `o`: line 1: holds NUL"),
        (OutputSpec("o", "text"), b"x" * ((1 << 20) + 1), "the step printed more than 1048576 bytes"),
    ],
)
def test_an_output_that_cannot_be_read_names_itself_and_the_line(
    spec: OutputSpec, raw: bytes | str, words: str
) -> None:
    told = wrong(spec, raw)
    assert any(part in told for part in words.split("|"))


def test_without_outputs_anything_may_be_printed() -> None:
    assert inputs.read_outputs({}, b"\xff\0" * (1 << 20)) == {}


def test_the_types_of_outputs_are_those_of_inputs() -> None:
    assert parse_typed("bytes", "1KiB") == 1024
    with pytest.raises(BadInput):
        parse_typed("int", "x")
