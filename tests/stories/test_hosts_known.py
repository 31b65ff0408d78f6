"""Hosts that are none: told by lint, and by a run before its first step."""

from __future__ import annotations

import pytest

from tests.stories.scene import Scene

BOOK = """
name: far
inputs: {where: {type: list, default: []}, other: {type: list, default: [web9]}, far: {type: bool, default: false}}
steps:
  - {id: before, timeout: 1m, run: "echo before >> 'ACTS'"}
  - {id: literal, targets: {hosts: [localhost, LITERAL]}, timeout: 1m, run: "true"}
  - id: block
    block:
      - {id: given, if: "${{ inputs.where | length > 0 }}", targets: {hosts: "${{ inputs.where }}"}, timeout: 1m, run: "true"}
  - {id: later, if: "${{ inputs.far }}", targets: {hosts: "${{ inputs.other }}"}, timeout: 1m, run: "true"}
  - {id: inside, if: "${{ inputs.where | length > 0 }}", uses: ./inner.yaml, with: {where: "${{ inputs.where }}"}}
"""
INNER = """
name: inner
inputs: {where: {type: list}}
steps:
  - {targets: {hosts: "${{ inputs.where }}"}, timeout: 1m, run: "true"}
"""

ONE = """\
name: one
steps: [{targets: {hosts: ["${{ inputs.client }}"]}, timeout: 1m, run: "true"}]
"""


@pytest.fixture
def book(scene: Scene) -> str:
    scene.runbook("hosts: {web1: {roles: [web]}}\n", "howdah.yaml")
    scene.runbook(INNER, "inner.yaml")
    return scene.runbook(BOOK.replace("LITERAL", "localhost"))


def test_lint_knows_the_hosts_of_the_configuration(scene: Scene, book: str) -> None:
    assert scene("runbook", "lint", book).code == 0
    wrong = scene("runbook", "lint", scene.runbook(BOOK.replace("LITERAL", "wbe1")))
    assert wrong.code == 2
    assert "book.yaml:6:48: there is no host and no role 'wbe1'; did you mean web1? [error]" in wrong.out


def test_a_host_in_an_input_is_looked_at_before_the_first_step(scene: Scene, book: str) -> None:
    wrong = scene("run", book, "-i", "where=web1,web2")
    assert (
        wrong.code == 2 and "there is no host and no role 'web2'" in wrong.err and "book.yaml:9:" in wrong.err
    )
    assert scene.acts() == [] and not scene.runs()


def test_the_input_that_names_no_host_is_pointed_at(scene: Scene, book: str) -> None:
    only = "inputs: {client: {type: host, required: true}}\n" + ONE
    wrong = scene("run", scene.runbook(only), "-i", "client=db7")
    assert "client: there is no host and no role 'db7'; howdah.yaml knows web1 (looked at in " in wrong.err
    other = only.replace("inputs.client", "'db8' if inputs.client == 'db7' else 'web1'")
    wrong = scene("run", scene.runbook(other), "-i", "client=db7")
    assert "client:" not in wrong.err and "book.yaml:3:" in wrong.err and "no role 'db8'" in wrong.err


def test_also_one_that_only_a_runbook_inside_looks_at(scene: Scene, book: str) -> None:
    only = BOOK.replace('targets: {hosts: "${{ inputs.where }}"}, ', "")
    wrong = scene("run", scene.runbook(only.replace("LITERAL", "localhost")), "-i", "where=web2")
    assert wrong.code == 2 and "'web2'" in wrong.err and "inner.yaml:5:" in wrong.err
    assert scene.acts() == []


def test_hosts_of_a_step_that_is_sure_to_be_skipped_are_nobody_s_business(scene: Scene, book: str) -> None:
    scene.ok("run", book)
    assert scene.acts() == ["before"]
    refused = scene("run", book, "-i", "far=true")
    assert refused.code == 2 and "'web9'" in refused.err
