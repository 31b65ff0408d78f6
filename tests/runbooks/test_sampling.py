"""A look that nothing can end is named, and none begins beside it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from incidents import clock
from runbooks import inputs, probes, process
from runbooks.document import Sampled, Watch
from runbooks.inputs import OutputSpec
from runbooks.probes import Probe
from runbooks.sampling import Sampler

ENV = {"PATH": os.environ["PATH"]}


def test_while_a_look_survives_its_kill_it_is_named_and_no_other_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(1, {"n": Sampled(OutputSpec("n", "text", type="int"))}, timeout=50_000)
    sampler = Sampler(watch, str(tmp_path / "1.samples"), clock.read())
    begun: list[int] = []

    def begin(number: int) -> Probe:
        begun.append(number)
        text = "exec sleep 1000" if number == 1 else "echo 7"
        return Probe(("sh", "-c", text), ENV, watch.timeout if number == 1 else 20 * clock.SECOND)

    def turns(rows: int) -> None:
        end = time.monotonic() + 30
        while len(sampler.rows) < rows:
            assert time.monotonic() < end
            sampler.turn(begin, lambda raw: inputs.read_outputs(watch.specs, raw))
            time.sleep(0.01)

    with monkeypatch.context() as frozen:  # as in D state: no signal ends it
        frozen.setattr(os, "killpg", lambda group, number: None)
        frozen.setattr(process, "send", lambda one, number: None)
        turns(1)
        for _ in range(5):
            sampler.turn(begin, lambda raw: inputs.read_outputs(watch.specs, raw))
    [left] = sampler._left
    assert begun == [1] and left.name == "sleep"
    assert sampler.trouble.endswith(f"what is left of it: process {left.pid} (sleep, state S)")
    os.kill(left.pid, signal.SIGKILL)
    turns(2)
    assert begun[:2] == [1, 2] and sampler.values() == {"n": 7}
    sampler.abandon()
    assert probes.look([], until=0) == []  # reaps
