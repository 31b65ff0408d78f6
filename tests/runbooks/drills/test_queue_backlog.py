"""Queues of a real Sidekiq: triage names the cause, the runbook cures it, and a mutant cure is seen to lose or double."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from incidents import clock
from incidents.errors import Failed
from runbooks.drills import harness, janitor
from runbooks.drills.queue_backlog import lab as labs
from runbooks.drills.queue_backlog.lab import QUEUES, Lab
from runbooks.drills.queue_backlog.score import Score

from .conftest import Place

HOWDAH = os.path.join(os.path.dirname(sys.executable), "howdah")
FEW = 1500
MANY = 70_000  # more than any drill beside this one has: triage names the longest queues of the machine
SOAK = pytest.mark.soak
FAULTS = harness.names("queue-backlog")
CAUSES = {
    "too-few-workers": "likely too few workers: all that there are have work, and none of it is slow",
    "poison": "likely one slow or poisonous class: ",
    "starved": "likely a strict order that starves default, pull: ",
    "slow-dependency": "likely a blocked dependency: ",
    "killed-worker": "killed, and what they had in hand is in no queue: ",
}


@pytest.fixture
def room() -> Iterator[Place]:
    """Folders of their own; elsewhere than in CI a skip that says what to install. Afterwards nothing may be left."""
    with tempfile.TemporaryDirectory(prefix="queues-") as folder:
        os.chmod(folder, 0o711)  # workers do not run as root
        made = Place(os.path.realpath(folder), os.path.join(folder, "ledgers"))
        try:
            harness.able("queue-backlog", made.folder)
        except Failed as error:
            pytest.skip(str(error))
        yield made
        assert janitor.cleanup(made.ledgers).left == []
        assert [name for name in os.listdir(made.folder) if name.startswith(janitor.PREFIX)] == []


def drill(room: Place, fault: str, play: Callable[[Lab], Any], *, jobs: int = FEW, **options: Any) -> Score:
    def played(lab: Lab) -> int:
        lab.seen()
        play(lab)
        return 0

    result = harness.drill(
        fault,
        played,
        scenario="queue-backlog",
        folder=room.folder,
        ledgers=room.ledgers,
        jobs=jobs,
        **options,
    )
    assert result.left == ()
    score: Score = result.score
    return score


def howdah(room: Place, *words: str) -> Any:
    """The command's JSON, its store and its ledgers in the test's own folder."""
    env = {
        **os.environ, "TMPDIR": room.folder, "XDG_STATE_HOME": os.path.join(room.folder, "state"),
        "HOWDAH_STORE": os.path.join(room.folder, "record.db"),
    }  # fmt: skip
    done = subprocess.run(
        [HOWDAH, *words, "--json"], env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    _, many, document = ("\n" + done.stdout).rpartition("\n{\n")
    return json.loads("{" + document) if many else json.loads(done.stdout.splitlines()[-1])


# -- cures ------------------------------------------------------------------------------------------------------------


@pytest.mark.lab
@pytest.mark.parametrize(
    "fault",
    ["killed-worker", *(pytest.param(name, marks=SOAK) for name in FAULTS if name != "killed-worker")],
)
def test_the_runbook_cures_a_few_jobs_and_loses_none(room: Place, fault: str) -> None:
    cured(room, fault, FEW)


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(len(FAULTS)))  # `make soak-part` takes another one every hour
def test_the_runbook_cures_fifty_thousand_jobs_and_loses_none(room: Place, number: int) -> None:
    cured(room, FAULTS[number], 50_000)


def cured(room: Place, fault: str, jobs: int) -> None:
    result = howdah(room, "drill", "queue-backlog", "--auto", "--fault", fault, "--jobs", str(jobs))["result"]
    assert (
        result["cured"] is True and result["reasons"] == [] and result["exit"] == 0 and result["left"] == []
    )
    assert (result["lost"], result["doubled"], result["ordered"]) == (0, 0, jobs)
    assert result["done"] + result["queued"] + result["failed"] + result["aside"] == jobs
    assert 0 <= result["detected"] <= result["draining"]
    assert result["rederived"] == result["in_flight"] == (5 if fault == "killed-worker" else 0)
    assert result["threads"] <= labs.BUDGET


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_one_of_fifty_thousand_is_done_exactly_once(room: Place) -> None:
    """With a worker killed in the middle, and drained to the end."""

    def play(lab: Lab) -> None:
        yes = [word for step in ("add", "bring_back") for word in ("--yes", step)]
        given = [word for name, value in lab.inputs().items() for word in ("-i", f"{name}={value}")]
        howdah(room, "run", "queue-backlog", "--drill", *given, *yes)

    score = drill(room, "killed-worker", play, jobs=50_000, drain=True)
    assert score.reasons == ()
    assert (score.done, score.queued, score.lost, score.doubled, score.in_flight) == (50_000, 0, 0, 0, 5)


@pytest.mark.lab
@pytest.mark.parametrize(
    "fault",
    ["slow-dependency", *(pytest.param(name, marks=SOAK) for name in FAULTS if name != "slow-dependency")],
)
def test_triage_names_the_runbook_and_the_cause_and_finds_the_redis_by_itself(
    room: Place, fault: str
) -> None:
    def look(lab: Lab) -> None:
        found = howdah(room, "triage")
        (fits,) = [one for one in found["fits"] if one["runbook"] == "queue-backlog"]
        assert fits["inputs"] == {"port": str(lab.port)}
        assert CAUSES[fault] in fits["says"], fits["says"]
        assert fits["took"] < 5 * clock.SECOND

    assert not drill(room, fault, look, jobs=MANY).cured


@pytest.mark.lab
@pytest.mark.soak
@pytest.mark.timeout(300)
def test_what_went_aside_comes_back_by_undo_and_is_done_once_the_dependency_answers(room: Place) -> None:
    def play(lab: Lab) -> None:
        given = [word for name, value in lab.inputs().items() for word in ("-i", f"{name}={value}")]
        howdah(room, "run", "queue-backlog", "--drill", *given, "--yes", "aside")
        os.unlink(lab.file("slow"))
        (run,) = os.listdir(os.path.join(room.folder, "record.db.runs"))
        howdah(room, "undo", run)

    score = drill(room, "slow-dependency", play, drain=True)
    assert (score.done, score.aside, score.lost, score.doubled) == (FEW, 0, 0, 0)


@pytest.mark.lab
@pytest.mark.soak
def test_without_a_connection_left_one_worker_becomes_one_for_each_queue(room: Place) -> None:
    def play(lab: Lab) -> None:
        lab.within = 3600  # with no thread more, push takes longer than it did alone
        inputs = {**lab.inputs(), "connections": "10"}
        given = [word for name, value in inputs.items() for word in ("-i", f"{name}={value}")]
        howdah(room, "run", "queue-backlog", "--drill", *given, "--yes", "split")
        assert len(labs.workers(lab.app)) == len(QUEUES)

    score = drill(room, "starved", play)
    assert score.reasons == () and score.threads == 10


# -- what is no cure --------------------------------------------------------------------------------------------------


def nothing(lab: Lab) -> None:
    """Looks at it."""


def flush(lab: Lab) -> None:
    """The queues are short again."""
    line = lab.redis()
    for queue in QUEUES:
        line.run("DEL", f"queue:{queue}")
    line.close()


def from_the_heartbeat(lab: Lab) -> None:
    """Kills what is left, starts anew, and pushes what the dead workers' own record names: a snapshot of long ago."""
    held = snapshot(lab)
    for process in labs.workers(lab.app):
        lab.flight += lab.in_flight(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        lab.gone(process)
    line = lab.redis()
    for text in held:
        line.run("RPUSH", "queue:default", text)
    line.close()
    for _ in range(4):
        lab.work(QUEUES, 5)


def snapshot(lab: Lab) -> list[str]:
    """What the heartbeats of the workers, dead and alive, say that they have in hand; taken while it is old."""
    line = lab.redis()
    found = [
        json.loads(text)["payload"]
        for name in line.rows("SMEMBERS", "processes")
        for text in line.rows("HVALS", f"{name}:workers")
    ]
    line.close()
    numbers = {int(re.findall(r'"args":\[(\d+)', text)[0]) for text in found}
    done = {int(number) for number, _ in labs.lines(lab.file("done"))}
    if not numbers & done:  # the heartbeat was a moment ago: within the next seconds it is history
        clock.sleep(clock.SECOND)
        return snapshot(lab)
    return found


def kill_and_start_anew(lab: Lab) -> None:
    """A restart as people do it in a hurry: kill -9, and more workers."""
    for process in labs.workers(lab.app):
        os.kill(process.pid, signal.SIGKILL)
        lab.gone(process)
    for _ in range(4):
        lab.work(QUEUES, 5)


def drop_the_class(lab: Lab) -> None:
    """Deletes the jobs that hang, and what failed."""
    line = lab.redis()
    for queue in QUEUES:
        for text in line.rows("LRANGE", f"queue:{queue}", "0", "-1"):
            if "PreviewWorker" in text:
                line.run("LREM", f"queue:{queue}", "0", text)
    line.run("DEL", "retry")
    line.close()


def rename_the_queues(lab: Lab) -> None:
    """Everything goes aside, also what is not at fault."""
    line = lab.redis()
    for queue in QUEUES:
        line.run("RENAME", f"queue:{queue}", f"aside:{queue}")
    line.close()


def far_too_many(lab: Lab) -> None:
    """Workers without counting the connections of the database."""
    for _ in range(3):
        lab.work(QUEUES, 10)
    clock.sleep(6 * clock.SECOND)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("fault", "mutant", "reasons"),
    [
        ("killed-worker", from_the_heartbeat, ("jobs are lost", "were done twice or will be")),
        ("too-few-workers", flush, ("jobs are lost",)),
        *(pytest.param(name, nothing, ("not all of them will have gone",), marks=SOAK) for name in FAULTS),
        pytest.param("starved", kill_and_start_anew, ("10 jobs are lost",), marks=SOAK),
        pytest.param("killed-worker", kill_and_start_anew, ("10 jobs are lost",), marks=SOAK),
        pytest.param("poison", drop_the_class, ("jobs are lost",), marks=SOAK),
        pytest.param("poison", rename_the_queues, ("that are not at fault are kept away",), marks=SOAK),
        pytest.param("too-few-workers", far_too_many, ("32 threads work at once",), marks=SOAK),
    ],
)
def test_what_is_no_cure_scores_as_failed(room: Place, fault: str, mutant: Callable[[Lab], None], reasons: tuple[str, ...]) -> None:  # fmt: skip
    score = drill(room, fault, mutant)
    assert not score.cured
    for reason in reasons:
        assert any(reason in why for why in score.reasons), score.reasons


# -- what is left -----------------------------------------------------------------------------------------------------


@pytest.mark.lab
@pytest.mark.soak
def test_a_drill_killed_in_the_middle_leaves_nothing_that_the_next_clean_up_does_not_take(
    room: Place,
) -> None:
    env = {
        **os.environ, "TMPDIR": room.folder, "XDG_STATE_HOME": os.path.join(room.folder, "state"),
        "HOWDAH_STORE": os.path.join(room.folder, "record.db"), "HOWDAH_TEST_KILL": "drill-playing",
    }  # fmt: skip
    words = [HOWDAH, "drill", "queue-backlog", "--auto", "--jobs", str(FEW)]
    done = subprocess.run(words, env=env, capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done
    swept = howdah(room, "drill", "cleanup")
    assert swept["left"] == []
    removed = " ".join(swept["removed"])
    for role in ("redis", "worker", "observer", "folder"):
        assert role in removed
