"""Programs side by side on a machine that may not answer: each is bounded, none holds up another or the caller."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from incidents import clock
from runbooks import probes, process, procfs
from runbooks.probes import LIMIT, Probe, Seen
from tests.beside import beside
from tests.stories.scene import until

ENV = {"PATH": os.environ["PATH"]}
FOR_EVER = "sleep 1000"


def bash(text: str, timeout: int = 20 * clock.SECOND) -> Probe:
    return Probe(("bash", "-c", text), ENV, timeout)


def look(*these: Probe, within: int = 30 * clock.SECOND, most: int = probes.MOST) -> list[Seen]:
    return probes.look(these, until=clock.monotonic() + within, most=most)


def test_each_says_how_it_ended_in_the_order_in_which_they_were_given() -> None:
    slow, quick, killed, missing = look(
        bash("sleep 0.2; echo slow"), bash("echo quick >&2; exit 3"), bash("kill -TERM $$"), Probe(("nosuch",), ENV, clock.SECOND)
    )  # fmt: skip
    assert (slow.exit, slow.output) == (0, b"slow\n")
    assert (quick.exit, quick.output) == (3, b"quick\n")
    assert (killed.exit, killed.signal) == (None, 15)
    assert missing.exit == 127 and b"not found" in missing.output


def test_it_runs_in_the_root_folder_with_nothing_on_its_input_and_in_a_session_of_its_own() -> None:
    (seen,) = look(bash("pwd; wc -c; ps -o sid= -p $$ | tr -d ' '; echo $$"))
    where, read, session, pid = seen.output.split()
    assert (where, read) == (b"/", b"0")
    assert session == pid != str(os.getsid(0)).encode()


def test_what_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    text = f"{FOR_EVER} & echo $! >{note}; timeout 500 {FOR_EVER} & echo $! >>{note}; echo begun; {FOR_EVER}"
    (seen,) = look(bash(text, clock.SECOND))
    assert (seen.exit, seen.timed_out, seen.output, seen.left) == (None, True, b"begun\n", ())
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 2 and [pid for pid in pids if procfs.state(pid) not in (None, "Z")] == []


def test_what_an_ended_one_left_in_the_background_ends_with_it() -> None:
    (seen,) = look(bash(f"{FOR_EVER} & echo $!"))
    assert (seen.exit, seen.timed_out) == (0, False)
    assert procfs.state(int(seen.output)) in (None, "Z")


def test_one_that_prints_without_end_is_bounded_and_holds_up_no_other() -> None:
    endless, other = look(bash("yes", clock.SECOND), bash("sleep 0.2; echo here"))
    assert endless.timed_out and len(endless.output) == LIMIT + 1
    assert (other.exit, other.output) == (0, b"here\n")


def test_an_interrupt_at_the_very_start_of_one_leaves_it_no_time_to_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []
    start = process.spawn_apart

    def interrupted(*given: Any, **named: Any) -> int:
        begun.append(start(*given, **named))
        os.kill(os.getpid(), signal.SIGINT)
        return begun[-1]

    monkeypatch.setattr(process, "spawn_apart", interrupted)
    with (
        beside(threading.Event.wait),
        pytest.raises(KeyboardInterrupt),
    ):  # the signal may come to the other thread
        look(bash(FOR_EVER))
    (pid,) = begun
    until(lambda: procfs.state(pid) in (None, "Z"), "the end of what was killed")


def test_no_more_run_at_a_time_than_may_and_who_had_no_time_is_told() -> None:
    hung, late = look(bash(FOR_EVER), bash("echo late"), within=clock.SECOND, most=1)
    assert hung.timed_out
    assert (late.exit, late.unstarted) == (None, "there was no time left for it")


def test_what_no_program_can_be_given_is_no_exception() -> None:
    (seen,) = look(Probe(("echo", "a\0b"), ENV, clock.SECOND))
    assert "could not be started" in seen.unstarted


def test_nothing_to_run_is_nothing_seen() -> None:
    assert look() == []
