"""Laws of the runbook language: nothing in a file or an input can do more than be refused."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from incidents import yamlfile
from incidents.errors import BadInput, Mistakes
from runbooks import expressions, inputs, keys, shell_text, typed
from runbooks.document import ArgvTemplate
from runbooks.inputs import InputSpec, OutputSpec
from runbooks.lint import lint
from runbooks.loader import loads
from runbooks.planner import plan
from runbooks.quoting import Script

GOOD = Path(__file__).parents[1] / "cases" / "runbooks" / "good"
EVERYTHING = (GOOD / "everything.yaml").read_text()
LINES = EVERYTHING.split("\n")


def load_or_mistakes(text: str) -> list[Any]:
    """The mistakes, all of them inside the file; loading raises nothing else."""
    try:
        runbook = loads(text, "f")
    except Mistakes as error:
        bottom = text.count("\n") + 2
        for mistake in error.mistakes:
            assert 1 <= mistake.line <= bottom and mistake.column >= 1 and mistake.message
        return error.mistakes
    lint(runbook)
    return []


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("abc:-[]{}'\"|>&*!%@`#?, \n\t$0"), max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    load_or_mistakes(text)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_change_of_a_good_file_breaks_the_loader(data: st.DataObject) -> None:
    """Lines lost, doubled, exchanged, or given another value: a runbook or mistakes, never a crash."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(("drop", "double", "swap", "value", "key"))):
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "value":
                head = lines[at].split(":", 1)[0]
                values = ("null", "[]", "{}", "1", "1.5", "true", "'x'", "[a]", "{a: b}", "${{ x }}", "|", "")
                lines[at] = f"{head}: {data.draw(st.sampled_from(values))}"
            case "key":
                indent = len(lines[at]) - len(lines[at].lstrip())
                names = sorted({name for level in keys.LEVELS.values() for name in level} | {"zzz", "uses"})
                lines.insert(at, " " * indent + f"{data.draw(st.sampled_from(names))}: x")
    load_or_mistakes("\n".join(lines))


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(("x", "5m", "${{ inputs.a }}", "read", "*"))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(("run", "a", "max", "x")), inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip


def yaml_of(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {yaml_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_of, value)) + "]"
    return (
        {None: "null", True: "true", False: "false"}.get(value, f'"{value}"')
        if type(value) is not int
        else str(value)
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_value_under_any_key_breaks_the_loader(data: st.DataObject) -> None:
    level = data.draw(st.sampled_from(sorted(keys.LEVELS)))
    table = {
        name: data.draw(values)
        for name in data.draw(st.lists(st.sampled_from(sorted(keys.LEVELS[level])), max_size=4))
    }
    body = yaml_of(table)
    wrapped = {
        "runbook": body,
        "input": f"{{name: x, inputs: {{a: {body}}}, steps: [{{run: 'true'}}]}}",
        "step": f"{{name: x, steps: [{body}]}}",
        "output": f"{{name: x, steps: [{{run: 'true', outputs: {{o: {body}}}}}]}}",
        "check": f"{{name: x, steps: [{{manual: m, check: {body}}}]}}",
        "wait": f"{{name: x, steps: [{{wait: {body}}}]}}",
        "stop": f"{{name: x, steps: [{{stop: {body}}}]}}",
    }
    load_or_mistakes(wrapped.get(level, f"{{name: x, steps: [{{run: 'true', {level}: {body}}}]}}"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LINES) - 2), st.text(st.sampled_from("qxz"), min_size=4, max_size=8))
def test_an_unknown_key_is_found_at_its_place(at: int, name: str) -> None:
    """Wherever a key may begin on its own line, one that nobody knows is told with exactly that line and column."""
    line = LINES[at]
    stripped = line.lstrip(" -")
    key = stripped.split(":", 1)[0]
    assume(key in keys.STEP or key in keys.RUNBOOK)
    assume(stripped and not stripped.startswith("#") and ":" in stripped)
    indent = len(line) - len(stripped)
    lines = [*LINES[:at], line[:indent] + f"{name}: 1", " " * indent + stripped, *LINES[at + 1 :]]
    mistakes = load_or_mistakes("\n".join(lines))
    assert (at + 1, indent + 1) in [(m.line, m.column) for m in mistakes if name in m.message]


# -- inputs are data -----------------------------------------------------------------------------------------

TRAP = "howdah-trap"
NASTY = (
    f"a[$(touch {TRAP})]", f"$(touch {TRAP})", f"`touch {TRAP}`", f"; touch {TRAP}", f"x; touch {TRAP} #", "| id",
    f"\n touch {TRAP}\n", f"'; touch {TRAP}; '", f'"; touch {TRAP}; "', "{{ 7*7 }}", "${{ inputs.other }}", "{% raw %}",
    "-rf", "--", "--help", "$HOME", "${HOME}", "~", "*", "a b", "a\tb", "\\", "%s%n", "!!", "&", "<x", ">x", "#x", "", " ",
    "é\u2028\ufeff", "\x1b[31m", "x" * 5000,
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    st.lists(st.sampled_from(NASTY), max_size=3).map("".join),
)

BOOK = loads("""
name: data
inputs:
  text: {default: ''}
  words: {type: list, default: []}
  other: {default: never}
steps:
  - effect: read
    run: |
      printf '%s\\0' "$IN_TEXT" "$IN_WORDS" "$NAMED" "${IN_WORDS_LINES-}"
      [ "$IN_TEXT" = x ] || :
      case $IN_TEXT in x) ;; esac
      [[ $IN_TEXT == x ]] || :
      y=$IN_TEXT
    env: {NAMED: "<${{ inputs.text }}>"}
  - effect: read
    run: [printf, '%s\\0', "${{ inputs.text }}", "<${{ inputs.text }}>", "${{ inputs.words[0] }}", end]
""")


def run(argv: tuple[str, ...], env: dict[str, str], cwd: str) -> list[str]:
    base = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env={**base, **env}, cwd=cwd, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=60, deadline=None)
@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_an_input_reaches_a_script_and_an_argv_as_it_is_and_nothing_of_it_runs(
    text: str, words: list[str]
) -> None:
    given_values = inputs.normalise(BOOK, {"text": text, "words": words})
    assert given_values == {"text": text, "words": words, "other": "never"}
    names = {"inputs": given_values}
    env = inputs.environment(BOOK, given_values)
    script, argv = BOOK.steps[0].run, BOOK.steps[1].run
    assert isinstance(script, Script) and isinstance(argv, ArgvTemplate)
    env |= {name: str(expressions.render(template, names)) for name, template in BOOK.steps[0].env.items()}
    with tempfile.TemporaryDirectory() as cwd:
        seen = run(tuple(script.argv), env, cwd)
        rendered = expressions.render_argv(argv, names)
        echoed = run(tuple(rendered), env, cwd)
        assert os.listdir(cwd) == []
    lines = "" if any("\n" in word for word in words) else "\n".join(words)
    assert seen == [text, typed.as_text(list(words)), f"<{text}>", lines]
    assert echoed == [text, f"<{text}>", words[0], "end"]
    assert len(rendered) == 6
    shown = plan(BOOK, given_values).steps[1].command
    assert run(("bash", "-c", shown), {}, "/") == echoed  # what is shown means what would run


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(0, 5))
def test_nul_is_refused_wherever_it_stands(text: str, at: int) -> None:
    with pytest.raises(BadInput, match="NUL"):
        inputs.normalise(BOOK, {"text": text[:at] + "\0" + text[at:]})


# -- values --------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(typed.OUTPUT_TYPES),
    st.one_of(texts, st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,4})?([a-zA-Z%]{0,3})", fullmatch=True)),
)
def test_a_value_is_refused_or_has_one_form_that_reads_as_itself(type: str, text: str) -> None:
    try:
        value = typed.parse_typed(type, text)
    except BadInput as error:
        assert error.message
        return
    again = inputs.input_text(InputSpec("x", type), value) + ("s" if type == "duration" else "")
    assert typed.parse_typed(type, again) == value


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(("json", "regex", "lines", "text")),
    st.sampled_from((None, *typed.OUTPUT_TYPES)),
    st.one_of(
        st.binary(max_size=60), st.text(st.sampled_from('{}[]":,ab1.e- \n'), max_size=60).map(str.encode)
    ),
)
def test_no_output_of_a_step_breaks_the_reading_of_outputs(how: str, type: str | None, raw: bytes) -> None:
    spec = OutputSpec("o", how, {"json": ".a", "regex": "([0-9]+)"}.get(how, ""), type)
    try:
        value = inputs.read_outputs({"o": spec}, raw)["o"]
    except BadInput as error:
        assert "output" in error.message or "step printed" in error.message
        return
    assert_recordable(value)


def assert_recordable(value: Any) -> None:
    assert value is None or isinstance(value, bool | int | str | list | dict)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        assert_recordable(item)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab $(){}[]'\"`|&;<>!#=\\\n0-9x"), max_size=60))
def test_no_script_breaks_the_reading_of_scripts(script: str) -> None:
    for command in shell_text.commands(script):
        assert command.words
        for word in command.words:
            assert script[word.at : word.at + len(word.text)] == word.text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_every_scalar_keeps_its_text(text: str) -> None:
    """A text quoted in the file comes back as it was, whatever it looks like; a plain one too."""
    assume(not yamlfile._UNREADABLE.search(text) and "\n" not in text and "\r" not in text)
    assume(not set(text) & set("\x85\u2028\u2029\ufeff"))
    quoted = yamlfile.parse("x: '" + text.replace("'", "''") + "'", "f").value["x"]
    assert (quoted.value, quoted.text) == (text, text)
