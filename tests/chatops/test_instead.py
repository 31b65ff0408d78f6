"""While howdah.yaml has mistakes the incident goes on by its last good version, but nobody gets in by an old rule."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chatops.conftest import Howdah, howdah

__all__ = ["howdah"]

CREW = """\
people:
  root: {unix: root, roles: [lead]}
  nova: {unix: nova}
"""
RULES = "permissions:\n  respond: [lead]\n"
WORDS = (
    ["join"],
    ["update", "the shop is back in an hour"],
    ["status", "identified"],
    ["status"],
    ["role", "commander", "me"],
    ["role"],
)
WRITES = [words for words in WORDS if len(words) > 1 or words == ["join"]]


@pytest.fixture
def crew(howdah: Howdah) -> Iterator[Howdah]:
    """An incident of people without rules."""
    with_file(howdah, CREW)
    howdah.ok("declare", "db down", by="root")
    yield howdah


def with_file(crew: Howdah, text: str) -> None:
    (crew.folder / "work" / "howdah.yaml").write_text(text)


def test_updates_states_roles_and_who_joins_go_on_by_the_last_good_version(crew: Howdah) -> None:
    with_file(crew, CREW + "x: [\n")
    for words in WORDS:
        answer = crew(*words, by="root")
        assert answer.code == 0 and "goes by the version of" in answer.err, answer
    shown = crew("show", "1").out
    assert "identified" in shown and "commander" in shown


def test_rules_that_stand_as_they_stood_hold_on(crew: Howdah) -> None:
    with_file(crew, CREW + RULES)
    crew.ok("note", "still down", by="root")
    with_file(crew, f"# who is who\n{CREW}\n{RULES}x: [\n")
    for words in WORDS:
        answer = crew(*words, by="root")
        assert answer.code == 0, answer
        assert "may not" in crew(*words, by="nova").err


@pytest.mark.parametrize(
    "text",
    [
        CREW + "permissions: {respnd: [lead]}\n",  # meant to close what the last good version left open
        CREW + "permissions: {respond: [lead]}\nx: [\n",
        "{people: {nova: {}}, permissions: {respond: [nova]}, x: [}\n",
        CREW + '"permissions": {respond: [nova]}\nx: 1\n',
        CREW + "  dora: {}\npermission: {respond: [nova]}\n",
    ],
)
def test_where_the_file_was_about_to_say_who_may_nobody_may_by_what_it_said_before(
    crew: Howdah, text: str
) -> None:
    with_file(crew, text)
    for words in WRITES:
        answer = crew(*words, by="root")
        assert answer.code == 4 and "who may" in answer.err and "howdah.yaml" in answer.err, answer
    assert crew("status").code == crew("role").code == 0
    assert crew("note", "still down", by="root").code == 0


def test_where_rules_name_roles_who_has_them_must_stand_as_it_stood_too(crew: Howdah) -> None:
    with_file(crew, CREW + RULES)
    crew.ok("note", "still down", by="root")
    with_file(crew, CREW.replace("[lead]", "[]") + RULES + "x: 1\n")
    assert crew("join", by="root").code == 4


def test_another_file_gives_nobody_its_rights(crew: Howdah) -> None:
    """The record's last good version is of another file, which has no rules."""
    path = crew.folder / "work" / "other.yaml"
    path.write_text(CREW + RULES + "x: 1\n")
    answer = crew("join", "--config", str(path), by="root")
    assert answer.code == 4 and "who may" in answer.err
