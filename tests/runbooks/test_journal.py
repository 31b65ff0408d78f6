"""The transition table and the rules of doubt (design, section 6)."""

from __future__ import annotations

import dataclasses

import pytest

from incidents import clock, kinds
from incidents.errors import IllegalTransition
from incidents.events import Actor
from runbooks import doubt, journal, outcome
from runbooks.document import Retry, Step
from runbooks.doubt import Finish, judge, judge_verify
from runbooks.journal import Attempt, StepState, next_status
from runbooks.quoting import Script
from tests.runbooks.player.logbook import Logbook, up_to_the_doubt


@pytest.mark.parametrize(
    "finish",
    [
        Finish(signal=9),
        Finish(exit=137),  # a shell reports that its last command was killed
        Finish(exit=129),
        Finish(exit=159),
        Finish(exit=0, stopping="timeout"),
        Finish(exit=1, stopping="person"),
        Finish(lost="the keeper was lost"),
    ],
)
def test_an_unsafe_attempt_without_an_exit_of_its_own_is_in_doubt(finish: Finish) -> None:
    assert judge("unsafe", finish)[0] == "in_doubt"


@pytest.mark.parametrize("effect", ["read", "idempotent"])
@pytest.mark.parametrize(
    "finish", [Finish(signal=9), Finish(exit=137), Finish(lost="x"), Finish(exit=0, stopping="timeout")]
)
def test_the_same_end_of_a_repeatable_attempt_is_a_failure_with_its_reason(
    effect: str, finish: Finish
) -> None:
    status, why = judge(effect, finish)
    assert status == "failed" and why


@pytest.mark.parametrize("code", [1, 2, 127, 128, 160, 255])
def test_an_exit_of_its_own_is_an_outcome_also_for_an_unsafe_step(code: int) -> None:
    assert judge("unsafe", Finish(exit=code)) == ("failed", f"exit {code}")


def test_a_program_that_could_not_be_started_has_not_happened() -> None:
    assert judge("unsafe", Finish(exit=127, unstarted="no such program"))[0] == "failed"


@pytest.mark.parametrize("code", range(1, 256))
def test_verify_answers_only_by_zero_and_by_the_exits_listed_under_no(code: int) -> None:
    assert judge_verify(frozenset(), Finish(exit=0))[0] == "ok"
    assert judge_verify(frozenset(), Finish(exit=code))[0] == "in_doubt"
    listed = judge_verify(frozenset({code}), Finish(exit=code))[0]
    assert listed == ("in_doubt" if code in doubt.SIGNAL_EXITS else "no")


def test_a_stopped_verify_is_no_answer_whatever_it_exits_with() -> None:
    assert judge_verify(frozenset({10}), Finish(exit=10, stopping="timeout"))[0] == "in_doubt"
    assert judge_verify(frozenset({10}), Finish(exit=0, stopping="timeout"))[0] == "in_doubt"


def test_an_illegal_event_names_both_sides() -> None:
    with pytest.raises(IllegalTransition, match="step grow is ok; run cannot follow"):
        next_status("grow", "ok", "run")


@pytest.mark.parametrize("finish", [Finish(exit=3), Finish(lost="x"), Finish(exit=255, unstarted="x")])
def test_nothing_has_failed_that_runs_or_may_unless_it_only_reads(finish: Finish) -> None:
    for effect in ("unsafe", "idempotent"):
        assert judge(effect, finish._replace(may_run=True))[0] == "in_doubt"
    assert judge("read", finish._replace(may_run=True))[0] == "failed"
    assert judge("idempotent", finish)[0] == "failed"


def test_a_verify_that_could_not_begin_says_nothing_whatever_is_listed() -> None:
    for code in (126, 127, 255):
        assert judge_verify(frozenset({code}), Finish(exit=code, unstarted="x"))[0] == "in_doubt"


def test_every_status_that_can_follow_has_a_row_and_every_row_can_be_reached() -> None:
    follow = {after for happenings in journal.TABLE.values() for after in happenings.values()}
    assert follow | {"pending"} == set(journal.TABLE)


def test_nothing_but_a_retry_or_a_listed_no_lets_a_doubtful_step_act_again() -> None:
    ways = {happening for happening, after in journal.TABLE["in_doubt"].items() if after == "confirmed"}
    assert ways == {"verify:no", "answer:retry", "answer:retry-beside", "run:again"}
    step = Step(
        "s", "run", "s", run=Script("true"), effect="unsafe", retry=Retry(9)
    )  # no loader lets this in
    state, command = StepState("s"), kinds.StepStarted("s", "s", 1, 1, "unsafe")
    act = Attempt(1, "s", "run", 1, "unsafe", clock.read(), command, Actor("system", "driver"))
    for finish in (
        Finish(lost="x"),
        Finish(exit=1),
        Finish(exit=1, may_run=True),
        Finish(stopping="timeout"),
    ):
        assert outcome.judge(step, state, act, finish, b"", dict).status != "again"
    assert "run" not in journal.TABLE["in_doubt"]
    again = {happening for happening, after in journal.TABLE["undo_doubt"].items() if after == "undo_again"}
    assert again == {"undo_verify:no", "answer:retry", "answer:retry-beside"}


def _night() -> Logbook:
    """A run with a doubt that a person answered, up to its end."""
    log, asked = up_to_the_doubt()
    log.answer(asked, "retry")
    log.end("room/grow", log.start("room/grow", "Grow the volume", attempt=2, effect="unsafe"), exit=0)
    log.write("run.ended", status="ok", exit=0)
    return log


@pytest.mark.parametrize("seq", range(1, len(_night().events) + 1))
def test_of_a_run_of_which_an_event_was_redacted_the_rest_can_be_folded(seq: int) -> None:
    """The course of the step that it tells of can no longer be told; the other steps and the end can."""
    night = _night()
    events = [
        event if event.seq != seq else dataclasses.replace(event, data={}, redacted=True)
        for event in night.events
    ]
    run = journal.fold("run-abcdef", events)
    gone = night.events[seq - 1]
    assert run.status == "ended" or gone.kind == "run.ended"
    for path, state in night.run.steps.items():
        if path != gone.step:
            assert run.steps[path].status == state.status


def test_an_outcome_of_an_attempt_that_nobody_began_is_none_of_this_table() -> None:
    log = Logbook()
    log.begin()
    with pytest.raises(IllegalTransition):
        log.end("room/grow", 7, exit=0)
