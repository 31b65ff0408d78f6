"""Every runbook of the library is one that we would accept from anybody."""

from __future__ import annotations

import os
import re

import pytest

from runbooks import lint
from runbooks.loader import load

from .conftest import LIBRARY

BOOKS = sorted(name for name in os.listdir(LIBRARY) if not name.endswith(".test.yaml"))


@pytest.mark.parametrize("name", BOOKS)
def test_it_loads_and_lint_has_nothing_to_say(name: str) -> None:
    assert name.endswith(".yaml"), "the file name is the registry"
    runbook = load(os.path.join(LIBRARY, name))
    assert runbook.name == name.removesuffix(".yaml")
    assert list(lint.lint(runbook)) == []


@pytest.mark.parametrize("name", BOOKS)
def test_a_process_that_is_gone_by_the_time_it_is_read_ends_no_look(name: str) -> None:
    """Bash 5.2 ends without a word, and with 1, where the file of `$(<FILE)` is not there, whatever stands behind it."""
    with open(os.path.join(LIBRARY, name), encoding="utf-8") as file:
        assert re.findall(r'\$\(<\s*"?(?:/proc|\$pid|\$\{pid)', file.read()) == []


@pytest.mark.parametrize("name", BOOKS)
def test_what_cannot_be_undone_is_asked_first_and_can_be_asked_about_after_a_kill(name: str) -> None:
    for step in load(os.path.join(LIBRARY, name)).walk():
        if step.kind == "run" and step.effect == "unsafe":
            assert step.confirm is not None and step.verify is not None and step.timeout is not None, (
                step.path
            )
            assert step.verify.no, step.path


@pytest.mark.parametrize("name", BOOKS)
def test_what_a_person_is_asked_flows_into_any_width(name: str) -> None:
    """A line ends where a sentence does: the terminal breaks the rest."""
    for step in load(os.path.join(LIBRARY, name)).walk():
        for text in (step.confirm, step.manual):
            lines = re.sub(r"\$\{\{.*?\}\}", "it.", text.text if text is not None else "").splitlines()
            assert [line for line in lines[:-1] if not line.endswith((".", "?", ":"))] == [], step.path
