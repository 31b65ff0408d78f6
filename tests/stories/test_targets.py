"""Steps on other machines: a real sshd, a real link, and what becomes of an attempt when that is cut."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from incidents.errors import Refused
from incidents.store import open_store
from runbooks import consent, procfs, recover
from tests.far.server import Server, lacks, serve
from tests.stories.scene import Answer, Scene, ended, kill, lack, lives, until

CHANGED = {"ssh": "its host key has CHANGED", "asyncssh": "its host key is not known, or has changed"}
FOUR = ("web1", "web2", "web3", "web4")


class Far:
    """A scene whose `howdah.yaml` names hosts of one server."""

    def __init__(self, scene: Scene, server: Server, transport: str):
        self.scene, self.server, self.transport = scene, server, transport
        self.hosts("".join(server.host(name, roles="[web]") for name in FOUR))

    def hosts(self, text: str) -> None:
        text = text.replace("address:", f"transport: {self.transport}, address:")
        Path(self.scene.folder, "howdah.yaml").write_text(f"hosts:\n{text}")

    def __call__(self, *words: str, **env: str) -> Answer:
        return self.scene(*words, PATH=self.server.path, HOME=self.server.folder, **env)

    def run(self, book: str, *words: str) -> Answer:
        return self("run", self.scene.runbook(book), *words)

    def begin(self, book: str) -> None:
        self.scene.begin("run", self.scene.runbook(book), PATH=self.server.path, HOME=self.server.folder)

    def outcomes(self) -> dict[str, str]:
        """step -> how it last ended"""
        return {str(e.step): e.data["status"] for e in self.scene.events() if e.kind == "step.ended"}

    def why(self, step: str) -> str:
        return [str(e.data["why"]) for e in self.scene.events() if e.kind == "step.ended" and e.step == step][
            -1
        ]


@pytest.fixture(params=["ssh", "asyncssh"])
def far(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Far]:
    """All that holds holds by either transport."""
    if why := lacks():
        lack(why)
    with serve(os.path.join(scene.folder, "ssh")) as server:
        yield Far(scene, server, request.param)


def test_a_step_runs_on_each_host_with_its_arguments_its_variables_and_no_other(far: Far) -> None:
    told = far.run("""
name: look
steps:
  - id: look
    effect: read
    targets: {hosts: web}
    env: {WHERE: "on ${{ host }}: $(id) 'a'"}
    run: env
    outputs: {all: {text: true}}
  - {id: see, effect: read, run: [echo, "${{ steps.look.outputs.all['web2'] }}"], outputs: {all: {text: true}}}
""")
    assert told.code == 0, told
    shown = {e.step: e.data["outputs"] for e in far.scene.events() if e.kind == "step.ended"}
    assert set(shown["look"]["all"]) == set(FOUR)
    got = dict(line.partition("=")[::2] for line in shown["look@web2"]["all"].splitlines())
    assert (
        got["WHERE"] == "on web2: $(id) 'a'"
        and got["HOWDAH_HOST"] == "web2"
        and got["HOWDAH_STEP"] == "look@web2"
    )
    assert got["HOME"] == f"{far.server.folder}/home"
    assert got.keys() - {"_", "PWD", "SHLVL", "OLDPWD"} == {  # bash's own
        "WHERE", "HOME", "USER", "LOGNAME", "PATH", "LANG", "TZ", "TMPDIR", "HOWDAH_RUN", "HOWDAH_STEP",
        "HOWDAH_ATTEMPT", "HOWDAH_INCIDENT", "HOWDAH_HOST", "HOWDAH_FAR",
    }  # fmt: skip
    assert all(
        event.data.get("host") in FOUR
        for event in far.scene.events()
        if event.kind == "step.started" and event.step != "see"
    )


def test_batches_run_one_after_the_other_and_undo_takes_back_exactly_what_was_done(far: Far) -> None:
    told = far.run("""
name: restart
steps:
  - id: restart
    targets: {hosts: web, serial: [1, 50%], max_fail_percentage: 20}
    timeout: 20s
    env: {HOST: "${{ host }}"}
    run: test "$HOST" != web2 && echo "did-$HOST" >> 'ACTS'
    undo: {run: [sh, -c, "echo back-${{ host }} >> 'ACTS'"]}
  - {id: never, timeout: 20s, run: "echo never >> 'ACTS'"}
""")
    assert told.code == 1, told
    assert sorted(far.scene.acts()) == ["did-web1", "did-web3"]
    assert far.outcomes()["restart"] == "failed" and "restart@web4" not in far.outcomes()
    assert far.why("restart") == "stopped after batch 2 of 3: 2 ok, 1 failed (web2), 1 not reached (web4)"
    assert far("undo", far.scene.run()).code == 0
    until(lambda: len(far.scene.acts()) > 3, "the undo")
    assert sorted(far.scene.acts()[2:]) == ["back-web1", "back-web3"]


def test_failures_below_the_limit_are_no_success_and_the_run_goes_on(far: Far) -> None:
    far.hosts(
        "".join(far.server.host(name, roles="[web]") for name in FOUR)
        + "  gone: {address: 127.0.0.1, port: 1, roles: [web]}\n"
    )
    told = far.run("""
name: restart
steps:
  - id: act
    targets: {hosts: web, max_fail_percentage: 20}
    timeout: 20s
    run: "true"
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
""")
    assert told.code == 0, told
    assert far.outcomes()["act"] == "continued" and far.outcomes()["act@gone"] == "failed"
    assert far.why("act") == "4 ok, 1 unreachable (gone)" and far.scene.acts() == ["next"]
    assert "gone cannot be reached: " in far.why("act@gone")


SLOW = """
name: slow
steps:
  - id: act
    targets: {hosts: web1}
    EFFECT
    timeout: 30s
    run: "echo begun >> 'ACTS'; for i in $(seq 30); do echo tick $i; sleep 0.1; done; echo ended >> 'ACTS'"
  - {id: next, timeout: 20s, run: "echo next >> 'ACTS'"}
"""


@pytest.mark.parametrize("effect", ["effect: unsafe", "effect: idempotent"])
def test_a_cut_link_is_no_end_the_host_is_asked_and_nothing_is_repeated(far: Far, effect: str) -> None:
    far.begin(SLOW.replace("EFFECT", effect))
    far.scene.wait_for_act("begun")
    far.server.cut()
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    assert far.scene.acts() == ["begun", "ended", "next"]
    (outcome,) = [e for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1"]
    assert outcome.data["exit"] == 0 and outcome.data["tail"].endswith("tick 30\n")


def test_a_cut_link_to_a_host_that_is_gone_is_a_doubt_for_what_must_not_happen_twice(far: Far) -> None:
    far.begin(
        SLOW.replace("EFFECT", "effect: unsafe")
        .replace("timeout: 30s", "timeout: 4s")
        .replace("seq 30", "seq 80")
    )
    far.scene.wait_for_act("begun")
    far.server.cut(for_good=True)
    asked = far.scene.wait_for("question.asked")
    assert asked.data["what"] == "doubt" and asked.data["shows"]["host"] == "web1"
    assert "whether it still runs is not known: web1 cannot be reached" in asked.data["shows"]["why"]
    assert "next" not in far.scene.acts()


def test_driver_and_keeper_may_die_and_what_runs_over_there_is_found_again(far: Far) -> None:
    far.begin(SLOW.replace("EFFECT", "effect: unsafe"))
    far.scene.wait_for_act("begun")
    for pid in (far.scene.driver(), far.scene.keeper()):
        kill(pid)
    assert far("resume").code == 0
    assert far.scene.acts() == ["begun", "ended", "next"]
    (outcome,) = [e for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1"]
    assert outcome.data["recovered"]


@pytest.mark.parametrize("cut", [False, True])
def test_a_stop_ends_what_runs_over_there_also_when_the_link_is_gone(far: Far, cut: bool) -> None:
    far.begin(SLOW.replace("EFFECT", "effect: unsafe").replace("sleep 0.1", "setsid sleep 21"))
    far.scene.wait_for_act("begun")
    until(lambda: sleepers(far) != [], "the sleeper")
    if cut:
        far.server.cut()
    far("stop")
    asked = far.scene.wait_for("question.asked")
    assert "a person stopped it" in asked.data["shows"]["why"]
    assert sleepers(far) == []


def sleepers(far: Far) -> list[int]:
    """The test's own: another one may have some at the same time."""
    return [pid for pid in far.scene.ours() if lives(pid) and procfs.command(pid) == "sleep 21"]


def test_time_ends_what_runs_over_there_and_what_ignores_it_too(far: Far) -> None:
    told = far.run("""
name: stubborn
steps:
  - id: act
    targets: {hosts: web1}
    effect: read
    timeout: 1s
    grace: 1s
    run: "trap '' TERM; echo begun; sleep 21 & sleep 21; sleep 21"
""")
    assert told.code == 1 and "stopped: its time was up" in far.why("act@web1")
    assert sleepers(far) == []


def test_a_service_that_is_left_behind_over_there_goes_on_and_is_named(far: Far) -> None:
    told = far.run("""
name: service
steps:
  - {id: act, targets: {hosts: web1}, timeout: 30s, run: "sleep 21 & echo started"}
  - {id: more, targets: {hosts: web1}, timeout: 30s, run: "echo more", outputs: {x: {text: true}}}
""")
    assert told.code == 0, told
    (first, *_) = [e for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1"]
    assert re.fullmatch(r"sleep 21 on web1 \(pid \d+\)", first.data["services"][0])
    (pid,) = sleepers(far)
    kill(pid)
    (more,) = [e for e in far.scene.events() if e.kind == "step.ended" and e.step == "more@web1"]
    assert more.data["outputs"] == {"x": "more"}


# -- bad input -------------------------------------------------------------------------------------------------

ONE = "name: one\nsteps:\n  - {id: act, targets: {hosts: HOST}, timeout: 20s, run: \"echo hi >> 'ACTS'\"}\n"


def test_an_unknown_host_is_refused_before_anything_begins(far: Far) -> None:
    told = far.run(ONE.replace("HOST", "wbe1"))
    assert (
        told.code == 2
        and "there is no host and no role 'wbe1'" in told.err
        and "did you mean web1?" in told.err
    )
    assert not far.scene.runs()


def test_a_changed_host_key_is_refused_and_nothing_is_sent(far: Far) -> None:
    known = Path(far.server.folder, "known")
    other = Path(far.server.folder, "user.pub").read_text().split()[:2]
    known.write_text(f"[127.0.0.1]:{far.server.port} {' '.join(other)}\n")
    assert far.run(ONE.replace("HOST", "web1")).code == 1
    assert CHANGED[far.transport] in far.why("act@web1") and far.scene.acts() == []
    known.write_text("")
    assert far.run(ONE.replace("HOST", "web1")).code == 1
    assert "its host key is not known" in far.why("act@web1") and far.scene.acts() == []


def test_a_host_that_wants_a_password_is_not_waited_for(far: Far) -> None:
    Path(far.server.folder, "authorized").write_text("")
    assert far.run(ONE.replace("HOST", "web1")).code == 1
    assert "nobody is asked for a password here" in far.why("act@web1")


@pytest.mark.parametrize(
    "shell",
    [
        "#!/bin/sh\necho Welcome; echo 'M hello'; echo noise >&2; exec /bin/sh \"$@\"\n",
        "#!/bin/sh\nprintf 'no newline'; exec /bin/dash \"$@\"\n",
        '#!/bin/bash\nexec /bin/bash --posix "$@"\n',
    ],
)
def test_a_login_shell_may_print_noise_and_be_another(far: Far, shell: str) -> None:
    """sshd asks the account's login shell to run the command; a forced command stands in for another shell."""
    path = Path(far.server.folder, "shell")
    path.write_text(shell)
    path.chmod(0o755)
    key = Path(far.server.folder, "user.pub").read_text()
    Path(far.server.folder, "authorized").write_text(f'command="{path} -c \\"$SSH_ORIGINAL_COMMAND\\"" {key}')
    told = far.run("""
name: one
steps:
  - {id: act, targets: {hosts: web1}, effect: read, run: [echo, hi], outputs: {x: {text: true}}}
""")
    assert told.code == 0, told
    (outcome,) = [e for e in far.scene.events() if e.kind == "step.ended" and e.step == "act@web1"]
    assert outcome.data["outputs"] == {"x": "hi"}


def test_a_program_that_is_not_there_fails_with_its_reason(far: Far) -> None:
    told = far.run(
        "name: one\nsteps:\n  - {id: act, targets: {hosts: web1}, timeout: 9s, run: [no-such-program]}\n"
    )
    assert told.code == 1
    assert far.why("act@web1").startswith("no-such-program: not found in PATH (")


def test_nothing_is_left_over_there_when_the_run_has_ended(far: Far) -> None:
    assert far.run(ONE.replace("HOST", "[web1, web2]")).code == 0
    run = far.scene.run()
    folder = f"/run/howdah-{os.geteuid()}" if os.geteuid() == 0 else f"/tmp/howdah-{os.geteuid()}"
    until(
        lambda: not [name for name in os.listdir(folder) if name.startswith(run)],
        "the folder over there to go",
    )


def test_items_without_hosts_run_here_in_order_and_siblings_finish(far: Far) -> None:
    told = far.run("""
name: items
steps:
  - id: act
    for_each: [a, "b c", d]
    timeout: 20s
    env: {ITEM: "${{ item }}"}
    run: echo "${ITEM// /_}" >> 'ACTS'; test "$ITEM" != 'b c'
""")
    assert told.code == 1
    assert far.scene.acts() == ["a", "b_c", "d"]
    assert far.outcomes() == {"act[0]": "ok", "act[1]": "failed", "act[2]": "ok", "act": "failed"}
    assert far.why("act") == "2 ok, 1 failed (b c)"


def test_confirm_asks_once_and_shows_all_hosts(far: Far) -> None:
    far.begin(
        ONE.replace("targets: {hosts: HOST}", "confirm: Restart?, targets: {hosts: web, serial: [1, 2]}")
    )
    asked = far.scene.wait_for("question.asked")
    assert asked.data["shows"]["hosts"] == list(FOUR) and asked.data["shows"]["batches"] == [1, 2, 1]
    shown = far.scene("show", far.scene.run()).out
    assert "4 hosts: web1, web2, web3, web4, in batches of 1, 2, 1" in shown or json.dumps(shown)
    assert far("confirm").code == 0
    assert far.scene.wait_for("run.ended").data["status"] == "ok"
    assert far.scene.acts() == ["hi"] * 4


def test_doubts_on_several_hosts_are_all_asked_about(far: Far) -> None:
    far.begin("""
name: doubts
steps:
  - id: act
    targets: {hosts: web}
    timeout: 20s
    env: {HOST: "${{ host }}"}
    run: test "$HOST" = web1 || kill -9 $$
""")
    until(lambda: len([e for e in far.scene.events() if e.kind == "question.asked"]) == 3, "three questions")
    asked = {str(e.step) for e in far.scene.events() if e.kind == "question.asked"}
    assert asked == {"act@web2", "act@web3", "act@web4"}
    for host in ("web2", "web3", "web4"):
        assert far("done", f"act@{host}").code == 0
    assert far.scene.wait_for("run.ended").data["status"] == "ok"


def test_an_attempt_of_far_is_watched_to_its_end_by_any_viewer(far: Far) -> None:
    viewer = far.scene.begin(
        "run",
        far.scene.runbook(SLOW.replace("EFFECT", "effect: unsafe")),
        PATH=far.server.path,
        HOME=far.server.folder,
    )
    told = ended(viewer)
    assert told.code == 0 and "act@web1" in told.out


def test_so_many_at_once_that_their_descriptors_reach_those_that_have_a_meaning(far: Far) -> None:
    """A step finds its attempt's lock under a number of its own, which no link may have."""
    far.hosts("".join(far.server.host(f"h{n}") for n in range(90)))
    told = far.run("""
name: many
steps:
  - {id: many, effect: read, targets: {hosts: all}, parallel: 60, run: "echo $HOWDAH_HOST", outputs: {who: {text: true}}}
""")
    assert told.code == 0, told.out[-2000:]
    assert far.scene.journal().step("many").outputs == {"who": {f"h{n}": f"h{n}" for n in range(90)}}


def test_a_command_by_hand_runs_on_the_hosts_that_are_named(far: Far) -> None:
    book = (
        "do",
        "--effect",
        "read",
        "--on",
        "web1",
        "--on",
        "web3",
        "--",
        "sh",
        "-c",
        'echo "$HOWDAH_HOST:$1"',
        "x",
        "${{ a }} 'b'",
    )
    told = far(*book)
    assert told.code == 0, told
    tails = {
        e.step: e.data["tail"] for e in far.scene.events() if e.kind == "step.ended" and e.data.get("tail")
    }
    assert tails == {f"command@{name}": f"{name}:${{{{ a }}}} 'b'\n" for name in ("web1", "web3")}
    assert far("do", "--on", "web9", "--", "true").code == 2
    assert far("do", "--effect", "read", "--on", "web", "--", "false").code == 1


def test_a_retry_is_refused_while_something_of_it_runs_over_there(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = far.scene.runbook("""
name: long
steps:
  - id: act
    timeout: 30s
    targets: {hosts: web1}
    run: "trap '' TERM HUP; echo begun >> 'ACTS'; sleep 25; echo ended >> 'ACTS'"
""")
    far.scene.begin("run", book, PATH=far.server.path, HOME=far.server.folder)
    far.scene.wait_for_act("begun")
    driver_pid, keeper_pid = far.scene.driver(), far.scene.keeper()
    os.kill(driver_pid, signal.SIGKILL)
    os.kill(keeper_pid, signal.SIGKILL)
    far.server.cut()
    run = far.scene.run()
    with open_store(far.scene.store) as store:
        found = consent.read_run(store, run)

        def refusal() -> str:
            with pytest.raises(Refused) as caught:
                recover.must_not_run(store, found, "act@web1")
            return str(caught.value)

        monkeypatch.setenv("PATH", far.server.path)
        monkeypatch.setenv("HOME", far.server.folder)
        until(
            lambda: re.search(r"act@web1 still runs: .*sleep 25.* on web1", refusal()), "what the host says"
        )


def test_doctor_says_which_hosts_let_us_in(far: Far) -> None:
    far.hosts(
        far.server.host("web1")
        + far.server.host("dead").replace(str(far.server.port), "1")
        + far.server.host("stranger", user="nobody")
    )
    assert "3 in howdah.yaml, not asked" in far("doctor").text
    told = far("doctor", "--night").text
    assert "1 of 3 let us in" in told
    assert re.search(r"dead cannot be reached: .*refused", told)
    assert "stranger cannot be reached" in told
