"""Time limits and stops: TERM, grace, KILL; what escapes is found or named; what a step leaves on purpose lives."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from incidents import clock
from runbooks import attempt, procfs
from runbooks.keeper import Ended, Gone, Started
from tests.runbooks.keeping import Bench, is_gone, wait_for

FOREVER = "until false; do sleep 0.02; done"


@pytest.fixture
def bench(tmp_path: os.PathLike[str]) -> Iterator[Bench]:
    made = Bench(str(tmp_path))
    yield made
    made.clear()


# -- stops -------------------------------------------------------------------------------------------------


def test_a_step_that_overruns_its_time_is_ended_by_term(bench: Bench) -> None:
    end = bench.run(1, FOREVER, timeout=100_000, grace=30 * clock.SECOND)
    assert (end.exit, end.signal, end.stopping, end.survivors) == (None, signal.SIGTERM, "timeout", ())
    assert end.ended - end.started >= 100_000
    seen = bench.witness(1)
    assert (seen.state, seen.stopping, seen.signal) == ("unknown", "timeout", signal.SIGTERM)


def test_who_ignores_term_is_killed_after_the_grace(bench: Bench) -> None:
    end = bench.run(1, f"trap '' TERM; {FOREVER}", timeout=100_000, grace=100_000)
    assert (end.signal, end.stopping, end.survivors) == (signal.SIGKILL, "timeout", ())


def test_the_grace_is_for_the_whole_group(bench: Bench) -> None:
    script = (
        "(trap 'sleep 0.3; echo cleaned >note; exit' TERM; touch ready; until false; do sleep 0.02; done) &\n"
        "until [ -e ready ]; do sleep 0.01; done; wait"
    )
    bench.launch(1, script, grace=30 * clock.SECOND)
    wait_for(lambda: os.path.exists(bench.path("ready")), "the trap")
    bench.keeper.stop(1, "person")
    assert bench.end(1).stopping == "person"
    assert bench.read("note") == "cleaned\n"


def test_an_exit_while_being_stopped_is_no_exit_of_its_own(bench: Bench) -> None:
    bench.launch(1, f"trap 'exit 0' TERM; touch ready; {FOREVER}", grace=30 * clock.SECOND)
    wait_for(lambda: os.path.exists(bench.path("ready")), "the trap")
    bench.keeper.stop(1, "person")
    end = bench.end(1)
    assert (end.exit, end.stopping) == (0, "person")
    seen = bench.witness(1)
    assert (seen.state, seen.exit, seen.stopping) == ("unknown", 0, "person")


def test_a_stopped_program_wakes_to_its_term(bench: Bench) -> None:
    end = bench.run(
        1, "trap 'exit 9' TERM; kill -STOP $$; sleep 0.01", timeout=100_000, grace=30 * clock.SECOND
    )
    assert (end.exit, end.stopping) == (9, "timeout")


def test_the_stop_of_what_has_ended_changes_nothing(bench: Bench) -> None:
    assert bench.run(1, "exit 0").exit == 0
    bench.keeper.stop(1, "person")
    bench.keeper.stop(99, "person")
    assert bench.run(2, "exit 0").exit == 0
    assert (bench.witness(1).state, bench.witness(1).stopping) == ("ended", None)


def test_who_has_ended_by_himself_is_not_being_stopped(bench: Bench) -> None:
    started = bench.launch(1, "exec >/dev/null 2>&1; until [ -e go ]; do sleep 0.01; done; exit 4")
    assert isinstance(started, Started)
    os.kill(bench.keeper.pid, signal.SIGSTOP)  # so that it hears of the end and of the stop at once
    with open(bench.path("go"), "w"):
        pass
    wait_for(lambda: procfs.state(started.pid) == "Z", "its end")
    bench.keeper.stop(1, "person")
    os.kill(bench.keeper.pid, signal.SIGCONT)
    assert (bench.end(1).exit, bench.end(1).stopping) == (4, None)
    assert bench.witness(1).state == "ended"


def test_a_reason_that_the_file_cannot_hold_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no reason"):
        bench.keeper.stop(1, "because I say so")


ESCAPES = {
    "a session of its own": "setsid bash -c \"trap '' TERM HUP; echo \\$\\$ >pid; sleep 600\" &",
    "an orphan": "(setsid bash -c \"trap '' TERM; echo \\$\\$ >pid; sleep 600\" &) &",
    "an orphan without the pipe, the lock and the environment": (
        "(env -i /usr/bin/setsid /bin/bash -c \"trap '' TERM; echo \\$\\$ >pid; /bin/sleep 600\""
        " 214<&- >/dev/null 2>&1 &) &"
    ),
}


@pytest.mark.parametrize("case", ESCAPES)
def test_a_grandchild_in_another_session_that_ignores_term_is_found_and_killed(
    bench: Bench, case: str
) -> None:
    bench.launch(
        1, f"trap '' TERM; {ESCAPES[case]}\n until [ -s pid ]; do sleep 0.01; done; touch ready; {FOREVER}"
    )
    wait_for(lambda: os.path.exists(bench.path("ready")), "the grandchild")
    pid = bench.pid_in("pid")
    assert procfs.look(pid).session == pid  # type: ignore[union-attr]
    bench.keeper.stop(1, "person")
    end = bench.end(1)
    assert (end.signal, end.stopping, end.survivors) == (signal.SIGKILL, "person", ())
    assert is_gone(pid)
    assert bench.witness(1).state == "unknown"


def test_the_stop_of_one_step_leaves_the_other_alone(bench: Bench) -> None:
    steps = [("1", "a"), ("2", "b")]
    for n, step in steps:
        env = {**bench.order(1).env, "HOWDAH_RUN": "run-a", "HOWDAH_STEP": step, "HOWDAH_ATTEMPT": "1"}
        script = f"(setsid sleep 600 >/dev/null 2>&1 & echo $! >pid{n}) & touch ready{n}; {FOREVER}"
        bench.launch(int(n), script, env=env)
        bench.pid_in(f"pid{n}")
    bench.keeper.stop(1, "person")
    bench.end(1)
    assert is_gone(bench.pid_in("pid1"))
    assert not is_gone(bench.pid_in("pid2"))
    bench.keeper.stop(2, "person")
    bench.end(2)
    assert is_gone(bench.pid_in("pid2"))


def test_a_service_of_an_earlier_step_outlives_the_stop_of_a_later_one(bench: Bench) -> None:
    bench.run(1, "setsid sleep 600 >/dev/null 2>&1 & echo $! >pid")
    clock.sleep(30_000)  # start times are in ticks of 10 ms
    bench.run(2, FOREVER, timeout=50_000)
    assert not is_gone(bench.pid_in("pid"))


@pytest.mark.lab
def test_a_process_that_the_kernel_holds_is_named_and_counts_as_running_until_it_is_gone(
    bench: Bench,
) -> None:
    with frozen_filesystem(bench) as thaw:
        env = bench.order(1).env
        bench.launch(
            1, argv=("dd", "if=/dev/zero", f"of={bench.path('mnt')}/x", "bs=4096", "count=1"), env=env
        )
        wait_for(
            lambda: any(p.state == "D" for p in bench.marked() if p.name == "dd") or in_d(bench), "D state"
        )
        bench.keeper.stop(1, "person")
        end = bench.end(1)
        assert (end.exit, end.signal, end.stopping) == (None, None, "person")
        assert [(s.command, s.state) for s in end.survivors] == [("[dd]", "D")]
        assert "the kernel holds it" in str(end.survivors[0])
        assert bench.witness(1).state == "running"
        assert bench.run(2, "exit 0").exit == 0
        thaw()
        wait_for(lambda: Gone(1) in bench.keeper.wait(clock.SECOND), "the survivor to be gone")
        seen = bench.witness(1)
        assert (seen.state, seen.stopping) == ("unknown", "person")
        assert seen.signal in (signal.SIGTERM, signal.SIGKILL)


def in_d(bench: Bench) -> bool:
    started = bench.witness(1)
    return started.pid is not None and procfs.state(started.pid) == "D"


@contextlib.contextmanager
def frozen_filesystem(bench: Bench) -> Iterator[Callable[[], None]]:
    """A small ext4 on which every write waits in D state until `thaw()`."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a loop device")
    image, mount = bench.path("image"), bench.path("mnt")
    os.mkdir(mount)
    frozen = False

    def run(*argv: str) -> None:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr

    def thaw() -> None:
        nonlocal frozen
        if frozen:
            run("fsfreeze", "-u", mount)
        frozen = False

    run("truncate", "-s", "16M", image)
    run("mkfs.ext4", "-q", image)
    run("mount", "-o", "loop", image, mount)
    try:
        run("fsfreeze", "-f", mount)
        frozen = True
        yield thaw
    finally:
        thaw()
        wait_for(lambda: subprocess.run(["umount", mount], timeout=30).returncode == 0, "umount")


# -- what is left behind on purpose ------------------------------------------------------------------------

SERVICES = {
    "ampersand": "bash service &",
    "nohup": "nohup bash service &",
    "setsid": "setsid bash service &",
    "daemonize": "(setsid bash service &) & wait",
}
SERVICE = "echo $$ >pid; for i in {1..15}; do echo line $i || exit; echo $i >beat; sleep 0.1; done; echo done >beat; sleep 600"


@pytest.mark.parametrize("case", SERVICES)
def test_a_service_left_behind_is_named_prints_on_and_lives(bench: Bench, case: str) -> None:
    with open(bench.path("service"), "w") as file:
        file.write(SERVICE)
    end = bench.run(1, f"{SERVICES[case]}\n until [ -s beat ]; do sleep 0.01; done; exit 0")
    pid = bench.pid_in("pid")
    assert end.exit == 0
    assert pid in [s.pid for s in end.services]
    assert end.survivors == ()
    assert b"line 1\n" in bench.output(1)
    seen = bench.witness(1)
    assert (seen.state, seen.exit) == ("ended", 0)
    assert pid in [s.pid for s in seen.services]
    assert bench.run(2, "exit 0").exit == 0
    keeper = bench.keeper.pid
    bench.keeper.close()
    assert os.waitpid(keeper, 0)[1] == 0
    wait_for(lambda: bench.read("beat") == "done\n", "the service to print on")
    assert not is_gone(pid)


@pytest.mark.soak
def test_a_service_prints_for_a_minute_after_everybody_is_gone(bench: Bench) -> None:
    with open(bench.path("service"), "w") as file:
        file.write(SERVICE.replace("{1..15}", "{1..600}"))
    assert bench.run(1, "bash service & until [ -s beat ]; do sleep 0.01; done").exit == 0
    keeper = bench.keeper.pid
    bench.keeper.close()
    os.waitpid(keeper, 0)
    wait_for(lambda: bench.read("beat") == "done\n", "the service to print on", seconds=120)


def test_a_service_that_let_go_of_the_pipe_costs_no_time_and_is_named_by_the_lock(bench: Bench) -> None:
    end = bench.run(1, "sleep 600 >log 2>&1 </dev/null & echo $! >pid")
    assert (end.exit, end.services) == (0, ())
    seen = bench.witness(1)
    assert seen.state == "ended"
    assert [s.pid for s in seen.services] == [bench.pid_in("pid")]


def test_late_output_of_the_step_itself_is_still_taken_in(bench: Bench) -> None:
    end = bench.run(1, "exec > >(sleep 0.2; cat); echo late")
    assert isinstance(end, Ended)
    assert (end.exit, end.services) == (0, ())
    assert bench.output(1) == b"late\n"


@pytest.mark.lab
@pytest.mark.parametrize("by_link", [False, True])
def test_a_folder_that_never_answers_holds_up_its_step_and_not_the_keeper(
    bench: Bench, by_link: bool
) -> None:
    with dead_filesystem(bench) as mount:
        bench.launch(1, "until [ -e go ]; do sleep 0.01; done")
        cwd = os.path.join(mount, "folder")
        if by_link:
            os.symlink(cwd, bench.path("link"))
            cwd = bench.path("link")
        bench.launch(2, "touch acted", cwd=cwd, grace=100_000)
        assert bench.run(3, "touch go; exit 3").exit == 3
        assert bench.end(1).exit == 0
        assert not attempt.is_held(bench.run_dir, 1)
        bench.keeper.stop(2, "person")
        end = bench.end(2)
        assert (end.exit, end.stopping, end.survivors) == (None, "person", ())


@contextlib.contextmanager
def dead_filesystem(bench: Bench) -> Iterator[str]:
    """A FUSE mount whose server never answers: every look into it waits."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root and /dev/fuse")
    mount = bench.path("dead")
    os.mkdir(mount)
    server = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
    argv = ["mount", "-i", "-t", "fuse", "-o", options, "dead", mount]
    subprocess.run(argv, check=True, timeout=30, pass_fds=(server,))
    try:
        yield mount
    finally:
        os.close(server)
        wait_for(lambda: subprocess.run(["umount", "-l", mount], timeout=30).returncode == 0, "umount")
