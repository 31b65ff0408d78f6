"""What may start now, from the runbook and the journal alone."""

from __future__ import annotations

import itertools
from typing import Any

from incidents import clock
from incidents.events import Actor, Draft
from runbooks import flow, journal
from runbooks.document import Runbook
from runbooks.loader import loads

NOVA = Actor("human", "nova")
TICK = itertools.count(1)


def told(run: journal.Run, kind: str, **data: Any) -> None:
    draft = Draft(stream="inc-1", kind=kind, actor=NOVA, data=data, run=run.id)
    journal.apply(run, draft, clock.Reading(next(TICK), "boot", next(TICK)))


def settled(run: journal.Run, path: str, status: str) -> None:
    told(run, "step.ended", path=path, status=status)


def at(runbook: Runbook, run: journal.Run) -> str:
    move = flow.next_move(runbook, run)
    if isinstance(move, flow.At):
        return f"at {move.step.path}"
    if isinstance(move, flow.Undo):
        return f"undo {move.step.path}"
    return f"end {move.status}"


def book(text: str) -> Runbook:
    return loads("name: t\n" + text, "t.yaml")


SAVED = """
steps:
  - {id: a, effect: read, run: "true"}
  - {id: b, effect: read, run: "true"}
rescue:
  - {id: r, effect: read, run: "true"}
always:
  - {id: z, effect: read, run: "true"}
"""


def test_steps_run_in_order_and_always_comes_last() -> None:
    runbook, run = book(SAVED), journal.Run("run-x")
    for path in ("a", "b", "always/z"):
        assert at(runbook, run) == f"at {path}"
        settled(run, path, "ok")
    assert at(runbook, run) == "end ok"


def test_a_failure_goes_to_rescue_and_a_rescued_run_is_ok() -> None:
    runbook, run = book(SAVED), journal.Run("run-x")
    settled(run, "a", "failed")
    assert at(runbook, run) == "at rescue/r"
    settled(run, "rescue/r", "ok")
    assert at(runbook, run) == "at always/z"
    settled(run, "always/z", "ok")
    assert at(runbook, run) == "end ok"


def test_a_failed_rescue_fails_the_run_after_always() -> None:
    runbook, run = book(SAVED), journal.Run("run-x")
    settled(run, "a", "failed")
    settled(run, "rescue/r", "failed")
    settled(run, "always/z", "ok")
    assert at(runbook, run) == "end failed"


def test_rescue_never_runs_for_a_step_in_doubt() -> None:
    runbook, run = book(SAVED.replace("effect: read", "effect: unsafe", 1)), journal.Run("run-x")
    told(run, "step.started", path="a", name="a", n=1, attempt=1, effect="unsafe")
    told(run, "step.ended", path="a", status="in_doubt", n=1)
    assert at(runbook, run) == "at a"


def test_a_failed_always_fails_a_run_that_was_ok() -> None:
    runbook, run = book(SAVED), journal.Run("run-x")
    for path, status in (("a", "ok"), ("b", "ok"), ("always/z", "failed")):
        settled(run, path, status)
    assert at(runbook, run) == "end failed"


BLOCK = """
steps:
  - id: grow
    block:
      - {id: a, effect: read, run: "true"}
      - {id: b, effect: read, run: "true"}
    rescue:
      - {id: r, effect: read, run: "true"}
    always:
      - {id: z, effect: read, run: "true"}
  - {id: last, effect: read, run: "true"}
"""


def test_a_block_is_rescued_by_its_own_rescue_and_the_run_goes_on() -> None:
    runbook, run = book(BLOCK), journal.Run("run-x")
    assert at(runbook, run) == "at grow/a"
    settled(run, "grow/a", "failed")
    assert at(runbook, run) == "at grow/rescue/r"
    settled(run, "grow/rescue/r", "ok")
    assert at(runbook, run) == "at grow/always/z"
    settled(run, "grow/always/z", "ok")
    assert at(runbook, run) == "at last"


def test_an_abort_inside_a_block_still_runs_the_blocks_always() -> None:
    runbook, run = book(BLOCK), journal.Run("run-x")
    settled(run, "grow/a", "ok")
    told(run, "run.request", what="abort")
    assert at(runbook, run) == "at grow/always/z"
    settled(run, "grow/always/z", "ok")
    assert at(runbook, run) == "end aborted"


def test_an_abort_before_a_block_enters_nothing_of_it() -> None:
    runbook, run = book(BLOCK), journal.Run("run-x")
    told(run, "run.request", what="abort")
    assert at(runbook, run) == "end aborted"


def test_a_block_with_a_gate_comes_up_itself_until_it_was_entered() -> None:
    runbook, run = (
        book(BLOCK.replace("id: grow\n", 'id: grow\n    if: "${{ 1 == 1 }}"\n')),
        journal.Run("run-x"),
    )
    assert at(runbook, run) == "at grow"
    settled(run, "grow", "entered")
    assert at(runbook, run) == "at grow/a"


def test_a_skipped_block_is_passed_over_whole() -> None:
    runbook, run = (
        book(BLOCK.replace("id: grow\n", 'id: grow\n    if: "${{ 1 == 1 }}"\n')),
        journal.Run("run-x"),
    )
    settled(run, "grow", "skipped")
    assert at(runbook, run) == "at last"


def test_a_stop_ends_every_list_and_is_not_rescued() -> None:
    text = """
steps:
  - block:
      - {id: s, stop: {status: failed, say: enough}}
    rescue:
      - {id: r, effect: read, run: "true"}
rescue:
  - {id: r2, effect: read, run: "true"}
always:
  - {id: z, effect: read, run: "true"}
"""
    runbook, run = book(text), journal.Run("run-x")
    assert at(runbook, run) == "at 1/s"
    settled(run, "1/s", "ok")
    assert at(runbook, run) == "at always/z"
    settled(run, "always/z", "ok")
    assert at(runbook, run) == "end failed"


UNDO = """
steps:
  - {id: a, effect: idempotent, run: "true", undo: {run: "true"}}
  - {id: b, effect: idempotent, run: "true"}
  - {id: c, effect: idempotent, run: "false", continue-on-error: true, undo: {run: "true"}}
  - {id: d, effect: idempotent, run: "false", undo: {run: "true"}}
"""


def test_undo_takes_ok_and_continued_steps_in_reverse_order_of_their_outcomes() -> None:
    runbook, run = book(UNDO), journal.Run("run-x")
    for path, status in (("a", "ok"), ("b", "ok"), ("c", "continued"), ("d", "failed")):
        settled(run, path, status)
    assert [step.path for step in flow.undo_order(runbook, run)] == ["c", "a"]


def test_an_undo_goes_through_its_steps_and_ends_undone() -> None:
    runbook, run = book(UNDO), journal.Run("run-x")
    settled(run, "a", "ok")
    told(run, "undo.started", steps=["a"], after="failed")
    assert at(runbook, run) == "undo a"
    told(run, "step.started", path="a", name="a", n=1, attempt=1, effect="unsafe", part="undo")
    told(run, "step.ended", path="a", status="undone", n=1, part="undo")
    assert at(runbook, run) == "end undone"


def test_blocks_of_an_always_list_run_also_when_the_run_is_aborted() -> None:
    runbook, run = (
        book("""
steps:
  - {id: a, effect: read, run: "true"}
always:
  - id: tidy
    block:
      - {id: z, effect: read, run: "true"}
    always:
      - {id: zz, effect: read, run: "true"}
"""),
        journal.Run("run-x"),
    )
    told(run, "run.request", what="abort")
    assert at(runbook, run) == "at always/tidy/z"
    settled(run, "always/tidy/z", "ok")
    assert at(runbook, run) == "at always/tidy/always/zz"
    settled(run, "always/tidy/always/zz", "ok")
    assert at(runbook, run) == "end aborted"
