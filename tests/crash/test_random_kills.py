"""Random runbooks, killed again and again at random points, taken up until they end.

What must hold whatever happens: no unsafe step acts more often than a person's `retry` and the `verify` exits listed
under `no:` allow; what was acknowledged is there once; every chain verifies; the run comes to an end.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from incidents.hosts import Host
from tests.crash.harness import Bench, bench

POINTS = (
    "after-run-started", "before-intent", "after-intent", "after-launch", "before-outcome", "after-outcome",
    "keeper-after-try", "keeper-before-exit-written", "keeper-after-exit-written",
)  # fmt: skip


@dataclass
class Kind:
    effect: str
    body: str
    verify: str


BODIES = {
    "quick": "echo {id} >> '{{acts}}'",
    "fails": "echo {id} >> '{{acts}}'; exit 3",
    "slow": "echo {id} >> '{{acts}}'; for i in 1 2 3; do echo tick; sleep 0.03; done",
    "dies": "echo {id} >> '{{acts}}'; kill -9 $$",
}
VERIFY = {
    "none": "",
    "looks": "    verify: {{no: [10], run: \"grep -qx {id} '{{{{acts}}}}' || exit 10\"}}\n",
    "blind": "    verify: {{no: [10], run: exit 1}}\n",
}


def write(choose: random.Random) -> tuple[str, dict[str, Kind]]:
    steps, kinds = [], {}
    for number in range(choose.randint(1, 3)):
        name = f"s{number}"
        kind = Kind(
            choose.choice(("read", "idempotent", "unsafe", "unsafe")), choose.choice(tuple(BODIES)), "none"
        )
        if kind.effect == "unsafe":
            kind.verify = choose.choice(tuple(VERIFY))
        kinds[name] = kind
        retry = "" if kind.effect == "unsafe" else "    retry: {max: 9, delay: 1ms}\n"
        steps.append(
            f"  - id: {name}\n    effect: {kind.effect}\n    timeout: 20s\n    continue-on-error: true\n{retry}"
            f"    run: |\n      {BODIES[kind.body].format(id=name)}\n" + VERIFY[kind.verify].format(id=name)
        )
    return "name: random\nsteps:\n" + "".join(steps).replace("{{acts}}", "{acts}"), kinds


FAR = "@web1"  # what a step is called that runs there


def kill_spec(choose: random.Random, steps: list[str]) -> dict[str, object]:
    keeper_too = choose.random() < 0.4
    if choose.random() < 0.5:
        point = choose.choice(POINTS)
        if not point.startswith("keeper") and point != "after-run-started":
            point += f":{choose.choice(steps)}"
        return {"kill": point, "keeper_too": keeper_too}
    return {"after": choose.uniform(0.02, 0.25), "keeper_too": keeper_too}


def play(folder: str, seed: int, hosts: dict[str, Host] | None = None) -> int:
    """The number of kills that hit. With `hosts` every step runs on the first of them."""
    choose = random.Random(seed)
    text, kinds = write(choose)
    if hosts:
        text = text.replace("steps:", "targets: {hosts: web1}\nsteps:")
        kinds = {name + FAR: kind for name, kind in kinds.items()}
    with bench(folder, text) as run:
        run.hosts = hosts or {}
        code = run.start(**kill_spec(choose, list(kinds)))  # type: ignore[arg-type]
        for _ in range(choose.randint(1, 4)):
            if not run.has_begun():
                return len(run.killed)  # killed before its first event: there is no run
            run.settle()
            if run.journal().status == "ended":
                break
            answer(run, choose)
            code = run.resume(**kill_spec(choose, list(kinds)))  # type: ignore[arg-type]
        while run.has_begun() and run.journal().status != "ended":
            run.settle()
            answer(run, choose)
            code = run.resume()
            assert code in (0, 1, 3), Path(run.store + ".log").read_text()
        check(run, kinds)
        return len(run.killed)


def answer(run: Bench, choose: random.Random) -> None:
    for question in run.journal().open_questions():
        assert question.what == "doubt"
        run.answer(choose.choice(("retry", "done", "skip")))


def check(run: Bench, kinds: dict[str, Kind]) -> None:
    found = run.journal()
    for name, kind in kinds.items():
        if name not in found.steps:
            continue
        state, acts = found.steps[name], run.acts(name.removesuffix(FAR))
        ends = [a.end for a in state.attempts if a.part == "verify" and a.end is not None]
        allowed = 1 + sum(q.answer == "retry" for q in found.questions.values() if q.path == name)
        allowed += sum(end.status == "no" for end in ends)
        if kind.effect == "unsafe":
            assert acts <= allowed, f"{name} acted {acts} times, {allowed} allowed"
            assert state.count("run") <= allowed
        assert acts <= state.count("run")
        if state.status == "ok" and state.last("run") and not ends and state.by is None:
            assert acts >= 1
    from incidents.verify import verify

    report = verify(run.store)
    assert not report.findings, report.findings


def seeds(count: int) -> list[int]:
    """The same seeds everywhere, unless $HOWDAH_TEST_SEED moves them."""
    first = int(os.environ.get("HOWDAH_TEST_SEED", "0"))
    return list(range(first, first + count))


@pytest.mark.parametrize("seed", seeds(10))
def test_whatever_is_killed_nothing_unsafe_runs_twice_unasked(tmp_path: Path, seed: int) -> None:
    kills, number = 0, 0
    while kills < 20:
        folder = tmp_path / str(number)
        folder.mkdir()
        kills += play(str(folder), seed * 1_000_000 + number)
        number += 1


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", seeds(100))
def test_ten_thousand_random_kills(tmp_path: Path, seed: int) -> None:
    kills, number = 0, 0
    while kills < 100:
        folder = tmp_path / str(number)
        folder.mkdir()
        kills += play(str(folder), (1000 + seed) * 1_000_000 + number)
        number += 1
