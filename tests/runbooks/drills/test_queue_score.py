"""The score of queues: every job is counted where it is, and what only looks like a cure is none."""

from __future__ import annotations

import pytest

from incidents import clock
from runbooks.drills import verdict
from runbooks.drills.queue_backlog import score
from runbooks.drills.queue_backlog.score import Counted, Instants, Limits, Sample

LIMITS = Limits(within=60 * clock.SECOND, threads=25, aside=("PreviewWorker",))
AT = Instants(broken_at=0, detected_at=1, held_from=10 * clock.SECOND)


def samples(*rows: tuple[int, int, int], threads: int = 10) -> list[Sample]:
    """Each: the second, what waits, what was done."""
    return [Sample(at * clock.SECOND, {"push": waiting}, done, threads) for at, waiting, done in rows]


WELL = samples((0, 100, 0), (5, 60, 40), (10, 40, 60), (13, 20, 80))
ORDERED = dict.fromkeys(range(10), "DeliverWorker") | {10: "PreviewWorker"}


def counted(**places: list[int]) -> Counted:
    usual = {"done": [0, 1, 2, 3], "queued": [4, 5, 6], "failed": [7, 8, 9], "aside": [10], "flight": []}
    return Counted(ORDERED, **{**usual, **places})


def test_every_job_in_one_place_and_queues_that_drain_are_a_cure() -> None:
    found = score.score(WELL, counted(), AT, LIMITS)
    assert found.reasons == () and found.cured
    assert (found.ordered, found.done, found.queued, found.failed, found.aside) == (11, 4, 3, 3, 1)
    assert found.draining == 0 and found.empty_in == 3 * clock.SECOND and found.detected == 1
    assert verdict.from_json(score.Score, verdict.to_json(found)) == found


@pytest.mark.parametrize(
    ("places", "reason", "lost", "doubled"),
    [
        ({"queued": [4, 5]}, "1 jobs are lost, such as 6", (6,), ()),
        ({"done": [0, 1, 2, 3, 3]}, "done twice or will be, such as 3", (), (3,)),
        ({"queued": [3, 4, 5, 6]}, "done twice or will be, such as 3", (), (3,)),
        ({"queued": [4, 5, 6, 6]}, "done twice or will be, such as 6", (), (6,)),
        ({"failed": [6, 7, 8, 9]}, "done twice or will be, such as 6", (), (6,)),
        (
            {"failed": [7, 8], "aside": [9, 10]},
            "1 jobs that are not at fault are kept away, such as 9",
            (),
            (),
        ),
        ({"done": [], "queued": [0, 1, 2, 3, 4, 5, 6]}, "nothing was ever done", (), ()),
    ],
)
def test_a_job_that_is_nowhere_or_in_two_places_is_named(
    places: dict[str, list[int]], reason: str, lost: tuple[int, ...], doubled: tuple[int, ...]
) -> None:
    found = score.score(WELL, counted(**places), AT, LIMITS)
    assert not found.cured and any(reason in why for why in found.reasons), found.reasons
    assert (found.lost_numbers, found.doubled_numbers) == (lost, doubled)


@pytest.mark.parametrize(
    ("rows", "threads", "reason"),
    [
        (((0, 100, 0), (10, 100, 0), (13, 100, 0)), 10, "100 jobs wait in push, and not all of them"),
        (((0, 9000, 0), (10, 9000, 0), (13, 8990, 10)), 10, "not all of them will have gone within 1 min"),
        (((0, 100, 5), (10, 40, 5), (13, 20, 5)), 10, "no job gets done"),
        (((0, 100, 0), (10, 40, 60), (13, 20, 80)), 0, "no worker lives"),
        (((0, 100, 0), (10, 40, 60), (13, 20, 80)), 30, "30 threads work at once, and the database has 25"),
        (((0, 100, 0), (5, 40, 60)), 10, "nobody looked whether it stayed well"),
    ],
)
def test_queues_that_do_not_drain_well_are_no_cure(rows: tuple[tuple[int, int, int], ...], threads: int, reason: str) -> None:  # fmt: skip
    found = score.score(samples(*rows, threads=threads), counted(), AT, LIMITS)
    assert not found.cured and any(reason in why for why in found.reasons), found.reasons


def test_what_was_in_flight_at_a_kill_is_counted_apart() -> None:
    found = score.score(WELL, counted(queued=[4, 5], flight=[3, 4, 6]), AT, LIMITS)
    assert (found.in_flight, found.rederived, found.lost) == (3, 2, 1)
    assert "of 3 in flight at the kill 2 were brought back" in score.sentence(found)


def test_it_drains_from_the_last_look_on_after_which_nothing_stood_still() -> None:
    rows = samples((0, 100, 0), (3, 100, 0), (6, 100, 0), (9, 80, 20), (12, 60, 40), (15, 40, 60))
    assert score.score(rows, counted(), AT, LIMITS).draining == 6 * clock.SECOND
