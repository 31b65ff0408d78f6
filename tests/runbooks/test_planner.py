"""The plan: what would run, what is not known yet, and nothing executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from incidents.errors import BadInput
from runbooks import inputs
from runbooks.loader import load, loads
from runbooks.planner import Plan, PlannedStep, document, plan, text

CASES = Path(__file__).parents[1] / "cases" / "runbooks" / "good"


def planned(source: str, **given: Any) -> dict[str, PlannedStep]:
    return {step.path: step for step in plan_of(source, **given).steps}


def plan_of(source: str, **given: Any) -> Plan:
    runbook = loads(source)
    return plan(runbook, inputs.normalise(runbook, given))


def test_the_sample_says_what_is_sure_and_what_is_not() -> None:
    runbook = load(str(CASES / "sample.yaml"))
    made = plan(runbook, inputs.normalise(runbook, {"mount": "/var//lib/"}))
    steps = {step.path: step for step in made.steps}
    assert made.locks == ("disk:/var/lib",)
    assert made.digest == runbook.digest
    assert steps["before"].command == "df -B1 --output=avail -- /var/lib"
    assert (steps["before"].if_, steps["2"].if_) == ("", "cannot be decided yet")
    assert steps["3"].timeout == 300_000_000
    assert (steps["4"].timeout, steps["4"].verify, steps["4"].undo) == (None, True, False)
    assert steps["4"].confirm == "Grow the data volume by 20 GiB? It cannot be shrunk again."


CHOICES = """
name: x
inputs: {flag: {type: bool, default: true}, n: {type: int, default: 1}}
steps:
  - {id: a, effect: read, run: [a], outputs: {x: {text: true, type: int}}}
  - {if: "${{ inputs.flag }}", run: [b]}
  - {if: "${{ not inputs.flag }}", run: [c]}
  - {if: "${{ steps.a.outputs.x > 1 }}", run: [d, "${{ steps.a.outputs.x }}"]}
  - {if: "${{ inputs.flag or steps.a.outputs.x > 1 }}", run: [e]}
  - if: ${{ inputs.n > 1 }}
    block:
      - run: [f]
      - {if: "${{ inputs.flag }}", run: [g]}
    rescue:
      - run: [h]
  - if: ${{ steps.a.exit == 0 }}
    block:
      - run: [i]
      - {if: "${{ inputs.flag }}", run: [j]}
      - {if: "${{ not inputs.flag }}", run: [k]}
"""


def test_a_condition_is_decided_as_soon_as_it_can_be() -> None:
    steps = planned(CHOICES)
    maybe = "cannot be decided yet"
    assert [steps[path].if_ for path in ("a", "2", "3", "4", "5")] == ["", "yes", "no", maybe, "yes"]
    assert [steps[path].if_ for path in ("6", "6/1", "6/2", "6/rescue/1")] == ["no"] * 4
    assert [steps[path].if_ for path in ("7", "7/1", "7/2", "7/3")] == [maybe, maybe, maybe, "no"]
    assert steps["4"].command == "d '<unknown>'"
    assert steps["6/rescue/1"].rescue and not steps["6/1"].rescue
    assert (steps["6"].depth, steps["6/1"].depth) == (0, 1)


def test_nothing_runs_after_a_stop_that_is_sure() -> None:
    steps = planned("""
name: x
inputs: {n: {type: int, default: 1}}
steps:
  - {if: "${{ inputs.n == 1 }}", stop: {status: ok, say: "n is ${{ inputs.n }}"}}
  - run: [a]
always:
  - run: [b]
""")
    assert (steps["1"].if_, steps["2"].if_, steps["always/1"].if_) == ("yes", "no", "")
    assert steps["1"].command == "stop: ok, n is 1"


def test_each_kind_of_step_is_put_in_words() -> None:
    steps = planned("""
name: x
inputs: {pause: {type: duration, default: 90s}, who: {default: web}}
steps:
  - {manual: "look at ${{ inputs.who }}"}
  - {wait: {for: 10m}}
  - {wait: {for: "${{ inputs.pause }}", until: "${{ inputs.who == 'x' }}"}}
  - {run: "a $b\\nc", user: "${{ inputs.who }}"}
""")
    assert [steps[str(n)].command for n in (1, 2, 3, 4)] == [
        "look at web",
        "wait for 10 min",
        "wait for 90, until inputs.who == 'x'",
        "a $b\nc",
    ]
    assert steps["4"].user == "web"


def test_a_secret_is_hidden_even_as_a_reference_in_a_command() -> None:
    made = plan_of(
        "name: x\ninputs: {pw: {type: secret}}\nsteps: [{run: [a, '--pw=${{ inputs.pw }}']}]",
        pw="env:HOWDAH_PW",
    )
    assert made.steps[0].command == "a '--pw=(secret)'"
    assert made.inputs == {"pw": "env:HOWDAH_PW"}


def test_a_step_that_is_sure_to_be_refused_is_told_now() -> None:
    source = "name: x\ninputs: {a: {type: list, default: []}}\nsteps: [{run: ['true'], if: '${{ inputs.a[0] == 1 }}'}]"
    with pytest.raises(BadInput, match="there is no item 0") as caught:
        plan_of(source)
    assert caught.value.where == "<runbook>:3:30"


def test_the_plan_is_one_json_document() -> None:
    made = plan_of(CHOICES)
    shown = document(made)
    assert shown["runbook"] == "x"
    assert [step["path"] for step in shown["steps"]][:3] == ["a", "2", "3"]
    assert shown["steps"][1]["if"] == "yes"


def test_the_plan_for_people_shows_each_command_under_its_name() -> None:
    runbook = load(str(CASES / "sample.yaml"))
    shown = text(plan(runbook, inputs.normalise(runbook, {"mount": "/var"})))
    assert shown.splitlines()[:7] == [
        "disk-full",
        "  mount = /var",
        "  want = 2147483648",
        "  lock disk:/var",
        "",
        "before  df -B1 --output=avail -- '${{ inputs.mount }}'  [read, at most 5 min]",
        "    | df -B1 --output=avail -- /var",
    ]
    assert "4  Grow the volume  [unsafe, no time limit, verify]" in shown


def test_no_value_can_move_the_cursor() -> None:
    made = plan_of(
        "name: x\ninputs: {a: {required: true}}\nsteps: [{run: [echo, '${{ inputs.a }}']}]", a="\x1b[2J\r\x07"
    )
    assert "\x1b" not in text(made) and "\\x1b[2J\\x0d\\x07" in text(made)


def test_nothing_is_executed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    source = f"name: x\ninputs: {{a: {{default: '$(touch {trap})'}}}}\nsteps:\n"
    source += f"  - {{run: 'touch {trap}', effect: read}}\n  - run: [touch, {trap}, '${{{{ inputs.a }}}}']\n"
    text(plan_of(source))
    assert not trap.exists()


def test_a_duration_is_shown_with_its_unit_and_what_was_not_given_is_said() -> None:
    source = """
name: waits
inputs: {pause: {type: duration, default: 1m30s}, count: {type: int}, force: {type: bool, default: false}}
steps: [{wait: {for: "${{ inputs.pause }}"}}]
"""
    shown = text(plan_of(source)).splitlines()[1:4]
    assert shown == ["  pause = 90s", "  count = (not given)", "  force = false"]


CHANGES = """
name: x
inputs: {flag: {type: string, default: on}, at: {type: string, default: /etc/app.conf}}
steps:
  - {id: look, effect: read, run: [a], outputs: {pool: {text: true, type: int}}}
  - {id: file, timeout: 1m, run: [b], change: {file: "${{ inputs.at }}"}}
  - {id: unit, timeout: 1m, run: [c], change: {unit: app.service}}
  - {id: key, timeout: 1m, run: [d], change: {redis: "limit:${{ steps.look.outputs.pool }}", url: 'redis://h'}}
  - {id: other, timeout: 1m, run: [e], change: {what: the pool, from: "${{ steps.look.outputs.pool }}", to: "5"}}
"""


def test_what_a_step_changes_is_told() -> None:
    steps = planned(CHANGES)
    assert [steps[path].change for path in ("look", "file", "unit", "key", "other")] == [
        "", "file /etc/app.conf", "unit app.service", "redis limit:<unknown>", "the pool, from <unknown> to 5",
    ]  # fmt: skip
    assert "\n    changes: file /etc/app.conf\n    | b" in text(plan_of(CHANGES))
    assert document(plan_of(CHANGES))["steps"][2]["change"] == "unit app.service"
