"""Hosts that do not say whether a step still runs: only what is known to rest is at rest."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from incidents.errors import AlreadyAnswered
from incidents.store import open_store
from runbooks import consent, procfs, question, recover
from tests.crash.harness import PERSON
from tests.stories import test_targets
from tests.stories.scene import kill, until
from tests.stories.test_targets import Far

far = test_targets.far  # the fixture

BOOK = """
name: silent
steps:
  - {id: warm, effect: read, targets: {hosts: web1}, timeout: 60s, run: "true"}
  - id: act
    effect: EFFECT
    targets: {hosts: web1}
    timeout: 3s
    grace: 1s
    RETRY
    run: "echo $$ > 'ACTS.pid'; echo begun >> 'ACTS'; for i in $(seq 80); do echo tick $i; sleep 0.5; done"
    VERIFY
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
rescue:
  - {id: resc, timeout: 20s, run: "echo rescue >> 'ACTS'"}
"""
RESTS = "kill -0 $(cat 'ACTS.pid') && exit 5; echo verified >> 'ACTS'"


def begin(far: Far, effect: str = "unsafe", verify: str = "", retry: str = "") -> None:
    """The step has begun, its link is cut, and the host says nothing to the driver."""
    far.begin(BOOK.replace("EFFECT", effect).replace("VERIFY", verify).replace("RETRY", retry))
    far.scene.wait_for_act("begun")
    far.server.refuse()
    far.server.cut()


def asked(far: Far, times: int = 1) -> list[dict[str, object]]:
    """What the questions of the run show."""
    return until(lambda: found if len(found := _shows(far)) >= times else None, f"{times} questions")


def _shows(far: Far) -> list[dict[str, object]]:
    return [dict(e.data["shows"]) for e in far.scene.events() if e.kind == "question.asked"]


def begun(far: Far) -> list[str]:
    """What was begun beside `warm`, which leaves the seconds of `act` to what it is about."""
    parts = [(str(e.step), e.data["part"]) for e in far.scene.events() if e.kind == "step.started"]
    return [f"{step}:{part}" for step, part in parts if not step.startswith("warm")]


@pytest.mark.parametrize("effect", ["unsafe", "idempotent"])
def test_what_may_still_run_is_asked_of_a_person_and_nothing_else_begins(far: Far, effect: str) -> None:
    begin(
        far,
        effect,
        'verify: {no: [10], run: "exit 10"}' if effect == "unsafe" else "",
        "" if effect == "unsafe" else "retry: {max: 3}",
    )
    [shows] = asked(far)
    assert shows["running"] == "" and "web1 cannot be reached" in str(shows["unknown"])
    time.sleep(1)  # if something would begin, it would by now
    assert begun(far) == ["act@web1:run"] and far.scene.acts() == ["begun"]
    assert far.scene.status("act@web1") == "in_doubt"


def test_the_card_says_that_it_is_unknown_and_what_a_retry_risks(far: Far) -> None:
    begin(far)
    asked(far)
    with open_store(far.scene.store) as store:
        run, runbook = recover.read(store, far.scene.run())
    card = question.card(run, run.open_questions()[0], runbook)
    facts = {fact.name: fact.text for fact in card.facts}
    assert facts["still running"].startswith("UNKNOWN: web1 does not answer (as of 2")
    [retry] = [answer for answer in card.answers if answer.word == "retry"]
    assert "BESIDE the earlier one if that still runs" in retry.risk and retry.command.endswith(" --beside")
    told = far("retry", "act@web1")
    assert told.code == 4 and "nobody knows whether act@web1 still runs: web1 cannot be reached" in told.err
    assert far.scene.status("act@web1") == "in_doubt"


def test_as_soon_as_the_host_answers_time_ends_it_and_verify_has_the_word(far: Far) -> None:
    far.hosts(far.server.host("web1"))
    book = BOOK.replace("EFFECT", "unsafe").replace("RETRY", "")
    book = book.replace("VERIFY", f'verify: {{no: [10], run: "{RESTS}"}}')
    far.scene.sit("run", far.scene.runbook(book), PATH=far.server.path, HOME=far.server.folder)  # stays up
    far.scene.wait_for_act("begun")
    far.server.refuse()
    far.server.cut()
    asked(far)
    far.server.refuse(False)
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    assert far.scene.acts() == ["begun", "verified", "next"]
    assert [e.kind for e in far.scene.events() if e.kind.startswith("question.")] == [
        "question.asked",
        "question.void",
    ]
    ends = [e for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1"]
    assert [e.data["status"] for e in ends] == ["in_doubt", "in_doubt", "ok"]
    assert ends[1].data["why"] == "stopped: its time was up"


def test_an_answer_that_comes_after_the_host_spoke_is_told_so(far: Far) -> None:
    begin(far)
    asked(far)
    with open_store(far.scene.store) as store:
        late, doubt = consent.find(store, far.scene.run(), "done")
        until(lambda: not far.scene.drives(), "the end of the driver, which nobody attends")
        far.server.refuse(False)
        assert far("resume").code == 3
        with pytest.raises(AlreadyAnswered, match="no longer asked"):
            consent.record(store, consent.answer(late, doubt, "done", PERSON))
    assert far.scene.status("act@web1") == "in_doubt"


def test_a_driver_that_comes_later_asks_the_host_before_it_asks_a_person_again(far: Far) -> None:
    begin(far)
    asked(far)
    until(lambda: not far.scene.drives(), "the end of the driver, which nobody attends")
    far.server.refuse(False)
    assert far("resume").code == 3
    first, second = asked(far, 2)
    assert first["unknown"] and "unknown" not in second and second["running"] == ""
    assert second["why"] == "stopped: its time was up"


def test_a_retry_that_meets_a_silent_host_is_no_failure_and_asks_again(far: Far) -> None:
    begin(far)
    asked(far)
    with open_store(far.scene.store) as store:
        run, doubt = consent.find(store, far.scene.run(), "retry")
        consent.record(store, consent.answer(run, doubt, "retry", PERSON))
    far("resume")
    _, second = asked(far, 2)
    assert "whether an earlier attempt still runs is not known" in str(second["why"]) or second["unknown"]
    assert begun(far) == ["act@web1:run"] and far.scene.acts() == ["begun"]


def test_what_a_person_had_begin_beside_it_and_that_fails_starts_no_rescue(far: Far) -> None:
    begin(far)
    asked(far)
    Path(far.server.folder, "authorized").write_text("")  # now it lets nobody in
    assert far("retry", "act@web1", "--beside").code == 0
    asked(far, 2)
    assert far.scene.acts() == ["begun"] and far.scene.status("act@web1") == "in_doubt"
    assert "an earlier attempt runs, or may run" in far.why("act@web1")


def test_an_idempotent_step_is_judged_when_its_host_answers_and_may_be_made_again(far: Far) -> None:
    begin(far, "idempotent", retry="retry: {max: 1}")
    asked(far)
    until(lambda: not far.scene.drives(), "the end of the driver, which nobody attends")
    far.server.refuse(False)
    assert far("resume").code == 0  # by the rescue
    assert far.scene.acts() == ["begun", "begun", "rescue"]
    ends = [e.data["status"] for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1"]
    assert ends == ["in_doubt", "again", "failed"]


# -- hosts that let us in, and no more ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "says"),
    [
        ("echo 'Choose: 1) mail 2) games'; sleep 33", "Choose: 1) mail 2) games"),
        (
            "echo 'This account is currently not available.'; exit 1",
            "This account is currently not available.",
        ),
        ("read line; sleep 33", "did not run what we sent, and says nothing"),
    ],
)
def test_a_host_that_never_greets_is_unreachable_for_nothing_was_sent(
    far: Far, shell: str, says: str
) -> None:
    path = Path(far.server.folder, "shell")
    path.write_text(f"#!/bin/sh\n{shell}\n")
    path.chmod(0o755)
    key = Path(far.server.folder, "user.pub").read_text()
    Path(far.server.folder, "authorized").write_text(f'command="{path}" {key}')
    told = far.run(
        "name: one\nsteps:\n  - {id: act, targets: {hosts: web1}, timeout: 4s, run: \"echo hi >> 'ACTS'\"}\n"
    )
    assert told.code == 1, told
    assert says in far.why("act@web1") and far.why("act") == "1 unreachable (web1)"
    assert far.scene.acts() == []


def test_a_relay_that_was_killed_is_started_anew(far: Far) -> None:
    if far.transport == "ssh":
        far.hosts(far.server.host("web1").replace("address:", "transport: asyncssh, address:"))
        Path(far.scene.folder, "howdah.yaml").write_text(
            Path(far.scene.folder, "howdah.yaml").read_text().replace("transport: ssh, ", "")
        )
    far.begin("""
name: relay
steps:
  - {id: act, timeout: 30s, targets: {hosts: web1}, run: "echo act >> 'ACTS'"}
  - {id: hold, timeout: 30s, effect: read, run: "until [ -e 'ACTS.go' ]; do sleep 0.1; done"}
  - {id: then, timeout: 30s, targets: {hosts: web1}, run: "echo then >> 'ACTS'"}
""")
    far.scene.wait_for("step.started", path="hold")
    for pid in far.scene.ours():
        if "runbooks.targets.wide" in procfs.command(pid):
            kill(pid)
    Path(far.scene.acts_file + ".go").touch()
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    assert far.scene.acts() == ["act", "then"]
