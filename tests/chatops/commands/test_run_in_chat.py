"""Runs from a chat: begun once, in the right incident, driven beside the bot, answered by events."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from incidents import ids
from tests.chatops.chat import Chat

QUICK = """\
runbook: 1
name: quick
steps:
  - {id: look, name: Look, effect: read, run: ["true"]}
"""
ASKS = """\
runbook: 1
name: asks
inputs:
  mount: {type: path, required: true, help: Where.}
lock: "disk:${{ inputs.mount }}"
steps:
  - {id: look, name: Look, effect: read, run: ["true"]}
  - {id: cut, name: Cut, effect: unsafe, confirm: "Cut ${{ inputs.mount }}?", run: ["true"], undo: {run: ["true"]}}
  - {id: after, name: After, effect: read, run: ["true"]}
"""


def started(chat: Chat, **about: object) -> str:
    return str(chat.ok("run", **about).document["run"])


def test_the_reply_names_the_run_the_runbook_and_the_incident(chat: Chat) -> None:
    chat.runbook(QUICK, "quick")
    answer = chat.ok("run", runbook="quick")
    run = answer.document["run"]
    assert answer.document == {"run": run, "runbook": "quick", "incident": "inc-1"}
    assert answer.text == f"{run}: quick has begun in inc-1"
    assert chat.until_status(run, "ended").end is not None
    (first,) = (event for event in chat.events("inc-1", "run.started"))
    assert (first.actor.id, first.actor.assurance, first.data["attended"]) == ("nova", "platform", True)
    (declared,) = (event for event in chat.events("inc-1", "incident.declared"))
    assert declared.key == f"{run}:declared"


def test_the_same_interaction_is_the_same_run_also_after_it_has_ended(chat: Chat) -> None:
    chat.runbook(QUICK, "quick")
    first = chat.ok("run", runbook="quick", key="discord:interaction:7")
    chat.until_status(first.document["run"], "ended")
    again = chat.ok("run", runbook="quick", key="discord:interaction:7")
    assert again.document == first.document
    assert again.text == f"{first.document['run']}: quick was started before, in inc-1"
    assert [row.run for row in chat.store.runs()] == [ids.run_name_of("discord:interaction:7")]


def test_two_deliveries_at_once_are_one_run(chat: Chat) -> None:
    chat.runbook(QUICK, "quick")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(chat.ok("run", runbook="quick", key="k")), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(45)
    assert len(answers) == 3
    assert len({answer.document["run"] for answer in answers}) == 1
    assert len(chat.store.runs()) == 1
    chat.until_status(answers[0].document["run"], "ended")
    assert chat.run(answers[0].document["run"]).step("look").count("run") == 1


def test_a_key_that_stands_for_another_run_is_refused(chat: Chat) -> None:
    chat.runbook(QUICK, "quick")
    chat.runbook(QUICK.replace("quick", "other"), "other")
    started(chat, runbook="quick", key="k")
    answer = chat("run", runbook="other", key="k")
    assert (answer.exit, answer.document["error"]["code"]) == (2, "key_conflict")


@pytest.mark.parametrize("name", ["/etc/passwd", "./book", "book.yaml", "x/../book", "BOOK.YML"])
@pytest.mark.parametrize("command", ["run", "plan", "runbook show"])
def test_a_chat_names_runbooks_and_no_files(chat: Chat, command: str, name: str) -> None:
    answer = chat(command, runbook=name)
    assert answer.exit == 2
    assert answer.text == (
        f"'{name}' is a file; in a chat a runbook is named; howdah runbook list shows the names"
    )


def test_a_secret_is_given_by_reference_and_never_typed(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.runbook(QUICK + "inputs: {token: {type: secret}}\n", "quick")
    answer = chat("run", runbook="quick", input=["token=prompt"])
    assert (answer.exit, answer.text) == (
        2, "the secret token cannot be typed in a chat; give it as env:NAME or file:/PATH",
    )  # fmt: skip
    answer = chat("run", runbook="quick", input=["token=env:HOWDAH_DISCORD_TOKEN"])
    assert (answer.exit, answer.text.split(";")[0]) == (2, "the secret token is howdah's own")
    own = tmp_path / "discord-token"
    own.write_text("a.b.c")
    (tmp_path / "link").symlink_to(own)
    monkeypatch.setenv("HOWDAH_DISCORD_TOKEN_FILE", str(own))
    answer = chat("run", runbook="quick", input=[f"token=file:{tmp_path}/link"])
    assert (answer.exit, answer.text.split(";")[0]) == (2, "the secret token is howdah's own")
    answer = chat("run", runbook="quick", input=["token=hunter2hunter2"])
    assert answer.exit == 2
    assert "hunter2" not in answer.text
    assert chat.store.runs() == []


def test_what_keeps_a_driver_from_beginning_is_the_answer(chat: Chat) -> None:
    chat.runbook(ASKS, "asks")
    chat.ok("declare", title="a")
    chat.ok("declare", title="b")
    answer = chat("run", runbook="asks", input=["mount=/srv"])
    assert answer.exit == 2
    assert answer.text.startswith("2 incidents are open: inc-2 (b), inc-1 (a)")
    run = started(chat, runbook="asks", input=["mount=/srv"], incident="2")
    answer = chat("run", runbook="asks", input=["mount=/srv"], incident="inc-1")
    assert (answer.exit, answer.document["error"]["code"]) == (4, "lock_held")
    assert run in answer.text
    chat.ok("resolve", incident="inc-1")
    answer = chat("run", runbook="asks", input=["mount=/x"], incident="inc-1")
    assert (answer.exit, answer.document["error"]["code"]) == (4, "incident_closed")


def test_a_run_belongs_to_the_thread_it_was_started_in(chat: Chat) -> None:
    chat.runbook(QUICK, "quick")
    for title in ("a", "b"):
        chat.ok("declare", title=title)
    chat.ok("declare", title="c", drill=True)
    assert chat.ok("run", runbook="quick", thread="inc-2").document["incident"] == "inc-2"
    drill = chat.ok("run", runbook="quick", thread="inc-3").document["run"]
    assert chat.events("inc-3", "run.started")[0].mode == "drill"
    own = chat.ok("run", runbook="quick", thread="inc-1", drill=True).document
    assert own["incident"] == "inc-4", (
        "an exercise never writes into a real incident that was not named for it"
    )
    for run in (drill, own["run"]):
        chat.until_status(run, "ended")
