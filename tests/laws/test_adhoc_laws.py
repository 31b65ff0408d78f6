"""A command that was typed by hand arrives at its program letter by letter, whatever it holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runbooks import adhoc, expressions, lint, loader
from runbooks.document import Runbook

WORD = st.text(
    st.one_of(st.sampled_from("${}'\"\\ \n\t#:-&*!|>%@`,[]~"), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)  # fmt: skip
PROGRAM = WORD.filter(lambda word: word.strip() != "" and "${{" not in word)


def loaded(*words: str, **more: object) -> Runbook:
    return loader.loads(adhoc.text(words, **more), "(by hand)")  # type: ignore[arg-type]


def argv(command: object) -> list[str]:
    return list(expressions.render_argv(command, {}))  # type: ignore[arg-type]


@given(PROGRAM, st.lists(WORD, max_size=5), WORD)
def test_every_argument_is_what_was_typed(program: str, words: list[str], note: str) -> None:
    (step,) = loaded(program, *words, note=note).steps
    assert argv(step.run) == [program, *words]


@given(PROGRAM, st.lists(WORD, max_size=3), WORD)
def test_so_are_the_undo_and_the_change(program: str, words: list[str], value: str) -> None:
    (step,) = loaded("true", undo=[program, *words], change=(f"x{value}", value, f"{value}y")).steps
    assert step.undo is not None and argv(step.undo.run) == [program, *words]
    assert step.change is not None
    shown = [expressions.render_text(part, {}) for part in step.change[:3] if part is not None]
    assert shown == [f"x{value}", value, f"{value}y"]


@given(PROGRAM, st.lists(WORD, max_size=3))
def test_it_is_a_runbook_without_a_mistake(program: str, words: list[str]) -> None:
    assert [one for one in lint.lint(loaded(program, *words, effect="read")) if one.severity == "error"] == []
