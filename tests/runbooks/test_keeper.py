"""What a step gets, how its end is told, and that no program can upset the keeper."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from incidents import clock
from runbooks import procfs
from runbooks.keeper import Ended, Keeper, Output, Started
from tests.runbooks.keeping import PATH, ROOT, Bench, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a step as another user")


@pytest.fixture
def bench(tmp_path: os.PathLike[str]) -> Iterator[Bench]:
    made = Bench(str(tmp_path))
    yield made
    made.clear()


# -- ends --------------------------------------------------------------------------------------------------


def test_an_exit_status_is_told_with_times_and_written_down(bench: Bench) -> None:
    before = clock.monotonic()
    end = bench.run(1, "exit 3")
    assert (end.exit, end.signal, end.stopping, end.unstarted, end.lost) == (3, None, None, None, False)
    assert before <= end.started <= end.ended <= clock.monotonic()
    assert (bench.witness(1).state, bench.witness(1).exit) == ("ended", 3)


def test_a_launch_tells_the_process_that_runs(bench: Bench) -> None:
    started = bench.launch(1, "read -t 30 <> <(:) || true")
    assert isinstance(started, Started)
    assert procfs.alive(started.pid, started.start)
    bench.keeper.stop(1, "person")
    bench.end(1)


def test_a_signal_is_no_exit_status(bench: Bench) -> None:
    end = bench.run(1, "kill -9 $$")
    assert (end.exit, end.signal) == (None, 9)
    seen = bench.witness(1)
    assert (seen.state, seen.signal, seen.exit) == ("unknown", 9, None)


def test_what_outlives_a_killed_main_process_is_named_and_counts_as_running(bench: Bench) -> None:
    begun = "until grep -qz ^sleep /proc/$!/cmdline; do sleep 0.01; done"  # it is a bash until it has become sleep
    end = bench.run(1, f"sleep 600 >/dev/null 2>&1 & {begun}; kill -9 $$")
    assert [s.command for s in end.survivors] == ["sleep 600"]
    assert bench.witness(1).state == "running"
    os.kill(end.survivors[0].pid, signal.SIGKILL)
    wait_for(lambda: bench.witness(1).state == "unknown", "the lock to be free")


UNSTARTED = {
    "not in PATH": (("nonesuch-program",), 127, "not found in PATH"),
    "no such file": (("/nonesuch/program",), 127, "no such file"),
    "a folder": (("/tmp",), 126, "Permission denied"),
    "not executable": (("./plain",), 126, "Permission denied"),
    "not a program": (("./noprogram",), 126, "not a program"),
    "interpreter missing": (("./nointerpreter",), 126, "its interpreter does not exist"),
    "a NUL": (("true", "a\0b"), 126, "null"),
    "too long": (("true", "x" * 200_000), 126, "too long"),
    "an empty name": (("",), 127, "no program is named"),
    "nothing": ((), 127, "no program is named"),
}


@pytest.mark.parametrize("case", UNSTARTED)
def test_a_program_that_cannot_be_started_says_why(bench: Bench, case: str) -> None:
    for name, text, mode in (
        ("plain", "x", 0o644), ("noprogram", "x", 0o755), ("nointerpreter", "#!/nonesuch/sh\n", 0o755),
    ):  # fmt: skip
        with open(bench.path(name), "w") as file:
            file.write(text)
        os.chmod(bench.path(name), mode)
    argv, exit, reason = UNSTARTED[case]
    end = bench.run(1, argv=argv)
    assert end.exit == exit
    assert reason in (end.unstarted or "")
    assert bench.witness(1).exit == exit
    assert bench.run(2, "exit 0").exit == 0


def test_a_missing_working_folder_is_said(bench: Bench) -> None:
    end = bench.run(1, cwd=bench.path("none"))
    assert end.exit == 126
    assert "working folder" in (end.unstarted or "") and "none" in (end.unstarted or "")


def test_an_order_of_a_megabyte_arrives_whole(bench: Bench) -> None:
    env = {"PATH": PATH, **{f"V{i}": f"{i}".zfill(100_000) for i in range(10)}}
    end = bench.run(1, 'n=0; for i in {0..9}; do v=V$i; n=$((n + ${#v})); echo "${!v}"; done', env=env)
    assert end.exit == 0
    assert bench.output(1).split() == [str(i).zfill(100_000).encode() for i in range(10)]


# -- what a step gets --------------------------------------------------------------------------------------


def test_the_environment_is_exactly_what_the_order_says(bench: Bench) -> None:
    env = {"PATH": "/usr/bin:/bin", "IN_X": "a b\n'c'", "LEER": "", "BYTES": "\udcff"}
    bench.run(1, argv=("env", "-0"), env=env)
    told = bench.output(1).split(b"\0")[:-1]
    assert sorted(told) == sorted(os.fsencode(f"{name}={value}") for name, value in env.items())


def test_the_program_is_looked_for_in_the_path_of_the_step(bench: Bench) -> None:
    os.mkdir(bench.path("bin"))
    with open(bench.path("bin/mine"), "w") as file:
        file.write("#!/bin/sh\necho here\n")
    os.chmod(bench.path("bin/mine"), 0o755)
    bench.run(1, argv=("mine",), env={"PATH": f"/nonesuch:{bench.path('bin')}:/bin"})
    assert bench.output(1) == b"here\n"


def test_it_runs_in_the_given_folder_with_the_given_umask(bench: Bench) -> None:
    bench.run(1, "pwd; umask", umask=0o027)
    assert bench.output(1).decode() == f"{os.path.realpath(bench.folder)}\n0027\n"


def test_stdin_is_empty_and_nothing_is_inherited_but_the_lock(bench: Bench) -> None:
    bench.run(1, "for i in /proc/$$/fd/*; do printf '%s ' ${i##*/}; readlink $i; done; cat")
    links = dict(line.split(" ", 1) for line in bench.output(1).decode().splitlines())
    assert links.pop("214").endswith("/1.try")
    assert links.pop("0") == "/dev/null"
    assert links["1"] == links["2"] and links["1"].startswith("pipe:")
    assert links.pop("3") == ""  # the folder that the shell opened to look, closed since
    assert links.keys() == {"1", "2"}


def test_a_step_cannot_write_its_own_outcome_through_the_lock(bench: Bench) -> None:
    bench.run(1, "printf %64s x >&214 || exit 7")
    assert bench.witness(1).exit == 7


def test_no_signal_is_ignored_or_blocked(bench: Bench) -> None:
    bench.run(1, argv=("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"))
    of_the_c_library = 1 << 31 | 1 << 32  # 32 and 33: its posix_spawn leaves them ignored; threads set them
    masks = [int(line.split()[1], 16) & ~of_the_c_library for line in bench.output(1).splitlines()]
    assert masks == [0, 0]


def test_it_has_a_group_of_its_own_and_no_terminal(bench: Bench) -> None:
    started = bench.launch(1, "read -t 30 <> <(:) || true")
    assert isinstance(started, Started)
    step, keeper = procfs.look(started.pid), procfs.look(bench.keeper.pid)
    assert step is not None and keeper is not None
    assert step.group == step.pid
    assert step.session == keeper.session == keeper.pid
    bench.keeper.stop(1, "person")
    bench.end(1)
    assert bench.run(2, ": </dev/tty").exit == 1


def test_the_keeper_keeps_no_folder_busy(bench: Bench) -> None:
    bench.run(1)
    assert os.readlink(f"/proc/{bench.keeper.pid}/cwd") == "/"


@needs_root
def test_a_step_runs_as_another_user_and_may_open_its_output_again(bench: Bench) -> None:
    os.chmod(bench.folder, 0o755)
    end = bench.run(
        1, "id -un; id -Gn; pwd; echo again >/dev/stdout; umask", user="nobody", umask=0o077, cwd="/tmp"
    )
    assert end.exit == 0, end
    assert bench.output(1) == b"nobody\nnogroup\n/tmp\nagain\n0077\n"


@needs_root
def test_a_user_that_does_not_exist_is_said(bench: Bench) -> None:
    end = bench.run(1, user="nobody-at-all")
    assert (end.exit, end.unstarted) == (126, "there is no local user 'nobody-at-all'")


@needs_root
def test_another_user_s_step_that_cannot_start_says_why(bench: Bench) -> None:
    end = bench.run(1, argv=("nonesuch-program",), user="nobody", cwd="/")
    assert end.exit == 127
    assert "not found in PATH" in (end.unstarted or "")
    assert bench.witness(1).exit == 127


def test_a_hundred_steps_leave_no_descriptor_in_the_keeper(bench: Bench) -> None:
    bench.run(1, "echo x")
    before = os.listdir(f"/proc/{bench.keeper.pid}/fd")
    for n in range(2, 102):
        bench.run(
            n, ["true", "echo x", "exit 1"][n % 3], cwd=bench.path("none") if n % 10 == 0 else bench.folder
        )
    assert os.listdir(f"/proc/{bench.keeper.pid}/fd") == before


# -- output ------------------------------------------------------------------------------------------------


def test_both_streams_come_in_the_order_in_which_they_were_written(bench: Bench) -> None:
    end = bench.run(1, "echo a; echo b >&2; echo c")
    assert bench.output(1) == b"a\nb\nc\n"
    assert (end.output.total, end.output.dropped, end.output.segments) == (6, 0, (0,))


def test_a_silent_step_leaves_no_output_file(bench: Bench) -> None:
    bench.run(1)
    assert [name for name in os.listdir(bench.run_dir) if ".out." in name] == []


def test_output_is_kept_byte_for_byte(bench: Bench) -> None:
    bench.run(1, "head -c 3000000 /dev/urandom | tee copy")
    with open(bench.path("copy"), "rb") as file:
        assert hashlib.sha256(bench.output(1)).digest() == hashlib.sha256(file.read()).digest()


def bounded(bench: Bench, lines: int) -> None:
    first = 100_000_000
    end = bench.run(1, f"seq {first} {first + lines - 1}")
    kept = end.output.total - end.output.dropped
    assert (end.exit, end.output.total) == (0, lines * 10)
    assert (
        sum(os.path.getsize(os.path.join(bench.run_dir, f"1.out.{i}")) for i in end.output.segments) == kept
    )
    assert kept <= 16 << 20
    assert end.output.segments[0] == 0 and len(end.output.segments) == 4
    output = bench.output(1)
    assert output[: 1 << 20] == b"".join(b"%d\n" % i for i in range(first, first + 104_858))[: 1 << 20]
    assert output.endswith(b"".join(b"%d\n" % i for i in range(first + lines - 1_048_576, first + lines)))
    assert f"{end.output.dropped:,} bytes of output were not kept".encode() in output


def test_fifty_megabytes_leave_the_head_and_the_last_segments(bench: Bench) -> None:
    bounded(bench, 6_000_000)


@pytest.mark.soak
def test_a_gigabyte_leaves_the_head_and_the_last_segments(bench: Bench) -> None:
    bounded(bench, 105_000_000)


def test_secrets_are_masked_however_they_are_cut(bench: Bench) -> None:
    script = (
        "s=hunter2-correct-horse; for i in {0..20}; do printf '%s' ${s:i:1}; sleep 0.01; done; echo; echo ok"
    )
    bench.run(1, script, secrets=("hunter2-correct-horse",))
    assert b"hunter2" not in bench.output(1)
    assert bench.output(1).endswith(b"\nok\n")
    bench.run(2, "printf hunter2-corr", secrets=("hunter2-correct-horse",))
    assert bench.output(2) == b"hunter2-corr"


def test_the_driver_is_told_how_much_there_is(bench: Bench) -> None:
    bench.launch(1, "echo 12345; read -t 30 <> <(:) || true")
    wait_for(lambda: Output(1, 6) in bench.keeper.wait(clock.SECOND), "the notice")
    assert bench.output(1) == b"12345\n"
    bench.keeper.stop(1, "person")
    bench.end(1)


# -- waiting -----------------------------------------------------------------------------------------------


def test_two_steps_run_beside_each_other(bench: Bench) -> None:
    bench.keeper.prepare(1)
    bench.keeper.prepare(2)
    bench.keeper.launch(bench.order(1, "echo one; until [ -e go ]; do sleep 0.01; done; exit 1"))
    bench.keeper.launch(bench.order(2, "echo two; touch go; exit 2"))
    assert (bench.end(2).exit, bench.end(1).exit) == (2, 1)
    assert (bench.output(1), bench.output(2)) == (b"one\n", b"two\n")


def test_a_wait_ends_when_its_time_is_up_or_somebody_else_has_news(bench: Bench) -> None:
    bench.launch(1, "read -t 30 <> <(:) || true")
    assert bench.keeper.wait(1000) == []
    reader, writer = os.pipe()
    os.write(writer, b"x")
    assert bench.keeper.wait(None, wake=[reader]) == []
    os.close(reader)
    os.close(writer)
    assert bench.keeper.has(1)
    bench.keeper.stop(1, "person")
    bench.end(1)
    assert not bench.keeper.has(1)


def test_ends_that_the_driver_does_not_ask_for_wait_for_it(bench: Bench) -> None:
    for n in range(1, 61):
        bench.keeper.prepare(n)
        assert isinstance(bench.keeper.launch(bench.order(n, "echo x")), Started | Ended)
    assert [bench.end(n).exit for n in range(1, 61)] == [0] * 60


def test_a_keeper_ends_with_its_driver_when_nothing_runs(bench: Bench) -> None:
    bench.run(1)
    pid = bench.keeper.pid
    bench.keeper.close()
    assert os.waitpid(pid, 0)[1] == 0
    assert not os.path.exists(os.path.join(bench.run_dir, "keeper.sock"))


def test_a_forked_keeper_holds_nothing_of_its_parent(bench: Bench) -> None:
    driver = bench.driver("k.launch(order(1, 'until [ -e go ]; do sleep 0.01; done; echo x; exit 4'))")
    out, _ = driver.communicate(timeout=60)  # ends although keeper and step live: neither holds this pipe
    assert out == b"" and driver.returncode == 0
    with open(bench.path("go"), "w"):
        pass
    wait_for(lambda: bench.witness(1).state == "ended", "the step's end")
    assert bench.witness(1).exit == 4


def test_a_keeper_starts_where_0_1_and_2_are_closed(bench: Bench) -> None:
    code = (
        "import os, sys; os.closerange(0, 3); from tests.runbooks.keeping import Bench\n"
        "from runbooks.keeper import Keeper; b = Bench(sys.argv[1], sys.argv[2]); k = Keeper.start(b.run_dir)\n"
        "b.keepers.append(k); os._exit(b.run(1, 'echo x; exit 5').exit)"
    )
    argv = [sys.executable, "-c", code, bench.folder, bench.mark]
    assert subprocess.run(argv, timeout=60, cwd=ROOT).returncode == 5
    assert bench.output(1) == b"x\n"


def test_the_keeper_of_a_path_that_is_too_long_for_a_socket_can_be_adopted(bench: Bench) -> None:
    bench.folder = os.path.join(bench.folder, "x" * 120)
    os.mkdir(bench.folder)
    bench.launch(1, "read -t 30 <> <(:) || true")
    wait_for(lambda: os.path.exists(os.path.join(bench.run_dir, "keeper.sock")), "the socket")
    other = Keeper.adopt(bench.run_dir)
    assert other is not None and other.has(1) and other.pid == bench.keeper.pid
    other.close()
    bench.keeper.stop(1, "person")
    bench.end(1)
