"""Steps that do what no step should: they do not end, print without end, or print what is no text."""

from __future__ import annotations

import os

import pytest

from incidents.store import open_store
from tests.stories.scene import Scene, lives, until

STUBBORN = """
name: stubborn
steps:
  - id: act
    effect: EFFECT
    timeout: 500ms
    grace: 300ms
    run: |
      trap '' TERM
      setsid bash -c 'trap "" TERM HUP; echo child $$ >> ACTS; while :; do sleep 0.2; done' &
      while :; do sleep 0.2; done
"""


def test_a_step_that_ignores_term_is_killed_with_its_grandchild_in_another_session(scene: Scene) -> None:
    ended = scene("run", scene.runbook(STUBBORN.replace("EFFECT", "unsafe")))
    assert ended.code == 3  # unsafe and stopped: nobody knows
    assert "act is IN DOUBT: stopped: its time was up" in ended.out
    child = int(scene.acts()[1])
    assert not lives(child)
    assert "still running  no: nothing of it is known to run" in ended.out
    until(lambda: not scene.ours(), "the end of all processes")


def test_a_step_that_only_reads_has_failed_when_its_time_is_up(scene: Scene) -> None:
    ended = scene("run", scene.runbook(STUBBORN.replace("EFFECT", "read")))
    assert ended.code == 1
    assert "FAILED   act" in ended.out and "stopped: its time was up" in ended.out
    assert not lives(int(scene.acts()[1]))


PRINTER = """
name: printer
steps:
  - {id: big, effect: read, timeout: 10m, run: "echo first; head -c SIZE < <(yes 0123456789abcdef); echo last"}
  - {id: after, effect: read, run: [echo, fine]}
"""


@pytest.mark.parametrize(
    "size", [60_000_000, pytest.param(1_000_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_endless_output_is_bounded_counted_and_kept_as_evidence(
    scene: Scene, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.stories.scene.PATIENCE", 500.0)
    ended = scene("run", scene.runbook(PRINTER.replace("SIZE", str(size))))
    assert ended.code == 0
    [outcome] = [e for e in scene.events() if e.kind == "step.ended" and e.data["path"] == "big"]
    total = size + len("first\n") + len("last\n")
    kept = sum(one.size for one in outcome.evidence)
    assert outcome.data["bytes"] == total
    assert outcome.data["dropped"] == total - kept
    assert kept < 17 << 20
    assert f"{total - kept:,} of {total:,} bytes of its output were not kept" in ended.out
    with open_store(scene.store) as store:
        first, last = (store.get_blob(outcome.evidence[place].sha256) for place in (0, -1))
    assert first.startswith(b"first\n") and last.endswith(b"last\n")
    assert [name for name in os.listdir(scene.run_dir()) if ".out." in name] == []
    assert "whole" in scene.ok("verify")


def test_output_that_is_no_text_is_kept_byte_for_byte_and_harms_no_terminal(scene: Scene) -> None:
    book = scene.runbook("""
name: binary
steps:
  - {id: bin, effect: read, run: "head -c 20000 /dev/urandom | tee bytes; printf '\\\\033[2J\\\\000\\\\377'; exit 3"}
""")
    ended = scene("run", book)
    assert ended.code == 1
    assert not [c for c in ended.out if ord(c) < 32 and c != "\n"]
    [outcome] = [e for e in scene.events() if e.kind == "step.ended"]
    with open(os.path.join(scene.folder, "bytes"), "rb") as file:
        made = file.read()
    with open_store(scene.store) as store:
        kept = b"".join(store.get_blob(one.sha256) for one in outcome.evidence)
    assert kept == made + b"\033[2J\0\xff"
    assert "whole" in scene.ok("verify")
    for page in (scene.ok("timeline"), scene.ok("steps", scene.run()), scene.ok("show", scene.run())):
        assert "\033" not in page and "\0" not in page
    scene.ok("postmortem", "-o", os.path.join(scene.folder, "p.md"))


def test_a_changed_byte_of_an_output_is_found(scene: Scene) -> None:
    assert scene("run", scene.runbook(PRINTER.replace("SIZE", "20000"))).code == 0
    [outcome] = [e for e in scene.events() if e.kind == "step.ended" and e.data["path"] == "big"]
    name = outcome.evidence[0].sha256
    blob = next(
        os.path.join(folder, file)
        for folder, _, files in os.walk(f"{scene.store}.blobs")
        for file in files
        if name in file or os.path.basename(folder) + file == name
    )
    os.chmod(blob, 0o600)
    with open(blob, "r+b") as file:
        file.write(b"F")
    damaged = scene("verify")
    assert damaged.code == 1 and name[:12] in damaged.text


def test_a_step_that_never_reads_gets_an_empty_input_and_no_terminal(scene: Scene) -> None:
    book = scene.runbook("""
name: stdin
steps:
  - {id: reads, effect: read, timeout: 10s, run: "cat; test ! -t 0; (: < /dev/tty) 2>/dev/null && exit 9 || exit 0"}
""")
    assert scene("run", book).code == 0


def test_a_step_that_stops_itself_is_woken_and_stopped(scene: Scene) -> None:
    book = scene.runbook(
        "name: z\nsteps:\n  - {id: act, effect: read, timeout: 300ms, grace: 200ms, run: 'kill -STOP $$'}\n"
    )
    assert scene("run", book).code == 1
    until(lambda: not scene.ours(), "the end of all that the step began")
