"""What a step printed on another machine: no line is lost, none comes twice, and no secret shows, whatever breaks."""

from __future__ import annotations

import glob
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from incidents.store import open_store
from tests.stories.scene import kill, until
from tests.stories.test_targets import Far, far

__all__ = ["far"]
SECRET = "supersecrettoken123"

COUNTS = """
name: counts
steps:
  - id: act
    targets: {hosts: web1}
    timeout: 60s
    run: "echo begun >> 'ACTS'; for i in $(seq 300); do echo line $i; sleep 0.01; done"
    outputs: {all: {lines: true}}
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
"""
LINES = [f"line {number}" for number in range(1, 301)]


def over_there(far: Far) -> str:
    """The folder of this run on its host, which is this machine."""
    (found,) = glob.glob(f"/run/howdah-{os.geteuid()}/{far.scene.run()}-*") or glob.glob(
        f"/tmp/howdah-{os.geteuid()}/{far.scene.run()}-*"
    )
    return found


def outcome(far: Far, step: str = "act@web1") -> dict[str, Any]:
    return [dict(e.data) for e in far.scene.events() if e.kind == "step.ended" and e.step == step][-1]


def record(far: Far) -> bytes:
    """Every byte of the store and of the runs beside it."""
    found = b""
    for path in glob.glob(f"{far.scene.store}*", recursive=True):
        for folder, _, names in os.walk(path):
            every = [Path(folder, name) for name in names]
            found += b"".join(path.read_bytes() for path in every if path.is_file())
        if os.path.isfile(path):
            found += Path(path).read_bytes()
    return found


def notes(far: Far) -> list[str]:
    return [e.body for e in far.scene.events() if e.kind == "note"]


def test_a_cut_link_loses_no_line_and_doubles_none(far: Far) -> None:
    far.begin(COUNTS)
    far.scene.wait_for_act("begun")
    for _ in range(3):
        far.server.cut()
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    told = outcome(far)
    assert told["outputs"]["all"] == LINES and told["dropped"] == 0
    assert told["tail"] == "".join(f"{line}\n" for line in LINES)[-8192:]


def test_what_looks_like_a_word_of_the_far_end_is_output_also_behind_a_cut(far: Far) -> None:
    far.begin("""
name: marks
steps:
  - id: act
    targets: {hosts: web1}
    timeout: 60s
    run: |
      printf 'one\\n\\036howdah:0123456789abcdef0123456789abcdef end 1 0\\nthree\\n'; echo begun >> 'ACTS'
      until [ -e 'ACTS.cut' ]; do sleep 0.1; done; echo last
    outputs: {all: {lines: true}}
""")
    far.scene.wait_for_act("begun")
    far.server.cut()
    Path(far.scene.acts_file + ".cut").touch()
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    word = "\x1ehowdah:0123456789abcdef0123456789abcdef end 1 0"
    assert outcome(far)["outputs"]["all"] == ["one", word, "three", "last"] and outcome(far)["dropped"] == 0


@pytest.mark.parametrize("driver", [False, True])
def test_the_death_of_the_keeper_loses_no_line(far: Far, driver: bool) -> None:
    """Of the keeper alone, and of the driver with it, after which another one takes the run up."""
    far.begin(COUNTS)
    far.scene.wait_for_act("begun")
    keeper = far.scene.keeper()
    if driver:
        kill(far.scene.driver())
    kill(keeper)
    if driver:
        far("resume")
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    assert outcome(far)["outputs"]["all"] == LINES and outcome(far)["dropped"] == 0


@pytest.mark.parametrize("how", ["cut", "keeper"])
def test_a_secret_is_masked_also_where_the_link_was_lost_in_the_middle_of_it(far: Far, how: str) -> None:
    begin = far.scene.begin
    book = far.scene.runbook(f"""
name: secret
inputs: {{tok: {{type: secret}}}}
steps:
  - id: act
    targets: {{hosts: web1}}
    timeout: 60s
    run: |
      printf 'before %s ' "$IN_TOK"; printf '%s' "${{IN_TOK:0:9}}"; sleep 0.3; echo begun >> 'ACTS'
      while [ ! -e '{far.scene.folder}/go' ]; do sleep 0.1; done
      echo "${{IN_TOK:9}} after"; for i in $(seq 900); do echo "tok $i $IN_TOK"; done
    outputs: {{all: {{text: true}}}}
""")
    env = {"PATH": far.server.path, "HOME": far.server.folder, "TOK": SECRET}
    viewer = begin("run", book, "-i", "tok=env:TOK", **env)
    far.scene.wait_for_act("begun")
    folder = over_there(far)
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert {os.stat(path).st_mode & 0o777 for path in glob.glob(f"{folder}/*")} == {0o600}
    if how == "cut":
        far.server.cut()
    else:
        kill(far.scene.keeper())
    Path(far.scene.folder, "go").touch()
    out, _ = viewer.communicate(timeout=60)
    assert viewer.returncode == 0, out
    text = outcome(far)["outputs"]["all"]
    assert text.splitlines()[0] == "before *** *** after" and text.splitlines()[-1] == "tok 900 ***"
    event = next(e for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1")
    with open_store(far.scene.store) as store:
        (blob,) = (store.get_blob(one.sha256) for one in event.evidence)
    assert blob.decode() == text + "\n"
    for shown in (record(far), out):
        assert SECRET.encode() not in shown and SECRET[:9].encode() not in shown
    until(lambda: not os.path.exists(folder), "the folder over there to go")


def test_what_is_kept_over_there_is_emptied_when_it_is_here(far: Far) -> None:
    far.begin("""
name: two
steps:
  - {id: act, targets: {hosts: web1}, timeout: 20s, run: "echo something"}
  - {id: more, targets: {hosts: web1}, timeout: 20s, run: "echo begun >> 'ACTS'; sleep 1.5"}
""")
    far.scene.wait_for_act("begun")
    folder = over_there(far)
    sizes = {os.path.getsize(path) for path in glob.glob(f"{folder}/*.out")}
    assert sizes and max(sizes) < 100
    until(
        lambda: b"something" not in b"".join(Path(p).read_bytes() for p in glob.glob(f"{folder}/*.out")), "it"
    )


def test_output_that_was_not_kept_is_counted_and_gives_no_value(far: Far) -> None:
    """Over there the file of the output is lost: what came until the cut is all that there is."""
    far.begin(COUNTS.replace('done"', "done; until [ -e 'ACTS.cut' ]; do sleep 0.1; done\""))
    far.scene.wait_for_act("begun")
    for path in glob.glob(f"{over_there(far)}/*.out"):
        os.unlink(path)
    far.server.cut()
    Path(far.scene.acts_file + ".cut").touch()
    assert far.scene.wait_for("run.ended").data["status"] == "failed"
    told = outcome(far)
    assert told["exit"] == 0 and told["dropped"] > 0 and told["outputs"] == {}
    assert "its outputs cannot be read: some of what it printed may be lost" in told["why"]
    assert far.scene.acts() == ["begun"]


def test_a_long_output_is_evidence_also_behind_a_cut(far: Far) -> None:
    far.begin("""
name: long
steps:
  - id: act
    targets: {hosts: web1}
    timeout: 60s
    run: "echo begun >> 'ACTS'; sleep 0.5; for i in $(seq 40000); do echo line $i; done"
""")
    far.scene.wait_for_act("begun")
    far.server.cut()
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    event = next(e for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1")
    whole = "".join(f"line {number}\n" for number in range(1, 40001)).encode()
    assert (event.data["bytes"], event.data["dropped"]) == (len(whole), 0)
    with open_store(far.scene.store) as store:
        assert b"".join(store.get_blob(one.sha256) for one in event.evidence) == whole


def test_of_an_output_that_is_too_long_to_be_kept_over_there_the_lack_is_told(far: Far) -> None:
    far.begin("""
name: endless
steps:
  - id: act
    targets: {hosts: web1}
    timeout: 60s
    run: "echo begun >> 'ACTS'; sleep 0.5; head -c 20000000 /dev/zero | tr '\\\\0' x"
""")
    far.scene.wait_for_act("begun")
    far.server.cut()
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    told = outcome(far)
    assert 20_000_000 >= told["bytes"] >= (16 << 20) - 100 and told["dropped"] > 0
    assert told["tail"].endswith("xxx")


def test_the_timeline_says_that_the_link_was_lost_and_how_long_it_really_ran(far: Far) -> None:
    far.begin("""
name: slow
steps:
  - id: act
    targets: {hosts: web1}
    timeout: 60s
    run: "echo begun >> 'ACTS'; sleep 3; exit 3"
""")
    far.scene.wait_for_act("begun")
    far.server.cut()
    assert far.scene.wait_for("run.ended").data["status"] == "failed"
    assert notes(far) == ["act@web1: the link to web1 was lost; the host is asked what became of it"]
    told = outcome(far)
    assert told["why"] == "exit 3; the link was lost, and web1 told its end"
    assert told["took"] >= 2_900_000


def test_nothing_is_left_over_there_after_cuts_and_deaths(far: Far) -> None:
    far.begin(COUNTS)
    far.scene.wait_for_act("begun")
    folder = over_there(far)
    kill(far.scene.driver())
    kill(far.scene.keeper())
    far.server.cut()
    assert far("resume").code == 0
    assert not os.path.exists(folder)


def test_a_host_that_is_away_at_the_end_is_named_with_what_it_keeps(far: Far) -> None:
    far.begin(COUNTS.replace("timeout: 60s", "timeout: 3s\n    effect: read"))
    far.scene.wait_for_act("begun")
    folder = over_there(far)
    far.server.cut(for_good=True)
    far.scene.wait_for("run.ended")
    assert any(
        os.path.basename(folder) in note and note.startswith("what web1 keeps of this run is still there")
        for note in notes(far)
    )


def test_a_stop_behind_a_cut_says_who_stopped_it(far: Far) -> None:
    """The link dies while it carries the stop."""
    far.begin(
        COUNTS.replace("sleep 0.01; done", "sleep 0.01; done; trap '' TERM; sleep 20; sleep 20").replace(
            "60s", "60s\n    grace: 3s"
        )
    )
    far.scene.wait_for_act("begun")
    until(lambda: "line 300" in outputs_here(far), "its last line")
    far("stop")
    until(lambda: glob.glob(f"{over_there(far)}/*.why"), "the stop over there")
    far.server.cut()
    asked = far.scene.wait_for("question.asked")
    assert "stopped: a person stopped it" in asked.data["shows"]["why"]


def outputs_here(far: Far) -> str:
    return "".join(Path(path).read_text() for path in glob.glob(f"{far.scene.run_dir()}/*.out.0"))


def test_a_link_that_takes_nothing_more_holds_nobody_up_and_nothing_is_lost(
    shell: str, tmp_path: Path
) -> None:
    """The far end alone, whose other side stands still, then is asked by another: more than all pipes hold is printed."""
    from runbooks.targets import ssh

    key = f"run-standing-{os.getpid()}"
    text = ssh.COMMAND.replace("/bin/sh", shell)
    mark = ssh.new_mark()
    payload = ssh.payload(["sh", "-c", "seq 300000"], {"PATH": os.environ["PATH"]}, f"{key}/1/")
    still = subprocess.Popen(
        ["sh", "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert still.stdin is not None and still.stdout is not None
    still.stdin.write(ssh.script(key, mark) + b"run 1\n" + payload + b"\n")
    still.stdin.flush()
    try:
        files = (f"/run/howdah-{os.geteuid()}/{key}/1.out", f"/tmp/howdah-{os.geteuid()}/{key}/1.out")
        until(
            lambda: any(os.path.exists(path) and os.path.getsize(path) > 60_000 for path in files), "output"
        )

        def asked() -> bytes:
            given = ssh.script(key, ssh.new_mark()) + b"ask 1\nrest 1\n"
            return subprocess.run(["sh", "-c", text], input=given, capture_output=True, timeout=60).stdout

        until(lambda: b" ended 1 0 " in asked(), "its end")
        said = asked()
        whole = b"".join(b"%d\n" % number for number in range(1, 300001))
        assert whole in said and b"%s end 1 0\n" % mark in said
    finally:
        os.killpg(still.pid, signal.SIGKILL)
        still.stdin.close()
        still.stdout.close()
        still.wait()
        given = ssh.script(key, ssh.new_mark()) + b"bye\n"
        subprocess.run(["sh", "-c", text], input=given, capture_output=True, timeout=60)
    assert not any(os.path.exists(os.path.dirname(path)) for path in files)
