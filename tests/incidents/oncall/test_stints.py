"""Segments seen from the people: one shift is one, however often the others change."""

from __future__ import annotations

from incidents.oncall import stints
from incidents.oncall.schedule import Segment
from incidents.oncall.stints import Doubled, Stint


def test_a_person_stays_on_call_while_others_come_and_go() -> None:
    segments = [
        Segment(0, 5, ("ada",)),
        Segment(5, 8, ("ada", "bob")),
        Segment(8, 9, ("bob",)),
        Segment(9, 12, ()),
    ]
    assert stints.stints(segments) == [Stint(0, 8, "ada"), Stint(5, 9, "bob")]


def test_a_hole_between_two_segments_ends_a_shift() -> None:
    segments = [Segment(0, 5, ("ada",)), Segment(7, 8, ("ada",))]
    assert stints.stints(segments) == [Stint(0, 5, "ada"), Stint(7, 8, "ada")]


def test_gaps_are_joined() -> None:
    segments = [Segment(0, 5, ()), Segment(5, 7, ()), Segment(7, 8, ("ada",)), Segment(8, 9, ())]
    assert stints.gaps(segments) == [(0, 7), (8, 9)]


def test_what_is_left_of_spans_without_others() -> None:
    assert stints.minus([(0, 10), (20, 30)], [(2, 3), (5, 25)]) == [(0, 2), (3, 5), (25, 30)]
    assert stints.minus([(0, 10), (20, 30)], [(0, 40)]) == []
    assert stints.minus([(0, 10), (20, 30)], []) == [(0, 10), (20, 30)]


def test_who_is_in_two_schedules_at_once_is_found_for_every_pair() -> None:
    found = stints.doubled(
        {
            "a": [Stint(0, 10, "ada"), Stint(0, 10, "bob")],
            "b": [Stint(5, 20, "ada"), Stint(10, 20, "bob")],
            "c": [Stint(8, 9, "ada")],
        }
    )
    assert found == [
        Doubled(5, 10, "ada", ("a", "b")), Doubled(8, 9, "ada", ("a", "c")), Doubled(8, 9, "ada", ("b", "c")),
    ]  # fmt: skip
