"""Lint: each rule as a case beside what it says; the library is clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbooks import shellcheck
from runbooks.lint import lint
from runbooks.loader import available, load, loads
from runbooks.shell_text import commands

CASES = Path(__file__).parents[1] / "cases" / "runbooks" / "lint"


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.yaml")))
def test_a_case_is_told_what_will_go_wrong(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    found = "".join(f"{finding.severity}: {finding}\n" for finding in lint(load(f"{case}.yaml")))
    assert found == Path(f"{case}.out").read_text()


def test_the_library_has_no_errors() -> None:
    for one in available(beside=None):
        assert [str(finding) for finding in lint(load(one.path)) if finding.severity == "error"] == []


def test_the_sample_of_the_language_is_only_asked_for_a_bound() -> None:
    sample = CASES.parent / "good" / "sample.yaml"
    assert [finding.message for finding in lint(load(str(sample)))] == [
        "an unsafe step without `timeout` is never stopped by the clock"
    ]


@pytest.mark.parametrize(
    "plain", ["grep -q done /log", "cmp /a /b", "diff -q /a /b\n", "  grep x -- /log  # why\n"]
)
def test_a_plain_grep_may_say_no_with_one(plain: str) -> None:
    book = loads(
        f"name: x\nsteps:\n  - run: act\n    timeout: 1h\n    verify:\n      no: [1]\n      run: {plain!r}\n".replace(
            "'", '"'
        )
    )
    assert lint(book) == []


@pytest.mark.parametrize(
    "script",
    [
        "! grep -q a /log",
        "grep a /log && grep b /log",
        "grep a $(cat /list)",
        "x=1 grep a /log",
        "if grep -q a /log; then exit 0; fi",
        "test -e /done",
        "python3 -c 'pass'",
        "redis-cli GET x",
        "stat /a",
        "",
        "# nothing",
    ],
)
def test_anything_more_than_a_plain_grep_may_not(script: str) -> None:
    text = "\n".join("        " + line for line in (script or ":").split("\n"))
    book = loads(
        f"name: x\nsteps:\n  - run: act\n    timeout: 1h\n    verify:\n      no: [1]\n      run: |\n{text}\n"
    )
    assert "exit 1 is the number of every error" in [finding.message.split(":")[0] for finding in lint(book)]


# -- the reading of scripts ----------------------------------------------------------------------------------


def words(script: str) -> list[list[str]]:
    return [[word.text for word in command.words] for command in commands(script)]


def uses(script: str) -> list[tuple[str, str]]:
    return [
        (use.name, use.how) for command in commands(script) for word in command.words for use in word.uses
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a b; c && d || e | f & g", [["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
        ("a 'b c' \"d $e\" f\\ g", [["a", "'b c'", '"d $e"', "f\\ g"]]),
        ("a # b\nc#d", [["a"], ["c#d"]]),
        ("x=$(a | b) c", [["a"], ["b"], ["x=$(a | b)", "c"]]),
        ("a `b c` d", [["b", "c"], ["a", "`b c`", "d"]]),
        ("[[ a && b ]] && c", [["[[", "a", "&&", "b", "]]"], ["c"]]),
        ("a <<X >y\nb $c\nX\nd", [["a"], ["d"]]),
        ("a <<-'X'\n\tb\n\tX\nd", [["a"], ["d"]]),
        ('a <<< "b" 2>&1', [["a"]]),
        ("a \\\n b", [["a", "b"]]),
        ("( a; b ) | c", [["a"], ["b"], ["c"]]),
        ("for x in a b; do c; done", [["for", "x", "in", "a", "b"], ["do", "c"], ["done"]]),
        ("a $'b\\'c' d", [["a", "$'b\\'c'", "d"]]),
        ("a < <(b c)", [["a"], ["b", "c"]]),
        ("", []),
        ("a 'b", []),
        ("a $(b", [["b"]]),
    ],
)
def test_a_script_is_read_as_its_simple_commands(script: str, expected: list[list[str]]) -> None:
    assert sorted(words(script)) == sorted(expected)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a $x ${y} \"$z\" '$w'", [("x", "bare"), ("y", "bare"), ("z", "quoted")]),
        ("a=$x; [[ $y == z ]]", [("x", "quoted"), ("y", "quoted")]),
        ("a $((x + $y)) \"$(( z ))\"", [("x", "arithmetic"), ("y", "arithmetic"), ("z", "arithmetic")]),
        ("((x > 1))", [("x", "arithmetic")]),
        ("if ((x > 1)); then a; fi", [("x", "arithmetic")]),
        ("a $(( $(b \"$x\") + y ))", [("x", "quoted"), ("y", "arithmetic")]),
        ("a ${!x} ${y[$z]} ${w:$v:u}", [("x", "indirect"), ("y", "bare"), ("z", "arithmetic"), ("w", "bare"), ("v", "arithmetic"), ("u", "arithmetic")]),
        ("a ${x:-$y} \"${z%%/*}\" ${#w}", [("x", "bare"), ("y", "bare"), ("z", "quoted"), ("w", "bare")]),
        ("a \"$(b $x)\"", [("x", "bare")]),
        ("a \\$x $1 $@ $? $", []),
    ],
)  # fmt: skip
def test_a_variable_is_known_by_how_it_is_used(script: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(uses(script)) == sorted(expected)


@pytest.mark.lab
def test_shellcheck_adds_what_only_a_whole_parser_of_bash_sees() -> None:
    if shellcheck.installed() is None:
        pytest.skip("needs shellcheck")
    book = loads("""
name: x
steps:
  - timeout: 1m
    run: |
      files=$(ls)
      for file in $files; do
        echo "${file[0]"
      done
  - timeout: 1m
    run: |
      if [ "$IN_X" = 1 ]; then echo yes
      fi
      read -r one two <<<"a b"; echo "$one"
      cd /; rm -rf "$HOME/"
  - effect: read
    run: [sh, -c, "echo $(ls"]
""")
    found = shellcheck.findings(book)
    assert any(one.line == 8 and one.severity == "error" and "SC" in one.hint for one in found), found
    assert not any("SC2034" in one.hint or "SC2154" in one.hint for one in found)
    assert all(one.line >= 6 for one in found)


@pytest.mark.lab
def test_shellcheck_finds_nothing_in_the_library() -> None:
    if shellcheck.installed() is None:
        pytest.skip("needs shellcheck")
    for one in available(beside=None):
        assert shellcheck.findings(load(one.path)) == []


def test_without_shellcheck_nothing_is_missed_that_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert shellcheck.findings(loads("name: x\nsteps:\n  - {timeout: 1m, run: 'echo $('}\n")) == []
