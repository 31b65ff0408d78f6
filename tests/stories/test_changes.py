"""What a step changes is read by howdah itself, right before the act and right after, and told with its difference."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.far.server import lacks, serve
from tests.runbooks.library.queues import server
from tests.stories.scene import Scene, lack

EDIT = """
name: edit
inputs: {{token: {{type: secret, default: 'env:TOKEN'}}}}
steps:
  - id: edit
    timeout: 20s
    run: {run}
    change: {{{subject}}}
    undo: {{run: [cp, '{folder}/old', '{folder}/app.conf']}}
"""


@pytest.fixture
def conf(scene: Scene) -> Path:
    """A file to change; `old` beside it is how it was."""
    for name in ("old", "app.conf"):
        Path(scene.folder, name).write_text("pool: 20\nname: app\n")
        os.chmod(f"{scene.folder}/{name}", 0o644)
    return Path(scene.folder, "app.conf")


def book(scene: Scene, run: str, subject: str) -> str:
    return scene.runbook(EDIT.format(run=json.dumps(run), subject=subject, folder=scene.folder))


def changes(scene: Scene, kind: str = "step.ended", run: str | None = None) -> list[dict[str, Any]]:
    return [dict(e.data["change"]) for e in scene.events(run) if e.kind == kind and "change" in e.data]


def test_a_file_is_told_as_it_was_and_is_with_the_lines_that_differ(scene: Scene, conf: Path) -> None:
    run = f"sed -i s/20/5/ '{conf}'"
    assert scene("run", book(scene, run, f"file: '{conf}'"), TOKEN="x" * 20).code == 0
    [intent], [told] = changes(scene, "step.started"), changes(scene)
    assert intent["from"].startswith("19 bytes, 0644 ") and "sha256 " in intent["from"] and "to" not in intent
    assert (told["from"], told["to"], told["undo"]) == ("19 bytes", "18 bytes", True)
    assert told["diff"].splitlines()[-3:] == ["-pool: 20", "+pool: 5", " name: app"]
    line = "/app.conf: 19 bytes → 18 bytes, +1 −1 lines; can be undone"
    assert line in " ".join(scene.ok("timeline").split())
    written = scene.ok("postmortem")
    assert f"/app.conf | 19 bytes | 18 bytes | nova | `{scene.run()}/edit` | ok |" in written
    assert "```diff\n--- before\n+++ after\n@@ -1,2 +1,2 @@\n-pool: 20\n+pool: 5\n name: app\n```" in written

    assert scene("undo", scene.run(), TOKEN="x" * 20).code == 0
    scene.wait_for("run.ended", status="undone")
    back = changes(scene)[-1]
    assert (back["from"], back["to"]) == ("18 bytes", "19 bytes") and "+pool: 20" in back["diff"]


def test_who_declares_is_told_what_was_changed_in_the_last_day(scene: Scene, conf: Path) -> None:
    assert "changed" not in scene.ok("declare", "slow", "--key", "k1")
    for number in range(1, 8):
        scene.ok("do", "--file", str(conf), "--undo", "true", "--", "sh", "-c", f"echo {number} > app.conf")
    scene.ok("do", "--what", "app:pool", "--old", "20", "--new", "5", "--", "true")
    scene.ok("do", "--file", str(conf), "--", "true")  # left as it was: no change
    assert scene("do", "--what", "app:pool", "--new", "4", "--", "false").code == 1
    told = scene.ok("declare", "web is slow").splitlines()
    shown = told[told.index("changed in the last 24 h:") + 1 :][:6]
    assert (
        "app:pool: … → 4 (the step failed), by nova" in shown[0] and "app:pool: 20 → 5, by nova" in shown[1]
    )
    assert "app.conf: 2 bytes → 2 bytes, +1 −1 lines; can be undone, by nova" in shown[2]
    assert shown[5] == "  and 4 more: howdah changes"
    listed = json.loads(scene.ok("changes", "--json"))["changes"]
    assert len(listed) == 9 and listed[2]["diff"].endswith("-6\n+7") and listed[2]["undo"] is True
    assert "+7" in scene.ok("changes", "--diff") and "+7" in scene.ok("show", listed[2]["run"])
    assert json.loads(scene.ok("changes", "--drill", "--json"))["changes"] == []


def test_a_command_by_hand_changes_one_named_thing(scene: Scene) -> None:
    answer = scene("do", "--file", "a", "--unit", "b", "--", "true")
    assert answer.code == 2 and "exclude each other" in answer.err


@pytest.mark.parametrize("word", ["file", "unit", "what"])
def test_an_empty_name_is_no_name(scene: Scene, word: str) -> None:
    """As of a variable that a script did not set: to do it without reading anything is not what was asked for."""
    answer = scene("do", f"--{word}", "", "--", "touch", scene.acts_file)
    assert answer.code == 2 and f"--{word}" in answer.err and not os.path.exists(scene.acts_file)


def test_a_file_is_named_as_the_system_has_it(scene: Scene) -> None:
    for name in (" spaced  out ", "${{ item }}", "tab\tand\nnewline"):
        scene.ok("do", "--file", name, "--", "sh", "-c", 'echo x > "$1"', "sh", name)
        assert changes(scene)[0]["what"] == f"{scene.folder}/{name}" and changes(scene)[0]["to"]
    answer = scene("do", "--file", os.fsdecode(b"\xff"), "--", "touch", scene.acts_file)
    assert answer.code == 2 and "UTF-8" in answer.err and not os.path.exists(scene.acts_file)


def test_what_a_step_left_as_it_was_is_told_as_unchanged(scene: Scene, conf: Path) -> None:
    assert scene("run", book(scene, "true", "file: app.conf"), TOKEN="x" * 20).code == 0
    assert changes(scene)[0]["same"] is True
    assert ": unchanged" in scene.ok("timeline")


def test_a_driver_that_died_before_it_looked_again_leaves_the_new_value_unknown(
    scene: Scene, conf: Path
) -> None:
    path = book(scene, f"echo more >> '{conf}'", f"file: '{conf}'")
    died = scene("run", path, TOKEN="x" * 20, HOWDAH_TEST_KILL="before-outcome:edit")
    assert died.code == 1
    conf.write_text("changed by somebody else meanwhile\n")
    assert scene("resume", TOKEN="x" * 20).code == 0
    [told] = changes(scene)
    assert "to" not in told and "diff" not in told and "driver died" in told["unknown"]
    assert told["from"] == changes(scene, "step.started")[0]["from"]
    assert "unknown (its driver died" in scene.ok("postmortem")


def test_what_cannot_be_read_is_unknown_and_the_step_goes_on(scene: Scene) -> None:
    """The memory of a process is a regular file whose first byte nobody can read."""
    for subject, why in (
        ("file: /proc/self/mem", "content could not be read"),
        ("redis: k, url: 'redis://127.0.0.1:1'", "Redis"),
    ):
        assert scene("run", book(scene, "true", subject), TOKEN="x" * 20).code == 0
        assert why in changes(scene)[0]["unknown"]


def test_a_look_that_hangs_does_not_hold_up_the_step_and_is_not_repeated(scene: Scene) -> None:
    """Of many that hang two are waited for."""
    fake(scene, f"echo looked >> '{scene.acts_file}'; exec sleep 120")
    path = scene.runbook("""
name: many
steps:
  - id: each
    for_each: [a, b, c]
    parallel: 3
    timeout: 20s
    run: echo done >> 'ACTS'
    change: {unit: "${{ item }}.service"}
""")
    assert scene("run", path, PATH=f"{scene.folder}/bin:{os.environ['PATH']}").code == 0
    assert sorted(scene.acts()) == ["done"] * 3 + ["looked"] * 2
    told = {change["what"]: change for change in changes(scene)}
    assert "nobody looked again" in told["a.service"]["unknown"] and "to" not in told["a.service"]
    assert "nobody looked" in told["c.service"]["unknown"]


def test_what_many_change_is_looked_at_side_by_side(scene: Scene) -> None:
    """Each look waits until as many others are at work as there can be: the first two know nothing of the rest yet."""
    meets = """
echo "$$" >> looking
for i in $(seq 150); do [ "$(wc -l < looking)" -ge 2 ] && { echo LoadState=loaded; echo ActiveState=met; exit; }; sleep 0.01; done
echo LoadState=loaded; echo ActiveState=alone
"""
    fake(scene, meets.replace("looking", f"'{scene.folder}/looking'"))
    path = scene.runbook("""
name: many
steps:
  - id: each
    for_each: [a, b]
    parallel: 2
    timeout: 20s
    run: echo done >> 'ACTS'
    change: {unit: "${{ item }}.service"}
""")
    assert scene("run", path, PATH=f"{scene.folder}/bin:{os.environ['PATH']}").code == 0
    assert [change["from"] for change in changes(scene, "step.started")] == ["met ()"] * 2


def test_a_file_that_is_no_file_of_bytes_is_never_opened(scene: Scene) -> None:
    os.mkfifo(f"{scene.folder}/pipe")
    assert scene("run", book(scene, "true", "file: pipe"), TOKEN="x" * 20).code == 0
    assert changes(scene)[0]["from"].startswith("a fifo")


def test_of_what_is_no_regular_file_that_is_said_and_it_is_no_change_before_it_becomes_another_thing(
    scene: Scene,
) -> None:
    os.mkfifo(f"{scene.folder}/pipe")
    os.mkdir(f"{scene.folder}/folder", 0o755)
    for name, what in (("pipe", "fifo"), ("folder", "directory")):
        scene.ok("do", "--file", name, "--undo", "true", "--", "true")
        told = " ".join(scene.ok("timeline").split())
        assert f"/{name}: not read (it is a {what}, no regular file) #" in told
    assert "| not read (it is a directory, no regular file) |" in scene.ok("postmortem", "inc-2")
    assert json.loads(scene.ok("changes", "--json"))["changes"] == []
    scene.ok("do", "--file", "folder", "--", "chmod", "700", "folder")
    scene.ok("do", "--file", "new", "--", "mkdir", "-m", "700", "new")
    made, closed = json.loads(scene.ok("changes", "--json"))["changes"]
    assert made["from"] == "not there" and made["to"].startswith("a directory, 0700")
    assert closed["from"].startswith("a directory, 0755") and closed["to"].startswith("a directory, 0700")


def test_a_value_of_the_kernel_is_told_as_it_stands(scene: Scene) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        path = f"/proc/{process.pid}/oom_score_adj"
        old = Path(path).read_text().strip()
        scene.ok("do", "--file", path, "--undo", "true", "--", "sh", "-c", f"echo 1000 > {path}")
        process.kill()
    [told] = changes(scene)
    assert (told["from"], told["to"]) == (old, "1000") and "diff" not in told
    assert f"oom_score_adj: {old} → 1000; can be undone" in " ".join(scene.ok("timeline").split())


def test_a_unit_is_told_by_its_state_and_whether_it_was_started_anew(scene: Scene) -> None:
    Path(scene.folder, "unit").write_text("ActiveState=inactive\n")
    fake(scene, f"echo LoadState=loaded; echo SubState=x; cat '{scene.folder}/unit'")
    path = scene.runbook("""
name: unit
steps:
  - {run: "printf 'ActiveState=active\\nInvocationID=1\\n' > unit", timeout: 9s, change: {unit: app.service}}
  - {run: "printf 'ActiveState=active\\nInvocationID=2\\n' > unit", timeout: 9s, change: {unit: app.service}}
""")
    assert scene("run", path, PATH=f"{scene.folder}/bin:{os.environ['PATH']}").code == 0
    told = [(change["from"], change["to"]) for change in changes(scene)]
    assert told == [("inactive (x)", "active (x)"), ("active (x)", "active (x), started anew")]


@pytest.mark.lab
def test_a_key_of_redis_is_told_by_its_value_or_how_much_it_holds(scene: Scene) -> None:
    with server() as redis:
        redis.run("SET", "limit", "20")
        redis.run("RPUSH", "queue:a", "1", "2", "3")
        url = f"unix://{redis.socket}"
        path = scene.runbook(f"""
name: redis
steps:
  - {{uses: redis, with: {{url: '{url}', command: [SET, limit, 5]}}, change: {{redis: limit}}}}
  - {{run: "true", timeout: 9s, effect: idempotent, change: {{redis: 'queue:a', url: '{url}'}}}}
  - {{uses: redis, with: {{url: '{url}', command: [DEL, 'queue:a']}}, change: {{redis: 'queue:a'}}}}
""")
        assert scene("run", path).code == 0
    told = [(change["what"], change["from"], change["to"]) for change in changes(scene)]
    assert told[0] == ("limit", "'20'", "'5'")
    assert told[1:] == [("queue:a", "a list of 3", "a list of 3"), ("queue:a", "a list of 3", "not there")]


def test_a_secret_in_a_file_does_not_reach_the_record(scene: Scene, conf: Path) -> None:
    path = book(scene, f"sed -i \"s/app/$IN_TOKEN/\" '{conf}'", f"file: '{conf}'")
    assert scene("run", path, TOKEN="correct-horse-battery").code == 0
    [told] = changes(scene)
    assert "+name: ***" in told["diff"]
    assert b"correct-horse" not in Path(scene.store).read_bytes()


def test_it_is_read_on_the_machine_where_the_step_runs(scene: Scene) -> None:
    if why := lacks():
        lack(why)
    with serve(os.path.join(scene.folder, "ssh")) as one:
        Path(scene.folder, "howdah.yaml").write_text("hosts:\n" + one.host("web1"))
        home = Path(scene.folder, "it's $HOME é\n")
        home.mkdir()
        conf = home / "app.conf"
        text = f"""
name: far
steps:
  - id: edit
    targets: {{hosts: web1}}
    timeout: 20s
    env: {{F: {json.dumps(str(conf))}}}
    run: echo "pool 5" > "$F"
    change: {{file: {json.dumps(str(conf))}}}
"""
        ran = scene("run", scene.runbook(text), PATH=one.path, HOME=one.folder)
        assert ran.code == 0, ran.text
        [told] = changes(scene)
        assert (
            told["from"] == "not there"
            and told["to"].startswith("7 bytes, 0")
            and told["diff"].endswith("+pool 5")
        )
        assert [
            e.data["host"] for e in scene.events() if e.kind == "step.started" and "change" in e.data
        ] == ["web1"]


def fake(scene: Scene, script: str) -> None:
    """A systemctl that runs this."""
    os.mkdir(f"{scene.folder}/bin")
    Path(scene.folder, "bin", "systemctl").write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(f"{scene.folder}/bin/systemctl", 0o755)


def test_a_long_difference_is_counted_whole_and_one_that_takes_long_to_find_is_not_looked_for(
    scene: Scene,
) -> None:
    many, alike = Path(scene.folder, "many"), Path(scene.folder, "alike")
    many.write_text("".join(f"{number}\n" for number in range(1000, 4000)))
    scene.ok("do", "--file", str(many), "--", "sh", "-c", f"seq 5001 8000 > '{many}'")
    assert "many: 15,000 bytes → 15,000 bytes, +3000 −3000 lines" in scene.ok("timeline")
    alike.write_text("".join(f"{number % 110}\n" for number in range(18_000)))
    mixed = f"seq 0 17999 | awk '{{ print ($1 * 37) % 110 }}' > '{alike}'"
    scene.ok("do", "--file", str(alike), "--", "sh", "-c", mixed)
    told = scene.ok("changes")
    ended = [e.data["change"] for e in scene.events() if e.kind == "step.ended" and "change" in e.data]
    assert "diff" not in ended[-1] and "sha256" in ended[-1]["to"], "howdah would be busy with it for minutes"
    assert "alike" in told and max(map(len, told.split())) < 64


def test_where_a_link_leads_is_told(scene: Scene) -> None:
    for name in ("one", "two"):
        Path(scene.folder, name).write_text("same\n")
    link = Path(scene.folder, "current")
    link.symlink_to("one")
    scene.ok("do", "--file", str(link), "--", "ln", "-sfn", "two", str(link))
    told = scene.ok("changes", "--json")
    assert "a link to one" in told and "a link to two" in told


def test_who_must_say_whether_a_step_happened_is_shown_what_it_changed(scene: Scene, conf: Path) -> None:
    """What was read stands in the attempt's own events alone: the question's event has no second copy of it."""
    run = f"sed -i s/20/5/ '{conf}'; kill -9 $$"
    parked = scene("run", book(scene, run, f"file: '{conf}'"), TOKEN="x" * 20)
    assert parked.code == 3
    told = " ".join(parked.text.split())
    assert "/app.conf" in told and "before the act 19 bytes" in told
    assert "after the act 18 bytes, +1 −1 lines" in told and "-pool: 20 +pool: 5 name: app" in told
    [asked] = [e for e in scene.events() if e.kind == "question.asked"]
    assert "pool" not in json.dumps(dict(asked.data["shows"], script=""))


def test_who_must_say_whether_a_step_happened_is_told_what_could_not_be_read(
    scene: Scene, conf: Path
) -> None:
    path = book(scene, f"echo more >> '{conf}'; kill -9 $$", f"file: '{conf}'")
    assert scene("run", path, TOKEN="x" * 20, HOWDAH_TEST_KILL="before-outcome:edit").code == 1
    resumed = scene("resume", TOKEN="x" * 20)
    assert resumed.code == 3, resumed.text
    told = " ".join(resumed.text.split())
    assert "before the act 19 bytes, 0644" in told and "sha256 " in told
    assert "after the act unknown: its driver died before it could be read again" in told


def test_what_is_redacted_of_a_step_is_said_to_be_and_no_digest_of_its_file_stays(
    scene: Scene, conf: Path
) -> None:
    digest = hashlib.sha256(conf.read_bytes()).hexdigest()
    Path(scene.folder, "more").write_text("token: hunter2\n")
    scene.ok("do", "--file", str(conf), "--", "sh", "-c", "cat more >> app.conf")
    run = scene.run()
    intent, ended = (e.seq for e in scene.events() if e.kind in ("step.started", "step.ended"))
    about = ("--why", "a password", "--yes", "--incident", "inc-1")
    told = scene.ok("redact", str(ended), *about)
    assert f"howdah redact {intent} --incident inc-1" in told
    [change] = json.loads(scene.ok("changes", "--json"))["changes"]
    assert change["unknown"] == "its outcome was redacted" and change["from"].startswith("19 bytes")
    assert "unknown (its outcome was redacted)" in " ".join(scene.ok("show", run).split())
    assert "not ended" not in scene.ok("show", run) + scene.ok("postmortem", "inc-1")
    assert scene("attach", run).code == 0

    assert "howdah redact" not in scene.ok("redact", str(intent), *about)
    assert "redacted" in scene.ok("show", run) and "19 bytes" not in scene.ok("show", run)
    assert json.loads(scene.ok("changes", "--json"))["changes"] == []
    kept = [path.read_bytes() for path in Path(scene.folder).rglob("store.db*") if path.is_file()]
    assert not any(digest.encode() in one or b"hunter2" in one for one in kept)


def test_a_change_whose_beginning_was_redacted_is_told_by_its_outcome(scene: Scene, conf: Path) -> None:
    scene.ok("do", "--file", str(conf), "--", "sh", "-c", f"echo more >> '{conf}'")
    [intent] = [e.seq for e in scene.events() if e.kind == "step.started"]
    scene.ok("redact", str(intent), "--why", "a password", "--yes", "--incident", "inc-1")
    [change] = json.loads(scene.ok("changes", "--json"))["changes"]
    assert (change["by"], change["status"], change["to"]) == ("nova", "ok", "24 bytes")
    assert scene("attach", scene.run()).code == 0
    assert scene("undo", scene.run()).code == 4
