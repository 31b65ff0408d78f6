"""Driver, keeper and step may each die at any moment: what is then known of the attempt is exact."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from incidents import clock
from runbooks import attempt, procfs
from runbooks.keeper import Ended, Keeper, Started
from tests.runbooks.keeping import Bench, is_gone, wait_for

FOREVER = "until false; do sleep 0.02; done"


@pytest.fixture
def bench(tmp_path: os.PathLike[str]) -> Iterator[Bench]:
    made = Bench(str(tmp_path))
    yield made
    made.clear()


def kill_driver(driver: subprocess.Popen[bytes]) -> None:
    driver.kill()
    driver.communicate(timeout=30)


def kill_keeper(bench: Bench) -> None:
    os.kill(bench.keeper.pid, signal.SIGKILL)
    wait_for(lambda: is_gone(bench.keeper.pid), "the keeper's death")


def started_in(bench: Bench, n: int = 1) -> attempt.Witness:
    wait_for(lambda: bench.witness(n).pid is not None, "the launch")
    return bench.witness(n)


# -- the driver dies ---------------------------------------------------------------------------------------

PRINTING = "for i in {1..10}; do echo line $i; sleep 0.1; done; exit 6"


def test_a_printing_step_outlives_the_kill_of_its_driver(bench: Bench) -> None:
    driver = bench.driver(f"k.launch(order(1, {PRINTING!r})); time.sleep(60)")
    wait_for(lambda: b"line 2" in bench.output(1), "the step to print")
    kill_driver(driver)
    assert bench.witness(1).state == "running"
    wait_for(lambda: bench.keeper_pids() == [], "the keeper to end")
    seen = bench.witness(1)
    assert (seen.state, seen.exit) == ("ended", 6)
    assert bench.output(1) == b"".join(b"line %d\n" % i for i in range(1, 11))
    assert Keeper.adopt(bench.run_dir) is None


def test_the_time_limit_holds_without_a_driver(bench: Bench) -> None:
    code = f"k.launch(order(1, {FOREVER!r}, timeout=300_000)); time.sleep(60)"
    driver = bench.driver(code)
    started_in(bench)
    kill_driver(driver)
    wait_for(lambda: bench.witness(1).state == "unknown", "the step's end")
    assert bench.witness(1).stopping == "timeout"


def test_a_new_driver_follows_what_still_runs_and_goes_on(bench: Bench) -> None:
    driver = bench.driver(
        "k.launch(order(1, 'until [ -e go ]; do sleep 0.01; done; exit 7')); time.sleep(60)"
    )
    started = started_in(bench)
    kill_driver(driver)
    second = Keeper.adopt(bench.run_dir)
    assert second is not None
    bench.keepers.append(second)
    assert second.has(1) and not second.has(2)
    assert second.pid == procfs.look(started.pid or 0).parent  # type: ignore[union-attr]
    assert bench.run(2, "touch go; exit 0").exit == 0
    assert bench.end(1).exit == 7
    assert bench.witness(1).exit == 7


def test_a_new_driver_stops_what_still_runs(bench: Bench) -> None:
    driver = bench.driver(f"k.launch(order(1, {FOREVER!r})); time.sleep(60)")
    started_in(bench)
    kill_driver(driver)
    second = Keeper.adopt(bench.run_dir)
    assert second is not None
    bench.keepers.append(second)
    second.stop(1, "person")
    assert (bench.end(1).signal, bench.end(1).stopping) == (signal.SIGTERM, "person")


def test_an_end_that_no_driver_heard_is_told_to_the_next(bench: Bench) -> None:
    code = (
        f"k.launch(order(1, 'sleep 0.1; exit 3')); k.launch(order(2, {FOREVER!r})); os.kill(os.getpid(), 9)"
    )
    bench.driver(code).communicate(timeout=30)
    wait_for(lambda: bench.witness(1).state == "ended", "the first step's end")
    wait_for(lambda: not attempt.is_held(bench.run_dir, 1), "the keeper to tell it")
    second = Keeper.adopt(bench.run_dir)
    assert second is not None
    bench.keepers.append(second)
    assert bench.end(1).exit == 3
    second.stop(2, "person")
    bench.end(2)


def test_two_drivers_connected_hear_the_same(bench: Bench) -> None:
    bench.launch(1, "until [ -e go ]; do sleep 0.01; done; exit 2")
    other = Keeper.adopt(bench.run_dir)
    assert other is not None
    bench.keepers.insert(0, other)
    with open(bench.path("go"), "w"):
        pass
    assert bench.end(1).exit == 2
    heard = [notice for notice in other.wait(30 * clock.SECOND) if isinstance(notice, Ended)]
    assert [notice.exit for notice in heard] == [2]


def test_nothing_is_adopted_where_no_keeper_answers(bench: Bench) -> None:
    assert Keeper.adopt(bench.run_dir) is None
    os.makedirs(bench.run_dir)
    assert Keeper.adopt(bench.run_dir) is None
    bench.launch(1, FOREVER)
    wait_for(lambda: os.path.exists(os.path.join(bench.run_dir, "keeper.sock")), "the socket")
    kill_keeper(bench)
    assert os.path.exists(os.path.join(bench.run_dir, "keeper.sock"))
    assert Keeper.adopt(bench.run_dir) is None


def test_what_was_prepared_and_never_ordered_certainly_did_not_begin(bench: Bench) -> None:
    driver = bench.driver("k.prepare(1); print(flush=True); time.sleep(60)")
    assert driver.stdout is not None and driver.stdout.readline() == b"\n"
    kill_driver(driver)
    wait_for(lambda: bench.witness(1).state == "unknown", "the lock to be free")
    assert bench.witness(1).launched is False
    assert bench.run(1, "exit 0").exit == 0


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE]
)
def test_no_signal_of_a_terminal_ends_the_keeper(bench: Bench, number: signal.Signals) -> None:
    bench.run(1)
    os.kill(bench.keeper.pid, number)
    assert bench.run(2, "exit 8").exit == 8


# -- the keeper dies ---------------------------------------------------------------------------------------


def test_an_attempt_whose_keeper_is_killed_runs_until_it_is_gone_and_then_nobody_knows(bench: Bench) -> None:
    started = bench.launch(1, "until [ -e go ]; do sleep 0.01; done")
    assert isinstance(started, Started)
    kill_keeper(bench)
    seen = bench.witness(1)
    assert (seen.state, seen.who, seen.pid) == ("running", "process", started.pid)
    assert bench.keeper.wait(300_000) == []
    with open(bench.path("go"), "w"):
        pass
    end = bench.end(1)
    assert (end.lost, end.exit, end.signal, end.stopping) == (True, None, None, None)
    assert bench.witness(1).state == "unknown"


def test_a_child_that_let_go_of_the_lock_is_known_by_its_process(bench: Bench) -> None:
    bench.launch(1, f"exec 214<&-; touch ready; {FOREVER}")
    wait_for(lambda: os.path.exists(bench.path("ready")), "the step")
    kill_keeper(bench)
    seen = bench.witness(1)
    assert (seen.state, seen.who) == ("running", "process")
    os.kill(seen.pid or 0, signal.SIGKILL)
    wait_for(lambda: bench.witness(1).state == "unknown", "its end")


def test_a_grandchild_whose_parent_is_gone_is_known_by_the_lock(bench: Bench) -> None:
    bench.launch(1, f"{FOREVER} & echo $! >pid; wait")
    child = bench.pid_in("pid")
    kill_keeper(bench)
    os.kill(bench.witness(1).pid or 0, signal.SIGKILL)
    wait_for(lambda: bench.witness(1).who == "lock", "the main process's end")
    assert bench.witness(1).state == "running"
    assert [s.pid for s in attempt.holders(bench.run_dir, 1) if s.pid == child] == [child]
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: bench.witness(1).state == "unknown", "the grandchild's end")


def test_after_its_keeper_was_lost_the_driver_starts_steps_through_another(bench: Bench) -> None:
    bench.run(1)
    lost = bench.keeper.pid
    kill_keeper(bench)
    assert bench.run(2, "echo x; exit 2").exit == 2
    assert bench.keeper.pid != lost
    assert bench.output(2) == b"x\n"


def test_a_step_whose_keeper_was_lost_can_still_be_stopped(bench: Bench) -> None:
    bench.launch(1, f"trap '' TERM; (setsid sleep 600 & echo $! >pid) & {FOREVER}")
    stray = bench.pid_in("pid")
    kill_keeper(bench)
    assert bench.keeper.wait(200_000) == []
    bench.keeper.stop(1, "person", grace=200_000)
    end = bench.end(1)
    assert (end.lost, end.stopping) == (True, "person")
    assert is_gone(stray)
    assert (bench.witness(1).state, bench.witness(1).stopping) == ("unknown", "person")


def test_a_driver_without_that_keeper_stops_it_too(bench: Bench) -> None:
    bench.launch(1, FOREVER)
    kill_keeper(bench)
    bench.keepers.append(Keeper.execute(bench.run_dir))
    assert not bench.keeper.has(1)
    bench.keeper.stop(1, "person")
    wait_for(lambda: bench.witness(1).state == "unknown", "the stop")
    assert bench.witness(1).stopping == "person"


CRASHES = {
    "keeper-after-order": ("unknown", None, False),
    "keeper-after-spawn": ("unknown", None, True),
    "keeper-after-try": ("unknown", None, True),
    "keeper-before-exit-written": ("unknown", None, True),
    "keeper-after-exit-written": ("ended", 5, True),
}


@pytest.mark.parametrize("point", CRASHES)
def test_a_keeper_that_dies_at_a_named_point_leaves_what_the_witnesses_say(
    bench: Bench, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, exit, acted = CRASHES[point]
    monkeypatch.setenv("HOWDAH_TEST_KILL", f"{point}:1")
    bench.keeper.prepare(1)
    monkeypatch.delenv("HOWDAH_TEST_KILL")
    end = bench.run(1, "sleep 0.2; touch acted; exit 5")
    assert (end.exit, end.lost) == (exit, state == "unknown")
    assert (bench.witness(1).state, bench.witness(1).exit) == (state, exit)
    assert bench.witness(1).launched  # who was ordered may have acted
    assert os.path.exists(bench.path("acted")) is acted


def test_a_keeper_that_dies_between_the_record_of_a_stop_and_term_leaves_both_facts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOWDAH_TEST_KILL", "keeper-after-stopping")
    bench.keeper.prepare(1)
    monkeypatch.delenv("HOWDAH_TEST_KILL")
    bench.launch(1, "until [ -e go ]; do sleep 0.01; done; exit 0")
    bench.keeper.stop(1, "person")
    wait_for(lambda: is_gone(bench.keeper.pid), "the keeper's death")
    seen = bench.witness(1)
    assert (seen.state, seen.stopping) == ("running", "person")
    with open(bench.path("go"), "w"):
        pass
    end = bench.end(1)
    assert (end.lost, end.stopping) == (True, "person")
