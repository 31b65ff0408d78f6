"""Write a line, read it, put it right."""

from __future__ import annotations

import pytest

from incidents import Actor, Draft, clock, open_store, timeline
from tests.chatops.conftest import Howdah


@pytest.fixture
def open_one(howdah: Howdah) -> Howdah:
    howdah.ok("declare", "Media uploads fail", "--sev", "2")
    return howdah


def entries(howdah: Howdah, *args: str) -> list[str]:
    """The lines of the timeline's entries."""
    return [
        line.rstrip() for line in howdah.ok("timeline", *args).splitlines() if line.lstrip().startswith("#")
    ]


def test_a_note_is_one_line_and_answers_with_its_number(open_one: Howdah) -> None:
    assert open_one.ok("note", "restarted", "sidekiq") == "inc-1 #2  restarted sidekiq\n"


def test_a_note_may_come_from_standard_input(open_one: Howdah) -> None:
    event = open_one("note", "-", "--json", stdin="two\nlines \udcff\n").json["event"]
    assert event["body"] == "two\nlines \\xff"


def test_an_empty_note_and_one_without_text_are_mistakes(open_one: Howdah) -> None:
    assert open_one("note", "  ").err == "TEXT is empty; write what you want to say\n"
    assert open_one("note", "-", stdin="").err == "TEXT is empty; write what you want to say\n"
    assert open_one("note").err.startswith("note needs TEXT; howdah note TEXT… [--at TIME]")


def test_a_text_that_looks_like_an_option_is_explained(open_one: Howdah) -> None:
    answer = open_one("note", "-10", "percent")
    assert answer.code == 2
    assert answer.err.startswith(
        "no such option '-1'; put -- before a text that begins with -: howdah note TEXT…"
    )
    assert open_one.ok("note", "--", "-10", "percent") == "inc-1 #2  -10 percent\n"


def test_the_timeline_shows_local_time_and_utc_by_day_in_order_of_happening(open_one: Howdah) -> None:
    open_one.ok("note", "first reports", "--at", "19:20")
    open_one.ok("note", "the evening before", "--at", "2022-12-12T23:30Z", by="malte")
    assert open_one.ok("timeline") == (
        "inc-1  Media uploads fail" + " " * (100 - 25 - 20) + "sev2 · investigating\n"
        "\n"
        "Tue 13 Dec 2022 Europe/Berlin, UTC+01:00\n"
        "#3  00:30     23:30Z     malte  the evening before\n"
        "#2  19:20     18:20Z     nova   first reports\n"
        "#1  19:53:10  18:53:10Z  nova   declared sev2: Media uploads fail\n"
    )


def test_in_utc_there_is_one_column_of_times(open_one: Howdah) -> None:
    assert open_one.ok("timeline", "--utc").endswith(
        "\n\nTue 13 Dec 2022 UTC\n#1  18:53:10  nova  declared sev2: Media uploads fail\n"
    )
    assert open_one.ok("timeline", "--zone", "UTC") == open_one.ok("timeline", "--utc")


def test_a_change_of_the_clocks_begins_a_new_heading(open_one: Howdah) -> None:
    for at in ("2022-10-30T00:30Z", "2022-10-30T01:30Z"):  # 02:30 twice in Berlin
        open_one.ok("note", "x", "--at", at)
    out = open_one.ok("timeline")
    assert "Sun 30 Oct 2022 Europe/Berlin, UTC+02:00\n#2  02:30     00:30Z" in out
    assert "Sun 30 Oct 2022 Europe/Berlin, UTC+01:00\n#3  02:30     01:30Z" in out


def test_only_the_last_entries(open_one: Howdah) -> None:
    for number in range(5):
        open_one.ok("note", f"note {number}")
    out = open_one.ok("timeline", "--last", "2")
    assert "4 earlier entries are not shown\n" in out
    assert [line[-6:] for line in entries(open_one, "--last", "2")] == ["note 3", "note 4"]
    assert "not shown" not in open_one.ok("timeline", "--last", "50")


def test_a_correction_changes_what_is_read_and_names_its_author(open_one: Howdah) -> None:
    open_one.ok("note", "restarted sidekiq on node-2", "--at", "19:30")
    assert open_one.ok("correct", "#2", "restarted sidekiq on node-3", by="malte") == (
        "inc-1 #3  corrects #2: restarted sidekiq on node-3\n"
    )
    assert entries(open_one)[0] == (
        "#2  19:30     18:30Z     nova  restarted sidekiq on node-3 (corrected by malte, #3)"
    )
    entry = open_one("timeline", "--json").json["entries"][0]
    assert (entry["body"], entry["original_body"]) == (
        "restarted sidekiq on node-3",
        "restarted sidekiq on node-2",
    )


def test_a_time_can_be_corrected_and_moves_the_entry(open_one: Howdah) -> None:
    open_one.ok("note", "restarted sidekiq")
    out = open_one.ok("correct", "2", "--at", "19:01")
    assert out.endswith("#2 is now at Tue 13 Dec 2022 19:01 +01:00 (Europe/Berlin)\n")
    assert [line.split()[:2] for line in entries(open_one)] == [["#2", "19:01:00"], ["#1", "19:53:10"]]
    assert open_one("correct", "2").err == "nothing to correct; howdah correct 2 TEXT, or --at TIME\n"


def test_a_retracted_entry_stays_and_says_why(open_one: Howdah) -> None:
    open_one.ok("note", "it is the disk")
    assert open_one("retract", "2").err.startswith("retract needs --why; howdah retract N --why WHY")
    open_one.ok("retract", "2", "--why", "it was NFS", by="malte")
    assert entries(open_one)[1].endswith("it is the disk (retracted by malte, #3: it was NFS)")
    answer = open_one("retract", "2", "--why", "again")
    assert (answer.code, "retracted already" in answer.err) == (4, True)


def test_a_redacted_entry_is_gone_from_view_and_file(open_one: Howdah) -> None:
    open_one.ok("note", "the password is correct-horse-battery")
    open_one.ok("note", "token tok-123-secret")
    assert open_one.ok("redact", "2", "3", "--why", "secrets") == "inc-1 #4  redacted #2, #3: secrets\n"
    shown = open_one.ok("timeline", "--all") + open_one("timeline", "--json", "--all").out
    assert "content redacted (redacted by nova, #4: secrets)" in shown
    for file in open_one.folder.iterdir():
        if file.is_file():
            assert b"correct-horse" not in file.read_bytes(), file
            assert b"tok-123" not in file.read_bytes(), file


def test_an_entry_that_is_not_there_is_not_found(open_one: Howdah) -> None:
    for words in (("correct", "9", "x"), ("retract", "9", "--why", "x"), ("redact", "9", "--why", "x")):
        answer = open_one(*words)
        assert (answer.code, answer.err) == (2, "inc-1 has no entry #9; the last is #1: howdah timeline\n")


def test_what_another_entry_says_better_is_left_out_unless_all_is_asked_for(open_one: Howdah) -> None:
    open_one.ok("note", "x")
    open_one.ok("correct", "2", "y")
    nova = Actor("human", "nova")
    with open_store(str(open_one.store)) as store:
        started = {"path": "a", "name": "Look", "n": 4, "attempt": 1, "effect": "read"}
        ended = {"path": "a", "name": "Look", "n": 4, "status": "ok", "took": 12_000}
        timeline.record(
            store,
            Draft(stream="inc-1", kind="step.started", actor=nova, data=started, run="run-1"),
            Draft(stream="inc-1", kind="step.ended", actor=nova, data=ended, run="run-1"),
        )
    assert [line.split("nova", 1)[1].strip() for line in entries(open_one)[2:]] == ["Look: ok (12 ms)"]
    assert [line.split("nova", 1)[1].strip() for line in entries(open_one, "--all")[2:]] == [
        "Look: started",
        "Look: ok (12 ms)",
    ]


def test_what_people_wrote_cannot_act_on_the_terminal(open_one: Howdah) -> None:
    open_one.ok("note", "evil \x1b]0;title\x07 \x9b2J")
    for words in (("timeline",), ("status",), ("postmortem",), ("timeline", "--json"), ("show", "--json")):
        out = open_one(*words).out
        assert not {"\x1b", "\x07", "\x9b"} & set(out)


def test_milestones_are_entries_that_say_when_it_began(open_one: Howdah) -> None:
    open_one.ok("note", "uploads time out", "--at", "19:20", "--milestone", "started")
    assert entries(open_one)[0].endswith("uploads time out (started)")
    milestones = open_one("show", "--json").json["incident"]["milestones"]
    assert milestones["started"] == "2022-12-13T18:20:00.000000Z"


def test_an_update_is_for_the_outside(open_one: Howdah) -> None:
    event = open_one("update", "Uploads are back.", "--json").json["event"]
    assert (event["kind"], event["visibility"]) == ("update", "public")


def test_a_long_timeline_reads_in_the_same_time_zone_as_the_person(open_one: Howdah) -> None:
    open_one.later(26 * clock.HOUR)
    open_one.ok("note", "the day after")
    assert "Wed 14 Dec 2022 Europe/Berlin, UTC+01:00\n#2  21:53:10" in open_one.ok("timeline")


def test_a_note_for_a_chapter_is_written_after_the_end_too(open_one: Howdah) -> None:
    open_one.ok("resolve")
    said = open_one.ok("note", "--incident", "inc-1", "--about", "luck", "nova was awake")
    assert said == "inc-1 #3  luck: nova was awake\n"
    page = open_one.ok("postmortem")
    assert "**Luck**\n\n- entry 3: nova was awake\n" in page
    assert "| 3 |" not in page, "the timeline has only what happened"


def test_a_chapter_leaves_out_what_was_taken_back(open_one: Howdah) -> None:
    open_one.ok("note", "--about", "cause", "the moon")
    open_one.ok("retract", "2", "--why", "nobody believes that")
    assert "the moon" not in open_one.ok("postmortem")


def test_of_an_impact_the_postmortem_counts_how_long_it_lasted(open_one: Howdah) -> None:
    open_one.ok("note", "--about", "impact", "--at", "18:59", "--until", "19:06", "no uploads")
    (row,) = [line for line in open_one.ok("postmortem").splitlines() if "no uploads" in line]
    assert row.endswith("| ~7 min | 2 |")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "19:06"), "--until is the end of what began --at an earlier time"),
        (("--at", "19:06", "--until", "18:59"), "--until is the end of what began --at an earlier time"),
        (("--milestone", "started", "--about", "cause"), "--milestone and --about exclude each other"),
    ],
)
def test_a_chapter_or_an_end_that_cannot_be_is_refused(
    open_one: Howdah, words: tuple[str, ...], said: str
) -> None:
    answer = open_one("note", "it hurts", *words)
    assert answer.code == 2
    assert said in answer.err
    assert len(entries(open_one)) == 1


def test_every_chapter_has_words_and_can_be_written(open_one: Howdah) -> None:
    from chatops.commands.timeline import ABOUT
    from incidents import kinds, telling

    assert ABOUT == kinds.ABOUT == tuple(telling.CHAPTERS)
