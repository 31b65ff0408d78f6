"""Declare, say how it stands, end it, find it again."""

from __future__ import annotations

import pytest

from incidents import clock, open_store, timeline
from incidents.events import Actor, Draft
from tests.chatops.conftest import Howdah


def test_declare_opens_an_incident_and_says_what_comes_next(howdah: Howdah) -> None:
    assert howdah.ok("declare", "Media", "uploads fail", "--sev", "2") == (
        "inc-1 #1  declared sev2: Media uploads fail\n"
        "next: howdah note TEXT · howdah role commander me · howdah status\n"
    )
    event = howdah("show", "inc-1", "--json").json["incident"]
    assert (event["name"], event["severity"], event["status"], event["mode"]) == (
        "inc-1", "sev2", "investigating", "real",
    )  # fmt: skip


def test_the_first_event_ever_has_the_person_and_their_zone(howdah: Howdah) -> None:
    event = howdah("declare", "x", "--json", by="malte").json["event"]
    assert event["actor"] == {"type": "human", "id": "malte", "assurance": "claimed"}
    assert (event["zone"], event["at"]) == ("Europe/Berlin", "2022-12-13T18:53:10.000000Z")
    assert event["source"] == {"platform": "terminal"}


def test_a_time_that_was_given_is_echoed_with_date_and_zone(howdah: Howdah) -> None:
    out = howdah.ok("declare", "x", "--at", "19:30")
    assert "at Tue 13 Dec 2022 19:30 +01:00 (Europe/Berlin)\n" in out
    out = howdah.ok("note", "y", "--at", "14:05", "--zone", "America/Los_Angeles")
    assert out.endswith("at Mon 12 Dec 2022 14:05 -08:00 (America/Los_Angeles)\n")
    assert howdah.ok("note", "y", "--at", "-10m", "--zone", "UTC").endswith("at Tue 13 Dec 2022 18:43 UTC\n")


def test_the_future_is_refused_and_nothing_is_written(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    answer = howdah("note", "y", "--at", "2030-01-01T00:00Z")
    assert (answer.code, answer.out) == (2, "")
    assert "is in the future" in answer.err
    assert howdah("show", "--json").json["incident"]["last_seq"] == 1


def test_a_title_is_one_short_line(howdah: Howdah) -> None:
    assert "declared sev3: one ⏎ two\n" in howdah.ok("declare", "one\ntwo")
    assert "longer than 200" in howdah("declare", "x" * 201).err
    answer = howdah("declare")
    assert (answer.code, answer.err) == (
        2,
        "declare needs TITLE; howdah declare TITLE… [--sev LEVEL] [--at TIME] [--drill] [--retrospective] [--page-real]\n",
    )


def test_drill_and_retrospective_are_modes(howdah: Howdah) -> None:
    assert "--incident inc-1" in howdah.ok("declare", "x", "--drill")
    howdah.ok("declare", "y", "--retrospective", "--at", "2022-11-30T10:00Z")
    modes = {row["name"]: row["mode"] for row in howdah("list", "--json").json["incidents"]}
    assert modes == {"inc-1": "drill", "inc-2": "retrospective"}
    assert howdah("declare", "z", "--drill", "--retrospective").code == 2
    event = howdah("note", "in a drill", "--incident", "1", "--json").json["event"]
    assert event["mode"] == "drill"


# -- which incident


def test_without_an_open_incident_a_writing_word_says_how_to_declare(howdah: Howdah) -> None:
    answer = howdah("note", "x")
    assert (answer.code, answer.err) == (2, "no incident is open; howdah declare TITLE opens one\n")
    howdah.ok("declare", "x")
    howdah.ok("resolve")
    assert "--incident inc-1 names the last" in howdah("note", "x").err
    howdah.ok("note", "afterwards", "--incident", "inc-1")


def test_with_several_open_a_word_needs_to_know_which(howdah: Howdah) -> None:
    howdah.ok("declare", "one")
    howdah.ok("declare", "two", "--sev", "1")
    for words, naming in (
        (("note", "x"), "--incident inc-2"),
        (("status",), "--incident inc-2"),
        (("timeline",), "howdah timeline inc-2"),
        (("show",), "howdah show inc-2"),
    ):
        answer = howdah(*words)
        assert answer.code == 2
        assert answer.err == (
            "2 incidents are open:\n  inc-2  sev1 investigating  two\n  inc-1  sev3 investigating  one\n"
            f"name one: {naming}\n"
        )
    assert howdah("note", "x", "--json").error["code"] == "several_open"
    howdah.ok("note", "x", "--incident", "2")
    howdah.ok("resolve", "--incident", "2")
    assert howdah.ok("note", "y").startswith("inc-1 #2")


def test_drills_count_for_neither_reading_nor_writing_unless_named(howdah: Howdah) -> None:
    howdah.ok("declare", "real")
    howdah.ok("declare", "exercise", "--drill")
    assert howdah.ok("note", "x").startswith("inc-1")
    assert howdah.ok("status").startswith("inc-1")
    assert howdah.ok("status", "--incident", "inc-2").startswith("inc-2")
    howdah.ok("resolve")
    assert howdah.ok("status").startswith("inc-1"), "reading takes the last real one"


def test_an_incident_that_is_not_there_is_named(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    answer = howdah("note", "x", "--incident", "9")
    assert answer.code == 2
    assert answer.err == f"there is no incident inc-9 in {howdah.store}; there is inc-1\n"


# -- how it stands


def test_status_alone_shows_and_a_word_sets(howdah: Howdah) -> None:
    howdah.ok("declare", "Media uploads fail")
    assert howdah.ok("status", "identified") == "inc-1 #2  status is identified\n"
    howdah.later(72 * clock.MINUTE)
    assert howdah.ok("status") == (
        "inc-1  Media uploads fail" + " " * (100 - 25 - 17) + "sev3 · identified\n"
        "declared Tue 13 Dec 2022 19:53 +01:00 (Europe/Berlin), 1 h 12 min ago\n"
        "\n"
        "roles  nobody leads: howdah role commander me\n"
        "due    update at 23:53, in 2 h 48 min\n"
    )
    answer = howdah("status", "identfied")
    assert (answer.code, answer.err) == (2, "'identfied' is not a word; did you mean identified?\n")


def test_status_shows_roles_tasks_and_the_last_words_as_corrected(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("role", "commander", "me")
    howdah.ok("task", "add", "call the provider", "--owner", "malte")
    howdah.ok("task", "add", "done already")
    howdah.ok("task", "done", "2")
    howdah.ok("update", "we know", by="malte")
    howdah.ok("note", "quueue is empty")
    howdah.ok("correct", "7", "queue is empty")
    lines = howdah.ok("status").splitlines()
    assert lines[3:] == [
        "roles        commander: nova",
        "tasks        [ ] 1  call the provider (malte)",
        "last update  19:53  malte: we know",
        "last note    19:53  nova: queue is empty",
        "due          update at 23:53, in 4 h",
    ]


def test_severity_and_mitigation(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    assert howdah.ok("sev", "1", "--why", "federation is down too") == (
        "inc-1 #2  severity is sev1: federation is down too\n"
    )
    assert howdah.ok("mitigate", "uploads", "are", "off") == "inc-1 #3  mitigated: uploads are off\n"
    answer = howdah("mitigate")
    assert answer.code == 4
    assert "mitigated already" in answer.err


def test_resolve_prints_how_long_it_took_and_the_head_to_keep(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("task", "add", "write to the users")
    howdah.later(65 * clock.MINUTE)
    lines = howdah.ok("resolve", "disk", "replaced").splitlines()
    with open_store(str(howdah.store)) as store:
        head = store.head()
    assert lines == [
        "inc-1 #3  resolved: disk replaced",
        "inc-1 took 1 h 5 min",
        "still open: 1 task, kept for the postmortem",
        f"head 3:{head.hash}",
        "next: howdah postmortem inc-1",
    ]
    answer = howdah("resolve", "--incident", "1")
    assert (answer.code, "inc-1 is resolved" in answer.err) == (4, True)


def test_reopen_takes_the_last_incident_up_again(howdah: Howdah) -> None:
    assert howdah("reopen").code == 2
    howdah.ok("declare", "x")
    howdah.ok("resolve")
    assert howdah.ok("reopen", "it is back") == "inc-1 #3  reopened: it is back\n"
    assert howdah("reopen").code == 4
    howdah.ok("cancel", "a false alarm")
    assert howdah("status", "--json").json["incident"]["status"] == "cancelled"


def test_what_a_closed_incident_advises_reopens_that_incident_and_no_other(howdah: Howdah) -> None:
    for title in ("x", "y"):
        howdah.ok("declare", title)
        howdah.ok("resolve")
    refused = howdah("mitigate", "--incident", "1", "--json")
    assert (refused.code, refused.error["hint"]) == (4, "howdah reopen --incident inc-1 WHY")
    assert howdah.ok(*refused.error["hint"].split()[1:]) == "inc-1 #3  reopened: WHY\n"


def test_a_number_below_one_and_a_lock_that_nobody_holds_are_told_with_what_helps(howdah: Howdah) -> None:
    for number in ("0", "-1", "9" * 20):
        answer = howdah("list", "--limit", number)
        assert (answer.code, "is not a number from 1; write 12" in answer.err) == (2, True)
    answer = howdah("unlock", "disk:/var", "--why", "x", "--json")
    assert (answer.code, answer.error["hint"]) == (2, "howdah show INC shows the locks of its runs")


def test_a_time_that_no_record_can_hold_is_told_as_such(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    answer = howdah("note", "--at", "0001-01-01T00:00Z", "x")
    assert (answer.code, "within 285 years of it" in answer.err) == (2, True)


def _run_started(name: str, locks: list[str]) -> Draft:
    data = {
        "runbook": "disk-full", "digest": "ab" * 32, "file": "/x.yaml", "inputs": {}, "secrets": {}, "locks": locks,
        "journal": 1, "cwd": "/", "umask": 18, "path": "/bin",
    }  # fmt: skip
    return Draft(stream="inc-1", kind="run.started", actor=Actor("human", "malte"), data=data, run=name)


@pytest.mark.parametrize("word", ["resolve", "cancel"])
def test_an_incident_cannot_end_while_one_of_its_runs_has_not(howdah: Howdah, word: str) -> None:
    howdah.ok("declare", "x")
    with open_store(str(howdah.store)) as store:
        timeline.record(store, _run_started("run-abc234", ["disk:/var"]))
    answer = howdah(word)
    assert answer.code == 4
    assert answer.err.startswith(
        f"inc-1 cannot be {word}{'d' if word == 'resolve' else 'led'}: run-abc234 (disk-full)"
    )
    assert "howdah abort run-abc234" in answer.err
    assert "runs   run-abc234  disk-full  running, by malte" in howdah.ok("status")
    assert "locks  disk:/var  run-abc234 since " in howdah.ok("status")
    with open_store(str(howdah.store)) as store:
        ended = Draft(
            stream="inc-1", kind="run.ended", actor=Actor("human", "malte"), data={"status": "ok", "exit": 0},
            run="run-abc234",
        )  # fmt: skip
        timeline.record(store, ended)
    howdah.ok(word)


def test_status_says_which_run_waits_for_a_person(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    with open_store(str(howdah.store)) as store:
        question = {"question": "q", "path": "grow", "what": "confirm", "options": ["yes"]}
        asked = Draft(
            stream="inc-1",
            kind="question.asked",
            actor=Actor("system", "howdah"),
            data=question,
            run="run-abc234",
        )
        timeline.record(store, _run_started("run-abc234", []), asked)
    assert "\nruns   run-abc234  disk-full  asks at grow: howdah attach run-abc234\n" in howdah.ok("status")


# -- finding


def test_list_shows_the_newest_first(howdah: Howdah) -> None:
    assert howdah.ok("list") == "no incident was ever declared here\n"
    howdah.ok("declare", "first")
    howdah.ok("resolve")
    howdah.later(2 * clock.DAY)
    howdah.ok("declare", "second", "--sev", "1")
    assert howdah.ok("list") == (
        "incident  sev   status         declared          title\n"
        "inc-2     sev1  investigating  19:53             second\n"
        "inc-1     sev3  resolved       Tue 13 Dec 19:53  first\n"
    )
    assert [row["name"] for row in howdah("list", "--open", "--json").json["incidents"]] == ["inc-2"]
    assert [row["name"] for row in howdah("list", "--limit", "1", "--json").json["incidents"]] == ["inc-2"]


def test_show_says_everything_about_an_incident(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    howdah.ok("task", "add", "done already")
    howdah.ok("task", "done", "1")
    howdah.ok("note", "Prometheus paged", "--at", "19:40", "--milestone", "detected")
    howdah.later(clock.HOUR)
    howdah.ok("resolve")
    out = howdah.ok("show", "1")
    assert "resolved after 1 h" in out
    assert "tasks      [x] 1  done already\n" in out
    assert "times      detected  Tue 13 Dec 2022 19:40:00 +01:00 (Europe/Berlin)\n" in out


def test_show_of_a_run_tells_its_steps(howdah: Howdah) -> None:
    howdah.ok("declare", "x")
    nova = Actor("human", "nova")
    with open_store(str(howdah.store)) as store, clock.freeze(howdah.at or 0):
        timeline.record(
            store,
            _run_started("run-abc234", []),
            Draft(
                stream="inc-1", kind="step.started", actor=nova, run="run-abc234",
                data={"path": "grow", "name": "Grow it", "n": 3, "attempt": 1, "effect": "unsafe", "argv": ["true"]},
            ),
            Draft(
                stream="inc-1", kind="step.ended", actor=nova, run="run-abc234",
                data={"path": "grow", "name": "Grow it", "n": 3, "status": "failed", "exit": 5, "took": 1_500_000},
            ),
        )  # fmt: skip
    out = howdah.ok("show", "run-abc234")
    assert out.splitlines()[-2:] == [
        "step  result   took  what",
        "grow  failed  1.5 s  Grow it: exit 5",
    ]
    steps = howdah("show", "run-abc234", "--json").json["run"]["steps"]
    assert [(s["path"], s["result"], s["took"], s["attempts"]) for s in steps] == [
        ("grow", "failed", 1_500_000, 1)
    ]
    assert howdah("show", "run-zzz").code == 2


# -- again


def test_the_same_key_again_records_nothing_twice(howdah: Howdah) -> None:
    for words in (
        ("declare", "x", "--key", "d"), ("note", "y", "--key", "n"), ("task", "add", "t", "--key", "t"),
        ("role", "commander", "me", "--key", "r"), ("mitigate", "--key", "m"), ("resolve", "--key", "z"),
    ):  # fmt: skip
        first, again = howdah(*words, "--json").json["event"], howdah(*words, "--json").json["event"]
        assert (first["id"], first["replayed"], again["replayed"]) == (again["id"], False, True), words
    assert howdah("show", "1", "--json").json["incident"]["last_seq"] == 6
    assert "recorded before, by this key" in howdah.ok("note", "y", "--key", "n")
    answer = howdah("note", "another text", "--key", "n", "--json")
    assert (answer.code, answer.error["code"]) == (2, "key_conflict")
