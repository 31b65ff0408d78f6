"""An author's evening: a new runbook, its tests, its page, and plans that say more."""

from __future__ import annotations

import json
import os
import re

import pytest
from jsonschema import Draft202012Validator

from runbooks.schema import schema
from tests.stories.scene import Scene


def test_a_new_runbook_lints_tests_plans_and_runs_as_it_is(scene: Scene) -> None:
    told = scene.ok("runbook", "new", "my-book")
    assert "./my-book.yaml" in told and sorted(os.listdir(scene.folder)) == [
        "my-book.test.yaml",
        "my-book.yaml",
    ]
    assert scene.ok("runbook", "lint", "./my-book.yaml") == "no mistakes\n"
    assert "steps 5 of 5, branches 4 of 4" in scene.ok("runbook", "test", "./my-book.yaml")
    assert "<unknown>" in scene.ok("plan", "./my-book.yaml", "-i", "folder=/tmp")
    assert "nothing to do" in scene.ok("run", "./my-book.yaml", "-i", "folder=/tmp", "-i", "most=100%")


def test_a_runbook_that_hides_one_of_the_library_is_named_by_every_word_that_reads_it(scene: Scene) -> None:
    scene.runbook("people: {nova: {unix: nova}}\n", "howdah.yaml")
    scene.ok("runbook", "new", "disk-full")
    for word in ("lint", "doc", "show"):
        told = scene("runbook", word, "disk-full")
        assert told.code == 0 and "runbooks/disk-full.yaml shadows " in told.err, (word, told)


def test_a_new_one_stands_beside_the_configuration_and_overwrites_nothing(scene: Scene) -> None:
    scene.runbook("people: {nova: {unix: nova}}\n", "howdah.yaml")
    scene.ok("runbook", "new", "my-book")
    path = os.path.join(scene.folder, "runbooks", "my-book.yaml")
    assert "my-book" in scene.ok("runbook", "list") and "my-book.test" not in scene.ok("runbook", "list")
    os.unlink(path)
    again = scene("runbook", "new", "my-book")
    assert again.code == 4 and "my-book.test.yaml is there already" in again.err
    assert not os.path.exists(path)
    for name in ("a b", "../x", "", "-x", "a/b"):
        wrong = scene("runbook", "new", "--", name)
        assert wrong.code == 2 and "Traceback" not in wrong.text, (name, wrong)
    assert os.listdir(os.path.dirname(path)) == ["my-book.test.yaml"]


def test_a_test_that_fails_says_where_and_why_and_is_exit_1(scene: Scene) -> None:
    scene.ok("runbook", "new", "my-book")
    path = os.path.join(scene.folder, "my-book.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("used <= inputs.most", "used < 0"))
    failed = scene("runbook", "test", "./my-book.yaml")
    assert failed.code == 1
    assert re.search(
        r"my-book.test.yaml:7:5: after before it went to the end, not to well; the branch well was not taken",
        failed.out,
    )
    assert "never taken: well" in failed.out
    document = json.loads(scene("--json", "runbook", "test", "./my-book.yaml").out)
    assert [case["ok"] for case in document["tests"][0]["cases"]] == [False, True, True, True]


def test_a_runbook_without_tests_and_a_broken_test_file_are_bad_input(scene: Scene) -> None:
    book = scene.runbook("name: x\nsteps: [{effect: read, run: 'true'}]\n", "x.yaml")
    none = scene("runbook", "test", book)
    assert none.code == 2 and "has no tests; write" in none.err
    scene.runbook("cases: 7\n", "x.test.yaml")
    broken = scene("runbook", "test", book)
    assert broken.code == 2 and "x.test.yaml:1:8: `cases` is a list of cases" in broken.err
    assert scene("runbook", "test").code == 0  # those of the library


def test_a_page_says_all_that_a_reader_needs(scene: Scene) -> None:
    book = scene.runbook("""
name: a *book*
description: What it is for.
severity: sev1
allow: [oncall]
lock: "x:${{ inputs.mount }}"
inputs: {mount: {type: path, required: true, help: "Which | one."}, how: {type: choice, options: [a, b], default: a}}
steps:
  - {id: ask, name: Ask, confirm: "Go for ${{ inputs.mount }}?", approve: {from: [oncall], count: 2}, run: [act, "${{ inputs.mount }}"], undo: {run: back}}
  - {name: By hand, manual: Do it.}
  - uses: http
    with: {url: "https://x", headers: {A: b}}
    for_each: [1, 2]
  - block: [{run: "echo '```'"}]
    rescue: [{stop: {status: failed, say: no}}]
""")
    page = scene.ok("runbook", "doc", book)
    for line in (
        "# a \\*book\\*", "severity sev1; lock `x:${{ inputs.mount }}`; may be run by oncall.", "| `mount` | path | needed | Which \\| one. |",
        "| `how` | a or b | a |  |", "   - waits until 2 of oncall approve", "   - must not happen twice; no time limit", "   - can be undone",
        "uses http: url=https://x, headers={A: b}", "   - for each of `1`, `2`", "When one of these fails:", "````bash",
    ):  # fmt: skip
        assert line in page, line


TARGETS = """
name: fleet
inputs: {n: {type: int, default: 2}}
steps:
  - id: size
    effect: read
    run: [echo, "40"]
    outputs: {n: {text: true, type: int}}
  - id: deep
    effect: read
    env: {N: "${{ steps.size.outputs.n }}"}
    run: "echo $((N + IN_N))"
    outputs: {n: {text: true, type: int}}
  - id: fails
    effect: read
    run: "exit 3"
    outputs: {n: {text: true}}
  - id: restart
    if: ${{ steps.deep.outputs.n > 41 }}
    timeout: 1m
    targets: {hosts: web, serial: [1, 50%]}
    run: [systemctl, restart, "app@${{ host }}"]
  - {id: each, for_each: [a, "b c"], timeout: 1m, run: [echo, "${{ item }}"]}
  - {id: never, if: "${{ steps.deep.outputs.n < 41 }}", effect: read, run: "echo ran >> 'ACTS'"}
  - {id: last, effect: read, env: {X: "${{ steps.fails.outputs.n }}"}, run: "echo ran >> 'ACTS'"}
  - {id: act, timeout: 1m, approve: {from: [oncall], count: 2}, run: "echo acted >> 'ACTS'"}
"""


@pytest.fixture
def fleet(scene: Scene) -> str:
    scene.runbook(
        "hosts: {web1: {roles: [web]}, web2: {roles: [web]}, web3: {roles: [web]}, db: {}}\n", "howdah.yaml"
    )
    return scene.runbook(TARGETS)


def test_a_plan_says_what_runs_on_which_host(scene: Scene, fleet: str) -> None:
    told = scene.ok("plan", fleet)
    assert "    on: web1, web2, web3, in batches of 1, 1, 1" in told
    assert "    @web2 | systemctl restart app@web2" in told
    assert "    [1] | echo 'b c'" in told
    assert "    runs: cannot be decided yet" in told
    assert "    waits for approval: 2 of oncall" in told
    assert scene.acts() == []


def test_a_plan_with_reads_fills_in_what_it_can_and_says_what_it_cannot(scene: Scene, fleet: str) -> None:
    told = scene.ok("plan", fleet, "--run-reads")
    assert "    gives: n = 40" in told and "    gives: n = 42" in told
    assert (
        "    not looked at: exit 3" in told and "    not looked at: it depends on a step that was not" in told
    )
    document = json.loads(scene.ok("--json", "plan", fleet, "--run-reads"))
    steps = {step["path"]: step for step in document["steps"]}
    assert (steps["restart"]["if"], steps["never"]["if"]) == ("yes", "no")
    assert steps["restart"]["commands"]["@web3"] == "systemctl restart app@web3"
    assert scene.acts() == []
    assert not os.path.exists(scene.store), "a plan records nothing"


def test_a_plan_with_reads_has_a_reason_for_each_read_that_it_leaves_out(scene: Scene, fleet: str) -> None:
    scene.runbook("name: inner\nsteps:\n  - {effect: read, run: [date]}\n", "inner.yaml")
    book = scene.runbook("""
name: reads
steps:
  - {id: far, effect: read, targets: {hosts: web}, run: [date]}
  - {id: each, effect: read, for_each: [a, b], run: [date, "${{ item }}"]}
  - {id: asks, effect: read, confirm: Sure?, run: [date]}
  - {id: gate, effect: read, approve: {}, run: [date]}
  - {id: page, uses: http, with: {url: "http://127.0.0.1:1/", timeout: 2s}}
  - {id: no, if: "${{ 1 == 2 }}", effect: read, run: [date]}
  - {id: open, if: "${{ steps.page.exit == 0 }}", effect: read, run: [date]}
  - {id: other, uses: ./inner.yaml}
  - {id: act, timeout: 1m, run: [act]}
rescue:
  - {id: late, effect: read, run: [date]}
""")
    told = scene.ok("plan", book, "--run-reads")
    assert "uses http url=http://127.0.0.1:1/ timeout=2s" in told
    paragraphs = {part.split()[0]: part for part in told.split("\n\n")[1:]}
    for path, why in {
        "far": "it runs on other machines", "each": "it is made several times", "asks": "it asks first", "gate": "it needs an approval",
        "page": "an action", "no": "it does not run", "open": "whether it runs cannot be decided yet", "rescue/late": "it runs only after a failure",
    }.items():  # fmt: skip
        assert f"    not looked at: {why}" in paragraphs[path], paragraphs[path]
    assert "not looked at: it is in a runbook of its own" in told
    assert "not looked at" not in paragraphs["act"]


def test_a_plan_of_a_host_that_is_none_says_so(scene: Scene, fleet: str) -> None:
    scene.runbook("hosts: {db: {}}\n", "howdah.yaml")
    wrong = scene("plan", fleet)
    assert wrong.code == 2 and "web" in wrong.err and "Traceback" not in wrong.err


def test_the_schema_explains_every_key_and_completes_an_action(scene: Scene) -> None:
    printed = json.loads(scene.ok("runbook", "schema"))
    Draft202012Validator.check_schema(printed)
    assert printed == schema()

    def undescribed(rule: object, path: str = "") -> list[str]:
        found = []
        if isinstance(rule, dict):
            for name, one in (rule.get("properties") or {}).items():
                if isinstance(one, dict) and "description" not in one and set(one) - {"const"}:
                    found.append(f"{path}.{name}")
            found += [bad for key, inner in rule.items() for bad in undescribed(inner, f"{path}/{key}")]
        elif isinstance(rule, list):
            found += [bad for inner in rule for bad in undescribed(inner, path)]
        return found

    assert undescribed(printed) == []
    check = Draft202012Validator(printed)
    assert check.is_valid(
        {"name": "x", "steps": [{"uses": "http", "with": {"url": "https://x", "status": [200]}}]}
    )
    for step in (
        {"uses": "http"},
        {"uses": "http", "with": {"url": "x", "methd": "GET"}},
        {"uses": "sql", "with": {"rows": -1}},
    ):
        assert not check.is_valid({"name": "x", "steps": [step]}), step
