"""Every YAML example of the documentation loads, or fails with exactly the messages that stand under it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from incidents import yamlfile
from incidents.errors import Mistakes
from incidents.sections import SECTIONS
from runbooks import cases, lint, loader, testing
from tests.docs import pages
from tests.docs.pages import Block
from tests.runbooks.test_schema import SCHEMA, as_editors_see

# What a block that shows steps or single keys alone stands in; docs/runbooks.md says so at its beginning.
AROUND = """\
name: around
inputs:
  mount: {type: path, required: true}
  want: {type: bytes, default: 2GiB}
  pause: {type: duration, default: 10m}
  force: {type: bool, default: false}
  token: {type: secret, required: true}
"""
BEFORE = """\
  - id: before
    effect: read
    run: [df, -B1, --output=avail, --, "${{ inputs.mount }}"]
    outputs: {avail: {regex: '(\\d+)\\s*$', type: bytes}}
"""

BESIDE = """\
name: free-space
inputs:
  mount: {type: path, required: true}
  want: {type: bytes, default: 1GiB}
steps:
  - {effect: read, run: [df, --, "${{ inputs.mount }}"]}
"""


@pytest.fixture(autouse=True)
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runbook that an example uses."""
    (tmp_path / "free-space.yaml").write_text(BESIDE)
    monkeypatch.chdir(tmp_path)


BLOCKS = [block for block in pages.every("yaml") if "yaml" in block.language]
RUNBOOKS = [
    block
    for block in BLOCKS
    if not block.text.startswith(
        (*(f"{section}:" for section in SECTIONS), "# free-space.test.yaml", "# rota.yaml", "# howdah.yaml")
    )
]


def test_there_are_examples() -> None:
    assert len(BLOCKS) > 20


def whole(block: Block) -> tuple[str, str]:
    """(file, text) of the runbook that an example is, or stands in."""
    if re.search(r"^name:", block.text, re.MULTILINE):
        named = re.match(r"# (\S+\.yaml)\n", block.text)
        return (named[1] if named else "example.yaml"), block.text
    if block.text.startswith("- "):
        steps = "".join(
            f"  {line}" if line.strip() else line for line in block.text.splitlines(keepends=True)
        )
        return "steps.yaml", f"{AROUND}steps:\n{BEFORE}{steps}"
    around = yaml.safe_load(AROUND)
    keys = yaml.safe_load(block.text)
    kept = {key: value for key, value in around.items() if key not in keys}
    return "keys.yaml", f"{yaml.safe_dump(kept)}{block.text}steps:\n{BEFORE}"


def expected(block: Block) -> str:
    """The messages that stand under an example, empty where it is right."""
    after = [one for one in pages.blocks(block.page) if one.line > block.line]
    file = whole(block)[0]
    if after and after[0].language == "text" and after[0].text.startswith(f"{file}:"):
        return after[0].text
    return ""


@pytest.mark.parametrize("block", RUNBOOKS, ids=str)
def test_an_example_loads_or_fails_as_the_page_says(block: Block) -> None:
    file, text = whole(block)
    wanted = expected(block)
    if not wanted:
        loader.loads(text, file)
        return
    with pytest.raises(Mistakes) as caught:
        loader.loads(text, file)
    assert f"{caught.value.message}\n" == wanted


@pytest.mark.parametrize("block", [block for block in RUNBOOKS if not expected(block)], ids=str)
def test_an_example_is_one_to_learn_from(block: Block) -> None:
    """No example has what lint calls an error, but the one whose findings the page shows."""
    file, text = whole(block)
    found = [str(one) for one in lint.lint(loader.loads(text, file)) if one.severity == "error"]
    shown = "".join(one.text for one in pages.blocks(block.page, "console"))
    assert [one for one in found if f"./{one} [error]" not in shown] == []


def test_the_example_of_a_test_file_tests_a_runbook(tmp_path: Path) -> None:
    (block,) = (one for one in BLOCKS if one.text.startswith("# free-space.test.yaml"))
    book = loader.loads("""
name: free-space
inputs: {mount: {type: path, required: true}, want: {type: bytes, default: 2GiB}}
steps:
  - id: before
    effect: read
    run: [df, --, "${{ inputs.mount }}"]
    outputs: {avail: {text: true, type: bytes}}
  - {id: enough, if: "${{ steps.before.outputs.avail >= inputs.want }}", stop: {status: ok, say: enough}}
  - id: grow
    confirm: Grow?
    run: [lvextend, -L, "${{ inputs.want }}b", --, /dev/vg0/data]
    verify: {run: [lvs], no: [10]}
""")
    (tmp_path / "free-space.test.yaml").write_text(block.text)
    found = testing.run(book, cases.read(str(tmp_path / "free-space.test.yaml")))
    assert [one.wrong for one in found] == [(), ()]
    assert testing.coverage(book, found).missing == ()


@pytest.mark.parametrize(
    "block", [one for one in RUNBOOKS if not expected(one)], ids=lambda one: f"{one.page}:{one.line}"
)
def test_the_schema_takes_every_example_that_the_loader_takes(block: Block) -> None:
    file, text = whole(block)
    found = as_editors_see(yamlfile.parse(text, file))
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(found)] == []
