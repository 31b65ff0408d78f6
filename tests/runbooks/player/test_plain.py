"""A run as lines without a terminal, and as lines of JSON."""

from __future__ import annotations

import io
import json
import re
from fractions import Fraction

import pytest

from incidents import clock
from incidents.errors import HowdahError
from incidents.visible import visible
from runbooks import follow
from runbooks.player.plain import Plain
from runbooks.player.safe import output_lines
from runbooks.player.stream import Stream
from runbooks.question import card
from runbooks.samples import Track
from tests.runbooks.player.logbook import Logbook, golden, runbook, up_to_the_doubt, up_to_the_question


def told(log: Logbook, zone: str = "Europe/Berlin") -> str:
    """The whole log, its open questions, and the last words."""
    out = io.StringIO()
    plain = Plain(out, zone)
    plain.tell(log.events, log.run)
    for question in log.run.open_questions():
        plain.ask(card(log.run, question, runbook()))
    plain.close(follow.summary(log.run, log.now), None)
    return out.getvalue()


def test_each_event_is_one_line_with_its_time_and_a_question_is_told_in_full_with_its_commands() -> None:
    log, _ = up_to_the_question()
    golden("plain-confirm.txt", told(log))


def test_the_numbers_of_a_watched_step_are_told_every_ten_seconds_or_when_one_has_doubled() -> None:
    log, out = Logbook(), io.StringIO()
    log.begin()
    numbers: list[Fraction] = []
    watched: dict[str, list[Track]] = {}
    plain = Plain(out, "UTC", watched=lambda: watched)
    with clock.freeze(clock.parse_iso("2022-12-13T18:53:00Z")):
        for number in (100, 110, 150, 199, 210, 420, 419, 418, 0):  # one a second, then one after a long time
            clock.advance((11 if number == 418 else 1) * clock.SECOND)
            numbers.append(Fraction(number))
            watched["drain"] = [Track("waiting", tuple(numbers), "-2.5")]
            plain.draw(log.run, [], bytes)
            plain.draw(log.run, [], bytes)
    shown = [line.split("drain")[1].strip().partition(" ")[2] for line in out.getvalue().splitlines()]
    assert shown == [
        "100, −2.5/s", "210 (100–210), −2.5/s", "420 (100–420), −2.5/s", "418 (100–420), −2.5/s", "0 (0–420), −2.5/s"
    ]  # fmt: skip


def test_a_doubt_is_told_in_full_with_its_commands() -> None:
    log, _ = up_to_the_doubt(running="lvextend (pid 4711)")
    golden("plain-doubt.txt", told(log))


def test_a_failed_run_is_told_to_its_end_in_another_zone_over_midnight() -> None:
    log, question = up_to_the_doubt()
    log.answer(question, "done", outputs={"size": ["120G"]})
    n = log.start("room/fs", "Grow the filesystem", argv=["resize2fs", "/dev/vg0/data"])
    log.write("step.overdue", step="room/fs", path="room/fs", n=n, ran=301_000_000)
    log.write("run.request", actor=log.events[0].actor, what="stop", path="room/fs")
    log.end(
        "room/fs",
        n,
        "failed",
        exit=1,
        why="exit 1",
        tail="\n".join(f"line {i}" for i in range(40)),
        dropped=5,
        bytes=9,
    )
    log.wait(6 * 3_600_000_000)
    log.did("always/after", "Measure again", services=["redis (pid 9)"], survivors=["cat (pid 10)"])
    log.write("undo.started", steps=["rotate"])
    log.write("run.paused")
    log.write("run.resumed", pid=7)
    log.write("run.ended", status="failed", exit=1, say="it did not help")
    log.write("note", run=None, body="gone", redacted=True)
    golden("plain-failed.txt", told(log, "UTC"))


HOSTILE = "\x1b[2J\x1b]0;t\x07\u202e\x9b1m\x00\rline\nsecond"


def test_no_control_character_of_an_output_reaches_the_reader() -> None:
    log = Logbook()
    log.begin(inputs={"a": HOSTILE})
    n = log.start("before", "x", argv=["echo", HOSTILE.replace("\0", "")])
    log.end("before", n, "failed", why=HOSTILE, tail=HOSTILE, outputs={"o": HOSTILE}, services=[HOSTILE])
    log.write("note", run=None, body=HOSTILE)
    log.ask(
        "look",
        "doubt",
        text=HOSTILE,
        why=HOSTILE,
        tail=HOSTILE,
        name=HOSTILE,
        script=HOSTILE,
        running=HOSTILE,
    )
    out = io.StringIO()
    plain = Plain(out, "UTC")
    plain.tell(log.events, log.run)
    for question in log.run.open_questions():
        plain.ask(card(log.run, question))
    plain.say(HOSTILE)
    plain.close(follow.summary(log.run, log.now), HowdahError(HOSTILE, hint=HOSTILE))
    assert "second" in out.getvalue()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out.getvalue())


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        ("a\nb\n", ["a", "b"]),
        ("10%\r50%\r100%\r\ndone", ["100%", "done"]),
        ("10%\r50%\r", ["50%"]),
        ("\x1b[31mred\x1b[0m\x1b[K", ["red"]),
        ("\x1b[2Jx", ["\\x1b[2Jx"]),
        ("a\tb", ["a    b"]),
        ("\n\n", []),
        ("", []),
        ("a\n\nb", ["a", "", "b"]),
    ],
)
def test_an_output_reads_as_a_terminal_would_have_left_it(output: str, lines: list[str]) -> None:
    assert output_lines(output) == lines


def test_what_could_act_on_a_terminal_is_written_out() -> None:
    assert visible("\x1b\u202e\ud800") == "\\x1b\\u202e\\ud800"


# -- JSON --------------------------------------------------------------------------------------------------


def streamed(log: Logbook) -> list[dict[str, object]]:
    out, err = io.StringIO(), io.StringIO()
    stream = Stream(out, err)
    stream.tell(log.events, log.run)
    stream.close(follow.summary(log.run, log.now), None)
    assert err.getvalue() == ""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_event_is_one_line_of_json_with_its_instants_in_rfc_3339() -> None:
    log, _ = up_to_the_doubt()
    lines = streamed(log)
    assert [line["kind"] for line in lines] == [event.kind for event in log.events]
    assert lines[0]["at"] == "2022-12-13T18:53:00.000000Z"
    assert lines[0]["data"] == log.events[0].data


def test_the_last_line_says_the_exit() -> None:
    log, _ = up_to_the_question()
    assert (streamed(log)[-1]["kind"], streamed(log)[-1]["exit"]) == ("run.parked", 3)
    log.write("run.ended", status="failed", exit=1)
    assert (streamed(log)[-1]["kind"], streamed(log)[-1]["exit"]) == ("run.ended", 1)


def test_an_output_in_json_cannot_act_on_a_terminal() -> None:
    log = Logbook()
    log.write("note", run=None, body=HOSTILE)
    out = io.StringIO()
    Stream(out, io.StringIO()).tell(log.events, log.run)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out.getvalue())
    assert json.loads(out.getvalue())["body"] == HOSTILE


def test_why_a_stream_ended_early_is_one_document_on_the_other_stream() -> None:
    log, _ = up_to_the_question()
    out, err = io.StringIO(), io.StringIO()
    summary = follow.summary(log.run, log.now)._replace(exit=5)
    Stream(out, err).close(summary, HowdahError("no room", hint="make some"))
    assert json.loads(err.getvalue()) == {
        "error": {"exit": 5, "code": "error", "message": "no room", "hint": "make some", "where": None}
    }
