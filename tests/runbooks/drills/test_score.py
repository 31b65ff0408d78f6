"""The score as a pure function of samples: when it became well, whether it stayed so, and why it does not count."""

from __future__ import annotations

import errno

from runbooks.drills.score import Kept, Sample, Score, score

FULL = errno.ENOSPC
ALL = Kept(100, 10_000, 0, 0)


def samples(*rows: tuple[int, int, int, int, str]) -> list[Sample]:
    """Rows of (free, probe, acks, refusals, writer), one every second."""
    return [
        Sample(at, free, 50, probe, acks, refusals, writer, "S")
        for at, (free, probe, acks, refusals, writer) in enumerate(rows)
    ]


def judge(rows: list[Sample], kept: Kept = ALL, *, held_from: int = 3, detected_at: int | None = 1) -> Score:
    return score(rows, kept, need=10, need_inodes=5, detected_at=detected_at, held_from=held_from)


CURED = samples(
    (90, 0, 5, 0, "S"), (0, FULL, 5, 2, "S"), (60, 0, 5, 2, "S"), (60, 0, 7, 2, "S"), (58, 0, 9, 2, "S")
)


def test_spans_count_from_the_moment_at_which_an_ordinary_user_could_write_no_more() -> None:
    found = judge(CURED, detected_at=2)
    assert (found.cured, found.reasons) == (True, ())
    assert (found.full_at, found.detected, found.mitigated, found.recovered) == (1, 1, 1, 2)
    assert found.full_again == 29


def test_a_disk_that_flaps_is_mitigated_only_from_the_last_good_row_on() -> None:
    rows = samples(
        (0, FULL, 5, 1, "S"), (60, 0, 6, 1, "S"), (0, FULL, 6, 2, "S"), (60, 0, 6, 2, "S"), (60, 0, 7, 2, "S")
    )  # fmt: skip
    found = judge(rows)
    assert (found.mitigated, found.recovered) == (3, 4)


def test_a_line_that_still_fits_into_the_service_s_last_block_is_no_recovery() -> None:
    rows = samples(
        (9, 0, 5, 1, "S"), (0, FULL, 6, 1, "S"), (0, FULL, 6, 1, "S"), (60, 0, 6, 1, "S"), (60, 0, 7, 1, "S")
    )  # fmt: skip
    found = judge(rows)
    assert (found.mitigated, found.recovered) == (2, 2)
    found = judge([*rows[:4], rows[4]._replace(acks=6)])
    assert (found.mitigated, found.recovered) == (2, 2)


def test_nothing_is_mitigated_before_somebody_has_seen_it() -> None:
    found = judge(CURED, detected_at=3)
    assert (found.detected, found.mitigated, found.recovered) == (2, 2, 2)


def test_it_must_stay_well_to_the_end() -> None:
    found = judge([*CURED, *samples((0, FULL, 9, 3, "S"))])
    assert not found.cured
    assert (found.mitigated, found.recovered) == (None, None)


def test_a_service_that_has_ended_or_says_nothing_is_no_cure() -> None:
    gone = [*CURED[:-1], CURED[-1]._replace(writer="")]
    silent = [sample._replace(acks=5) for sample in CURED]
    assert judge(gone).reasons == ("the service has ended",)
    assert judge(silent).reasons == ("the service acknowledges nothing",)


def test_one_lost_record_is_no_cure() -> None:
    found = judge(CURED, Kept(100, 10_000, 1, 77))
    assert found.reasons == ("1 acknowledged records (77 bytes) are lost",)


def test_less_than_is_needed_is_no_cure() -> None:
    short = [*CURED[:-1], CURED[-1]._replace(free=9)]
    few = [*CURED[:-1], CURED[-1]._replace(inodes=4)]
    assert "only 9 of the 10 bytes" in judge(short).reasons[0]
    assert "fewer than the 5 files" in judge(few).reasons[0]


def test_without_a_full_disk_or_without_a_look_afterwards_nothing_is_cured() -> None:
    well = [sample._replace(probe=0, refusals=0) for sample in CURED]
    assert "never full" in judge(well).reasons[0]
    assert "nobody looked" in judge(CURED, held_from=99).reasons[0]
    assert "nothing was acknowledged" in judge(CURED, Kept(0, 0, 0, 0)).reasons[0]
