"""How often the bot may connect: losses in a row wait ever longer, and a day's identifies are counted for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.surfaces.discord.breaker import DAILY, DAY, FEW, LONGEST_WAIT, WITHIN, Breaker, Ledger
from incidents import clock
from incidents.errors import Refused


def test_a_few_connections_lost_over_hours_are_nothing() -> None:
    breaker = Breaker()
    assert not any(breaker.lost(hour * clock.HOUR) for hour in range(50))


def test_several_lost_within_a_minute_wait_and_each_time_twice_as_long() -> None:
    breaker, now, waits = Breaker(), 0, []
    for _ in range(14):
        breaker.ready(now)
        for _ in range(FEW - 1):
            assert not breaker.lost(now)
        assert breaker.lost(now)
        waits.append(breaker.wait(now))
    assert waits[:4] == [1 * clock.SECOND, 2 * clock.SECOND, 4 * clock.SECOND, 8 * clock.SECOND]
    assert waits[-1] == LONGEST_WAIT


def test_while_discord_cannot_be_reached_it_is_tried_once_a_minute() -> None:
    breaker = Breaker()
    assert [breaker.wait(now) for now in range(12)][-1] == clock.MINUTE


@given(st.lists(st.integers(0, 90 * clock.SECOND), max_size=60))
def test_there_are_never_more_than_a_few_in_a_minute_without_a_wait(gaps: list[int]) -> None:
    breaker, now, free = Breaker(), 0, []
    for gap in gaps:
        now += gap
        free.append(now)
        if breaker.lost(now):
            breaker.wait(now)
            free.clear()
        assert sum(now - at < WITHIN for at in free) < FEW


def test_a_connection_that_held_makes_good_for_those_before_it() -> None:
    breaker, now = Breaker(), 0
    for _ in range(10):
        breaker.ready(now)
        breaker.wait(now)
    breaker.ready(now)
    now += 72 * clock.HOUR
    breaker.lost(now)
    assert breaker.wait(now) == clock.SECOND


def test_a_days_identifies_are_counted_across_restarts_far_below_what_resets_the_token(
    tmp_path: Path,
) -> None:
    path, now = str(tmp_path / "store.db"), 1_000 * DAY
    for _ in range(20):
        ledger = Ledger(path)
        for _ in range(10):
            assert ledger.wait(now) == 0
            ledger.identified(now)
        ledger.close()
        now += clock.MINUTE
    ledger = Ledger(path)
    assert DAILY == 200
    assert ledger.wait(now) == DAY - 20 * clock.MINUTE
    assert ledger.wait(now + DAY) == 0
    ledger.close()


def test_one_bot_serves_a_store_and_the_second_is_told(tmp_path: Path) -> None:
    first = Ledger(str(tmp_path / "store.db"))
    with pytest.raises(Refused, match=r"serves .* already"):
        Ledger(str(tmp_path / "store.db"))
    first.close()
    Ledger(str(tmp_path / "store.db")).close()


def test_a_ledger_that_holds_rubbish_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "store.db.discord").write_bytes(b"\xff\xfe 12x\n-5\n")
    ledger = Ledger(str(tmp_path / "store.db"))
    assert ledger.wait(DAY) == 0
    ledger.close()
