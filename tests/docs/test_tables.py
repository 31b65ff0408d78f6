"""The tables of the documentation say what the code has: keys, types, filters, environment, commands, kinds, errors."""

from __future__ import annotations

import base64
import gzip
import json
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from chatops import vocabulary
from incidents import kinds
from runbooks import expressions, filters, inputs, keys, quoting, typed
from runbooks.expressions import Place
from runbooks.inputs import InputSpec
from tests.docs import pages, tables
from tests.stories.conftest import scene
from tests.stories.scene import Scene

__all__ = ["scene"]

PAGE = "docs/runbooks.md"


def first(page: str, marker: str) -> list[str]:
    """The names in the first column."""
    return [name for row in pages.table(page, marker) for name in pages.code(row[0])]


@pytest.mark.parametrize("made", tables.MADE, ids=lambda made: f"{made[0]}:{made[1]}")
def test_a_table_made_from_the_code_is_the_one_in_the_page(made: tuple[str, str]) -> None:
    """`python -m tests.docs.tables` writes it anew."""
    assert tables.written(*made) == tables.made(*made)


def test_every_command_and_every_error_has_its_row() -> None:
    commands = tables.written("docs/commands.md", "commands")
    known = vocabulary.registry()
    assert all(f"| `howdah {name}" in commands for name, command in known.items() if not command.menu)
    assert all(f"| “{command.menu}” in the menu" in commands for command in known.values() if command.menu)
    codes = tables.written("docs/json.md", "codes")
    assert all(f"| {cls.exit_code} | `{cls.code}` |" in codes for cls in tables.classes())
    exits = {cls.exit_code for cls in tables.classes()} | {0, 130}
    operations = {int(code) for code in re.findall(r"^\| (\d+) \|", pages.read("docs/operations.md"), re.M)}
    assert operations == exits


@pytest.mark.parametrize("level", keys.LEVELS)
def test_every_key_of_the_language_has_its_row(level: str) -> None:
    assert sorted(first(PAGE, f"keys: {level}")) == sorted(keys.LEVELS[level])


def test_the_page_says_on_which_steps_a_key_may_stand() -> None:
    for names, on, _ in pages.table(PAGE, "keys: step"):
        kinds_of = {word.strip() for word in on.split(",")} - {""}
        for name in pages.code(names):
            if name not in ("check", "rescue", "always"):  # beside the only kind that they go with
                assert kinds_of == set(keys.STEP[name].on), name


def test_the_words_of_later_versions_are_those_that_the_loader_knows() -> None:
    assert (
        "`uses`, `with` and `targets` are words that this version does not know in a step of `diagnose`"
        in pages.read(PAGE)
    )
    assert {"diagnose": {"uses", "with", "targets"}} == keys.NOT_YET


def test_every_type_is_shown_as_a_script_and_an_expression_get_it() -> None:
    rows = pages.table(PAGE, "types")
    assert [pages.code(row[0])[0] for row in rows] == list(typed.INPUT_TYPES)
    for name, written, variable, _ in rows[:-1]:
        kind = pages.code(name)[0]
        spec = InputSpec("x", kind, options=("fast",))
        value = inputs.read_value(spec, pages.code(written)[0])
        assert inputs.input_text(spec, value) == pages.code(variable)[0], kind


def test_every_filter_has_its_row() -> None:
    named = [re.sub(r"\(.*", "", name) for name in first(PAGE, "filters") if name not in ("null",)]
    assert sorted(named) == sorted(filters.FILTERS)


def test_the_expressions_yield_what_the_page_says() -> None:
    rows = pages.table(PAGE, "expressions")
    assert len(rows) > 8
    for written, value in rows:
        expr = expressions.parse(pages.code(written)[0], Place("page", 1, 1))
        assert expressions.evaluate(expr, {}) == json.loads(pages.code(value)[0]), written


def test_every_kind_of_event_has_its_row_with_its_fields() -> None:
    rows = {
        pages.code(kind)[0]: (pages.code(data), when)
        for kind, data, when in pages.table("docs/events.md", "kinds")
    }
    assert list(rows) == list(kinds.KINDS)
    for kind, (fields, when) in rows.items():
        shape: Any = kinds.KINDS[kind]
        assert fields == [f"{name}?" if name in shape._field_defaults else name for name in shape._fields], (
            kind
        )
        assert when


def test_a_step_has_the_environment_of_the_page_and_no_other(scene: Scene) -> None:
    book = scene.runbook("name: env\ninputs: {x: {default: y}}\nsteps: [{effect: read, run: [env]}]\n")
    scene("run", book, SECRET_OF_MY_SHELL="s")
    (ended,) = [event for event in scene.events() if event.kind == "step.ended"]
    given = {line.partition("=")[0] for line in ended.data["tail"].splitlines()}
    assert given == (set(first(PAGE, "environment")) - {"IN_NAME"}) | {"IN_X"}


SECRET = 'Tr0ub4dor & "three" /'
MANY_LINES = "the first line\nof a key of two lines"
MASKING: dict[str, list[Callable[[], tuple[str, str]]]] = {
    "the value itself": [lambda: (SECRET, SECRET)],
    "one line of a value": [lambda: (MANY_LINES, MANY_LINES.splitlines()[1])],
    "as part of a URL": [
        lambda: (SECRET, "https://x/?p=" + urllib.parse.quote_plus(SECRET)),
        lambda: (SECRET, json.dumps({"p": SECRET})),
        lambda: (SECRET, quoting.shell_quote(["login", SECRET])),
    ],
    "in base64, at any offset": [
        lambda: (SECRET, base64.b64encode(b"user:" + SECRET.encode()).decode()),
        lambda: (SECRET, base64.b64encode(b"me:" + SECRET.encode()).decode()),
    ],
    "a value under 8 characters": [lambda: ("hunter2", "hunter2")],
    "in hexadecimal": [lambda: (SECRET, SECRET.encode().hex())],
    "compressed": [lambda: (SECRET, gzip.compress(SECRET.encode()).decode("latin-1"))],
    "in base64 that is broken": [lambda: (SECRET * 5, base64.encodebytes(SECRET.encode() * 5).decode())],
    "letter by letter": [
        lambda: (SECRET, " ".join(SECRET)),
        lambda: (SECRET, SECRET[::-1]),
        lambda: (SECRET, SECRET.upper()),
    ],
}


def test_masking_catches_what_the_page_says_and_nothing_more() -> None:
    rows = pages.table(PAGE, "masking")
    assert len(rows) == len(MASKING)
    for (what, masked), (beginning, cases) in zip(rows, MASKING.items(), strict=True):
        assert what.startswith(beginning)
        for case in cases:
            secret, printed = case()
            masker = quoting.Masker([secret])
            shown = masker.feed(printed.encode("latin-1")) + masker.flush()
            assert (shown != printed.encode("latin-1")) is (masked == "yes"), (what, shown)
            assert (quoting.MASK in shown) is (masked == "yes")
