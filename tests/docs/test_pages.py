"""The pages hold together: commands that they name exist, links lead somewhere, the README begins with two commands."""

from __future__ import annotations

import os
import re

import click
import pytest

from chatops import vocabulary
from chatops.surfaces.terminal import tree
from tests.docs import pages

PAGES = pages.names()


def check(words: list[str], own: set[str]) -> None:
    """Raises UsageError where these words are no command line. `own` are commands that the page itself defines."""
    known = vocabulary.registry()
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in own or (name in ("role", "task", "runbook", "drill") and len(words) == 1):
            return
        if name in known:
            tree.Leaf(known[name]).make_context(name, words[count:])
            return
    raise click.UsageError(f"there is no command {words}")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_of_a_page_can_be_given(page: str) -> None:
    own = set(re.findall(r'^@command\(\s*"([\w ]+)"', pages.read(page), re.MULTILINE))
    for words in pages.command_lines(page):
        plain = [re.sub(r"[\[\]]", "", word) for word in words]  # what may be left out may also be given
        if plain[:1] not in ([], ["COMMAND"], ["…"]) and "--help" not in plain:
            try:
                check(plain, own)
            except click.UsageError as error:
                pytest.fail(f"{page}: howdah {' '.join(words)}: {error.message}")


def test_the_command_lines_are_found() -> None:
    found = [words for page in PAGES for words in pages.command_lines(page)]
    assert len(found) > 80
    for wrong in (
        ["note", "--no-such-option", "x"],
        ["restore", "a", "b"],
        ["nota", "x"],
        ["task", "ad", "x"],
    ):
        with pytest.raises(click.UsageError):
            check(wrong, set())


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", pages.read(page), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if target.startswith("https://"):
            continue
        path = os.path.normpath(os.path.join(os.path.dirname(page), file)) if file else page
        assert (pages.ROOT / path).exists(), target
        assert not anchor or anchor in pages.sections(path), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[str] = set()
    left = ["README.md"]
    while left:
        page = left.pop()
        seen.add(page)
        if not (pages.ROOT / page).exists():
            continue  # the test of links says so
        for target in re.findall(r"\]\(([^)\s#]+)\)", pages.read(page)):
            path = os.path.normpath(os.path.join(os.path.dirname(page), target))
            if path.endswith(".md") and path not in seen and not target.startswith("https:"):
                left.append(path)
    folders = {page for page in PAGES if page.startswith("docs/decisions/")}  # the README links their folder
    assert set(PAGES) - seen - folders == set()


def test_the_readme_opens_with_the_two_commands() -> None:
    head = pages.read("README.md").splitlines()[:5]
    assert head[:3] == ["# howdah", "", "```"]
    assert head[3].startswith("make run ") and head[4].startswith("make test ")
    made = re.findall(r"^(\w+):", (pages.ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "test"} <= set(made)


def test_every_make_target_that_a_page_names_is_there() -> None:
    made = set(re.findall(r"^(\w+):", (pages.ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"(?:`|^)make (\w+)", pages.read(page), re.MULTILINE)) <= made, page


def test_the_command_line_in_the_readme_is_installed_by_the_project() -> None:
    assert '[project.scripts]\nhowdah = "chatops.cli:main"' in (pages.ROOT / "pyproject.toml").read_text()
