"""nfs-stall.yaml without a virtual machine: what it refuses, how it reads the kernel's counters, and that a probe which hangs
is left behind and never waited for."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incidents import clock
from runbooks import triage
from runbooks.drills.disk_full.lab import Lab
from runbooks.loader import load
from runbooks.quoting import Script
from tests.runbooks.library.stalling import stalled

from .conftest import LIBRARY

Make = Callable[..., Any]
BOOK = load(os.path.join(LIBRARY, "nfs-stall.yaml"))
SAMPLES = Path(__file__).parent / "mountstats"
BOUND = 60  # seconds; never a measure


def script(step: str) -> str:
    run = BOOK.step(step).run
    assert isinstance(run, Script)
    return run.text


def kit(step: str) -> str:
    """The functions that the step is given."""
    (text,) = (part for part in BOOK.step(step).env["KIT"].parts if isinstance(part, str))
    return text


def ask(step: str, micros: int, *command: str) -> list[str]:
    """What the step's own `ask` says of a command: its exit or `hung`, who was left behind, what was printed."""
    text = kit(step) + 'ask "$@"; printf "%s\\n" "$code" "${left:-nobody}" "$said"'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text, "ask", str(micros), *command],
        capture_output=True, text=True, timeout=BOUND, check=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )  # fmt: skip
    return done.stdout.rstrip("\n").split("\n")


# -- what is no NFS ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mount", "exit", "says"),
    [
        ("/no/such/folder", 20, "there is no such folder"),
        ("/proc", 22, "its filesystem is proc"),
        ("/usr/bin", 21, "is no mount point; it lies in /"),
        ("FOLDER/loop", 20, "a symbolic link that leads to itself"),
        ("FOLDER/with spaces", 21, "is no mount point"),
        ("FOLDER/two\nlines", 21, "is no mount point"),
        ("FOLDER/no\nsuch  folder", 20, "there is no such folder"),
        ("FOLDER/$(touch pwned)", 20, "there is no such folder"),
    ],
)
def test_what_is_no_nfs_is_refused_in_the_first_step_with_one_message(
    player: Make, tmp_path: Path, mount: str, exit: int, says: str
) -> None:
    os.symlink("loop", tmp_path / "loop")
    for name in ("with spaces", "two\nlines"):
        (tmp_path / name).mkdir()
    run = player("nfs-stall", mount=mount.replace("FOLDER", str(tmp_path)))
    assert run.play() == "failed"
    assert run.steps["find"]["exit"] == exit, run.errors
    assert says in run.errors
    assert run.errors.count("\n") == 1
    assert list(run.steps) == ["find"]


def test_a_folder_that_is_not_in_the_mount_cannot_be_written_for_a_proof(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script("find").replace("/proc/self/mountinfo", str(tmp_path / "table"))],
        capture_output=True, text=True, timeout=BOUND, check=False,
        env={"PATH": os.environ["PATH"], "IN_MOUNT": "/srv/a b", "IN_FOLDER": "/srv/a", "KIT": kit("find"), **table(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 23
    assert "is not below /srv/a b" in done.stderr


def table(folder: Path) -> dict[str, str]:
    (folder / "table").write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
        "66 1 0:43 / /srv/a\\040b rw,relatime - nfs4 10.0.0.2:/srv rw,vers=4.2,hard,port=2050,addr=10.0.0.2\n"
    )
    return {"LOOK": "table", "HOWDAH_RUN": "run-1"}


# -- the kernel's counters ---------------------------------------------------------------------------------------


def counters(sample: str, point: str = "/srv/media") -> list[int]:
    program = next(part for part in BOOK.step("look").env["STATS"].parts if isinstance(part, str))
    done = subprocess.run(
        ["awk", program, str(SAMPLES / f"{sample}.txt")],
        capture_output=True, text=True, timeout=BOUND, check=True, env={"PATH": os.environ["PATH"], "RAW": point},
    )  # fmt: skip
    return [int(word) for word in done.stdout.split()]


def test_the_counters_of_a_real_client_are_read_of_the_mount_that_is_meant() -> None:
    age, sends, replies, ended, failed, later = counters("blocked_create")
    assert (age, sends, replies, later) == (187, 7084, 7082, 7)
    assert ended > 4000 and failed == 14  # each time that the server put it off
    assert counters("blocked_create", "/srv/other") == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("sample", ["link_down", "server_stopped", "slow_disk"])
def test_calls_without_a_reply_show_in_the_counters(sample: str) -> None:
    _, sends, replies, *_ = counters(sample)
    assert sends > replies


def test_operations_that_fail_show_in_the_counters() -> None:
    assert counters("stale")[4] > 100


# -- the verdict -------------------------------------------------------------------------------------------------


def judged(
    null: str, probe: str, window: str, later: str = "0 0 0 0 0 0", *, tcp: str = "unanswered"
) -> tuple[str, str, str]:
    """The sign, the cause and what is told: of an answer to the NULL call, the probe's exit and words, the counters'
    gain (age, sent, replies, ended, failed, put off) in the window and at the end of the probe, and what TCP says of the call."""
    found = re.search(r"^client\(\) \{\n.*?^\}\n", script("look"), re.DOTALL | re.MULTILINE)
    assert found is not None
    code, _, said = probe.partition(":")
    text = (
        "show() { echo \"$1\"; }; ask() { code=$PROBE said=$SAID left='' asked=x; }\n"
        'window() { printf "%s\\n" "$WINDOW" "" "" "0 0 0 0 0 0"; }; gained() { echo "$LATER"; }\n'
        "tcp_says() { tcp=$TCP; }\n"
        + found[0]
        + "mount=/srv/media source=s:/srv address=s port=2049 options=,hard, folder=$mount IN_MOUNT=$mount HOWDAH_RUN=r\n"
        'client; printf "%s\n" "$sign" "$cause"'
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, timeout=BOUND, check=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "BOUND": "10000", "TCP": tcp, "CALL": f"printf '%s' '{null}'",
             "PROBE": code, "SAID": said, "WINDOW": window, "LATER": later},
    )  # fmt: skip
    *told, sign, cause = done.stdout.splitlines()
    return sign, cause, "\n".join(told)


ALL_FAIL = "187 18 18 18 18 0"


@pytest.mark.parametrize("null", ["hnul", "", "refused"])
def test_a_server_that_answers_with_nothing_but_errors_is_stale_though_the_probe_had_no_time(
    null: str,
) -> None:
    sign, cause, told = judged(null, "hung", ALL_FAIL)
    assert (sign, cause) == ("failing", "stale")
    assert "each operation that ended had failed" in told


@pytest.mark.parametrize("null", ["", "refused"])
def test_calls_that_were_answered_say_that_the_server_is_there_and_the_mount_is_asked(null: str) -> None:
    assert judged(null, "hung", "187 9 8 7 2 0")[:2] == ("hung", "slow")
    assert judged(null, "1:stat: Stale file handle", "187 1 1 1 1 0")[:2] == ("stale", "stale")
    assert judged(null, "0:root", "187 9 9 9 0 0")[:2] == ("fine", "none")


def test_without_any_reply_the_null_call_counts() -> None:
    assert judged("", "", "187 18 0 0 0 0")[:2] == ("silent", "unreachable")
    assert judged("", "", "187 18 0 18 18 0")[:2] == (
        "silent",
        "unreachable",
    )  # a soft mount gives up by itself
    assert judged("refused", "", "187 18 0 0 0 0")[:2] == ("refused", "server-dead")


@pytest.mark.parametrize("said", ["connect: No route to host", "connect: Network is unreachable", "connect: Connection timed out"])  # fmt: skip
def test_that_there_is_no_way_is_known_without_waiting(said: str) -> None:
    assert judged(said, "", "187 18 0 0 0 0", tcp="")[:2] == ("silent", "unreachable")


def test_a_call_that_may_not_have_had_its_turn_says_nothing_of_the_network() -> None:
    sign, cause, told = judged("", "", "187 18 0 0 0 0", tcp="")
    assert (sign, cause) == ("unknown", "unknown")
    assert "port: nobody knows, for this machine had no time to ask" in told


def test_a_server_that_takes_a_connection_and_answers_no_call_is_not_behind_a_cut_network() -> None:
    sign, cause, told = judged("", "", "187 18 0 0 0 0", tcp="taken")
    assert (sign, cause) == ("hung", "slow")
    assert "port takes calls, and answers none" in told


def test_replies_that_come_while_more_time_is_given_say_that_the_server_is_there() -> None:
    assert judged("", "hung", "187 9 0 0 0 0", "190 12 3 3 1 0", tcp="")[:2] == ("hung", "slow")


def tcp_says(asking: int, address: str, port: int) -> str:
    words = [
        "bash",
        "-euo",
        "pipefail",
        "-c",
        kit("look") + 'tcp_says "$@"; printf "%s" "$tcp"',
        "tcp_says",
        str(asking),
        address,
        str(port),
    ]
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(words, capture_output=True, text=True, timeout=BOUND, check=True, env=env)
    return done.stdout


def test_what_tcp_says_of_a_call_that_is_taken_unanswered_or_was_never_made() -> None:
    ours, other = os.getpid(), os.getppid()
    with socket.socket() as server, contextlib.ExitStack() as calls:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address, port = server.getsockname()
        assert tcp_says(ours, address, port) == ""
        call = calls.enter_context(socket.create_connection((address, port)))
        assert tcp_says(ours, address, port) == "taken"
        assert tcp_says(other, address, port) == "", "that the mount has a connection says nothing"
        for _ in range(3):  # now its queue is full, and it drops who comes
            more = calls.enter_context(socket.socket())
            more.setblocking(False)
            more.connect_ex((address, port))
        assert tcp_says(ours, address, port) == "taken"
        call.close()
        deadline = clock.monotonic() + BOUND * clock.SECOND
        while tcp_says(other, address, port) != "unanswered":
            assert clock.monotonic() < deadline
        assert tcp_says(other, address, port + 1) == tcp_says(other, "127.0.0.2", port) == ""


def test_what_was_put_off_once_or_too_seldom_is_not_called_stale() -> None:
    for window in ("187 9 9 9 9 9", "187 9 9 9 8 0", "187 2 2 2 2 0"):
        assert judged("hnul", "hung", window, "190 2 2 2 2 0")[:2] == ("hung", "slow"), window
    assert judged("hnul", "hung:root", ALL_FAIL)[:2] == ("slow", "slow")  # its root was told


def test_where_the_window_saw_too_little_the_time_of_the_probe_counts() -> None:
    assert judged("hnul", "hung", "187 1 1 1 1 0", "190 7 7 7 7 0")[:2] == ("failing", "stale")


# -- a probe that can be abandoned -------------------------------------------------------------------------------

ASKING = ("look", "resumed", "prove")


@pytest.mark.parametrize("step", ASKING)
def test_a_probe_that_ends_is_told_with_its_exit_and_what_it_said(step: str) -> None:
    assert ask(step, 20_000_000, "sh", "-c", "echo one; echo two >&2; exit 3") == [
        "3",
        "nobody",
        "one",
        "two",
    ]


@pytest.mark.lab
@pytest.mark.parametrize("step", ASKING)
def test_a_probe_of_a_mount_that_does_not_answer_is_left_at_its_time(step: str, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    with stalled(str(tmp_path / "mount")):
        code, left, *_ = ask(step, 300_000, "stat", "-f", "--", str(tmp_path / "mount"))
        assert code == "hung"
        assert left == "nobody" or re.fullmatch(r"process \d+ \(state D\)", left)


@pytest.mark.lab
@pytest.mark.parametrize("step", ASKING)
def test_a_probe_in_state_d_is_named_and_not_waited_for(step: str, lab: Lab) -> None:
    subprocess.run(["fsfreeze", "--freeze", lab.mount], check=True, timeout=BOUND)
    try:
        code, left, *_ = ask(
            step, 300_000, "dd", "if=/dev/zero", f"of={lab.mount}/probe", "count=1", "conv=fsync"
        )
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", lab.mount], check=True, timeout=BOUND)
    assert code == "hung"
    assert re.search(r"process \d+ \(state D\)", left), left


# -- triage ------------------------------------------------------------------------------------------------------


def test_triage_sees_no_nfs_where_none_is_mounted() -> None:
    (found,) = triage.triage(["nfs-stall"]).found
    if found.status == "healthy" and "No NFS is mounted here" in found.says:
        return
    assert "NFS mount" in found.says + found.why  # a desk may have one


@pytest.mark.lab
def test_triage_is_not_held_up_by_a_mount_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    with stalled(str(tmp_path / "mount")):
        (found,) = triage.triage(["nfs-stall"]).found
    assert found.why == "" and found.left == ()


def triaged(folder: Path, port: int, call: str = "") -> str:
    """What the diagnosis says where this is the only mount; `call` in the place of its NULL call."""
    line = f"66 1 0:43 / /srv/media rw - nfs4 127.0.0.1:/srv rw,vers=4.2,hard,port={port},addr=127.0.0.1\n"
    (folder / "table").write_text(line)
    (step,) = BOOK.diagnose
    assert isinstance(step.run, Script)
    env = {name: str(template.parts[0]) for name, template in step.env.items()}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", step.run.text.replace("/proc/self/mountinfo", str(folder / "table"))],
        capture_output=True, text=True, timeout=BOUND, check=True,
        env={"PATH": os.environ["PATH"], **env, **({"CALL": call} if call else {})},
    )  # fmt: skip
    return done.stdout


def test_triage_tells_a_server_that_takes_calls_from_one_that_nobody_could_ask(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert f"server-dead: 127.0.0.1 refuses port {port}" in triaged(tmp_path, port)
        server.listen()
        deadline = clock.monotonic() + BOUND * clock.SECOND
        while "slow: 127.0.0.1 takes calls at port" not in (said := triaged(tmp_path, port)):
            assert "nothing is known of 127.0.0.1" in said, "never is a cut network told of a busy machine"
            assert clock.monotonic() < deadline
        assert "nothing is known of 127.0.0.1" in triaged(tmp_path, port, "sleep 60")
