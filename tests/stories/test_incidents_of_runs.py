"""Which incident a run belongs to, and when that is over."""

from __future__ import annotations

import json

from tests.stories.scene import Scene

QUICK = "name: quick\nseverity: sev2\nsteps:\n  - {id: look, effect: read, run: [echo, x]}\n"
ASKS = """
name: asks
lock: "thing"
steps:
  - {id: ask, confirm: Go?, timeout: 20s, run: "echo x >> 'ACTS'"}
"""


def test_without_an_open_incident_a_run_declares_one_that_closes_with_it(scene: Scene) -> None:
    assert scene("run", scene.runbook(QUICK), by="ada").code == 0
    assert scene.incidents() == {"inc-1": "resolved"}
    shown = json.loads(scene.ok("show", "inc-1", "--json"))["incident"]
    assert (shown["title"], shown["severity"]) == ("quick", "sev2")


def test_an_incident_to_which_somebody_else_wrote_stays_open(scene: Scene) -> None:
    assert scene("run", scene.runbook(ASKS)).code == 3
    scene.ok("note", "the neighbours are slow too", by="ada")
    scene.ok("confirm", by="kim")
    scene.wait_for("run.ended", status="ok")
    assert scene.incidents() == {"inc-1": "investigating"}
    scene.ok("resolve", by="ada")


def test_an_incident_whose_run_failed_stays_open(scene: Scene) -> None:
    failing = scene.runbook("name: fails\nsteps:\n  - {effect: read, run: 'exit 3'}\n")
    assert scene("run", failing).code == 1
    assert scene.incidents() == {"inc-1": "investigating"}


def test_a_run_joins_the_one_open_incident_and_leaves_it_open(scene: Scene) -> None:
    scene.ok("declare", "images fail to load")
    assert scene("run", scene.runbook(QUICK)).code == 0
    assert scene.incidents() == {"inc-1": "investigating"}
    assert scene.events()[0].stream == "inc-1"


def test_where_several_are_open_the_run_must_say_which(scene: Scene) -> None:
    scene.ok("declare", "images fail to load")
    scene.ok("declare", "mail is slow")
    book = scene.runbook(QUICK)
    refused = scene("run", book)
    assert refused.code == 2
    for part in ("inc-1 (images fail to load)", "inc-2 (mail is slow)", "--incident"):
        assert part in refused.text
    assert scene.runs() == []
    assert scene("run", book, "--incident", "inc-2").code == 0
    assert scene.events()[0].stream == "inc-2"
    scene.ok("resolve", "--incident", "inc-1")
    closed = scene("run", book, "--incident", "inc-1")
    assert closed.code == 4 and "howdah reopen --incident inc-1" in closed.text
    assert scene("run", book).code == 0  # one is open, it joins
    assert len(scene.incidents()) == 2


def test_at_a_terminal_where_several_are_open_a_person_chooses(scene: Scene) -> None:
    scene.ok("declare", "images fail to load")
    scene.ok("declare", "mail is slow")
    terminal = scene.sit("run", scene.runbook(QUICK))
    terminal.see("mail is slow")
    terminal.press("inc-2\r")
    assert terminal.end() == 0
    assert scene.events()[0].stream == "inc-2"


def test_a_drill_counts_for_no_real_run(scene: Scene) -> None:
    book = scene.runbook(ASKS)
    assert scene("run", book, "--drill").code == 3
    assert scene("run", scene.runbook(QUICK, "quick.yaml")).code == 0
    assert scene.incidents() == {"inc-1": "investigating", "inc-2": "resolved"}


def test_resolve_is_refused_while_a_run_is_open_or_holds_a_lock_or_is_in_doubt(scene: Scene) -> None:
    assert scene("run", scene.runbook(ASKS)).code == 3
    run = scene.run()
    for word in ("resolve", "cancel"):
        refused = scene(word)
        assert refused.code == 4 and run in refused.err and f"howdah abort {run}" in refused.err
    assert scene.incidents() == {"inc-1": "investigating"}
    scene.ok("abort")
    scene.wait_for("run.ended")
    doubtful = scene.runbook(
        "name: doubt\nsteps:\n  - {id: act, timeout: 9s, run: 'kill -9 $$'}\n", "doubt.yaml"
    )
    assert scene("run", doubtful).code == 3
    refused = scene("resolve")
    assert refused.code == 4 and scene.run() in refused.err and "doubt" in refused.err.lower(), refused
    scene.ok("skip", "act")
    scene.wait_for("run.ended")
    scene.ok("resolve")
    assert scene.incidents() == {"inc-1": "resolved"}


def test_an_aborted_doubt_no_longer_stands_in_the_way(scene: Scene) -> None:
    doubtful = scene.runbook("name: doubt\nlock: a\nsteps:\n  - {id: act, timeout: 9s, run: 'kill -9 $$'}\n")
    assert scene("run", doubtful).code == 3
    scene.ok("abort", by="ada")
    end = scene.wait_for("run.ended")
    assert end.data["status"] == "aborted"
    assert "aborted by ada" in scene.ok("steps", scene.run())
    assert scene.locks() == []
    scene.ok("resolve")
