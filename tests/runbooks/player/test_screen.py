"""What a person at a terminal sees, frame by frame (tests/cases/player), and how the terminal is driven."""

from __future__ import annotations

import io
import os
import re
from fractions import Fraction

import pytest
from rich.text import Text

from incidents import clock, kinds
from runbooks import follow, listing
from runbooks.player import picture, screen
from runbooks.player.keys import Keyboard
from runbooks.question import card
from runbooks.samples import Track
from tests.runbooks.player.logbook import Logbook, frame, golden, runbook, up_to_the_doubt, up_to_the_question

SIZES = [(79, 23), (39, 23)]
sizes = pytest.mark.parametrize(("width", "height"), SIZES, ids=["80x24", "40x24"])


def stays(log: Logbook, width: int) -> list[Text]:
    """All lines that go to the scrollback, as the screen would write them."""
    out = io.StringIO()
    shown = screen.Screen(out, -1, zone="Europe/Berlin", asks=True, document=runbook, check=lambda c, v: None)
    shown._region.size = lambda: (width, 23)  # type: ignore[method-assign]
    shown.tell(log.events, log.run)
    return shown._stays


def live(log: Logbook, keyboard: Keyboard, output: str, width: int, height: int) -> list[Text]:
    rows = listing.rows(runbook(), log.run, log.now)
    return picture.live_lines(picture.Scene(rows, log.run, keyboard, output, log.now), width, height)


@sizes
def test_a_running_step_shows_its_output_and_what_is_to_come(width: int, height: int) -> None:
    log = Logbook()
    log.begin()
    log.did("before", "Measure the disk", outputs={"avail": 1073741824})
    log.start("rotate", "Rotate the logs", effect="idempotent", script="logrotate -f /etc/logrotate.d/app")
    log.wait(72 * clock.SECOND)
    output = "".join(
        f"rotating pattern {i}: /var/log/app/with/a/rather/long/name/{i}.log\n" for i in range(20)
    )
    shown = frame(stays(log, width), width) + "~" * width + "\n"
    golden(
        f"running-{width + 1}.txt",
        shown + frame(live(log, Keyboard(), output + "10%\r50%", width, height), width),
    )


@sizes
def test_the_numbers_of_a_watched_step_are_drawn_a_line_each(width: int, height: int) -> None:
    log = Logbook()
    log.begin()
    log.start("rotate", "Rotate the logs", effect="idempotent", script="logrotate -f /etc/logrotate.d/app")
    log.wait(72 * clock.SECOND)
    falls = tuple(Fraction(15_000 - 210 * place) for place in range(14))
    tracks = (
        Track("waiting", falls, "-210.0"),
        Track("dead", (Fraction(3),) * 5),
        Track(
            "age",
            (),
            "",
            "a look took longer than 5.0 s and was abandoned; what is left of it: process 7 (cat, state D)",
        ),
    )
    rows = listing.rows(runbook(), log.run, log.now)
    scene = picture.Scene(rows, log.run, Keyboard(), "", log.now, watched=tracks)
    golden(f"watched-{width + 1}.txt", frame(picture.live_lines(scene, width, height), width))


@sizes
def test_a_confirmation_shows_what_will_run_on_what_and_whether_it_can_be_undone(
    width: int, height: int
) -> None:
    log, question = up_to_the_question()
    keyboard = Keyboard()
    asked = card(log.run, question, runbook())
    keyboard.show([asked])
    shown = frame([*stays(log, width), *picture.card_lines(asked, width)], width) + "~" * width + "\n"
    golden(f"confirm-{width + 1}.txt", shown + frame(live(log, keyboard, "", width, height), width))


@sizes
def test_a_doubt_shows_how_it_ended_what_verify_said_and_what_each_answer_risks(
    width: int, height: int
) -> None:
    log, question = up_to_the_doubt(running="lvextend (pid 4711)")
    keyboard = Keyboard()
    asked = card(log.run, question, runbook())
    keyboard.show([asked])
    keyboard.press(["r"])
    shown = frame(picture.card_lines(asked, width), width) + "~" * width + "\n"
    golden(f"doubt-{width + 1}.txt", shown + frame(live(log, keyboard, "", width, height), width))


def test_a_done_asks_for_the_outputs_that_later_steps_read() -> None:
    log, question = up_to_the_doubt()
    keyboard = Keyboard()
    keyboard.show([card(log.run, question, runbook())])
    keyboard.press(["d"])
    keyboard.press(["d"])
    keyboard.press(list("120G"))
    golden("outputs-80.txt", frame(live(log, keyboard, "", 79, 23), 79))


def test_the_end_tells_what_became_of_the_run() -> None:
    log, question = up_to_the_doubt()
    log.answer(question, "skip")
    log.end(
        "room/fs",
        log.start("room/fs", "Grow the filesystem"),
        "failed",
        exit=1,
        why="exit 1",
        tail="no such device\n",
    )
    log.did("always/after", "Measure again")
    log.write("run.ended", status="failed", exit=1, say="")
    closing = picture.close_lines(follow.summary(log.run, log.now), [], 79)
    golden("failed-80.txt", frame([*stays(log, 79), *closing], 79))


@pytest.mark.parametrize("height", [5, 10, 23, 60])
def test_the_live_part_never_outgrows_the_screen(height: int) -> None:
    for log, question in (up_to_the_question(), up_to_the_doubt()):
        keyboard = Keyboard()
        keyboard.show([card(log.run, question, runbook())])
        for width in (20, 39, 79, 200):
            lines = live(log, keyboard, "a line\n" * 50, width, height)
            assert len(lines) <= height
            assert all(line.cell_len <= width for line in lines)


def test_a_row_keeps_its_status_when_there_is_no_room_beside_the_name() -> None:
    log = Logbook()
    log.begin()
    log.did("before", "Measure the disk of the primary database server in the first region")
    row = next(iter(listing.rows(None, log.run, log.now)))
    lines = [line.plain for line in picture.row_lines(row, 39)]
    assert "ok" in "".join(lines) and "1.0 s" in "".join(lines)
    assert all(len(line) <= 39 for line in lines)


HOSTILE = "\x1b[2J\x1b]0;title\x07\u202eevil\u2066\x9b31m\x00\x08\r"


def test_nothing_that_a_program_or_a_person_wrote_can_act_on_the_terminal() -> None:
    log = Logbook()
    log.begin(inputs={"mount": HOSTILE}, locks=[HOSTILE], cwd=HOSTILE)
    n = log.start("before", HOSTILE, argv=["echo", HOSTILE.replace("\0", "")])
    log.end("before", n, "failed", why=HOSTILE, tail=HOSTILE, outputs={"a": HOSTILE})
    log.write("note", run=None, body=HOSTILE)
    log.ask("rotate", "confirm", text=HOSTILE, name=HOSTILE, script=HOSTILE, env={"A": HOSTILE}, user=HOSTILE)
    log.ask("look", "doubt", why=HOSTILE, tail=HOSTILE, verify=HOSTILE, running=HOSTILE)
    log.write("run.ended", status="failed", exit=1, say=HOSTILE)
    keyboard = Keyboard()
    cards = [card(log.run, question) for question in log.run.questions.values()]
    keyboard.show(cards)
    lines = [*stays(log, 79), *live(log, keyboard, HOSTILE, 79, 60)]
    lines += [line for asked in cards for line in picture.card_lines(asked, 79)]
    lines += picture.close_lines(follow.summary(log.run, log.now), [HOSTILE], 79)
    text = "\n".join(line.plain for line in lines)
    assert "evil" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_a_long_command_is_shown_whole_letter_by_letter() -> None:
    log = Logbook()
    log.begin()
    word = "/very/long/" + "x" * 200 + "/end"
    question = log.ask("room/grow", "confirm", argv=["rm", "-rf", "--", word, "a b", "c'd"])
    lines = [line.plain for line in picture.card_lines(card(log.run, question), 60)]
    start = next(index for index, line in enumerate(lines) if line.startswith("  runs"))
    stop = next(index for index, line in enumerate(lines) if line.startswith("  on"))
    broken = [line[17:] for line in lines[start:stop]]
    whole = broken[0] + "".join(piece.removeprefix("↳ ") for piece in broken[1:])
    assert whole == f"rm -rf -- {word} 'a b' 'c'\"'\"'d'"


class Terminal(io.StringIO):
    """Just enough of a terminal: lines, a cursor that goes up, and clearing to the end."""

    encoding = "utf-8"

    def picture(self, columns: int) -> list[str]:
        lines, row, column = [""], 0, 0
        for piece in re.findall(
            "\x1b\\[\\d*[A-Z]|\r|\n|[^\x1b\r\n]+", re.sub("\x1b\\[[0-9;]*m", "", self.getvalue())
        ):
            if piece == "\r":
                column = 0
            elif piece == "\n":
                row, column = row + 1, 0
            elif piece.endswith("A") and piece.startswith("\x1b"):
                row -= int(piece[2:-1])
            elif piece == "\x1b[J":
                lines[row] = lines[row][:column]
                del lines[row + 1 :]
            else:
                lines[row] = lines[row][:column] + piece + lines[row][column + len(piece) :]
                column += len(piece)
                assert len(lines[row]) <= columns, "a line would wrap by itself"
            lines += [""] * (row + 1 - len(lines))
        return lines


@pytest.fixture
def region() -> tuple[screen.Region, Terminal]:
    out = Terminal()
    made = screen.Region(out)
    made.size = lambda: (39, 23)  # type: ignore[method-assign]
    return made, out


def test_what_was_said_stays_above_and_the_live_lines_replace_each_other(
    region: tuple[screen.Region, Terminal],
) -> None:
    made, out = region
    made.paint([Text("first")], [Text("one"), Text("two"), Text("three")])
    assert out.picture(40) == ["first", "one", "two", "three"]
    made.paint([Text("second")], [Text("four")])
    assert out.picture(40) == ["first", "second", "four"]
    made.paint([], [Text("five"), Text("six")])
    assert out.picture(40) == ["first", "second", "five", "six"]
    made.paint([Text("end")], [])
    assert out.picture(40) == ["first", "second", "end", ""]


def test_an_unchanged_picture_writes_nothing(region: tuple[screen.Region, Terminal]) -> None:
    made, out = region
    made.paint([], [Text("same")])
    before = out.getvalue()
    made.paint([], [Text("same")])
    assert out.getvalue() == before


def test_a_terminal_that_became_narrower_is_cleared_to_the_first_live_line(
    region: tuple[screen.Region, Terminal],
) -> None:
    made, out = region
    made.paint([], [Text("x" * 39), Text("y" * 10)])
    made.size = lambda: (19, 23)  # type: ignore[method-assign]
    made.paint([], [Text("z")])
    assert "\x1b[2A\x1b[J" in out.getvalue()  # the first line stands on two rows now


def test_neither_the_alternate_screen_nor_a_hidden_cursor_is_used(
    region: tuple[screen.Region, Terminal],
) -> None:
    made, out = region
    made.paint([Text("a")], [Text("b"), Text("c")])
    made.paint([], [Text("d")])
    assert not re.search("\x1b\\[\\?", out.getvalue())


def test_a_terminal_without_utf_8_gets_plain_signs() -> None:
    class Latin(Terminal):
        encoding = "iso-8859-1"

    out = Latin()
    made = screen.Region(out)
    made.size = lambda: (39, 23)  # type: ignore[method-assign]
    made.paint([Text("✓ │ … ›")], [Text("▸")])
    assert out.picture(40) == ["+ | ~ >", ">"]


def test_colours_are_left_out_where_the_person_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    master, slave = os.openpty()
    with open(slave, "w", encoding="utf-8") as out:
        made = screen.Region(out)
        made.paint([Text("bad", "red")], [Text("live", "bold green")])
        written = os.read(master, 4096).decode()
    os.close(master)
    assert "bad" in written and not re.search("\x1b\\[[0-9;]*3[0-9]", written)


def test_the_start_names_the_drill(width: int = 79) -> None:
    log = Logbook()
    log.begin()
    event = log.write("run.started", mode="drill", **log.events[0].data)
    text = "\n".join(
        line.plain for line in picture.start_lines(event, kinds.view(event.kind, event.data), "UTC", width)
    )
    assert "a drill" in text
