"""What people in a chat say to a run, each by an event; the driver acts on it, whoever has started it."""

from __future__ import annotations

import pytest

from chatops import vocabulary
from tests.chatops.chat import Chat

BOOK = """\
runbook: 1
name: book
lock: "disk:/srv"
steps:
  - {id: look, name: Look, effect: read, run: ["true"]}
  - {id: cut, name: Cut, effect: unsafe, confirm: "Cut?", run: ["true"], undo: {run: ["true"]}}
  - {id: rack, name: Look at the rack, manual: Which slot?}
  - {id: after, name: After, effect: read, run: ["true"]}
"""
LONG = """\
runbook: 1
name: long
steps:
  - {id: sleep, name: Sleep, effect: idempotent, run: [sleep, "60"]}
  - {id: after, name: After, effect: read, run: ["true"]}
"""
DOUBT = """\
runbook: 1
name: doubt
lock: "disk:/srv"
steps:
  - {id: cut, name: Cut, effect: unsafe, run: "kill -KILL $$"}
  - {id: after, name: After, effect: read, run: ["true"]}
"""


def begin(chat: Chat, text: str = BOOK) -> str:
    return str(chat.ok("run", runbook=chat.runbook(text)).document["run"])


def asks(chat: Chat, run: str, path: str) -> None:
    chat.until(
        lambda: any(one.path == path for one in chat.run(run).open_questions()), f"a question at {path}"
    )


def test_a_run_is_confirmed_and_a_manual_step_is_done(chat: Chat) -> None:
    run = begin(chat)
    asks(chat, run, "cut")
    answer = chat.ok("confirm", by="malte")
    assert {**answer.document, "event": 0} == {"run": run, "step": "cut", "answer": "yes", "event": 0}
    asks(chat, run, "rack")
    assert chat.drives(run), "the driver of a run that a person in a chat started stays up for answers"
    assert chat.ok("done", step=f"{run}/rack").text == f"{run}/rack: done"
    ended = chat.until_status(run, "ended")
    assert ended.end is not None and ended.end.status == "ok"
    by = ended.step("cut").by
    assert by is not None and by.id == "malte"


def test_a_second_answer_reads_who_was_first(chat: Chat) -> None:
    run = begin(chat)
    asks(chat, run, "cut")
    chat.ok("skip", step="cut", by="malte")
    answer = chat("confirm", step="cut")
    assert (answer.exit, answer.document["error"]["code"]) == (4, "already_answered")
    assert answer.text == "malte answered 'skip' before you"
    asks(chat, run, "rack")
    chat.ok("abort", run=run)
    chat.until_status(run, "ended")


def test_a_paused_run_is_taken_up_again(chat: Chat) -> None:
    run = begin(chat)
    asks(chat, run, "cut")
    chat.ok("pause", run=run)
    chat.until_status(run, "paused")
    chat.until(lambda: not chat.drives(run), "the end of the driver")
    answer = chat.ok("resume", thread="inc-1")
    assert answer.text == f"{run} goes on"
    assert answer.document == {"run": run, "incident": "inc-1"}
    again = chat("resume", run=run)
    assert again.exit == 4
    assert again.text == f"{run} goes on already; howdah steps {run} shows where it stands"
    chat.ok("abort", run=run)
    chat.until_status(run, "ended")
    answer = chat("resume", run=run)
    assert (answer.exit, answer.text) == (4, f"{run} has ended: aborted")


def test_an_answer_takes_up_a_run_that_nobody_drives(chat: Chat) -> None:
    run = begin(chat)
    asks(chat, run, "cut")
    chat.ok("pause", run=run)
    chat.until_status(run, "paused")
    chat.until(lambda: not chat.drives(run), "the end of the driver")
    assert chat.ok("confirm").text == f"{run}/cut: confirmed; a driver takes the run up"
    asks(chat, run, "rack")
    assert chat.drives(run), "and stays up, as the person is in a chat"
    chat.ok("done")
    chat.until_status(run, "ended")


def test_a_running_step_is_stopped(chat: Chat) -> None:
    run = begin(chat, LONG)
    chat.until(lambda: chat.run(run).open_attempts(), "a running step")
    assert chat.ok("stop", run=run).text == f"{run}: sleep is being stopped"
    ended = chat.until_status(run, "ended")
    assert ended.step("sleep").status == "failed"
    answer = chat("stop", run=run)
    assert (answer.exit, answer.document["error"]["code"]) == (4, "refused")


def test_a_doubt_is_answered_by_retry_and_by_skip(chat: Chat) -> None:
    run = begin(chat, DOUBT)
    asks(chat, run, "cut")
    assert chat.ok("retry", step="cut").text == f"{run}/cut: it runs again"
    chat.until(lambda: chat.run(run).step("cut").count("run") == 2, "the second attempt")
    asks(chat, run, "cut")
    chat.ok("skip", step="cut")
    assert chat.until_status(run, "ended").step("after").status == "ok"


def test_a_run_is_aborted_and_undone(chat: Chat) -> None:
    run = begin(chat)
    asks(chat, run, "cut")
    chat.ok("confirm")
    asks(chat, run, "rack")
    chat.ok("abort", run=run, undo=True)
    ended = chat.until_status(run, "ended")
    assert ended.step("cut").status == "undone"


def test_a_run_that_has_ended_is_undone_later(chat: Chat) -> None:
    run = begin(chat)
    for path, word in (("cut", "confirm"), ("rack", "done")):
        asks(chat, run, path)
        chat.ok(word)
    chat.until_status(run, "ended")
    assert chat.ok("undo", run=run).text.startswith(f"{run}: undoing cut.")
    chat.until(lambda: chat.run(run).step("cut").status == "undone", "the undo")
    chat.until_status(run, "ended")


def test_a_lock_is_freed_with_a_reason(chat: Chat) -> None:
    run = begin(chat, DOUBT)
    asks(chat, run, "cut")
    answer = chat("unlock", name="disk:/srv")
    assert (answer.exit, answer.text.split(";")[0]) == (2, "unlock needs --why")
    assert chat.ok("unlock", name="disk:/srv", why="it is idle").text == f"disk:/srv is free; {run} held it"
    assert chat.store.locks() == []
    chat.ok("abort", run=run)
    chat.until_status(run, "ended")


def test_where_a_run_stands_is_shown(chat: Chat) -> None:
    run = begin(chat)
    asks(chat, run, "cut")
    assert "asks" in chat.ok("steps").text
    assert run in chat.ok("show", id=run).text
    assert f"{run}  book  asks at cut" in chat.ok("status").text
    assert "Cut" in chat.ok("plan", runbook="book").text
    assert "book" in chat.ok("runbook list").text
    assert chat.ok("runbook show", runbook="book").text == BOOK.rstrip("\n")
    chat.ok("abort")
    chat.until_status(run, "ended")


def test_in_a_thread_its_own_run_is_meant(chat: Chat) -> None:
    first = begin(chat)
    asks(chat, first, "cut")
    chat.ok("declare", title="another")
    chat.runbook(BOOK.replace("/srv", "/var"), "other")
    second = str(chat.ok("run", runbook="other", thread="inc-2").document["run"])
    asks(chat, second, "cut")
    assert chat("confirm").exit == 2, "nobody knows which one"
    assert chat.ok("skip", thread="inc-2").document["run"] == second
    asks(chat, second, "rack")
    answer = chat("confirm", thread="inc-2")
    assert (answer.exit, answer.text.split(";")[0]) == (4, f"{second}/rack asks for done, skip, abort")
    chat.ok("done", thread="inc-2")
    chat.until_status(second, "ended")
    answer = chat("confirm", thread="inc-2")
    assert (answer.exit, answer.text.split(";")[0]) == (2, "no question is open"), (
        "another incident's is not meant"
    )
    late = chat("confirm", step="cut", thread="inc-2")
    assert (late.exit, "answered 'skip' before you" in late.text) == (4, True), (
        "a step of that name is its own"
    )
    named = chat.ok("confirm", step=f"{first}/cut", thread="inc-2")
    assert named.document["run"] == first, "another incident's is named with its run"
    asks(chat, first, "rack")
    chat.ok("abort", thread="inc-1")
    chat.until_status(first, "ended")


def test_the_word_that_fits_no_question_says_so(chat: Chat) -> None:
    answer = chat("wait")
    assert (answer.exit, answer.text) == (2, "no question is open; howdah steps RUN shows where a run stands")


@pytest.mark.parametrize(
    "name", [name for name, c in vocabulary.registry().items() if "discord" not in c.surfaces]
)
def test_what_a_chat_has_not_is_refused_with_the_reason(chat: Chat, name: str) -> None:
    answer = chat(name)
    assert answer.exit == 2
    assert answer.text == f"{name} is not for discord: {vocabulary.registry()[name].because}; use a terminal"


def test_a_postmortem_is_answered_as_markdown(chat: Chat) -> None:
    chat.ok("declare", title="Disk full")
    chat.ok("note", text="a\nb")
    answer = chat.ok("postmortem", output="/tmp/never-written.md", force=True)
    assert answer.document["postmortem"]["markdown"].startswith("# ")
    assert answer.document["postmortem"]["file"] is None, "a chat writes no file of the machine"


def test_redact_shows_in_a_chat_what_would_go_and_wants_a_yes(chat: Chat) -> None:
    chat.ok("declare", title="Disk full")
    chat.ok("note", text="hunter2")
    shown = chat("redact", numbers=["2"], why="a password")
    assert shown.exit == 4 and "this would go for good:" in shown.text and "#2  hunter2" in shown.text
    assert not chat.events("inc-1")[1].redacted
    assert (
        chat.ok("redact", numbers=["2"], why="a password", yes=True).text
        == "inc-1 #3  redacted #2: a password"
    )
    assert chat.events("inc-1")[1].redacted
    again = chat("redact", numbers=["2"], why="again", yes=True)
    assert again.exit == 4 and "#2 is redacted already" in again.text
