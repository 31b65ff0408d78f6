"""Argv, Script, Secret, the quoting function and the masker."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shlex
import urllib.parse
from pathlib import Path

import pytest

from incidents.errors import BadInput
from runbooks.quoting import (
    HIDDEN,
    Argv,
    Masker,
    Script,
    Secret,
    check_reference,
    resolve_secret,
    shell_quote,
)


def test_an_argv_is_a_program_and_its_arguments() -> None:
    argv = Argv(["echo", "", "a b", "-rf"])
    assert list(argv) == ["echo", "", "a b", "-rf"]
    for bad in ([], [""], ["echo", "a\0b"]):
        with pytest.raises(BadInput):
            Argv(bad)
    with pytest.raises(TypeError):
        Argv(["echo", 1])  # type: ignore[list-item]


def test_a_script_goes_to_bash_verbatim() -> None:
    assert list(Script("echo $x\n").argv) == ["bash", "-euo", "pipefail", "-c", "echo $x\n"]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["ls", "-l", "/var/log"], "ls -l /var/log"),
        (["rm", "--", "a b"], "rm -- 'a b'"),
        (["echo", ""], "echo ''"),
        (["echo", "it's"], "echo 'it'\"'\"'s'"),
        (["echo", "$(x)", "`x`", "~", "a*", "!x", "\n"], "echo '$(x)' '`x`' '~' 'a*' '!x' '\n'"),
        (["A=1", "B=2"], "'A=1' B=2"),
        (["if", "if"], "'if' if"),
    ],
)
def test_quoting_leaves_the_harmless_alone(argv: list[str], line: str) -> None:
    assert shell_quote(argv) == line
    assert shlex.split(line) == argv


def test_quoting_refuses_nul() -> None:
    with pytest.raises(BadInput, match="NUL"):
        shell_quote(["echo", "\0"])


# -- secrets -------------------------------------------------------------------------------------------------


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2hunter2", name="pw")
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        str([secret]),
        json.dumps(str(secret)),
    ):
        assert "hunter2" not in shown
    assert str(secret) == HIDDEN
    assert secret.reveal() == "hunter2hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps({"pw": secret})


@pytest.mark.parametrize("text", ["env:PG_PASSWORD", "file:/run/secrets/pw", "prompt"])
def test_a_reference_names_where_the_secret_is(text: str) -> None:
    check_reference(text)


@pytest.mark.parametrize(
    "text", ["hunter2", "", "env:", "env:A-B", "file:pw", "file:", "prompt:x", "ENV:X", "env:A\n"]
)
def test_a_value_is_no_reference_and_is_not_repeated(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_reference(text)
    assert str(caught.value) == (
        "a secret is given by reference, not by value; write env:NAME, file:/PATH or prompt"
    )


def test_secrets_are_resolved_from_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOWDAH_TEST_PW", "from-env")
    file = tmp_path / "pw"
    file.write_text("from-file\n\n")
    assert resolve_secret("env:HOWDAH_TEST_PW").reveal() == "from-env"
    assert resolve_secret(f"file:{file}").reveal() == "from-file\n"
    assert resolve_secret("prompt", prompt=lambda name: "typed").reveal() == "typed"


def test_a_secret_that_cannot_be_had_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOWDAH_TEST_PW", raising=False)
    empty, big, binary, pipe = (tmp_path / name for name in ("empty", "big", "binary", "pipe"))
    empty.write_text("\n")
    big.write_text("x" * 70_000)
    binary.write_bytes(b"\xff\xfe")
    os.mkfifo(pipe)
    for reference, words in (
        ("env:HOWDAH_TEST_PW", "is not set"),
        (f"file:{tmp_path}/missing", "cannot be read"),
        (f"file:{tmp_path}", "cannot be read"),
        (f"file:{empty}", "is empty"),
        (f"file:{pipe}", "is empty"),  # nobody writes: reading must not wait
        (f"file:{big}", "is larger than"),
        (f"file:{binary}", "is not UTF-8"),
        ("prompt", "there is no terminal"),
    ):
        with pytest.raises(BadInput, match=words):
            resolve_secret(reference)


# -- masking -------------------------------------------------------------------------------------------------

VALUE = "pa$$w'ord/é +\"x\\y"


def masked(text: str | bytes, *values: str) -> bytes:
    masker = Masker(values or (VALUE,))
    raw = text if isinstance(text, bytes) else text.encode()
    return masker.feed(raw) + masker.flush()


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote(VALUE),
        urllib.parse.quote_plus(VALUE),
        urllib.parse.quote(VALUE, safe="").lower(),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        json.dumps(VALUE)[1:-1].replace("/", "\\/"),
        shlex.quote(VALUE)[1:-1],
        shell_quote([VALUE])[1:-1],
    ],
)
def test_a_secret_is_found_in_the_forms_programs_print_it_in(form: str) -> None:
    assert masked(f"before {form} after {form}") == b"before *** after ***"


@pytest.mark.parametrize("offset", [0, 1, 2])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_at_each_of_its_offsets(offset: int, encode: object) -> None:
    assert callable(encode)
    encoded = encode(b"u" * offset + VALUE.encode() + b":tail")
    assert b"***" in masked(encoded)
    shown = masked(encoded)
    for part in range(len(VALUE) - 4):
        for again in range(3):
            inner = encode(b"u" * again + VALUE[part : part + 5].encode())[4:-4]
            assert not inner or inner not in shown.replace(b"***", b"")


def test_each_line_of_a_secret_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\nabcdefghijklmnop\nshort\nqrstuvwxyzabcdef\n"
    assert masked("> abcdefghijklmnop\n> qrstuvwxyzabcdef\n> short\n", key) == b"> ***\n> ***\n> short\n"


def test_a_value_shorter_than_eight_characters_is_left_alone() -> None:
    assert masked("1234567 is in 12345678", "1234567") == b"1234567 is in 12345678"
    assert masked("1234567 is in 12345678", "12345678") == b"1234567 is in ***"


def test_overlapping_secrets_leave_nothing_between_them() -> None:
    assert masked("xabcdefghijklmnopx", "abcdefghijkl", "ghijklmnop") == b"x***x"
    assert masked("a" * 100, "a" * 8) == b"***"


def test_a_stream_without_secrets_is_not_held_back() -> None:
    masker = Masker([VALUE])
    assert masker.feed(b"progress 10 %\n") == b"progress 10 %\n"
    assert Masker([]).feed(VALUE.encode()) == VALUE.encode()


def test_bytes_that_are_no_text_pass_unchanged() -> None:
    raw = bytes(range(256)) * 4
    assert masked(raw) == raw
