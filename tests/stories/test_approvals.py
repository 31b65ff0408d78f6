"""A step that needs other people: who may approve, what exactly they approve, and how long that holds."""

from __future__ import annotations

import json
import os

import pytest

from incidents.events import Actor, Draft
from incidents.store import open_store
from runbooks import consent, driver
from tests.stories.scene import Scene, until

PEOPLE = """
people:
  nova: {unix: [nova, root], roles: [oncall], discord: "93847562934875629"}
  ada: {unix: ada, roles: [oncall]}
  kim: {unix: kim, roles: [oncall]}
  eve: {unix: eve}
  malte: {unix: ops, roles: [oncall]}
  hazel: {unix: ops, roles: [oncall]}
"""
GROW = """
name: grow
inputs: {size: {type: bytes, default: 1GiB}}
steps:
  - id: before
    effect: read
    run: [echo, "12"]
    outputs: {avail: {text: true, type: int}}
  - id: grow
    approve: {from: [oncall], count: 2, show: [steps.before.outputs.avail], EXPIRES}
    run: [bash, -c, "echo grown >> 'ACTS'"]
    undo: {run: "echo shrunk >> 'ACTS'"}
"""


@pytest.fixture
def parked(scene: Scene) -> str:
    """A run that nova has started, and that waits for two others."""
    return park(scene)


def park(scene: Scene, expires: str = "expires: 10m", by: str = "nova") -> str:
    with open(os.path.join(scene.folder, "howdah.yaml"), "w", encoding="utf-8") as file:
        file.write(PEOPLE)
    assert scene("run", scene.runbook(GROW.replace("EXPIRES", expires)), by=by).code == 3
    return scene.run()


def gate(scene: Scene) -> str:
    return str(next(q for q in scene.journal().open_questions() if q.what == "approve").shows["gate"])


def test_it_runs_when_as_many_as_must_have_approved(scene: Scene, parked: str) -> None:
    assert scene.ok("approve", "grow", by="ada").endswith("ada approves, 1 of 2\n")
    assert scene.acts() == []
    assert scene.ok("approve", f"{parked}/grow", "--gate", gate(scene), by="kim").endswith(
        "kim approves, 2 of 2\n"
    )
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == ["grown"]
    told = scene.ok("timeline")
    assert "grow: approved" in told and "grow: may go on: approved by ada, kim" in told


def test_what_is_asked_says_exactly_what_would_happen_and_who_must_agree(scene: Scene, parked: str) -> None:
    told = scene("attach", parked, by="ada").out
    for line in (
        "Approve: bash", "can be undone", "steps.before.outputs.avail", "2 of oncall, not by who started the run",
        "0 of 2", f"--gate {gate(scene)}", "decline",
    ):  # fmt: skip
        assert line in told, told


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("nova", "nova started run-"),
        ("root", "nova started run-"),  # her other account
        ("eve", "eve may not approve"),
        ("stranger", "stranger is not in people:"),
        ("ops", "this account is malte and hazel's"),
    ],
)
def test_who_may_not_approve_is_refused_with_the_reason(scene: Scene, parked: str, by: str, why: str) -> None:
    refused = scene("approve", "grow", by=by)
    assert refused.code == 4 and why in refused.err, refused
    assert "Traceback" not in refused.err
    assert scene.journal().open_questions()[0].approvals == []


def test_a_name_that_is_claimed_on_a_shared_account_is_nobody_s_approval(scene: Scene, parked: str) -> None:
    refused = scene("approve", "grow", by="ops", HOWDAH_AS="malte")
    assert refused.code == 4 and "must be one person's" in refused.err


def test_one_person_counts_once(scene: Scene, parked: str) -> None:
    scene.ok("approve", "grow", by="ada")
    again = scene("approve", "grow", by="ada")
    assert again.code == 4 and "you have approved" in again.err
    assert scene.acts() == []


def test_of_many_who_approve_at_once_each_counts_once(scene: Scene, parked: str) -> None:
    people = [scene.begin("approve", "grow", by=by) for by in ("ada", "ada", "ada")]
    codes = sorted(process.wait() for process in people)
    assert (
        codes == [0, 4, 4] or codes == [0, 0, 0] or codes == [0, 0, 4]
    )  # a repeat at the same moment is one approval
    assert [event.actor.id for event in scene.events() if event.kind == "approval.given"] == ["ada"]
    assert scene.acts() == []


def test_a_declined_step_fails_with_the_reason_and_nothing_runs(scene: Scene, parked: str) -> None:
    assert scene("decline", "grow", by="ada").code == 2
    assert "declined" in scene.ok("decline", "grow", "--why", "the volume is someone else's", by="ada")
    assert scene.wait_for("run.ended").data["status"] == "failed"
    assert scene.acts() == []
    assert "declined by ada: the volume is someone else's" in scene.ok("steps", parked)


@pytest.mark.parametrize("by", ["eve", "stranger"])
def test_who_is_not_asked_can_neither_decline_nor_skip(scene: Scene, parked: str, by: str) -> None:
    refused = scene("decline", "grow", "--why", "no", by=by)
    assert refused.code == 4 and f"{by} is not asked for {parked}/grow and cannot decline" in refused.err, (
        refused
    )
    skipped = scene("skip", "grow", by=by)
    assert skipped.code == 4 and f"{by} is not asked for {parked}/grow and cannot skip" in skipped.err, (
        skipped
    )
    assert scene.journal().open_questions()[0].what == "approve"
    keys = scene.sit("attach", by=by)
    keys.see("Your answer?")
    keys.press("ss")
    keys.see("cannot skip it")
    assert scene.journal().open_questions()[0].what == "approve"


@pytest.mark.parametrize("by", ["nova", "ops"])
def test_who_started_it_may_take_it_back_and_a_shared_account_may_say_no(
    scene: Scene, parked: str, by: str
) -> None:
    assert scene("decline", "grow", "--why", "no", by=by).code == 0
    assert scene.wait_for("run.ended").data["status"] == "failed"


def test_who_is_asked_may_go_on_without_the_step(scene: Scene, parked: str) -> None:
    scene.ok("skip", "grow", by="kim")
    assert scene.wait_for("run.ended").data["status"] == "ok"
    assert scene.acts() == []


def test_what_was_approved_too_late_is_asked_anew(scene: Scene) -> None:
    run = park(scene, "expires: 1s")
    first = gate(scene)
    until(lambda: consent.expired(scene.journal().open_questions()[0]), "the expiry")
    late = scene("approve", "grow", by="ada")
    assert late.code == 4 and "this is too late" in late.err
    question = until(
        lambda: next((q for q in scene.journal().open_questions() if not q.approvals), None), "a new question"
    )
    assert question.shows["gate"] == first  # the same act, asked anew
    assert sum(event.kind == "question.asked" for event in scene.events()) >= 2
    assert scene.acts() == []
    scene.ok("abort", run)
    assert scene.wait_for("run.ended").data["status"] == "aborted"


def test_an_approval_of_another_gate_is_refused(scene: Scene, parked: str) -> None:
    refused = scene("approve", "grow", "--gate", "0123456789ab", by="ada")
    assert refused.code == 4 and "has moved on" in refused.err
    assert scene.journal().open_questions()[0].approvals == []


def test_without_people_anybody_may_but_who_started_it(scene: Scene) -> None:
    assert (
        scene(
            "run", scene.runbook(GROW.replace("EXPIRES", "expires: 10m").replace("count: 2", "count: 1"))
        ).code
        == 3
    )
    own = scene("approve", "grow")
    assert own.code == 4 and "cannot be the second person" in own.err
    scene.ok("approve", "grow", by="ada")
    assert scene.wait_for("run.ended").data["status"] == "ok"


def test_a_block_is_approved_whole_and_its_conditions_are_looked_at_live(scene: Scene) -> None:
    book = scene.runbook("""
name: block
steps:
  - id: both
    approve: {}
    block:
      - {id: look, effect: read, run: "test -e ACTS && echo there || echo absent", outputs: {seen: {text: true}}}
      - id: act
        require: "${{ steps.look.outputs.seen == 'absent' }}"
        run: "echo acted >> ACTS"
""")
    assert scene("run", book).code == 3
    bound = scene.journal().open_questions()[0].shows["bound"]
    assert [one["path"] for one in bound["does"]["block"]] == ["both/look", "both/act"]
    with open(scene.acts_file, "w", encoding="utf-8") as file:
        file.write("before\n")
    scene.ok("approve", "both", by="ada")
    assert scene.wait_for("run.ended").data["status"] == "failed"
    assert scene.acts() == ["before"]


def test_a_retry_of_a_doubt_is_approved_anew(scene: Scene) -> None:
    book = scene.runbook("""
name: doubt
steps:
  - id: act
    approve: {}
    run: "echo acted >> 'ACTS'; kill -9 $$"
""")
    assert scene("run", book).code == 3
    scene.ok("approve", "act", by="ada")
    until(lambda: any(q.what == "doubt" for q in scene.journal().open_questions()), "the doubt")
    scene.ok("retry", "act")
    until(lambda: any(q.what == "approve" for q in scene.journal().open_questions()), "the second approval")
    assert scene.acts() == ["acted"]
    scene.ok("approve", "act", by="ada")
    until(lambda: scene.acts() == ["acted", "acted"], "the second act")


def test_the_answer_as_json(scene: Scene, parked: str) -> None:
    document = json.loads(scene.ok("--json", "approve", "grow", by="ada"))
    assert {name: document[name] for name in ("run", "step", "answer", "approvals", "count")} == {
        "run": parked, "step": "grow", "answer": "approve", "approvals": 1, "count": 2,
    }  # fmt: skip


def test_the_postmortem_names_who_approved(scene: Scene, parked: str) -> None:
    scene.ok("approve", "grow", by="ada")
    scene.ok("approve", "grow", by="kim")
    scene.wait_for("run.ended")
    written = scene.ok("postmortem", by="nova")
    assert "ada: approve<br>kim: approve" in written and "driver: approve" not in written


@pytest.mark.parametrize(
    ("place", "then"), [("before-intent:grow", "grown once"), ("after-launch:grow", "in doubt or done")]
)
def test_a_driver_that_dies_at_the_gate_asks_nobody_again_and_acts_once(
    scene: Scene, parked: str, place: str, then: str
) -> None:
    scene.ok("approve", "grow", by="ada")
    scene.ok("approve", "grow", by="kim", HOWDAH_TEST_KILL=place)
    until(lambda: driver.lock_is_free(driver.run_dir(scene.store, parked)), "the driver's death")
    scene("resume", parked)
    until(lambda: scene.acts() == ["grown"] or scene.journal().open_questions(), "what comes of it")
    asked = [event.data["what"] for event in scene.events() if event.kind == "question.asked"]
    assert asked in (["approve"], ["approve", "doubt"]) and len(scene.acts()) <= 1
    if then == "grown once":
        assert scene.wait_for("run.ended").data["status"] == "ok" and asked == ["approve"]


def test_a_gate_that_has_changed_is_asked_anew_with_what_is_different(scene: Scene, parked: str) -> None:
    """As after an update of howdah that renders a step in another way: here the recorded gate is another's."""
    scene.ok("approve", "grow", by="ada")
    question = scene.journal().open_questions()[0]
    other = {
        **question.shows,
        "gate": "0123456789ab",
        "bound": {**question.shows["bound"], "in": "/elsewhere"},
    }
    with open_store(scene.store) as store:
        run = consent.read_run(store, parked)
        actor = Actor("system", "driver")
        void = Draft(
            stream=run.stream, kind="question.void", actor=actor, data={"question": question.id}, run=parked
        )
        data = consent.asked(run, "grow", "approve", other)
        store.append(
            [
                void,
                Draft(
                    stream=run.stream, kind="question.asked", actor=actor, data=data, run=parked, step="grow"
                ),
            ]
        )
    scene("resume", parked)
    again = until(
        lambda: next((q for q in scene.journal().open_questions() if q.shows.get("again")), None),
        "the question anew",
    )
    assert again.approvals == [] and again.shows["gate"] != "0123456789ab"
    assert "-in: /elsewhere" in again.shows["again"] and f"+in: {scene.folder}" in again.shows["again"]
    assert scene.acts() == []


def test_doctor_says_whose_approval_nobody_can_give(scene: Scene) -> None:
    os.mkdir(os.path.join(scene.folder, "runbooks"))
    scene.runbook(PEOPLE, "howdah.yaml")
    scene.runbook("""
name: strict
allow: [oncal]
steps:
  - {id: six, timeout: 1m, approve: {from: [oncall, steward], count: 9}, run: "true"}
""", "runbooks/strict.yaml")  # fmt: skip
    told = scene("doctor").text
    for line in (
        "strict: 'oncal' is no person and no role",
        "'steward' is no",
        "six needs 9 who approve, and 5 may",
    ):
        assert line in told, told
