"""Pace: never so many posts that the platform's library waits, what is urgent has room, edits keep their distance."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from chatops.pace import KEPT, Pace
from incidents import clock


class Limits(NamedTuple):
    burst: int = 5
    window: int = 5 * clock.SECOND
    gap: int = clock.SECOND


STEPS = st.lists(
    st.tuples(st.integers(0, 2 * clock.SECOND), st.booleans(), st.sampled_from("ab")), max_size=80
)


@given(STEPS)
def test_a_window_never_holds_as_many_posts_as_the_platform_allows(
    steps: list[tuple[int, bool, str]],
) -> None:
    pace, now, sent = Pace(Limits()), 10**12, []
    for gap, urgent, channel in steps:
        now += gap
        with clock.freeze(now):
            wait = pace.post(channel, urgent=urgent)
        if wait == 0:
            sent.append((now, channel))
        else:
            with clock.freeze(now + wait):
                assert pace.post(channel, urgent=urgent) == 0, "what was promised holds"
            sent.append((now + wait, channel))
            now += wait
        recent = [at for at, where in sent if where == channel and now - at < Limits().window]
        assert len(recent) < Limits().burst


def test_what_is_urgent_has_room_where_lines_have_none_left() -> None:
    pace = Pace(Limits())
    with clock.freeze(10**12):
        assert [pace.post("a") == 0 for _ in range(6)] == [True] * (5 - KEPT) + [False] * (6 - 5 + KEPT)
        assert pace.post("a", urgent=True) == 0
        assert pace.post("a", urgent=True) == Limits().window
        assert pace.post("b") == 0, "another channel is another matter"


@given(st.lists(st.integers(0, 2 * clock.SECOND), max_size=50))
def test_edits_in_one_channel_keep_their_distance(gaps: list[int]) -> None:
    pace, now, last = Pace(Limits()), 10**12, None
    for gap in gaps:
        now += gap
        with clock.freeze(now):
            wait = pace.edit("a")
        if wait == 0:
            assert last is None or now - last >= Limits().gap
            last = now
        else:
            assert last is not None and now + wait == last + Limits().gap
