"""The loader: every mistake with its place and cure, and what a good file becomes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from incidents.errors import BadInput, Mistakes, NotFound
from runbooks.document import ArgvTemplate, Check, Retry, Runbook, Step, Stop, Template
from runbooks.expressions import condition, render
from runbooks.loader import available, find, load, loads
from runbooks.quoting import Script

CASES = Path(__file__).parents[1] / "cases" / "runbooks"
BAD = sorted(path.stem for path in (CASES / "bad").glob("*.yaml"))


@pytest.mark.parametrize("case", BAD)
def test_a_bad_runbook_is_told_all_that_is_wrong_with_it(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / "bad")
    with pytest.raises(BadInput) as caught:
        load(f"{case}.yaml")
    assert str(caught.value) + "\n" == Path(f"{case}.out").read_text()
    assert caught.value.exit_code == 2


def test_twelve_different_mistakes_are_told_in_one_go() -> None:
    with pytest.raises(Mistakes) as caught:
        load(str(CASES / "bad" / "twelve.yaml"))
    mistakes = caught.value.mistakes
    assert len(mistakes) == 12
    assert len({mistake.line for mistake in mistakes}) == 12
    assert all(mistake.hint for mistake in mistakes)


@pytest.fixture
def everything() -> Runbook:
    return load(str(CASES / "good" / "everything.yaml"))


def test_a_runbook_carries_its_text_and_digest(everything: Runbook) -> None:
    text = (CASES / "good" / "everything.yaml").read_text()
    assert everything.text == text
    assert everything.digest == hashlib.sha256(text.encode()).hexdigest()
    assert everything.name == "everything"
    assert everything.description == "Two lines\nof text."
    assert everything.allow == ("oncall", "ada")
    assert [lock.text for lock in everything.lock] == ["disk:${{ inputs.mount }}", "host:${{ inputs.host }}"]


def test_a_diagnosis_knows_the_types_of_its_own_result(everything: Runbook) -> None:
    find, second = everything.diagnose
    assert (find.id, find.name, find.timeout) == ("find", "Find one that is full", 2_000_000)
    assert (second.id, second.name, second.timeout) == ("2", "pgrep -c app", 5_000_000)
    names = {"inputs": {"count": 3}, "result": {"outputs": {"mount": "/srv", "rows": ["a"] * 4}}}
    assert condition(find.fits, names) is True
    assert render(find.says, names) == "/srv is full"
    assert {name: render(one, names) for name, one in find.offer.items()} == {"mount": "/srv", "want": "1GiB"}


def test_the_same_text_gives_the_same_runbook(everything: Runbook) -> None:
    assert loads(everything.text, everything.path) == everything


def test_a_path_is_made_of_ids_and_ordinals(everything: Runbook) -> None:
    assert [step.path for step in everything.walk()] == [
        "measure", "poll", "3", "4", "5", "6", "box", "box/grow", "box/2", "box/rescue/1", "box/always/1",
        "rescue/1", "always/last",
    ]  # fmt: skip
    assert everything.step("box/grow").id == "grow"
    with pytest.raises(KeyError):
        everything.step("box/1")


def test_every_step_has_a_name_that_says_what_it_does(everything: Runbook) -> None:
    names = {step.path: step.name for step in everything.walk()}
    assert names["measure"] == "Measure"
    assert names["poll"] == "curl -fsS http://127.0.0.1/"
    assert names["box/grow"] == "lvextend -L 120G /dev/vg0/data"
    assert names["box/2"] == "echo '${{ steps.grow.outputs.size }}'"
    assert names["3"] == "stop"
    long = loads("name: x\nsteps: [{run: '" + "y" * 200 + "'}]").steps[0].name
    assert (len(long), long[-1]) == (80, "…")
    assert loads("name: x\nsteps:\n  - run: |\n      # why\n      act\n").steps[0].name == "act"


def test_durations_are_microseconds_and_defaults_follow_the_effect(everything: Runbook) -> None:
    measure, poll, grow = everything.step("measure"), everything.step("poll"), everything.step("box/grow")
    assert (measure.effect, measure.timeout, measure.grace) == ("read", 20_000_000, 1_000_000)
    assert (poll.timeout, poll.grace) == (300_000_000, 5_000_000)
    assert poll.retry == Retry(30, 500_000, 1.5, frozenset((7, 22)))
    assert grow.effect == "unsafe"
    assert everything.step("box/2").timeout is None
    assert grow.verify is not None and grow.undo is not None and grow.undo.verify is not None
    assert (grow.verify.no, grow.verify.after, grow.verify.timeout) == (frozenset((10, 11)), True, 5_000_000)
    assert (grow.undo.effect, grow.undo.timeout, grow.undo.verify.timeout) == (
        "idempotent",
        60_000_000,
        60_000_000,
    )
    assert grow.undo.verify.no == frozenset((3,))


def test_each_kind_of_step_carries_its_own(everything: Runbook) -> None:
    by_path: dict[str, Step] = {step.path: step for step in everything.walk()}
    assert by_path["box/grow"].run == Script("lvextend -L 120G /dev/vg0/data\n", 59, 14, literal=True)
    stop = by_path["3"].stop
    assert isinstance(stop, Stop) and stop.status == "ok" and stop.say is not None
    check = by_path["4"].check
    assert isinstance(check, Check) and check.timeout == 1_000_000
    assert by_path["5"].wait is not None and isinstance(by_path["5"].wait.for_, Template)
    assert by_path["6"].wait is not None and by_path["6"].wait.for_ == 600_000_000
    assert by_path["measure"].inherit == ("SSH_AUTH_SOCK",)
    assert set(by_path["measure"].env) == {"PASSWORD", "WANT"}
    assert by_path["box/2"].continue_on_error
    assert by_path["box"].kind == "block" and len(by_path["box"].block) == 2
    assert by_path["measure"].where == (27, 5)


def test_an_unsafe_undo_without_timeout_has_no_bound() -> None:
    step = loads("name: x\nsteps: [{run: act, undo: {run: back}}]").steps[0]
    assert step.undo is not None
    assert (step.undo.effect, step.undo.timeout) == ("unsafe", None)


def test_until_may_be_bounded_by_a_timeout_alone() -> None:
    step = loads(
        "name: x\nsteps: [{run: a, effect: read, timeout: 1m, until: '${{ result.exit == 0 }}', retry: {delay: 3s}}]"
    )
    assert step.steps[0].retry == Retry(None, 3_000_000)


def test_until_sees_the_outputs_of_its_own_step_with_their_types() -> None:
    step = loads("""
name: x
steps:
  - run: uptime
    effect: read
    timeout: 1m
    outputs: {load: {text: true, type: number}}
    until: ${{ result.exit == 0 and result.outputs.load < 0.75 }}
""").steps[0]
    assert step.until is not None
    assert condition(step.until, {"result": {"exit": 0, "outputs": {"load": "0.5"}}})
    assert not condition(step.until, {"result": {"exit": 0, "outputs": {"load": "1"}}})


def test_the_sample_of_the_language_is_read_with_its_approval() -> None:
    text = (CASES / "good" / "sample.yaml").read_text()
    assert loads(text).name == "disk-full"
    approve = "    approve: {from: [oncall], count: 2, not_requester: true, expires: 10m, show: [steps.before.outputs.avail]}\n"
    grow = loads(text.replace("    run: [lvextend", approve + "    run: [lvextend"), "disk-full.yaml").steps[
        -1
    ]
    assert grow.approve is not None
    assert grow.approve[:4] == (("oncall",), 2, True, 600_000_000)
    assert [expr.text for expr in grow.approve.show] == ["steps.before.outputs.avail"]


def test_a_reference_may_look_back_into_blocks_and_rescues() -> None:
    runbook = """
name: x
steps:
  - block:
      - {id: a, run: act, outputs: {n: {text: true}}}
    rescue:
      - {id: b, run: [echo, "${{ steps.a.status }}"]}
    always:
      - run: [echo, "${{ steps.a.status }}", "${{ steps.b.status }}"]
  - run: [echo, "${{ steps.a.outputs.n }}", "${{ steps.b.status }}"]
"""
    assert len(list(loads(runbook).walk())) == 5


def test_an_expression_may_hold_a_brace_and_a_quote_in_a_text() -> None:
    step = loads("name: x\nsteps: [{run: [echo, \"${{ '}}' ~ '{{' }} }}\"]}]").steps[0]
    assert isinstance(step.run, ArgvTemplate)
    assert render(step.run[1], {}) == "}}{{ }}"


def test_a_file_of_nothing_but_mistakes_is_given_up() -> None:
    text = "name: x\nsteps:\n" + "".join(f"  - {{rum{n}: a}}\n" for n in range(15_000))
    with pytest.raises(Mistakes) as caught:
        loads(text)
    assert len(caught.value.mistakes) == 501
    assert "too many mistakes" in str(caught.value.mistakes[-1])


def test_a_file_of_ten_megabytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_text("name: x\nsteps:\n" + "  - run: 'true'\n" * 650_000)
    with pytest.raises(Mistakes, match="is larger than 1048576 bytes"):
        load(str(file))


# -- finding -------------------------------------------------------------------------------------------------


def runbook_at(path: Path, description: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"name: {path.stem}\ndescription: {description or path.stem}\nsteps: [{{run: 'true'}}]\n")
    return path


def test_a_name_with_a_slash_or_yaml_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runbook_at(tmp_path / "a.yaml")
    monkeypatch.chdir(tmp_path)
    assert find("a.yaml", beside=None) == ("a.yaml", [])
    assert find("./a.yaml", beside=None) == ("./a.yaml", [])
    with pytest.raises(NotFound, match=r"there is no file b\.yaml"):
        find("b.yaml", beside=None)


def test_runbooks_beside_the_configuration_come_before_the_library(tmp_path: Path) -> None:
    own = runbook_at(tmp_path / "runbooks" / "disk-full.yaml")
    found, hidden = find("disk-full", beside=str(tmp_path))
    assert found == str(own)
    assert [os.path.basename(path) for path in hidden] == ["disk-full.yaml"]
    found, hidden = find("disk-full", beside=None)
    assert found.endswith("runbooks/library/disk-full.yaml") and hidden == []


def test_beside_may_be_the_configuration_file_itself(tmp_path: Path) -> None:
    own = runbook_at(tmp_path / "runbooks" / "mine.yaml")
    (tmp_path / "howdah.yaml").write_text("{}\n")
    assert find("mine", beside=str(tmp_path / "howdah.yaml")) == (str(own), [])


def test_an_unknown_name_is_told_the_nearest(tmp_path: Path) -> None:
    runbook_at(tmp_path / "runbooks" / "restart-web.yaml")
    with pytest.raises(NotFound) as caught:
        find("restart-wbe", beside=str(tmp_path))
    assert str(caught.value) == "there is no runbook 'restart-wbe'; did you mean restart-web?"
    with pytest.raises(NotFound):
        find("", beside=None)
    with pytest.raises(NotFound):
        find("a\0b", beside=None)


def test_what_is_available_is_listed_once_with_its_first_line(tmp_path: Path) -> None:
    runbook_at(tmp_path / "runbooks" / "disk-full.yaml", "mine")
    (tmp_path / "runbooks" / "broken.yaml").write_text("steps: 3\n")
    found = {one.name: one for one in available(beside=str(tmp_path))}
    assert found["disk-full"].description == "mine"
    assert found["broken"].description == ""
    assert len([name for name in found if name == "disk-full"]) == 1


def test_every_runbook_of_the_library_loads() -> None:
    for one in available(beside=None):
        assert load(one.path).steps


def test_loading_brings_in_neither_jinja_nor_pydantic() -> None:
    code = (
        "import sys; from runbooks.loader import load; load(sys.argv[1]);"
        "print([m for m in ('jinja2', 'pydantic', 'asyncio', 'subprocess') if m in sys.modules])"
    )
    plain = str(CASES / "good" / "sample.yaml")
    out = subprocess.run(
        [sys.executable, "-c", code, plain], capture_output=True, text=True, check=True, timeout=60
    )
    assert out.stdout.strip() == "[]"
