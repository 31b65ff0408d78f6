"""Looking at processes without waiting for them, and short programs of our own that cannot run on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from incidents import clock
from incidents.errors import BadInput
from runbooks import process, procfs
from tests.runbooks.keeping import wait_for


def test_a_process_is_named_by_pid_and_start_time() -> None:
    start = process.start_time(os.getpid())
    assert start is not None
    assert process.alive(os.getpid(), start)
    assert not process.alive(os.getpid(), start + 1)
    assert process.state(os.getpid()) == "R"


def test_a_name_with_parentheses_and_spaces_confuses_nobody(tmp_path: os.PathLike[str]) -> None:
    program = os.path.join(tmp_path, ") R 1 (x y")
    shutil.copy("/bin/sleep", program)
    child = subprocess.Popen([program, "600"])
    try:
        wait_for(lambda: process.state(child.pid) == "S", "its sleep")
        seen = procfs.look(child.pid)
        assert seen is not None
        assert (seen.name, seen.parent, seen.state) == (") R 1 (x y", os.getpid(), "S")
    finally:
        child.kill()
        child.wait()


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen(["true"])
    start = process.start_time(child.pid)
    wait_for(lambda: process.state(child.pid) == "Z", "the end")
    assert start is not None and not process.alive(child.pid, start)
    child.wait()
    assert process.state(child.pid) is None
    assert process.command(child.pid) == "[gone]"


def test_a_command_is_shown_on_one_line() -> None:
    child = subprocess.Popen(["sh", "-c", "read word\n# two"], stdin=subprocess.PIPE)
    try:
        wait_for(lambda: process.command(child.pid).startswith("sh"), "exec")
        assert process.command(child.pid) == "sh -c read word # two"
    finally:
        child.kill()
        child.wait()


def test_the_mounts_whose_answers_may_never_come_are_known_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    mountinfo = (
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "40 21 0:40 / /mnt/my\\040share rw shared:2 - nfs4 10.0.0.1:/ rw\n"
        "41 21 0:41 / /srv rw - fuse.sshfs host:/ rw\n"
        "42 21 0:42 / /run rw - tmpfs tmpfs rw\n"
    )
    monkeypatch.setattr(procfs, "_read_all", lambda path: mountinfo)
    mounts = procfs.far_mounts()
    assert mounts == ("/mnt/my share", "/srv")
    assert procfs.is_far(mounts, ["/home", "/mnt/my share/x"])
    assert procfs.is_far(mounts, ["/srv"])
    assert not procfs.is_far(mounts, ["/srv2", "/mnt", "/"])


# -- starting ----------------------------------------------------------------------------------------------


def test_both_ways_to_start_give_a_program_the_same(tmp_path: os.PathLike[str]) -> None:
    script = "pwd; umask; echo $0; env; ls -l /proc/self/fd | grep -c ''; grep SigBlk /proc/self/status"
    argv, env = ("sh", "-c", script), {"PATH": "/usr/bin:/bin"}
    told = {}
    for way in ("spawn", "fork"):
        code = (
            "import os, sys; from runbooks import process\n"
            "n = os.open('/dev/null', os.O_RDWR); w = process.Wires(n, 1, n)\n"
            f"a = dict(cwd=sys.argv[1], umask=0o27, wires=w); v, e = {argv!r}, {env!r}\n"
            + (
                "p = process.spawn(v, e, **a)\n"
                if way == "spawn"
                else "p, _ = process.fork_spawn(v, e, user=None, **a)\n"
            )
            + "assert os.waitpid(p, 0)[1] == 0 and os.getcwd() == ('/' if sys.argv[2] == 'spawn' else sys.argv[3])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path, way, os.getcwd()],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        told[way] = done.stdout
    assert told["spawn"] == told["fork"]
    assert told["spawn"].startswith(f"{os.path.realpath(tmp_path)}\n0027\nsh\n")


def test_who_is_not_root_cannot_start_a_step_as_another_user() -> None:
    if os.geteuid() != 0:
        with pytest.raises(BadInput, match="only root"):
            process.become("root")
        return
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            process.become("root")
        except BadInput as error:
            os._exit(0 if str(error) == "only root can run a step as root" else 3)
        finally:
            os._exit(4)
    assert os.waitpid(pid, 0)[1] == 0


# -- short programs ----------------------------------------------------------------------------------------


def test_a_short_program_gives_both_streams_and_its_exit() -> None:
    done = process.run_bounded(
        ["sh", "-c", "cat; echo err >&2; exit 4"], timeout=30 * clock.SECOND, stdin=b"in" * 99999
    )
    assert (done.exit, done.errors, done.timed_out, done.truncated) == (4, b"err\n", False, False)
    assert done.output == b"in" * 99999


def test_a_program_that_does_not_read_its_stdin_is_no_trouble() -> None:
    done = process.run_bounded(["true"], timeout=30 * clock.SECOND, stdin=b"x" * (1 << 20))
    assert (done.exit, done.output) == (0, b"")


def test_output_beyond_the_limit_is_cut_and_said() -> None:
    done = process.run_bounded(["sh", "-c", "yes | head -c 300000"], timeout=30 * clock.SECOND, limit=1000)
    assert (len(done.output), done.truncated) == (1000, True)
    exact = process.run_bounded(["printf", "1234"], timeout=30 * clock.SECOND, limit=4)
    assert (exact.output, exact.truncated) == (b"1234", False)


@pytest.mark.parametrize("script", ["sleep 600", "sleep 600 & wait", "exec >/dev/null 2>&1; sleep 600"])
def test_a_program_that_runs_on_is_killed_with_its_children(script: str) -> None:
    done = process.run_bounded(["sh", "-c", f"echo $$; {script}"], timeout=200_000)
    assert (done.exit, done.timed_out) == (None, True)
    group = int(done.output)
    wait_for(lambda: not any(p.group == group and p.runs for p in procfs.table().values()), "their end")


def test_a_signal_is_no_exit() -> None:
    done = process.run_bounded(["sh", "-c", "kill -9 $$"], timeout=30 * clock.SECOND)
    assert (done.exit, done.timed_out) == (None, False)


def test_a_program_that_does_not_exist_is_bad_input() -> None:
    with pytest.raises(BadInput, match="nonesuch"):
        process.run_bounded(["nonesuch-program"], timeout=clock.SECOND)


# -- crash points ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "dies"),
    [
        ("here", True),
        ("elsewhere,here", True),
        ("here:7", True),
        ("here:8", False),
        ("her", False),
        ("", False),
    ],
)
def test_a_crash_point_kills_where_it_is_named(wanted: str, dies: bool) -> None:
    code = "from runbooks.process import crash_point; crash_point('here', 7)"
    env = {**os.environ, "HOWDAH_TEST_KILL": wanted}
    done = subprocess.run([sys.executable, "-c", code], env=env, timeout=60)
    assert done.returncode == (-signal.SIGKILL if dies else 0)
