"""A run as a chat shows it: what it says, what can be pressed, and that it says no more than changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatops import presses, running, views
from chatops.running import Running
from chatops.surfaces.base import Post
from chatops.views import Card, Stack
from incidents import clock
from incidents.events import Actor, Event
from incidents.store import open_store
from incidents.store.protocol import Store
from runbooks import attempt, orders, output
from tests.chatops.chat import Chat, chat
from tests.drafts import NOVA, declared, draft, note, run_started

NOON = clock.parse_iso("2022-12-13T14:05:10Z")
RUN = "run-abcdef"
DRIVER = Actor("system", "driver", on_behalf_of="nova")
BOOK = """
name: disk-full
inputs:
  mount: {type: path}
  recent: {type: duration, default: 1h}
  spill: {type: path, required: false}
steps:
  - {id: before, name: Measure the disk, effect: read, run: [df, -B1]}
  - {id: grow, name: Grow the volume, confirm: Grow it?, run: [lvextend, -L, 120G], outputs: {size: {type: int, regex: "(.*)"}}}
  - {id: look, name: Look at the graphs, manual: Is it flat?}
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clock.freeze(NOON), open_store(str(tmp_path / "store.db")) as opened:
        opened.append([declared()])
        yield opened


class Log:
    """Writes a run's events into a real store, and shows the run after each."""

    def __init__(self, store: Store, text: str = BOOK, **started: Any):
        self.store, self.n = store, 0
        kept = store.put_blob(text.encode(), media_type="application/yaml", name="runbook.yaml")
        begin = run_started(RUN, actor=NOVA, key=f"{RUN}:started", evidence=(kept,), **started)
        inputs = {"mount": "/var", "recent": clock.HOUR, "spill": None}
        data = {**begin.data, "inputs": inputs, "digest": hashlib.sha256(text.encode()).hexdigest()}
        self.write("run.started", data, actor=NOVA, key=begin.key, evidence=(kept,), **started)
        self.shown = Running(store, RUN, "inc-1")

    def write(
        self, kind: str, data: dict[str, Any] | None = None, actor: Actor = DRIVER, **about: Any
    ) -> Event:
        return self.store.append([draft(kind, data, run=RUN, actor=actor, **about)])[0]

    def start(self, path: str, name: str = "", **about: Any) -> Event:
        self.n += 1
        data = {"path": path, "name": name or path, "n": self.n, "attempt": 1, "effect": "unsafe", **about}
        return self.write("step.started", data, step=path)

    def end(self, path: str, status: str = "ok", **about: Any) -> Event:
        return self.write(
            "step.ended", {"path": path, "status": status, "n": self.n, "took": clock.SECOND, **about}
        )

    def ask(self, path: str, what: str = "confirm", **shows: Any) -> Event:
        from runbooks import consent

        number = sum(event.kind == "question.asked" for event in self.store.events("inc-1")) + 1
        data = {"question": f"{RUN}:{path}:{what}:{number}", "path": path, "what": what,
                "options": list(consent.OPTIONS[what]), "shows": shows}  # fmt: skip
        return self.write("question.asked", data)

    def post(self, now: clock.Reading | None = None) -> Post:
        self.shown.poll()
        return self.shown.post(now or clock.read())

    def printed(self, raw: bytes) -> None:
        """What the running step printed, as its keeper writes it."""
        folder = orders.run_dir(self.store.path, RUN)
        attempt.make_folder(folder)
        fd = os.open(folder, os.O_RDONLY)
        try:
            writer = output.Writer(fd, self.n, 0o600)
            writer.write(memoryview(raw))
            writer.close()
        finally:
            os.close(fd)


def cards(post: Post) -> list[Card]:
    parts = post.view.parts if isinstance(post.view, Stack) else (post.view,)
    assert all(isinstance(part, Card) for part in parts)
    return [part for part in parts if isinstance(part, Card)]


def labels(post: Post) -> list[tuple[str, int, str]]:
    assert all(presses.parse(presses.custom_id(button)) for button in post.buttons)
    return [(button.label, button.seq, button.word) for button in post.buttons]


def field(card: Card, name: str) -> str:
    return "\n".join(next(one.values for one in card.fields if one.name == name))


# -- what it says --------------------------------------------------------------------------------------------


def test_a_run_is_named_and_says_which_inputs_somebody_gave_and_every_step(store: Store) -> None:
    (card,) = cards(Log(store).post())
    assert (card.title, card.state, card.tone) == (f"disk-full · {RUN}", "running", "")
    assert card.under.split("\n") == [
        "mount = /var", "· Measure the disk", "· Grow the volume", "· Look at the graphs",
    ]  # fmt: skip


def test_it_fills_in_step_by_step(store: Store) -> None:
    log = Log(store)
    log.start("before", "Measure the disk")
    assert "▸ Measure the disk  running" in cards(log.post())[0].under
    log.end("before")
    assert "✓ Measure the disk  1.0 s" in cards(log.post())[0].under
    log.start("grow")
    log.end("grow", "failed", why="exit 5: no such volume")
    assert "✗ Grow the volume  failed · 1.0 s\n   exit 5: no such volume" in cards(log.post())[0].under


def test_a_question_stands_under_the_run_with_what_is_needed_to_decide(store: Store) -> None:
    log = Log(store)
    asked = log.ask("grow", name="Grow the volume", text="Grow it?", argv=["lvextend", "-L", "120G"], undo=False,
                    effect="unsafe")  # fmt: skip
    log.write("run.parked", {"questions": [asked.data["question"]]})
    run, question = cards(log.post())
    assert (run.state, run.tone) == ("waits for a person", "warn")
    assert "? Grow the volume  asks" in run.under
    assert (question.title, question.under, question.tone) == ("Confirm: Grow the volume", "Grow it?", "warn")
    known = field(question, "what is known")
    assert "effect – unsafe: it must not happen twice" in known
    assert "can be undone – NO: this runbook cannot undo it" in known
    (exact,) = [one for one in question.fields if one.name == "runs"]
    assert (exact.values, exact.exact) == (("lvextend -L 120G",), True)
    assert field(question, "answers").split("\n")[0] == "Confirm: it runs now"
    assert log.shown.open_questions() == {asked.data["question"]: asked.seq}
    log.write(
        "question.answered", {"question": asked.data["question"], "path": "grow", "answer": "yes"}, NOVA
    )
    assert len(cards(log.post())) == 1
    assert log.shown.open_questions() == {}


def test_a_script_is_shown_to_the_letter_with_the_inputs_that_were_given(store: Store) -> None:
    log = Log(store)
    script = "echo 'spill = (not given)'\nspill = (not given)\n  lvextend   -L 120G"
    log.ask("grow", name="Grow the volume", text="Grow it?", script=script)
    card = cards(log.post())[1]
    assert field(card, "runs in bash") == script
    assert field(card, "inputs") == "mount = /var\nrecent = 3600s"


def test_a_doubt_is_bad_and_says_whether_something_still_runs(store: Store) -> None:
    log = Log(store)
    log.start("grow")
    log.end("grow", "in_doubt", why="killed by signal 9", tail="half way\n")
    log.ask(
        "grow",
        "doubt",
        name="Grow the volume",
        why="killed by signal 9",
        running="sleep 9 (pid 7)",
        tail="half way\n",
    )
    run, question = cards(log.post())
    assert (run.tone, question.tone) == ("bad", "bad")
    assert "still running – YES: sleep 9 (pid 7)" in field(question, "what is known")
    assert "Retry beside: another one is started BESIDE" in field(question, "answers")
    assert field(question, "output") == "half way"


def test_the_end_says_how_it_ended_and_what_a_failed_step_printed(store: Store) -> None:
    log = Log(store)
    log.start("before", "Measure the disk")
    log.end("before", "failed", why="exit 1", tail="df: \x1b[31mno such file\x1b[0m\n")
    log.write("run.ended", {"status": "failed", "exit": 1, "say": "not cured"})
    post = log.post()
    (card,) = cards(post)
    assert (card.state, card.tone, post.buttons) == ("ended: failed after 0.0 s", "bad", ())
    assert field(card, "Measure the disk printed") == "df: no such file"
    assert field(card, "the end") == "not cured\n1 failed"
    assert log.shown.ended and not log.shown.busy


def test_steps_that_are_reached_no_more_are_counted(store: Store) -> None:
    steps = "".join(f"  - {{id: s{i}, name: Step {i}, effect: read, run: [true]}}\n" for i in range(9))
    log = Log(store, f"name: disk-full\ninputs: {{mount: {{type: path}}}}\nsteps:\n{steps}")
    log.start("s0", "Step 0")
    log.end("s0", "failed", why="exit 1")
    log.write("run.ended", {"status": "failed", "exit": 1})
    assert cards(log.post())[0].under.endswith("… 8 steps: 8 not reached")


def test_a_drill_says_so(store: Store) -> None:
    assert cards(Log(store, mode="drill").post())[0].state == "drill · running"


def test_a_run_whose_runbook_is_redacted_is_told_by_its_log_alone(store: Store) -> None:
    log = Log(store)
    os.unlink(store.blob_path(hashlib.sha256(BOOK.encode()).hexdigest()))
    log.start("grow", "Grow the volume")
    assert cards(log.post())[0].under.endswith("▸ Grow the volume  running · 0.0 s")


# -- output --------------------------------------------------------------------------------------------------


def test_the_end_of_what_the_running_step_prints_is_shown_as_a_terminal_would(store: Store) -> None:
    log = Log(store)
    log.start("grow", "Grow the volume")
    log.printed(b"\x1b[31mred\x1b[0m\r\n" + b"10%\r50%\r99%\n" + b"bad \xff byte\n" + b"\x1b]0;title\x07\n")
    assert field(cards(log.post())[0], "Grow the volume prints").split("\n") == [
        "red", "99%", "bad \ufffd byte", "\\x1b]0;title\\x07",
    ]  # fmt: skip


def test_a_step_that_prints_without_end_costs_a_bounded_read_and_few_lines(store: Store) -> None:
    log = Log(store)
    log.start("grow", "Grow the volume")
    log.printed(
        b"".join(b"line %d %s\n" % (i, b"x" * 300) for i in range(70_000))
    )  # several segments, some gone
    shown = field(cards(log.post())[0], "Grow the volume prints")
    assert shown.split("\n")[-1].startswith("line 69999 xxx")
    assert len(shown) <= running.LONGEST_OUTPUT


def test_no_output_is_no_field(store: Store) -> None:
    log = Log(store)
    log.start("grow", "Grow the volume")
    assert cards(log.post())[0].fields == ()


# -- what can be pressed -------------------------------------------------------------------------------------


def test_the_buttons_are_about_the_event_that_changed_the_runs_state_last(store: Store) -> None:
    log = Log(store)
    assert labels(log.post()) == [("Pause", 2, "pause"), ("Abort", 2, "abort")]
    begun = log.start("grow")
    assert labels(log.post()) == [("Pause", 2, "pause"), ("Abort", 2, "abort"), ("Stop", begun.seq, "stop")]
    log.end("grow")
    paused = log.write("run.paused")
    assert labels(log.post()) == [("Resume", paused.seq, "resume"), ("Abort", paused.seq, "abort")]


def test_every_button_means_something_at_the_moment_it_is_drawn(store: Store) -> None:
    log = Log(store)
    log.start("before")
    drawn = list(log.post().buttons)
    log.end("before")
    log.ask("grow")
    drawn += [b for b in log.post().buttons if b.word in ("yes", "skip")]
    log.write("run.parked", {"questions": []})
    for button in log.post().buttons:
        assert presses.meaning(store, "inc-1", button.seq, button.word)
    for button in drawn:
        if button.word in ("yes", "skip"):
            assert presses.meaning(store, "inc-1", button.seq, button.word)
        else:
            with pytest.raises(presses.Stale):
                presses.meaning(store, "inc-1", button.seq, button.word)


def test_a_question_has_its_answers_as_buttons_and_done_asks_for_outputs(store: Store) -> None:
    log = Log(store)
    log.start("grow")
    log.end("grow", "in_doubt", why="killed")
    asked = log.ask("grow", "doubt", running="sleep 9 (pid 7)")
    log.write("run.parked", {"questions": [asked.data["question"]]})
    post = log.post()
    assert labels(post) == [
        ("Retry beside", asked.seq, "beside"), ("Done", asked.seq, "done"), ("Skip", asked.seq, "skip"),
        ("Abort", asked.seq, "abort"),
    ]  # fmt: skip
    assert [button.form for button in post.buttons] == [False, True, False, False]
    assert [button.tone for button in post.buttons] == ["bad", "", "", "bad"]


def test_an_overdue_step_can_be_left_stopped_or_the_run_ended(store: Store) -> None:
    log = Log(store)
    log.start("grow")
    log.ask("grow", "overdue")
    assert [label for label, _, _ in labels(log.post())] == ["Wait", "Stop", "Pause", "Abort"]


def test_what_was_asked_for_is_said_and_offered_no_more(store: Store) -> None:
    log = Log(store)
    log.start("grow")
    log.write("run.request", {"what": "pause"}, NOVA)
    post = log.post()
    assert cards(post)[0].state == "running; pause asked for"
    assert [label for label, _, _ in labels(post)] == ["Abort", "Stop"]
    log.write("run.request", {"what": "abort"}, NOVA)
    assert [label for label, _, _ in labels(log.post())] == ["Stop"]


def test_of_many_questions_four_are_drawn_and_each_button_names_its_step(store: Store) -> None:
    steps = "".join(f"      - {{id: s{i}, name: Step {i}, confirm: Go?, run: [true]}}\n" for i in range(6))
    log = Log(store, f"name: disk-full\nsteps:\n  - id: block\n    name: All\n    block:\n{steps}")
    asked = [log.ask(f"block/s{i}", name=f"Step {i}") for i in range(6)]
    log.write("run.parked", {"questions": []})
    post = log.post()
    assert len(cards(post)) == 5
    assert field(cards(post)[-1], "more") == "2 more questions wait"
    assert labels(post)[:4] == [
        ("Confirm s0", asked[0].seq, "yes"), ("Skip s0", asked[0].seq, "skip"), ("Abort s0", asked[0].seq, "abort"),
        ("Confirm s1", asked[1].seq, "yes"),
    ]  # fmt: skip
    assert len(post.buttons) == 12
    assert len(log.shown.open_questions()) == 6


# -- changes -------------------------------------------------------------------------------------------------


def test_a_post_changes_no_more_often_than_a_reader_needs(store: Store) -> None:
    log = Log(store)
    log.start("grow", "Grow the volume")
    start = clock.read()

    def after(micros: int) -> Post:
        return log.post(clock.Reading(start.at + micros, start.boot, start.mono + micros))

    posts = {after(second * clock.SECOND).view for second in range(3600)}
    assert len(posts) <= 15 + 30 + 60
    assert "running · 59 min" in cards(after(3599 * clock.SECOND))[0].under
    assert log.shown.busy


def test_a_restart_shows_the_same(store: Store) -> None:
    log = Log(store)
    log.start("before")
    log.end("before")
    store.append([note("the graph falls")])
    log.ask("grow", name="Grow the volume", text="Grow it?")
    log.write("run.parked", {"questions": []})
    first = log.post()
    again = Running(store, RUN, "inc-1")
    again.poll()
    assert again.post(clock.read()) == first


def test_plain_text_says_it_all_too(store: Store) -> None:
    log = Log(store)
    log.ask("grow", name="Grow the volume", text="Grow it?")
    shown = views.plain(log.post().view)
    assert RUN in shown and "? Grow the volume" in shown and "Confirm: it runs now" in shown


# -- a real run ----------------------------------------------------------------------------------------------

HELD = """
name: held
steps:
  - {id: hold, name: Hold on, effect: idempotent, run: [sh, -c, "echo begun; sleep 300"]}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Chat]:
    with chat(str(tmp_path)) as one:
        yield one


def test_a_real_run_shows_its_output_and_who_kills_its_driver_reads_that_nobody_drives_it(
    place: Chat,
) -> None:
    import signal

    run = str(place.ok("run", runbook=place.runbook(HELD, "held")).document["run"])
    shown = Running(place.store, run, "inc-1")

    def card() -> Card:
        shown.poll()
        return cards(shown.post(clock.read()))[0]

    place.until(lambda: any("begun" in "".join(one.values) for one in card().fields), "the output")
    lock = os.path.join(orders.run_dir(place.store.path, run), "driver.lock")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if lock in held and int(pid) != os.getpid():
            os.kill(int(pid), signal.SIGKILL)
    place.until(lambda: card().state == "nobody drives it", "the lookout's word")
    post = shown.post(clock.read())
    assert [button.word for button in post.buttons] == ["resume"]
    assert "the driver of this run has died" in field(cards(post)[0], "the driver")
    assert place.ok("resume", run=run)
    place.until(lambda: card().state == "running", "the run going on")
    place.ok("stop", run=run)
    place.until_status(run, "ended")
    assert card().state.startswith("ended: failed")
