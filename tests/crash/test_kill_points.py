"""kill -9 of the driver at every named point: the state named is exact, and resume does what section 6 says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.harness import Bench, bench

POINTS = ("before-intent", "after-intent", "after-launch", "before-outcome", "after-outcome")

STEP = """
name: kill
steps:
  - id: first
    effect: read
    run: "true"
  - id: act
    effect: {effect}
    timeout: 20s
    run: "echo act >> {{acts}}"
{verify}
  - id: last
    effect: read
    run: "true"
"""

VERIFIES = {
    "none": "",
    "happened": "    verify: {run: [grep, -q, act, '{acts}'], no: [1]}",
    "says no": "    verify: {no: [10], run: exit 10}",
    "does not know": "    verify: {no: [10], run: exit 1}",
    "raises": "    verify: {no: [10], run: [python3, -c, 'raise SystemError']}",
    "is missing": "    verify: {no: [10], run: [/no/such/program]}",
    "times out": "    verify: {no: [10], timeout: 200ms, run: sleep 30}",
}


def text(effect: str, verify: str) -> str:
    return STEP.format(effect=effect, verify=VERIFIES[verify])


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


def began(run: Bench) -> bool:
    return run.journal().step("act").last("run") is not None


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("effect", ["read", "idempotent"])
def test_a_repeatable_step_ends_by_its_own_exit_or_fails_with_the_reason(
    folder: str, effect: str, point: str
) -> None:
    with bench(folder, text(effect, "none")) as run:
        assert run.start(f"{point}:act") is None
        run.settle()
        code = run.resume()
        state = run.journal().step("act")
        if point == "after-intent":  # the keeper never had the order
            assert (code, state.status) == (1, "failed")
            assert "before the keeper began it" in state.why
            assert run.acts("act") == 0
        else:
            assert (code, state.status) == (0, "ok")
            assert run.acts("act") == 1


@pytest.mark.parametrize("point", POINTS)
def test_an_unsafe_step_is_never_begun_twice(folder: str, point: str) -> None:
    with bench(folder, text("unsafe", "none")) as run:
        assert run.start(f"{point}:act") is None
        run.settle()
        code = run.resume()
        state = run.journal().step("act")
        if point == "after-intent":
            assert (code, state.status) == (3, "in_doubt")
            [question] = run.journal().open_questions()
            assert question.what == "doubt" and question.options == ["retry", "done", "skip", "abort"]
            assert run.acts("act") == 0
            run.answer("retry")
            assert run.resume() == 0
        else:
            assert (code, state.status) == (0, "ok")
        assert run.acts("act") == 1


def test_an_outcome_found_by_a_later_driver_is_marked_recovered(folder: str) -> None:
    with bench(folder, text("unsafe", "none")) as run:
        run.start("after-launch:act")
        run.settle()
        assert run.resume() == 0
        attempt = run.journal().step("act").last("run")
        assert attempt is not None and attempt.end is not None and attempt.end.recovered


SLOW = """
name: kill
steps:
  - id: act
    timeout: 20s
    run: "echo act >> {{acts}}; sleep 0.3; exec sleep 30"
{verify}
"""


@pytest.mark.parametrize(
    ("verify", "code", "status", "acts"),
    [
        ("none", 3, "in_doubt", 1),
        ("happened", 0, "ok", 1),
        ("does not know", 3, "in_doubt", 1),
        ("raises", 3, "in_doubt", 1),
        ("is missing", 3, "in_doubt", 1),
        ("times out", 3, "in_doubt", 1),
    ],
)
def test_driver_keeper_and_step_lost_together_is_a_doubt_that_only_verify_or_a_person_ends(
    folder: str, verify: str, code: int, status: str, acts: int
) -> None:
    with bench(folder, SLOW.format(verify=VERIFIES[verify])) as run:
        run.start(after="act", keeper_too=True)
        assert began(run)
        run.kill_step("act")
        assert run.resume() == code
        assert run.journal().step("act").status == status
        assert run.acts("act") == acts


def test_a_verify_exit_listed_under_no_lets_the_step_run_again(folder: str) -> None:
    once = "if test -e '{flag}'; then echo act >> '{acts}'; else touch '{flag}'; echo begun >> '{acts}'; exec sleep 30; fi"
    body = f"""
name: kill
steps:
  - id: act
    timeout: 20s
    run: {once!r}
    verify: {{no: [10], run: "grep -qx act '{{acts}}' || exit 10"}}
"""
    with bench(folder, body.replace("{flag}", f"{folder}/flag")) as run:
        run.start(after="begun", keeper_too=True)
        run.kill_step("act")
        assert run.resume() == 0
        state = run.journal().step("act")
        assert state.status == "ok" and state.count("run") == 2 and run.acts("act") == 1


def test_a_step_that_outlives_its_driver_is_followed_not_begun_again(folder: str) -> None:
    body = """
name: kill
steps:
  - id: act
    timeout: 20s
    run: "echo act >> {acts}; for i in 1 2 3 4 5 6 7 8; do echo tick $i; sleep 0.1; done"
    outputs: {last: {regex: 'tick (8)'}}
"""
    with bench(folder, body) as run:
        run.start(after="act")
        assert run.journal().step("act").status == "running"
        assert run.resume() == 0
        state = run.journal().step("act")
        assert (state.status, state.outputs, run.acts("act")) == ("ok", {"last": "8"}, 1)


def test_killed_between_two_commits_the_output_is_still_there_for_the_next_driver(folder: str) -> None:
    body = """
name: kill
steps:
  - id: act
    timeout: 20s
    run: "seq 1 20000"
    outputs: {last: {regex: '(20000)\\s*$', type: int}}
"""
    with bench(folder, body) as run:
        assert run.start("before-outcome:act") is None
        assert run.resume() == 0
        assert run.journal().step("act").outputs == {"last": 20000}


@pytest.mark.parametrize("point", ["after-run-started", "before-intent:first", "after-intent:first"])
def test_a_run_killed_at_its_beginning_can_be_taken_up(folder: str, point: str) -> None:
    with bench(
        folder,
        text("idempotent", "none").replace("effect: read", "effect: read\n    retry: {max: 1, delay: 10ms}"),
    ) as run:
        assert run.start(point) is None
        assert run.resume() == 0


def test_a_step_that_dies_again_and_again_is_not_begun_for_ever_on_the_word_of_verify(folder: str) -> None:
    body = """
name: dies
steps:
  - id: act
    timeout: 20s
    run: "echo act >> '{acts}'; kill -9 $$"
    verify: {no: [10], run: exit 10}
"""
    with bench(folder, body) as run:
        assert run.start() == 3
        [question] = run.journal().open_questions()
        assert question.what == "doubt" and "after 3 attempts a person decides" in question.shows["verify"]
        assert run.acts("act") == 3
