"""A run's log, told: what a viewer reads of it, the list of its steps, its last words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incidents import clock, kinds
from incidents.events import Actor, Draft
from incidents.store import open_store
from incidents.store.protocol import Store
from runbooks import follow, journal, listing
from runbooks.loader import loads
from tests.runbooks.player.logbook import NOVA, Logbook, runbook, up_to_the_doubt, up_to_the_question

START: dict[str, Any] = {
    "runbook": "r", "digest": "d", "file": "f", "inputs": {}, "secrets": {}, "locks": [], "journal": 1, "cwd": "/",
    "umask": 18, "path": "/bin",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        data = {"title": "t", "severity": "sev3"}
        opened.append([Draft(stream="inc-*", kind="incident.declared", actor=NOVA, data=data)])
        yield opened


def draft(
    kind: str, run: str | None = "run-abcdef", actor: Actor = NOVA, body: str = "", **data: Any
) -> Draft:
    return Draft(stream="inc-1", kind=kind, actor=actor, run=run, data=data, body=body)


def test_a_follower_sees_each_event_of_its_run_once(store: Store) -> None:
    follower = follow.Follower(store, "run-abcdef", "inc-1")
    store.append([draft("run.started", **START)])
    assert [event.kind for event in follower.poll() if event.run] == ["run.started"]
    assert follower.poll() == []
    store.append([draft("run.paused"), draft("run.resumed", pid=1)])
    assert [event.kind for event in follower.poll()] == ["run.paused", "run.resumed"]
    assert follower.run.status == "running"


def test_a_follower_shows_what_people_write_and_not_the_steps_of_other_runs(store: Store) -> None:
    follower = follow.Follower(store, "run-abcdef", "inc-1", after=1)
    store.append([
        draft("run.started", **START), draft("run.started", run="run-other2", **START),
        draft("note", run=None, body="hello"), draft("run.ended", run="run-other2", status="ok", exit=0),
    ])  # fmt: skip
    assert [event.kind for event in follower.poll()] == ["run.started", "note"]
    assert follower.run.status == "running"


def test_a_follower_reads_any_number_of_events_in_one_poll(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PAGE", 3)
    store.append([draft("run.started", **START), *(draft("run.resumed", pid=n) for n in range(10))])
    follower = follow.Follower(store, "run-abcdef", "inc-1", after=1)
    assert len(follower.poll()) == 11


# -- rows --------------------------------------------------------------------------------------------------


def rows(log: Logbook) -> dict[str, listing.Row]:
    return {row.path: row for row in listing.rows(runbook(), log.run, log.now)}


def test_every_step_is_listed_before_it_has_begun_in_the_order_of_the_file() -> None:
    log = Logbook()
    log.begin()
    assert list(rows(log)) == ["before", "rotate", "room", "room/grow", "room/fs", "look", "always/after"]
    assert {row.status for row in rows(log).values()} == {"pending"}
    assert rows(log)["room/grow"].depth == 1


def test_a_rescue_is_listed_once_it_has_begun() -> None:
    log = Logbook()
    log.begin()
    log.did("before", "Measure the disk")
    log.start("room/rescue/tell", "Tell the channel")
    assert rows(log)["room/rescue/tell"].word == "running"


@pytest.mark.parametrize(
    ("inner", "status"),
    [
        ({}, "pending"),
        ({"room/grow": "ok"}, "entered"),
        ({"room/grow": "ok", "room/fs": "ok"}, "ok"),
        ({"room/grow": "ok", "room/fs": "skipped"}, "ok"),
        ({"room/grow": "failed"}, "failed"),
        ({"room/grow": "failed", "room/rescue/tell": "ok"}, "ok"),
        ({"room/grow": "failed", "room/rescue/tell": "failed"}, "failed"),
        ({"room/grow": "running"}, "entered"),
        ({"room/grow": "in_doubt"}, "entered"),
        ({"room/grow": "aborted"}, "aborted"),
        ({"room/grow": "failed", "room/rescue/tell": "running"}, "entered"),
    ],
)
def test_a_block_stands_where_its_steps_stand(inner: dict[str, str], status: str) -> None:
    log = Logbook()
    log.begin()
    for path, one in inner.items():
        log.run.steps[path] = journal.StepState(path, status=one)
    assert rows(log)["room"].status == status


STOPS = """
name: stops
steps:
  - id: outer
    block:
      - id: inner
        block: [{id: end, stop: {status: STATUS}}, {id: never, effect: read, run: [x]}]
  - {id: after, effect: read, run: [x]}
"""


@pytest.mark.parametrize("status", ["ok", "failed"])
def test_a_block_that_a_stop_has_ended_is_not_under_way(status: str) -> None:
    log = Logbook()
    log.begin()
    book = loads(STOPS.replace("STATUS", status))
    log.run.steps["outer/inner/end"] = journal.StepState("outer/inner/end", status="ok")
    told = {row.path: row.status for row in listing.rows(book, log.run, log.now)}
    assert (told["outer"], told["outer/inner"], told["after"]) == (status, status, "pending")


def test_nothing_is_under_way_once_its_run_has_ended() -> None:
    """An abort between two steps of a block leaves no step that was aborted."""
    log = Logbook()
    log.begin()
    book = loads(STOPS.replace("STATUS", "ok"))
    log.run.steps["outer"] = journal.StepState("outer", status="entered")
    log.run.steps["outer/inner/never"] = journal.StepState("outer/inner/never", status="ok")
    log.run.status, log.run.end = "ended", kinds.RunEnded("aborted", 1)
    assert {row.path: row.word for row in listing.rows(book, log.run, log.now)}["outer"] == "aborted"
    assert listing.rows(None, log.run, log.now)[0].word == "over"


def test_the_time_of_a_step_is_what_its_programs_ran_not_what_people_took_to_answer() -> None:
    log, question = up_to_the_doubt()
    log.wait(8 * clock.HOUR)
    log.answer(question, "done")
    assert rows(log)["room/grow"].took == "12 s"
    assert "vouched for by nova" in rows(log)["room/grow"].detail


@pytest.mark.parametrize(
    ("what", "answer", "then", "detail"),
    [
        ("confirm", "yes", "ok", "confirmed by nova"),
        ("confirm", "yes", "failed", "confirmed by nova"),
        ("confirm", "skip", None, "skipped by nova"),
        ("manual", "done", "ok", "done by nova"),
        ("manual", "abort", None, "aborted by nova"),
    ],
)
def test_a_settled_step_names_the_person_who_decided(
    what: str, answer: str, then: str | None, detail: str
) -> None:
    log = Logbook()
    log.begin()
    log.answer(log.ask("look", what), answer)
    if then is not None:
        log.end("look", None, then, took=None)
    assert detail in rows(log)["look"].detail


def test_who_confirmed_an_act_is_not_said_to_have_undone_it() -> None:
    log = Logbook()
    log.begin()
    log.answer(log.ask("rotate", "confirm"), "yes")
    log.did("rotate", "Rotate the logs")
    log.write("undo.started", steps=["rotate"])
    log.end("rotate", log.start("rotate", "Rotate the logs", part="undo"), "undone", part="undo")
    assert rows(log)["rotate"].word == "undone"
    assert "nova" not in rows(log)["rotate"].detail


def test_a_running_step_shows_the_time_up_to_now_and_its_attempt() -> None:
    log = Logbook()
    log.begin()
    log.start("rotate", "Rotate the logs", attempt=2)
    log.wait(7 * clock.SECOND)
    row = rows(log)["rotate"]
    assert (row.word, row.took, row.mark) == ("running", "7.0 s", "▸")
    assert "attempt 2" in row.detail


def test_a_time_that_only_the_wall_clock_can_tell_is_marked() -> None:
    log = Logbook()
    log.begin()
    log.start("rotate", "Rotate the logs")
    after_a_boot = clock.Reading(log.at + 3 * clock.SECOND, "boot-2", 5)
    row = next(row for row in listing.rows(runbook(), log.run, after_a_boot) if row.path == "rotate")
    assert row.took == "~3.0 s"


def test_a_clock_that_stepped_back_is_unknown() -> None:
    log = Logbook()
    log.begin()
    log.start("rotate", "Rotate the logs")
    earlier = clock.Reading(log.at - 1, "boot-2", 5)
    assert next(r for r in listing.rows(runbook(), log.run, earlier) if r.path == "rotate").took == "unknown"


def test_a_wait_shows_what_is_left_of_it() -> None:
    log = Logbook()
    log.begin()
    log.start("look", "Wait", part="wait", timeout=60 * clock.SECOND)
    log.wait(20 * clock.SECOND)
    assert rows(log)["look"].detail == "40 s left"


def test_an_overdue_step_says_that_nothing_kills_it() -> None:
    log = Logbook()
    log.begin()
    n = log.start("rotate", "Rotate the logs", effect="unsafe")
    log.write("step.overdue", step="rotate", path="rotate", n=n, ran=301 * clock.SECOND)
    assert "overdue" in rows(log)["rotate"].detail


def test_a_step_that_waits_for_an_answer_asks_and_a_doubt_keeps_its_name() -> None:
    log, _ = up_to_the_question()
    assert (rows(log)["room/grow"].word, rows(log)["room/grow"].mark) == ("asks", "?")
    log, _ = up_to_the_doubt()
    assert (rows(log)["room/grow"].word, rows(log)["room/grow"].mark) == ("IN DOUBT", "?")


def test_what_a_step_left_behind_is_named() -> None:
    log = Logbook()
    log.begin()
    log.did("before", "Measure the disk", services=["redis-server (pid 7)"], recovered=True)
    detail = rows(log)["before"].detail
    assert "left running: redis-server (pid 7)" in detail
    assert "found after a crash" in detail


def test_without_the_runbook_the_log_alone_is_told() -> None:
    log, _ = up_to_the_question()
    assert [row.path for row in listing.rows(None, log.run, log.now)] == ["before", "rotate"]


def test_steps_that_an_ended_run_did_not_reach_say_so() -> None:
    log = Logbook()
    log.begin()
    log.write("run.ended", status="aborted", exit=1)
    assert {row.word for row in rows(log).values()} == {"not reached"}


def test_every_status_of_the_journal_has_a_word_and_a_tone_with_a_mark() -> None:
    assert set(listing.STATUSES) == set(journal.TABLE)
    assert all(tone in listing.MARKS for _, tone in listing.STATUSES.values())


# -- the end -----------------------------------------------------------------------------------------------


def test_the_summary_of_an_ended_run_holds_status_time_and_the_meaning_of_its_exit() -> None:
    log = Logbook()
    log.begin()
    log.did("before", "Measure the disk")
    log.wait(59 * clock.SECOND)
    log.write("run.ended", status="ok", exit=0, say="enough space already")
    told = follow.summary(log.run, log.now)
    assert told.line == "disk-full ended: ok after 1 min (exit 0: done as asked): enough space already"
    assert (told.counts, told.exit, told.tone) == ("1 ok", 0, "good")


@pytest.mark.parametrize(("status", "tone"), [("failed", "bad"), ("aborted", "bad"), ("undone", "warn")])
def test_an_end_that_is_no_success_is_never_shown_as_one(status: str, tone: str) -> None:
    log = Logbook()
    log.begin()
    log.write("run.ended", status=status, exit=1)
    assert follow.summary(log.run, log.now).tone == tone


def test_the_summary_of_a_paused_run_names_its_doubts_and_how_it_goes_on() -> None:
    log, _ = up_to_the_doubt()
    log.write("run.paused")
    told = follow.summary(log.run, log.now, howdah="howdah --store x.db")
    assert told.next == ("howdah --store x.db resume run-abcdef",)
    assert told.doubts == ("room/grow is IN DOUBT: killed by signal 9",)
    assert told.counts == "2 ok, 1 IN DOUBT"


def test_a_run_that_has_not_begun_has_a_summary() -> None:
    assert "has not begun" in follow.summary(journal.Run("run-abcdef"), clock.Reading(0, "b", 0)).line


def test_the_end_of_a_run_whose_start_was_redacted_can_be_told() -> None:
    log = Logbook()
    log.write("run.started", redacted=True)
    log.write("run.ended", status="failed", exit=1)
    assert follow.summary(log.run, log.now).line.startswith("run-abcdef ended: failed")


def test_of_many_outputs_those_that_say_something_are_shown_and_the_rest_is_counted() -> None:
    outputs = {f"empty{number}": "" for number in range(9)} | {
        "cause": "stale",
        "waiting": 3,
        "long": "x" * 100,
    }
    shown = listing.shown_outputs(outputs)
    assert shown.endswith(" and 4 more")
    assert "cause = stale" in shown and "waiting = 3" in shown and "long = xxx" in shown and len(shown) < 200
    assert listing.shown_outputs({"b": "", "a": "1"}) == "b = , a = 1"
